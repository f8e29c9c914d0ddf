// How well attributions predict what taking a source away does: figures in words, the pairs that are told, and what
// attributions are to sum to.

import { breath } from './analysis.js';
import { correlation, LACKS } from './badge.js';
import { ablationsOf } from './values.js';
import { brief, percent } from './text.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../runtime/protocol.js').Fit} Fit */

/** A fit in sentences. @param {Fit} fit */
export function describeFit({ pairs, lacks, pearson, spearman, slope, same_sign }) {
  if (lacks) return `No figures: ${LACKS[lacks]}.`;
  const ranks = spearman === undefined ? '' : `, ranks ${correlation(spearman)} (Spearman)`;
  const sign =
    same_sign === undefined
      ? ''
      : ` Of the ${Math.min(pairs, 50)} largest attributions, ${percent(same_sign)} have the sign of what was measured.`;
  return `Over ${pairs} pairs, attributions and ablations correlate at ${correlation(pearson ?? 0)} (Pearson)${ranks}; an attribution of 1 goes with an ablation of ${brief(slope ?? 0)}.${sign}`;
}

/** Pairs looked at without a breath. */
const SLICE = 100_000;

/**
 * Calls `act` with each of some cells, in slices between which the page breathes.
 * @param {[first: number, end: number]} cells
 * @param {(cell: number) => void} act
 */
async function each([first, end], act) {
  for (let start = first; start < end; start += SLICE) {
    if (start > first) await breath();
    for (let i = start; i < Math.min(end, start + SLICE); i++) act(i);
  }
}

/** All cells, or those of one target. @param {Attribution} result @param {number} [row] @returns {[number, number]} */
function cellsOf({ attributions, sources }, row) {
  const n = sources.pos.length;
  return row === undefined ? [0, attributions.length] : [row * n, (row + 1) * n];
}

/**
 * Cells of the largest |attribution| or |ablation|, for a picture that cannot show all; in their own order.
 * @param {Attribution} result
 * @param {number} most
 * @param {number} [row] of one target alone
 * @returns {Promise<number[]>} none where it was not measured
 */
export async function largestCells(result, most, row) {
  const measured = ablationsOf(result);
  if (!measured) return [];
  const { attributions } = result;
  const cells = cellsOf(result, row);
  // Counted by the leading bits of their size, which order as the sizes do: nothing is sorted.
  const counts = new Uint32Array(1 << 16);
  const one = new Float32Array(1);
  const bits = new Uint32Array(one.buffer);
  const bin = (/** @type {number} */ i) => {
    one[0] = Math.max(Math.abs(attributions[i]), Math.abs(measured[i]));
    return bits[0] >>> 15;
  };
  await each(cells, (i) => counts[bin(i)]++);
  let least = counts.length - 1;
  // Those over the least bin are all taken; of it, as many as there is room for. What is 0 is not told.
  let room = most;
  while (least > 1 && counts[least] <= room) room -= counts[least--];
  /** @type {number[]} */
  const found = [];
  await each(cells, (i) => {
    const at = bin(i);
    if (at > least || (at === least && at > 0 && room-- > 0)) found.push(i);
  });
  return found;
}

/**
 * Cells where the attribution is furthest from what was measured, the worst first.
 * @param {Attribution} result
 * @param {number} most
 * @param {number} [row] of one target alone
 * @returns {Promise<number[]>} none where it was not measured
 */
export async function worstCells(result, most, row) {
  const measured = ablationsOf(result);
  if (!measured) return [];
  const { attributions } = result;
  const off = (/** @type {number} */ i) => Math.abs(attributions[i] - measured[i]);
  /** @type {number[]} */
  const found = [];
  let floor = 0;
  const cut = () => {
    found.sort((a, b) => off(b) - off(a) || a - b);
    found.length = Math.min(found.length, most);
    if (found.length === most) floor = off(found[most - 1]);
  };
  await each(cellsOf(result, row), (i) => {
    if (!(off(i) > floor)) return;
    found.push(i);
    if (found.length >= 8 * most) cut();
  });
  cut();
  return found;
}

/**
 * What the attributions of a target are to sum to, and how they do. What is neither of latents nor of the SAE's error
 * is of biases, or what the method misses.
 * @typedef {{latents: number, error: number | undefined, rest: number, total: number}} Completeness
 */

/**
 * @param {Attribution} result
 * @param {number} row
 * @returns {Completeness | undefined} nothing where the result does not say
 */
export function completenessOf({ attributions, sources, tokens, completeness }, row) {
  if (!completeness) return undefined;
  const sum = (/** @type {ArrayLike<number>} */ values, /** @type {number} */ n) => {
    let total = 0;
    for (let i = row * n; i < (row + 1) * n; i++) total += values[i];
    return total;
  };
  const latents = sum(attributions, sources.pos.length);
  const error = completeness.error && sum(completeness.error, tokens.string.length);
  const total = completeness.total[row];
  return { latents, error, rest: total - latents - (error ?? 0), total };
}
