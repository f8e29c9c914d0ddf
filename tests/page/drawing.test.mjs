// What is drawn: bars and their axis, the scale of colours, titles and labels, lines between groups. By pixels, and
// by the text that is written on the canvas.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { cutOff, marks } from '../../www/figure/legend.js';
import { cssColor } from '../../www/figure/scale.js';
import { niceRange, ticks } from '../../www/figure/ticks.js';
import { CHROMIUM, CHROMIUM_ARGS, LINKS, madeUp, openPage, openResult, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ runtime: false });
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
  await page.selectOption('#columns', 'position');
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
  assert.equal(await page.textContent('#clipped'), 'no bar is cut off');
  assert.doesNotMatch((await page.textContent('#caption')) ?? '', /[Cc]olours end|row/);
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

test('rows, columns and their groups are told in words, and a cut label is read whole', async () => {
  const { page, problems } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  const all = await written(page);
  assert.ok(all.includes('latents of blocks.0.hook_resid_pre, by position →'), String(all));
  assert.match(all.join(''), /latents ?of ?blocks\.3\. ?hook_resid_pre, ?by ?position ↓/);
  // BOS is the narrowest group of both sides: one latent, of no effect here.
  await page.click('#folded');
  assert.equal((await written(page)).filter((text) => text === '<|endoftext|> (0)').length, 2);
  await page.selectOption('#columns', 'largest');
  assert.ok((await written(page)).includes('latents of blocks.0.hook_resid_pre, by largest |value| →'));
  // Also where groups crowd, and others are wider.
  await openResult(
    page,
    'bos.json',
    madeUp(300, 300, (i) => (i % 7) - 3, {
      tokens: Array.from({ length: 40 }, (_, i) => (i === 0 ? '<|endoftext|>' : ` t${i}`)),
      pos: (i, n) => (i === 0 ? 0 : 1 + Math.floor((39 * (i - 1)) / (n - 1))),
    }),
  );
  await page.selectOption('#columns', 'position');
  assert.equal((await written(page)).filter((text) => text === '<|endoftext|> (0)').length, 2);
  await page.close();

  const logits = await openPage(browser, LINKS.latent_to_logit);
  await settled(logits.page);
  assert.match((await written(logits.page)).join(' '), /logits, largest first ↓/);
  await logits.page.close();

  // Long meanings: of what is sorted, the first is told whole.
  const long = { ...madeUp(12, 12, (i) => (i === 31 ? 9 : (i % 12) - 5.5)), latent_labels: {} };
  const words = 'twenty-one letters, so';
  // The winners' are long, all others' too long.
  const meaning = (/** @type {number} */ i) => `${words} ${i}${i === 7 || i === 2 ? '' : ', and many more of them'}`;
  const meant = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [i, meaning(i)]));
  long.latent_labels = { 'blocks.0.hook_resid_pre': meant, 'blocks.1.hook_resid_pre': meant };
  const own = await openPage(browser, '?source=tiny');
  await settled(own.page);
  await openResult(own.page, 'long.json', long);
  await own.page.selectOption('#columns', 'largest');
  await own.page.selectOption('#rows', 'largest');
  const texts = await written(own.page);
  assert.ok(
    texts.includes(`F0.7, ' x' (0) · ${words} 7`) && texts.includes(`F1.2, ' x' (0) · ${words} 2`),
    String(texts),
  );
  const cut = texts.filter((text) => text.endsWith('…'));
  assert.ok(cut.length === 20 && cut.every((text) => /^F[01]\.\d+, ' x' \(0\) · twe/.test(text)), String(texts));
  // By pointing at it, a column's along its slant.
  const { left, top } = await own.page.evaluate(() => {
    const heatmap = /** @type {HTMLElement} */ (document.querySelector('.heatmap'));
    heatmap.scrollIntoView();
    const { left, top } = heatmap.getBoundingClientRect();
    return { left, top };
  });
  const told = async (/** @type {number} */ x, /** @type {number} */ y) => {
    await own.page.mouse.move(left + x, top + y);
    return (await own.page.locator('#tooltip').isVisible()) ? own.page.textContent('#tooltip') : undefined;
  };
  let y = 60;
  while (y < 300 && !(await told(500, y))?.includes('→')) y++;
  for (const x of [300, 500, 700]) {
    // Behind the sentence.
    const [node] = (await told(x, y + 2))?.split('\n')[1].split(' · ') ?? [];
    const whole = `${node} · ${meaning(Number(/\.(\d+)/.exec(node)?.[1]))}`;
    for (const along of [20, 60, 100]) assert.equal(await told(x + along, y - along), whole);
  }
  assert.equal(
    await told(20, 300).then((text) =>
      /^F1\.\d+, ' x' \(0\) · twenty-one letters, so \d+(, and many more of them)?$/.test(text ?? ''),
    ),
    true,
  );
  assert.deepEqual([...problems, ...logits.problems, ...own.problems], []);
  await own.page.close();
});

