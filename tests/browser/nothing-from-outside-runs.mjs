// A13: hostile text in every field of a message that pages show comes out as text. Sent as a hospital system would.

import assert from 'node:assert/strict';
import { run, send } from './setting.mjs';
import { clerk, margaret, quiet, secretary, watch } from './people.mjs';

const HOSTILE = ['<script>alert(1)</script>', '"><img src=x onerror=alert(2)>', "'><svg onload=alert(3)>", '<b onmouseover=alert(4)>'];
const escaped = (text) => text.replaceAll('&', '\\T\\').replaceAll('|', '\\F\\').replaceAll('^', '\\S\\');

/** A letter about Margaret Hill, registered at the practice, with the text in every place that people read. */
function letter(text, number) {
  const it = escaped(text);
  return [
    `MSH|^~\\&|EPR|RZZ01|HANDOVER|RZZ01|20260105090000||MDM^T02^MDM_T02|HOSTILE${number}|P|2.4|||AL|NE`,
    'EVN|T02|20260105090000',
    `PID|1||9990000107^^^NHS^NH~H${number}^^^RZZ01^PI||Hill^Margaret ${it}||19470312|F|||1 ${it}^^Anytown`,
    `PD1||||Z99001^${it}`,
    'PV1|1|I|W1^^^RZZ01',
    `TXA|1|DS^${it}|TX|20260105090000|||20260105090000||9^${it}^Dr|||HOSTILE${number}|||||AU||AV`,
    `OBX|1|TX|DS^${it}||${it}||||||F`,
    '',
  ].join('\n');
}

await run(async ({ context, page, hospital, practice }) => {
  const seen = await watch(context);
  for (const [number, text] of HOSTILE.entries()) {
    const answer = await send(letter(text, number));
    assert.match(answer, /MSA\|A[AER]\|HOSTILE/, answer);
    console.log(answer.split('\r')[1]);
  }
  // One that cannot be taken, so that it stands on the work list.
  await send(`MSH|^~\\&|${HOSTILE[0]}|${HOSTILE[1]}|H|H|20260105||MDM^T02|BAD1|P|2.4\nPID|1||${HOSTILE[2]}\n`);

  await secretary(page, practice);
  await page.waitForTimeout(2000);
  await look(page, practice, ['/staff/inbox?show=all', '/staff/inbox?show=unmatched', '/staff/worklist']);
  await page.goto(`${practice}/staff/inbox?show=all`);
  const letters = await page.locator('tbody tr', { hasText: 'alert(' }).locator('a').evaluateAll((all) => all.map((a) => a.href));
  console.log(`${letters.length} hostile letters in the inbox`);
  assert(letters.length >= 1, 'no hostile letter came through to look at');
  for (const address of letters) {
    await page.goto(address);
    assert((await page.locator('body').innerText()).includes('alert('));
    const file = page.getByRole('button', { name: 'File letter' });
    if (await file.count()) await file.click();
  }
  await clerk(page, hospital);
  await look(page, hospital, ['/staff/sent', '/staff/worklist']);
  await page.goto(`${hospital}/staff/worklist`);
  for (const address of await page.locator('tbody tr a').evaluateAll((all) => all.map((a) => a.href))) await page.goto(address);
  await page.goto(`${practice}/staff/inbox`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await margaret(page, practice);
  await look(page, practice, ['/', '/record']);
  await page.goto(`${practice}/record`);
  for (const address of await page.locator('.letters a').evaluateAll((all) => all.map((a) => a.href))) await page.goto(address);
  quiet(seen);
});

async function look(page, node, addresses) {
  for (const address of addresses) {
    await page.goto(node + address);
    // None of it became an element.
    assert.equal(await page.locator('main img, main svg[onload], main script, main b[onmouseover]').count(), 0, address);
  }
}
