// Findings: the threshold, token pairs, lists that lead into the heatmap, logits.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pairsAcross } from '../../www/figure/analysis.js';
import { fromJson } from '../../www/figure/result.js';
import { defaultView } from '../../www/figure/view.js';
import { LINKS, madeUp, openPage, settled, start } from './browser.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ runtime: false });
});
after(() => browser.close());

/** @param {string} file */
const saved = async (file) => fromJson(await (await fetch(`${browser.url}/results/${file}.json`)).text());

test('pairs over the request’s threshold are those that the runtime listed, and those of the other sign', async () => {
  const result = await saved('tiny-latent-latent');
  const listed = /** @type {NonNullable<typeof result.off_staircase>} */ (result.off_staircase);
  const found = await pairsAcross(result, listed.threshold);
  assert.equal(found?.positive, listed.target.length);
  const negative = Array.from(result.attributions.keys()).filter(
    (i) =>
      result.attributions[i] < -listed.threshold &&
      result.sources.pos[i % result.sources.pos.length] !==
        result.targets.pos[Math.floor(i / result.sources.pos.length)],
  );
  assert.ok(negative.length > 0);
  assert.equal(found?.count, listed.target.length + negative.length);
  const cells = Array.from(listed.target, (target, i) => target * result.sources.pos.length + listed.source[i]);
  assert.deepEqual(
    [...(found?.strongest ?? [])].sort((a, b) => a - b),
    [...cells, ...negative].sort((a, b) => a - b),
  );
  assert.equal(
    found?.strongestGroups.reduce((sum, { count }) => sum + count, 0),
    found?.count,
  );
});

test('a result is looked at first as the notebook plots it, over a threshold that leaves something', async () => {
  const first = async (/** @type {string} */ file) => {
    const result = await saved(file);
    const { rows, columns, shown, threshold, cell } = defaultView(result);
    const pinned = cell && [result.targets.label[cell.row], result.sources.label[cell.column]];
    const { count = 0 } = (await pairsAcross(result, threshold)) ?? {};
    return { looked: [shown, rows, columns, threshold], pinned, count };
  };
  const tennis = await first('demo-tennis-logit');
  assert.deepEqual(tennis.looked, ['attributions', 'position', 'value', 0.5]);
  assert.equal(tennis.pinned?.[0], "' tennis'");
  assert.match(tennis.pinned?.[1] ?? '', /^F3\.\d+, '.+' \([1-9]\d*\)$/);
  assert.ok(tennis.count > 0);
  // What dwarfs all at the first token is not what is pinned.
  const dwarfed = await saved('demo-tennis-logit');
  const { cell } = defaultView(dwarfed);
  const made = { ...dwarfed, attributions: Float32Array.from(dwarfed.attributions) };
  assert.equal(made.sources.pos[0], 0);
  made.attributions[0] = 1e4;
  assert.deepEqual(defaultView(made).cell, cell);
  const difference = await first('demo-logit-difference');
  assert.deepEqual(difference.looked, ['attributions', 'position', 'largest', 0.2]);
  assert.equal(difference.pinned, undefined);
  assert.ok(difference.count > 0);
  assert.deepEqual((await first('demo-token-latent')).looked, ['gradients', 'position', 'position', 1]);
  assert.deepEqual((await first('tiny-latent-latent')).looked, ['attributions', 'position', 'position', 2]);
  // Round numbers as they are written; nothing across positions leaves the notebook's.
  const of = (/** @type {number} */ size, threshold = 2) => {
    const made = madeUp(2, 2, (i) => (i === 1 ? -size : 0), { tokens: ['a', 'b'], pos: (i) => i });
    return defaultView(fromJson(JSON.stringify({ ...made, request: { ...made.request, threshold } }))).threshold;
  };
  for (const [size, threshold] of [
    [3, 2],
    [2, 1],
    [1.5, 1],
    [1, 0.5],
    [0.5, 0.2],
    [0.07, 0.05],
    [1e-7, 5e-8],
    [0, 2],
  ]) {
    assert.equal(of(size), threshold, String(size));
  }
  // One that was asked for stays.
  assert.equal(of(1, 7), 7);
});

