// States that are seldom, each reached through the pages themselves: a referral about nobody known, what a visit brings back
// and does not fit, somebody whose address is secret, an app that asks.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PASSWORD, as, button, fill, linkInTime, linkTo, press, totp } from './hands.mjs';

const PASSPHRASE = 'four words do not belong';
/** Somebody of the demo whose address is secret. */
const SECRET = 'leila-haddad';

/** Goes to an address that wants one to prove anew who one is, with the password and a code. */
async function proved(page, address, secret) {
  await page.goto(address);
  if (!page.url().includes('step-up')) return;
  // A code serves once: the next one comes within half a minute.
  await page.waitForTimeout(30_000 - (Date.now() % 30_000) + 500);
  await fill(page, { password: PASSWORD, code: totp(secret) });
  await press(page, 'Continue');
  await page.goto(address);
}

/** Takes the day's visits along, calls one off here while it is done there, and brings back what was written. */
async function writtenMeanwhile(page, at, what) {
  const folder = await mkdtemp(join(tmpdir(), 'handover-visits-'));
  await page.goto(`${at}/staff/visits`);
  await fill(page, { passphrase: PASSPHRASE, again: PASSPHRASE });
  const taking = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Take along' }).click();
  const file = join(folder, 'visits.html');
  await (await taking).saveAs(file);

  const pack = await page.context().newPage();
  await pack.goto(pathToFileURL(file).href);
  await pack.fill('#passphrase', PASSPHRASE);
  await pack.getByRole('button', { name: 'Open' }).click();
  const visit = pack.locator('article', { hasText: what });
  await visit.locator('details.write summary').click();
  await visit.getByLabel('Done', { exact: true }).check();
  const hour = await pack.evaluate(() => new Date(Date.now() - 3600000).toISOString().slice(0, 16));
  await visit.getByLabel('When it really happened').fill(hour);
  await visit.getByLabel('Note').fill('Blood was taken.');
  await visit.getByRole('button', { name: 'Keep' }).click();
  await pack.getByText('Kept on this device, locked').waitFor();
  const saving = pack.waitForEvent('download');
  await pack.getByRole('button', { name: 'Save what I wrote as a file' }).click();
  const saved = join(folder, 'written.json');
  await (await saving).saveAs(saved);
  await pack.close();

  await page.goto(`${at}/staff/visits`);
  const row = page.locator('tbody tr', { hasText: what }).first();
  await Promise.all([page.waitForNavigation(), row.locator('a').first().click()]);
  await page.getByText('Change or cancel').click();
  await page.fill('#why', 'She has gone to hospital');
  await press(page, 'Cancel the visit');
  await page.goto(`${at}/staff/visits/sync`);
  await page.setInputFiles('#file', saved);
  await press(page, 'Synchronise');
  await rm(folder, { recursive: true, force: true });
}

/** Registers an app and has it approved; gives the address by which it asks a person for that. */
async function asks(page, at, scope) {
  const back = 'http://127.0.0.1:9/back';
  const answer = await fetch(`${at}/oauth2/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Growth Chart', redirect_uris: [back], token_endpoint_auth_method: 'none', scope,
    }),
  });
  const { client_id } = await answer.json();
  await as(page, at, 'keeper', async (keeper) => {
    await keeper.goto(`${at}/staff/apps`);
    await press(keeper, 'Approve Growth Chart');
  });
  const asked = new URL(`${at}/oauth2/authorize`);
  const query = {
    response_type: 'code', client_id, redirect_uri: back, state: 'album-of-every-page', aud: `${at}/fhir`, scope,
    code_challenge_method: 'S256', code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  };
  for (const [name, value] of Object.entries(query)) asked.searchParams.set(name, value);
  return asked.href;
}

/** A prescriber approves a request that is clean, if there is one. */
async function approved(page, practice) {
  await as(page, practice, 'doctor', async (doctor) => {
    await doctor.goto(`${practice}/staff/prescriptions`);
    if (await button(doctor, /^Approve/).isVisible()) await press(doctor, /^Approve/);
  });
}

/** Fetches from the stand-in of EPS until something is there to be dispensed. */
async function fetched(page, at) {
  for (let tries = 0; tries < 20; tries += 1) {
    await page.goto(`${at}/staff/dispensing`);
    if ((await page.locator('tbody tr').count()) > 0) return;
    await press(page, /^Fetch prescriptions/);
    await page.waitForTimeout(500);
  }
}

export const seldom = {
  /** The community trust is sent a referral about somebody whom it does not know. */
  async unmatchedReferral(page, { at, node }) {
    const practice = node('practice');
    await as(page, practice, 'doctor', async (doctor) => {
      await doctor.goto(`${practice}/staff/referrals/new?patient=margaret-hill`);
      await fill(doctor, { service: 'Falls clinic', reason: 'Two falls since the spring', question: 'Please see her at home.' });
      await doctor.selectOption('#to', 'RCZ01');
      await press(doctor, /Send/);
    });
    return linkInTime(page, `${at}/staff/referrals?show=unmatched`, '/staff/referrals/unmatched/');
  },

  async visitEntry(page, { at }) {
    const what = 'Take blood';
    await page.goto(`${at}/staff/visits/new?patient=margaret-hill`);
    await fill(page, { what });
    await press(page, 'Put it on the list');
    await writtenMeanwhile(page, at, what);
    await page.goto(`${at}/staff/visits`);
    return linkTo(page, '/staff/visits/entry/');
  },

  /** What waits at the stand-in of EPS is fetched, once a prescriber has approved what is clean. */
  async dispensing(page, { at, node }) {
    await approved(page, node('practice'));
    await fetched(page, at);
    return '/staff/dispensing';
  },

  /** What the pharmacy holds of Margaret since her prescription came there, asked for by herself. */
  async heldThere(page, { at, node }) {
    await page.goto(`${at}/prescriptions/order`);
    if (await button(page, 'Order').isVisible()) await press(page, 'Order');
    await approved(page, at);
    await as(page, node('pharmacy'), 'pharmacist', (pharmacist) => fetched(pharmacist, node('pharmacy')));
    return linkInTime(page, `${at}/record`, '/record/there?');
  },

  /** Where somebody lives whose address is secret; who asks has proved who they are with the codes of `secret`. */
  async whereabouts(page, { at, secret }) {
    await proved(page, `${at}/staff/whereabouts/${SECRET}`, secret ?? this.secret);
    return undefined;
  },

  async whereaboutsTeam(page, { at, secret }) {
    await proved(page, `${at}/staff/whereabouts/${SECRET}/team`, secret ?? this.secret);
    return undefined;
  },

  restricted: async () => `/staff/patient/${SECRET}`,

  appAsks: (page, { at }) => asks(page, at, 'openid launch/patient patient/Patient.rs patient/Observation.rs'),

  staffAppAsks: (page, { at }) => asks(page, at, 'openid fhirUser user/Patient.rs user/Observation.rs'),
};
