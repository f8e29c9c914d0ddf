// What a result says of its own attributions: read, refused, written; requests that ask for it, in words and links.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { decodeState, encodeState } from '../../www/app/links.js';
import { answers, keyOf, unmeasured } from '../../www/app/results.js';
import { csv } from '../../www/app/export/csv.js';
import { measuredPython, notSame } from '../../www/app/snippet-measured.js';
import { advice, progressTeller } from '../../www/app/words.js';
import { progressText } from '../../www/embed/words.js';
import { asRequest, describeRequest } from '../../www/figure/request.js';
import { fromJson, titleOf } from '../../www/figure/result.js';
import { toJson, toJsonParts } from '../../www/figure/write.js';
import { DEFAULT_VIEW } from '../../www/figure/view.js';
import { resid } from './browser.mjs';
import { madeMeasured } from './measured.mjs';

/** @typedef {import('../../www/runtime/protocol.js').Request} Request */

const validate = new Ajv2020({ strictTypes: false }).compile(
  JSON.parse(readFileSync(new URL('../../www/figure/result.schema.json', import.meta.url), 'utf8')),
);
const TOKENS = ['<|endoftext|>', ' a', ' b'];
const MADE = madeMeasured(
  2,
  3,
  (i) => i - 2,
  (i) => 0.9 * (i - 2),
  { tokens: TOKENS, pos: (i) => i },
);
/** Against a prompt that the sources are compared with. */
const PATCHED = {
  ...MADE,
  request: { ...MADE.request, patch: ' c d' },
  baseline: { tokens: { string: ['<|endoftext|>', ' c', ' d'], token_id: [0, 5, 6] }, activation: [0.5, 0, 1] },
};

/** @param {any} result @param {string} path @param {unknown} value */
function changed(result, path, value) {
  const copy = structuredClone(result);
  const keys = path.split('.');
  const last = /** @type {string} */ (keys.pop());
  const parent = keys.reduce((found, key) => found[key], copy);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return copy;
}

/** @param {unknown} result */
function refusal(result) {
  try {
    fromJson(JSON.stringify(result));
  } catch (error) {
    const { code, message } = /** @type {Error & {code?: string}} */ (error);
    assert.equal(code, 'result-invalid');
    return message;
  }
  return '';
}

test('what was measured is read, and is the same when it is written and read again', async () => {
  for (const made of [MADE, PATCHED]) {
    const result = fromJson(JSON.stringify(made));
    assert.deepEqual([...(result.ablations ?? [])], made.ablations.map(Math.fround));
    assert.deepEqual(result.agreement, made.agreement);
    assert.deepEqual(result.completeness, made.completeness);
    assert.deepEqual(result.baseline, made.baseline);
    let json = '';
    for await (const part of toJsonParts(result)) json += part;
    assert.equal(toJson(fromJson(json)), toJson(result));
    assert.ok(validate(JSON.parse(json)), JSON.stringify(validate.errors));
  }
});

test('attributions that are left out are those of what a source differs by from the patch', () => {
  const { attributions, ...rest } = { ...PATCHED, gradients: [1, 2, 3, 4, 5, 6] };
  assert.equal(attributions.length, 6);
  const result = fromJson(JSON.stringify({ ...rest, sources: { ...rest.sources, activation: [2, 3, 4] } }));
  assert.deepEqual([...result.attributions], [1.5, 6, 9, 6, 15, 18]);
});

