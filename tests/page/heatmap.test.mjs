// The heatmap: real sizes, zoom, pan, brush, sorting, groups, keyboard, and how quickly it answers.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WITH_ALL } from '../all.mjs';
import { LINKS, madeUp, openPage, openResult, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ runtime: false });
});
after(() => browser.close());

/** @param {Page} page @param {string} id */
const text = async (page, id) => (await page.textContent(`#${id}`)) ?? '';

/** What is told of the cell beside the labels of rows and columns. @param {Page} page */
const firstCell = (page) =>
  page.evaluate(() => {
    const [root, tooltip] = ['.heatmap', '#tooltip'].map(
      (name) => /** @type {HTMLElement} */ (document.querySelector(name)),
    );
    const { left, top } = root.getBoundingClientRect();
    const isCell = (/** @type {number} */ x, /** @type {number} */ y) => {
      root.dispatchEvent(new PointerEvent('pointermove', { clientX: left + x, clientY: top + y }));
      // Not a label.
      return !tooltip.hidden && / → /.test(tooltip.textContent ?? '');
    };
    let [x, y] = [0, 0];
    while (x < 400 && !isCell(x, 400)) x++;
    while (y < 400 && !isCell(x, y)) y++;
    isCell(x + 1, y + 1);
    return tooltip.textContent ?? '';
  });

/** Numbers of different colours on the canvas. @param {Page} page */
const colours = (page) =>
  page.evaluate(() => {
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.heatmap-canvas'));
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    return new Set(new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
  });

/** What of the matrix is in view, in pixels. @param {Page} page */
const extent = (page) =>
  page.evaluate(() => {
    const root = /** @type {HTMLElement} */ (document.querySelector('.heatmap'));
    const { scrollLeft, scrollTop, scrollWidth, scrollHeight, clientWidth, clientHeight } = root;
    return { scrollLeft, scrollTop, scrollWidth, scrollHeight, clientWidth, clientHeight, zoomed: root.dataset.zoomed };
  });

/** Two frames: one to hear, one to draw. @param {Page} page */
const drawn = (page) =>
  page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

test('large heatmaps are drawn and read to their last cell', async () => {
  const { page, problems } = await openPage(browser);
  await settled(page);
  for (const [rows, columns] of [
    [25, 1667],
    [181, 100],
    [1, 1667],
    [1500, 2000],
  ]) {
    const value = (/** @type {number} */ i) => (i % 17) - 8;
    await openResult(page, `${rows}x${columns}.json`, madeUp(rows, columns, value));
    // All of it is in view at first, however large.
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = await extent(page);
    assert.ok(scrollWidth <= clientWidth && scrollHeight <= clientHeight, `${rows} × ${columns} does not fit`);
    await page.focus('.heatmap');
    for (const key of ['PageDown', 'End']) await page.keyboard.press(key);
    const read = await text(page, 'cell-text');
    const last = value(rows * columns - 1);
    assert.ok(read.includes(`. F0.${columns - 1}, ' x' (0) → F1.${rows - 1}, ' x' (0), gradient ${last},`), read);
    const most = rows === 1 ? 8 : 10;
    for (let i = 0; i < 20 && (await colours(page)) <= most; i++) await drawn(page);
    assert.ok((await colours(page)) > most, `${rows} × ${columns}`);
  }
  assert.deepEqual(problems, []);
  await page.close();
});

test('a pair that fills less than a pixel is seen and found', async () => {
  // With all that is 0 everywhere.
  const { page } = await openPage(browser, `${LINKS.latent_to_latent}&zeros=1`);
  await settled(page);
  // One strong cell among three million of nothing.
  const [row, column] = [777, 1234];
  await openResult(
    page,
    'needle.json',
    madeUp(1500, 2000, (i) => (i === row * 2000 + column ? 5 : 0)),
  );
  await drawn(page);
  // Painted a few tiles a frame: looked for until it is there.
  const found = await page.waitForFunction(() => {
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.heatmap-canvas'));
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const { data, width } = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      // The end of the scale: dark blue.
      if (data[i + 3] === 255 && data[i] < 20 && data[i + 2] > 80)
        return { x: (i / 4) % width, y: Math.floor(i / 4 / width) };
    }
    return undefined;
  });
  const spot = /** @type {{x: number, y: number}} */ (await found.jsonValue());
  await page.hover('.heatmap', { position: { x: spot.x + 1, y: spot.y + 1 } });
  assert.match(
    await text(page, 'tooltip'),
    /^“ x” \(F0\.1234\) pushes F1\.777 on the same token up by 5, all that pushes it up\.\nF0\.1234, .* → F1\.777, .*\ngradient 5\n/,
  );
  await page.close();
});

