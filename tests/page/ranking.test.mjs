// What is ranked: without <|endoftext|> unless it is asked for, and of one token where one is chosen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { summarise } from '../../www/figure/analysis.js';
import { rankedColumns } from '../../www/figure/ranking.js';
import { fromJson } from '../../www/figure/result.js';
import { defaultLimit } from '../../www/figure/scale.js';
import { DEFAULT_VIEW } from '../../www/figure/view.js';
import { linkTo, openPage, resid, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

const RESULTS = new URL('../../www/results/', import.meta.url);
/** @param {string} name */
const saved = (name) => fromJson(readFileSync(new URL(`${name}.json`, RESULTS), 'utf8'));
/** @param {Page} page @param {string} selector */
const text = async (page, selector) => ((await page.textContent(selector)) ?? '').replace(/\s+/g, ' ').trim();

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

const EIFFEL = linkTo({ source: 'demo', prompt: 'The Eiffel tower is in Paris', from: resid(0), to: resid(2) });

test('columns of <|endoftext|> are summed and not ranked, unless the view says so', async () => {
  const result = saved('demo-latent-latent');
  const { attributions, sources, targets } = result;
  const n = sources.pos.length;
  const ranked = rankedColumns(result, DEFAULT_VIEW);
  assert.ok(ranked);
  assert.deepEqual(
    [...ranked],
    [...sources.pos].map((pos) => (pos === 0 ? 0 : 1)),
  );
  assert.equal(rankedColumns(result, { ...DEFAULT_VIEW, bos: true }), undefined);
  const summary = await summarise(attributions, targets.pos, sources.pos, undefined, ranked);
  const all = await summarise(attributions, targets.pos, sources.pos);
  assert.ok(summary && all);
  const size = (/** @type {number} */ i) => Math.abs(attributions[i]);
  const cells = [...attributions.keys()].filter((i) => size(i) > 0).sort((a, b) => size(b) - size(a) || a - b);
  assert.deepEqual(all.all.strongest, cells.slice(0, 200));
  assert.equal(sources.pos[cells[0] % n], 0, 'the strongest of all is one of <|endoftext|>');
  assert.deepEqual(summary.all.strongest, cells.filter((i) => sources.pos[i % n] !== 0).slice(0, 200));
  for (const column of sources.pos.keys())
    assert.equal(summary.all.columnTotal[column], sources.pos[column] === 0 ? 0 : all.all.columnTotal[column]);
  // Shares are of the whole row.
  assert.deepEqual(summary.whole, all.whole);
  const across = cells.filter((i) => attributions[i] > 0 && sources.pos[i % n] !== targets.pos[Math.floor(i / n)]);
  assert.equal(
    summary.whole.largestAcross,
    across.reduce((a, b) => (attributions[b] > attributions[a] ? b : a)),
  );
});

test('the colours’ end is chosen without it, where there is anything else', () => {
  const values = Float32Array.of(50, 1, -2, 40, 0.5, 3);
  assert.equal(defaultLimit(values), 50);
  assert.equal(defaultLimit(values, Uint8Array.of(0, 1, 1)), 3);
  assert.equal(defaultLimit(Float32Array.of(50, 0, 0), Uint8Array.of(0, 1, 1)), 50);
  assert.equal(defaultLimit(new Float32Array(3), Uint8Array.of(0, 1, 1)), 1);
  // A prompt that is nothing but <|endoftext|> is ranked by it.
  const result = saved('demo-capital');
  const only = { ...result, sources: { ...result.sources, pos: result.sources.pos.map(() => 0) } };
  assert.equal(rankedColumns(only, DEFAULT_VIEW), undefined);
});

test('lists, steps, orders, sentences and colours leave it out; a switch brings it back, and the link keeps it', async () => {
  const { page, problems } = await openPage(browser, EIFFEL);
  await settled(page);
  const sources = () => page.locator('#strongest tbody tr th').allTextContents();
  const has = async () => (await sources()).some((label) => label.includes('<|endoftext|>'));
  assert.equal((await sources()).length, 100);
  assert.equal(await has(), false);
  assert.match(
    await text(page, '#introduction'),
    /The strongest pair, without those from “<\|endoftext\|>”: “f” \(F0\.19: .*\) holds F2\.96/,
  );
  const limit = Number(await page.inputValue('#limit'));
  assert.ok(limit < 14 && limit >= 12.9, String(limit));
  assert.equal(await text(page, '#clipped'), '1 cell is clipped');
  assert.match(
    await text(page, '#caption'),
    /end at ±13.*, chosen without “<\|endoftext\|>”, where 1 cell is clipped\.$/,
  );
  await page.focus('.heatmap');
  await page.keyboard.press('n');
  assert.match(await text(page, '#detail .sentence'), /^“f” \(F0\.19/);
  await page.selectOption('#columns', 'largest');
  await page.keyboard.press('Tab');
  await page.focus('.heatmap');
  await page.keyboard.press('Home');
  assert.match(await text(page, '#cell-text'), /\. F0\.19, 'f' \(4\)/);

  await page.check('#bos');
  await page.locator('#strongest th', { hasText: '<|endoftext|>' }).first().waitFor();
  assert.match(await text(page, '#introduction'), /The strongest pair: “<\|endoftext\|>” \(F0\.0/);
  assert.equal(await text(page, '#clipped'), 'no cell is clipped');
  await page.focus('.heatmap');
  await page.keyboard.press('n');
  assert.match(await text(page, '#detail .sentence'), /^“<\|endoftext\|>” \(F0\.0/);
  await page.waitForFunction(() => /[#&]bos=1(&|$)/.test(location.hash));
  const { hash } = new URL(page.url());
  const second = await openPage(browser, hash);
  await settled(second.page);
  assert.ok(await second.page.isChecked('#bos'));
  assert.match(await text(second.page, '#introduction'), /The strongest pair: “<\|endoftext\|>” \(F0\.0/);
  assert.deepEqual([...problems, ...second.problems], []);
  await page.close();
  await second.page.close();
});

test('the element leaves it out, too, and takes it from its link', async () => {
  const { page } = await openPage(browser, 'embed.html?result=results/demo-latent-latent.json');
  await page.waitForSelector('.heatmap-canvas');
  await page.locator('.heatmap').press('n');
  assert.match(await text(page, '[part=readout]'), /^“f” \(F0\.19/);
  assert.match(await text(page, '[part=scale]'), /1 clipped/);
  await page.goto('about:blank');
  await page.goto(`${browser.url}/embed.html?result=results/demo-latent-latent.json#bos=1`);
  await page.waitForSelector('.heatmap-canvas');
  await page.locator('.heatmap').press('n');
  assert.match(await text(page, '[part=readout]'), /^“<\|endoftext\|>” \(F0\.0/);
  await page.close();
});
