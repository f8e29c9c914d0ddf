// What latents mean: contexts beside an SAE, and neuronpedia.org for who agreed to ask it.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readContexts, readLabels } from '../../www/app/meanings/contexts.js';
import { createNeuronpedia } from '../../www/app/meanings/neuronpedia.js';
import { SOURCES } from '../../www/app/sources.js';
import { resid, DEMO, LINKS, linkTo, madeUp, openPage, openResult, run, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

const SAES = new URL('../../www/models/demo/saes/', import.meta.url).pathname;

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

test('places have their names on neuronpedia.org', () => {
  const of = (/** @type {string} */ source) =>
    createNeuronpedia(/** @type {any} */ ({ getItem: () => null }), /** @type {any} */ (SOURCES[source].latents));
  const resJb = of('gpt2-small-res-jb');
  assert.match(
    resJb.dashboardOf('blocks.3.hook_resid_pre', 17) ?? '',
    /^https:\/\/www\.neuronpedia\.org\/gpt2-small\/3-res-jb\/17\?embed=true&/,
  );
  const page = (/** @type {string} */ source, /** @type {string} */ place) =>
    of(source).pageOf(place, 5)?.replace('https://www.neuronpedia.org/gpt2-small/', '');
  assert.equal(page('gpt2-small-res-jb', 'blocks.11.hook_resid_post'), '12-res-jb/5');
  assert.equal(page('gpt2-small-res-jb', 'blocks.12.hook_resid_pre'), '12-res-jb/5');
  assert.equal(page('gpt2-small-v5-32k', 'blocks.0.hook_attn_out'), '0-att_32k-oai/5');
  assert.equal(page('gpt2-small-resid-post-v5-128k', 'blocks.4.hook_resid_pre'), '3-res_post_128k-oai/5');
  assert.equal(page('gpt2-small-transcoders', 'blocks.8.ln2.hook_normalized'), '8-tres-dc/5');
  assert.equal(page('gpt2-small-res-jb-feature-splitting-768', 'blocks.8.hook_resid_pre'), '8-res_fs768-jb/5');
  for (const place of ['../blocks.3.hook_resid_pre/x', '__proto__', 'constructor', 'blocks.3.hook_mlp_out'])
    assert.equal(resJb.pageOf(place, 5), undefined);
  assert.equal(SOURCES['gpt2-small-mlp-tm'].latents, undefined);
});

test('labels that are malformed are as good as none', () => {
  const good = { format_version: 2, latents_per_file: 64, labels: { 1: 'x', 2: '' } };
  assert.deepEqual(readLabels({ ...good, more: 1 }), { perFile: 64, labels: new Map([[1, 'x']]) });
  for (const change of [
    { format_version: 1 },
    { format_version: 3 },
    { latents_per_file: undefined },
    { latents_per_file: 0 },
    { latents_per_file: 0.5 },
    { latents_per_file: '64' },
    { labels: undefined },
    { labels: ['x'] },
    { labels: { 1: null } },
    { labels: { 1: { toString: 1 } } },
    { labels: { 1: 'x'.repeat(1001) } },
    { labels: { '../1': 'x' } },
  ]) {
    assert.equal(readLabels({ ...good, ...change }), undefined, JSON.stringify(change));
  }
  for (const file of [undefined, null, 3, 'x', [], {}]) assert.equal(readLabels(file), undefined);
});

test('contexts that are malformed are as good as none', () => {
  for (const file of [
    undefined,
    null,
    3,
    {},
    { format_version: 1, sentences: [], latents: { 1: {} } },
    { format_version: 2, sentences: 'x', latents: [] },
  ]) {
    assert.equal(readContexts(file).size, 0);
  }
  const active = [
    [0, 1.5],
    [7, 1],
  ];
  const odd = readContexts({
    format_version: 2,
    sentences: [['a', 'b']],
    latents: {
      2: {
        top: [
          [0, active],
          [9, []],
        ],
      },
    },
  });
  // A sentence or a position that there is none of is passed over.
  assert.deepEqual(
    [...odd],
    [[2, { max: undefined, density: undefined, contexts: [{ tokens: ['a', 'b'], activation: new Map([[0, 1.5]]) }] }]],
  );
  const good = { format_version: 2, sentences: [['a']], latents: { 1: { top: [[0, [[0, 1]]]] } } };
  assert.equal(readContexts(good).size, 1);
  for (const latents of [
    [],
    { 1: null },
    { x: {} },
    { 1: { max: 'x' } },
    { 1: { density: {} } },
    { 1: { top: [[0, [[0, 'NaN']]]] } },
    { 1: { top: ['no'] } },
  ]) {
    assert.equal(readContexts({ ...good, latents }).size, 0, JSON.stringify(latents));
  }
  assert.equal(readContexts({ ...good, sentences: [[{ toString: 1 }]] }).size, 0);
});

test('the bundled model has a label and contexts of every latent that fires, in small files', () => {
  /** As servers send it: this much is read at first sight. @param {string} path @param {number} most */
  function small(path, most) {
    const file = readFileSync(path);
    assert.ok(gzipSync(file).length < most, path);
    return JSON.parse(file.toString());
  }
  for (const place of readdirSync(SAES)) {
    const found = readLabels(small(`${SAES}${place}/contexts.json`, 12_000));
    assert.ok(found && found.labels.size > 800, place);
    const latents = [];
    for (const file of readdirSync(`${SAES}${place}/contexts`)) {
      for (const [latent, { max, density, contexts }] of readContexts(
        small(`${SAES}${place}/contexts/${file}`, 9000),
      )) {
        assert.equal(`${Math.floor(latent / found.perFile)}.json`, file, `${place} ${latent}`);
        assert.ok(max && density !== undefined && contexts.length > 0, `${place} ${latent}`);
        for (const { activation } of contexts) assert.ok(activation.size > 0, `${place} ${latent}`);
        latents.push(latent);
      }
    }
    assert.deepEqual(
      latents.sort((a, b) => a - b),
      [...found.labels.keys()],
      place,
    );
  }
});

/**
 * The bundled random model with contexts beside its SAEs.
 * @param {Page} page
 * @param {object} labels contexts.json
 * @param {(route: import('playwright-core').Route) => unknown} texts answers for contexts/N.json
 */
async function withContexts(page, labels, texts) {
  await page.route('**/sources.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({
      response,
      body: (await response.text()).replace(
        'before([0, 1, 2, 3]),\n  }',
        "before([0, 1, 2, 3]), latents: 'contexts',\n  }",
      ),
    });
  });
  await page.route('**/contexts.json', (route) => route.fulfill({ json: labels }));
  await page.route('**/contexts/*.json', texts);
}

