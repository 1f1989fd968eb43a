// The neighbourhood's own pages: who can sign in, and the network, where a line is cut, a letter waits, and nothing is lost.
// They are accessible at three widths, and the switches work without scripts.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run, send } from './setting.mjs';
import { good, quiet, watch } from './people.mjs';

/** A letter of the hospital's system about somebody of the practice. */
const letter = (number) =>
  `MSH|^~\\&|ANYTOWN-PAS|RZZ01|HANDOVER|RZZ01|20261120111500||MDM^T02|CUT${number}|P|2.4|||AL|NE|GBR|UNICODE UTF-8|EN
EVN|T02|20261120111500
PID|1||H100115^^^RZZ01^MR~9990000115^^^NHS^NH||OKORO^Samuel^^^Mr||19830902|M|||Flat 2, 19 Mill Lane^^Anytown^^ZZ1 2BB^GBR^H
PD1||||Z99001^^^^^^^^ODS
TXA|1|CLINIC^Clinic^L|TX|20261120111500|C9900022^Byrne^Aoife^^^Dr|20261120111500|||C9900022^Byrne^Aoife^^^Dr|||CUT-${number}|||||AU||AV
OBX|1|TX|CLINIC^Clinic^L||Seen while the line was cut.||||||F
`;

/** What the page counts, by name. */
async function totals(page) {
  const shown = await page.locator('.net-totals div').allInnerTexts();
  return Object.fromEntries(shown.map((it) => it.split('\n').map((part) => part.trim())).map(([name, count]) => [name, Number(count)]));
}

async function wait(page, network, holds) {
  for (let tries = 0; tries < 100; tries += 1) {
    await page.goto(`${network}/demo`);
    const counted = await totals(page);
    if (holds(counted)) return counted;
    await page.waitForTimeout(200);
  }
  throw new Error(`it stays at ${JSON.stringify(await totals(page))}`);
}

await run(async ({ context, page, network, mllp, root }) => {
  const seen = await watch(context);
  await page.goto(`${network}/`);
  await page.getByRole('heading', { name: 'A neighbourhood of eight' }).waitFor();
  assert.equal(await page.locator('.net-place').count(), 8);
  await good(page);

  await wait(page, network, (it) => it.waiting === 0 && it.sent > 5);
  await good(page);
  await page.selectOption('#line', { label: 'Anytown General Hospital – High Street Surgery' });
  await page.getByRole('button', { name: 'Cut', exact: true }).click();
  await page.getByText('is cut.', { exact: false }).first().waitFor();
  for (const number of [1, 2, 3]) {
    assert.match(await send(letter(number), mllp), /MSA\|AA/);
  }
  const cut = await wait(page, network, (it) => it.waiting >= 3);
  assert.equal(cut.lost, 0);
  await page.getByRole('row', { name: /Anytown General Hospital High Street Surgery .* cut/ }).first().waitFor();
  await good(page);
  const pictures = join(root, 'target', 'neighbourhood');
  await mkdir(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, 'network-1280.png'), fullPage: true });
  await page.setViewportSize({ width: 390, height: 800 });
  await page.screenshot({ path: join(pictures, 'network-390.png'), fullPage: true });
  await page.setViewportSize({ width: 1280, height: 800 });

  await page.selectOption('#line', { label: 'Anytown General Hospital – High Street Surgery' });
  await page.getByRole('button', { name: 'Mend', exact: true }).click();
  await page.getByText('is up.', { exact: false }).first().waitFor();
  const mended = await wait(page, network, (it) => it.waiting === 0);
  assert.equal(mended.lost, 0);
  assert(mended.arrived >= cut.arrived + 3, JSON.stringify({ cut, mended }));

  // A switch without a choice says what is missing.
  await page.evaluate(() => document.querySelector('#line').replaceChildren());
  await page.getByRole('button', { name: 'Cut', exact: true }).click();
  await page.getByText('Choose a line.').waitFor();
  await good(page);
  await page.goto(`${network}/`);
  await page.screenshot({ path: join(pictures, 'start-1280.png'), fullPage: true });
  quiet(seen);
});
