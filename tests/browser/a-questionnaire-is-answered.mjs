// A patient is asked, saves and comes back, is shown what follows from an answer, checks and hands in; staff read it. Each page
// accessible at three widths.

import assert from 'node:assert/strict';
import { run } from './setting.mjs';
import { doctor, good, margaret, quiet, watch } from './people.mjs';

await run(async ({ context, page, practice }) => {
  const seen = await watch(context);
  await margaret(page, practice);
  await page.getByRole('link', { name: /questionnaires? to answer/ }).click();
  await good(page);
  await page.getByRole('link', { name: 'Before your hospital appointment' }).click();
  await page.getByText('The telephone number on which we reach you').waitFor();
  const language = page.getByLabel('For which language?');
  assert(!(await language.isVisible()), 'what does not follow yet is hidden');
  assert(!(await page.getByRole('button', { name: 'Show the questions' }).isVisible()), 'the script shows at once');
  await page.getByRole('group', { name: 'Do you need an interpreter?' }).getByLabel('Yes').check();
  await language.waitFor();
  await good(page);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('alert').getByText('There is a problem').waitFor();
  await good(page);
  await page.getByRole('alert').getByRole('link').first().click();
  await page.getByLabel('The telephone number on which we reach you').fill('07700 900321');
  await language.fill('Polish');
  // A group that repeats: another copy, one too many taken away, and all that was written stays.
  const operation = page.getByLabel('Which operation?');
  await operation.fill('Appendix');
  for (const count of [2, 3]) {
    await page.getByRole('button', { name: /Add another ?: An operation/ }).click();
    await operation.nth(count - 1).waitFor();
  }
  await operation.nth(1).fill('One too many');
  await operation.nth(2).fill('Left knee');
  await good(page);
  await page.getByRole('button', { name: /Take this one away ?: An operation that you have had \(2\)/ }).click();
  await page.getByText('An operation that you have had (3)').waitFor({ state: 'detached' });
  assert.equal(await operation.nth(1).inputValue(), 'Left knee');
  assert.equal(await language.inputValue(), 'Polish');
  await page.getByRole('button', { name: 'Save and come back later' }).click();
  await page.getByText('What you wrote is saved.').waitFor();
  await page.getByRole('link', { name: 'Before your hospital appointment' }).click();
  assert.equal(await language.inputValue(), 'Polish');
  await page.getByRole('group', { name: 'How will you come?' }).getByLabel('On my own').check();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('heading', { name: 'Check your answers' }).waitFor();
  await page.getByText('Left knee').waitFor();
  assert.equal(await page.getByText('One too many').count(), 0);
  await good(page);
  await page.getByRole('button', { name: 'Hand in' }).click();
  await page.getByText('Your answers have been handed in.').waitFor();
  await good(page);
  await page.getByRole('button', { name: 'Sign out' }).click();

  await doctor(page, practice);
  await page.goto(`${practice}/staff/questionnaires`);
  await good(page);
  await page.locator('tbody tr', { hasText: 'HILL, Margaret' }).getByRole('link').first().click();
  await page.getByText('Polish').waitFor();
  await good(page);
  await page.getByRole('button', { name: 'I have read these answers' }).click();
  await page.getByText('Recorded that you have read these answers.').waitFor();
  await page.goto(`${practice}/staff/questionnaires/before-hospital`);
  await page.getByText('The person is made up').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/patient/margaret-hill/questionnaires`);
  await good(page);
  quiet(seen);
});
