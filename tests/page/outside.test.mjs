// What comes from outside: saved results, addresses, links, answers, storage. What fails has a code and
// says where; what passes cannot hurt; the page goes on.

import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readdirSync, readSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { summarise, pairsAcross } from '../../www/figure/analysis.js';
import { asExpectations, check } from '../../www/app/checks.js';
import { createContexts } from '../../www/app/meanings/contexts.js';
import { csv } from '../../www/app/export/csv.js';
import { fetchText } from '../../www/runtime/loading/fetch-text.js';
import { decodeState, encodeState } from '../../www/app/links.js';
import { createNeuronpedia } from '../../www/app/meanings/neuronpedia.js';
import { asRequest, viewOf } from '../../www/figure/request.js';
import { fromJson } from '../../www/figure/result.js';
import { toJson, toJsonParts } from '../../www/figure/write.js';
import { createResults, keyOf } from '../../www/app/results.js';
import { floats, list, passed, record, text } from '../../www/figure/schema.js';
import { python } from '../../www/app/snippet.js';
import { addressesOf, fromAddress, revisionsOf, SOURCES } from '../../www/app/sources.js';
import { saesAt } from '../../www/runtime/places.js';
import { DEFAULT_VIEW } from '../../www/figure/view.js';
import { defaultLimit } from '../../www/figure/scale.js';
import { resid, LINKS, linkTo, madeUp, openPage, openResult, run, settled, start } from './browser.mjs';

/** @typedef {import('../../www/runtime/protocol.js').Request} Request */

const WWW = new URL('../../www/', import.meta.url).pathname;
const PAGE = new URL('https://page.example/sae/');

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  const demo = `${WWW}models/demo/`;
  browser = await start({ mounts: new Map([0, 1].map((i) => [`/hub-${i}/resolve/`, demo])) });
});
after(() => browser.close());

// --- saved results ---

/** A small result of each kind. */
const SAVED = Object.fromEntries(
  ['token-latent', 'latent-latent', 'latent-logit', 'logit-difference'].map((name) => {
    const result = JSON.parse(readFileSync(`${WWW}results/tiny-${name}.json`, 'utf8'));
    return [viewOf(result.request), result];
  }),
);

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

/** @param {string} json */
function refusal(json) {
  try {
    fromJson(json);
  } catch (error) {
    return /** @type {Error & {code?: string}} */ (error);
  }
  return undefined;
}

test('every result of the runtime passes, and is the same when it is saved and read again', async () => {
  for (const file of readdirSync(`${WWW}results`).filter((name) => name !== 'index.json')) {
    const result = fromJson(readFileSync(`${WWW}results/${file}`, 'utf8'));
    let json = '';
    for await (const part of toJsonParts(result)) json += part;
    assert.equal(toJson(fromJson(json)), toJson(result), file);
  }
  assert.ok(fromJson(JSON.stringify(madeUp(2, 3, (i) => i))));
});

test('a result with anything else in a place than what belongs there is refused, and the place is named', () => {
  const {
    token_to_latent: tokens,
    latent_to_latent: latents,
    latent_to_logit: logits,
    logit_difference: difference,
  } = SAVED;
  const n = latents.tokens.string.length;
  /** @type {[any, string, unknown, RegExp][]} */
  const cases = [
    [latents, 'format_version', '1', /format_version/],
    [latents, 'format_version', 1, /it is of format 1, an older one; run its request again\.$/],
    [latents, 'format_version', 3, /format_version is not 2/],
    [latents, 'request.from', 'constructor', /request\.from/],
    [latents, 'request.from', 'tokens', /sources\.kind/],
    [latents, 'request.from', "0)\n__import__('os').system('id')\n(", /request\.from/],
    [latents, 'request.from', 'blocks.1.hook_resid_pre', /sources\.hook_name is not the place/],
    [latents, 'request.to', 1.5, /request\.to/],
    [latents, 'request.to', 'tokens', /request\.to/],
    [latents, 'request.to', null, /request\.to/],
    [latents, 'request.to', { top_logits: 5 }, /targets\.kind/],
    [latents, 'request.error', 'drop', /request\.error/],
    [tokens, 'request.error', 'omit', /request\.error/],
    [latents, 'request.threshold', '2', /request\.threshold/],
    [latents, 'request.prompt', { toString: 1 }, /request\.prompt/],
    [logits, 'request.to', {}, /request\.to/],
    [logits, 'request.to.logits', [1], /request\.to is not a place, nor one kind of logits/],
    [logits, 'request.to.top_logits', '25', /request\.to\.top_logits/],
    [logits, 'request.to.top_logits', 1e999, /request\.to\.top_logits/],
    [logits, 'request.to', { logits: [] }, /request\.to\.logits/],
    [logits, 'request.to', { logits: [' a', {}] }, /request\.to\.logits\[1\]/],
    [logits, 'request.to', JSON.parse('{"__proto__": [1]}'), /request\.to/],
    [difference, 'request.to.logit_difference.0', [' tennis'], /request\.to\.logit_difference\[0\]/],
    [difference, 'request.to.logit_difference.1', -1, /request\.to\.logit_difference\[1\]/],
    [difference, 'request.to.logit_difference', [1], /request\.to\.logit_difference/],
    [latents, 'runtime', undefined, /runtime/],
    [latents, 'runtime.device', 'gpu', /runtime\.device/],
    [latents, 'runtime.version', 1, /runtime\.version/],
    [latents, 'model', 'x', /model/],
    [latents, 'model.address', undefined, /model\.address/],
    [latents, 'model.name', {}, /model\.name/],
    [latents, 'sources.sae', undefined, /sources\.sae/],
    [latents, 'sources.sae.address', { toString: 1 }, /sources\.sae\.address/],
    [latents, 'targets.sae.hook_name_out', '../x', /targets\.sae\.hook_name_out/],
    [latents, 'targets.sae.revision', 7, /targets\.sae\.revision/],
    [tokens, 'sources.sae', 7, /^$/],
    [latents, 'tokens.string.1', { toString: 1 }, /tokens\.string\[1\]/],
    [latents, 'tokens.token_id', { length: 3e8 }, /tokens\.token_id/],
    [latents, 'tokens.token_id.0', null, /tokens\.token_id\[0\]/],
    [latents, 'tokens.token_id.9', 1, /tokens\.token_id/],
    [latents, 'sources', [], /sources/],
    [latents, 'sources.kind', 'token', /sources\.kind/],
    [latents, 'sources.hook_name', '__proto__', /sources\.hook_name/],
    [latents, 'sources.hook_name', '../../x?', /sources\.hook_name/],
    [latents, 'sources.d_sae', 0, /sources\.d_sae/],
    [latents, 'sources.pos', { length: 100 }, /sources\.pos/],
    [latents, 'sources.pos.3', n, /sources\.pos\[3\]/],
    [latents, 'sources.pos.3', -1, /sources\.pos\[3\]/],
    [latents, 'sources.pos.3', '1', /sources\.pos\[3\]/],
    [latents, 'sources.pos.3', { valueOf: 1, toString: 1 }, /sources\.pos\[3\]/],
    [latents, 'sources.pos.3', 0.5, /sources\.pos\[3\]/],
    [latents, 'sources.latent', undefined, /sources\.latent/],
    [latents, 'sources.latent.5', 512, /sources\.latent\[5\]/],
    [latents, 'sources.token_id', { length: 3e8 }, /^$/],
    [tokens, 'sources.token_id', { length: 3e8 }, /sources\.token_id/],
    [tokens, 'sources.token_id.2', 2 ** 32, /sources\.token_id\[2\]/],
    [latents, 'targets.activation.0', 1e39, /targets\.activation\[0\]/],
    [latents, 'targets.activation.0', null, /targets\.activation\[0\]/],
    [latents, 'targets.label.7', 7, /targets\.label\[7\]/],
    [latents, 'targets.label', [], /targets\.label/],
    [latents, 'gradients', [1], /gradients/],
    [latents, 'gradients.17', 'NaN', /gradients\[17\]/],
    [latents, 'attributions', null, /attributions/],
    [latents, 'attributions', 'x', /attributions/],
    [latents, 'off_staircase.target.0', 181, /off_staircase\.target\[0\]/],
    [latents, 'off_staircase.source.0', 100, /off_staircase\.source\[0\]/],
    [latents, 'off_staircase.source', [], /off_staircase\.source/],
    [latents, 'off_staircase', null, /off_staircase/],
    [logits, 'top_logits.probability', [0.5], /top_logits\./],
    [logits, 'top_logits.probability.0', 1.5, /top_logits\.probability\[0\]/],
    [logits, 'top_logits.string.0', { toString: 1 }, /top_logits\.string\[0\]/],
    [difference, 'pair_logits.logit', [1], /pair_logits\.logit/],
    [latents, 'statistics.sparsity.ratio', null, /statistics\.sparsity\.ratio/],
    [latents, 'statistics.source_l1', { valueOf: 1 }, /statistics\.source_l1/],
    [latents, 'statistics.sources_per_position', [1], /statistics\.sources_per_position/],
    [latents, 'statistics.sae_error_norm.1', 'x', /statistics\.sae_error_norm\[1\]/],
    [latents, 'latent_labels', { constructor: { 1: 'x' } }, /latent_labels/],
    [latents, 'latent_labels', { 'blocks.0.hook_resid_pre': { toString: 'x' } }, /latent_labels/],
    [latents, 'latent_labels', { 'blocks.0.hook_resid_pre': { 1: {} } }, /latent_labels/],
  ];
  for (const [result, path, value, place] of cases) {
    // A value that JSON cannot write is written by hand.
    const json = JSON.stringify(changed(result, path, value === Infinity ? '∞' : value)).replace('"∞"', '1e999');
    const error = refusal(json);
    // What does not belong is left out.
    if (place.source === '^$') assert.equal(error, undefined, path);
    else {
      assert.equal(error?.code, 'result-invalid', `${path}: ${error?.message ?? 'let through'}`);
      assert.match(error?.message ?? '', place, path);
    }
  }
  for (const json of [
    '',
    'null',
    '3',
    '[]',
    '"x"',
    '{"format_version": 2}',
    '{"format_version": 1}',
    '['.repeat(100_000),
  ]) {
    assert.equal(refusal(json)?.code, 'result-invalid', json.slice(0, 20));
  }
});

