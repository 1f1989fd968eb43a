// WCAG 2.2 AA by axe-core at three widths on every page, with a form that did not pass among them; and no page breaks
// its own policy.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { run } from './setting.mjs';
import { PASSWORD, clerk, doctor, engineer, good, guardian, margaret, openLetter, quiet, watch } from './people.mjs';

await run(async ({ context, page, hospital, practice }) => {
  const seen = await watch(context);
  for (const door of ['/login', '/staff/login']) {
    await page.goto(practice + door);
    await good(page);
  }
  await page.fill('#login', 'nobody');
  await page.fill('#password', 'a wrong password');
  await page.click('main button[type=submit]');
  await page.getByText('There is a problem').waitFor();
  await good(page);

  await page.goto(`${practice}/login/invitation`);
  await good(page);
  const secret = await signInPages(page, practice);
  for (const show of ['open', 'unmatched', 'done', 'ended', 'all']) {
    await page.goto(`${practice}/staff/inbox?show=${show}`);
    await good(page);
  }
  await openLetter(page, practice, 'HILL, Margaret');
  await good(page);
  await page.getByText('Return to the sender').click();
  await page.getByRole('button', { name: 'Return letter' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.getByText('Record what was done').click();
  await page.fill('#outcome', 'Spoke to her; tablets changed.');
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await page.getByText('Recorded.').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/inbox?show=unmatched`);
  await page.locator('tbody tr a').first().click();
  await page.getByText('Who is this?').waitFor();
  await page.fill('#who', 'Hill');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.locator('.candidate').first().waitFor();
  await good(page);
  const patient = await page.locator('.candidate input').first().getAttribute('value');
  await carePages(page, practice, patient, secret);
  await rulePages(page, practice);
  for (const address of ['/staff/sent', '/staff/worklist', '/staff/nothing-here']) {
    await page.goto(practice + address);
    await good(page);
  }

  await faxPages(page, practice);

  await clerk(page, hospital);
  await page.goto(`${hospital}/staff/sent`);
  await good(page);
  await page.locator('tbody tr a').first().click();
  await good(page);
  await page.goto(`${hospital}/staff/worklist`);
  await page.locator('tbody tr').first().waitFor();
  await good(page);
  await page.locator('tbody tr a').first().click();
  await page.getByText('What was answered').waitFor();
  await good(page);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await engineer(page, hospital);
  assert.equal(new URL(page.url()).pathname, '/staff/worklist');
  await page.goto(`${hospital}/staff/sent`);
  await page.getByText('You cannot do this').waitFor();
  await good(page);

  await page.goto(`${practice}/staff/worklist`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await guardian(page, practice);
  for (const address of ['/staff/privacy', '/staff/privacy/log']) {
    await page.goto(practice + address);
    await good(page);
  }
  await page.getByRole('button', { name: 'Sign out' }).click();
  await margaret(page, practice);
  await good(page);
  await page.goto(`${practice}/profile/sessions`);
  await good(page);
  for (const address of ['/questionnaires', '/questionnaires/margaret-asthma-review', '/record']) {
    await page.goto(practice + address);
    await good(page);
  }
  await page.goto(`${practice}/record/letters`);
  await good(page);
  // The doctor acted on a letter above, so one is released.
  await page.locator('.letters a').first().click();
  await page.getByText('How it reached you').waitFor();
  await good(page);
  quiet(seen);
});

/** The pages about faxes; one is matched, and found in the record as a letter. */
async function faxPages(page, practice) {
  for (const address of ['/staff/fax-in?show=aside', '/staff/fax-count', '/staff/fax-count?month=soon', '/staff/fax-numbers']) {
    await page.goto(practice + address);
    await good(page);
  }
  await page.getByRole('button', { name: 'Ask for it' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/inbox`);
  await page.getByRole('link', { name: 'Faxes' }).click();
  await good(page);
  await page.locator('tbody tr a').first().click();
  await good(page);
  await page.getByRole('button', { name: 'Match to this patient' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.getByText('Set aside', { exact: true }).first().click();
  await page.getByRole('button', { name: 'Set aside' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#nhs_number', '999 000 0107');
  await page.fill('#born', '1947-03-12');
  await page.fill('#family', 'Hill');
  await page.fill('#title', 'Foot clinic');
  await page.getByRole('button', { name: 'Match to this patient' }).click();
  await page.getByText('Take it out of this record').waitFor();
  await good(page);
}

/** The pages about one's own sign-in, up to a code of an app; ends signed in as the doctor. */
async function signInPages(page, practice) {
  await doctor(page, practice);
  await page.goto(`${practice}/staff/identity`);
  await good(page);
  await page.getByRole('button', { name: 'Record and invite' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/profile`);
  await good(page);
  await page.getByRole('button', { name: 'Set up codes' }).click();
  await page.waitForURL(/step-up/);
  await good(page);
  await page.fill('#password', 'not the password');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#password', PASSWORD);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL(/staff\/profile/);
  await page.getByRole('button', { name: 'Set up codes' }).click();
  await page.locator('#secret').waitFor();
  await good(page);
  const secret = await page.locator('#secret').innerText();
  await page.fill('#code', totp(secret));
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByText('Your recovery codes').waitFor();
  await good(page);
  const recovery = await page.locator('.keys code').first().innerText();
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await good(page);
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.goto(`${practice}/staff/login`);
  await page.fill('#login', 'doctor');
  await page.fill('#password', PASSWORD);
  await page.click('main button[type=submit]');
  await page.getByText('Enter your code').waitFor();
  await good(page);
  await page.fill('#code', '000000');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#code', recovery);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL(/staff\/inbox/);
  return secret;
}

/** The pages by which a record is opened that may be withheld. */
async function carePages(page, practice, patient, secret) {
  await page.goto(`${practice}/staff/patient/${patient}`);
  await good(page);
  await page.getByRole('link', { name: 'Open the shared record' }).click();
  await page.getByText('Where this is from').waitFor();
  // The hospital sent her letters, and answers; what is here stands among it, with its badge.
  await page.getByRole('cell', { name: 'Anytown General Hospital' }).first().waitFor();
  await page.getByRole('heading', { name: 'Allergies' }).waitFor();
  await page.locator('td[data-of="From"]').getByText('Here', { exact: true }).first().waitFor();
  await good(page);
  await page.goto(`${practice}/staff/relationship/${patient}`);
  await good(page);
  await page.getByRole('button', { name: 'Open the record' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/emergency-access/${patient}`);
  await page.waitForURL(/step-up/);
  await good(page);
  // The code that set codes up is taken: the next one comes within half a minute.
  await page.waitForTimeout(30_000 - (Date.now() % 30_000) + 500);
  await page.fill('#password', PASSWORD);
  await page.fill('#code', totp(secret));
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL(/emergency-access/);
  await good(page);
  await page.getByRole('button', { name: 'Open the record' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/unseal/${patient}`);
  await good(page);
}

/** The pages of rules, blueprints and questionnaires: empty, with the examples, tried out, and a rule that cannot be switched on. */
async function rulePages(page, practice) {
  for (const address of ['/staff/blueprints', '/staff/rules']) {
    await page.goto(practice + address);
    await good(page);
  }
  await page.getByRole('button', { name: 'Put the examples on the list' }).click();
  await page.getByText('The examples are on the list.').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/rules/rule-asthma?try=yes`);
  await page.getByText('the questionnaire “').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/rules/rule-results`);
  await page.getByRole('button', { name: 'Switch on' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  for (const address of [
    '/staff/questionnaires',
    '/staff/questionnaires?show=open',
    '/staff/questionnaires/asthma-review',
    '/staff/patient/margaret-hill/questionnaires',
    '/staff/questionnaires/tasks/margaret-asthma-review',
    '/staff/questionnaires/tasks/margaret-asthma-review/answer',
  ]) {
    await page.goto(practice + address);
    await good(page);
  }
}

/** The code that an authenticator app shows now for a secret in base32 (RFC 6238). */
function totp(shown) {
  const letters = shown.replaceAll(/\s/g, '');
  const bits = [...letters].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac('sha1', key).update(step).digest();
  const number = digest.readUInt32BE(digest.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}
