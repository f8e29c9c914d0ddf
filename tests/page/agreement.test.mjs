// Predicted and measured in words and numbers: badges, sentences, the pairs that are told, what attributions sum to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ablationOf, interventionOf, measurePair, whyNot } from '../../www/app/intervene.js';
import { describeCurves, enough } from '../../www/app/panels/curves.js';
import { badgeOf, correlation } from '../../www/figure/badge.js';
import { completenessOf, describeFit, largestCells, worstCells } from '../../www/figure/agreement.js';
import { measuredSentence } from '../../www/figure/measured-words.js';
import { fromJson } from '../../www/figure/result.js';
import { hasValues, valuesOf } from '../../www/figure/values.js';
import { readView, writeView } from '../../www/figure/view-link.js';
import { DEFAULT_VIEW } from '../../www/figure/view.js';
import { madeUp, resid } from './browser.mjs';
import { madeMeasured } from './measured.mjs';

const TOKENS = ['<|endoftext|>', ' a', ' b'];
/** @param {any} made @returns {any} */
const read = (made) => fromJson(JSON.stringify(made));
const PREDICTED = [2.63, 0, -1, 0.5, 8, -0.25];
const FOUND = [2.41, 0.75, -1, -0.5, 0, -0.25];
const RESULT = read(
  madeMeasured(
    2,
    3,
    (i) => PREDICTED[i],
    (i) => FOUND[i],
    { tokens: TOKENS, pos: (i) => i, logits: [' tennis', ' golf'] },
  ),
);

test('a matrix is what was predicted, measured, or how far apart they are', () => {
  assert.deepEqual([...valuesOf(RESULT, 'ablations')], FOUND.map(Math.fround));
  const misses = PREDICTED.map((value, i) => Math.fround(Math.fround(value) - Math.fround(FOUND[i])));
  assert.deepEqual([...valuesOf(RESULT, 'misses')], misses);
  assert.equal(valuesOf(RESULT, 'misses'), valuesOf(RESULT, 'misses'));
  const plain = read(madeUp(2, 3, (i) => i));
  assert.deepEqual(
    ['attributions', 'gradients', 'ablations', 'misses'].map((shown) => hasValues(plain, /** @type {any} */ (shown))),
    [true, true, false, false],
  );
  assert.equal(valuesOf(plain, 'misses'), plain.attributions);
  for (const shown of /** @type {const} */ (['gradients', 'ablations', 'misses'])) {
    const link = new URLSearchParams();
    writeView({ ...DEFAULT_VIEW, shown }, link);
    assert.deepEqual(readView(link), { shown });
  }
  for (const odd of ['constructor', 'MISSES', '']) assert.deepEqual(readView(new URLSearchParams({ shown: odd })), {});
});

test('a badge says the correlation, or why there is none', () => {
  assert.equal(badgeOf(RESULT), 'r = 0.93 predicted vs measured');
  assert.equal(badgeOf(read(madeUp(1, 1, () => 1))), '');
  const lacking = (/** @type {any} */ lacks) =>
    badgeOf({ ...RESULT, agreement: { ...RESULT.agreement, all: { pairs: 0, lacks } } });
  assert.equal(lacking('all_zero'), 'predicted vs measured: no figure, all attributions and ablations are 0');
  assert.match(lacking('too_few'), /fewer than three pairs/);
  assert.match(lacking('constant'), /are equal/);
  // What is nearly perfect is not called so.
  assert.deepEqual([1, 0.9999, 0.991, 0.99, 0, -0.001, -0.5].map(correlation), [
    '1.00',
    '0.999',
    '0.991',
    '0.99',
    '0.00',
    '0.00',
    '−0.50',
  ]);
  const { all } = RESULT.agreement;
  assert.equal(
    describeFit(all),
    'Over 6 pairs, attributions and ablations correlate at 0.93 (Pearson), ranks 0.81 (Spearman); an attribution of 1 goes with an ablation of 0.88. Of the 6 largest attributions, 96.0 % have the sign of what was measured.',
  );
  assert.equal(describeFit({ pairs: 1, lacks: 'too_few' }), 'No figures: fewer than three pairs are not 0.');
});

test('the pair in a sentence: what happens, what was predicted, and where the sign is another', () => {
  const said = (/** @type {number} */ row, /** @type {number} */ column) =>
    measuredSentence(RESULT, { row, column }, RESULT.ablations[row * 3 + column]);
  assert.equal(said(0, 0), 'Taking it away lowers “ tennis” by 2.41; the attribution predicted 2.63.');
  assert.equal(said(0, 1), 'Taking it away lowers “ tennis” by 0.75; the attribution predicted 0.');
  assert.equal(said(0, 2), 'Taking it away raises “ tennis” by 1; the attribution predicted 1.');
  assert.equal(
    said(1, 0),
    'Taking it away raises “ golf” by 0.5; the attribution predicted that it would lower it by 0.5.',
  );
  assert.equal(said(1, 1), 'Taking it away does not change “ golf”; the attribution predicted 8.');
  const patched = {
    ...RESULT,
    request: { ...RESULT.request, patch: ' c d' },
    baseline: { tokens: RESULT.tokens, activation: [0.5, 0, 0] },
  };
  assert.match(
    measuredSentence(patched, { row: 0, column: 0 }, 2),
    /^Setting it to what it is in “ c d” \(0\.5\) lowers/,
  );
});

