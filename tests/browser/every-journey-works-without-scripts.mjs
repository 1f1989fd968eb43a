// Every journey of a patient, and what staff do all day, with scripts switched off: what a page needs stands in it.

import assert from 'node:assert/strict';
import { run } from './setting.mjs';
import { doctor, margaret, samuel, secretary } from './people.mjs';

const signOut = (page) => page.getByRole('button', { name: 'Sign out', exact: true }).click();
const surgery = (page) => page.locator('section', { hasText: 'High Street Surgery' });

/** Says which journey is walked, so that one that fails is known by its name. */
async function journey(name, walk) {
  console.log(name);
  await walk();
}

async function appointments(page, practice) {
  await page.goto(`${practice}/`);
  await page.getByRole('link', { name: 'Book an appointment' }).click();
  await page.fill('#reason', 'Sore knee');
  await surgery(page).locator('button.times__one').nth(3).click();
  await page.getByRole('button', { name: 'Book this appointment' }).click();
  await page.getByText('Your appointment is booked.').waitFor();
  const booked = page.url().split('?')[0];
  const old = await page.locator('h1').innerText();
  await page.locator('button.times__one').first().click();
  await page.getByRole('button', { name: 'Move it to this time' }).click();
  await page.getByText('Your appointment is moved.').waitFor();
  assert.notEqual(await page.locator('h1').innerText(), old);
  await page.goto(`${practice}/appointments`);
  assert.equal(await page.locator(`a[href="${new URL(booked).pathname}"]`).count(), 1);
  await page.goto(booked);
  await page.getByRole('button', { name: 'Cancel this appointment' }).click();
  await page.getByText('Choose why').first().waitFor();
  await page.getByLabel('I am better').check();
  await page.getByRole('button', { name: 'Cancel this appointment' }).click();
  await page.getByText('Your appointment is cancelled.').waitFor();
}

async function order(page, practice) {
  await page.goto(`${practice}/`);
  await page.getByRole('main').getByRole('link', { name: 'Prescriptions' }).click();
  await page.getByRole('button', { name: 'Order', exact: true }).click();
  await page.getByText('Your practice has your request.').waitFor();
  await page.goto(`${practice}/pharmacy`);
  await page.locator('input[name=pharmacy]').first().check();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved. Your next prescription goes there.').waitFor();
}

async function record(page, practice) {
  await page.goto(`${practice}/`);
  await page.getByRole('link', { name: /^Newest result/ }).click();
  await page.getByText('All your results').waitFor();
  await page.goto(`${practice}/record`);
  await page.getByText('Clinical words').first().click();
  await page.getByRole('link', { name: 'This looks wrong' }).first().click();
  await page.getByRole('button', { name: 'Send the question' }).click();
  await page.getByText('Write your question').first().waitFor();
  await page.fill('#words', 'I do not take this any more.');
  await page.getByRole('button', { name: 'Send the question' }).click();
  await page.getByText('Your question has been sent.').waitFor();
}

async function letters(page, practice) {
  await page.goto(`${practice}/record/letters`);
  await page.locator('.letters a').first().click();
  await page.getByText('How it reached you').waitFor();
  await page.goto(`${practice}/referrals`);
  await page.getByRole('link', { name: 'Heart clinic' }).first().click();
  await page.getByText('Why you were referred').waitFor();
}

async function sharing(page, practice) {
  await page.goto(`${practice}/`);
  await page.getByRole('main').getByRole('link', { name: 'Sharing' }).click();
  await page.getByRole('button', { name: /^Stop ?: Letters with Anytown General Hospital$/ }).click();
  const again = page.getByRole('button', { name: /^Share again ?: Letters with Anytown General Hospital$/ });
  await again.click();
  await page.getByRole('button', { name: /^Stop ?: Letters with Anytown General Hospital$/ }).waitFor();
  await page.goto(`${practice}/access-log`);
  await page.getByRole('link', { name: /^Ask why/ }).first().click();
  await page.getByRole('heading', { name: 'Why did you look?' }).waitFor();
  await page.fill('#words', 'I do not know them.');
  await page.getByRole('button', { name: 'Send the question' }).click();
  await page.getByText('Your question has been sent.').waitFor();
}

