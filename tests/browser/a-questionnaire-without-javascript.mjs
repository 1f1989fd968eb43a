// The same with scripts switched off: a button shows what follows.

import assert from 'node:assert/strict';
import { run } from './setting.mjs';
import { margaret } from './people.mjs';

await run(
  async ({ page, practice }) => {
    await margaret(page, practice);
    await page.goto(`${practice}/questionnaires`);
    await page.getByRole('link', { name: 'Asthma review' }).click();
    const many = page.getByLabel('How many cigarettes a day?');
    assert(!(await many.isVisible()));
    await page.getByRole('group', { name: 'Do you smoke?' }).getByLabel('Yes', { exact: true }).check();
    await page.getByRole('button', { name: 'Show the questions that follow from my answers' }).click();
    await many.fill('5');
    await page.getByRole('group', { name: 'How often did asthma wake you at night?' }).getByLabel('Never').check();
    await page.getByLabel('On how many days a week did you use your reliever inhaler?').fill('2');
    await page.getByRole('group', { name: 'Did you have an asthma attack in the last year?' }).getByLabel('No').check();
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('button', { name: 'Hand in' }).click();
    await page.getByText('Your answers have been handed in.').waitFor();
    await page.getByText('Do you smoke?').waitFor();
    await page.goto(`${practice}/questionnaires`);
    await page.getByRole('link', { name: 'Before your hospital appointment' }).click();
    const operation = page.getByLabel('Which operation?');
    await operation.fill('Appendix');
    await page.getByRole('button', { name: /Add another ?: An operation/ }).click();
    await operation.nth(1).fill('Left knee');
    await page.getByRole('button', { name: /Take this one away ?: An operation that you have had \(1\)/ }).click();
    assert.equal(await operation.count(), 1);
    assert.equal(await operation.inputValue(), 'Left knee');
  },
  { javaScriptEnabled: false },
);
