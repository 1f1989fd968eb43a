// Every step with scripts switched off: signing in, filing, returning, withdrawing, reading, signing out.

import assert from 'node:assert/strict';
import { run } from './setting.mjs';
import { clerk, margaret, openLetter, secretary } from './people.mjs';

await run(
  async ({ page, hospital, practice }) => {
    await secretary(page, practice);
    await openLetter(page, practice, 'OKORO, Samuel');
    await page.getByText('Return to the sender').click();
    await page.getByLabel('It cannot be read').check();
    await page.getByRole('button', { name: 'Return letter' }).click();
    await page.getByText('Letter returned.').waitFor();
    await openLetter(page, practice, 'HILL, Margaret');
    await page.getByRole('button', { name: 'File letter' }).click();
    await page.getByText('Letter filed.').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();

    await clerk(page, hospital);
    await page.goto(`${hospital}/staff/sent`);
    // Without scripts the board is as fresh as the page; the link loads it again.
    const returned = page.locator('tbody tr', { hasText: 'Returned' });
    for (let tries = 0; tries < 20 && (await returned.count()) === 0; tries += 1) {
      await page.waitForTimeout(250);
      await page.getByRole('link', { name: 'Reload' }).click();
    }
    assert.equal(await returned.count(), 1);
    await page.locator('tbody tr', { hasText: 'Filed' }).locator('a').first().click();
    await page.getByText('Withdraw this letter').click();
    await page.fill('#why', 'Sent in error');
    await page.getByRole('button', { name: 'Withdraw letter' }).click();
    await page.getByText('Letter withdrawn.').waitFor();

    await margaret(page, practice);
    await page.goto(`${practice}/record`);
    await page.getByText('What is not shown here').waitFor();
  },
  { javaScriptEnabled: false },
);