async function messages(page, practice) {
  await page.goto(`${practice}/messages`);
  await page.getByRole('button', { name: 'Write a message' }).click();
  await page.fill('#subject', 'My tablets');
  await page.fill('#words', 'May I take them in the evening?');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.getByText('Your message has been sent.').waitFor();
  // In the thread that she began she writes once more.
  await page.fill('#words', 'With food, or without?');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.locator('.talk__one', { hasText: 'With food, or without?' }).waitFor();
  assert.equal(await page.locator('.talk__one').count(), 2);
}

/** A file is fetched as its link would be: what a headless browser does with a download ends with the page. */
async function fetched(page, address) {
  const answer = await page.request.get(address);
  assert.equal(answer.status(), 200, address);
  assert.match(answer.headers()['content-disposition'], /^attachment; filename=/);
  assert((await answer.body()).length > 0, address);
}

async function downloads(page, practice) {
  await page.goto(`${practice}/record/letters`);
  const letters = await page.locator('.letters a').evaluateAll((all) => all.map((it) => it.href));
  let files = 0;
  for (const letter of letters.slice(0, 10)) {
    await page.goto(letter);
    const links = await page.locator('main a[download]').evaluateAll((all) => all.map((it) => it.href));
    for (const link of links) await fetched(page, link);
    files += links.length;
  }
  await page.goto(`${practice}/sharing`);
  const receipts = await page.locator('main a[download]').evaluateAll((all) => all.map((it) => it.href));
  for (const link of receipts) await fetched(page, link);
  console.log(`  ${files} parts of letters, ${receipts.length} receipts`);
}

/** She takes what she did out of sight, and then has her access paused: both end with one press each. */
async function privacy(page, practice) {
  await page.goto(`${practice}/profile/privacy`);
  const hide = page.locator('form[action="/profile/privacy/hide"]').getByRole('button');
  const pause = page.locator('form[action="/profile/privacy/pause"]').getByRole('button');
  assert.equal(await hide.count(), 1);
  assert.equal(await pause.count(), 1);
  await hide.click();
  await page.locator('main').waitFor();
  assert(page.url().startsWith(practice), page.url());
  await page.goto(`${practice}/profile/privacy`);
  await page.locator('form[action="/profile/privacy/pause"]').getByRole('button').click();
  await page.locator('main').waitFor();
  // Paused, nothing of hers is shown to who has her browser.
  await page.goto(`${practice}/record`);
  assert.equal(await page.locator('.entry__title').count(), 0, 'the record is not shown while her access is paused');
}

async function exported(page, practice) {
  for (const [kind, start] of [['pdf', '%PDF-1.4'], ['ips', '{"'], ['fhir', '{"resourceType":"Bundle"']]) {
    await page.goto(`${practice}/export`);
    const form = page.locator(`form[action="/export/${kind}"]`);
    assert.equal(await form.getByRole('button').count(), 1);
    const csrf = await form.locator('input[name=csrf]').inputValue();
    // What a headless browser does with a download ends with the page: it is fetched as the form would.
    const answer = await page.request.post(`${practice}/export/${kind}`, { form: { csrf }, headers: { origin: practice } });
    assert((await answer.text()).startsWith(start), kind);
  }
}

async function profile(page, practice) {
  await page.goto(`${practice}/profile`);
  await page.getByText('999 000 0107').waitFor();
  await page.getByRole('link', { name: 'Your sign-in, passkeys and devices' }).click();
  await page.getByRole('button', { name: 'Sign out everywhere else' }).click();
  await page.getByText('Signed out everywhere else.').waitFor();
  await page.goto(`${practice}/profile?lang=cy`);
  await page.getByRole('heading', { name: 'Eich manylion' }).waitFor();
  await page.goto(`${practice}/profile?lang=en`);
}

/** Margaret lets Samuel act for her, who does so and stops. */
async function acting(page, practice) {
  await page.goto(`${practice}/people`);
  await page.fill('#name', 'Samuel Okoro');
  await page.getByLabel('Letters', { exact: true }).check();
  await page.getByRole('button', { name: 'Make a code' }).click();
  const code = await page.locator('main code').innerText();
  await signOut(page);
  await samuel(page, practice);
  await page.goto(`${practice}/people`);
  await page.fill('#code', code);
  await page.getByRole('button', { name: 'Use the code' }).click();
  await page.getByRole('button', { name: 'Act for Margaret Hill' }).click();
  await page.getByText('The record of Margaret Hill').waitFor();
  await page.goto(`${practice}/record/letters`);
  await page.getByRole('button', { name: 'Stop acting for them' }).click();
  await page.getByText('You act for yourself again.').waitFor();
  await signOut(page);
}