test('sizes are looked at before anything is made of them', () => {
  const result = madeUp(1, 1, () => 1);
  const wide = {
    ...result,
    sources: { ...result.sources, pos: Array(5000).fill(0) },
    targets: { ...result.targets, pos: Array(5000).fill(0) },
  };
  assert.match(refusal(JSON.stringify(wide))?.message ?? '', /25000000 pairs/);
  const tokens = { string: Array(65_537).fill(''), token_id: [] };
  assert.match(refusal(JSON.stringify({ ...result, tokens }))?.message ?? '', /65537 entries/);
  assert.throws(() => list([1, 2], 'x', 1), /x has 2 entries, more than 1/);
  assert.throws(() => floats({ length: 3e9 }, 'x', 3e9), /x is not a list/);
});

test('what passes is rebuilt from known fields, and inherits nothing', () => {
  const json = toJson(/** @type {any} */ (SAVED.latent_to_latent))
    .replace('{', '{"__proto__":{"polluted":1},"unknown":1,')
    .replace('"request":{', '"request":{"source":"x","file":"y",');
  const result = /** @type {any} */ (fromJson(json));
  assert.equal(result.unknown, undefined);
  assert.equal(result.polluted, undefined);
  assert.deepEqual(Object.keys(result.request), ['prompt', 'from', 'to', 'error', 'threshold']);
  const labels = record(text(99), text(99), 9)(JSON.parse('{"__proto__":"x","constructor":"y"}'), '');
  assert.equal(Object.getPrototypeOf(labels), null);
  assert.equal(passed(text(3), 'abcd'), undefined);
});

test('a large result is saved without what its gradients give, and opens the same', async () => {
  const [rows, columns] = [2100, 2000];
  const result = fromJson(
    JSON.stringify({ ...madeUp(rows, columns, (i) => Math.fround(Math.sin(i))), attributions: undefined }),
  );
  let json = '';
  for await (const part of toJsonParts(result)) json += part;
  assert.ok(!json.includes('"attributions"') && json.length < 15 * rows * columns, String(json.length));
  const again = fromJson(json);
  // Bytes: millions of numbers one by one take half a minute.
  for (const matrix of /** @type {const} */ (['gradients', 'attributions'])) {
    const [kept, before] = [again[matrix], result[matrix]].map(({ buffer }) => Buffer.from(buffer));
    assert.ok(kept.equals(before), matrix);
  }
  // Attributions of another origin are kept.
  result.attributions[7] += 1;
  let kept = false;
  for await (const part of toJsonParts(result)) kept ||= part.includes('"attributions"');
  assert.ok(kept);
});

