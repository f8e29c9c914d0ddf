// How the page looks and reads: accessibility, hostile text, keyboard only, first paint, screenshots.
//
// Screenshots go to target/screenshots for a person to look at; nothing compares them.
//
// UPDATE_PICTURE=1 also writes the picture in the project's README, www/examples/page.png.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ALL, WITH_ALL } from '../all.mjs';
import { violations } from './axe.mjs';
import {
  DEMO,
  LINKS,
  linkTo,
  madeUp,
  openFolded,
  openPage,
  openResult,
  resid,
  run,
  settled,
  start,
} from './browser.mjs';
import { indexed } from './picture.mjs';

/** @typedef {import('playwright-core').Page} Page */

const SHOTS = new URL('../../target/screenshots/', import.meta.url).pathname;
/** The picture in the project's README. */
const PICTURE = new URL('../../www/examples/page.png', import.meta.url).pathname;
const PICTURE_BYTES = 120_000;

/** An answer whose first half comes with the page. */
const WAYS = linkTo({
  source: 'demo',
  prompt: 'Fact: Serena Williams plays the sport of',
  from: resid(3),
  top_logits: 10,
});

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await start();
});
after(() => browser.close());

for (const scheme of /** @type {const} */ (['light', 'dark'])) {
  test(`no accessibility violations in the main states, ${scheme}`, scheme === 'dark' ? WITH_ALL : {}, async () => {
    const { page, problems } = await openPage(browser, DEMO);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await settled(page);
    await page.waitForSelector('#pairs tbody tr');
    assert.deepEqual(await violations(page), [], 'a result');
    await page.click('#pairs tbody tr:first-child button');
    await page.click('#open-source');
    await page.waitForSelector('#latent table');
    await page.click('#pairs summary');
    assert.deepEqual(await violations(page), [], 'a pinned pair');
    await page.click('#caption .term');
    await page.waitForSelector('#term-note:popover-open');
    await page.click('#terms summary');
    await page.click('#caption .term');
    assert.deepEqual(await violations(page), [], 'a term');
    await page.keyboard.press('Escape');
    await page.click('#between summary');
    await page.waitForSelector('#between-tokens .heatmap-canvas');
    await page.click('#tokens li:nth-child(3) button');
    await page.waitForSelector('#only button');
    assert.deepEqual(await violations(page), [], 'from token to token, of one token');
    await page.click('#python');
    await page.waitForSelector('#code[open]');
    assert.deepEqual(await violations(page), [], 'a dialog');
    await page.keyboard.press('Escape');
    await page.click('#save-options');
    await page.waitForSelector('#options[open]');
    assert.deepEqual(await violations(page), [], 'options of pictures');
    await page.keyboard.press('Escape');
    await page.fill('#prompt', 'Two\nlines');
    await page.waitForSelector('.stale #stale-text');
    await page.click('#gallery summary');
    await page.waitForSelector('.card');
    assert.deepEqual(await violations(page), [], 'a figure that answers something else, and examples');
    await page.click('.card[data-file="demo-capital.json"]');
    await page.waitForFunction(() => /France/.test(document.querySelector('#title')?.textContent ?? ''));
    await page.check('#compare');
    await page.waitForSelector('#difference-figure .heatmap-canvas');
    await page.click('#more summary');
    assert.deepEqual(await violations(page), [], 'a difference, and the form folded');
    await page.click('#more summary');
    await page.uncheck('#compare');
    await openResult(page, 'own.json', {
      ...{ format_version: 2, title: 'Numbers of one’s own', attributions: [1, -2, 3, 4], gradients: [1, 2, 3, 4] },
      ...{ sources: { label: ['a', 'b'], pos: [0, 1] }, targets: { label: ['x', 'y'], pos: [0, 1] } },
    });
    assert.deepEqual(await violations(page), [], 'numbers without a request');
    await page.goto('about:blank');
    await page.goto(`${browser.url}/${WAYS}`);
    await page.waitForSelector('#flow li');
    assert.deepEqual(await violations(page), [], 'ways to an answer');
    await page.goto('about:blank');
    await page.goto(`${browser.url}/${LINKS.logit_difference}`);
    await settled(page);
    assert.deepEqual(await violations(page), [], 'logit difference');
    await page.goto('about:blank');
    await page.goto(`${browser.url}/?device=cpu&source=gpt2-small-res-jb`);
    await page.route('https://huggingface.co/**', (route) =>
      route.fulfill({ status: 404, headers: { 'Access-Control-Allow-Origin': '*' } }),
    );
    await settled(page);
    assert.deepEqual(await violations(page), [], 'nothing yet');
    assert.match((await run(page)) ?? '', /\[[a-z-]+\]$/);
    assert.deepEqual(await violations(page), [], 'an error');
    await page.goto(`${browser.url}/embed.html?result=results/tiny-token-latent.json`);
    await page.waitForSelector('.heatmap-canvas');
    assert.deepEqual(await violations(page), [], 'an embedded result');
    assert.deepEqual(problems, []);
    await page.close();
  });
}