test('of many pairs the largest are drawn, and the worst told first', async () => {
  assert.deepEqual(await largestCells(RESULT, 10), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(await largestCells(RESULT, 2), [0, 4]);
  assert.deepEqual(await largestCells(RESULT, 10, 1), [3, 4, 5]);
  assert.deepEqual(await worstCells(RESULT, 10), [4, 3, 1, 0]);
  assert.deepEqual(await worstCells(RESULT, 2), [4, 3]);
  assert.deepEqual(await worstCells(RESULT, 2, 0), [1, 0]);
  const many = read(
    madeMeasured(
      500,
      1000,
      (i) => ((i * 7919) % 10_007) - 5003,
      () => 0,
    ),
  );
  const largest = await largestCells(many, 4000);
  assert.ok(largest.length <= 4000 && largest.length > 3900, String(largest.length));
  const least = Math.min(...largest.map((i) => Math.abs(many.attributions[i])));
  const left = new Set(largest);
  let over = 0;
  // The bins of sizes are 1 in 128 wide: but for the last of them, none that is larger is left out.
  for (let i = 0; i < many.attributions.length; i++)
    if (!left.has(i) && Math.abs(many.attributions[i]) > least * (1 + 1 / 64)) over++;
  assert.equal(over, 0);
  const worst = await worstCells(many, 3);
  assert.deepEqual(
    worst.map((i) => Math.abs(many.attributions[i])),
    [5003, 5003, 5003],
  );
});

test('what attributions sum to is told with what is left', () => {
  assert.deepEqual(completenessOf(RESULT, 1), { latents: 8.25, error: 0.75, rest: 2 - 8.25 - 0.75, total: 2 });
  const { error: _, ...omitted } = RESULT.completeness;
  assert.deepEqual(completenessOf({ ...RESULT, completeness: omitted }, 1), {
    latents: 8.25,
    error: undefined,
    rest: 2 - 8.25,
    total: 2,
  });
  assert.equal(completenessOf({ ...RESULT, completeness: undefined }, 1), undefined);
});

test('the fewest latents that are enough are those whose share is, first', () => {
  const curve = (/** @type {number[] | undefined} */ faithfulness) => ({
    empty: 1,
    keep: [1, 2, 3, 4],
    remove: [4, 3, 2, 1],
    ...(faithfulness && { faithfulness, completeness: [1, 0.5, 0.2, 0] }),
  });
  /** @type {any} */
  const curves = {
    target_label: "' tennis'",
    clean: 22.6,
    order: Array(40).fill(0),
    counts: [0, 1, 10, 40],
    with_error: curve([0, 0.5, 0.91, 1]),
    without_error: curve([0, 0.2, 0.89, 0.7]),
  };
  assert.equal(enough(curves, 'with_error'), 10);
  assert.equal(enough(curves, 'without_error'), undefined);
  assert.equal(
    describeCurves(curves),
    "Of ' tennis' (22.6 in the model, 1 with all 40 latents taken away): with the SAE’s error kept, one can stop at 10: the latents with the largest attributions carry 0.9 of it or more. With the error taken away, too, no number of them carries 0.9 of it.",
  );
  curves.with_error = curve(undefined);
  assert.equal(enough(curves, 'with_error'), undefined);
  assert.match(describeCurves(curves), /kept, taking all latents away changes nothing\./);
});

test('one pair is measured by a run of its own, which is asked until the target is in it', async () => {
  assert.deepEqual(interventionOf(RESULT, { row: 0, column: 1 }, 10), {
    prompt: '',
    edits: [{ place: resid(0), pos: 1, latent: 1, set: 0 }],
    observe: [],
    top_logits: 10,
  });
  const patched = { ...RESULT, baseline: { tokens: RESULT.tokens, activation: [0.5, 0.25, 0] } };
  assert.equal(interventionOf(patched, { row: 0, column: 1 }, 10).edits[0].set, 0.25);
  const latents = read(
    madeMeasured(
      2,
      3,
      (i) => i,
      (i) => i,
      { tokens: TOKENS, pos: (i) => i },
    ),
  );
  assert.deepEqual(interventionOf(latents, { row: 1, column: 2 }, 10).observe, [resid(1)]);
  const seen = { latents: { ...latents.targets, activation: Float32Array.of(3, 5) }, after: [1, 4.5] };
  const logits = { token_id: [9, 0, 1], logit_before: [1, 5, 2], logit_after: [1, 3, 2.5] };
  /** @type {any} */
  const intervened = { logits, observed: [seen] };
  assert.equal(ablationOf(latents, { row: 1, column: 2 }, intervened), 0.5);
  assert.equal(ablationOf(RESULT, { row: 0, column: 0 }, intervened), 2);
  const difference = {
    ...RESULT,
    targets: { ...RESULT.targets, kind: 'logit_difference' },
    pair_logits: { token_id: [0, 1] },
  };
  assert.equal(ablationOf(/** @type {any} */ (difference), { row: 0, column: 0 }, intervened), 2.5);
  assert.equal(whyNot(RESULT), '');
  assert.match(whyNot({ ...RESULT, request: { ...RESULT.request, error: 'omit' } }), /full check/);
  assert.match(whyNot({ ...RESULT, sources: { ...RESULT.sources, kind: 'token' } }), /full check/);

  /** @type {number[]} */
  const asked = [];
  const { signal } = new AbortController();
  const ask = async (/** @type {any} */ { top_logits }) => {
    asked.push(top_logits);
    return top_logits < 3000 ? { logits: { token_id: [9] }, observed: [] } : intervened;
  };
  const options = { signal, vocabulary: () => 3001 };
  const found = await measurePair(RESULT, { row: 0, column: 0 }, /** @type {any} */ (ask), options);
  assert.deepEqual([found.ablation, asked], [2, [10, 1000, 3001]]);
  const never = async () => /** @type {any} */ ({ logits: { token_id: [] }, observed: [] });
  await assert.rejects(measurePair(RESULT, { row: 0, column: 0 }, never, options), { code: 'request-invalid' });
});
