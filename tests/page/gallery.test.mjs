// Examples: a card each, with its question; the list is what scripts/results.mjs writes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { EXAMPLES } from '../../scripts/examples.mjs';
import { openFolded, settled, start } from './browser.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ runtime: false });
});
after(() => browser.close());

test('the list on the site is that of the script', () => {
  const written = readFileSync(new URL('../../www/results/index.json', import.meta.url), 'utf8');
  assert.equal(written, `${JSON.stringify(EXAMPLES, null, 1)}\n`);
});

test('examples are cards with a question, those of random weights apart; keyboard and 360 px reach them', async () => {
  const { page, problems } = await openFolded(browser);
  await page.setViewportSize({ width: 360, height: 740 });
  await settled(page);
  await page.waitForSelector('.heatmap');
  assert.match((await page.textContent('#gallery summary')) ?? '', /What makes “ tennis” the next word\? And 11 more/);
  await page.focus('#gallery summary');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.card');
  const lists = await page
    .locator('.cards')
    .evaluateAll((all) => all.map((list) => [list.getAttribute('aria-label'), list.querySelectorAll('.card').length]));
  assert.deepEqual(lists, [
    [null, 8],
    ['Random weights: numbers to test with, without meaning', 4],
  ]);
  const cards = await page.locator('.card').evaluateAll((all) =>
    all.map((card) => {
      const { left, right } = card.getBoundingClientRect();
      return { text: card.textContent, left, right };
    }),
  );
  for (const [i, { text, left, right }] of cards.entries()) {
    assert.ok(text?.includes(EXAMPLES[i].question) && text.includes(EXAMPLES[i].seen), text ?? '');
    assert.ok(left >= 0 && right <= 360 && right - left > 200, `${left} to ${right}`);
  }
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
  for (let i = 0; i < 2; i++) await page.keyboard.press('Tab');
  assert.equal(
    await page.evaluate(() => document.activeElement?.querySelector('strong')?.textContent),
    'Why tennis, not golf?',
  );
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /logit difference/.test(document.querySelector('#title')?.textContent ?? ''));
  // It is folded away again, and the keyboard is where it was.
  assert.ok(await page.isHidden('.card'));
  assert.equal(await page.evaluate(() => document.activeElement?.parentElement?.id), 'gallery');
  assert.deepEqual(problems, []);
  await page.close();
});
