// How a result is looked at: only the largest, without what is 0 everywhere, sorted by a label, on a scale that stays.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fold } from '../../www/figure/fold.js';
import { decodeState } from '../../www/app/links.js';
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

/** Rows and columns that are drawn, as they are told. @param {Page} page */
const drawn = async (page) =>
  /Heatmap of (\d+) rows and (\d+) columns/
    .exec((await page.getAttribute('.heatmap', 'aria-label')) ?? '')
    ?.slice(1)
    .map(Number);

/** The link to what is looked at, as it is read. @param {Page} page */
const linked = async (page) => {
  await page.click('#copy-link');
  return decodeState(await page.evaluate(() => location.hash)).view;
};

/** The saved result, its attributions, and Σ |attribution| of each row and column, <|endoftext|> left out. @param {string} name */
function saved(name) {
  const json = JSON.parse(readFileSync(new URL(`../../www/results/${name}.json`, import.meta.url), 'utf8'));
  const n = json.sources.pos.length;
  const value = (/** @type {number} */ r, /** @type {number} */ c) =>
    Math.fround(json.gradients[r * n + c] * json.sources.activation[c]);
  /** @type {{row: number[], column: number[]}} */
  const total = { row: json.targets.pos.map(() => 0), column: json.sources.pos.map(() => 0) };
  total.row.forEach((_, r) =>
    total.column.forEach((_, c) => {
      if (json.sources.pos[c] === 0) return;
      total.row[r] += Math.abs(value(r, c));
      total.column[c] += Math.abs(value(r, c));
    }),
  );
  const best = (/** @type {number[]} */ key) => key.map((_, i) => i).sort((a, b) => key[b] - key[a] || a - b);
  return { json, value, total, best };
}

/** Each label along a row or column, as the keyboard reads it. @param {Page} page @param {'row' | 'column'} along */
async function read(page, along) {
  const [n, key] =
    along === 'row' ? [(await drawn(page))?.[1] ?? 0, 'ArrowRight'] : [(await drawn(page))?.[0] ?? 0, 'ArrowDown'];
  await page.focus('.heatmap');
  // Not along the other: an order by value follows what is pinned.
  await page.keyboard.press(along === 'row' ? 'Home' : 'PageUp');
  const labels = [];
  for (let i = 0; i < n; i++) {
    if (i > 0) await page.keyboard.press(key);
    const [pair] = (await text(page, 'cell-text')).split(/, (gradient|attribution) /);
    // Behind the sentence.
    const [, source, target] = /(F\d\.\d+, [^→]*?) → (.*)/.exec(pair) ?? [];
    labels.push(along === 'row' ? source : target);
  }
  return labels;
}

test('of rows and columns those stay that are not 0 everywhere, and the largest of them', () => {
  const totals = [3, 0, 5, 1, 0, 5];
  const shown = (/** @type {Parameters<typeof fold>[1]} */ options) => {
    const { isShown, ...rest } = fold(totals, options);
    return { nodes: isShown && [...isShown].flatMap((is, i) => (is ? [i] : [])), ...rest };
  };
  const ranked = totals;
  assert.deepEqual(shown({ ranked, zeros: false }), { nodes: [0, 2, 3, 5], empty: 2, most: 0 });
  assert.deepEqual(shown({ ranked, zeros: true }), { nodes: undefined, empty: 2, most: 0 });
  assert.deepEqual(shown({ ranked, zeros: false, top: 2 }), { nodes: [2, 5], empty: 2, most: 2 });
  assert.deepEqual(shown({ ranked, zeros: true, top: 5 }), { nodes: [0, 1, 2, 3, 5], empty: 2, most: 5 });
  assert.deepEqual(shown({ ranked, zeros: false, top: 4 }), { nodes: [0, 2, 3, 5], empty: 2, most: 0 });
  assert.deepEqual(shown({ ranked, zeros: false, top: 1, pinned: 4 }), { nodes: [2, 4], empty: 2, most: 1 });
  // Ranked by what counts, which may be less than all.
  assert.deepEqual(shown({ ranked: [9, 0, 0, 1, 0, 0], zeros: false, top: 2 }).nodes, [0, 3]);
  assert.deepEqual(fold([0, 0], { ranked: [0, 0], zeros: false }), { isShown: undefined, empty: 0, most: 0 });
});

