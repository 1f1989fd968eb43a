// WCAG 2.2 AA by axe-core at three widths on every page, with a form that did not pass among them; and no page breaks
// its own policy.

import assert from 'node:assert/strict';
import { run } from './setting.mjs';
import { clerk, doctor, engineer, good, margaret, openLetter, quiet, watch } from './people.mjs';

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

  await doctor(page, practice);
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
  for (const address of ['/staff/sent', '/staff/worklist', '/staff/nothing-here']) {
    await page.goto(practice + address);
    await good(page);
  }

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
  await margaret(page, practice);
  await good(page);
  await page.goto(`${practice}/record`);
  await good(page);
  // The doctor acted on a letter above, so one is released.
  await page.locator('.letters a').first().click();
  await page.getByText('How it reached you').waitFor();
  await good(page);
  quiet(seen);
});
