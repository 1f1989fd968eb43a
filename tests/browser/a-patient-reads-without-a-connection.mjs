// A patient keeps pages on a device and reads them while their practice's node is stopped: each says of when it is, what was not
// kept is not there, and when the patient signs out nothing is left. Unasked, nothing is kept.

import assert from 'node:assert/strict';
import { run } from './setting.mjs';
import { good, margaret, quiet, secretary, watch } from './people.mjs';

const signOut = (page) => page.getByRole('button', { name: 'Sign out', exact: true }).click();

/** Stops the practice's node, or starts it again, on the network's page. */
async function node(context, network, button, said) {
  const page = await context.newPage();
  await page.goto(`${network}/demo`);
  await page.selectOption('#node', 'Z99001');
  await page.getByRole('button', { name: button, exact: true }).click();
  await page.getByText(said).first().waitFor();
  await page.close();
}

const everything = (page) =>
  page.evaluate(async () => {
    const found = [];
    for (const name of await caches.keys()) {
      for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
    }
    return found;
  });

await run(async ({ context, page, practice, network }) => {
  const seen = await watch(context);
  await margaret(page, practice);
  await page.goto(`${practice}/record`);
  assert.deepEqual(await everything(page), [], 'nothing is kept unasked');
  await page.goto(`${practice}/profile`);
  await page.getByRole('link', { name: 'Read without a connection' }).click();
  await page.getByText('Nothing is kept on this device.').waitFor();
  await good(page);
  await page.getByRole('button', { name: 'Keep on this device' }).click();
  await page.getByText('Choose at least one').waitFor();
  await page.getByLabel('Your record').check();
  await page.getByLabel('Your letters').check();
  await page.getByLabel('Your test results, each on its page').check();
  await page.getByLabel('Your referrals').check();
  await page.getByRole('button', { name: 'Keep on this device' }).click();
  await page.getByText('Kept. You can read it without a connection now.').waitFor();
  await good(page);
  await page.goto(`${practice}/record`);
  assert.equal(await page.getByText('There is no connection').count(), 0, 'what comes from the node is not called old');

  await node(context, network, 'Stop', 'is stopped');
  await page.goto(`${practice}/record`);
  await page.getByText(/^Kept on .* There is no connection/).waitFor();
  await page.getByText('Amlodipine').first().waitFor();
  await good(page);
  const result = (await everything(page)).find((it) => it.startsWith('/record/results/'));
  assert(result, 'the results are kept, each on its page');
  await page.goto(`${practice}${result}`);
  await page.getByText(/^Kept on .* There is no connection/).waitFor();
  await page.goto(`${practice}/referrals`);
  await page.getByText(/^Kept on .* There is no connection/).waitFor();
  await page.goto(`${practice}/sharing`);
  await page.getByRole('heading', { name: 'Read without a connection' }).waitFor();
  await page.locator('[data-kept] a', { hasText: 'Your record' }).waitFor();
  await good(page);
  const failed = await page.goto(`${practice}/staff/inbox`).then(() => false, () => true);
  assert(failed, 'no page of the staff is answered for');

  await node(context, network, 'Start', 'is up');
  for (let tries = 0; tries < 40; tries += 1) {
    await page.goto(`${practice}/record`);
    if ((await page.getByText('There is no connection').count()) === 0) break;
    await page.waitForTimeout(250);
  }
  await signOut(page);
  await page.getByText('You have signed out.').waitFor();
  assert.deepEqual(await everything(page), [], 'nothing is left');
  const workers = await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);
  assert.equal(workers, 0, 'nor is anything that would answer');

  // What one may not keep for somebody else is not offered to staff either.
  await secretary(page, practice);
  await page.goto(`${practice}/offline`);
  await page.getByText('You cannot do this').waitFor();
  quiet(seen);
});
