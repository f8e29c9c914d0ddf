// <sae-attribution> with a saved result: what it shows and fetches, its attributes, events, parts and fallbacks.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { transformSync } from 'esbuild';
import { chromium } from 'playwright-core';
import { CHROMIUM, CHROMIUM_ARGS } from '../page/browser.mjs';
import { asked, figureOf, openMade, start, violations, writeMade } from './pages.mjs';

const WWW = new URL('../../www/', import.meta.url).pathname;
const CAPITAL = 'results/demo-capital.json';
const BYTES = 40_000;

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ runtime: false });
});
after(() => browser.close());

test('a saved result is shown, by at most 40 KB of scripts and nothing of the runtime', async (t) => {
  const requests = asked(browser);
  const { page, problems } = await openMade(browser, `<sae-attribution src="${CAPITAL}">Soon</sae-attribution>`);
  const figure = figureOf(page);
  await figure.shows(/^demo · latent → latent, resid_pre 1 → resid_pre 2 · The capital of France is$/);
  assert.match(
    (await figure.part('scale').textContent()) ?? '',
    /^attribution−1\.65.*01?.*1\.6545 cells are clipped · 6 pairs across positions over ±2 · r = 0\.94 predicted vs measured\+ 1 row and 1 column that are 0 everywhere$/,
  );
  assert.match((await figure.part('heatmap').getAttribute('aria-label')) ?? '', /81 rows and 77 columns/);
  requests.end();
  const scripts = [...new Set(requests.paths)].filter((path) => path.endsWith('.js'));
  // As a site is published: without comments and spaces.
  const sent = (/** @type {string} */ path) =>
    brotliCompressSync(transformSync(readFileSync(WWW + path.slice(1), 'utf8'), { minify: true }).code).length;
  const bytes = scripts.reduce((sum, path) => sum + sent(path), 0);
  t.diagnostic(`${scripts.length} scripts, ${bytes} bytes as sent with brotli`);
  assert.ok(bytes <= BYTES, `${bytes}`);
  assert.deepEqual(
    requests.paths.filter((path) => /wasm|worker|client\.js|models/.test(path)),
    [],
  );
  const marks = await page.evaluate(() => performance.getEntriesByType('longtask').map(({ duration }) => duration));
  t.diagnostic(`long tasks: ${marks.join(', ') || 'none'}`);
  assert.deepEqual(problems, []);
  await page.close();
});

test('nothing is fetched of a figure that is far from the window', async () => {
  const requests = asked(browser);
  const { page } = await openMade(
    browser,
    `<sae-attribution src="${CAPITAL}"></sae-attribution><p style="height: 5000px"></p>
     <sae-attribution src="results/demo-token-latent.json"></sae-attribution>`,
  );
  await figureOf(page).shows('France');
  const isAsked = () => requests.paths.some((path) => path.includes('token-latent'));
  assert.equal(isAsked(), false);
  await figureOf(page, 1).element.scrollIntoViewIfNeeded();
  await figureOf(page, 1).shows('Paris');
  assert.equal(isAsked(), true);
  requests.end();
  await page.close();
});

