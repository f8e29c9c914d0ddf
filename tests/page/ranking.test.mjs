// What is ranked: without <|endoftext|> unless it is asked for, and of one token where one is chosen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { summarise } from '../../www/figure/analysis.js';
import { axes } from '../../www/figure/axes.js';
import { partCell, partOf, shownColumns, wholeCell } from '../../www/figure/part.js';
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
  browser = await start({ runtime: false });
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
  const across = cells.filter((i) => sources.pos[i % n] !== targets.pos[Math.floor(i / n)]);
  assert.equal(summary.whole.largestAcross, across[0]);
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
  assert.match(await text(page, '[part=scale]'), /1 cell is clipped/);
  await page.goto('about:blank');
  await page.goto(`${browser.url}/embed.html?result=results/demo-latent-latent.json#bos=1`);
  await page.waitForSelector('.heatmap-canvas');
  await page.locator('.heatmap').press('n');
  assert.match(await text(page, '[part=readout]'), /^“<\|endoftext\|>” \(F0\.0/);
  await page.close();
});

test('a part of a matrix has its columns alone, in their order, and cells find their way there and back', () => {
  const result = saved('demo-capital');
  const view = { ...DEFAULT_VIEW, source_pos: 2 };
  const shown = shownColumns(result, view);
  assert.ok(shown);
  assert.deepEqual(
    shown,
    [...result.sources.pos.keys()].filter((column) => result.sources.pos[column] === 2),
  );
  const n = result.sources.pos.length;
  const order = Uint32Array.from({ length: n }, (_, i) => n - 1 - i);
  const all = axes(result, view, undefined);
  const matrix = { values: result.attributions, ...all, columns: { ...all.columns, order }, limit: 1 };
  const part = partOf(matrix, shown, n);
  assert.equal(part.columns.n, shown.length);
  assert.equal(part.values.length, shown.length * result.targets.pos.length);
  // Reversed, as all were; each place has the label and the values of its column.
  const back = [...shown].reverse();
  for (const [place, column] of back.entries()) {
    const node = part.columns.order[place];
    assert.equal(part.columns.label(node, false), result.sources.label[column]);
    for (const row of [0, 41, 81])
      assert.equal(part.values[row * shown.length + node], result.attributions[row * n + column]);
    const cell = { row: 3, column };
    assert.deepEqual(wholeCell(/** @type {any} */ (partCell(cell, shown)), shown), cell);
  }
  assert.deepEqual(
    partOf({ ...matrix, columns: all.columns }, shown, n).columns.groups.map(({ end, label }) => [end, label]),
    [[shown.length, 'capital (2)']],
  );
  assert.equal(partCell({ row: 0, column: 0 }, shown), undefined);
  assert.equal(partOf(matrix, undefined, n), matrix);
  assert.equal(shownColumns(result, { ...view, source_pos: 99 }), undefined);
});

test('tokens are tinted by what goes out from them, and one that is pressed is shown alone', async () => {
  const { page, problems } = await openPage(browser, `${EIFFEL}&zeros=1`);
  await settled(page);
  const result = saved('demo-latent-latent');
  const n = result.sources.pos.length;
  /** @param {(i: number) => boolean} counts */
  const amounts = (counts) => {
    const sums = result.tokens.string.map(() => 0);
    result.attributions.forEach((value, i) => counts(i) && (sums[result.sources.pos[i % n]] += Math.abs(value)));
    const most = Math.max(...sums.slice(1));
    return sums.map((sum) => Math.min(1, sum / most));
  };
  const tints = () =>
    page
      .locator('#tokens button')
      .evaluateAll((buttons) => buttons.map((b) => Number(b.style.getPropertyValue('--part'))));
  const near = (/** @type {number[]} */ a, /** @type {number[]} */ b) =>
    a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) < 1e-6, `${a} is not ${b}`));
  near(
    await tints(),
    amounts(() => true),
  );
  // By keyboard: one stop for Tab, arrows from one to the next.
  assert.equal(await page.locator('#tokens button[tabindex="0"]').count(), 1);
  await page.locator('#tokens button').first().focus();
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'Enter']) await page.keyboard.press(key);
  await page.locator('#only', { hasText: 'Only columns of “f” are shown and ranked.' }).waitFor();
  assert.equal(await page.locator('#tokens [aria-pressed=true] bdi').textContent(), 'f');
  const columns = result.sources.pos.filter((pos) => pos === 4).length;
  await page.locator(`.heatmap[aria-label*="and ${columns} columns"]`).waitFor();
  assert.match(
    await text(page, '#caption'),
    new RegExp(`Columns: ${columns} active latents of blocks.0.hook_resid_pre on “f” alone, `),
  );
  assert.match(await text(page, '#introduction'), /The strongest pair from “f”: “f” \(F0\.19/);
  for (const label of await page.locator('#strongest tbody th').allTextContents()) assert.match(label, /'f' \(4\)/);
  await page.focus('.heatmap');
  // The address follows a moment later, each time.
  for (const key of ['PageDown', 'End']) {
    const before = await page.evaluate(() => location.hash);
    await page.keyboard.press(key);
    await page.waitForFunction(
      (before) => /source_pos=4.*cell=/.test(location.hash) && location.hash !== before,
      before,
    );
  }
  assert.match(await text(page, '#cell-text'), /'f' \(4\).* → /);
  // The pinned target alone counts now.
  const row = Number(/cell=(\d+)/.exec(decodeURIComponent(page.url()))?.[1]);
  near(
    await tints(),
    amounts((i) => Math.floor(i / n) === row),
  );

  const second = await openPage(browser, new URL(page.url()).hash);
  await settled(second.page);
  await second.page.locator(`.heatmap[aria-label*="and ${columns} columns"]`).waitFor();
  assert.equal(await text(second.page, '#detail .sentence'), await text(page, '#detail .sentence'));
  await second.page.close();

  await page.click('#only button');
  await page.locator(`.heatmap[aria-label*="and ${n} columns"]`).waitFor();
  assert.ok(await page.isHidden('#only'));
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'f4 · 69');
  await page.waitForFunction(() => !/source_pos/.test(location.hash));
  assert.deepEqual(problems, []);
  await page.close();
});

test('a pair of another token, picked from a list, brings all tokens back', async () => {
  const { page, problems } = await openPage(browser, `${EIFFEL}&source_pos=1`);
  await settled(page);
  await page.locator('#only', { hasText: 'Only columns of “The”' }).waitFor();
  await page.locator('#pairs tbody tr button').first().click();
  await page.locator('#only').waitFor({ state: 'hidden' });
  assert.match(await text(page, '#detail .sentence'), /^“f” \(F0\.19/);
  assert.match(await text(page, '#cell-text'), /^“f” \(F0\.19/);
  // A position that there is none of is as if none were named.
  const second = await openPage(browser, `${EIFFEL}&source_pos=77`);
  await settled(second.page);
  assert.ok(await second.page.isHidden('#only'));
  assert.deepEqual([...problems, ...second.problems], []);
  await page.close();
  await second.page.close();
});
