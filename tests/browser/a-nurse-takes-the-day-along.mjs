// A nurse's day: taken along as a file, opened with the network off, written in at 320 px, saved and brought back; and the
// pack for when everything is off, opened the same way.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pathToFileURL } from 'node:url';
import { run, axe } from './setting.mjs';
import { doctor, good } from './people.mjs';

const PASSPHRASE = 'four words do not belong';

const execute = promisify(execFile);
const program = process.env.HANDOVER_TEST_PROGRAM;
/** Where the practice of the demo keeps its settings and its packs. */
const here = join(process.env.HANDOVER_TEST_DATA ?? '', 'practice');
const PACK_PASSPHRASE = 'handover-demo-pack';
/** Reads a locked PDF with another's reader, and prints its text. */
const READ_PDF = `
import sys, pypdfium2
with open(sys.argv[1], 'rb') as file:
    data = file.read()
try:
    len(pypdfium2.PdfDocument(data, password='not the passphrase'))
    sys.exit('it opens without its passphrase')
except pypdfium2.PdfiumError:
    pass
document = pypdfium2.PdfDocument(data, password=sys.argv[2])
print('\\n'.join(page.get_textpage().get_text_range() for page in document))
`;

/** Opens a file in a window that has no network. */
async function locked(context, file) {
  await context.setOffline(true);
  const page = await context.newPage();
  const seen = [];
  page.on('pageerror', (error) => seen.push(error.message));
  page.on('console', (line) => line.type() === 'error' && seen.push(line.text()));
  page.on('request', (request) => {
    if (!/^(file|blob|data):/.test(request.url())) seen.push(`asks for ${request.url()}`);
  });
  await page.goto(pathToFileURL(file).href);
  return { page, seen };
}

async function unlock(page, passphrase) {
  await page.fill('#passphrase', passphrase);
  await page.getByRole('button', { name: 'Open' }).click();
}

