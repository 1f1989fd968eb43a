// Takes a picture of each page of pages.json, at two widths (and in Welsh on a telephone), and writes index.html beside them.
// `cargo xtask album` starts it against a demo of its own. It fails when a page answers an error, is not the page expected, is wider
// than its window, when a list of staff's shows too few rows at once, or when axe-core finds a violation at one of three widths.

import { createRequire } from 'node:module';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepare } from './prepare.mjs';

const folder = process.env.HANDOVER_ALBUM_FOLDER;
const base = Number(process.env.HANDOVER_ALBUM_BASE_PORT);
const require = createRequire(join(process.env.HANDOVER_ASSETS, 'node_modules', 'x'));
const { chromium } = require('playwright-core');
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');

const OFFSETS = {
  hospital: 0, practice: 1, pharmacy: 2, network: 9, riverside: 10, 'social-care': 11, ambulance: 12, 'mental-health': 13,
  community: 14,
};
const PATIENTS = ['margaret', 'samuel'];
const PASSWORD = 'handover-demo';
const WIDTHS = [390, 1280];
/** Where axe-core looks; the first is too narrow to be worth a picture. */
const CHECKED_WIDTHS = [320, ...WIDTHS];
const AXE_RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** Of a list marked "rows", so many stand above the fold at 1280 by 800. */
const ROWS_MIN = 15;
const DAY_SECONDS_MAX = 240;
const node = (name) => `http://127.0.0.1:${base + OFFSETS[name]}`;

/** Waits until the demo's day is over: what it plays would change the lists that are pictured. */
async function dayIsOver() {
  const began = Date.now();
  while (Date.now() - began < DAY_SECONDS_MAX * 1000) {
    const text = await fetch(`${node('network')}/demo`).then((it) => it.text(), () => '');
    if (text.includes('The day is over')) return;
    await new Promise((go) => setTimeout(go, 1000));
  }
  console.log('the day is not over yet; going on');
}

/** The browsers of those who are signed in, by "node/account", and of nobody at "node". */
class People {
  constructor(browser) {
    this.browser = browser;
    this.pages = new Map();
  }

  async page(who, place) {
    const key = who ?? place;
    const known = this.pages.get(key);
    if (known) return known;
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB' });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    if (who) await signIn(page, node(place), who.split('/')[1]);
    this.pages.set(key, page);
    return page;
  }
}

async function signIn(page, at, name) {
  await page.goto(at + (PATIENTS.includes(name) ? '/login' : '/staff/login'));
  await page.fill('#login', name);
  await page.fill('#password', PASSWORD);
  await page.click('main button[type=submit]');
  if (page.url().includes('/login')) throw new Error(`${name} could not sign in at ${at}`);
}

/** Whether an address is one of a route, such as /staff/item/{pid}. */
function fits(route, path) {
  const pattern = route.replace(/[.]/g, '\\.').replace(/\{[^}]*\}/g, '[^/]+');
  return new RegExp(`^${pattern}$`).test(path);
}

/** The first link to that route on the page that leads there. */
async function linked(page, at, entry) {
  await page.goto(at + entry.from);
  const found = await page.$$eval('main a[href]', (links) => links.map((it) => it.getAttribute('href')));
  // A page of its own comes before one that is made anew.
  const all = found.filter((it) => fits(entry.route, it.split('?')[0].split('#')[0]) && !it.split('?')[0].endsWith('/new'));
  if (all.length === 0) throw new Error(`${entry.from} has no link to ${entry.route}`);
  return all[0];
}

async function open(page, at, entry) {
  if (entry.do) {
    const address = await prepare[entry.do](page, { at, node, entry });
    if (address === undefined) return null;
    return page.goto(address.startsWith('http') ? address : at + address);
  }
  const address = entry.from ? await linked(page, at, entry) : (entry.address ?? entry.route);
  return page.goto(at + address);
}

/** Makes the window so wide, and gives what is wrong with the page then. */
async function widen(page, width) {
  await page.setViewportSize({ width, height: 800 });
  // The header folds its links by script some moments after a change of width.
  await page.waitForTimeout(200);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  // Evaluated, not added as a script: the pages' content security policy rightly refuses those.
  await page.evaluate(axe);
  const found = await page.evaluate((rules) => globalThis.axe.run(document, { runOnly: rules }), AXE_RULES);
  const faults = found.violations.map((it) => `${it.id} at ${width}: ${it.nodes[0].html.slice(0, 160)}`);
  if (wide > width) faults.push(`is ${wide} wide at ${width}`);
  return faults;
}

/** How many rows of this page's list would stand above the fold at 1280 by 800; null if it has no row. */
async function rowsAboveTheFold(page) {
  return page.evaluate(() => {
    const rows = [...document.querySelectorAll('main tbody tr')].map((it) => it.getBoundingClientRect());
    if (rows.length === 0) return null;
    const heights = rows.slice(0, 10).map((it) => it.height).sort((a, b) => a - b);
    return Math.floor((800 - rows[0].top) / heights[Math.floor(heights.length / 2)]);
  });
}

