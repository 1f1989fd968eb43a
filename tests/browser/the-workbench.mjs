// The staff's day: letters given, filed together and put back by keys alone, a task, a letter from a text to the signature, results,
// teams and neighbours; each page accessible at three widths; and how many clicks each takes.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './setting.mjs';
import { doctor, good, quiet, secretary, watch } from './people.mjs';

await run(async ({ context, page, practice, root }) => {
  const seen = await watch(context);
  const pictures = join(root, 'target', 'pictures');
  await mkdir(pictures, { recursive: true });
  const picture = (name) => page.screenshot({ path: join(pictures, `${name}.png`) });
  const look = async (name) => {
    await good(page);
    await picture(name);
  };

  await secretary(page, practice);
  // The day's letters are all there before rows are counted and clicked: the list changes as they come.
  for (let tries = 0; tries < 60 && (await page.locator('tbody tr').count()) < 15; tries += 1) {
    await page.waitForTimeout(500);
    await page.reload();
  }
  await rowsAboveTheFold(page);
  await look('inbox');
  await clicksToFile(page);
  await byKeys(page, practice, look);
  const patient = await tasks(page, practice, look);
  await patientPages(page, practice, patient, look);
  await page.goto(`${practice}/staff/admin/teams`);
  await page.fill('#name', 'Results');
  await page.getByRole('button', { name: 'Begin it' }).click();
  await page.getByText('The team is there.').waitFor();
  await page.getByRole('button', { name: 'Put in' }).click();
  await look('teams');
  await page.goto(`${practice}/staff/neighbours`);
  await look('neighbours');
  await page.goto(`${practice}/staff/inbox`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await doctor(page, practice);
  await recordedByKeys(page, practice);
  await writtenLetter(page, practice, patient, look);
  quiet(seen);
});

/** At least 15 rows fit above the fold at 1280 by 800, or all of them if there are fewer. */
async function rowsAboveTheFold(page) {
  const rows = await page.locator('tbody tr').count();
  const whole = await page.evaluate(
    () => [...document.querySelectorAll('tbody tr')].filter((row) => row.getBoundingClientRect().bottom <= innerHeight).length,
  );
  const height = await page.evaluate(() => {
    const first = document.querySelector('tbody tr').getBoundingClientRect();
    return { top: first.top, row: first.height };
  });
  const fit = Math.floor((800 - height.top) / height.row);
  console.log(`${whole} of ${rows} rows above the fold; ${fit} would fit`);
  assert(whole >= Math.min(rows, 15), `${whole} of ${rows} rows above the fold`);
  assert(fit >= 15, `only ${fit} rows of this height would fit`);
}

/** UX.md: a letter is filed in at most two clicks after signing in. */
async function clicksToFile(page) {
  let clicks = 0;
  const click = async (target) => {
    clicks += 1;
    await target.click();
  };
  await click(page.locator('tbody tr a[data-row]').first());
  await page.waitForURL(/\/staff\/item\//);
  await page.getByRole('button', { name: 'File letter' }).waitFor({ timeout: 5000 }).catch(async () => {
    throw new Error(`${page.url()}: ${await page.innerText('main')}`);
  });
  await click(page.getByRole('button', { name: 'File letter' }));
  await page.getByText('Letter filed.').waitFor();
  console.log(`${clicks} clicks to file a letter`);
  assert(clicks <= 2);
}

/** Two letters are opened, ticked, filed together and put back, without a mouse. */
async function byKeys(page, practice, look) {
  await page.goto(`${practice}/staff/inbox`);
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  const before = await page.locator('tbody tr').count();
  // The first that is routine, and the one below it, which nobody opens.
  const urgent = await page.locator('tbody tr', { hasText: 'Urgent' }).count();
  const down = async () => {
    for (let at = 0; at <= urgent; at += 1) await page.keyboard.press('j');
  };
  // The list draws itself anew once it listens for changes, and a key pressed at that moment is lost.
  const goes = async (keys, address) => {
    for (let tries = 0; tries < 3; tries += 1) {
      await page.waitForTimeout(1000);
      await keys();
      const there = await page.waitForURL(address, { timeout: 4000 }).then(() => true, () => false);
      if (there) return;
    }
    assert.fail(`${page.url()} is not ${address}`);
  };
  await goes(async () => {
    await page.evaluate(() => document.activeElement.blur());
    await down();
    await page.keyboard.press('Enter');
  }, /\/staff\/item\//);
  await look('item');
  // Whose work it is: a goes to the names, the arrow chooses one, and the button behind them gives it.
  await page.keyboard.press('a');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'to');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('It is said whose work this letter is.').waitFor();
  // To return it: r opens the form and goes into it, and back to its head it is closed again.
  await page.waitForTimeout(1000);
  await page.keyboard.press('r');
  assert.equal(await page.evaluate(() => document.activeElement.closest('details')?.dataset.key), 'r');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.querySelector('details[data-key=r]').open), false);
  await goes(() => page.keyboard.press('u'), /\/staff\/inbox/);
  await page.waitForTimeout(1000);
  await down();
  await page.keyboard.press('x');
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.keyboard.press('t');
  await page.waitForURL(/\/staff\/inbox\/bulk/);
  await page.getByText('1 letter will be filed; 1 stays').waitFor();
  await look('bulk');
  await page.keyboard.press('e');
  await page.getByText('Filed. The senders and the patients are told once').waitFor();
  await look('bulk-done');
  await page.goto(`${practice}/staff/inbox`);
  assert.equal(await page.locator('tbody tr').count(), before - 1);
  await page.goto(`${practice}/staff/inbox/bulk`);
  await page.waitForTimeout(1000);
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('undo the filing').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.keyboard.press('u');
  await page.getByText('Undone.').waitFor();
  await page.goto(`${practice}/staff/inbox`);
  assert.equal(await page.locator('tbody tr').count(), before);
}