test('contexts name latents in panel, heatmap and tables, when a pair is pinned', async () => {
  const page = await browser.context.newPage();
  const labels = {
    format_version: 2,
    hook_name: 'blocks.0.hook_resid_pre',
    d_sae: 512,
    latents_per_file: 20,
    labels: { 27: 'capital E <i>' },
  };
  const active = [
    [2, 3.2],
    [3, 0.4],
  ];
  const texts = {
    format_version: 2,
    sentences: [['<|endoftext|>', 'The', ' <b>E</b>', 'iff', '\u202el']],
    latents: { 27: { max: 3.2, density: 0.013, top: [[0, active]] } },
  };
  await withContexts(page, labels, (route) => route.fulfill({ json: texts }));
  const read = /** @type {string[]} */ ([]);
  page.on('request', (request) => {
    const [, path] = /\/saes\/(.*\/contexts.*)$/.exec(request.url()) ?? [];
    if (path) read.push(path);
  });
  await page.goto(`${browser.url}/${LINKS.latent_to_latent}`);
  await settled(page);
  assert.deepEqual(read, [], 'nothing is read before a pair is pinned');
  await page.waitForSelector('#pairs tbody button');
  await page.click('#pairs tbody tr:first-child button');
  // At once, of both ends; one of the places has them here.
  await page.waitForSelector('#contexts table');
  assert.match(
    (await page.textContent('#contexts')) ?? '',
    /^Where F0\.27 is most activelargest activation 3\.2, .*<b>E<\/b>/,
  );
  await page.click('#open-source');
  await page.waitForSelector('#latent table');
  const other = Math.floor(
    Number(/^F3\.(\d+)/.exec((await page.textContent('#detail .node + .node strong')) ?? '')?.[1]) / 20,
  );
  assert.deepEqual(read.sort(), [
    'blocks.0.hook_resid_pre/contexts.json',
    'blocks.0.hook_resid_pre/contexts/1.json',
    'blocks.3.hook_resid_pre/contexts.json',
    `blocks.3.hook_resid_pre/contexts/${other}.json`,
  ]);
  await page.waitForFunction(() => document.querySelector('#contexts')?.childElementCount === 0);
  const panel = (await page.textContent('#latent')) ?? '';
  assert.match(panel, /capital E <i>/);
  assert.match(panel, /largest activation 3\.2, active on 1\.3 % of tokens/);
  assert.deepEqual(await page.locator('#latent mark').allTextContents(), [' <b>E</b>', 'iff']);
  assert.ok(panel.includes('⟨U+202E⟩l'));
  const named = page.locator('#strongest tr', { hasText: "F0.27, ' E' (2)" }).first();
  assert.equal(await named.locator('small').first().textContent(), 'capital E <i>');
  assert.equal(await page.locator('#latent b, #latent i').count(), 0);
  await page.close();
});