test('anything else in their place is refused with it, by the schema, too', () => {
  /** @type {[any, string, unknown, RegExp, boolean?][]} last: whether the schema can see it */
  const cases = [
    [MADE, 'ablations', [1, 2], /ablations has 2 entries, not 6/, false],
    [MADE, 'ablations.3', null, /ablations\[3\] is not a finite number/],
    [MADE, 'ablations.3', 1e39, /ablations\[3\] is not a finite number/],
    [MADE, 'ablations', undefined, /agreement is of ablations, which are missing/, false],
    [MADE, 'agreement.all', undefined, /agreement\.all/],
    [MADE, 'agreement.targets', [], /agreement\.targets has 0 entries, not 2/, false],
    [MADE, 'agreement.targets.1.pearson', 1.5, /agreement\.targets\[1\]\.pearson is not from/],
    [MADE, 'agreement.targets.1.pearson', undefined, /agreement\.targets\[1\] has neither pearson nor lacks/],
    [MADE, 'agreement.all.lacks', 'luck', /agreement\.all\.lacks is not one of/],
    [MADE, 'agreement.all.same_sign', -0.1, /same_sign is not from 0 to 1/],
    [MADE, 'agreement.all.pairs', 1.5, /pairs/],
    [MADE, 'completeness.total', [1], /completeness\.total has 1 entries, not 2/, false],
    [MADE, 'completeness.total.0', 'NaN', /completeness\.total\[0\]/],
    [MADE, 'completeness.error', [1, 2, 3], /completeness\.error has 3 entries, not 6/, false],
    [MADE, 'baseline', PATCHED.baseline, /baseline is there, but the request has no patch/],
    [PATCHED, 'baseline', undefined, /baseline is missing/],
    [PATCHED, 'baseline.activation', [1], /baseline\.activation has 1 entries, not 3/, false],
    [
      PATCHED,
      'baseline.tokens',
      { string: [' c'], token_id: [1] },
      /baseline\.tokens\.string has 1 entries, not 3/,
      false,
    ],
    [PATCHED, 'request.patch', 5, /request\.patch is not text/],
    [MADE, 'request.measure', 'yes', /request\.measure is neither true nor false/],
    [MADE, 'request.method', 'magic', /request\.method is not one of gradient, frozen/],
    [MADE, 'request.method', { integrated: 0 }, /request\.method\.integrated/],
    [MADE, 'request.method', { integrated: 301 }, /request\.method\.integrated/],
  ];
  for (const [made, path, value, sentence, isSeen = true] of cases) {
    const one = changed(made, path, value);
    assert.match(refusal(one), sentence, path);
    assert.equal(validate(one), !isSeen, `schema, ${path}: ${JSON.stringify(value)}`);
  }
  // Where there is nothing to compare, it is said why.
  for (const lacks of ['all_zero', 'too_few', 'constant'])
    assert.equal(refusal(changed(MADE, 'agreement.all', { pairs: 0, lacks })), '');
  assert.equal(refusal(changed(MADE, 'completeness.error', undefined)), '');
});

test('a request says how sources are credited, and what they are compared with', () => {
  const asked = { prompt: 'a', from: resid(0), to: resid(1) };
  const read = (/** @type {object} */ more) => asRequest({ ...asked, ...more }, '');
  assert.deepEqual(read({ method: 'gradient', measure: false }), { ...asked, error: 'keep', threshold: 2 });
  assert.equal(
    describeRequest(read({ method: 'frozen' })),
    'latent → latent, resid_pre 0 → resid_pre 1, attention and LayerNorms frozen',
  );
  assert.match(
    describeRequest(read({ method: { integrated: 10 }, patch: 'x\n' })),
    /, integrated gradients of 10 steps, against “x\\n”$/,
  );
  assert.match(describeRequest(read({ method: { integrated: 1 } })), /of 1 step$/);
  assert.match(describeRequest(read({ patch: 'y'.repeat(99) })), /against “y{59}…”$/);
  assert.match(titleOf(fromJson(JSON.stringify(PATCHED))), /, against “ c d” · /);
  const tokens = { prompt: 'a', from: 'tokens', to: resid(1) };
  for (const refused of [{ patch: 'b' }, { method: { integrated: 3 } }, { error: 'omit' }])
    assert.throws(() => asRequest({ ...tokens, ...refused }, ''), /tokens have no/);
  assert.equal(asRequest({ ...tokens, method: 'frozen', measure: true }, '').measure, true);
});

test('links hold all of it; what is malformed is left out', () => {
  /** @type {Request[]} */
  const requests = [
    { prompt: 'a', from: resid(0), to: resid(1), method: 'frozen', measure: true },
    { prompt: 'a', from: resid(0), to: { top_logits: 3 }, method: { integrated: 10 }, patch: ' b&c=1 #' },
    { prompt: 'a', from: resid(0), to: { logit_difference: [' a', ' b'] }, error: 'omit', patch: '' },
    { prompt: 'a', from: 'tokens', to: resid(1), method: 'frozen', measure: true },
  ];
  for (const request of requests) {
    const { request: again } = decodeState(encodeState('tiny', request, DEFAULT_VIEW));
    assert.deepEqual(again, { error: 'keep', threshold: 2, ...request });
  }
  const plain = { prompt: 'a', from: resid(0), to: resid(1), error: 'keep', threshold: 2 };
  const link = `prompt=a&from=${resid(0)}&to=${resid(1)}`;
  for (const odd of ['method=magic', 'steps=0', 'steps=301', 'steps=-1', 'steps=1e2', 'measure=true', 'measure=0'])
    assert.deepEqual(decodeState(`${link}&${odd}`).request, plain, odd);
  const ofTokens = decodeState(`prompt=a&from=tokens&to=${resid(1)}&patch=b&steps=3&measure=1`).request;
  assert.deepEqual(ofTokens, { ...plain, from: 'tokens', measure: true });
});

