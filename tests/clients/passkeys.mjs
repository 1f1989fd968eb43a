// Passkeys in a real Chromium with its virtual authenticator: a patient whose identity the practice checked in person
// adds one with the invitation and reads the record by it; staff add one and sign in by it. And every page of it passes axe.

import assert from 'node:assert/strict';
import { run } from '../browser/setting.mjs';
import { good, quiet } from '../browser/people.mjs';

const node = process.env.HANDOVER_TEST_NODE;
const PASSWORD = process.env.HANDOVER_TEST_PASSWORD;

await run(async ({ context, page }) => {
  const seen = [];
  page.on('pageerror', (error) => seen.push(error.message));
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const options = {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options });
  const path = () => new URL(page.url()).pathname;
  const press = (name) => page.getByRole('button', { name, exact: true }).click();
  const out = async () => {
    await press('Sign out');
    await page.getByText('You have signed out.').waitFor();
  };

  const password = async () => {
    await page.goto(`${node}/staff/login`);
    await page.fill('#login', 'desk');
    await page.fill('#password', PASSWORD);
    await page.click('main button[type=submit]');
    await page.waitForURL(`${node}/staff/inbox`);
  };
  await password();
  await page.goto(`${node}/staff/identity`);
  await good(page);
  await page.fill('#nhs_number', '999 000 0018');
  await page.fill('#born', '1951-03-05');
  await page.fill('#family', 'Tester');
  await page.getByLabel('Passport').check();
  await press('Record and invite');
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#born', '1951-03-04');
  await page.getByLabel('Passport').check();
  await press('Record and invite');
  await page.locator('#code').waitFor();
  const invitation = await page.locator('#code').innerText();
  await good(page);
  await out();

  await page.goto(`${node}/login`);
  assert.equal(await page.locator('#password').count(), 0, 'patients have no passwords here');
  await page.goto(`${node}/login/invitation`);
  await good(page);
  await page.fill('#code', 'aaaa-bbbb-cccc-dddd');
  await press('Continue');
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#code', invitation);
  await press('Continue');
  await page.getByRole('heading', { name: 'Add a passkey' }).waitFor();
  await good(page);
  await page.fill('#label', 'My phone');
  await press('Add a passkey');
  await page.waitForURL(`${node}/`);
  await page.goto(`${node}/record`);
  await page.getByText('What is not shown here').waitFor();
  await page.goto(`${node}/profile/sessions`);
  await page.getByText('My phone').waitFor();
  await page.getByText('Proved in person').waitFor();
  await good(page);
  await out();

  // The invitation served once.
  await page.goto(`${node}/login/invitation`);
  await page.fill('#code', invitation);
  await press('Continue');
  await page.getByText('There is a problem').waitFor();

  await page.goto(`${node}/login?next=%2Frecord`);
  await page.getByRole('link', { name: 'Sign in with a passkey' }).click();
  await good(page);
  await press('Use a passkey');
  await page.waitForURL(`${node}/record`);
  await page.getByText('What is not shown here').waitFor();
  await page.goto(`${node}/step-up`);
  await good(page);
  await page.getByRole('link', { name: 'Use a passkey' }).click();
  await page.waitForURL((url) => url.href.startsWith(`${node}/step-up/passkey`));
  await good(page);
  await press('Use a passkey');
  await page.waitForURL(/profile\/sessions/);
  await out();

  // A patient's passkey does not open the staff's door, and one whose holder was not asked for opens none.
  await page.goto(`${node}/staff/login/passkey`);
  await press('Use a passkey');
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await page.goto(`${node}/login/passkey`);
  await press('Use a passkey');
  await page.getByText(/did not give a passkey|There is a problem/).first().waitFor();
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
  await page.goto(`${node}/record`);
  assert.equal(path(), '/login');

  // Staff: proved anew first, then added; the passkey alone signs in from then on.
  await cdp.send('WebAuthn.clearCredentials', { authenticatorId });
  await password();
  await page.goto(`${node}/staff/profile`);
  await page.getByRole('link', { name: 'Add a passkey' }).click();
  await page.waitForURL(/step-up/);
  await page.fill('#password', PASSWORD);
  await press('Continue');
  await page.waitForURL(/staff\/profile/);
  await page.getByRole('link', { name: 'Add a passkey' }).click();
  await page.fill('#label', 'Desk key');
  await press('Add a passkey');
  await page.getByText('The passkey was added.').waitFor();
  await good(page);
  await out();
  await page.goto(`${node}/staff/login/passkey`);
  await press('Use a passkey');
  await page.waitForURL(`${node}/staff/inbox`);
  await page.goto(`${node}/staff/step-up`);
  await page.getByRole('link', { name: 'Use a passkey' }).click();
  await page.waitForURL((url) => url.href.startsWith(`${node}/staff/step-up/passkey`));
  await good(page);
  await press('Use a passkey');
  await page.waitForURL(/staff\/profile/);
  await page.getByRole('button', { name: 'Remove passkey: Desk key' }).click();
  await page.getByText('The passkey was removed.').waitFor();
  await out();
  await page.goto(`${node}/staff/login/passkey`);
  await press('Use a passkey');
  await page.getByText('There is a problem').waitFor();
  quiet(seen);
});
console.log('done');
process.exit(0);
