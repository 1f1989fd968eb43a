// A patient's own pages: the newest result, a trend, "this looks wrong", a message, the record as files; each journey within the
// clicks that are promised, accessible at three widths in English and Welsh, and once more with scripts switched off.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { run } from './setting.mjs';
import { doctor, good, guardian, margaret, quiet, samuel, secretary, watch } from './people.mjs';

/** Clicks at most, from the page that one lands on after signing in. */
const PROMISED = { order: 2, book: 4, change: 3, result: 2, referral: 2, sharing: 3 };
const taken = {};

/** Goes a way by clicks alone, and fails if it takes more than was promised. */
async function way(page, practice, name, steps) {
  await page.goto(`${practice}/`);
  let clicks = 0;
  await steps(async (locator) => {
    clicks += 1;
    await locator.click();
  });
  taken[name] = clicks;
  assert(clicks <= PROMISED[name], `${name} takes ${clicks} clicks, not ${PROMISED[name]}`);
}

const signOut = (page) => page.getByRole('button', { name: 'Sign out', exact: true }).click();

/** A picture of a page at two widths, where the caller of the test wants them. */
async function picture(page, root, name) {
  if (!process.env.HANDOVER_TEST_PICTURES) return;
  const folder = `${root}/target/pictures`;
  await mkdir(folder, { recursive: true });
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(150);
    await page.screenshot({ path: `${folder}/${name}-${width}.png`, fullPage: true });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** All journeys of the patient, and the staff's answers. `visit` looks at each new page. */
async function journeys(page, practice, visit) {
  await doctor(page, practice);
  await refer(page, practice);
  await signOut(page);

  await margaret(page, practice);
  await visit('home');
  await way(page, practice, 'result', async (click) => {
    await click(page.getByRole('link', { name: /^Newest result:/ }));
    await page.getByText('Over time, in').or(page.getByText('The range is the laboratory')).first().waitFor();
  });
  await page.goto(`${practice}/record`);
  await page.getByText('Where this comes from').waitFor();
  await page.getByRole('listitem').filter({ hasText: 'Anytown General Hospital' }).first().waitFor();
  await visit('record');
  await page.goto(`${practice}/record/results/margaret-hb-6`);
  await page.getByText('Below the range given by the laboratory').first().waitFor();
  assert.equal(await page.locator('svg.trend').count(), 1, 'one drawing: the only result in g/dL is none');
  await page.getByText('Corrected by the laboratory').first().waitFor();
  await page.getByText('Entered in error').first().waitFor();
  await visit('result');

  await page.getByRole('link', { name: 'This looks wrong' }).click();
  await page.getByRole('button', { name: 'Send the question' }).click();
  await page.getByText('There is a problem').waitFor();
  await visit('query-fault');
  await page.fill('#words', 'I was on holiday on that day.');
  await page.getByRole('button', { name: 'Send the question' }).click();
  await page.getByText('Your question has been sent.').waitFor();
  const question = page.url().split('?')[0];
  await visit('query');

  await page.goto(`${practice}/messages`);
  await visit('messages-empty');
  await page.getByRole('button', { name: 'Write a message' }).click();
  await page.getByRole('heading', { name: /Not for emergencies/ }).waitFor();
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.getByText('There is a problem').waitFor();
  await visit('message-fault');
  await page.fill('#subject', 'My tablets');
  await page.fill('#words', 'May I take them in the evening?');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.getByText('Your message has been sent.').waitFor();
  await page.getByText('Not opened at High Street Surgery yet').waitFor();
  await visit('message');

  await way(page, practice, 'sharing', async (click) => {
    await click(page.getByRole('main').getByRole('link', { name: 'Sharing' }));
    await click(page.getByRole('button', { name: /^Stop ?: Letters with Anytown General Hospital$/ }));
    await page.getByRole('button', { name: /^Share again ?: Letters with Anytown General Hospital$/ }).waitFor();
  });
  await page.getByRole('button', { name: /^Share again ?: Letters with Anytown General Hospital$/ }).click();
  await way(page, practice, 'referral', async (click) => {
    await click(page.getByRole('main').getByRole('link', { name: 'Referrals' }));
    await click(page.getByRole('link', { name: 'Heart clinic' }).first());
    await page.getByText('Why you were referred').waitFor();
  });
  await way(page, practice, 'book', async (click) => {
    await click(page.getByRole('link', { name: 'Book an appointment' }));
    const surgery = page.locator('section', { hasText: 'High Street Surgery' });
    await click(surgery.locator('button.times__one').nth(5));
    await click(page.getByRole('button', { name: 'Book this appointment' }));
    await page.getByText('Your appointment is booked.').waitFor();
  });
  await way(page, practice, 'change', async (click) => {
    await click(page.locator('a[href^="/appointments/"]', { hasText: 'Next:' }));
    await click(page.getByLabel('I am better'));
    await click(page.getByRole('button', { name: 'Cancel this appointment' }));
    await page.getByText('Your appointment is cancelled.').waitFor();
  });
  await way(page, practice, 'order', async (click) => {
    await click(page.getByRole('main').getByRole('link', { name: 'Prescriptions' }));
    await click(page.getByRole('button', { name: 'Order', exact: true }));
    await page.getByText('Your practice has your request.').waitFor();
  });
  assert.deepEqual(Object.keys(taken).sort(), Object.keys(PROMISED).sort());

  await page.goto(`${practice}/export`);
  for (const [button, start] of [
    ['Fetch the PDF', '%PDF-1.4'],
    ['Fetch the summary', '{"'],
    ['Fetch everything', '{"resourceType":"Bundle"'],
  ]) {
    // Anew each time: a browser asks before one page hands out several files.
    await page.goto(`${practice}/export`);
    const form = page.locator('form', { has: page.getByRole('button', { name: button }) });
    const address = practice + (await form.getAttribute('action'));
    const csrf = await form.locator('input[name=csrf]').inputValue();
    const coming = page.waitForEvent('download');
    await form.getByRole('button').click();
    assert((await coming).suggestedFilename().length > 0);
    // What a headless browser does with a download ends with the page: what is in it is fetched as the form would.
    const answer = await page.request.post(address, { form: { csrf }, headers: { origin: practice } });
    const file = (await answer.body()).toString('latin1');
    assert(file.startsWith(start), `${button}: ${file.slice(0, 60)}`);
    assert(file.length > 2000, `${button}: ${file.length} bytes`);
  }
  await page.goto(`${practice}/export`);
  assert.equal(await page.locator('main ul li').count(), 6, 'each is listed');
  await visit('export');
  for (const address of ['/help', '/accessibility']) {
    await page.goto(practice + address);
    await visit(address.slice(1));
  }
  for (const address of ['/', '/record', '/messages', '/export', '/help']) {
    await page.goto(`${practice}${address}?lang=cy`);
    assert.equal(await page.locator('main').getAttribute('lang'), 'cy', address);
    await visit(`cy-${address.slice(1) || 'home'}`);
  }
  await page.goto(`${practice}/?lang=en`);
  await signOut(page);

  await secretary(page, practice);
  await page.goto(`${practice}/staff/messages`);
  await visit('staff-messages');
  await page.getByRole('link', { name: 'My tablets' }).click();
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.getByText('There is a problem').waitFor();
  await visit('staff-message');
  await page.fill('#words', 'Yes, with some water.');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.getByText('Sent. The patient reads it').waitFor();
  await page.goto(`${practice}/staff/access-queries`);
  await visit('staff-questions');
  await page.locator('tbody tr a').first().click();
  await page.getByText('I was on holiday on that day.').waitFor();
  await page.getByRole('button', { name: 'Answer' }).click();
  await page.getByText('There is a problem').waitFor();
  await visit('staff-question');
  await page.fill('#words', 'The date was the laboratory’s. It is right now.');
  await page.getByRole('button', { name: 'Answer' }).click();
  await page.getByText('Answered. The patient reads it').waitFor();
  await page.goto(`${practice}/staff/glossary`);
  await visit('staff-glossary');
  await signOut(page);

  await margaret(page, practice);
  await page.getByRole('link', { name: '1 new message' }).first().click();
  await page.getByRole('link', { name: 'My tablets' }).click();
  await page.getByText('Yes, with some water.').waitFor();
  await visit('message-answered');
  await page.goto(question);
  await page.getByText('It is right now.').waitFor();
  await visit('query-answered');
  await page.goto(`${practice}/access-log`);
  await page.getByRole('link', { name: /^Ask why/ }).first().click();
  await page.getByRole('heading', { name: 'Why did you look?' }).waitFor();
  await page.fill('#words', 'Who is this?');
  await page.getByRole('button', { name: 'Send the question' }).click();
  await page.getByText('Your question has been sent.').waitFor();
  await visit('query-look');
  await signOut(page);
  await guardian(page, practice);
  await page.goto(`${practice}/staff/access-queries`);
  await page.locator('tbody tr a').first().click();
  await page.getByText('Who is this?').waitFor();
}

/** The doctor refers Margaret, so that she can see where her referral is. */
async function refer(page, practice) {
  await page.goto(`${practice}/staff/referrals/new?patient=margaret-hill`);
  await page.fill('#service', 'Heart clinic');
  await page.fill('#reason', 'Breathless on the stairs');
  await page.locator('#to').selectOption('RZZ01');
  await page.locator('main button[type=submit]').first().click();
  await page.waitForURL((url) => !url.pathname.endsWith('/new'));
}

await run(async ({ context, page, practice, root }) => {
  const seen = await watch(context);
  await journeys(page, practice, async (name) => {
    await picture(page, root, name);
    await good(page);
  });
  console.log('clicks', JSON.stringify(taken));
  quiet(seen);
});

// Once more with scripts switched off, as somebody else.
await run(
  async ({ page, practice }) => {
    await samuel(page, practice);
    await page.getByRole('main').getByRole('link', { name: 'Your record', exact: true }).click();
    await page.getByText('Metformin').first().waitFor();
    await page.getByText('No allergy is recorded here.').waitFor();
    await page.getByText('Clinical words').first().click();
    await page.getByRole('link', { name: 'This looks wrong' }).first().click();
    await page.fill('#words', 'I do not take this any more.');
    await page.getByRole('button', { name: 'Send the question' }).click();
    await page.getByText('Your question has been sent.').waitFor();
    await page.goto(`${practice}/messages/new`);
    await page.fill('#subject', 'A letter');
    await page.fill('#words', 'Has it come?');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByText('Your message has been sent.').waitFor();
    await page.goto(`${practice}/export`);
    const csrf = await page.locator('form[action="/export/ips"] input[name=csrf]').inputValue();
    const fetched = await page.request.post(`${practice}/export/ips`, { form: { csrf }, headers: { origin: practice } });
    const summary = await fetched.text();
    assert(summary.includes('No information about allergies') && !summary.includes('No known'), summary.slice(0, 400));
  },
  { javaScriptEnabled: false },
);