test('no label is half hidden by that of the pinned pair', async () => {
  const { page, problems } = await openPage(browser, '?source=tiny');
  await settled(page);
  // Labels of columns stand 17 pixels apart and slant, those of rows 11.
  await openResult(
    page,
    'many.json',
    madeUp(50, 50, (i) => (i === 20 * 50 + 30 ? 9 : (i % 7) - 3)),
  );
  for (const name of ['F0.29', 'F0.31', 'F1.19', 'F1.21']) assert.ok((await written(page)).includes(name), name);
  await page.focus('.heatmap');
  await page.keyboard.press('n');
  const texts = await written(page);
  for (const name of ['F0.29', 'F0.31', 'F1.19', 'F1.21']) assert.ok(!texts.includes(name), name);
  for (const name of ['F0.28', 'F0.32', 'F1.18', 'F1.22']) assert.ok(texts.includes(name), name);
  assert.deepEqual(problems, []);
  await page.close();
});

/** The darkest and the commonest brightness of the heatmap's cells. @param {Page} page */
const shades = (page) =>
  page.evaluate(() => {
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.heatmap-canvas'));
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const [x, y] = [400, 250];
    const { data } = context.getImageData(x, y, canvas.width - x - 140, canvas.height - y - 20);
    const greens = new Uint32Array(256);
    for (let i = 0; i < data.length; i += 4) greens[data[i + 1]]++;
    return { darkest: greens.findIndex((count) => count > 0), commonest: greens.indexOf(Math.max(...greens)) };
  });

test('lines between tokens fade where they crowd, so that cells are seen', async () => {
  const { page, problems } = await openPage(browser, '?source=tiny');
  await settled(page);
  const found = [];
  for (const n of [4, 64, 400]) {
    const result = madeUp(400, 400, (i) => (i === 399 ? 0.045 : 0.01), {
      tokens: Array.from({ length: n }, (_, i) => ` t${i}`),
      pos: (i, of) => Math.floor((n * i) / of),
    });
    await openResult(page, `groups-${n}.json`, result);
    await written(page);
    found.push(await shades(page));
  }
  const [few, many, crowd] = found.map(({ darkest, commonest }) => commonest - darkest);
  assert.ok(few > 50, JSON.stringify(found));
  assert.ok(many > 0 && many < few * 0.6, JSON.stringify(found));
  assert.equal(crowd, 0, JSON.stringify(found));
  assert.deepEqual(problems, []);
  await page.close();
});