test('each has an answer of its own; a measured one answers what does not measure, not the other way', () => {
  /** @type {Request} */
  const asked = { prompt: 'a', from: resid(0), to: resid(1) };
  /** @type {Request[]} */
  const all = [
    asked,
    { ...asked, method: 'frozen' },
    { ...asked, method: { integrated: 10 } },
    { ...asked, method: { integrated: 11 } },
    { ...asked, patch: 'b' },
    { ...asked, patch: '' },
    { ...asked, measure: true },
    { ...asked, method: 'frozen', measure: true },
  ];
  assert.equal(new Set(all.map((request) => keyOf('a', request))).size, all.length);
  assert.equal(keyOf('a', asked), keyOf('a', { ...asked, method: 'gradient', measure: false }));
  assert.ok(answers(all[6], asked) && answers(asked, asked) && answers(all[6], all[6]));
  assert.ok(!answers(asked, all[6]) && !answers(all[1], asked) && !answers({ ...all[4], measure: true }, asked));
  assert.deepEqual(unmeasured(all[6]), asked);
});

test('phases and codes have words', () => {
  const tell = progressTeller({ prompt: 'a', from: resid(0), to: resid(1) });
  const at = (/** @type {any} */ phase) => ({ phase, done: 3, total: 9, flop: 0 });
  assert.equal(tell(at('ablate')), 'Taking sources away: 3 of 9 steps');
  assert.equal(tell(at('generate')), 'Writing on: 3 of 9 tokens');
  for (const phase of ['ablate', 'generate']) assert.equal(progressText(at(phase)), tell(at(phase)));
  assert.match(advice('patch-length'), /as many tokens/);
});

test('a CSV has what was measured in a column of its own, and pairs whose gradient alone is 0', async () => {
  const lines = async (/** @type {any} */ made) =>
    (await (await csv(fromJson(JSON.stringify(made)))).text()).trimEnd().split('\n');
  const { ablations: _, agreement: __, ...plain } = MADE;
  const [head, ...rows] = await lines(MADE);
  assert.match(head, /,gradient,attribution,ablation$/);
  assert.match(rows[0], /,-2,-2,-1\.8$/);
  assert.match((await lines(plain))[0], /,gradient,attribution$/);
  const woken = {
    ...MADE,
    ablations: MADE.ablations.map((/** @type {number} */ v, /** @type {number} */ i) => (i === 2 ? 7 : v)),
  };
  assert.equal((await lines(woken)).filter((line) => /,0,0,7$/.test(line)).length, 1);
});

test('Python takes the pinned latent away with SAELens, and prints what the page found beside it', () => {
  const result = fromJson(JSON.stringify(MADE));
  const of = (/** @type {any} */ changed) =>
    measuredPython({ ...result, ...changed }, { row: 1, column: 2 }, Math.fround(2.7));
  const latents = of({});
  assert.match(latents, /acts\[0, 2, 2\] = 0\n/);
  assert.match(latents, /model\.saes\(saes=\[source\], use_error_term=True\)/);
  assert.match(latents, /\("blocks\.1\.hook_resid_pre", lambda y, hook/);
  assert.match(latents, /target\.encode\(found\[0\]\)\[0, 1, 1\]/);
  assert.match(latents, /"on the page", 2\.7\)/);
  assert.match(of({ targets: { ...result.targets, kind: 'logit' } }), /\(logits - logits\.mean\(\)\)\[to\[1\]\]/);
  assert.match(
    of({ targets: { ...result.targets, kind: 'logit_difference' } }),
    /logits\[positive\] - logits\[negative\]/,
  );
  const patched = fromJson(JSON.stringify(PATCHED));
  assert.match(measuredPython(patched, { row: 0, column: 0 }, 1), /acts\[0, 0, 0\] = 0\.5\n/);
  // What writes elsewhere has no error term in SAELens.
  const transcoder = { request: { ...result.request, from: 'blocks.0.ln2.hook_normalized' } };
  assert.match(of(transcoder), /without = x\.clone\(\)/);
  assert.equal(of({ request: { ...result.request, error: 'omit' } }), '');
  assert.equal(of({ request: { ...result.request, from: 'tokens' } }), '');
  assert.equal(notSame(result.request), '');
  assert.match(notSame({ ...result.request, method: 'frozen' }), /of another method/);
  assert.match(notSame(patched.request), /another prompt/);
});
