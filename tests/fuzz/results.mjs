// Saved results that were tampered with: each is refused with `result-invalid`, or is used for all that a
// page uses a result for, and is the same when it is saved and read again.
//
//   node tests/fuzz/results.mjs [SEED] [CASES]

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { pairsAcross, summarise } from '../../www/figure/analysis.js';
import { cutOff } from '../../www/figure/legend.js';
import { axisTitles, caption } from '../../www/app/export/about.js';
import { csv } from '../../www/app/export/csv.js';
import { picture } from '../../www/app/export/picture.js';
import { decodeState, encodeState } from '../../www/app/links.js';
import { describeRequest, viewOf } from '../../www/figure/request.js';
import { fromJson, titleOf } from '../../www/figure/result.js';
import { toJson, toJsonParts } from '../../www/figure/write.js';
import { keyOf } from '../../www/app/results.js';
import { originsOf } from '../../www/app/snippet.js';
import { addressesRead, revisionsOf, sourceOf, SOURCES } from '../../www/app/sources.js';
import { DEFAULT_VIEW, SORTS } from '../../www/figure/view.js';
import { axes, describeCell, savedLabel } from '../../www/figure/axes.js';
import * as findings from '../../www/app/panels/findings.js';
import { defaultLimit } from '../../www/figure/scale.js';
import { logits, statistics } from '../../www/app/panels/tables.js';
import { document } from './document.mjs';
import { assertPython, flipped, hostile, jsonOf, repeat } from './hostile.mjs';
import { random } from './random.mjs';

/** @typedef {import('./hostile.mjs').Random} Random */

const RESULTS = new URL('../../www/results/', import.meta.url);
const PAGE = new URL('https://page.example/sae/');

/** A few nodes of a result, over its first tokens. @param {string} file */
function cut(file) {
  const result = JSON.parse(readFileSync(new URL(file, RESULTS), 'utf8'));
  const [nSources, nTargets, nTokens] = [3, Math.min(2, result.targets.pos.length), 3];
  const nodes = (/** @type {any} */ side, /** @type {number} */ n) => {
    const few = Object.fromEntries(
      Object.entries(side).map(([key, value]) => [key, Array.isArray(value) ? value.slice(0, n) : value]),
    );
    return { ...few, pos: few.pos.map((/** @type {number} */ _, /** @type {number} */ i) => i % nTokens) };
  };
  const values = Array.from({ length: nSources * nTargets }, (_, i) => result.gradients[i]);
  const few = (/** @type {any} */ found) =>
    found &&
    Object.fromEntries(Object.entries(found).map(([key, value]) => [key, /** @type {any[]} */ (value).slice(0, 2)]));
  const { statistics: told, top_logits, pair_logits, off_staircase } = result;
  return {
    format_version: 2,
    request: result.request,
    runtime: result.runtime,
    model: result.model,
    tokens: { token_id: result.tokens.token_id.slice(0, nTokens), string: result.tokens.string.slice(0, nTokens) },
    sources: nodes(result.sources, nSources),
    targets: nodes(result.targets, nTargets),
    gradients: values,
    attributions: values,
    ...(off_staircase && { off_staircase: { threshold: 2, target: [0, 1], source: [2, 1] } }),
    ...(top_logits && { top_logits: few(top_logits) }),
    ...(pair_logits && { pair_logits }),
    statistics: {
      ...told,
      sources_per_position: [1, 1, 1],
      targets_per_position: [1, 1, 0],
      sae_error_norm: told.sae_error_norm.slice(0, nTokens),
    },
    latent_labels: {
      [result.sources.hook_name ?? result.targets.hook_name]: { 0: 'a label', [result.sources.latent[0] ?? 1]: 'b' },
    },
  };
}

const BASES = ['tiny-token-latent', 'tiny-latent-latent', 'tiny-latent-logit', 'tiny-logit-difference']
  .map((name) => cut(`${name}.json`))
  // Attributions may be left out.
  .flatMap((base) => [base, { ...base, attributions: undefined }])
  .map((base) => ({ text: JSON.stringify(base), places: places(base) }));

