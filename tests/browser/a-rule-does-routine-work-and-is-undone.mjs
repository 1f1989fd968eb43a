// A rule's whole way: a practice manager reads it, tries it out over last month, switches it on; letters come through the
// hospital's HL7 door; what the rule does is marked as its doing, and a person undoes it, one act and all of them.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run, send } from './setting.mjs';
import { good, quiet, secretary, watch } from './people.mjs';

const FILES = 'File letters that only tell of an attendance';
const ROUTES = 'Letters with results go to the results team';
const PATIENT = 'HILL, Margaret';

/** A letter about Margaret Hill, who is registered at the practice, as the hospital's system tells it. */
function letter(number, title, text) {
  const at = new Date().toISOString().replaceAll(/[-:T]/g, '').slice(0, 14);
  return [
    `MSH|^~\\&|ANYTOWN-PAS|RZZ01|HANDOVER|RZZ01|${at}||MDM^T02|RULE${number}|P|2.4|||AL|NE|GBR|UNICODE UTF-8|EN`,
    `EVN|T02|${at}`,
    'PID|1||H100107^^^RZZ01^MR~9990000107^^^NHS^NH||HILL^Margaret^^^Mrs||19470312|F|||4 Orchard Row^^Anytown^^ZZ1 4AA^GBR^H',
    'PD1||||Z99001^^^^^^^^ODS',
    'PV1|1|O|EYE^^^RZZ01',
    `TXA|1|LETTER^${title}^L|TX|${at}|C9900022^Byrne^Aoife^^^Dr|${at}|||C9900022^Byrne^Aoife^^^Dr|||RULE-DOC-${number}|||||AU||AV`,
    `OBX|1|TX|LETTER^${title}^L||${text}||||||F`,
    '',
  ].join('\n');
}