test('attributes are properties, also those set before the tag is known', async () => {
  const { page, problems } = await openMade(browser, '<sae-attribution></sae-attribution>', {
    head: '<title>A</title>',
  });
  const told = await page.evaluate(async () => {
    const figure = /** @type {any} */ (document.querySelector('sae-attribution'));
    figure.src = 'results/demo-capital.json';
    const load = (/** @type {string} */ path) => import(path);
    await load('/embed/element.js');
    const before = figure.getAttribute('src');
    figure.limit = 0.5;
    figure.prompt = 'a';
    figure.prompt = null;
    figure.setAttribute('sort', 'largest');
    return [
      before,
      figure.limit,
      figure.getAttribute('limit'),
      figure.hasAttribute('prompt'),
      figure.prompt,
      figure.sort,
    ];
  });
  assert.deepEqual(told, [CAPITAL, '0.5', '0.5', false, '', 'largest']);
  const figure = figureOf(page);
  await figure.shows('France');
  await figure.part('scale').getByText('−0.5', { exact: true }).waitFor();
  // And back to what the values say.
  await figure.element.evaluate((element) => element.removeAttribute('limit'));
  await figure.part('scale').getByText('−1.65').waitFor();
  await figure.element.evaluate((element) => element.setAttribute('threshold', '0.1'));
  await figure
    .part('scale')
    .getByText(/positions over ±0\.1/)
    .waitFor();
  await figure.element.evaluate((element) => element.setAttribute('src', 'results/demo-token-latent.json'));
  await figure.shows('token → latent');
  assert.match((await figure.part('heatmap').getAttribute('aria-label')) ?? '', /^gradients of/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('it tells of results, cells and errors, and of none twice', async () => {
  const { page } = await openMade(browser, '');
  await page.evaluate(() => {
    const figure = document.createElement('sae-attribution');
    /** @type {any} */ (window).told = [];
    for (const type of ['result', 'select', 'error', 'progress']) {
      const hear = (/** @type {any} */ { detail }) => {
        const { result, ...rest } = detail;
        /** @type {any} */ (window).told.push([type, { ...rest, ...(result && { prompt: result.request.prompt }) }]);
      };
      figure.addEventListener(type, hear);
      // None of them bubbles into the page's own.
      window.addEventListener(type, hear);
    }
    figure.setAttribute('src', 'results/demo-capital.json');
    document.querySelector('main')?.append(figure);
  });
  const figure = figureOf(page);
  await figure.shows('France');
  await figure.part('heatmap').press('n');
  await figure
    .part('readout')
    .getByText(/ (pushes|holds) .* attribution /)
    .waitFor();
  await figure.element.evaluate((element) => element.setAttribute('src', 'none.json'));
  await figure.part('message').getByText('was not found').waitFor();
  const told = await page.evaluate(() => /** @type {any} */ (window).told);
  const [result, select, error] = told;
  assert.deepEqual(result, ['result', { prompt: 'The capital of France is', isLive: false }]);
  assert.deepEqual(Object.keys(select[1]).sort(), ['attribution', 'column', 'gradient', 'row']);
  const saved = JSON.parse(readFileSync(WWW + CAPITAL, 'utf8'));
  const at = select[1].row * saved.sources.pos.length + select[1].column;
  assert.equal(select[1].gradient, Math.fround(saved.gradients[at]));
  assert.equal(error[1].code, 'file-not-found');
  assert.equal(told.length, 3);
  await page.close();
});

test('what stands inside is seen until there is a picture, where none comes, and without scripts', async () => {
  const inside = '<a href="results/">The same, elsewhere</a>';
  const bodies = { fine: CAPITAL, gone: 'none.json' };
  for (const [name, src] of Object.entries(bodies)) {
    const { page } = await openMade(browser, `<sae-attribution src="${src}">${inside}</sae-attribution>`);
    const figure = figureOf(page);
    if (name === 'fine') await figure.shows('France');
    else await figure.part('message').waitFor();
    assert.equal(await page.getByText('elsewhere').isVisible(), name === 'gone');
    await page.close();
  }
  const plain = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: CHROMIUM_ARGS });
  const page = await plain.newPage({ javaScriptEnabled: false });
  await page.goto(`${browser.url}/examples/blog.html`);
  assert.equal(await page.getByText('The figure on a page of its own').first().isVisible(), true);
  assert.equal(await page.locator('img').isVisible(), true);
  await plain.close();
});

test('a page gives it colours, a theme, a size and a caption', async () => {
  const { page, problems } = await openMade(
    browser,
    `<sae-attribution src="${CAPITAL}" theme="dark"><p slot="caption">Told beneath</p></sae-attribution>`,
  );
  const figure = figureOf(page);
  await figure.shows('France');
  assert.equal(await page.getByText('Told beneath').isVisible(), true);
  const look = () =>
    figure.part('heatmap').evaluate((heatmap) => {
      const { backgroundColor, color } = getComputedStyle(heatmap);
      const legend =
        heatmap.closest('[part=figure]')?.querySelector('[part=scale] [role=img]')?.getAttribute('aria-label') ?? '';
      return [backgroundColor, color, /from \w+/.exec(legend)?.[0]];
    });
  assert.deepEqual(await look(), ['rgb(30, 27, 25)', 'rgb(231, 229, 228)', 'from orange']);
  await figure.element.evaluate((element) => element.setAttribute('theme', 'light'));
  await page.waitForFunction(() =>
    /red/.test(document.querySelector('sae-attribution')?.shadowRoot?.querySelector('svg[role]')?.ariaLabel ?? ''),
  );
  assert.deepEqual(await look(), ['rgb(255, 255, 255)', 'rgb(28, 25, 23)', 'from red']);
  // The system's, where nothing else is said.
  await figure.element.evaluate((element) => element.removeAttribute('theme'));
  for (const [colorScheme, colour] of /** @type {const} */ ([
    ['dark', 'orange'],
    ['light', 'red'],
  ])) {
    await page.emulateMedia({ colorScheme });
    await page.waitForFunction(
      (colour) =>
        document.querySelector('sae-attribution')?.shadowRoot?.querySelector('svg[role]')?.ariaLabel?.includes(colour),
      colour,
    );
  }
  await page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(
      'sae-attribution { --sae-panel: rgb(1, 2, 3); block-size: 500px } sae-attribution::part(title) { color: rgb(4, 5, 6) }',
    );
    document.adoptedStyleSheets = [sheet];
  });
  assert.equal((await look())[0], 'rgb(1, 2, 3)');
  assert.equal(await figure.part('title').evaluate((title) => getComputedStyle(title).color), 'rgb(4, 5, 6)');
  assert.equal((await figure.element.boundingBox())?.height, 500);
  assert.deepEqual(problems, []);
  await page.close();
});