test('zoom by keys, buttons, wheel and a box; pan by drags; Fit and a double click show all again', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  // All of it in the window, where the mouse goes by itself.
  await page.locator('#plot').evaluate((plot) => plot.scrollIntoView({ block: 'center' }));
  const whole = await extent(page);
  assert.equal(whole.zoomed, 'false');
  await page.click('#zoom-in');
  const nearer = await extent(page);
  assert.ok(nearer.scrollWidth > whole.scrollWidth && nearer.zoomed === 'true');

  // The cell under the pointer stays under it, where cells are larger than what scrolling rounds to.
  for (let i = 0; i < 4; i++) await page.click('#zoom-in');
  const at = { x: 400, y: 300 };
  await page.hover('.heatmap', { position: at });
  const before = (await text(page, 'tooltip')).split('\n')[0];
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -100);
  await page.keyboard.up('Control');
  await page.hover('.heatmap', { position: { x: at.x, y: at.y + 1 } });
  await page.hover('.heatmap', { position: at });
  assert.equal((await text(page, 'tooltip')).split('\n')[0], before);

  const { scrollLeft, scrollTop } = await extent(page);
  const heatmap = page.locator('.heatmap');
  let box = /** @type {{x: number, y: number}} */ (await heatmap.boundingBox());
  const drag = async (/** @type {number} */ by, /** @type {'left' | 'middle'} */ button = 'left') => {
    await page.mouse.move(box.x + 500, box.y + 400);
    await page.mouse.down({ button });
    await page.mouse.move(box.x + 500 - by, box.y + 400 - by, { steps: 4 });
    await page.mouse.up({ button });
    const { scrollLeft: x, scrollTop: y } = await extent(page);
    return [x - scrollLeft, y - scrollTop];
  };
  const near = (/** @type {number[]} */ moved, /** @type {number} */ by) =>
    assert.ok(
      moved.every((one) => Math.abs(one - by) <= 2),
      `${moved} for ${by}`,
    );
  await page.keyboard.down('Shift');
  near(await drag(40), 40);
  await page.keyboard.up('Shift');
  near(await drag(10, 'middle'), 50);
  await page.focus('.heatmap');
  await page.keyboard.down(' ');
  near(await drag(-30), 20);
  await page.keyboard.up(' ');
  // A drag pins nothing.
  assert.match(await text(page, 'detail'), /Click a cell/);

  await page.click('#fit');
  assert.deepEqual(await extent(page), { ...whole, scrollLeft: 0, scrollTop: 0 });
  await heatmap.evaluate((element) => element.scrollIntoView({ block: 'center' }));
  box = /** @type {{x: number, y: number}} */ (await heatmap.boundingBox());
  await page.mouse.move(box.x + 300, box.y + 300);
  const corner = (await text(page, 'tooltip')).split('\n')[0];
  await page.mouse.down();
  await page.mouse.move(box.x + 400, box.y + 360, { steps: 4 });
  assert.ok(await page.isVisible('.heatmap-brush'));
  await page.mouse.up();
  const brushed = await extent(page);
  assert.ok(brushed.scrollWidth > 2 * whole.scrollWidth && brushed.zoomed === 'true');
  // Where the brush began is the first cell now.
  assert.equal((await firstCell(page)).split('\n')[0], corner);
  // What drags pin nothing, a double click does, and shows all.
  assert.match(await text(page, 'detail'), /Click a cell/);
  await page.mouse.dblclick(box.x + 500, box.y + 400);
  assert.deepEqual(await extent(page), { ...whole, scrollLeft: 0, scrollTop: 0 });
  await page.click('#zoom-in');
  await page.focus('.heatmap');
  await page.keyboard.press('Escape');
  assert.equal((await extent(page)).zoomed, 'false');
  await page.keyboard.press('+');
  assert.equal((await extent(page)).zoomed, 'true');
  await page.keyboard.press('0');
  assert.equal((await extent(page)).zoomed, 'false');
  await page.close();
});

