// What every browser test starts from. A test is a file beside this one; `cargo xtask test` runs each with node against a
// demo of its own, in a real headless Chromium, and a test fails by throwing (node:assert) or by a non-zero exit.
//
//   import { run } from './setting.mjs';
//   await run(async ({ page, hospital, practice, pharmacy, axe }) => { await page.goto(practice + '/login'); ... });

import { createRequire } from 'node:module';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';

const assets = process.env.HANDOVER_ASSETS;
assert(assets, 'HANDOVER_ASSETS is not set: these tests are run by `cargo xtask test`');
// Packages are in the assets folder, where a plain import would not look.
const require = createRequire(join(assets, 'node_modules', 'x'));
const { chromium } = require('playwright-core');

/** The addresses of the demo's three nodes, such as http://127.0.0.1:8101. */
export const hospital = process.env.HANDOVER_TEST_HOSPITAL;
export const practice = process.env.HANDOVER_TEST_PRACTICE;
export const pharmacy = process.env.HANDOVER_TEST_PHARMACY;
/** The neighbourhood's own pages. */
export const network = process.env.HANDOVER_TEST_NETWORK;
/** The port for HL7 v2 at the hospital. */
export const mllp = Number(process.env.HANDOVER_TEST_MLLP);
/** The workspace's folder: `docs/images` is below it. */
export const root = process.env.HANDOVER_TEST_ROOT;

const QUIET = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const WAIT_MS = 15_000;

/** Runs `test` with a new browser; options are those of a playwright context (`viewport`, `javaScriptEnabled`, ...). */
export async function run(test, options = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'handover-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.HANDOVER_TEST_CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: QUIET,
    viewport: { width: 1280, height: 800 },
    ...options,
  });
  context.setDefaultTimeout(WAIT_MS);
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    await test({ context, page, hospital, practice, pharmacy, network, mllp, root, axe });
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/**
 * Runs `test` with a browser in which several people are at work at once: `person()` gives each a page of their own, and all
 * contexts are watched by `follow`, if there is one.
 */
export async function runTogether(test, follow = () => {}) {
  const browser = await chromium.launch({
    executablePath: process.env.HANDOVER_TEST_CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: QUIET,
  });
  const person = async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    context.setDefaultTimeout(WAIT_MS);
    await follow(context);
    return context.newPage();
  };
  try {
    await test({ person, hospital, practice, pharmacy, network, mllp, root });
  } finally {
    await browser.close();
  }
}

/** Fails when axe-core finds a violation of WCAG 2.2 AA on the page as it is now. */
export async function axe(page) {
  // Evaluated, not added as a script: the pages' content security policy rightly refuses those.
  const { readFile } = await import('node:fs/promises');
  await page.evaluate(await readFile(require.resolve('axe-core/axe.min.js'), 'utf8'));
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  const told = found.violations.map((v) => `${v.id}: ${v.help}\n  ${v.nodes.map((n) => n.html).join('\n  ')}`);
  assert.equal(told.length, 0, `${page.url()}\n${told.join('\n')}`);
}

/** Sends one HL7 v2 message over MLLP and gives the acknowledgement. */
export async function send(message, port = mllp) {
  const { connect } = await import('node:net');
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`\x0b${message.replaceAll('\n', '\r')}\x1c\r`));
    let answer = '';
    socket.setTimeout(WAIT_MS, () => socket.destroy(new Error('no acknowledgement')));
    socket.on('data', (bytes) => {
      answer += bytes;
      if (answer.endsWith('\x1c\r')) {
        socket.end();
        resolve(answer.slice(1, -2));
      }
    });
    socket.on('error', reject);
  });
}