test('contexts that could not be read are told, and read when the latent is opened again', async () => {
  const page = await browser.context.newPage();
  const labels = { format_version: 2, latents_per_file: 20, labels: { 27: 'capital E' } };
  const texts = { format_version: 2, sentences: [['a', 'b']], latents: { 27: { top: [[0, [[1, 2]]]] } } };
  let [isThere, asked] = [false, 0];
  await withContexts(page, labels, (route) => {
    if (!route.request().url().endsWith('/blocks.0.hook_resid_pre/contexts/1.json'))
      return route.fulfill({ status: 404 });
    asked += 1;
    return isThere ? route.fulfill({ json: texts }) : route.abort();
  });
  await page.goto(`${browser.url}/${LINKS.latent_to_latent}`);
  await settled(page);
  await page.click('#pairs tbody tr:first-child button');
  await page.click('#open-source');
  await page.waitForSelector('#latent .quiet');
  assert.match((await page.textContent('#latent')) ?? '', /capital E.*could not be read for now/);
  isThere = true;
  await page.click('#open-source');
  await page.click('#open-source');
  await page.waitForSelector('#latent table');
  assert.deepEqual(await page.locator('#latent mark').allTextContents(), ['b']);
  const before = asked;
  // The other end has none: no file, nothing to ask for again.
  await page.click('#open-target');
  await page.waitForSelector('#latent .quiet');
  assert.match((await page.textContent('#latent')) ?? '', /No text that it is active on was kept for this latent/);
  await page.click('#open-source');
  await page.waitForSelector('#latent table');
  assert.equal(asked, before);
  await page.close();
});

test('the bundled model’s latents have names at first sight, and contexts when opened', async () => {
  const { page, problems } = await openPage(browser, DEMO);
  await settled(page);
  await page.waitForSelector('#pairs tbody tr small.meaning');
  await page.click('#pairs tbody tr:first-child button');
  // What both latents of the pair are active on, with the pin: three texts each.
  await page.locator('#contexts section').nth(1).waitFor();
  const ends = await page.locator('#detail .node strong').allTextContents();
  assert.deepEqual(
    await page.locator('#contexts h4').allTextContents(),
    ends.map((label) => `Where ${label.split(',')[0]} is most active`),
  );
  for (const section of await page.locator('#contexts section').all()) {
    assert.equal(await section.locator('tbody tr').count(), 3);
    assert.ok((await section.locator('mark').count()) >= 3);
  }
  await page.click('#open-target');
  await page.waitForSelector('#latent table');
  // The one that is open is told once.
  await page.waitForFunction(() => document.querySelectorAll('#contexts section').length === 1);
  assert.ok((await page.locator('#latent mark').count()) > 0);
  assert.match((await page.textContent('#latent')) ?? '', /largest activation .*active on .*% of tokens/);
  assert.deepEqual(problems, []);

  // What is run gets its names too, and takes them along when it is saved.
  await page.goto('about:blank');
  await page.goto(
    `${browser.url}/?device=cpu${linkTo({ source: 'demo', prompt: 'The capital of', from: resid(2), top_logits: 5 })}`,
  );
  await settled(page);
  assert.match((await run(page)) ?? '', /Done in/);
  await page.waitForSelector('#strongest small.meaning');
  const download = page.waitForEvent('download');
  await page.click('#save');
  const saved = JSON.parse(readFileSync(await (await download).path(), 'utf8'));
  assert.ok(Object.values(saved.latent_labels['blocks.2.hook_resid_pre']).length > 3);
  assert.deepEqual(problems, []);
  await page.close();
});

