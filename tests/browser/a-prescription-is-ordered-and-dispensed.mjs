// A repeat prescription in real browsers: ordered in two clicks after sign-in, approved in two, dispensed, and followed by
// the patient. The pages are accessible at three widths, forms that did not pass among them.

import assert from 'node:assert/strict';
import { run } from './setting.mjs';
import { doctor, good, margaret, quiet, signIn, watch } from './people.mjs';

await run(async ({ context, page, practice, pharmacy }) => {
  const seen = await watch(context);
  let clicks = 0;
  const click = async (locator) => {
    clicks += 1;
    await locator.click();
  };
  const signOut = () => page.getByRole('button', { name: 'Sign out', exact: true }).click();

  await margaret(page, practice);
  clicks = 0;
  await click(page.getByRole('link', { name: 'Prescriptions' }).last());
  await click(page.getByRole('button', { name: 'Order', exact: true }));
  await page.getByText('Your practice has your request.').waitFor();
  console.log(`ordered all that is due in ${clicks} clicks`);
  assert(clicks <= 2, `ordering took ${clicks} clicks`);
  const order = page.url().split('?')[0];
  await good(page);
  for (const address of ['/prescriptions', '/prescriptions/order', '/pharmacy', '/']) {
    await page.goto(practice + address);
    await good(page);
  }
  await page.goto(`${practice}/prescriptions`);
  await page.getByText('You have asked for it already.').first().waitFor();
  await page.getByText('it was to be reviewed by').waitFor();
  await page.getByRole('link', { name: 'Cymraeg' }).click();
  await page.getByRole('heading', { name: 'Presgripsiynau' }).waitFor();
  await good(page);
  await page.getByRole('link', { name: 'English' }).click();
  await page.getByRole('heading', { name: 'Prescriptions', exact: true }).waitFor();
  await signOut();

  await doctor(page, practice);
  clicks = 0;
  await click(page.getByRole('link', { name: 'Prescriptions', exact: true }));
  await page.getByText('Stand-in of EPS: not a lawful prescription.').waitFor();
  await page.getByText('Penicillin: rash').waitFor();
  const taken = clicks;
  await good(page);
  await page.getByRole('link', { name: 'HILL, Margaret' }).click();
  await page.getByRole('button', { name: 'Refuse' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/prescriptions`);
  clicks = taken;
  await click(page.getByRole('button', { name: 'Approve' }));
  await page.getByText('It is on its way to the prescription service.').waitFor();
  console.log(`approved a clean prescription in ${clicks} clicks`);
  assert(clicks <= 2, `approving took ${clicks} clicks`);
  await good(page);
  await signOut();

  const said = async (words) => {
    await margaret(page, practice);
    for (let tries = 0; tries < 60; tries += 1) {
      await page.goto(order);
      if ((await page.getByText(words).count()) > 0) break;
      await page.waitForTimeout(250);
    }
    await page.getByText(words).first().waitFor();
    await good(page);
    await signOut();
  };
  await said('Approved: the pharmacy can fetch it');

  await signIn(page, pharmacy, '/staff/login', 'pharmacist');
  await page.getByRole('link', { name: 'Dispensing' }).click();
  await good(page);
  await page.getByRole('button', { name: /Fetch prescriptions/ }).click();
  await page.getByText('Prescriptions were fetched.').waitFor();
  await good(page);
  await page.getByText('Something else').first().click();
  await good(page);
  await page.getByRole('button', { name: /^Part ready/ }).first().click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.getByText('Something else').first().click();
  await page.getByLabel(/What is owed/).first().fill('14 tablets are owed');
  await page.getByRole('button', { name: /^Part ready/ }).first().click();
  await page.getByText('The practice and EPS are told.').waitFor();
  await page.getByRole('button', { name: /^Ready/ }).last().click();
  await page.getByText('The practice and EPS are told.').waitFor();
  await good(page);
  await signOut();
  await said('Still owed to you: 14 tablets are owed');
  await said('Ready to collect');
  quiet(seen);
});