test('only the largest are drawn, in the order that is chosen, and the link says so', async () => {
  const { json, total, best } = saved('tiny-latent-latent');
  const { page, problems } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  // Of each one is 0 everywhere.
  assert.deepEqual(await drawn(page), [180, 99]);
  await page.selectOption('#top', '20');
  assert.deepEqual(await drawn(page), [20, 20]);
  const names = (/** @type {'targets' | 'sources'} */ side, /** @type {number[]} */ nodes) =>
    nodes.map((i) => json[side].label[i]);
  const largest = { rows: best(total.row).slice(0, 20), columns: best(total.column).slice(0, 20) };
  const inOrder = (/** @type {number[]} */ nodes) => [...nodes].sort((a, b) => a - b);
  assert.deepEqual(await read(page, 'row'), names('sources', inOrder(largest.columns)));
  assert.deepEqual(await read(page, 'column'), names('targets', inOrder(largest.rows)));
  await page.selectOption('#columns', 'total');
  assert.deepEqual(await read(page, 'row'), names('sources', largest.columns));
  assert.equal((await linked(page)).top, 20);
  // A pair of a list that is not among them comes to them.
  await page.selectOption('#top', '50');
  assert.deepEqual(await drawn(page), [50, 50]);
  const far = page.locator('#pairs .pick, #strongest .pick');
  for (let i = 0; i < (await far.count()) && (await drawn(page))?.every((n) => n === 50); i++) await far.nth(i).click();
  assert.ok(
    (await drawn(page))?.some((n) => n === 51),
    String(await drawn(page)),
  );
  const [pinned] = (await text(page, 'cell-text')).split(/, (gradient|attribution) /);
  assert.ok(pinned.includes(' → '));
  await page.selectOption('#top', '');
  assert.deepEqual(await drawn(page), [180, 99]);
  assert.equal((await linked(page)).top, undefined);
  await page.close();

  // As a link says it, with a number of its own.
  const other = await openPage(browser, `${LINKS.latent_to_latent}&top=7`);
  await settled(other.page);
  assert.deepEqual(await drawn(other.page), [7, 7]);
  assert.equal(await other.page.inputValue('#top'), '7');
  // So few that each label has room on a phone too, though then not all are in view.
  await other.page.setViewportSize({ width: 360, height: 740 });
  await other.page.selectOption('#top', '50');
  const width = await other.page.evaluate(() => document.querySelector('.heatmap')?.scrollWidth ?? 0);
  assert.ok(width >= 50 * 14, `${width} px`);
  assert.ok((await other.page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
  assert.deepEqual([...problems, ...other.problems], []);
  await other.page.close();
});

test('a phone shows the thirty largest first, wide enough to touch; its link says so, and all where all are chosen', async () => {
  const { page, problems } = await openPage(browser, 'results/index.json');
  /** @param {number} width @param {string} link */
  const open = async (width, link) => {
    await page.setViewportSize({ width, height: 740 });
    await page.goto('about:blank');
    await page.goto(`${browser.url}/${link}`);
    await settled(page);
    await page.waitForSelector('#statistics table');
  };
  const hash = () => page.evaluate(() => location.hash);
  /** Until the link says how many, or nothing of it. @param {string | null} top */
  const says = (top) =>
    page.waitForFunction((top) => new URLSearchParams(location.hash.slice(1)).get('top') === top, top);
  const state = async () => ({ drawn: await drawn(page), view: decodeState(await hash()).view });
  await open(360, LINKS.latent_to_latent);
  assert.deepEqual((await state()).drawn, [30, 30]);
  assert.equal(await page.inputValue('#top'), '30');
  assert.match(
    await text(page, 'caption'),
    /Columns: the 30 largest of 100 active .* rows: the 30 largest of 181 active /,
  );
  // A cell is as wide as what is drawn around the one that is pointed at.
  await page.hover('.heatmap', { position: { x: 230, y: 300 } });
  const cell = await page.locator('.heatmap-hover').boundingBox();
  assert.ok(cell && cell.width >= 10, `${cell?.width} px`);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
  // The strongest pairs come before the figure.
  const [list, figure] = await page.evaluate(() =>
    ['#strongest', '#plot'].map((part) =>
      /** @type {Element} */ (document.querySelector(part)).getBoundingClientRect(),
    ),
  );
  assert.ok(list.height > 200 && list.bottom <= figure.top, `${list.bottom} to ${figure.top}`);
  // The link shows the same where there is more room.
  await says('30');
  const phone = await state();
  const link = await hash();
  await open(1440, link);
  assert.deepEqual(await state(), phone);

  // All, where the reader says so: after a reload, for the next result, and on another screen.
  await open(360, LINKS.latent_to_latent);
  await page.selectOption('#top', '');
  assert.deepEqual((await state()).drawn, [180, 99]);
  await says('all');
  await page.reload();
  await settled(page);
  assert.deepEqual((await state()).drawn, [180, 99]);
  await page.check('input[value=token_to_latent]');
  await page.waitForFunction(() => /token → latent/.test(document.querySelector('#title')?.textContent ?? ''));
  await says('all');
  await open(1440, `${LINKS.latent_to_latent}&top=all`);
  assert.deepEqual((await state()).drawn, [180, 99]);
  await says(null);
  // A link that says how many is followed on a phone, too; also one to what nobody has computed yet.
  await open(360, `${LINKS.latent_to_latent}&top=20`);
  assert.deepEqual((await state()).drawn, [20, 20]);
  for (const [said, kept] of [
    ['&top=all', 'all'],
    ['', '30'],
  ]) {
    await page.goto('about:blank');
    await page.goto(`${browser.url}/${LINKS.latent_to_latent.replace('Paris', 'Rome')}${said}`);
    await page.waitForFunction(() => /^The link is read/.test(document.querySelector('#status')?.textContent ?? ''));
    await says(kept);
  }
  assert.deepEqual(problems, []);
  await page.close();
});

test('what is 0 everywhere is folded behind its number', async () => {
  const { page, problems } = await openPage(browser, '?source=tiny');
  await settled(page);
  // Rows 0 and 5, columns 1 to 3 have nothing.
  const value = (/** @type {number} */ i) => {
    const [row, column] = [Math.floor(i / 9), i % 9];
    return row % 5 === 0 || (column > 0 && column < 4) ? 0 : row - column || 1;
  };
  await openResult(page, 'zeros.json', madeUp(8, 9, value));
  assert.deepEqual(await drawn(page), [6, 6]);
  assert.equal(await text(page, 'folded'), '+ 2 rows and 3 columns that are 0 everywhere');
  assert.deepEqual(
    (await read(page, 'row')).map((label) => label.split(',')[0]),
    ['F0.0', 'F0.4', 'F0.5', 'F0.6', 'F0.7', 'F0.8'],
  );
  // What is read at the last cell is of its own nodes.
  for (const key of ['End', 'PageDown']) await page.keyboard.press(key);
  assert.match(await text(page, 'cell-text'), / F0\.8, .* → F1\.7, .* gradient -1,/);
  await page.click('#folded');
  assert.deepEqual(await drawn(page), [8, 9]);
  assert.equal(await text(page, 'folded'), 'Fold 2 rows and 3 columns that are 0 everywhere');
  // A cell pinned among them stays when they go.
  await page.focus('.heatmap');
  for (const key of ['Home', 'PageUp', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
  await page.click('#folded');
  assert.deepEqual(await drawn(page), [7, 7]);
  await page.focus('.heatmap');
  await page.keyboard.press('ArrowRight');
  assert.match(await text(page, 'cell-text'), / F0\.4, .* → F1\.0,/);
  // Nothing but zeros: they are what there is.
  await openResult(
    page,
    'nothing.json',
    madeUp(3, 4, () => 0),
  );
  assert.deepEqual(await drawn(page), [3, 4]);
  assert.ok(await page.isHidden('#folded'));
  assert.deepEqual(problems, []);
  await page.close();

  const other = await openPage(browser, `${LINKS.latent_to_latent}&zeros=1`);
  await settled(other.page);
  assert.equal((await linked(other.page)).zeros, true);
  await other.page.close();
});

test('a label, a key, and an order by value without a pin sort by what they name', async () => {
  const { json, value, total, best } = saved('tiny-latent-latent');
  const { page, problems } = await openPage(browser, `${LINKS.latent_to_latent}&zeros=1`);
  await settled(page);
  const of = {
    row: (/** @type {number} */ r) => total.column.map((_, c) => value(r, c)),
    column: (/** @type {number} */ c) => total.row.map((_, r) => value(r, c)),
  };
  // No pin: the row with the largest total.
  await page.selectOption('#columns', 'value');
  const row = best(total.row)[0];
  const column = best(of.row(row))[0];
  assert.deepEqual((await linked(page)).cell, { row, column });
  assert.deepEqual(
    (await read(page, 'row')).slice(0, 10),
    best(of.row(row))
      .slice(0, 10)
      .map((i) => json.sources.label[i]),
  );
  // s by the pinned row, Shift+s by the pinned column.
  await page.selectOption('#columns', 'position');
  await page.focus('.heatmap');
  for (const key of ['Home', 'PageUp', 'ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
  assert.deepEqual((await linked(page)).cell, { row: 2, column: 1 });
  await page.focus('.heatmap');
  await page.keyboard.press('s');
  assert.equal(await page.inputValue('#columns'), 'value');
  await page.keyboard.press('Home');
  assert.equal((await linked(page)).cell?.column, best(of.row(2))[0]);
  await page.focus('.heatmap');
  await page.keyboard.press('Shift+S');
  assert.equal(await page.inputValue('#rows'), 'value');
  await page.keyboard.press('PageUp');
  const { cell } = await linked(page);
  assert.equal(cell?.row, best(of.column(best(of.row(2))[0]))[0]);
  assert.match(
    (await page.getAttribute('.heatmap', 'aria-label')) ?? '',
    /s sorts columns along its row, Shift\+s rows along its column/,
  );

  // A click on the third of the labels of rows, then on one of columns.
  await page.selectOption('#rows', 'total');
  await page.selectOption('#top', '20');
  await page.locator('.heatmap').evaluate((heatmap) => heatmap.scrollIntoView());
  let box = await page.locator('.heatmap').boundingBox();
  assert.ok(box);
  const labels = page.locator('#tooltip');
  let y = 100;
  for (; y < 600; y += 3) {
    await page.mouse.move(box.x + 60, box.y + y);
    if ((await labels.isVisible()) && (await labels.textContent()) === json.targets.label[best(total.row)[2]]) break;
  }
  await page.mouse.click(box.x + 60, box.y + y + 2);
  const third = best(total.row)[2];
  assert.deepEqual((await linked(page)).cell, { row: third, column: best(of.row(third))[0] });
  assert.equal(await page.inputValue('#columns'), 'value');
  await page.locator('.heatmap').evaluate((heatmap) => heatmap.scrollIntoView());
  box = await page.locator('.heatmap').boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + 500, box.y + 90);
  const named = await labels.textContent();
  const at = json.sources.label.indexOf(named);
  assert.ok(at >= 0, String(named));
  await page.mouse.click(box.x + 500, box.y + 90);
  assert.equal(await page.inputValue('#rows'), 'value');
  assert.deepEqual((await linked(page)).cell, { row: best(of.column(at))[0], column: at });
  assert.deepEqual(problems, []);
  await page.close();
});

test('a pair that is picked far below brings the heatmap into the window', async () => {
  const { page, problems } = await openPage(browser, LINKS.latent_to_latent);
  await page.setViewportSize({ width: 360, height: 700 });
  await settled(page);
  await page.click('#pairs summary');
  const pick = page.locator('#pairs details .pick').first();
  await pick.scrollIntoViewIfNeeded();
  const seen = () =>
    page.evaluate(() => {
      const { top, bottom } = /** @type {Element} */ (document.querySelector('.heatmap')).getBoundingClientRect();
      return Math.min(bottom, innerHeight) - Math.max(top, 0);
    });
  assert.ok((await seen()) <= 0);
  await pick.click();
  assert.ok((await seen()) > 300, String(await seen()));
  // In view already, nothing moves.
  const before = await page.evaluate(() => scrollY);
  await page.focus('.heatmap');
  await page.keyboard.press('n');
  assert.equal(await page.evaluate(() => scrollY), before);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a locked scale stays for the next results', async () => {
  const { page, problems } = await openPage(browser, '?source=tiny');
  await settled(page);
  const large = madeUp(4, 4, (i) => i - 8);
  const small = madeUp(4, 4, (i) => (i - 8) / 100);
  const limit = () => page.inputValue('#limit').then(Number);
  await openResult(page, 'large.json', large);
  assert.equal(await limit(), 8);
  await openResult(page, 'small.json', small);
  assert.equal(await limit(), 0.08);
  await page.check('#lock');
  await openResult(page, 'large-2.json', large);
  assert.equal(await limit(), 0.08);
  assert.equal(await text(page, 'clipped'), '15 cells are clipped');
  await page.fill('#limit', '2');
  await page.press('#limit', 'Tab');
  await openResult(page, 'small-2.json', small);
  assert.equal(await limit(), 2);
  // Gradients are other numbers.
  await page.selectOption('#shown', 'gradients');
  await page.waitForFunction(() => /** @type {HTMLInputElement} */ (document.querySelector('#limit')).value === '0.08');
  assert.equal(await page.isChecked('#lock'), false);
  await page.selectOption('#shown', 'attributions');
  await page.check('#lock');
  await page.uncheck('#lock');
  await openResult(page, 'large-3.json', large);
  assert.equal(await limit(), 8);
  assert.deepEqual(problems, []);
  await page.close();

  const other = await openPage(browser, `${LINKS.latent_to_latent}&limit=3&lock=1`);
  await settled(other.page);
  assert.ok(await other.page.isChecked('#lock'));
  const { limit: said, locked } = await linked(other.page);
  assert.deepEqual([said, locked], [3, true]);
  await openResult(other.page, 'large-4.json', large);
  assert.equal(await other.page.inputValue('#limit'), '3');
  await other.page.close();
});
