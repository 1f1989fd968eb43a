// What preparing a page takes: forms that are filled and sent as a person does, and sign-ins of others meanwhile.

import { createHmac } from 'node:crypto';

export const PASSWORD = 'handover-demo';

export const button = (page, name) => page.getByRole('main').getByRole('button', { name }).first();

/** Presses a button that leads on, and waits until another page is there. */
export async function press(page, name) {
  const target = button(page, name);
  await Promise.all([page.waitForNavigation(), target.click()]);
}

export async function fill(page, values) {
  for (const [name, value] of Object.entries(values)) await page.fill(`[name="${name}"]`, value);
}

export async function passkey(page, at, address) {
  await page.goto(at + address);
  if (page.url().includes('step-up')) {
    await page.fill('#password', PASSWORD);
    await press(page, 'Continue');
  }
  await page.goto(at + address);
}

/** The code that an authenticator app shows now for a secret in base32 (RFC 6238). */
export function totp(shown) {
  const letters = shown.replaceAll(/\s/g, '');
  const bits = [...letters].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'));
  const key = Buffer.from(bits.join('').match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac('sha1', key).update(step).digest();
  const number = digest.readUInt32BE(digest.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

/** Sets codes up for who is signed in; gives the secret. */
export async function setUpCodes(page, at) {
  await page.goto(`${at}/staff/profile`);
  await press(page, 'Set up codes');
  if (page.url().includes('step-up')) {
    await page.fill('#password', PASSWORD);
    await press(page, 'Continue');
    await press(page, 'Set up codes');
  }
  const secret = await page.locator('#secret').innerText();
  await page.fill('#code', totp(secret));
  await press(page, 'Confirm');
  await page.getByText('Your recovery codes').waitFor();
  return secret;
}

/** Somebody on record, found by a letter that came in. */
export async function somebody(page, at, list = 'inbox?show=all') {
  await page.goto(`${at}/staff/${list}`);
  const rows = 'tbody a[href^="/staff/item/"], tbody a[href^="/staff/sent/"]';
  for (const link of await page.$$eval(rows, (all) => all.map((it) => it.getAttribute('href')))) {
    await page.goto(at + link);
    const links = await page.$$eval('main a[href^="/staff/patient/"]', (all) => all.map((it) => it.getAttribute('href')));
    if (links.length > 0) return links[0].split('/')[3].split('?')[0];
  }
  throw new Error('nobody of the inbox is on record');
}

export async function linkTo(page, begin) {
  const links = await page.$$eval('main a[href]', (all) => all.map((it) => it.getAttribute('href')));
  const found = links.find((it) => it.startsWith(begin));
  if (!found) throw new Error(`no link to ${begin} at ${page.url()}`);
  return found;
}

export const day = (from) => new Date(Date.now() + from * 86_400_000).toISOString().slice(0, 10);

/** Does something signed in as somebody else of the staff, in a browser of their own. */
export async function as(page, at, login, work) {
  const context = await page.context().browser().newContext({ viewport: { width: 1280, height: 800 } });
  const other = await context.newPage();
  await other.goto(`${at}/staff/login`);
  await fill(other, { login, password: PASSWORD });
  await Promise.all([other.waitForNavigation(), other.click('main button[type=submit]')]);
  await work(other);
  await context.close();
}

const TRIES = 40;
const BETWEEN_MS = 500;

/** The first link that begins so on a page where it will be in a moment. */
export async function linkInTime(page, address, begin) {
  for (let tries = 1; tries < TRIES; tries += 1) {
    await page.goto(address);
    const found = await linkTo(page, begin).catch(() => null);
    if (found) return found;
    await page.waitForTimeout(BETWEEN_MS);
  }
  await page.goto(address);
  return linkTo(page, begin);
}