await run(async ({ context, page, practice, root }) => {
  const folder = join(root, 'target', 'visits');
  await mkdir(folder, { recursive: true });
  await doctor(page, practice);
  // Somebody who has a record here.
  await page.goto(`${practice}/staff/inbox?show=unmatched`);
  await page.locator('tbody tr a').first().click();
  await page.fill('#who', 'Hill');
  await page.getByRole('button', { name: 'Find' }).click();
  const patient = await page.locator('.candidate input').first().getAttribute('value');

  await page.goto(`${practice}/staff/visits/new?patient=${patient}`);
  await good(page);
  await page.fill('#what', '');
  await page.getByRole('button', { name: 'Put it on the list' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.fill('#what', 'Change the dressing');
  await page.fill('#access', 'Key safe behind the pot');
  await page.getByRole('button', { name: 'Put it on the list' }).click();
  await page.getByText('The visit is on the list').waitFor();
  await good(page);
  await theDowntimePack(context, page, { practice, folder });
  await page.goto(`${practice}/staff/visits`);
  await good(page);
  await page.fill('#passphrase', PASSPHRASE);
  await page.fill('#again', PASSPHRASE);
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Take along' }).click();
  const download = await downloading;
  const file = join(folder, 'visits.html');
  await download.saveAs(file);
  const text = await readFile(file, 'utf8');
  for (const word of ['HILL, Margaret', 'Margaret', 'dressing', 'Key safe']) assert(!text.includes(word), word);

  const { page: pack, seen } = await locked(context, file);
  await pack.setViewportSize({ width: 320, height: 640 });
  await axe(pack);
  await unlock(pack, 'not the passphrase');
  await pack.getByText('That is not the passphrase').waitFor();
  await unlock(pack, PASSPHRASE);
  await pack.getByRole('heading', { name: /HILL, Margaret/ }).waitFor();
  await axe(pack);
  assert(await pack.evaluate(() => document.documentElement.scrollWidth <= 320), 'no sideways scrolling at 320 px');
  await pack.locator('summary').first().click();
  await pack.getByRole('button', { name: 'Keep' }).click();
  await pack.getByText('Say whether the visit was done').waitFor();
  await axe(pack);
  await pack.getByLabel('Done', { exact: true }).check();
  await pack.fill('#v1-happened', await pack.evaluate(() => new Date(Date.now() - 3600000).toISOString().slice(0, 16)));
  await pack.fill('#v1-pulse', '72');
  await pack.fill('#v1-note', 'Wound is clean.');
  await pack.getByRole('button', { name: 'Keep' }).click();
  await pack.getByText('Kept on this device, locked').waitFor();
  await pack.screenshot({ path: join(folder, 'pack-320.png'), fullPage: true });

  // What was written outlives the window, and is nowhere in plain.
  await pack.reload();
  const plain = await pack.evaluate(() => JSON.stringify(localStorage));
  assert(plain.length > 100 && !plain.includes('Wound'), 'kept locked');
  await unlock(pack, PASSPHRASE);
  await pack.getByText('Wound is clean.').waitFor();
  await axe(pack);
  const saving = pack.waitForEvent('download');
  await pack.getByRole('button', { name: 'Save what I wrote as a file' }).click();
  const saved = join(folder, 'written.json');
  await (await saving).saveAs(saved);
  assert(!(await readFile(saved, 'utf8')).includes('Wound'));
  await pack.getByText('Saved as a file, locked, with 1 written so far').waitFor();
  assert.deepEqual(seen, []);

  // A file whose time is over shows nothing of patients, and still gives back what was written.
  await pack.clock.install({ time: new Date(Date.now() + 30 * 3600000) });
  await pack.reload();
  await unlock(pack, PASSPHRASE);
  await pack.getByText('so it shows nothing of patients any more').waitFor();
  assert(!(await pack.content()).includes('HILL'));
  await pack.getByRole('button', { name: 'Save what I wrote as a file' }).waitFor();
  await axe(pack);
  await pack.close();

  // Back in reach.
  await context.setOffline(false);
  await page.goto(`${practice}/staff/visits`);
  await page.getByText(/Taken along by .*, not back/).waitFor();
  await page.goto(`${practice}/staff/visits/sync`);
  await good(page);
  await page.setInputFiles('#file', saved);
  await page.getByRole('button', { name: 'Synchronise' }).click();
  await page.getByText('1 put into the record, 0 were here before, 0 wait').waitFor();
  await good(page);
  await page.goto(`${practice}/staff/visits`);
  await page.getByText('All that was taken along is back').waitFor();
  await page.screenshot({ path: join(folder, 'list.png'), fullPage: true });
  await page.locator('tbody tr a').first().click();
  await page.getByText('Wound is clean.').waitFor();
  await good(page);
  await page.screenshot({ path: join(folder, 'visit.png'), fullPage: true });

  for (const address of ['/staff/downtime', '/staff/downtime/paper']) {
    await page.goto(practice + address);
    await good(page);
  }
  await page.getByRole('button', { name: 'Put it into the record' }).click();
  await page.getByText('There is a problem').waitFor();
  await good(page);
  await page.screenshot({ path: join(folder, 'paper.png'), fullPage: true });
}, { acceptDownloads: true });

/** The pack that the practice writes for when everything is off: in a browser without a network, and on paper. */
async function theDowntimePack(context, page, { practice, folder }) {
  const settings = join(here, 'handover.toml');
  const already = (await readdir(join(here, 'downtime'))).sort().map((name) => name.replace(/.*[.]/, ''));
  assert.deepEqual(already, ['html', 'pdf'], 'the node wrote one by itself');
  const made = await execute(program, ['downtime', 'pack', '--config', settings]);
  const file = made.stdout.split('\n')[0];
  assert(!(await readFile(file, 'utf8')).includes('HILL'), 'nothing of a patient stands there in plain');

  const { page: pack, seen } = await locked(context, file);
  await axe(pack);
  await unlock(pack, 'not the passphrase');
  await pack.getByText('That is not the passphrase').waitFor();
  await unlock(pack, PACK_PASSPHRASE);
  await pack.getByRole('heading', { name: /^HILL, Margaret/ }).first().waitFor();
  for (const width of [1280, 390, 320]) {
    await pack.setViewportSize({ width, height: 800 });
    await axe(pack);
    assert(await pack.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `sideways at ${width}`);
    await pack.screenshot({ path: join(folder, `downtime-${width}.png`), fullPage: true });
  }
  const inside = await pack.locator('body').innerText();
  for (const word of ['Allergies', 'Medicines', 'Problems', 'Visit']) {
    assert(inside.toLowerCase().includes(word.toLowerCase()), `${word} in ${inside}`);
  }
  assert(await pack.locator('svg.bars').count() >= 2, 'forms with bar codes');
  assert.deepEqual(seen, []);
  await pack.close();

  const pdf = file.replace(/html$/, 'pdf');
  const { stdout: text } = await execute(process.env.HANDOVER_TEST_PYTHON, ['-c', READ_PDF, pdf, PACK_PASSPHRASE]);
  for (const word of ['HILL', 'Allergies', 'Medicines', 'Problems']) {
    assert(text.toLowerCase().includes(word.toLowerCase()), `${word} in ${text}`);
  }

  // Opened on the node's own machine, it stands in the log.
  const passphrase = join(here, 'downtime-passphrase');
  const opened = await execute(program, ['downtime', 'open', file, '--config', settings, '--passphrase-file', passphrase]);
  assert(opened.stdout.includes('HILL'));
  assert.equal(opened.stderr, '');
  await context.setOffline(false);
  await page.goto(`${practice}/staff/downtime`);
  await page.getByText('By `handover downtime open`').waitFor();
  await good(page);
}