test('controls are those that are asked for, and the reader’s hand is written into the attributes', async () => {
  const { page, problems } = await openMade(
    browser,
    `<sae-attribution src="${CAPITAL}" controls="sort threshold prompt constructor"></sae-attribution>`,
  );
  const figure = figureOf(page);
  await figure.shows('France');
  const labels = () => figure.element.locator('label').allInnerTexts();
  // Without a live run there is no prompt to write.
  assert.deepEqual(
    (await labels()).map((label) => label.split('\n')[0]),
    ['Rows by', 'Columns by', 'Across positions over'],
  );
  await figure.element.getByLabel('Columns by').selectOption('total');
  assert.equal(await figure.element.getAttribute('sort'), 'position total');
  await figure.element.getByLabel('Across positions over').fill('0.5');
  await figure.element.getByLabel('Across positions over').press('Tab');
  await figure
    .part('scale')
    .getByText(/over ±0\.5/)
    .waitFor();
  assert.equal(await figure.element.getAttribute('threshold'), '0.5');
  await figure.element.evaluate((element) => element.setAttribute('controls', ''));
  await figure.element.locator('label').first().waitFor({ state: 'detached' });
  assert.deepEqual(problems, []);
  await page.close();
});

test('the largest alone, what is 0 everywhere, and an order by a label', async () => {
  writeMade('folded.json', {
    ...{ format_version: 2, title: 'Own numbers', attributions: [0, 2, 0, 0, 0, 0, 1, -3, 0] },
    sources: { label: ['a', 'b', 'c'] },
    targets: { label: ['x', 'y', 'z'] },
  });
  const { page, problems } = await openMade(
    browser,
    `<sae-attribution src="${CAPITAL}" top="7"></sae-attribution><sae-attribution src="made/folded.json"></sae-attribution>`,
  );
  const [figure, own] = [figureOf(page), figureOf(page, 1)];
  await figure.shows('France');
  const label = (/** @type {typeof figure} */ { part }) => part('heatmap').getAttribute('aria-label');
  assert.match((await label(figure)) ?? '', /of 7 rows and 7 columns/);
  await figure.element.evaluate((element) => element.setAttribute('top', '12'));
  await figure.element.locator('.heatmap[aria-label*="of 12 rows and 12 columns"]').waitFor();
  // By a click on the first of the labels of rows.
  const box = await figure.part('heatmap').boundingBox();
  assert.ok(box);
  let y = 60;
  for (; y < 300 && !(await figure.part('tooltip').isVisible()); y += 4) await page.mouse.move(box.x + 40, box.y + y);
  const named = await figure.part('tooltip').textContent();
  await page.mouse.click(box.x + 40, box.y + y);
  await page.waitForFunction(
    () => document.querySelector('sae-attribution')?.getAttribute('sort') === 'position value',
  );
  const { row, column, best } = await figure.element.evaluate((element) => {
    const { result, view } = /** @type {any} */ (element);
    const n = result.sources.pos.length;
    const values = [...result.attributions.slice(view.cell.row * n, (view.cell.row + 1) * n)];
    return { ...view.cell, row: result.targets.label[view.cell.row], best: values.indexOf(Math.max(...values)) };
  });
  assert.ok(named?.startsWith(row), `${named}, not ${row}`);
  assert.equal(column, best);

  await own.element.scrollIntoViewIfNeeded();
  await own.shows('Own numbers');
  assert.match((await label(own)) ?? '', /of 2 rows and 2 columns/);
  const folded = own.element.getByRole('button', { name: '+ 1 row and 1 column that are 0 everywhere' });
  await folded.click();
  await own.element.locator('.heatmap[aria-label*="of 3 rows and 3 columns"]').waitFor();
  await own.element.getByRole('button', { name: 'Fold 1 row and 1 column' }).click();
  await own.element.locator('.heatmap[aria-label*="of 2 rows and 2 columns"]').waitFor();
  await own.element.evaluate((element) => element.setAttribute('zeros', 'shown'));
  await own.element.locator('.heatmap[aria-label*="of 3 rows and 3 columns"]').waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(problems, []);
  await page.close();
});