await run(async ({ context, page, practice, root }) => {
  const seen = await watch(context);
  const pictures = join(root, 'target', 'pictures');
  await mkdir(pictures, { recursive: true });
  const picture = (name) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  const row = (title) => page.locator('tbody tr', { hasText: title });
  const came = async (number, title, text) => assert.match(await send(letter(number, title, text)), /MSA\|AA/);
  /** Waits until a list of the inbox shows a letter with these words beside it. */
  const inbox = async (show, title, words = PATIENT) => {
    for (let tries = 0; tries < 80; tries += 1) {
      await page.goto(`${practice}/staff/inbox?show=${show}`);
      if ((await row(title).filter({ hasText: words }).count()) > 0) return;
      await page.waitForTimeout(250);
    }
    await row(title).filter({ hasText: words }).first().waitFor();
  };
  const rule = async (title) => {
    await page.goto(`${practice}/staff/rules`);
    await page.getByRole('link', { name: title }).click();
    await page.getByRole('heading', { name: title }).waitFor();
  };

  await came(1, 'Attendance at eye clinic', 'She attended the eye clinic today. Nothing was changed.');
  await secretary(page, practice);
  await inbox('open', 'Attendance at eye clinic');

  // Read in plain words.
  await page.goto(`${practice}/staff/worklist`);
  await page.getByRole('link', { name: 'Rules' }).click();
  await page.getByRole('button', { name: 'Put the examples on the list' }).click();
  await page.getByText('None of them is on.').waitFor();
  await good(page);
  await page.getByRole('link', { name: FILES }).click();
  for (const words of ['a letter comes in', 'its title begins with “Attendance”', 'its title asks for nothing', 'It has done nothing yet.']) {
    await page.getByText(words, { exact: false }).first().waitFor();
  }
  await page.getByText('As the rule writes it').first().click();
  await page.getByText("description.lower().startsWith('attendance')").waitFor();
  await good(page);

  // Tried out: the letter that is there would have been filed, and is not.
  await page.getByRole('link', { name: 'See what it would have done over last month' }).click();
  await page.getByText('Nothing was done.').waitFor();
  await row('Attendance at eye clinic').filter({ hasText: PATIENT }).filter({ hasText: 'Filed' }).waitFor();
  await good(page);
  await picture('rule-tried');
  await inbox('open', 'Attendance at eye clinic');

  // Switched on, it judges what comes from then on.
  await rule(FILES);
  await page.getByRole('button', { name: 'Switch on', exact: true }).click();
  await page.getByText('The rule is on. It judges what comes from now on.').waitFor();
  await page.getByText('Sandra Post').first().waitFor();
  await good(page);
  await came(2, 'Attendance at heart clinic', 'She attended the heart clinic today. Nothing was changed.');
  await came(3, 'Attendance at foot clinic', 'She attended the foot clinic today. Please change her tablets.');
  await inbox('done', 'Attendance at heart clinic', `Filed by the rule “${FILES}”`);
  await good(page);
  await picture('rule-inbox');
  await inbox('open', 'Attendance at foot clinic');
  assert.equal(await row('Attendance at heart clinic').count(), 0, 'what was filed is not open');
  assert.equal(await row('Attendance at eye clinic').count(), 1, 'what came before stays');

  // Marked where it stands, and what was left says why.
  await page.goto(`${practice}/staff/inbox?show=done`);
  await row('Attendance at heart clinic').getByRole('link').first().click();
  await page.getByText(`Filed by the rule “${FILES}”`).first().waitFor();
  await good(page);
  await picture('rule-letter');
  const address = page.url();
  await page.getByRole('link', { name: 'The rule', exact: true }).click();
  await page.getByRole('heading', { name: FILES }).waitFor();
  const acts = page.getByRole('region', { name: 'What it did' });
  await acts.locator('tr', { hasText: 'heart clinic' }).filter({ hasText: 'can be put back until' }).waitFor();
  await acts.locator('tr', { hasText: 'foot clinic' }).filter({ hasText: 'Left for a person: it asks for something' }).waitFor();
  await good(page);
  await picture('rule-acts');

  // Undone by a person, from the letter; it is open again, and the rule leaves it.
  await page.goto(address);
  await page.getByRole('button', { name: /^Undo/ }).click();
  await page.getByText('What the rule did is undone.').waitFor();
  await page.getByText(/Undone by Sandra Post/).waitFor();
  await good(page);
  await inbox('open', 'Attendance at heart clinic');
  await page.waitForTimeout(2000);
  await inbox('open', 'Attendance at heart clinic');
  await rule(FILES);
  await acts.locator('tr', { hasText: 'heart clinic' }).filter({ hasText: 'by Sandra Post' }).waitFor();

  // Another rule lacks a team: the page says so, and with the team it hands letters on.
  await rule(ROUTES);
  await page.getByText('There is no team “Results” here').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/admin/teams`);
  await page.fill('#name', 'Results');
  await page.getByRole('button', { name: 'Begin it' }).click();
  await page.getByRole('heading', { name: 'Results' }).waitFor();
  await rule(ROUTES);
  await page.getByRole('button', { name: 'Switch on', exact: true }).click();
  await page.getByText('The rule is on.').waitFor();
  await came(4, 'Result of blood test', 'Potassium 4.1 mmol/L.');
  await inbox('open', 'Result of blood test', 'Results');
  await rule(ROUTES);
  await acts.locator('tr', { hasText: 'Result of blood test' }).filter({ hasText: 'Given to a team' }).waitFor();
  await good(page);

  // All that it did since a day is undone at once, and switched off it does no more.
  await page.getByRole('button', { name: 'Undo all of it' }).click();
  await page.getByText('1 act was undone.').waitFor();
  await good(page);
  await page.getByRole('button', { name: 'Switch off' }).click();
  await page.getByText('The rule is off.').waitFor();
  await came(5, 'Result of urine test', 'Nothing grew.');
  await inbox('open', 'Result of urine test');
  await page.waitForTimeout(2000);
  await inbox('open', 'Result of urine test');
  assert.equal(await row('Result of urine test').filter({ hasText: 'Results' }).count(), 0);
  assert.equal(await row('Result of blood test').filter({ hasText: 'Results' }).count(), 0);
  quiet(seen);
});