/** A clinician opens a letter and records what was done, without a mouse. */
async function recordedByKeys(page, practice) {
  await page.goto(`${practice}/staff/inbox`);
  await page.waitForTimeout(1000);
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/staff\/item\//);
  await page.waitForTimeout(1000);
  await page.keyboard.press('d');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'outcome');
  await page.keyboard.type('Rang her; nothing more to do');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('Recorded.').first().waitFor();
}

/** A task is made of a letter, found, and done. Gives the patient's id. */
async function tasks(page, practice, look) {
  await page.locator('tbody tr a[data-row]').first().click();
  await page.getByRole('link', { name: 'Make a task of this letter' }).click();
  await page.getByRole('button', { name: 'Make the task' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#what', 'Ring her about the tablets');
  await page.getByRole('button', { name: 'Make the task' }).click();
  await page.getByText('The task is on the list').waitFor();
  await page.goto(`${practice}/staff/tasks`);
  await look('tasks');
  await page.getByRole('link', { name: 'Ring her about the tablets' }).click();
  await look('task');
  const href = await page.getByRole('link', { name: 'The patient’s page' }).getAttribute('href');
  await page.getByRole('button', { name: 'Done', exact: true }).click();
  await page.getByText('Done, and off the list.').waitFor();
  return href.split('/').pop();
}

async function patientPages(page, practice, patient, look) {
  for (const name of ['results', 'timeline']) {
    await page.goto(`${practice}/staff/patient/${patient}/${name}`);
    await look(name);
  }
}

/** A letter from a team's text to the signature, with a gap that keeps it from being signed until it is filled. */
async function writtenLetter(page, practice, patient, look) {
  await page.goto(`${practice}/staff/templates/new`);
  await page.getByRole('button', { name: 'Keep the text' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#name', 'Clinic');
  await page.fill('#body', 'Dear colleague,\n\n{patient} ({nhs number}) came today.\n\nAllergies:\n{allergies}\n\n{own text}');
  await page.getByRole('button', { name: 'Keep the text' }).click();
  await page.getByText('The text is kept.').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/letters/new?patient=${patient}`);
  await page.getByLabel('Begin with').selectOption({ label: 'Clinic' });
  await page.getByRole('button', { name: 'Use this text' }).click();
  await look('letter');
  await page.fill('#to-0', 'RZZ01');
  await page.check('#to-patient');
  await page.getByRole('button', { name: 'Keep, and look at it as it leaves' }).click();
  await page.getByText('The letter has gaps').first().waitFor();
  await look('letter-gap');
  const text = await page.inputValue('#body');
  await page.fill('#body', text.replaceAll(/\[\[[^\]]*\]\]/g, 'nothing to add'));
  await page.getByRole('button', { name: 'Keep, and look at it as it leaves' }).click();
  await page.getByRole('button', { name: /^Sign and send as/ }).waitFor();
  await look('letter-sign');
  await page.goto(`${practice}/staff/unsigned`);
  await look('unsigned');
  await page.goBack();
  await page.getByRole('button', { name: /^Sign and send as/ }).click();
  await page.getByText('Signed. Each letter is on its way').waitFor();
}