test('rows and columns are sorted by what was chosen, and read in that order', async () => {
  const { page, problems } = await openPage(browser, `${LINKS.latent_to_latent}&zeros=1`);
  await settled(page);
  const json = await (await fetch(`${browser.url}/results/tiny-latent-latent.json`)).json();
  const n = json.sources.pos.length;
  const value = (/** @type {number} */ r, /** @type {number} */ c) =>
    Math.fround(json.gradients[r * n + c] * json.sources.activation[c]);
  const column = json.sources.label.map((/** @type {string} */ label, /** @type {number} */ c) => ({
    label,
    largest: Math.max(
      ...json.targets.pos.map((/** @type {number} */ _, /** @type {number} */ r) => Math.abs(value(r, c))),
    ),
    total: json.targets.pos.reduce(
      (/** @type {number} */ sum, /** @type {number} */ _, /** @type {number} */ r) => sum + Math.abs(value(r, c)),
      0,
    ),
    inFirst: value(40, c),
  }));
  const firstRead = async () => {
    await page.focus('.heatmap');
    await page.keyboard.press('Home');
    return /(F0\.\d+, '[^']*' \(\d+\)) → /.exec(await text(page, 'cell-text'))?.[1];
  };
  for (const key of /** @type {const} */ (['largest', 'total'])) {
    await page.selectOption('#columns', key);
    const best = column.reduce((/** @type {any} */ a, /** @type {any} */ b) => (b[key] > a[key] ? b : a));
    await page.waitForTimeout(50);
    assert.equal(await firstRead(), best.label, key);
  }
  await page.selectOption('#columns', 'position');
  assert.equal(await firstRead(), column[0].label);
  // By the values of the pinned row: row 40 of the result.
  for (let i = 0; i < 40; i++) await page.keyboard.press('ArrowDown');
  await page.selectOption('#columns', 'value');
  const best = column.reduce((/** @type {any} */ a, /** @type {any} */ b) => (b.inFirst > a.inFirst ? b : a));
  assert.equal(await firstRead(), best.label);
  assert.deepEqual(problems, []);
  await page.close();
});

test('n and p step through the strongest pairs, Enter opens the latent', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  await page.focus('.heatmap');
  const size = async () => Math.abs(Number(/attribution (\S+),/.exec(await text(page, 'cell-text'))?.[1]));
  await page.keyboard.press('n');
  const first = await size();
  assert.ok(Math.abs(first - 7.36) < 0.01, String(first));
  await page.keyboard.press('n');
  const second = await size();
  assert.ok(second <= first);
  await page.keyboard.press('p');
  assert.equal(await size(), first);
  // Across positions only: the same keys skip what stays at its position.
  await page.check('#across');
  await page.focus('.heatmap');
  await page.keyboard.press('n');
  assert.match(await text(page, 'cell-text'), /\(2\) → .* \(3\)/);
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'open-source');
  await page.waitForFunction(() => /without descriptions/.test(document.querySelector('#latent')?.textContent ?? ''));
  await page.close();
});