async function shoot(page, name, width) {
  const file = `${name}-${width}.png`;
  await page.screenshot({ path: join(folder, file), fullPage: true });
  return { file, width };
}

/** Takes one entry; what is wrong with it is in `faults`. */
async function take(people, entry, number) {
  const [place] = (entry.as ?? entry.at).split('/');
  const page = await people.page(entry.as, place);
  await page.setViewportSize({ width: 1280, height: 800 });
  const answer = await open(page, node(place), entry);
  const status = answer?.status() ?? 200;
  const path = new URL(page.url()).pathname;
  const taken = { entry, number, path, status, faults: [], pictures: [] };
  if (status >= 400) taken.faults.push(`answered ${status}`);
  if (!fits(entry.path ?? entry.route, path)) taken.faults.push(`led to ${path}`);
  const name = `${String(number).padStart(3, '0')}-${entry.route.replaceAll(/[^a-z]+/g, '-').replaceAll(/^-|-$/g, '') || 'home'}`;
  if (entry.rows) {
    const rows = await rowsAboveTheFold(page);
    taken.rows = rows;
    if (rows === null) taken.faults.push('has no row to measure');
    else if (rows < ROWS_MIN) taken.faults.push(`only ${rows} rows above the fold`);
  }
  for (const width of CHECKED_WIDTHS) {
    taken.faults.push(...(await widen(page, width)));
    if (WIDTHS.includes(width)) taken.pictures.push(await shoot(page, name, width));
  }
  if (entry.welsh) {
    const address = new URL(page.url());
    // What names a thing stays; what says what was done goes.
    address.searchParams.delete('done');
    await page.context().addCookies([{ name: 'handover-language', value: 'cy', url: address.origin }]);
    await page.goto(address.href);
    taken.faults.push(...(await widen(page, 390)).map((it) => `in Welsh, ${it}`));
    taken.pictures.push(await shoot(page, `${name}-cy`, 390));
    await page.context().clearCookies({ name: 'handover-language' });
  }
  return taken;
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (it) => `&#${it.charCodeAt(0)};`);

function index(all) {
  const card = ({ entry, number, path, faults, pictures }) => `<section id="p${number}"><h2>${escaped(entry.route)}${
    entry.name ? ` (${escaped(entry.name)})` : ''}</h2><p>${escaped(entry.as ?? 'nobody signed in')} · ${escaped(path ?? '')}${
    faults.map((it) => ` <b>${escaped(it)}</b>`).join('')}</p><div>${pictures
    .map((it) => `<a href="${it.file}"><img loading="lazy" alt="${escaped(entry.route)} at ${it.width}" src="${it.file}"></a>`)
    .join('')}</div></section>`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Album</title><style>
body{font-family:Arial,sans-serif;margin:2rem}section{margin:0 0 2rem}img{height:420px;border:1px solid #aeb7bd;margin-right:8px;
object-fit:cover;object-position:top}b{color:#b00}h2{font-size:1.1rem;margin:0}</style>
<h1>Every page</h1><p>${all.length} pages; all people are made up.</p>${all.map(card).join('\n')}</html>\n`;
}

async function main() {
  const wanted = process.argv.slice(2);
  const { pages } = JSON.parse(await readFile(new URL('./pages.json', import.meta.url), 'utf8'));
  await mkdir(folder, { recursive: true });
  await rm(join(folder, 'index.html'), { force: true });
  await dayIsOver();
  const browser = await chromium.launch({
    executablePath: process.env.HANDOVER_TEST_CHROMIUM,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
  });
  const people = new People(browser);
  const all = [];
  let number = 0;
  for (const entry of pages) {
    number += 1;
    const named = `${entry.route} ${entry.name ?? ''}`;
    if (wanted.length > 0 && !wanted.some((it) => named.includes(it))) continue;
    const taken = await take(people, entry, number).catch((error) => ({
      entry, number, faults: [error.message.split('\n')[0]], pictures: [],
    }));
    all.push(taken);
    const fit = taken.rows === undefined ? '' : `  ${taken.rows} rows`;
    console.log(`${number}/${pages.length} ${named}${fit}${taken.faults.map((it) => `  !! ${it}`).join('')}`);
  }
  await browser.close();
  await writeFile(join(folder, 'index.html'), index(all));
  const bad = all.filter((it) => it.faults.length > 0);
  console.log(`${all.length} pages, ${bad.length} with faults`);
  for (const it of bad) console.log(`  ${it.entry.route} ${it.entry.name ?? ''}: ${it.faults.join('; ')}`);
  if (bad.length > 0) process.exitCode = 1;
}

await main();
