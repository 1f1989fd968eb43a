// A patient moves: the new practice registers them and asks, the old one is told who claims them and gives the record, and the
// patient reads where they are registered now. Before that, a letter that another organisation holds is opened.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './setting.mjs';
import { clerk, good, margaret, quiet, secretary, watch } from './people.mjs';

const PRACTICE = 'Z99001';

await run(async ({ context, page, hospital, practice, root }) => {
  const seen = await watch(context);
  const pictures = join(root, 'target', 'moving');
  await mkdir(pictures, { recursive: true });

  await secretary(page, practice);
  await page.goto(`${practice}/staff/inbox?show=unmatched`);
  await page.locator('tbody tr a').first().click();
  await page.getByText('Who is this?').waitFor();
  await page.fill('#who', 'Hill');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.locator('.candidate').first().waitFor();
  const patient = await page.locator('.candidate input').first().getAttribute('value');
  await page.goto(`${practice}/staff/patient/${patient}/shared`);
  await page.locator(`a[href*="/shared/letter?from="]:not([href*="from=${PRACTICE}"])`).first().click();
  await page.waitForURL(/\/shared\/letter\?from=/);
  await page.locator('.letter, .letter-file').first().waitFor();
  assert((await page.locator('main').innerText()).includes('Held by'));
  await good(page);
  await page.screenshot({ path: join(pictures, 'letter.png') });
  const gone = page.url().replace(/letter=[^&]*/, 'letter=nothing');
  await page.goto(gone);
  await page.getByText('holds no such letter').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();

  // The hospital stands for a practice to which she says she moved.
  await clerk(page, hospital);
  await page.goto(`${hospital}/staff/moves`);
  await page.getByRole('button', { name: 'Register and ask' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#nhs_number', '9990000107');
  await page.fill('#born', '1947-03-12');
  await page.fill('#family', 'Hill');
  await page.fill('#given', 'Margaret');
  await page.fill('#from', PRACTICE);
  await page.getByRole('button', { name: 'Register and ask' }).click();
  await page.getByText('The practice before has been asked.').waitFor();
  await good(page);
  await page.screenshot({ path: join(pictures, 'asked.png'), fullPage: true });
  await page.getByRole('button', { name: 'Sign out' }).click();

  await secretary(page, practice);
  for (let tries = 0; tries < 60; tries += 1) {
    await page.goto(`${practice}/staff/moves`);
    if (await page.getByRole('button', { name: /^Give the record/ }).count()) break;
    await page.waitForTimeout(250);
  }
  await good(page);
  await page.screenshot({ path: join(pictures, 'claimed.png'), fullPage: true });
  await page.getByRole('button', { name: /^Object/ }).first().click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.getByRole('button', { name: /^Give the record/ }).first().click();
  await page.getByText('is not the patient’s home practice any more').waitFor();
  await good(page);
  await page.getByRole('button', { name: 'Sign out' }).click();

  await margaret(page, practice);
  await page.getByText('You are now registered at').waitFor();
  await good(page);
  await page.screenshot({ path: join(pictures, 'patient.png') });
  await page.getByRole('button', { name: 'Sign out' }).click();

  await clerk(page, hospital);
  for (let tries = 0; tries < 60; tries += 1) {
    await page.goto(`${hospital}/staff/moves`);
    if (await page.getByText('pieces of the record are here').count()) break;
    await page.waitForTimeout(250);
  }
  await page.getByText('pieces of the record are here').first().waitFor();
  await page.screenshot({ path: join(pictures, 'here.png'), fullPage: true });
  quiet(seen);
});