test('it can be taken off the page and put back', async () => {
  const requests = asked(browser);
  const { page, problems } = await openMade(browser, `<sae-attribution src="${CAPITAL}"></sae-attribution>`);
  const figure = figureOf(page);
  await figure.shows('France');
  await figure.part('heatmap').press('n');
  const told = await figure.part('readout').textContent();
  await page.evaluate(() => {
    const element = document.querySelector('sae-attribution');
    element?.remove();
    document.querySelector('main')?.prepend(/** @type {Element} */ (element));
  });
  await figure.shows('France');
  assert.equal(await figure.part('figure').count(), 1);
  assert.equal(await figure.part('readout').textContent(), told);
  requests.end();
  assert.equal(requests.paths.filter((path) => path.includes('capital.json')).length, 1);
  assert.deepEqual(problems, []);
  await page.close();
});

test('figures are drawn into a node of a page without the element', async () => {
  const { page, problems } = await openMade(browser, '<div id="here" style="height: 400px"></div>');
  const views = await page.evaluate(async () => {
    const load = (/** @type {string} */ path) => import(path);
    const { drawFigure, fromJson } = await load('/figure/index.js');
    const read = async (/** @type {string} */ name) => fromJson(await (await fetch(`/results/${name}.json`)).text());
    const [one, two] = await Promise.all(['demo-capital', 'demo-logit-difference'].map(read));
    const node = document.querySelector('#here');
    const figure = drawFigure(node, one, { view: { rows: 'largest', cell: { row: 1, column: 2 } } });
    await figure.drawn;
    const views = [figure.view];
    // What is told first comes late.
    const [late, last] = await Promise.all([figure.update(one, { limit: 3 }), figure.update(two)]);
    views.push(figure.view, late, last, node?.querySelector('[part=title]')?.textContent);
    figure.destroy();
    views.push(node?.childElementCount);
    return views;
  });
  const [first, second, late, last, title, left] = views;
  assert.deepEqual([first.rows, first.cell, first.shown], ['largest', { row: 1, column: 2 }, 'attributions']);
  assert.deepEqual([second.rows, second.cell, late, last, left], ['largest', undefined, false, true, 0]);
  assert.match(title, /logit difference/);
  assert.deepEqual(problems, []);
  await page.close();
});
