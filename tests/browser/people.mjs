// The demo's people, how they sign in, and what must hold on every page that they see.

import assert from 'node:assert/strict';
import { axe } from './setting.mjs';

/** Everybody in the demo has this password. */
export const PASSWORD = 'handover-demo';

/** Signs in by that door, and gives the address that one lands on. */
export async function signIn(page, node, door, name) {
  await page.goto(node + door);
  await page.fill('#login', name);
  await page.fill('#password', PASSWORD);
  await page.click('main button[type=submit]');
  assert(!page.url().includes('/login'), `${name} could not sign in at ${node}`);
  return page.url();
}

/** The practice's secretary, doctor and privacy officer, the hospital's clerk and engineer, and two patients. */
export const secretary = (page, practice) => signIn(page, practice, '/staff/login', 'secretary');
export const doctor = (page, practice) => signIn(page, practice, '/staff/login', 'doctor');
export const guardian = (page, practice) => signIn(page, practice, '/staff/login', 'guardian');
export const clerk = (page, hospital) => signIn(page, hospital, '/staff/login', 'clerk');
export const engineer = (page, hospital) => signIn(page, hospital, '/staff/login', 'engineer');
export const margaret = (page, practice) => signIn(page, practice, '/login', 'margaret');
export const samuel = (page, practice) => signIn(page, practice, '/login', 'samuel');

/**
 * Watches everything in a context: a violated policy, a script that fails, a dialog, a request to another host. Gives
 * the list of what was seen, which must stay empty.
 */
export async function watch(context) {
  const seen = [];
  await context.exposeFunction('tellViolation', (text) => seen.push(text));
  await context.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      globalThis.tellViolation(`${location.href}: ${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  const follow = (page) => {
    page.on('pageerror', (error) => seen.push(`${page.url()}: ${error.message}`));
    page.on('dialog', (dialog) => seen.push(`${page.url()}: a dialog: ${dialog.message()}`));
    page.on('request', (request) => {
      // A file that somebody opens in a new window is asked for by nobody's page.
      const isOpened = request.isNavigationRequest() && page.url() === 'about:blank' && request.url().startsWith('file:');
      if (!isOpened && !request.url().startsWith('http://127.0.0.1:')) seen.push(`${page.url()} asks for ${request.url()}`);
    });
  };
  context.pages().forEach(follow);
  context.on('page', follow);
  return seen;
}

/** Nothing was seen by `watch`. */
export function quiet(seen) {
  assert.deepEqual(seen, []);
}

const WIDTHS = [1280, 390, 320];

/** A page is accessible and needs no sideways scrolling, at three widths. */
export async function good(page) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    // The header folds its links by script some moments after a change of width.
    await page
      .waitForFunction((most) => document.documentElement.scrollWidth <= most, width, { timeout: 5000 })
      .catch(() => {});
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= width, `${page.url()} is ${wide} wide at ${width}`);
    await axe(page);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** The first letter of the inbox about someone with this name (as the list shows it). */
export async function openLetter(page, practice, name, show = 'open') {
  await page.goto(`${practice}/staff/inbox?show=${show}`);
  const row = page.locator('tbody tr', { hasText: name }).first();
  await row.locator('a').click();
  await page.waitForURL(/\/staff\/item\//);
}