/** The doctor acts on a letter, so that she reads it, and refers her. */
async function before(page, practice) {
  await doctor(page, practice);
  await page.goto(`${practice}/staff/inbox?show=open`);
  await page.locator('tbody tr', { hasText: 'HILL, Margaret' }).first().locator('a').click();
  await page.getByText('Record what was done').click();
  await page.fill('#outcome', 'Spoke to her; tablets changed.');
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await page.getByText('Recorded.').waitFor();
  await page.goto(`${practice}/staff/referrals/new?patient=margaret-hill`);
  await page.fill('#service', 'Heart clinic');
  await page.fill('#reason', 'Breathless on the stairs');
  await page.locator('#to').selectOption('RZZ01');
  await page.locator('main button[type=submit]').first().click();
  await page.waitForURL((url) => !url.pathname.endsWith('/new'));
  await signOut(page);
}

async function approve(page, practice) {
  await doctor(page, practice);
  await page.getByRole('link', { name: 'Prescriptions', exact: true }).click();
  await page.getByRole('button', { name: 'Approve' }).first().click();
  await page.getByText('It is on its way to the prescription service.').waitFor();
}

async function write(page, practice) {
  await page.goto(`${practice}/staff/letters/new?patient=margaret-hill`);
  await page.fill('#title', 'After the visit');
  await page.fill('#body', 'Dear colleague,\n\nthank you for seeing her.');
  await page.fill('#to-0', 'RZZ01');
  await page.check('#to-patient');
  await page.getByRole('button', { name: 'Keep, and look at it as it leaves' }).click();
  await page.getByRole('button', { name: /^Sign and send as/ }).click();
  await page.getByText('Signed. Each letter is on its way').waitFor();
  await signOut(page);
}

async function file(page, practice) {
  await secretary(page, practice);
  await page.goto(`${practice}/staff/inbox`);
  const routine = page.locator('tbody tr').filter({ hasNotText: 'Urgent' });
  const count = await routine.count();
  await routine.first().locator('a').first().click();
  await page.getByRole('button', { name: 'File letter' }).click();
  await page.getByText('Letter filed.').waitFor();
  // Two that were opened are filed together, and put back.
  for (const number of [0, 1]) {
    await page.goto(`${practice}/staff/inbox`);
    await routine.nth(number).locator('a').first().click();
    await page.getByRole('button', { name: 'File letter' }).waitFor();
  }
  await page.goto(`${practice}/staff/inbox`);
  for (const number of [0, 1]) await routine.nth(number).locator('input[type=checkbox]').check();
  await page.getByRole('button', { name: 'Together' }).click();
  await page.getByText('2 letters will be filed').waitFor();
  await page.getByRole('button', { name: /^File/ }).first().click();
  await page.getByText('Filed. The senders and the patients are told once').waitFor();
  await page.goto(`${practice}/staff/inbox/bulk`);
  await page.getByRole('button', { name: /^Undo/ }).first().click();
  await page.getByText('Undone.').waitFor();
  await page.goto(`${practice}/staff/inbox`);
  assert.equal(await routine.count(), count - 1);
}

await run(
  async ({ page, practice }) => {
    await before(page, practice);
    await margaret(page, practice);
    await journey('appointments', () => appointments(page, practice));
    await journey('order', () => order(page, practice));
    await journey('record', () => record(page, practice));
    await journey('letters and referrals', () => letters(page, practice));
    await journey('sharing', () => sharing(page, practice));
    await journey('messages', () => messages(page, practice));
    await journey('export', () => exported(page, practice));
    await journey('downloads', () => downloads(page, practice));
    await journey('profile', () => profile(page, practice));
    await journey('acting', () => acting(page, practice));
    await journey('approve', () => approve(page, practice));
    await journey('write', () => write(page, practice));
    await journey('file', () => file(page, practice));
    // Last, since nothing of hers is open afterwards.
    await signOut(page);
    await margaret(page, practice);
    await journey('privacy', () => privacy(page, practice));
  },
  { javaScriptEnabled: false },
);