test('a hostile result is refused by the page, which goes on; a request is all that fills the form', async () => {
  const { page, problems } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  const hostile = [
    changed(SAVED.token_to_latent, 'sources.token_id', { length: 3e8 }),
    changed(SAVED.latent_to_latent, 'sources.hook_name', '__proto__'),
    changed(SAVED.latent_to_latent, 'request.from', 'x'),
    changed(SAVED.token_to_latent, 'request.to', "0)\n__import__('os').system('id')\n("),
  ];
  const shown = await page.textContent('#title');
  for (const result of hostile) {
    await page.setInputFiles('#file', {
      name: 'hostile.json',
      mimeType: 'application/json',
      buffer: Buffer.from(JSON.stringify(result)),
    });
    await page.waitForSelector('#status[data-code=result-invalid]');
    assert.match(
      (await page.textContent('#status')) ?? '',
      /This is not a result that can be shown: \S+ is not .*\[result-invalid\]$/,
    );
    assert.equal(await page.textContent('#title'), shown);
    assert.ok(await page.isChecked('input[value=latent_to_latent]'));
    await page.click('#fit');
    await page.evaluate(() => document.querySelector('#status')?.removeAttribute('data-code'));
  }
  const extra = changed(changed(SAVED.token_to_latent, 'request.source', 'gpt2-small-res-jb'), 'request.file', 'x');
  await openResult(page, 'extra.json', { ...extra, ...{ request: { ...extra.request, run: 'x', kind: 'x' } } });
  assert.equal(await page.inputValue('#source'), 'tiny');
  assert.ok(await page.isChecked('input[value=token_to_latent]'));
  assert.equal(await page.evaluate(() => /** @type {any} */ ({}).polluted), undefined);
  assert.deepEqual(problems, []);
  await page.close();
});

// --- addresses ---