/** Where something can be changed. @param {any} value @param {string[]} [path] @returns {string[][]} */
function places(value, path = []) {
  if (typeof value !== 'object' || !value) return [];
  return Object.keys(value).flatMap((key) => [[...path, key], ...places(value[key], [...path, key])]);
}

/** One change at a place. @param {any} result @param {string[]} path @param {Random} random @param {string[][]} others */
function change(result, path, random, others) {
  const at = (/** @type {string[]} */ keys) =>
    keys.reduce(
      (found, key) =>
        typeof found === 'object' && found !== null && Object.hasOwn(found, key) ? found[key] : undefined,
      result,
    );
  const parent = at(path.slice(0, -1));
  if (typeof parent !== 'object' || parent === null) return;
  const key = path[path.length - 1];
  switch (random.int(6)) {
    case 0:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
      return;
    case 1:
      if (Array.isArray(parent)) parent.push(parent[0]);
      else
        Object.defineProperty(parent, random.pick(['__proto__', 'constructor', 'extra', 'source', 'length']), {
          value: hostile(random),
          enumerable: true,
          configurable: true,
        });
      return;
    case 2:
      parent[key] = structuredClone(at(random.pick(others)));
      return;
    case 3:
      // Mostly of the kind that belongs: such pass, and are used.
      if (typeof parent[key] === 'number') parent[key] = random.pick([0, 1, 2, -1, 0.5, 1e-45, 1e38, 7]);
      else if (typeof parent[key] === 'string')
        parent[key] += String(random.pick(['', 'x', '\n', '<', '\u202e', '"', '😀', '\ud800', "'", ')']));
      return;
    default:
      parent[key] = hostile(random);
  }
}

/** What every view takes for granted. @param {import('../../www/figure/result.js').Saved} result */
function assertWhole({ tokens, sources, targets, gradients, attributions, off_staircase, statistics }) {
  const n = tokens.string.length;
  assert.equal(tokens.token_id.length, n);
  for (const { kind, pos, latent, token_id, activation, label, d_sae } of [sources, targets]) {
    assert.deepEqual([activation.length, label.length], [pos.length, pos.length], 'columns differ in length');
    assert.equal(latent.length, kind === 'latent' ? pos.length : 0);
    assert.equal(token_id.length, kind === 'token' || kind === 'logit' ? pos.length : 0);
    assert.ok(
      pos.every((at) => at < n),
      'a node is at a position that there is none of',
    );
    assert.ok(
      latent.every((at) => at < (d_sae ?? Infinity)),
      'a latent that the SAE lacks',
    );
    assert.ok(activation.every(Number.isFinite) && label.every((text) => typeof text === 'string'));
  }
  for (const values of [gradients, attributions]) {
    assert.equal(values.length, sources.pos.length * targets.pos.length);
    assert.ok(values.every(Number.isFinite), 'a value is not finite');
  }
  assert.ok(off_staircase?.target.every((row) => row < targets.pos.length) ?? true);
  assert.ok(off_staircase?.source.every((column) => column < sources.pos.length) ?? true);
  assert.deepEqual([statistics.sources_per_position.length, statistics.targets_per_position.length], [n, n]);
}