test('without a mouse: the largest cross-position pair, its latent, a link to it', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  const tabTo = async (/** @type {string} */ selector, key = 'Tab') => {
    for (let i = 0; i < 60; i++) {
      if (await page.evaluate((selector) => document.activeElement?.matches(selector), selector)) return;
      await page.keyboard.press(key);
    }
    assert.fail(`${selector} is not reached by Tab`);
  };
  await tabTo('#across');
  await page.keyboard.press('Space');
  await tabTo('.heatmap', 'Shift+Tab');
  await page.keyboard.press('n');
  assert.match((await page.textContent('#cell-text')) ?? '', /^“ E” .*\. F0\.27, ' E' \(2\) → F3\.228, 'iff' \(3\),/);
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'open-source');
  assert.equal(await page.getAttribute('#open-source', 'aria-expanded'), 'true');
  await page.waitForFunction(() => document.querySelector('#latent')?.textContent !== '');
  await tabTo('#copy-link', 'Shift+Tab');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /copied/.test(document.querySelector('#status')?.textContent ?? ''));
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /across=1.*cell=\d+,\d+|cell=\d+%2C\d+.*across=1|across=1&cell/);
  await page.close();
});

const EVIL = [
  '<img src=x onerror="document.title=1"><script>document.title=2</script>',
  '\u202Eright to left\u2066 and \u0000\u0007 control\u200B',
  'x'.repeat(10_000),
  `${'שלום עולם '.repeat(50)}\n\n${'🗼'.repeat(200)}`,
];

