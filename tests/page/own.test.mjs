// Numbers of one's own: the form, what is left out of it, what is refused, and how they are shown; the JSON schema.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { bundle } from '../../scripts/package/bundle.mjs';
import { axes, describeCell } from '../../www/figure/axes.js';
import { shownFromJson } from '../../www/figure/own.js';
import { fromJson, titleOf } from '../../www/figure/result.js';
import { toJson } from '../../www/figure/write.js';
import { DEFAULT_VIEW } from '../../www/figure/view.js';
import { figureOf, openMade, problemsOf, start } from '../embed/pages.mjs';
import { madeUp } from './browser.mjs';

const PROJECT = new URL('../../', import.meta.url).pathname;
const WWW = `${PROJECT}www/`;
const HOSTILE = '</script><img src=x onerror="document.title=1">\u2028\u202e\u0000';

const validate = new Ajv2020({ strictTypes: false }).compile(
  JSON.parse(readFileSync(`${WWW}figure/result.schema.json`, 'utf8')),
);

/** The least there is. */
const LEAST = {
  format_version: 2,
  title: 'Heads',
  sources: { label: ['a', 'b', 'c'] },
  targets: { label: ['x', 'y'] },
  attributions: [0.5, -1.25, 0, 2, 0.125, -0.5],
};
const ALL = {
  ...LEAST,
  sources: { ...LEAST.sources, pos: [0, 0, 1], activation: [1, 2, 3] },
  targets: { ...LEAST.targets, pos: [1, 2], activation: [4, 5] },
  tokens: { string: ['<bos>', ' a', ' b'] },
  gradients: [1, 2, 3, 4, 5, 6],
};

/** Sets a field of a copy, as `sources.pos.0`. @param {any} result @param {string} path @param {unknown} value */
function changed(result, path, value) {
  const copy = structuredClone(result);
  const keys = path.split('.');
  const last = /** @type {string} */ (keys.pop());
  const parent = keys.reduce((found, key) => found[key], copy);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return copy;
}

/** What is said of a result; nothing if it passes. @param {unknown} result */
function refusal(result) {
  try {
    shownFromJson(JSON.stringify(result));
  } catch (error) {
    const { code, message } = /** @type {Error & {code?: string}} */ (error);
    assert.equal(code, 'result-invalid');
    return message;
  }
  return undefined;
}

