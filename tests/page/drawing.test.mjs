// What is drawn: bars and their axis, the scale of colours, titles and labels, lines between groups. By pixels, and
// by the text that is written on the canvas.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cutOff, marks } from '../../www/figure/legend.js';
import { cssColor } from '../../www/figure/scale.js';
import { niceRange, ticks } from '../../www/figure/ticks.js';
import { LINKS, madeUp, openPage, openResult, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
  // What is written on a heatmap since it was last wiped.
  await browser.context.addInitScript(() => {
    /** @type {string[]} */
    const written = [];
    Object.assign(window, { written });
    const { fillText, clearRect } = CanvasRenderingContext2D.prototype;
    Object.assign(CanvasRenderingContext2D.prototype, {
      /** @this {CanvasRenderingContext2D} @param {string} text @param {number} x @param {number} y */
      fillText(text, x, y) {
        written.push(text);
        fillText.call(this, text, x, y);
      },
      /** @this {CanvasRenderingContext2D} @param {[number, number, number, number]} box */
      clearRect(...box) {
        written.length = 0;
        clearRect.apply(this, box);
      },
    });
  });
});
after(() => browser.close());

/** What is written on the heatmap, once it is drawn. @param {Page} page @returns {Promise<string[]>} */
const written = (page) =>
  page.evaluate(async () => {
    for (let i = 0; i < 3; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
    return [.../** @type {any} */ (window).written];
  });

/**
 * Pixels of the heatmap of a colour.
 * @param {Page} page
 * @param {'warm' | 'blue'} colour
 * @returns {Promise<{x: number, y: number}[]>}
 */
const pixels = (page, colour) =>
  page.evaluate((colour) => {
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.heatmap-canvas'));
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const { data, width } = context.getImageData(0, 0, canvas.width, canvas.height);
    const found = [];
    for (let i = 0; i < data.length; i += 4) {
      const [red, , blue, alpha] = data.slice(i, i + 4);
      const more = colour === 'blue' ? blue - red : red - blue;
      if (alpha > 200 && more > 60) found.push({ x: (i / 4) % width, y: Math.floor(i / 4 / width) });
    }
    return found;
  }, colour);

/** The bars of a colour, from the left: the height of each in pixels. @param {{x: number, y: number}[]} found */
function bars(found) {
  /** @type {Map<number, number>} */
  const heights = new Map();
  for (const { x } of found) heights.set(x, (heights.get(x) ?? 0) + 1);
  const xs = [...heights.keys()].sort((a, b) => a - b);
  /** @type {number[]} */
  const out = [];
  xs.forEach((x, i) => {
    const height = heights.get(x) ?? 0;
    if (i === 0 || x - xs[i - 1] > 1) out.push(height);
    else out[out.length - 1] = Math.max(out[out.length - 1], height);
  });
  return out;
}

/** A logit difference with these attributions. @param {number[]} values */
function difference(values) {
  const result = madeUp(1, values.length, (i) => values[i]);
  return {
    ...result,
    request: { ...result.request, to: { logit_difference: [' a', ' b'] } },
    targets: { kind: 'logit_difference', pos: [0], activation: [1], label: ["' a' − ' b'"] },
  };
}

test('ticks are round, in order, and within their ends', () => {
  assert.deepEqual(ticks(-0.3, 3.62), [0, 1, 2, 3]);
  assert.deepEqual(ticks(-1.66, 1.66, 4), [-1, 0, 1]);
  assert.deepEqual(ticks(-0.2, 0.2, 4), [-0.2, -0.1, 0, 0.1, 0.2]);
  assert.deepEqual(ticks(0, 1e6, 4), [0, 200_000, 400_000, 600_000, 800_000, 1_000_000]);
  assert.deepEqual(niceRange(-0.3, 3.62), [-1, 4]);
  assert.deepEqual(niceRange(0, 0.5), [0, 0.5]);
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let i = 0; i < 2000; i++) {
    const size = 10 ** (60 * random() - 30);
    const [min, max] = [-size * random(), size * (random() + 1e-3)];
    const about = 2 + Math.floor(8 * random());
    const found = ticks(min, max, about);
    assert.ok(found.length >= 1 && found.length <= 2 * about + 1, `${found.length} for ${min} to ${max}`);
    assert.ok(found[0] >= min - size * 1e-6 && (found.at(-1) ?? 0) <= max + size * 1e-6);
    assert.ok(found.includes(0) && !found.some((value) => Object.is(value, -0)));
    for (const value of found) assert.ok(String(Math.abs(value)).replace(/e.*|[.0]/g, '').length <= 2, String(value));
    const [low, high] = niceRange(min, max, about);
    assert.ok(low <= min + size * 1e-9 && high >= max - size * 1e-9 && high - low < 3 * (max - min) + size * 1e-9);
  }
  // Nothing to divide.
  for (const [min, max] of [
    [1, 1],
    [2, 1],
    [0, NaN],
    [-Infinity, Infinity],
  ])
    assert.deepEqual(ticks(min, max), [min]);
});