test('markup, bidi controls and 10,000 characters show as text and break nothing', async () => {
  const { page, problems } = await openPage(browser, '?source=tiny');
  await settled(page);
  const result = madeUp(6, 8, (i) => i - 20, { tokens: EVIL, pos: (i) => i % EVIL.length });
  for (const nodes of [result.sources, result.targets]) nodes.label = nodes.label.map((_, i) => EVIL[i % EVIL.length]);
  const evil = {
    ...result,
    request: { ...result.request, prompt: EVIL[0] + EVIL[2] },
    top_logits: { token_id: [1, 2, 3, 4], string: EVIL, logit: [1, 2, 3, 4], probability: [0.1, 0.2, 0.3, 0.4] },
  };
  for (const width of [360, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    await openResult(page, `evil-${width}.json`, evil);
    await page.focus('.heatmap');
    for (const key of ['ArrowRight', 'n', 'Enter']) await page.keyboard.press(key);
    await page.hover('.heatmap', { position: { x: Math.floor(width * 0.28) + 10, y: 170 } });
    const { scrollWidth, title, extra } = await page.evaluate(() => ({
      scrollWidth: document.documentElement.scrollWidth,
      title: document.title,
      extra: document.querySelectorAll('#result img, #result script, #tooltip *').length,
    }));
    assert.ok(scrollWidth <= width, `${scrollWidth} px wide at ${width}`);
    // The text of others in it is shown as text: no script has set it.
    assert.match(title, /· SAE attribution in the browser$/);
    assert.ok(!/[\u202a-\u202e\u0000\u0007]/.test(title));
    assert.equal(extra, 0);
    const shown = (await page.textContent('main')) ?? '';
    assert.ok(shown.includes('<img src=x onerror') && shown.includes('⟨U+202E⟩right to left⟨U+2066⟩'));
    assert.ok(!/[\u202a-\u202e\u2066-\u2069\u0000\u0007]/.test(shown), 'a control character is let through');
    await page.screenshot({ path: `${SHOTS}hostile-${width}.png`, fullPage: true });
  }
  // A prompt of that kind goes through the real thing.
  await page.setViewportSize({ width: 360, height: 800 });
  await page.check('input[value=token_to_latent]');
  await page.fill('#prompt', `${EVIL[0]}${EVIL[1]}`);
  await run(page);
  await page.fill('#prompt', EVIL[2]);
  assert.match((await run(page)) ?? '', /\[prompt-too-long\]$/);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
  // Results of other shapes than promised are refused or shown, never thrown.
  for (const odd of [
    {},
    { tokens: 3 },
    { request: { prompt: '', from: EVIL[0], to: { logit_difference: [EVIL[0], EVIL[1]] } } },
    { tokens: { string: [{}] } },
    { statistics: 5 },
    { top_logits: { string: 3 } },
    { sources: null },
  ]) {
    await page.setInputFiles('#file', {
      name: 'odd.json',
      mimeType: 'application/json',
      buffer: Buffer.from(JSON.stringify({ ...result, ...odd })),
    });
    await page.waitForFunction(() =>
      /Opened odd|\[result-invalid\]/.test(document.querySelector('#status')?.textContent ?? ''),
    );
  }
  assert.deepEqual(problems, []);
  await page.close();
});

test('nothing makes markup or script from text', async () => {
  const { page } = await openPage(browser, DEMO);
  await settled(page);
  const outcomes = await page.evaluate(() => {
    const attempt = (/** @type {() => unknown} */ act) => {
      try {
        act();
        return 'let through';
      } catch (error) {
        return /** @type {Error} */ (error).name;
      }
    };
    return [
      attempt(() => document.body.insertAdjacentHTML('beforeend', '<b>x</b>')),
      attempt(() => (document.createElement('script').text = 'document.title = 1')),
      attempt(() => document.body.setAttribute('onclick', 'document.title = 1')),
      attempt(() => new Worker('data:text/javascript,1')),
      attempt(() => new Worker('./runtime/worker.js?other')),
    ];
  });
  assert.deepEqual(outcomes, Array(5).fill('TypeError'));
  await page.close();
});

/** A page for who comes for the first time, which counts by how much its parts move by themselves. */
async function newcomer() {
  const page = await browser.context.newPage();
  await page.addInitScript(() => {
    localStorage.removeItem('sae-attribution.form');
    Object.assign(window, { shift: 0 });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) /** @type {any} */ (window).shift += /** @type {any} */ (entry).value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  return page;
}

/** @param {Page} page @returns {Promise<number>} */
const shifted = (page) => page.evaluate(() => /** @type {any} */ (window).shift);

test('first paint: a heatmap within a second, no model, no wasm, nothing that moves', async (t) => {
  const page = await newcomer();
  /** @type {{url: string, raw: number, sent: number}[]} */
  const files = [];
  const waiting = /** @type {Promise<unknown>[]} */ ([]);
  page.on('response', (response) => {
    if (!response.url().startsWith('http')) return;
    waiting.push(
      response
        .body()
        .then((body) => files.push({ url: response.url(), raw: body.length, sent: gzipSync(body).length })),
    );
  });
  await page.addInitScript(() => {
    new MutationObserver((_, observer) => {
      if (!document.querySelector('.heatmap-canvas')) return;
      observer.disconnect();
      requestAnimationFrame(() => Object.assign(window, { painted: performance.now() }));
    }).observe(document, { childList: true, subtree: true });
  });
  await page.goto(`${browser.url}/`);
  await page.waitForFunction(() => /** @type {any} */ (window).painted);
  await page.waitForTimeout(800);
  await Promise.all(waiting);
  const painted = await page.evaluate(() => /** @type {any} */ (window).painted);
  const sum = (/** @type {'raw' | 'sent'} */ key) => files.reduce((total, file) => total + file[key], 0);
  const shift = await shifted(page);
  t.diagnostic(
    `${files.length} files, ${(sum('sent') / 1000).toFixed(0)} KB with gzip, ${(sum('raw') / 1000).toFixed(0)} KB without; heatmap after ${painted.toFixed(0)} ms; layout shift ${shift.toFixed(4)}`,
  );
  assert.ok(
    files.every(({ url }) => !/\.wasm|\.safetensors|worker\.js|config\.json/.test(url)),
    files.map(({ url }) => url).join('\n'),
  );
  if (ALL) assert.ok(painted < 1000, `${painted} ms`);
  assert.ok(shift < 0.01, `layout shift ${shift}`);
  // What app/main.js imports is asked for at once, not one import after another; what stands far beneath comes later.
  const modules = files
    .map(({ url }) => new URL(url).pathname.slice(1))
    .filter((path) => path.endsWith('.js') && !['app/main.js', 'app/panels/flow.js'].includes(path));
  const preloaded = await page
    .locator('link[rel=modulepreload]')
    .evaluateAll((links) => links.map((link) => link.getAttribute('href')));
  assert.deepEqual(preloaded.sort(), [...new Set(modules)].sort());
  await page.close();
});

test('the first picture begins high in the window, and what comes in moves nothing', async (t) => {
  // On a phone the strongest pairs stand above it, in a box of 23 rem.
  for (const { width, height, most } of [
    { width: 1440, height: 900, most: 450 },
    { width: 1280, height: 800, most: 550 },
    { width: 768, height: 1024, most: 690 },
    { width: 360, height: 740, most: 1260 },
  ]) {
    const page = await newcomer();
    await page.setViewportSize({ width, height });
    await page.goto(`${browser.url}/`);
    await page.waitForSelector('.heatmap-canvas');
    await page.waitForSelector('#pairs table');
    const top = await page.evaluate(
      () => /** @type {Element} */ (document.querySelector('.heatmap')).getBoundingClientRect().top,
    );
    const shift = await shifted(page);
    t.diagnostic(`${width} × ${height}: the heatmap begins at ${top.toFixed(0)} px, layout shift ${shift.toFixed(4)}`);
    assert.ok(top <= most, `${top} px at ${width}`);
    assert.ok(shift < 0.01, `layout shift ${shift} at ${width}`);
    await page.close();
  }
});

/** What a person would see is wrong at a glance: controls that are cut off or lie over each other, no heatmap. @param {Page} page */
const glance = (page) =>
  page.evaluate(() => {
    const problems = [];
    const seen = [...document.querySelectorAll('button, select, input, textarea, summary')]
      .filter(
        (control) =>
          control.checkVisibility() && !control.matches('.tables *, .side *, #strongest *, dialog *, [type=radio]'),
      )
      .map((control) => ({ control, box: control.getBoundingClientRect(), name: control.id || control.textContent }));
    if (seen.length < 15) problems.push(`only ${seen.length} controls`);
    for (const { control, box, name } of seen) {
      if (box.left < 0 || box.right > innerWidth) problems.push(`${name} reaches from ${box.left} to ${box.right}`);
      if (control.matches('button') && control.scrollWidth > control.clientWidth + 1)
        problems.push(`${name} is cut off`);
      if (box.width < 10 || box.height < 10) problems.push(`${name} is ${box.width} × ${box.height}`);
    }
    seen.forEach((a, i) => {
      for (const b of seen.slice(i + 1)) {
        const [wide, tall] = [
          Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left),
          Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top),
        ];
        if (wide > 1 && tall > 1) problems.push(`${a.name} and ${b.name} lie over each other`);
      }
    });
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.heatmap-canvas'));
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const colours = new Set(new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
    const { width, height } = canvas.getBoundingClientRect();
    if (colours < 20 || width < 250 || height < 150)
      problems.push(`a heatmap of ${colours} colours, ${width} × ${height}`);
    for (const id of ['title', 'status', 'strongest', 'statistics']) {
      if (!document.getElementById(id)?.checkVisibility() || !document.getElementById(id)?.textContent)
        problems.push(`nothing in ${id}`);
    }
    return problems;
  });

test('screenshots at three widths, light and dark', async () => {
  const { page } = await openPage(browser, '');
  for (const scheme of ALL ? /** @type {const} */ (['light', 'dark']) : /** @type {const} */ (['light'])) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [width, height] of [
      [360, 740],
      [768, 1024],
      [1440, 900],
    ]) {
      await page.setViewportSize({ width, height });
      for (const [kind, link] of Object.entries({ ...LINKS, latent_to_latent: DEMO })) {
        if (width !== 1440 && kind !== 'latent_to_latent') continue;
        await page.goto('about:blank');
        await page.goto(`${browser.url}/${link}${kind === 'latent_to_latent' ? '&cell=84,14' : ''}`);
        await settled(page);
        await page.waitForTimeout(250);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, `${kind} at ${width}`);
        // Tiles are painted a few a frame: looked at until they are there.
        for (let i = 0; i < 40 && (await glance(page)).length > 0; i++) await page.waitForTimeout(50);
        assert.deepEqual(await glance(page), [], `${kind} at ${width}, ${scheme}`);
        await page.screenshot({ path: `${SHOTS}${kind}-${width}-${scheme}.png`, fullPage: true });
      }
    }
  }
  await page.close();
});

test('the picture in the README: the page as it opens, small enough to be kept', async () => {
  const { page, problems } = await openFolded(browser);
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize({ width: 1280, height: 1120 });
  await settled(page);
  for (let i = 0; i < 40 && (await glance(page)).length > 0; i++) await page.waitForTimeout(50);
  assert.deepEqual(await glance(page), []);
  const blank = await browser.context.newPage();
  const picture = await indexed(blank, await page.screenshot());
  writeFileSync(`${SHOTS}page.png`, picture);
  if (process.env.UPDATE_PICTURE) writeFileSync(PICTURE, picture);
  for (const { length } of [picture, readFileSync(PICTURE)]) assert.ok(length <= PICTURE_BYTES, `${length} bytes`);
  assert.deepEqual(problems, []);
  await blank.close();
  await page.close();
});
