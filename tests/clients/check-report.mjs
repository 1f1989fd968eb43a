// The report of `handover check`, opened from its file: no violation of WCAG 2.2 AA at three widths, as it is and with
// faults in it, and no request but for the file itself.

import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';
import { axe, run } from '../browser/setting.mjs';

await run(async ({ page }) => {
  const address = pathToFileURL(process.env.HANDOVER_TEST_REPORT).href;
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(address);
  assert.match(await page.textContent('h1'), /^Check of /);
  for (const width of [1280, 390, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await axe(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert(!wide, `the page is wider than ${width} px`);
  }
  assert.deepEqual(asked, [address]);
  await page.setViewportSize({ width: 1280, height: 1600 });
  await page.screenshot({ path: process.env.HANDOVER_TEST_PICTURE });
});