test('the threshold filters again without computing, by slider and by number', async () => {
  const { page, problems } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  const title = (/** @type {string} */ wanted) =>
    page.waitForFunction((wanted) => document.querySelector('#pairs h3')?.textContent === wanted, wanted);
  await title('Cross-position pairs over 2: 12');
  assert.match((await page.textContent('#pairs')) ?? '', /11 positive, 1 negative\. By the tokens/);
  const result = await saved('tiny-latent-latent');
  for (const threshold of [1, 0.25]) {
    await page.fill('#threshold', String(threshold));
    await page.press('#threshold', 'Tab');
    const { attributions, sources, targets } = result;
    const n = sources.pos.length;
    const count = attributions.filter(
      (a, i) => Math.abs(a) > threshold && sources.pos[i % n] !== targets.pos[Math.floor(i / n)],
    ).length;
    await title(`Cross-position pairs over ${threshold}: ${count}`);
  }
  await page.focus('#threshold-slider');
  await page.keyboard.press('End');
  await page.waitForFunction(() => /: 0$/.test(document.querySelector('#pairs h3')?.textContent ?? ''));
  await page.keyboard.press('Home');
  await page.waitForFunction(() => !/: 0$/.test(document.querySelector('#pairs h3')?.textContent ?? ''));
  assert.match(await page.evaluate(() => location.hash), /from=blocks\.0/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('token pairs are grouped with counts; a choice is pinned and scrolled to', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  await page.waitForSelector('#pairs tbody tr');
  const first = (await page.locator('#pairs tbody tr').first().allInnerTexts())[0].split('\t');
  assert.deepEqual(first, ['E (2) → iff (3)', '4', 'F0.27 → F3.228', '4.17']);
  for (let i = 0; i < 4; i++) await page.click('#zoom-in');
  await page.click('#pairs tbody tr:first-child button');
  const read = (await page.textContent('#cell-text')) ?? '';
  assert.match(
    read,
    /^“ E” \(F0\.27\) pushes F3\.228 on “iff” up by 4\.17, \d+ % of all that pushes it up\. F0\.27, ' E' \(2\) → F3\.228, 'iff' \(3\), gradient .*attribution 4\.16\d+, .*% of Σ \|attribution\|/,
  );
  assert.match((await page.textContent('#detail')) ?? '', /F3\.228.*Positions apart1/s);
  const { scrollTop } = await page.evaluate(() => ({ scrollTop: document.querySelector('.heatmap')?.scrollTop ?? 0 }));
  assert.ok(scrollTop > 0);
  await page.close();
});

test('across positions only: same-position pairs step back in heatmap and list', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  const ink = () =>
    page.evaluate(() => {
      const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.heatmap-canvas'));
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
      const { data } = context.getImageData(118, 108, canvas.width - 118, canvas.height - 108);
      let sum = 0;
      for (let i = 0; i < data.length; i += 4) sum += Math.abs(data[i] - data[i + 2]);
      return sum;
    });
  await page.waitForTimeout(500);
  const all = await ink();
  await page.check('#across');
  await page.waitForTimeout(500);
  assert.ok((await ink()) < 0.7 * all);
  const rows = await page.locator('#strongest tbody tr').allInnerTexts();
  assert.ok(rows.length === 100);
  for (const row of rows) {
    const [from, to] = row.split('\t').map((cell) => /\((\d+)\)$/.exec(cell)?.[1]);
    assert.notEqual(from, to, row);
  }
  await page.close();
});

test('logits show probabilities as bars, and statistics say what they mean', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_logit);
  await settled(page);
  assert.equal(await page.locator('#logits tbody tr').count(), 25);
  const widths = await page
    .locator('#logits .bar')
    .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width));
  assert.ok(widths.every((width, i) => i === 0 || width <= widths[i - 1] + 0.5) && widths[0] > 50);
  assert.match(
    (await page.textContent('#statistics')) ?? '',
    /Sparsity, as the notebook counts it.*positions left out.*Σ \|attribution\|/s,
  );
  assert.equal(await page.locator('#likely option').count(), 25);
  await page.close();
});