test('a few rows fill a box that is as high as they need from the start', async () => {
  const { page, problems } = await openPage(browser, '?source=tiny');
  await settled(page);
  /** Heights that the box has had, a frame each; and how much of it is blank beneath the cells. */
  const heights = async (/** @type {number} */ rows, /** @type {number} */ columns) => {
    await page.evaluate(() => {
      /** @type {string[]} */
      const heights = [];
      Object.assign(window, { heights });
      const look = () => {
        // With what is shown: the height does not come later than the picture.
        const shown = document.querySelector('.heatmap')?.getAttribute('aria-label');
        heights.push(`${/** @type {HTMLElement} */ (document.querySelector('#plot')).offsetHeight} px for ${shown}`);
        if (/** @type {any} */ (window).heights === heights) requestAnimationFrame(look);
      };
      look();
    });
    const spread = {
      tokens: [' a', ' b'],
      pos: (/** @type {number} */ i, /** @type {number} */ n) => (2 * i < n ? 0 : 1),
    };
    await openResult(
      page,
      `${rows}.json`,
      madeUp(rows, columns, (i) => (i % 5) - 2, rows === 1 ? {} : spread),
    );
    await written(page);
    const last = await page.evaluate(() => {
      const { heights } = /** @type {any} */ (window);
      Object.assign(window, { heights: undefined });
      const root = /** @type {HTMLElement} */ (document.querySelector('.heatmap'));
      return {
        heights: [...new Set(heights)],
        inside: root.clientHeight,
        used: root.firstElementChild?.clientHeight ?? 0,
      };
    });
    return { ...last, height: parseInt(last.heights.at(-1) ?? '') };
  };
  const [three, many, ten] = [await heights(3, 300), await heights(200, 200), await heights(10, 40)];
  assert.equal(many.height, Math.round(0.72 * 900));
  assert.ok(three.height < 330 && ten.height > three.height + 200, JSON.stringify([three, ten]));
  for (const { heights, inside, used } of [three, many, ten]) {
    assert.ok(heights.length <= 2, `it was ${heights}`);
    assert.ok(inside - used < 60, `${inside} px for ${used}`);
  }

  // So does a figure elsewhere: what is told stands right beneath.
  await page.goto(`${browser.url}/embed.html?result=results/demo-logit-difference.json`);
  await page.locator('.picture:not(.coming) .heatmap-canvas').waitFor();
  const gap = await page.evaluate(() => {
    const root = document.querySelector('sae-attribution')?.shadowRoot;
    const box = (/** @type {string} */ part) =>
      /** @type {Element} */ (root?.querySelector(`[part=${part}]`)).getBoundingClientRect();
    return { height: box('heatmap').height, gap: box('scale').top - box('heatmap').bottom };
  });
  assert.ok(gap.height > 300 && gap.height < 0.72 * 900 && gap.gap < 10, JSON.stringify(gap));
  assert.deepEqual(problems, []);
  await page.close();
});

test('where there is more than is seen, there is a scroll bar to be seen', async () => {
  const seen = await chromium.launch({
    executablePath: CHROMIUM,
    args: CHROMIUM_ARGS,
    ignoreDefaultArgs: ['--hide-scrollbars'],
  });
  after(() => seen.close());
  const page = await seen.newPage({ viewport: { width: 1200, height: 900 } });
  await page.goto(`${browser.url}/${LINKS.latent_to_latent}`);
  await settled(page);
  const bars = () =>
    page.evaluate(() => {
      const root = /** @type {HTMLElement} */ (document.querySelector('.heatmap'));
      return [root.offsetWidth - 2 - root.clientWidth, root.offsetHeight - 2 - root.clientHeight];
    });
  assert.deepEqual(await bars(), [0, 0]);
  for (let i = 0; i < 3; i++) await page.click('#zoom-in');
  assert.deepEqual(await bars(), [10, 10]);
  await page.click('#fit');
  assert.deepEqual(await bars(), [0, 0]);
});

test('cells keep their colours where rows and columns are folded away', async () => {
  const { page, problems } = await openPage(browser, '?source=tiny');
  await settled(page);
  // Columns 0 and 2 of the four have nothing: by place and by node are not the same.
  await openResult(
    page,
    'folded.json',
    madeUp(3, 4, (i) => [0, 5, 0, -5][i % 4]),
  );
  await written(page);
  const [blue, warm] = [await pixels(page, 'blue'), await pixels(page, 'warm')];
  const spread = (/** @type {{x: number, y: number}[]} */ found, /** @type {'x' | 'y'} */ key) =>
    Math.max(...found.map((at) => at[key])) - Math.min(...found.map((at) => at[key])) + 1;
  assert.equal(blue.length, warm.length);
  assert.deepEqual([spread(blue, 'x'), spread(blue, 'y')], [120, 132]);
  assert.ok(Math.max(...blue.map(({ x }) => x)) < Math.min(...warm.map(({ x }) => x)));
  assert.deepEqual(problems, []);
  await page.close();
});
