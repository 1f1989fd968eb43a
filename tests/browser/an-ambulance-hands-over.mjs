// A crew hands over somebody known and somebody whom nobody knows, in a few fields and without scripts being needed; the
// emergency department's board shows the worst first, by itself. All of it accessible at three widths.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { run } from './setting.mjs';
import { clerk, doctor, good, quiet, watch } from './people.mjs';

const pictures = `${process.env.HANDOVER_TEST_ROOT}/target/pictures`;

async function picture(page, name) {
  mkdirSync(pictures, { recursive: true });
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
}

async function observe(page, values) {
  for (const [name, value] of Object.entries(values)) {
    const field = page.locator(`#${name}`);
    if ((await field.evaluate((it) => it.tagName)) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
}

await run(async ({ context, page, hospital, practice }) => {
  const seen = await watch(context);
  await doctor(page, practice);
  await page.goto(`${practice}/staff/handovers/new`);
  await good(page);
  await page.getByRole('button', { name: 'Send the handover' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.check('#unknown');
  await page.check('[name=pre_alert]');
  await page.selectOption('#to', { label: await hospitalLabel(page) });
  await observe(page, {
    happened: 'Found at the bus station, not waking', age: '50', sex: 'male', crew: 'A204', rate: '26', saturation: '89',
    oxygen: 'oxygen', systolic: '88', diastolic: '50', pulse: '134', consciousness: 'P', temperature: '35.0',
    what0: 'Naloxone 400 micrograms',
  });
  await picture(page, 'handover-form');
  await page.getByRole('button', { name: 'Send the handover' }).click();
  await page.getByText('Nobody there has seen it before this page says so').waitFor();
  await page.getByText('20 high').first().waitFor();
  await good(page);
  await page.goto(`${practice}/staff/handovers/new`);
  await page.check('#unknown');
  await page.selectOption('#to', { label: await hospitalLabel(page) });
  await observe(page, { happened: 'Fell off a ladder', pulse: '80' });
  await page.getByRole('button', { name: 'Send the handover' }).click();
  await page.getByText('Incomplete, 6 missing').first().waitFor();
  await page.goto(`${practice}/staff/handovers`);
  await good(page);

  const board = await context.newPage();
  await clerk(board, hospital);
  await board.getByRole('link', { name: 'Ambulances' }).click();
  await board.getByText('Fell off a ladder').waitFor();
  await board.getByText('not waking').waitFor();
  const rows = await board.locator('tbody tr').allInnerTexts();
  assert(rows[0].includes('20 high') && rows[0].includes('Pre-alert'), rows.join('\n'));
  assert(rows[1].includes('Incomplete'), rows.join('\n'));
  await good(board);
  await picture(board, 'handover-board');

  await page.locator('tbody tr a', { hasText: 'Unknown person, male' }).click();
  await page.getByRole('button', { name: 'We have arrived' }).click();
  await page.getByText('The clock runs.').waitFor();
  // The board says so by itself.
  await board.getByText('Arrived ').first().waitFor();
  await board.locator('tbody tr a').first().click();
  await board.getByText('No record is shown').waitFor();
  await good(board);
  await picture(board, 'handover-page');
  await board.getByRole('link', { name: 'Say who it is' }).click();
  await board.getByRole('button', { name: 'Look' }).waitFor();
  await good(board);
  quiet(seen);
});

/** What the form calls the hospital. */
async function hospitalLabel(page) {
  const all = await page.locator('#to option').allInnerTexts();
  return all.find((text) => text.includes('Hospital'));
}