test('an address that cannot be used is said, and the demo takes its place', () => {
  /** @type {[string, RegExp][]} */
  const bad = [
    ['model=http://[&saes=x', /“model”.*not an address/],
    ['model=x&saes=http://[', /“saes”.*not an address/],
    ['model=javascript:alert(1)&saes=x', /“model”.*https/],
    ['model=ftp://a/b&saes=x', /“model”/],
    ['model=x&saes=data:,x', /“saes”/],
    ['model=https://me:secret@m/s&saes=x', /password/],
    ['model=x&saes=https://me@m/s', /password/],
    [`model=x&saes=${encodeURIComponent("https://m/s#/{__import__('os').system('id')}")}`, /#/],
    ['model=x', /belong together/],
    ['saes=x', /belong together/],
    ['model=x&saes=y&places=a,-1,1.5,blocks.1.hook_resid,', /“places”/],
    ['source=constructor', /“source”/],
    ['source=__proto__', /“source”/],
  ];
  for (const [query, words] of bad) {
    const { sources, selected, problem } = fromAddress(new URL(`?${query}`, PAGE));
    assert.equal(problem?.code, 'address-invalid', query);
    assert.match(problem?.message ?? '', words, query);
    assert.equal(selected, 'demo');
    assert.ok(!Object.hasOwn(sources, 'given') && sources.constructor === undefined);
  }
  const given = (/** @type {string} */ query) => fromAddress(new URL(`?${query}`, PAGE));
  const { sources, selected, problem } = given(
    `model=models/a/&saes=https://m/s&places=blocks.3.hook_mlp_out,3,0,blocks.2.hook_resid_post,x,${'7,'.repeat(999)}`,
  );
  assert.deepEqual([selected, problem], ['given', undefined]);
  assert.deepEqual(
    { ...sources.given, title: '' },
    {
      title: '',
      model: { address: 'https://page.example/sae/models/a' },
      saes: [{ address: 'https://m/s' }],
      places: [resid(0), resid(3), 'blocks.3.hook_mlp_out', resid(7)],
    },
  );
  assert.deepEqual(given('model=x&saes=y').sources.given.places.length, 13);
  assert.equal(given('').selected, 'demo');
  assert.equal(given('source=tiny&device=gpu').device, undefined);
});

test('a page with an address that cannot be used opens, says so, and runs', async () => {
  for (const query of ['?model=http://[&saes=x', '?source=constructor']) {
    const { page, problems } = await openPage(browser, query);
    await page.waitForSelector('#status[data-code=address-invalid]');
    assert.match((await page.textContent('#status')) ?? '', /The demo is offered instead\. \[address-invalid\]$/);
    await page.waitForSelector('.heatmap-canvas');
    assert.equal(await page.inputValue('#source'), 'demo');
    assert.deepEqual(problems, []);
    await page.close();
  }
});

test('which revision a source is of can be told from its addresses', async () => {
  assert.equal(
    revisionsOf(addressesOf(SOURCES['gpt2-small-res-jb'], { prompt: '', from: resid(0), to: resid(3) }), PAGE),
    'openai-community/gpt2 at 607a30d, jbloom/GPT2-Small-SAEs-Reformatted at 57d08a4',
  );
  // What comes from a hub is pinned where a revision is known: what is kept of it need not be asked about.
  const unpinned = Object.entries(SOURCES)
    .filter(([, { saes }]) => saes.some(({ address }) => !/^file:|\/resolve\/[0-9a-f]{40}\//.test(address)))
    .map(([name]) => name);
  assert.deepEqual(unpinned, [
    'gpt2-small-attn-out-v5-128k',
    'gpt2-small-mlp-out-v5-32k',
    'gpt2-small-resid-mid-v5-32k',
    'gpt2-small-v5-32k',
    'gpt2-small-mlp-tm',
    'gpt2-small-res_scl-ajt',
    'gpt2-small-res_sle-ajt',
    'gpt2-small-res_slefr-ajt',
  ]);
  for (const { model } of Object.values(SOURCES)) assert.match(model.address, /^file:|\/resolve\/[0-9a-f]{40}$/);
  assert.equal(revisionsOf(['https://page.example/m', '/s'], PAGE), 'files of this site');
  assert.equal(revisionsOf(['folder:m', 'folder:s'], PAGE), 'a folder of this computer');
  assert.equal(revisionsOf(['http://['], PAGE), 'files of an address that is none');
  assert.equal(
    revisionsOf(['https://h.example/a/b/resolve/main', 'https://h.example/s'], PAGE),
    'h.example/a/b at main, which may change, files of h.example, which may change',
  );
  const { page } = await openPage(browser, LINKS.token_to_latent);
  await settled(page);
  await page.waitForFunction(
    () => document.querySelector('#revision')?.textContent === 'Computed from files of this site.',
  );
  // A file says of which model it is, whichever is chosen.
  await openResult(
    page,
    'r.json',
    madeUp(2, 2, () => 1),
  );
  assert.equal(await page.textContent('#revision'), 'Computed from files of m.example, which may change.');
  await openResult(
    page,
    'jb.json',
    madeUp(2, 2, () => 1, { source: 'gpt2-small-res-jb' }),
  );
  assert.match((await page.textContent('#revision')) ?? '', /gpt2 at 607a30d, .*Reformatted at 57d08a4\.$/);
  await page.close();
});

/** Tensors of a safetensors file, by name. @param {string} path @returns {Record<string, {data_offsets: [number, number]}>} */
function header(path) {
  const file = openSync(path, 'r');
  try {
    const length = Buffer.alloc(8);
    readSync(file, length, 0, 8, 0);
    const json = Buffer.alloc(Number(length.readBigUInt64LE()));
    readSync(file, json, 0, json.length, 8);
    return JSON.parse(json.toString());
  } finally {
    closeSync(file);
  }
}

test('the bytes that a request is said to read are those of the files', () => {
  const bytes = /** @type {(request: Request) => number} */ (SOURCES.demo.bytes);
  const size = (/** @type {ReturnType<typeof header>} */ tensors, /** @type {RegExp} */ names) =>
    Object.entries(tensors).reduce(
      (sum, [name, { data_offsets: [from, to] = [0, 0] }]) => sum + (names.test(name) ? to - from : 0),
      0,
    );
  const model = header(`${WWW}models/demo/model/model.safetensors`);
  const sae = size(
    header(`${WWW}models/demo/saes/blocks.2.hook_resid_pre/sae_weights.safetensors`),
    /^(W_enc|b_enc|b_dec)$/,
  );
  const blocks = (/** @type {number} */ n) => size(model, new RegExp(`^h\\.[0-${n - 1}]\\.`));
  const attention = (/** @type {number} */ block) => size(model, new RegExp(`^h\\.${block}\\.(ln_1|attn)\\.`));
  const head = size(model, /^wte\.weight$/);
  /** @type {[Request, number][]} */
  const cases = [
    [{ prompt: '', from: 'tokens', to: resid(2) }, blocks(2) + sae],
    [{ prompt: '', from: resid(1), to: resid(3) }, blocks(3) + 2 * sae],
    [{ prompt: '', from: resid(1), to: 'blocks.2.hook_attn_out' }, blocks(2) + attention(2) + 2 * sae],
    [{ prompt: '', from: resid(1), to: 'blocks.2.hook_mlp_out' }, blocks(3) + 2 * sae],
    [{ prompt: '', from: resid(1), to: { top_logits: 5 } }, blocks(4) + sae + head],
    [{ prompt: '', from: resid(3), to: { logit_difference: ['', ''] } }, blocks(4) + sae + head],
    [{ prompt: '', from: 'tokens', to: { logits: [1] } }, blocks(4) + head],
  ];
  for (const [request, wanted] of cases) {
    // Its SAEs keep their biases in twice the width.
    assert.ok(
      Math.abs(bytes(request) / wanted - 1) < 0.02,
      `${JSON.stringify(request)}: ${bytes(request)}, not ${wanted}`,
    );
  }
  // The published file of the SAE at layer 6: a header of 320 bytes, encoder, decoder and their biases.
  const published = SOURCES['gpt2-small-res-jb'].bytes?.({ prompt: '', from: 'tokens', to: resid(0) }) ?? 0;
  assert.equal(320 + published + 4 * 24_576 * 768, 151_096_640);
});

test('the bytes that a request is said to read are those that a server gives', async (t) => {
  /** @type {Request[]} */
  const requests = [
    { prompt: 'The tower', from: 'tokens', to: resid(2) },
    { prompt: 'The tower', from: resid(1), to: resid(3) },
  ];
  // Requests of logits read the unembedding once more, from what is kept by then: that is up to the disk.
  for (const [i, request] of requests.entries()) {
    // As on a hub, whose files are kept; another folder each time, of which nothing is kept yet.
    const folder = `hub-${i}/resolve`;
    const { page } = await openPage(
      browser,
      `?device=cpu&model=${folder}/model&saes=${folder}/saes&places=1,2,3${linkTo({ source: 'given', .../** @type {any} */ (request) })}`,
    );
    await settled(page);
    let given = 0;
    const files = new Set();
    page.on('response', (response) => {
      if (!/safetensors$/.test(response.url())) return;
      files.add(response.url());
      given += Number(response.headers()['content-length']);
    });
    assert.match((await run(page)) ?? '', /^Done/);
    const said = /** @type {(request: Request) => number} */ (SOURCES.demo.bytes)(request);
    // Of each file the first 64 KiB are read for its header, whatever of it was wanted.
    const most = 1.03 * said + files.size * 65_536;
    assert.ok(given >= 0.98 * said && given <= most, `${request.from}: ${given} given, ${said} said`);
    t.diagnostic(`${request.from}: ${given} bytes given, ${said} said`);
    await page.close();
  }
});

// --- links ---

test('a target by its id survives its link, the form, and is not a text', async () => {
  /** @type {Request} */
  const request = { prompt: 'a', from: resid(3), to: { logit_difference: [2996, '2993'] } };
  const hash = encodeState('tiny', request, DEFAULT_VIEW);
  assert.match(hash, /positive_id=2996&negative=2993/);
  assert.deepEqual(decodeState(hash).request, { ...request, error: 'keep', threshold: 2 });
  assert.equal(keyOf('tiny', /** @type {Request} */ (decodeState(hash).request)), keyOf('tiny', request));
  assert.notEqual(keyOf('tiny', { ...request, to: { logit_difference: ['2996', '2993'] } }), keyOf('tiny', request));

  const { page, problems } = await openPage(browser, `#${hash}`);
  await settled(page);
  assert.equal(await page.inputValue('#positive'), 'token 2996');
  await page.selectOption('#from', resid(2));
  await page.waitForFunction(() => /from=blocks\.2\.hook_resid_pre&positive_id=2996&negative=2993/.test(location.hash));
  await page.fill('#positive', ' golf');
  await page.press('#positive', 'Tab');
  await page.waitForFunction(() => /positive=\+golf/.test(location.hash));
  // A result knows what its tokens read as; what the form shows is asked for by id again.
  const saved = { ...SAVED.logit_difference, request: { ...request, to: { logit_difference: [2996, 2993] } } };
  await openResult(page, 'ids.json', saved);
  assert.equal(await page.inputValue('#positive'), ' tennis');
  await page.waitForFunction(() => /positive_id=2996&negative_id=2993/.test(location.hash));
  assert.deepEqual(problems, []);
  await page.close();
});

test('a field that cannot hold what was asked asks it again all the same', async () => {
  const { page } = await openPage(
    browser,
    linkTo({ prompt: 'a\rb', from: resid(2), positive: '\n', negative: ' golf' }),
  );
  await settled(page);
  await page.selectOption('#from', resid(1));
  await page.waitForFunction(() => /prompt=a%0Db&from=blocks\.1\.hook_resid_pre&positive=%0A&/.test(location.hash));
  await page.close();
});

test('a link without a threshold asks with the notebook’s; what no request holds is left out', () => {
  const { request } = decodeState(`#prompt=a&from=${resid(0)}&to=${resid(1)}`);
  assert.deepEqual(request, { prompt: 'a', from: resid(0), to: resid(1), error: 'keep', threshold: 2 });
  for (const rest of [
    'to=blocks.99999.hook_resid_pre',
    'to=blocks.1e3.hook_resid_pre',
    'to=3',
    'top_logits=0',
    'top_logits=1e3',
    'logit=a&logit_id=-1',
    'positive=a&negative_id=99999999999',
    `to=${resid(1)}&error=drop`,
  ])
    assert.equal(decodeState(`#from=${resid(0)}&prompt=a&${rest}`).request, undefined, rest);
  assert.equal(decodeState(`#from=${resid(0)}&to=${resid(1)}&prompt=${'x'.repeat(2 ** 20 + 1)}`).request, undefined);
  for (const view of ['threshold=1e39', 'limit=1e39', 'limit=1e-60', 'limit=0'])
    assert.deepEqual(decodeState(view).view, {}, view);
  assert.deepEqual(decodeState('threshold=-0').view, { threshold: 0 });
  assert.equal(decodeState(`from=tokens&to=${resid(1)}&prompt=%EF%BF%BD`).request?.prompt, '\ufffd');
});

// --- Python ---

/** Where a bundled result of the demo is read. */
const DEMO = {
  model: 'models/demo/model',
  from: { address: 'models/demo/saes/from' },
  to: { address: 'models/demo/saes/to' },
};

test('nothing but numbers and literals gets into the Python', () => {
  const evil = "0)\n__import__('os').system('id')\n(";
  /** @type {any[]} */
  const bad = [
    { prompt: '', from: 'tokens', to: evil },
    { prompt: '', from: evil, to: resid(1) },
    { prompt: '', from: resid(0), to: `${resid(1)}${evil}` },
    { prompt: '', from: resid(0), to: resid(1), threshold: NaN },
    { prompt: '', from: resid(0), to: resid(1), threshold: evil },
    { prompt: '', from: resid(1), to: { top_logits: evil } },
    { prompt: '', from: resid(1), to: { top_logits: 1.5 } },
    { prompt: '', from: resid(1), to: { logits: [1, NaN] } },
    { prompt: '', from: resid(1), to: { logit_difference: [NaN, 1] } },
  ];
  for (const request of bad) {
    assert.throws(
      () => python(request, DEMO),
      (/** @type {any} */ error) => error.code === 'request-invalid',
      JSON.stringify(request),
    );
  }
  const hostile = { model: 'https://m/a\nimport os', to: { address: 'https://m/s\rimport os\n' } };
  const code = python({ prompt: '', from: 'tokens', to: resid(1) }, hostile);
  assert.ok(!/^import os/m.test(code), code);
  const out = { ...DEMO, from: { address: 'x', hook_name_out: evil } };
  assert.throws(() => python({ prompt: '', from: resid(0), to: resid(1) }, out), { code: 'request-invalid' });
});

test('the Python of each request names its own places and numbers, each where it belongs', () => {
  const has = (
    /** @type {Request} */ request,
    /** @type {string[]} */ wanted,
    /** @type {string[]} */ unwanted = [],
    origins = DEMO,
  ) => {
    const code = python(request, origins);
    for (const part of wanted) assert.ok(code.includes(part), `${part}\n${code}`);
    for (const part of unwanted) assert.ok(!code.includes(part), `not ${part}\n${code}`);
  };
  has(
    { prompt: 'p', from: 'tokens', to: resid(5) },
    [
      '# Files of the model to be put into folder “model”: models/demo/model',
      'path = files("model", "", "config.json", "tokenizer.json", "model.safetensors")',
      '# Files of the SAE to be put into folder “target”: models/demo/saes/to',
      '("blocks.0.hook_resid_pre", lambda y, hook: y * x[:, None])',
      // The last place of a model has this name alone.
      'reads = ("blocks.4.hook_resid_post", lambda y, hook: found.append(y))',
    ],
    ['source =', 'across'],
  );
  has({ prompt: 'p', from: 'blocks.5.hook_attn_out', to: 'blocks.5.hook_mlp_out', threshold: 0.25 }, [
    '# Files of the SAE to be put into folder “source”: models/demo/saes/from',
    'names_filter=["blocks.5.hook_attn_out"])',
    'acts = source.encode(cache["blocks.5.hook_attn_out"])',
    'error = cache["blocks.5.hook_attn_out"] - source.decode(acts)',
    'return [("blocks.5.hook_attn_out", lambda y, hook: written)]',
    'reads = ("blocks.5.hook_mlp_out", lambda',
    'across = (attributions > 0.25)',
  ]);
  // A transcoder reads at one place and writes at another.
  has(
    { prompt: 'p', from: 'blocks.1.ln2.hook_normalized', to: 'blocks.2.attn.hook_z', error: 'omit' },
    [
      'names_filter=["blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out"])',
      'acts = source.encode(cache["blocks.1.ln2.hook_normalized"])',
      'error = 0 ',
      'return [("blocks.1.hook_mlp_out", lambda y, hook: written)]',
      'reads = ("blocks.2.attn.hook_z", lambda',
    ],
    ['- source.decode'],
  );
  has(
    { prompt: 'p', from: resid(5), to: { top_logits: 9 } },
    ['to = targets(x).topk(9).indices'],
    ['target =', 'across'],
  );
  has({ prompt: 'p', from: resid(5), to: { logits: [7, ' b'] } }, [
    'to = torch.tensor([7, model.to_single_token(" b")])',
  ]);
  has({ prompt: 'p', from: resid(5), to: { logit_difference: [11, ' b'] } }, [
    'positive, negative = 11, model.to_single_token(" b")',
    'return (logits[positive] - logits[negative])[None]',
  ]);
  // GPT-2 and what SAELens knows of its SAEs need no folders; others do.
  const of = (/** @type {string} */ source, /** @type {Request} */ request) => {
    const { model, saes } = SOURCES[source];
    const [from, to] = [request.from, request.to].map((place) => saesAt(saes, String(place))[0]);
    return { model: model.address, from, to };
  };
  const known = (/** @type {string} */ source, /** @type {Request} */ request, /** @type {string[]} */ wanted) =>
    has(
      request,
      wanted,
      ['# Files of the model', 'def files('].slice(0, wanted.join().includes('https:') ? 1 : 2),
      /** @type {any} */ (of(source, request)),
    );
  known('gpt2-small-res-jb', { prompt: '', from: 'tokens', to: resid(0) }, [
    'target = SAE.from_pretrained("gpt2-small-res-jb", "blocks.0.hook_resid_pre", device="cpu")[0]',
  ]);
  known('gpt2-small-v5-32k', { prompt: '', from: 'blocks.1.hook_attn_out', to: 'blocks.1.hook_mlp_out' }, [
    'source = SAE.from_pretrained("gpt2-small-attn-out-v5-32k", "blocks.1.hook_attn_out", device="cpu")[0]',
    'target = SAE.from_pretrained("gpt2-small-mlp-out-v5-32k", "blocks.1.hook_mlp_out", device="cpu")[0]',
  ]);
  known('gpt2-small-res-jb-feature-splitting-768', { prompt: '', from: 'tokens', to: resid(8) }, [
    'SAE.from_pretrained("gpt2-small-res-jb-feature-splitting", "blocks.8.hook_resid_pre_768", device="cpu")[0]',
  ]);
  known('gpt2-small-transcoders', { prompt: '', from: 'tokens', to: 'blocks.8.ln2.hook_normalized' }, [
    '# Files of the SAE from https://huggingface.co/callummcdougall/arena-demos-transcoder/resolve/',
    '-transcoder-folded-b_dec_out", "https://huggingface.co/callummcdougall/arena-demos-transcoder/resolve/',
  ]);
});

// --- answers ---

/** Storage of a test. @param {Record<string, string>} [kept] @returns {any} */
const storageOf = (kept = {}) => ({
  kept,
  getItem: (/** @type {string} */ key) => kept[key] ?? null,
  setItem: (/** @type {string} */ key, /** @type {string} */ value) => (kept[key] = value),
  removeItem: (/** @type {string} */ key) => delete kept[key],
});

/** Answers every fetch for the length of a test. @param {import('node:test').TestContext} t @param {() => unknown} answer */
const answering = (t, answer) => t.mock.method(globalThis, 'fetch', async () => answer());

const [CONSENT, EXPLANATIONS] = ['sae-attribution.neuronpedia', 'sae-attribution.explanations'];
const HOOK = 'blocks.3.hook_resid_pre';
const NAMES = { [HOOK]: '3-res-jb' };

test('who withdraws consent is forgotten: nothing is kept, known or asked for', async (t) => {
  const storage = storageOf();
  const neuronpedia = createNeuronpedia(storage, NAMES);
  const asked = answering(t, () => Response.json([{ index: '5', explanations: [{ description: 'words' }] }]));
  assert.equal(await neuronpedia.load(HOOK, [5]), false);
  assert.equal(asked.mock.callCount(), 0);
  neuronpedia.agree(true);
  assert.equal(await neuronpedia.load(HOOK, [5]), true);
  assert.equal(neuronpedia.get(HOOK, 5), 'words');
  assert.ok(storage.kept[EXPLANATIONS]);
  neuronpedia.agree(false);
  assert.deepEqual(storage.kept, {});
  assert.equal(neuronpedia.get(HOOK, 5), undefined);
  assert.equal(neuronpedia.agreed(), false);

  // Also while an answer is on its way: what comes is not kept, and the rest is not asked for.
  neuronpedia.agree(true);
  asked.mock.mockImplementation(async () => {
    neuronpedia.agree(false);
    return Response.json([{ index: 5, explanations: [{ description: 'words' }] }]);
  });
  const before = asked.mock.callCount();
  assert.equal(
    await neuronpedia.load(
      HOOK,
      Array.from({ length: 5000 }, (_, i) => i),
    ),
    false,
  );
  assert.equal(asked.mock.callCount(), before + 1);
  assert.deepEqual(storage.kept, {});
  assert.equal(neuronpedia.get(HOOK, 5), undefined);
});

test('an answer or a storage with anything else in it is as good as none', async (t) => {
  for (const kept of ['3', '{}', '[3]', '[["x"]]', '[["3-res-jb/1", {}]]', '[["__proto__", "x"]]', 'no JSON']) {
    const neuronpedia = createNeuronpedia(storageOf({ [EXPLANATIONS]: kept }), NAMES);
    assert.equal(neuronpedia.get(HOOK, 1), undefined, kept);
  }
  assert.equal(createNeuronpedia(storageOf({ [EXPLANATIONS]: '[["3-res-jb/1", "x"]]' }), NAMES).get(HOOK, 1), 'x');

  const neuronpedia = createNeuronpedia(storageOf({ [CONSENT]: 'true' }), NAMES);
  const odd = [
    null,
    3,
    { index: 'x' },
    { index: { toString: 1 } },
    { index: 1, explanations: [{ description: {} }] },
    { index: 1, explanations: {} },
    { index: 9, explanations: [{ description: 'not asked for' }] },
    { index: '2', explanations: [{ description: 'x'.repeat(999), more: 1 }] },
  ];
  const asked = answering(t, () => Response.json(odd));
  await neuronpedia.load(HOOK, [1, 2]);
  assert.deepEqual(
    [1, 2, 9].map((latent) => neuronpedia.get(HOOK, latent)?.length),
    [undefined, 300, undefined],
  );
  for (const answer of ['{}', 'null', '<html>']) {
    asked.mock.mockImplementation(async () => new Response(answer));
    await assert.rejects(neuronpedia.load(HOOK, [7]), { code: 'neuronpedia-refused' });
  }
});

/**
 * Answers every fetch for the length of a test by the end of its address; with 404 where nothing is named.
 * @param {import('node:test').TestContext} t
 * @param {Record<string, unknown>} files their JSON; an Error, which the fetch rejects with; or a Response
 * @returns {string[]} what was asked for
 */
function serving(t, files) {
  const asked = /** @type {string[]} */ ([]);
  t.mock.method(globalThis, 'fetch', async (/** @type {string} */ address) => {
    const path = address.replace('https://m/saes/', '');
    asked.push(path);
    const file = files[path];
    if (file instanceof Error) throw file;
    if (file instanceof Response) return file;
    return file === undefined ? new Response('', { status: 404 }) : Response.json(file);
  });
  return asked;
}

/** Labels, and texts of one latent. @param {Record<string, string>} labels */
const labelled = (labels) => ({ format_version: 2, latents_per_file: 10, labels });
/** @param {number} latent @param {string} token */
const telling = (latent, token) => ({
  format_version: 2,
  sentences: [[token]],
  latents: { [latent]: { max: 2, density: 0.5, top: [[0, [[0, 2]]]] } },
});

test('contexts are read of places alone', async (t) => {
  const asked = serving(t, { [`${HOOK}/contexts.json`]: labelled({ 1: 'x' }) });
  const contexts = createContexts([{ address: 'https://m/saes' }]);
  for (const hook of ['../../x?', '__proto__', 'blocks.1.hook_resid_pre/..', '']) {
    await contexts.load(hook);
    assert.equal(contexts.get(hook, 1), undefined);
    assert.deepEqual(await contexts.read(hook, 1), { contexts: [] });
  }
  assert.deepEqual(asked, []);
  assert.equal(contexts.get(HOOK, 1), undefined);
  await contexts.load(HOOK);
  assert.equal(contexts.get(HOOK, 1), 'x');
  assert.deepEqual(asked, [`${HOOK}/contexts.json`], 'labels alone');
});

test('contexts are read a file at a time, once each, where the labels stand', async (t) => {
  const [POST, one] = ['blocks.2.hook_resid_post', { tokens: ['a'], activation: new Map([[0, 2]]) }];
  const asked = serving(t, {
    [`${POST}/contexts.json`]: labelled({ 19: 'x', 5: 'y' }),
    [`${POST}/contexts/1.json`]: telling(19, 'a'),
  });
  const contexts = createContexts([{ address: 'https://m/saes' }]);
  const [found] = await Promise.all([contexts.read(HOOK, 19), contexts.read(HOOK, 19), contexts.load(HOOK)]);
  assert.deepEqual(found, { label: 'x', max: 2, density: 0.5, contexts: [one] });
  // Of a latent that its file does not name, and of one whose file is not there, there are none.
  assert.deepEqual(await contexts.read(HOOK, 10), { label: undefined, contexts: [] });
  for (let i = 0; i < 2; i++) assert.deepEqual(await contexts.read(HOOK, 5), { label: 'y', contexts: [] });
  assert.deepEqual(asked, [
    `${HOOK}/contexts.json`,
    `${POST}/contexts.json`,
    `${POST}/contexts/1.json`,
    `${POST}/contexts/0.json`,
  ]);
});

test('a file of contexts that cannot be read loses no other, and is asked for again where that may help', async (t) => {
  /** @type {Record<string, unknown>} */
  const files = {
    [`${HOOK}/contexts.json`]: new TypeError('no connection'),
    [`${HOOK}/contexts/0.json`]: telling(1, 'a'),
    [`${HOOK}/contexts/1.json`]: { ...telling(11, 'b'), format_version: 1 },
    [`${HOOK}/contexts/2.json`]: new Response('{"format_version": 2, "sen'),
    [`${HOOK}/contexts/3.json`]: new Response('', { status: 503 }),
    [`${HOOK}/contexts/4.json`]: new TypeError('no connection'),
  };
  const asked = serving(t, files);
  const contexts = createContexts([{ address: 'https://m/saes' }]);
  await contexts.load(HOOK);
  assert.deepEqual(await contexts.read(HOOK, 1), { label: undefined });
  files[`${HOOK}/contexts.json`] = labelled({ 1: 'x', 11: 'x', 21: 'x', 31: 'x', 41: 'x' });
  const read = () => Promise.all([1, 11, 21, 31, 41].map((latent) => contexts.read(HOOK, latent)));
  const words = async () => (await read()).map(({ label, contexts }) => `${label} ${contexts?.map((c) => c.tokens)}`);
  assert.deepEqual(await words(), ['x a', 'x ', 'x ', 'x undefined', 'x undefined']);
  const before = asked.length;
  files[`${HOOK}/contexts/3.json`] = telling(31, 'c');
  files[`${HOOK}/contexts/4.json`] = telling(41, 'd');
  for (let i = 0; i < 2; i++) assert.deepEqual(await words(), ['x a', 'x ', 'x ', 'x c', 'x d']);
  assert.deepEqual(asked.slice(before), [`${HOOK}/contexts/3.json`, `${HOOK}/contexts/4.json`]);
});

test('a list of results is believed as a whole or not at all', async (t) => {
  const good = JSON.parse(readFileSync(`${WWW}results/index.json`, 'utf8'));
  const asked = answering(t, () => Response.json(good));
  const full = good.map((/** @type {any} */ entry) => ({ ...entry, request: asRequest(entry.request, '') }));
  assert.deepEqual(await createResults('https://m/results/').precomputed(), full);
  for (const change of [
    { file: '../x.json' },
    { file: 'https://evil/x.json' },
    { title: {} },
    { source: 3 },
    { request: {} },
  ]) {
    asked.mock.mockImplementation(async () => Response.json([{ ...good[0], ...change }]));
    assert.deepEqual(await createResults('https://m/results/').precomputed(), [], JSON.stringify(change));
  }
});

test('a file is read up to its bound, and what is wrong has a code', async () => {
  const server = createServer((request, response) => {
    const status = Number(request.url?.slice(1)) || 200;
    response.statusCode = status;
    // Without a word on its length.
    response.write(status === 200 ? 'x'.repeat(10_000) : '');
    response.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const url = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`;
  try {
    assert.equal((await fetchText(`${url}/`, 10_000)).length, 10_000);
    await assert.rejects(fetchText(`${url}/`, 9_999), { code: 'file-too-large' });
    for (const [status, code] of [
      [404, 'file-not-found'],
      [403, 'access-denied'],
      [500, 'fetch-failed'],
    ]) {
      await assert.rejects(fetchText(`${url}/${status}`, 10_000), { code });
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
  await assert.rejects(fetchText(url, 10_000), { code: 'fetch-failed' });
});

test('expectations are those of the documented form', () => {
  const good = JSON.parse(readFileSync(`${WWW}verify.json`, 'utf8'));
  assert.equal(asExpectations(good, '').cases.length, good.cases.length);
  for (const [path, value] of /** @type {[string, unknown][]} */ ([
    ['title', 3],
    ['cases', {}],
    ['cases.0.request.from', 'x'],
    ['cases.0.expect.0.path', 'constructor().x'],
    ['cases.0.expect.0.equals', { toString: 1 }],
    ['cases.0.expect.3.within', 'x'],
    ['cases.0.expect.0', {}],
    ['cases.0.expect.0', null],
    ['cases.0.expect.4.pairs', [[[1, 2], [3]]]],
  ])) {
    assert.equal(passed(asExpectations, changed(good, path, value)), undefined, path);
  }
  const result = fromJson(JSON.stringify(SAVED.latent_to_logit));
  assert.equal(check(result, { what: '', path: 'constructor.name', equals: 'Object' }).passed, false);
  assert.equal(check(result, { what: '', path: 'sources.pos.length', equals: 205 }).passed, true);
});

test('a logit that is off fails its check, and so does a probability', () => {
  const result = fromJson(JSON.stringify(SAVED.latent_to_logit));
  const { string, logit, probability } = /** @type {NonNullable<typeof result.top_logits>} */ (result.top_logits);
  const expected = { what: '', token: string[1], rank: 1, logit: logit[1], probability: probability[1], within: 1e-4 };
  assert.equal(check(result, expected).passed, true);
  assert.equal(check(result, { ...expected, logit: logit[1] + 1e-3 }).passed, false);
  assert.equal(check(result, { ...expected, probability: probability[1] + 1e-3 }).passed, false);
  assert.equal(check(result, { ...expected, rank: 0 }).passed, false);
  assert.equal(check(result, { ...expected, token: 'no such token' }).passed, false);
});

test('every code that the page throws or notes is in the documentation', () => {
  const readme = readFileSync(`${WWW}runtime/README.md`, 'utf8');
  const files = readdirSync(WWW, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.js') && !/^(pkg|models)\b|\/pkg\//.test(path),
  );
  // What else is called so tells events, or parts of a sentence.
  const code = /(?:codedError\(|\bthis(?:\.cache)?\.tell\(|\bcode:)\s*'([a-z]+(?:-[a-z]+)*)'/g;
  const codes = new Set(
    files.flatMap((path) => [...readFileSync(WWW + path, 'utf8').matchAll(code)].map(([, name]) => name)),
  );
  assert.ok(codes.size > 20, [...codes].join());
  for (const name of codes)
    assert.match(readme, new RegExp(`^\\| [^|]*\`${name}\``, 'm'), `www/runtime/README.md lacks ${name}`);
});

test('a server sends what the README says a host should send, and the page runs under it', async () => {
  const readme = readFileSync(`${WWW}README.md`, 'utf8');
  const lines = /```\n(Content-Security-Policy: [^]*?)```/.exec(readme)?.[1].trim().split('\n') ?? [];
  const advised = new Headers(lines.map((line) => /** @type {[string, string]} */ (line.split(/: (.*)/, 2))));
  assert.ok([...advised].length >= 3);
  for (const path of ['', 'runtime/worker.js', 'runtime/pkg/cpu/sae_attribution_bg.wasm', 'embed.html']) {
    const { headers } = await fetch(`${browser.url}/${path}`);
    for (const [name, value] of advised) {
      // Models of a local server come without https.
      const sent = headers.get(name)?.replace("connect-src 'self' http:", "connect-src 'self'");
      assert.equal(
        sent,
        path === 'embed.html' ? value.replace("frame-ancestors 'none'", 'frame-ancestors *') : value,
        path,
      );
    }
  }
  // Nothing of others is sent along: the policy is of the page's own files.
  assert.equal(
    (await fetch(`${browser.url}/hub-0/resolve/model/config.json`)).headers.get('Content-Security-Policy'),
    null,
  );
});

test('the self-test asks no other site before Run is pressed', async () => {
  const page = await browser.context.newPage();
  const asked = /** @type {string[]} */ ([]);
  await page.route('https://other.example/**', (route) => {
    asked.push(route.request().url());
    return route.fulfill({ headers: { 'Access-Control-Allow-Origin': '*' }, json: { title: 3 } });
  });
  await page.goto(`${browser.url}/verify.html?expected=https://other.example/e.json`);
  await page.waitForFunction(() =>
    /Run reads expectations from other\.example/.test(document.querySelector('#about')?.textContent ?? ''),
  );
  assert.deepEqual(asked, []);
  await page.click('#run');
  await page.waitForSelector('#status[data-outcome=error]');
  assert.match((await page.textContent('#status')) ?? '', /title is not text\. \[expectations-invalid\]$/);
  assert.deepEqual(asked, ['https://other.example/e.json']);
  for (const query of ['expected=http://[', 'expected=javascript:1', 'model=http://[&saes=x', 'source=constructor']) {
    await page.goto(`${browser.url}/verify.html?${query}`);
    await page.waitForFunction(() => /\[address-invalid\]$/.test(document.querySelector('#status')?.textContent ?? ''));
  }
  await page.close();
});

// --- what is taken away, and what is derived ---

/** A latent → latent result of given attributions. @param {number[]} values @param {number} columns */
const resultOf = (values, columns) =>
  fromJson(
    JSON.stringify(
      madeUp(values.length / columns, columns, (i) => values[i], { tokens: [' x', ' y'], pos: (i) => i % 2 }),
    ),
  );

test('of equal pairs the first come first, and a threshold is one of float32 that is to be passed', async () => {
  const ties = fromJson(JSON.stringify(madeUp(60, 60, () => 1)));
  const summary = await summarise(ties.attributions, ties.targets.pos, ties.sources.pos);
  assert.deepEqual(
    summary?.all.strongest,
    Array.from({ length: 200 }, (_, i) => i),
  );
  // 0.1 is less than the float32 nearest to it, which a result holds.
  const near = Math.fround(0.1);
  const result = resultOf([9, near, 0.2, 9], 2);
  assert.ok(near > 0.1);
  assert.deepEqual((await pairsAcross(result, 0.1))?.strongest, [2]);
  assert.equal((await pairsAcross(result, Math.fround(0.2)))?.count, 0);
  assert.equal((await pairsAcross(result, 0.0999))?.count, 2);
});

test('a CSV names latents and tokens by number, and computes nothing in a spreadsheet', async () => {
  const latents = resultOf([1, 2, 3, 4], 2);
  latents.sources.label = ['=HYPERLINK("http://evil")', '+1'];
  latents.targets.label = ['-1', '@x'];
  latents.model.name = '=1+1';
  latents.request.prompt = '@x,"y"';
  const lines = (await (await csv(latents, { meaning: () => '=2' })).text()).split('\n');
  const first = `'=1+1,"'@x,""y""",blocks.0.hook_resid_pre,blocks.1.hook_resid_pre`;
  assert.equal(lines[1], `${first},0,0,"'=HYPERLINK(""http://evil"")",'=2,1,0,0,'-1,'=2,1,1,1`);
  assert.equal(lines[4], `${first},1,1,'+1,'=2,1,1,1,'@x,'=2,1,4,4`);
  const tokens = fromJson(JSON.stringify(SAVED.token_to_latent));
  const [, token] = (await (await csv(tokens)).text()).split('\n');
  assert.ok(token.includes(`,tokens,blocks.3.hook_resid_pre,0,${tokens.tokens.token_id[0]},`), token);
  const logits = fromJson(JSON.stringify(SAVED.latent_to_logit));
  const [, second] = (await (await csv(logits)).text()).split('\n');
  assert.equal(second.split(',').at(-6), String(logits.targets.token_id[0]), second);
});

test('a scale leaves out what is more than five times almost all others', () => {
  const of = (/** @type {number} */ most) =>
    defaultLimit(Float32Array.from({ length: 1000 }, (_, i) => (i === 0 ? most : 1)));
  assert.equal(of(4.9), Math.fround(4.9));
  assert.ok(Math.abs(of(5.2) - 1) < 0.01);
});
