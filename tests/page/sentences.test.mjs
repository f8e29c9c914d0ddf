// Sentences of a result: what they say is what the numbers say.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sumsAt, summarise } from '../../www/figure/analysis.js';
import { tellCut } from '../../www/figure/legend.js';
import { shownFromJson } from '../../www/figure/own.js';
import { fromJson } from '../../www/figure/result.js';
import { captionOf, introduction, pairSentence } from '../../www/figure/sentences.js';
import { brief, count, number } from '../../www/figure/text.js';
import { DEFAULT_VIEW } from '../../www/figure/view.js';

const RESULTS = new URL('../../www/results/', import.meta.url);
/** @param {string} name */
const saved = (name) => fromJson(readFileSync(new URL(`${name}.json`, RESULTS), 'utf8'));

/**
 * A pair of a result, found by its labels, with what is said of it and the share of its sign in its row, summed
 * here again.
 * @param {import('../../www/figure/result.js').Saved} result
 * @param {string} source
 * @param {string} target
 * @param {'attributions' | 'gradients'} shown
 */
async function told(result, source, target, shown = 'attributions') {
  const cell = { row: result.targets.label.indexOf(target), column: result.sources.label.indexOf(source) };
  assert.ok(cell.row >= 0 && cell.column >= 0, `${source} → ${target} is no pair`);
  const n = result.sources.pos.length;
  const values = [...result[shown].slice(cell.row * n, (cell.row + 1) * n)];
  const value = values[cell.column];
  const whole = values.filter((other) => Math.sign(other) === Math.sign(value)).reduce((sum, v) => sum + v, 0);
  const summary = await summarise(result[shown], result.targets.pos, result.sources.pos);
  assert.ok(summary);
  return {
    value,
    part: Math.round((100 * value) / whole),
    text: pairSentence(result, cell, sumsAt(summary, cell.row), { shown }),
  };
}

/** The column of a row with the largest or smallest value. @param {Float32Array} values @param {number} n @param {number} row @param {1 | -1} sign */
function extreme(values, n, row, sign) {
  const of = values.subarray(row * n, (row + 1) * n);
  return of.reduce((best, value, i) => (sign * value > sign * of[best] ? i : best), 0);
}

test('latent → latent: the share is of all that has the same sign in the row', async () => {
  const result = saved('demo-capital');
  const { text, value, part } = await told(result, "F1.854, ' capital' (2)", "F2.300, ' capital' (2)");
  assert.ok(Math.abs(value - 9.72) < 0.005, String(value));
  assert.equal(
    text,
    `“ capital” (F1.854) pushes F2.300 on the same token up by 9.72, ${part} % of all that pushes it up.`,
  );
  assert.ok(part > 1 && part < 100);
});

test('what holds a logit down is compared with all that holds it down', async () => {
  const result = saved('demo-tennis-logit');
  const n = result.sources.pos.length;
  for (const sign of /** @type {const} */ ([1, -1])) {
    const column = extreme(result.attributions, n, 0, sign);
    const { text, value, part } = await told(result, result.sources.label[column], "' tennis'");
    assert.ok(sign * value > 0);
    const [verb, way] = sign > 0 ? ['pushes', 'up'] : ['holds', 'down'];
    const token = result.tokens.string[result.sources.pos[column]];
    const name = result.sources.label[column].split(',')[0];
    assert.equal(
      text,
      `“${token}” (${name}) ${verb} the logit “ tennis” ${way} by ${brief(Math.abs(value))}, ${part} % of all that ${verb} it ${way}.`,
    );
  }
});

test('a difference favours one token over the other, by its sign', async () => {
  const result = saved('demo-logit-difference');
  for (const [sign, than] of /** @type {const} */ ([
    [1, '“ tennis” over “ golf”'],
    [-1, '“ golf” over “ tennis”'],
  ])) {
    const column = extreme(result.attributions, result.sources.pos.length, 0, sign);
    const { text, value, part } = await told(result, result.sources.label[column], result.targets.label[0]);
    assert.ok(text.endsWith(` favours ${than} by ${brief(Math.abs(value))}, ${part} % of all that favours it.`), text);
  }
});

