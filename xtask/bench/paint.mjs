// How much comes, and when something is first seen, on a bad line: 400 kbit/s with 400 ms from question to answer. Started by
// the bench against a demo; prints one JSON line. Signs in as a patient on a quick line first, since what is measured is a page.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const at = process.argv[2];
const require = createRequire(join(process.env.HANDOVER_ASSETS, 'node_modules', 'x'));
const { chromium } = require('playwright-core');

const PASSWORD = 'handover-demo';
const BYTES_A_SECOND = 400_000 / 8;
const LATENCY_MS = 400;
const TURNS = 5;
const PAGES = ['/', '/appointments', '/prescriptions', '/record', '/sharing'];

/** A browser that has nothing of the site, on the bad line. */
async function newcomer(browser, state) {
  const context = await browser.newContext({ viewport: { width: 390, height: 800 }, storageState: state });
  const page = await context.newPage();
  const line = await context.newCDPSession(page);
  await line.send('Network.enable');
  await line.send('Network.emulateNetworkConditions', {
    offline: false, latency: LATENCY_MS, downloadThroughput: BYTES_A_SECOND, uploadThroughput: BYTES_A_SECOND,
  });
  const seen = { bytes: 0 };
  line.on('Network.loadingFinished', (it) => (seen.bytes += it.encodedDataLength));
  return { context, page, seen };
}

/** Opens an address: milliseconds until something is painted, and the bytes that came. */
async function look({ page, seen }, address) {
  seen.bytes = 0;
  await page.goto(address, { waitUntil: 'networkidle' });
  const painted = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  if (painted === undefined) throw new Error(`${address} paints nothing`);
  return { painted, bytes: seen.bytes };
}

const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const browser = await chromium.launch({
  executablePath: process.env.HANDOVER_TEST_CHROMIUM,
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
});
const quick = await browser.newContext();
const door = await quick.newPage();
await door.goto(`${at}/login`);
await door.fill('#login', 'margaret');
await door.fill('#password', PASSWORD);
await door.click('main button[type=submit]');
const state = await quick.storageState();
const told = { cold: [], warm: [], first: 0, later: 0 };
for (let turn = 0; turn < TURNS; turn += 1) {
  const visitor = await newcomer(browser, state);
  const first = await look(visitor, at + PAGES[turn % PAGES.length]);
  told.cold.push(first.painted);
  told.first = Math.max(told.first, first.bytes);
  for (const path of PAGES) {
    const later = await look(visitor, at + path);
    told.warm.push(later.painted);
    told.later = Math.max(told.later, later.bytes);
  }
  await visitor.context.close();
}
await browser.close();
console.log(JSON.stringify({ ...told, cold: middle(told.cold), warm: middle(told.warm) }));