test('bars are as high as their values are, over an axis with round numbers', async () => {
  const { page, problems } = await openPage(browser, '?source=tiny');
  await settled(page);
  // The largest dwarfs all others: as a colour it would be clipped.
  const values = [0.478, 3.62, -0.6, 0.3];
  await openResult(page, 'bars.json', difference(values));
  const texts = await written(page);
  for (const text of ['−1', '0', '1', '2', '3', '4', "attribution to ' a' − ' b'", 'F0.3'])
    assert.ok(texts.includes(text), `${text} of ${texts}`);
  const [up, down] = [bars(await pixels(page, 'blue')), bars(await pixels(page, 'warm'))];
  assert.deepEqual([up.length, down.length], [3, 1]);
  for (const [height, value] of [
    [up[0], 0.478],
    [up[2], 0.3],
    [down[0], 0.6],
  ])
    assert.ok(Math.abs(height / up[1] - value / 3.62) < 0.015, `${height} of ${up[1]} for ${value}`);
  assert.ok(up[1] > 150, `${up[1]} px`);
  // No bar is cut off, and so none is said to be.
  assert.equal(await page.textContent('#clipped'), 'no cell is clipped');
  assert.ok(!texts.includes('3.62'));

  await page.fill('#limit', '0.5');
  await page.press('#limit', 'Tab');
  const told = await written(page);
  for (const text of ['3.62', '−0.6', '−0.4', '0', '0.4']) assert.ok(told.includes(text), `${text} of ${told}`);
  assert.ok(!told.includes('0.478') && !told.includes('1'), String(told));
  const [cutUp, cutDown] = [bars(await pixels(page, 'blue')), bars(await pixels(page, 'warm'))];
  assert.ok(Math.abs(cutUp[2] / cutUp[0] - 0.3 / 0.478) < 0.02, String(cutUp));
  // The mark of one that goes on is beyond its end.
  const end = (cutUp[0] * 0.5) / 0.478;
  for (const cut of [cutUp[1], cutDown[0]]) assert.ok(cut - end > 4 && cut - end < 12, `${cut} of ${cutUp}`);
  assert.deepEqual(problems, []);
  await page.close();
});

test('the scale of colours has round numbers, ends where cells are cut off, and says what it is of', async () => {
  for (const [limit, expected] of /** @type {[number, number[]][]} */ ([
    [1, [-1, -0.5, 0, 0.5, 1]],
    [14.6, [-14.6, -10, -5, 0, 5, 10, 14.6]],
    [1.04, [-1.04, -0.5, 0, 0.5, 1.04]],
    [1.5e-7, [-1.5e-7, 0, 1.5e-7]],
  ]))
    assert.deepEqual(marks(limit), expected);
  assert.deepEqual(cutOff(Float32Array.of(-3, -2, -1, 0, 1, 2, 2.5, 9), 2), { low: 1, high: 2 });

  const { page, problems } = await openPage(browser, `${LINKS.latent_to_latent}&limit=1`);
  await settled(page);
  const scale = page.locator('#legend');
  const numbers = () => scale.locator('text').allTextContents();
  assert.deepEqual(await numbers(), ['−1', '−0.5', '0', '0.5', '1']);
  assert.equal(await scale.locator('span').textContent(), 'attribution');
  const arrows = () => scale.locator('polygon').evaluateAll((all) => all.map((one) => one.getAttribute('fill')));
  assert.deepEqual(await arrows(), [cssColor(-1, 1, 'light'), cssColor(1, 1, 'light')]);
  assert.match(
    (await scale.locator('svg').getAttribute('aria-label')) ?? '',
    /red, −1, and below, .* blue, 1, and above/,
  );
  // 0 is where the strip is palest.
  const zero = Number(await scale.locator('text', { hasText: /^0$/ }).getAttribute('x'));
  const pale = await scale
    .locator('rect')
    .evaluateAll((all) =>
      all.map((one) => [Number(one.getAttribute('x')), ...(one.getAttribute('fill')?.match(/\d+/g) ?? []).map(Number)]),
    );
  const palest = pale.reduce((a, b) => (b[1] + b[2] + b[3] > a[1] + a[2] + a[3] ? b : a));
  assert.ok(Math.abs(palest[0] - zero) < 4, `${palest} at ${zero}`);

  // The same line in a figure elsewhere.
  const drawn = (/** @type {import('playwright-core').Locator} */ scale) => scale.evaluate((host) => host.innerHTML);
  const elsewhere = await browser.context.newPage();
  await elsewhere.goto(`${browser.url}/embed.html?result=results/tiny-latent-latent.json#limit=1`);
  await elsewhere.locator('.picture:not(.coming) .heatmap-canvas').waitFor();
  assert.equal(await drawn(elsewhere.locator('.sae-colours')), await drawn(scale));
  assert.match((await elsewhere.locator('[part=scale] small').textContent()) ?? '', /^\d+ cells are clipped/);
  await elsewhere.close();

  await page.selectOption('#shown', 'gradients');
  await page.locator('#legend span', { hasText: 'gradient' }).waitFor();
  // Nothing is cut off where the scale ends at the largest.
  assert.deepEqual(await arrows(), []);
  assert.doesNotMatch((await scale.locator('svg').getAttribute('aria-label')) ?? '', /and above|and below/);
  // Only what is above.
  await openResult(
    page,
    'above.json',
    madeUp(30, 30, (i) => (i === 0 ? 5000 : (i % 7) - 3)),
  );
  assert.deepEqual(await arrows(), [cssColor(1, 1, 'light')]);
  // Bars have an axis of values.
  await openResult(page, 'bars.json', difference([1, 2]));
  assert.ok(await scale.isHidden());
  assert.deepEqual(problems, []);
  await page.close();
});