test('a token has a gradient by its scale: one per cent of it is a hundredth', async () => {
  const result = saved('demo-token-latent');
  const n = result.sources.pos.length;
  const row = 40;
  for (const sign of /** @type {const} */ ([1, -1])) {
    const column = extreme(result.gradients, n, row, sign);
    const { text, value, part } = await told(
      result,
      result.sources.label[column],
      result.targets.label[row],
      'gradients',
    );
    const way = sign > 0 ? 'raise' : 'lower';
    assert.match(
      text,
      new RegExp(`^Scaling the embedding of “.+” up by 1 % would ${way} F2\\.\\d+ on (“.+”|the same token) by `),
    );
    assert.ok(
      text.endsWith(` by ${brief(Math.abs(value) / 100)}, ${part} % of all that would ${way} it.`) ||
        (part === 100 && text.endsWith(` by ${brief(Math.abs(value) / 100)}, all that would ${way} it.`)),
      text,
    );
  }
});

test('gradients of latents are told as what a change would do', async () => {
  const result = saved('demo-capital');
  const { text, value, part } = await told(result, "F1.854, ' capital' (2)", "F2.300, ' capital' (2)", 'gradients');
  const end = `on the same token by ${brief(value)}, ${part} % of all that would raise it.`;
  assert.equal(text, `Raising “ capital” (F1.854) by 1, to first order, would raise F2.300 ${end}`);
});

/** Two sources and one target of one's own. @param {number[]} attributions */
const own = (attributions) =>
  shownFromJson(
    JSON.stringify({
      format_version: 2,
      title: 'Mine',
      sources: { label: ['a\u202e', 'b'] },
      targets: { label: ['x'] },
      attributions,
    }),
  );

test('shares at the ends, zeros, and unseen characters', () => {
  const say = (/** @type {number[]} */ values, /** @type {{total: number, up: number} | undefined} */ sums) =>
    pairSentence(own(values), { row: 0, column: 0 }, sums);
  assert.equal(say([2, -1], { total: 3, up: 2 }), '“a⟨U+202E⟩” → “x”: 2, all positive attributions of that target.');
  assert.equal(
    say([-1, 999], { total: 1000, up: 999 }),
    '“a⟨U+202E⟩” → “x”: −1, all negative attributions of that target.',
  );
  assert.match(say([1, 999], { total: 1000, up: 1000 }), /, under 1 % of all positive/);
  assert.match(say([999, 1], { total: 1000, up: 1000 }), /, over 99 % of all positive/);
  assert.equal(say([5, 1], undefined), '“a⟨U+202E⟩” → “x”: 5.');
  assert.equal(say([0, 1], { total: 1, up: 1 }), '“a⟨U+202E⟩” → “x”: 0.');
  // A pair of latents that has no part.
  const result = saved('demo-capital');
  const zero = result.attributions.findIndex((value) => value === 0);
  const n = result.sources.pos.length;
  const cell = { row: Math.floor(zero / n), column: zero % n };
  assert.match(pairSentence(result, cell, { total: 1, up: 1 }), / moves F2\.\d+ on .+ neither up nor down\.$/);
});

test('a token that the prompt has twice is told with its position, a meaning with its latent', () => {
  const result = saved('demo-latent-logit');
  const column = result.sources.pos.findIndex(
    (pos) => result.tokens.string.filter((t) => t === result.tokens.string[pos]).length === 1,
  );
  const meaning = () => 'what it means';
  const words = pairSentence(result, { row: 0, column }, undefined, { meaning });
  assert.match(words, /^“.+” \(F3\.\d+: what it means\) (pushes|holds) the logit “ Paris” (up|down) by [\d.e−]+\.$/);
  const twice = { ...result, tokens: { ...result.tokens, string: result.tokens.string.map(() => ' x') } };
  assert.match(
    pairSentence(twice, { row: 0, column }, undefined),
    new RegExp(`^“ x” \\(${result.sources.pos[column]}\\) \\(F3`),
  );
});