const read = (/** @type {unknown} */ result) => {
  const shown = shownFromJson(JSON.stringify(result));
  assert.ok(!shown.request);
  return shown;
};

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
/** @type {string} */
let folder;
before(async () => {
  browser = await start({ runtime: false });
  folder = mkdtempSync(join(tmpdir(), 'sae-attribution-own-'));
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

test('what is left out gets its plain value, and what is read is written again', () => {
  const least = read(LEAST);
  assert.deepEqual([...least.sources.pos, ...least.targets.pos], [0, 0, 0, 0, 0]);
  assert.deepEqual([least.sources.activation.length, least.gradients.length], [0, 0]);
  assert.deepEqual(least.tokens, { token_id: [], string: [''] });
  assert.deepEqual(read(changed(ALL, 'tokens', undefined)).tokens.string, ['', '', '']);
  for (const result of [LEAST, ALL, { ...LEAST, sources: { label: [] }, attributions: [] }]) {
    const json = toJson(read(result));
    assert.equal(toJson(shownFromJson(json)), json);
    assert.ok(validate(JSON.parse(json)), JSON.stringify(validate.errors));
  }
  const inherited = /** @type {any} */ (
    shownFromJson(JSON.stringify(LEAST).replace('{', '{"__proto__":{"polluted":1},"unknown":1,'))
  );
  assert.deepEqual([inherited.polluted, inherited.unknown], [undefined, undefined]);
});

test('nothing is said of what is not there', () => {
  const cell = { row: 1, column: 2 };
  assert.deepEqual(describeCell(read(LEAST), cell, 1), [
    'c → y',
    'attribution -0.5',
    '50.0 % of Σ |attribution| of this target',
  ]);
  assert.deepEqual(describeCell(read(ALL), cell, undefined), [
    'c → y',
    'gradient 6',
    'attribution -0.5',
    'source activation 3',
    'target activation 5',
  ]);
  const look = (/** @type {unknown} */ result) => axes(read(result), DEFAULT_VIEW, undefined);
  assert.deepEqual([look(LEAST).rows.name, look(LEAST).columns.name], ['targets', 'sources']);
  assert.deepEqual([look(LEAST).rows.groups, look(LEAST).columns.groups], [[], []]);
  assert.deepEqual(
    look(ALL).columns.groups.map(({ end, label }) => [end, label]),
    [
      [2, '<bos> (0)'],
      [3, 'a (1)'],
    ],
  );
  assert.equal(titleOf(read({ ...LEAST, title: HOSTILE })).includes('\u202e'), false);
});

/** What is wrong, and that the schema sees it, too. @type {[path: string, value: unknown, sentence: RegExp][]} */
const BAD = [
  ['format_version', 1, /format 1/],
  ['format_version', '2', /format_version is not 2/],
  ['title', undefined, /it has neither a request nor a title/],
  ['title', 7, /title is not text/],
  ['title', 'x'.repeat(65_537), /title has 65537 characters/],
  ['request', null, /request is not an object/],
  ['sources', undefined, /sources is not an object/],
  ['targets', [], /targets is not an object/],
  ['sources.label', undefined, /sources\.label is not a list/],
  ['sources.label', { length: 3 }, /sources\.label is not a list/],
  ['sources.label.1', 7, /sources\.label\[1\] is not text/],
  ['targets.label.0', null, /targets\.label\[0\] is not text/],
  ['sources.pos.0', -1, /sources\.pos\[0\] is not an integer/],
  ['sources.pos.0', 0.5, /sources\.pos\[0\] is not an integer/],
  ['sources.pos.0', '1', /sources\.pos\[0\] is not an integer/],
  ['sources.pos', null, /sources\.pos is not a list/],
  ['sources.activation.2', null, /sources\.activation\[2\] is not a finite number/],
  ['targets.activation.1', 1e39, /targets\.activation\[1\] is not a finite number/],
  ['attributions', undefined, /attributions is not a list/],
  ['attributions.3', null, /attributions\[3\] is not a finite number/],
  ['attributions.3', 'NaN', /attributions\[3\] is not a finite number/],
  ['gradients', {}, /gradients is not a list/],
  ['gradients.5', 3.5e38, /gradients\[5\] is not a finite number/],
  ['tokens', null, /tokens is not an object/],
  ['tokens.string', [], /tokens\.string has 0 entries/],
  ['tokens.string.0', {}, /tokens\.string\[0\] is not text/],
];
/** What a schema cannot count. @type {typeof BAD} */
const UNCOUNTED = [
  ['attributions', [1], /attributions has 1 entries, not 6/],
  ['attributions', [], /attributions has 0 entries, not 6/],
  ['gradients', [1], /gradients has 1 entries, not 6/],
  ['sources.label', ['a'], /attributions has 6 entries, not 2/],
  ['sources.pos', [0], /sources\.pos has 1 entries, not 3/],
  ['targets.activation', [1], /targets\.activation has 1 entries, not 2/],
  ['sources.pos.0', 3, /sources\.pos\[0\] is not an integer from 0 to below 3/],
];

test('what does not belong is refused with its place, by the schema, too', () => {
  for (const [cases, isSeen] of /** @type {const} */ ([
    [BAD, true],
    [UNCOUNTED, false],
  ])) {
    for (const [path, value, sentence] of cases) {
      const result = changed(ALL, path, value);
      assert.match(refusal(result) ?? 'passes', sentence, path);
      assert.equal(validate(result), !isSeen, `schema, ${path}`);
    }
  }
  for (const result of [LEAST, ALL, { ...ALL, title: HOSTILE }]) {
    assert.equal(refusal(result), undefined);
    assert.ok(validate(result), JSON.stringify(validate.errors));
  }
  const many = { label: Array(5000).fill('') };
  assert.match(refusal({ ...LEAST, sources: many, targets: many }) ?? '', /25000000 pairs/);
});

test('the schema takes every result that there is, and refuses answers as they are read', () => {
  const names = readdirSync(`${WWW}results`).filter((name) => name !== 'index.json');
  for (const name of names) {
    const result = JSON.parse(readFileSync(`${WWW}results/${name}`, 'utf8'));
    for (const each of [result, { ...result, attributions: undefined }].map((one) => JSON.parse(JSON.stringify(one)))) {
      assert.equal(refusal(each), undefined, name);
      assert.ok(validate(each), `${name}: ${JSON.stringify(validate.errors)}`);
    }
  }
  const [latents, tokens, logits, difference] = [
    'latent-latent',
    'token-latent',
    'latent-logit',
    'logit-difference',
  ].map((name) => JSON.parse(readFileSync(`${WWW}results/tiny-${name}.json`, 'utf8')));
  /** @type {[any, string, unknown, boolean?][]} */
  const cases = [
    [latents, 'request.from', 'constructor'],
    [latents, 'request.from', 'tokens'],
    [latents, 'request.to', { top_logits: 5 }],
    [latents, 'request.to', null],
    [latents, 'request.error', 'drop'],
    [tokens, 'request.error', 'omit'],
    [latents, 'request.error', 'omit', true],
    [latents, 'request.threshold', '2'],
    [latents, 'request.threshold', undefined, true],
    [logits, 'request.to', {}],
    [logits, 'request.to.logits', [1]],
    [logits, 'request.to', { logits: [] }],
    [logits, 'request.to', { logits: [' a', 3] }, true],
    [logits, 'request.to.top_logits', 0],
    [difference, 'request.to.logit_difference', [1]],
    [difference, 'targets.kind', 'logit'],
    [latents, 'runtime.device', 'gpu'],
    [latents, 'model.address', undefined],
    [latents, 'model.name', {}],
    [latents, 'sources.sae', undefined],
    [latents, 'targets.sae.hook_name_out', '../x'],
    [latents, 'sources.hook_name', '__proto__'],
    [latents, 'sources.d_sae', 0],
    [latents, 'sources.d_sae', undefined, true],
    [latents, 'sources.latent', undefined],
    [latents, 'sources.token_id', { length: 3 }, true],
    [tokens, 'sources.token_id', { length: 3 }],
    [tokens, 'sources.token_id.2', 2 ** 32],
    [latents, 'gradients.17', null],
    [latents, 'off_staircase', null],
    [logits, 'top_logits.probability.0', 1.5],
    [difference, 'pair_logits.logit', [1]],
    [latents, 'statistics.sparsity.ratio', null],
    [latents, 'statistics', undefined],
    [latents, 'latent_labels', { 'blocks.0.hook_resid_pre': { 1: 'x' } }, true],
    [latents, 'latent_labels', { constructor: { 1: 'x' } }],
    [latents, 'latent_labels', { 'blocks.0.hook_resid_pre': { x: 'x' } }],
    [latents, 'unknown', 1, true],
  ];
  for (const [result, path, value, passes = false] of cases) {
    const one = changed(result, path, value);
    assert.equal(refusal(one) === undefined, passes, `${path}: ${refusal(one)}`);
    assert.equal(validate(one), passes, `schema, ${path}: ${JSON.stringify(value)}`);
  }
  assert.ok(validate(madeUp(2, 3, (i) => i)));
});

test('what reads requests alone says where such numbers are shown', () => {
  assert.throws(() => fromJson(JSON.stringify(LEAST)), /names no request/);
});

test('the element and the frame show it; labels are text', async () => {
  const labels = [HOSTILE, '<b>b</b>', 'c'];
  const files = /** @type {Record<string, unknown>} */ ({
    least: LEAST,
    all: { ...ALL, title: HOSTILE, sources: { ...ALL.sources, label: labels }, tokens: { string: labels } },
    empty: { ...LEAST, targets: { label: [] }, attributions: [] },
    bad: { ...LEAST, attributions: [1] },
  });
  await browser.context.route('**/own/*.json', (route) =>
    route.fulfill({ json: files[/(\w+)\.json$/.exec(route.request().url())?.[1] ?? ''] }),
  );
  const { page, problems } = await openMade(
    browser,
    '<sae-attribution src="own/least.json" controls="sort threshold"></sae-attribution>',
  );
  const figure = figureOf(page);
  await figure.shows(/^Heads$/);
  assert.match((await figure.part('heatmap').getAttribute('aria-label')) ?? '', /^attributions of Heads.*2 rows/);
  assert.match((await figure.part('scale').textContent()) ?? '', /^attribution−2.*2no cell is clipped$/);
  // What was not given is not shown, even where it is asked for.
  const view = await figure.element.evaluate((element) => {
    /** @type {any} */ (element).view = { shown: 'gradients' };
    return /** @type {any} */ (element).view.shown;
  });
  assert.equal(view, 'attributions');
  await figure.element.evaluate((element) => Object.assign(element, { view: { shown: 'attributions' } }));
  await figure.part('heatmap').press('n');
  assert.equal(
    await figure.part('readout').textContent(),
    '“a” → “y”: 2, 94 % of all positive attributions of that target. a → y, attribution 2, 76.2 % of Σ |attribution| of this target',
  );
  await figure.element.evaluate((element) => {
    element.addEventListener('select', (event) => void Object.assign(element, { told: event }));
  });
  await figure.part('heatmap').press('n');
  assert.deepEqual(await figure.element.evaluate((element) => Reflect.get(element, 'told')?.detail), {
    ...{ row: 0, column: 1, gradient: undefined, attribution: -1.25 },
  });

  await figure.element.evaluate((element) => element.setAttribute('src', 'own/all.json'));
  await figure.shows('</script>');
  await figure
    .part('scale')
    .getByText(/[1-9]\d* pairs across positions over ±/)
    .waitFor();
  await figure.part('heatmap').press('n');
  assert.match(
    (await figure.part('readout').textContent()) ?? '',
    /^“<\/script><img .*: 2, .*\. <\/script><img .*⟨U\+202E⟩.* → y, gradient 4, attribution 2, source activation 1, target activation 5,/,
  );
  assert.equal(await figure.element.locator('img').count(), 0);
  assert.equal(await page.title(), 'A page');

  await figure.element.evaluate((element) => element.setAttribute('src', 'own/empty.json'));
  await figure.part('plot').getByText('No pairs: at least one side has no nodes.').waitFor();
  await figure.element.evaluate((element) => element.setAttribute('src', 'own/bad.json'));
  await figure.part('message').getByText('attributions has 1 entries, not 6. [result-invalid]').waitFor();
  assert.deepEqual(problems, []);

  await page.goto(`${browser.url}/embed.html?result=own/least.json`);
  await figureOf(page).shows(/^Heads$/);
  assert.match(await page.title(), /Heads/);
  assert.deepEqual(problems, []);
  await page.close();
  await browser.context.unroute('**/own/*.json');
});

test('what a notebook shows is a page of its own that fetches nothing', async () => {
  await bundle([['figure', 'figure/index.js']], WWW, folder);
  const script = `
import json, sys
sys.path.insert(0, ${JSON.stringify(`${PROJECT}scripts/notebook`)})
import sae_attribution
sae_attribution.BUNDLE = sae_attribution.Path(${JSON.stringify(folder)}) / "figure.js"
hostile = json.loads(sys.argv[1])
shown = sae_attribution.figure([[1, 2], [3, 4.5]], [hostile, "b"], ["x", "y"], title=hostile, source_positions=[0, 1], tokens=["<b>", hostile])
open(sys.argv[2], "w", encoding="utf-8").write("<!doctype html><title>Notebook</title>" + shown._repr_html_())
shown.save(sys.argv[3])
`;
  const [html, json] = ['notebook.html', 'saved.json'].map((name) => join(folder, name));
  const hostile = JSON.stringify(`${HOSTILE}" autofocus '`);
  execFileSync('python3', ['-B', '-c', script, hostile, html, json]);
  assert.deepEqual([...read(JSON.parse(readFileSync(json, 'utf8'))).attributions], [1, 2, 3, 4.5]);

  const page = await browser.context.newPage();
  const problems = problemsOf(page);
  /** @type {string[]} */
  const requests = [];
  await page.route('**', (route) => {
    const url = route.request().url();
    requests.push(url);
    return url.startsWith('file:') ? route.continue() : route.abort();
  });
  await page.goto(pathToFileURL(html).href);
  const frame = page.frameLocator('iframe');
  const part = (/** @type {string} */ name) => frame.locator(`[part=${name}]`);
  await part('title').getByText('</script><img').waitFor();
  await part('heatmap').press('n');
  assert.match((await part('readout').textContent()) ?? '', /^“(<\/script>.*|b)” → “[xy]”: 4\.5, .*, attribution 4\.5/);
  const box = await part('heatmap').boundingBox();
  assert.ok(box && box.height > 200 && box.width > 300, JSON.stringify(box));
  assert.equal(await frame.locator('img').count(), 0);
  assert.equal(await page.title(), 'Notebook');
  assert.deepEqual(
    requests.filter((url) => !/^(file|about|data|blob):/.test(url)),
    [],
  );
  assert.deepEqual(problems, []);
  await page.close();
});
