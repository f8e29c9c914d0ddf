// Runs www/verify.html in headless Chromium, prints its table, exits 1 unless all checks pass.
// See scripts/verify.

import { parseArgs } from 'node:util';
import { start } from '../tests/page/browser.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    saes: { type: 'string' },
    expected: { type: 'string' },
    device: { type: 'string' },
  },
});
const browser = await start();
try {
  const page = await browser.context.newPage();
  await page.goto(`${browser.url}/verify.html?${new URLSearchParams(/** @type {any} */ ({ ...values }))}`);
  await page.waitForFunction(
    () => document.querySelector('#about')?.textContent || document.querySelector('#status')?.textContent,
  );
  console.log((await page.textContent('#about')) || (await page.textContent('#status')));
  await page.click('#run');
  await page.waitForSelector('#status[data-outcome]', { timeout: 0 });
  const rows = await page
    .locator('#checks tbody tr')
    .evaluateAll((rows) => rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent ?? '')));
  console.log('| check | expected | got | outcome |\n|---|---|---|---|');
  for (const row of rows) console.log(`| ${row.join(' | ')} |`);
  console.log(await page.textContent('#status'));
  process.exitCode = (await page.getAttribute('#status', 'data-outcome')) === 'passed' ? 0 : 1;
} finally {
  await browser.close();
}