test('a caption says what is shown: model, prompt, both sides, their number and order, colours', () => {
  const result = saved('demo-tennis-logit');
  const caption = captionOf(
    result,
    { ...DEFAULT_VIEW, rows: 'total', columns: 'value' },
    { limit: 9.7239, clipped: 1 },
  );
  assert.equal(
    caption,
    'Attributions, latent → logit, of “demo” on “Fact: Serena Williams plays the sport of”. ' +
      'Columns: 167 active latents of blocks.3.hook_resid_pre, by attribution at the pinned row; ' +
      'rows: 10 logits, by Σ |attribution|. ' +
      'Blue: the column pushes the row up; red, on a dark page orange: it holds it down. ' +
      'Colours end at ±9.72, chosen without “<|endoftext|>”, where 1 cell is clipped.',
  );
  const tokens = captionOf(saved('demo-token-latent'), { ...DEFAULT_VIEW, shown: 'gradients', columns: 'largest' });
  assert.match(
    tokens,
    /^Gradients, token → latent, .*Columns: 10 tokens, by largest \|gradient\|; rows: 190 active latents/,
  );
  assert.match(tokens, /more of the column raises the row/);
  assert.match(
    captionOf(own([1, 2]), DEFAULT_VIEW),
    /^Attributions: Mine\. .*: 2 nodes, .*Blue: positive; .*negative\.$/,
  );
});

test('of bars a caption speaks of heights and of bars that are cut off, not of rows and of where colours end', () => {
  const result = saved('demo-logit-difference');
  const view = { ...DEFAULT_VIEW, columns: /** @type {const} */ ('largest') };
  const told =
    'Attributions, logit difference, of “demo” on “Fact: Serena Williams plays the sport of”. ' +
    `Bars: ${result.sources.pos.length} active latents of blocks.3.hook_resid_pre, by largest |attribution|; ` +
    "heights: attributions to ' tennis' − ' golf'. " +
    'Blue: it favours the first token; red, on a dark page orange: the second.';
  assert.equal(captionOf(result, view, { limit: 3.6213, clipped: 0 }), told);
  assert.equal(
    captionOf(result, { ...view, limit: 0.5 }, { limit: 0.5, clipped: 12 }),
    `${told} 12 bars are cut off at ±0.5.`,
  );
  assert.equal(
    captionOf(result, view, { limit: 3.6213, clipped: 1 }),
    `${told} 1 bar is cut off at ±3.62, chosen without “<|endoftext|>”.`,
  );
  assert.match(
    introduction(result, 'attributions', 'x.')[1],
    /^Each bar is a latent .*, and its height says how much /,
  );
  assert.deepEqual(
    [
      [0, 0],
      [0, 1],
      [2, 1],
    ].map(([low, high]) => tellCut({ low, high }, true)),
    ['no bar is cut off', '1 bar is cut off', '3 bars are cut off'],
  );
  assert.equal(tellCut({ low: 0, high: 2 }, false), '2 cells are clipped');
});

test('three sentences come first: what was given and is said next, what a cell is, what is strongest', () => {
  const result = saved('demo-tennis-logit');
  const [given, means, strongest] = introduction(result, 'attributions', 'It is so.');
  assert.equal(
    given,
    'The model “demo” was given “Fact: Serena Williams plays the sport of”, and says “ tennis” next (over 99.9 %).',
  );
  assert.match(
    means,
    /^Each column is a latent of the SAE at blocks\.3\.hook_resid_pre on one token, each row the logit of a token, and a cell says how much the one pushes the other up/,
  );
  assert.equal(strongest, 'The strongest pair: It is so.');
  // What is not known is not said.
  assert.equal(
    introduction(saved('demo-capital'), 'attributions', undefined)[0],
    'The model “demo” was given “The capital of France is”.',
  );
  assert.equal(introduction(saved('demo-capital'), 'attributions', undefined).length, 2);
  assert.deepEqual(introduction(own([1, 2]), 'attributions', 'x.'), ['The strongest pair: x.']);
});

test('one is one, and a decimal has no zeros at its end', () => {
  assert.deepEqual(
    [count(1, 'target'), count(0, 'target'), count(1667, 'target')],
    ['1 target', '0 targets', '1,667 targets'],
  );
  assert.deepEqual([0.1, 0.25, 2, 1234.5, 0.123456789].map(number), ['0.1', '0.25', '2', '1234.5', '0.123457']);
});
