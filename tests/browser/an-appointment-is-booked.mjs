// A patient books, moves and cancels at the surgery in few clicks, and books at the hospital's clinic, which confirms; somebody
// else is faster once. The pages are accessible at three widths, in English and Welsh, and work without scripts. Then the staff's.

import assert from 'node:assert/strict';
import { run } from './setting.mjs';
import { clerk, good, margaret, quiet, samuel, secretary, watch } from './people.mjs';

/** Counts clicks from the page that one lands on after signing in. */
function counter() {
  const counted = { clicks: 0, click: null };
  counted.click = async (locator) => {
    counted.clicks += 1;
    await locator.click();
  };
  return counted;
}

const surgery = (page) => page.locator('section', { hasText: 'High Street Surgery' });
const hospitals = (page) => page.locator('section', { hasText: 'Anytown General Hospital' });
const signOut = (page) => page.getByRole('button', { name: 'Sign out', exact: true }).click();

/** Books the time of that number at the surgery, from the home page; gives how many clicks it took. */
async function book(page, practice, number, visit = async () => {}) {
  await page.goto(`${practice}/`);
  const counted = counter();
  await counted.click(page.getByRole('link', { name: 'Book an appointment' }));
  await visit(page);
  await counted.click(page.locator('#reason'));
  await page.keyboard.type('Sore knee');
  await counted.click(surgery(page).locator('button.times__one').nth(number));
  await page.getByText('Check before you book').waitFor();
  await visit(page);
  await counted.click(page.getByRole('button', { name: 'Book this appointment' }));
  return counted.clicks;
}

await run(async ({ context, page, hospital, practice }) => {
  const seen = await watch(context);
  await margaret(page, practice);
  const clicks = await book(page, practice, 3, good);
  await page.getByText('Your appointment is booked.').waitFor();
  await good(page);
  assert(clicks <= 4, `booking takes ${clicks} clicks`);
  const booked = page.url().split('?')[0];

  await page.goto(`${practice}/`);
  await good(page);
  const moving = counter();
  await moving.click(page.locator('a[href^="/appointments/"]', { hasText: 'Next:' }));
  const old = await page.locator('h1').innerText();
  await moving.click(page.locator('button.times__one').first());
  await page.getByText('Check before you move it').waitFor();
  await good(page);
  await moving.click(page.getByRole('button', { name: 'Move it to this time' }));
  await page.getByText('Your appointment is moved.').waitFor();
  assert(moving.clicks <= 3, `moving takes ${moving.clicks} clicks`);
  assert.equal(page.url().split('?')[0], booked, 'it is the same appointment');
  assert.notEqual(await page.locator('h1').innerText(), old);

  await page.getByRole('button', { name: 'Cancel this appointment' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.goto(`${practice}/`);
  const ending = counter();
  await ending.click(page.locator('a[href^="/appointments/"]', { hasText: 'Next:' }));
  await ending.click(page.getByLabel('I am better'));
  await ending.click(page.getByRole('button', { name: 'Cancel this appointment' }));
  await page.getByText('Your appointment is cancelled.').waitFor();
  assert(ending.clicks <= 3, `cancelling takes ${ending.clicks} clicks`);
  await page.goto(`${practice}/appointments`);
  await good(page);

  // At the hospital it is asked for, and booked when the hospital has said so.
  await page.goto(`${practice}/appointments/book`);
  await hospitals(page).locator('button.times__one').first().click();
  await page.getByRole('button', { name: 'Ask for' }).or(page.getByRole('button', { name: 'Book this' })).click();
  await page.getByText(/Your appointment is (asked for|booked)\./).waitFor();
  await good(page);
  const asked = page.url().split('?')[0];
  for (let tries = 0; tries < 40; tries += 1) {
    await page.goto(asked);
    if ((await page.locator('.tag').first().innerText()) === 'Booked') break;
    await page.waitForTimeout(250);
  }
  assert.equal(await page.locator('.tag').first().innerText(), 'Booked');
  await page.goto(`${practice}/appointments?lang=cy`);
  await page.getByText('Eich apwyntiadau').waitFor();
  await good(page);
  await page.goto(`${practice}/appointments/book`);
  await good(page);
  await page.goto(`${practice}/appointments?lang=en`);

  // Somebody else is faster.
  await page.goto(`${practice}/appointments/book`);
  await surgery(page).locator('button.times__one').first().click();
  await page.getByText('Check before you book').waitFor();
  const other = await context.newPage();
  await other.goto(`${practice}/appointments/book`);
  await surgery(other).locator('button.times__one').first().click();
  await other.getByRole('button', { name: 'Book this appointment' }).click();
  await other.getByText('Your appointment is booked.').waitFor();
  await other.close();
  await page.getByRole('button', { name: 'Book this appointment' }).click();
  await page.getByText('Somebody else was faster').waitFor();
  await good(page);
  await page.locator('button.times__one').first().click();
  await page.getByRole('button', { name: 'Book this appointment' }).click();
  await page.getByText('Your appointment is booked.').waitFor();
  await page.goto(`${practice}/`);
  await signOut(page);

  await secretary(page, practice);
  await page.goto(`${practice}/staff/slots`);
  await good(page);
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/slots`);
  for (let tries = 0; tries < 5 && (await page.locator('tbody tr').count()) === 0; tries += 1) {
    await page.getByRole('link', { name: 'Next day' }).click();
  }
  await page.getByText('HILL, Margaret').first().waitFor();
  await good(page);
  await page.getByRole('link', { name: 'Book' }).first().click();
  await page.getByText('Book for a patient').first().waitFor();
  await good(page);
  await page.getByRole('button', { name: 'Book', exact: true }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#nhs_number', '999 000 0115');
  await page.goto(`${practice}/staff/slots/there`);
  await page.getByText('Anytown General Hospital').first().waitFor();
  await good(page);
  await page.goto(`${practice}/staff/slots`);
  await signOut(page);
  await clerk(page, hospital);
  await page.goto(`${hospital}/staff/slots`);
  for (let tries = 0; tries < 5 && (await page.locator('tbody tr').count()) === 0; tries += 1) {
    await page.getByRole('link', { name: 'Next day' }).click();
  }
  await page.getByText('by High Street Surgery').first().waitFor();
  await good(page);
  quiet(seen);
});

await run(
  async ({ page, practice }) => {
    await samuel(page, practice);
    await book(page, practice, 5);
    await page.getByText('Your appointment is booked.').waitFor();
    await page.getByLabel('I am better').check();
    await page.getByRole('button', { name: 'Cancel this appointment' }).click();
    await page.getByText('Your appointment is cancelled.').waitFor();
  },
  { javaScriptEnabled: false },
);