test('the scale says what it clips, and follows the number given', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  assert.equal(await text(page, 'clipped'), 'no cell is clipped');
  await page.fill('#limit', '1');
  await page.press('#limit', 'Tab');
  const json = await (await fetch(`${browser.url}/results/tiny-latent-latent.json`)).json();
  const n = json.sources.pos.length;
  const over = json.gradients.filter(
    (/** @type {number} */ g, /** @type {number} */ i) => Math.abs(Math.fround(g * json.sources.activation[i % n])) > 1,
  ).length;
  assert.equal(await text(page, 'clipped'), `${over} cells are clipped`);
  // Something dwarfs all others: the scale leaves it out, and says so.
  await openResult(
    page,
    'bos.json',
    madeUp(30, 30, (i) => (i === 0 ? 5000 : (i % 7) - 3)),
  );
  assert.equal(await text(page, 'clipped'), '1 cell is clipped');
  assert.ok(Number(await page.inputValue('#limit')) < 10);
  await page.close();
});

test('three million pairs arrive without a long task, and answer the pointer within a frame', WITH_ALL, async (t) => {
  const { page, problems } = await openPage(browser);
  await settled(page);
  const result = madeUp(1500, 2000, (i) => ((i * 7919) % 1001) - 500, {
    tokens: Array.from({ length: 64 }, (_, i) => ` t${i}`),
    pos: (i, n) => Math.floor((64 * i) / n),
  });
  await page.evaluate(() => {
    /** @type {number[]} */
    const longTasks = [];
    Object.assign(window, { longTasks });
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => longTasks.push(duration))).observe({
      type: 'longtask',
    });
  });
  // The machine is shared: the best of three is the page's own doing.
  let longest = Infinity;
  for (let i = 0; i < 3 && longest > 50; i++) {
    await page.evaluate(() => /** @type {any} */ (window).longTasks.splice(0));
    await openResult(page, `large-${i}.json`, result);
    await page.waitForTimeout(500);
    longest = await page.evaluate(() => Math.max(0, .../** @type {any} */ (window).longTasks));
  }
  t.diagnostic(
    `longest task while 3,000,000 pairs arrived: ${longest ? `${longest.toFixed(0)} ms` : 'none over 50 ms'}`,
  );
  assert.ok(longest <= 50, `a task of ${longest} ms`);

  const measured = await page.evaluate(async () => {
    const root = /** @type {HTMLElement} */ (document.querySelector('.heatmap'));
    const tooltip = /** @type {HTMLElement} */ (document.querySelector('#tooltip'));
    const box = root.getBoundingClientRect();
    const hover = [];
    for (let i = 0; i < 200; i++) {
      const [clientX, clientY] = [box.left + 230 + ((i * 37) % 600), box.top + 170 + ((i * 53) % 350)];
      const start = performance.now();
      root.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY, bubbles: true, pointerType: 'mouse' }));
      // With layout, as before the next frame.
      tooltip.getBoundingClientRect();
      hover.push(performance.now() - start);
      if (i % 20 === 0) await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    for (let i = 0; i < 4; i++) /** @type {HTMLElement} */ (document.querySelector('#zoom-in')).click();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const frames = [];
    let last = await new Promise((resolve) => requestAnimationFrame(resolve));
    for (let i = 0; i < 90; i++) {
      root.scrollBy(i < 45 ? 23 : -31, 17);
      const now = await new Promise((resolve) => requestAnimationFrame(resolve));
      frames.push(now - last);
      last = now;
    }
    const at = (/** @type {number[]} */ values, /** @type {number} */ part) =>
      values.sort((a, b) => a - b)[Math.floor(part * (values.length - 1))];
    return { hover: [at(hover, 0.5), at(hover, 0.95)], frames: [at(frames, 0.5), at(frames, 0.95)] };
  });
  const [median, most] = measured.hover;
  t.diagnostic(`hover at 1,500 × 2,000: ${median.toFixed(2)} ms median, ${most.toFixed(2)} ms at the 95th percentile`);
  t.diagnostic(
    `frame while panning: ${measured.frames[0].toFixed(1)} ms median, ${measured.frames[1].toFixed(1)} ms at the 95th percentile`,
  );
  assert.ok(median <= 16 && most <= 50, `${median}, ${most} ms`);
  assert.ok(measured.frames[0] < 34, `${measured.frames} ms`);
  assert.deepEqual(problems, []);
  await page.close();
});