/** Uses a result for everything. @param {import('../../www/figure/result.js').Saved} result @param {Random} random */
async function use(result, random) {
  assertWhole(result);
  const json = toJson(result);
  assert.equal(toJson(fromJson(json)), json, 'read again it is another result');
  if (random.chance(0.02)) {
    let parts = '';
    for await (const part of toJsonParts(result)) parts += part;
    assert.equal(toJson(fromJson(parts)), json, 'saved and read again it is another result');
  }
  const { request, sources, targets, attributions } = result;
  const meaning = (/** @type {any} */ nodes, /** @type {number} */ node) => savedLabel(result, nodes, node);
  const view = {
    ...DEFAULT_VIEW,
    rows: random.pick(SORTS),
    columns: random.pick(SORTS),
    across: random.chance(0.5),
    cell: random.chance(0.5) ? { row: 0, column: 0 } : undefined,
  };
  const summary = await summarise(attributions, targets.pos, sources.pos);
  const limit = defaultLimit(attributions);
  assert.ok(limit > 0 && limit < Infinity && cutOff(attributions, limit).low >= 0);
  const across = await pairsAcross(result, request.threshold ?? 2);
  assert.ok(summary && across);
  for (let row = 0; row < targets.pos.length; row++) {
    for (let column = 0; column < sources.pos.length; column++)
      assert.equal(describeCell(result, { row, column }, 1, meaning).length, 6);
  }
  if (targets.pos.length > 0 && sources.pos.length > 0) {
    const matrix = { values: attributions, ...axes(result, view, summary, meaning), limit };
    const { svg } = await picture(matrix, {
      title: titleOf(result),
      caption: caption(result, { view, page: PAGE, limit }),
      axes: axisTitles(result, view),
      width: random.pick([240, 1200]),
    });
    assert.ok(!/<(?!\/?(svg|title|text|image|path|rect)[\s>/])/.test(svg), 'markup in a picture');
    assert.ok(
      !/="[^"]*(NaN|undefined|Infinity)|[\0-\x09\x0b-\x1f\u202a-\u202e\ufffe\uffff]/.test(svg),
      'no number, or no character',
    );
    for (const axis of [matrix.rows, matrix.columns]) for (let i = 0; i < axis.n; i++) axis.label(axis.order[i], true);
  }
  assert.ok((await csv(result)).size > 0);
  const options = { document, meaning, onPick() {}, onLower() {}, lower: 1 };
  const written = [
    ...statistics(result, document),
    ...logits(result, document),
    ...findings.strongestPairs(
      result,
      summary.all.strongest,
      'attributions',
      summary.all.rowTotal,
      view.across,
      options,
    ),
    ...findings.pairsAcross(result, across, options),
  ].join('\n');
  assert.ok(!/[\0-\t\v-\x1f\u202a-\u202e\u2066-\u2069]/.test(written), 'a control character is shown');
  assert.ok(describeRequest(request) && viewOf(request) && revisionsOf(addressesRead(result), PAGE));
  assert.ok(!/[\0-\x1f\u202a-\u202e\u2066-\u2069]/.test(titleOf(result) + revisionsOf(addressesRead(result), PAGE)));
  sourceOf(SOURCES, result, PAGE, 'demo');
  const state = decodeState(encodeState('tiny', request, { ...view, threshold: request.threshold ?? 2 }));
  assert.ok(state.request, 'its link asks for nothing');
  assert.equal(keyOf('tiny', state.request), keyOf('tiny', request), 'its link asks for something else');
  assertPython(request, originsOf(result));
}

/** @param {{seed: number, cases?: number, seconds?: number}} options */
export async function run(options) {
  let passed = 0;
  const cases = await repeat(
    options,
    async (rng, note) => {
      const { text, places } = rng.pick(BASES);
      let json = text;
      if (rng.chance(0.8)) {
        const result = JSON.parse(text);
        for (let n = 1 + rng.int(3); n > 0; n--) change(result, rng.pick(places), rng, places);
        json = jsonOf(result);
      }
      if (json === text || rng.chance(0.1)) json = flipped(json, rng);
      note(json);
      let result;
      try {
        result = fromJson(json);
      } catch (error) {
        assert.equal(
          /** @type {any} */ (error).code,
          'result-invalid',
          `thrown without its code: ${/** @type {Error} */ (error).stack}`,
        );
        assert.ok(/** @type {Error} */ (error).message.length < 400, 'a sentence that nobody reads');
        return;
      }
      passed++;
      await use(result, rng);
    },
    random,
  );
  run.passed = passed;
  return cases;
}
/** Cases of the last run that were let through and used. */
run.passed = 0;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [seed = 1, cases = 1e6] = process.argv.slice(2).map(Number);
  const start = Date.now();
  const done = await run({ seed, cases });
  console.log(
    `seed ${seed}: ${done} results, ${run.passed} of them used; ${Math.round((1000 * done) / (Date.now() - start))} a second`,
  );
}