/** @param {Page} page @param {(route: import('playwright-core').Route) => unknown} answer */
async function neuronpedia(page, answer) {
  const asked = /** @type {{url: string, body: any}[]} */ ([]);
  await page.route('https://www.neuronpedia.org/**', async (route) => {
    const request = route.request();
    asked.push({ url: request.url(), body: request.postDataJSON?.() });
    if (/\/api\//.test(request.url())) return answer(route);
    return route.fulfill({ contentType: 'text/html', body: '<title>dashboard</title>a dashboard' });
  });
  return asked;
}

test('neuronpedia.org is asked only after consent, in batches, and once', async () => {
  const page = await browser.context.newPage();
  const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'Content-Type' };
  const asked = await neuronpedia(page, (route) =>
    route.request().method() === 'OPTIONS'
      ? route.fulfill({ status: 204, headers })
      : route.fulfill({
          headers,
          json: route
            .request()
            .postDataJSON()
            .map((/** @type {any} */ { modelId, layer, index }) => ({
              modelId,
              layer,
              index: String(index),
              explanations: index % 2 ? [{ description: `words <b>about</b> ${index}` }] : [],
            })),
        }),
  );
  await page.goto(`${browser.url}/?source=gpt2-small-res-jb`);
  await settled(page);
  await openResult(
    page,
    'r.json',
    madeUp(20, 2100, (i) => (i % 17) - 8, { source: 'gpt2-small-res-jb' }),
  );
  await page.focus('.heatmap');
  for (const key of ['ArrowRight', 'ArrowRight', 'Enter']) await page.keyboard.press(key);
  await page.waitForSelector('#agree');
  assert.match((await page.textContent('#latent')) ?? '', /sends it the place and index .* never your prompt/);
  assert.deepEqual(asked, []);
  await page.click('#agree');
  await page.waitForFunction(() =>
    /words <b>about<\/b> 1/.test(document.querySelector('#strongest')?.textContent ?? ''),
  );
  /** @type {any[][]} */
  const batches = asked.filter(({ body }) => body).map(({ body }) => body);
  assert.deepEqual(
    batches.map((body) => body.length).sort((a, b) => a - b),
    [20, 52, 2048],
  );
  assert.deepEqual(Object.keys(batches[0][0]).sort(), ['index', 'layer', 'maxActsToReturn', 'modelId']);
  const frame = page.locator('#latent iframe');
  assert.match(
    (await frame.getAttribute('src')) ?? '',
    /^https:\/\/www\.neuronpedia\.org\/gpt2-small\/0-res-jb\/1\?embed=true/,
  );
  // Another visit: what is known is not asked again.
  const before = asked.filter(({ body }) => body).length;
  await page.reload();
  await settled(page);
  await openResult(
    page,
    'r.json',
    madeUp(20, 2100, (i) => (i % 17) - 8, { source: 'gpt2-small-res-jb' }),
  );
  await page.focus('.heatmap');
  for (const key of ['ArrowRight', 'ArrowRight', 'Enter']) await page.keyboard.press(key);
  await page.waitForSelector('#latent iframe');
  assert.match((await page.textContent('#latent')) ?? '', /words <b>about<\/b> 1/);
  assert.equal(asked.filter(({ body }) => body).length, before);
  // And no more, once that is the wish.
  await page.click('#latent button');
  await page.waitForSelector('#agree');
  await page.evaluate(() => localStorage.clear());
  await page.close();
});

test('a refusal or no connection is told, and stops nothing', async () => {
  for (const [answer, words] of /** @type {const} */ ([
    [
      (/** @type {any} */ route) =>
        route.fulfill({
          status: 429,
          headers: { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'Content-Type' },
        }),
      /too many requests|could not be reached/,
    ],
    [(/** @type {any} */ route) => route.abort(), /could not be reached/],
  ])) {
    const page = await browser.context.newPage();
    await neuronpedia(page, answer);
    await page.goto(`${browser.url}/?source=gpt2-small-res-jb`);
    await settled(page);
    await openResult(
      page,
      'r.json',
      madeUp(5, 7, (i) => (i % 5) - 2, { source: 'gpt2-small-res-jb' }),
    );
    await page.focus('.heatmap');
    for (const key of ['ArrowRight', 'Enter']) await page.keyboard.press(key);
    await page.click('#agree');
    await page.waitForFunction(
      (words) => new RegExp(words).test(document.querySelector('#status')?.textContent ?? ''),
      words.source,
    );
    assert.ok(await page.isVisible('.heatmap-canvas'));
    await page.evaluate(() => localStorage.clear());
    await page.close();
  }
});
