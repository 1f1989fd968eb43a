// One patient lets another act for them, who sees what was given under a banner on every page; the record is then shut to
// all online use. The pages are accessible at three widths, a form that did not pass among them.

import { run } from './setting.mjs';
import { doctor, good, margaret, quiet, samuel, watch } from './people.mjs';

await run(async ({ context, page, practice }) => {
  const seen = await watch(context);
  const signOut = () => page.getByRole('button', { name: 'Sign out', exact: true }).click();

  await margaret(page, practice);
  await page.goto(`${practice}/people`);
  await page.getByRole('button', { name: 'Make a code' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#name', 'Samuel Okoro');
  await page.getByLabel('Letters', { exact: true }).check();
  await page.getByRole('button', { name: 'Make a code' }).click();
  await page.getByText('It is shown only now').waitFor();
  await good(page);
  const code = await page.locator('main code').innerText();
  await signOut();

  await samuel(page, practice);
  await page.goto(`${practice}/people`);
  await page.fill('#code', code);
  await page.getByRole('button', { name: 'Use the code' }).click();
  await page.getByText('You can act for them from now on.').waitFor();
  await page.getByRole('button', { name: 'Act for Margaret Hill' }).click();
  await page.getByText('The record of Margaret Hill').waitFor();
  await good(page);
  for (const address of ['/record', '/people', '/sharing']) {
    await page.goto(practice + address);
    await page.getByText('You are acting for').first().waitFor();
    if (address !== '/record') await good(page);
  }
  await page.getByRole('button', { name: 'Stop acting for them' }).click();
  await page.getByText('You act for yourself again.').waitFor();
  await good(page);
  await signOut();

  await margaret(page, practice);
  await page.goto(`${practice}/access-log`);
  await page.getByText('Samuel Okoro, acting for you').first().waitFor();
  await page.goto(`${practice}/profile/privacy`);
  await good(page);
  await page.getByRole('button', { name: 'Stop showing my record online' }).click();
  await page.getByText('Your record cannot be shown online at present.').waitFor();
  await good(page);
  await signOut();

  await doctor(page, practice);
  await page.goto(`${practice}/staff/people/margaret-hill`);
  await good(page);
  await page.getByRole('button', { name: 'Record it' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  quiet(seen);
});
