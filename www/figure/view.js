// How a result is looked at.

import { THRESHOLD } from './request.js';

/** @typedef {import('./result.js').Shown} Shown */

/** @typedef {import('./analysis.js').Sort} Sort */

/**
 * @typedef {object} View
 * @property {import('./values.js').Values} shown
 * @property {Sort} rows
 * @property {Sort} columns
 * @property {boolean} across only pairs across positions stand out
 * @property {boolean} bos columns of <|endoftext|> are ranked, too (ranking.js)
 * @property {number} [source_pos] only columns at this position are shown and ranked
 * @property {number} [top] only so many rows and columns, those with the largest Σ |value|; all if not given
 * @property {boolean} zeros rows and columns that are 0 everywhere are drawn, too
 * @property {number} [limit] the colour scale ends at ±limit; chosen by the values if not given
 * @property {boolean} locked the limit stays for the next results
 * @property {number} threshold of the list of pairs across positions
 * @property {{row: number, column: number}} [cell] pinned
 */

/** @type {Sort[]} */
export const SORTS = ['position', 'value', 'largest', 'total'];

/** @type {View} */
export const DEFAULT_VIEW = {
  shown: 'attributions',
  rows: 'position',
  columns: 'position',
  across: false,
  bos: false,
  zeros: false,
  locked: false,
  threshold: THRESHOLD,
};

/** How what is here was looked at first: a result is never looked through twice for it. @type {WeakMap<Shown, View>} */
const known = new WeakMap();

/**
 * How a result is looked at first, as its notebook plots it: logits by the attribution to the first of them, with the
 * latent pinned that moves it most; a difference of logits by what moves it most; all else by position.
 * @param {Shown} result
 * @returns {View}
 */
export function defaultView(result) {
  let view = known.get(result);
  if (!view) known.set(result, (view = { ...DEFAULT_VIEW, ...byKind(result), threshold: thresholdOf(result) }));
  return { ...view };
}

/** @param {Shown} result @returns {Partial<View>} */
function byKind(result) {
  const { sources, targets } = result;
  // Tokens have no activation that a gradient could be multiplied with.
  if (sources.kind === 'token') return { shown: 'gradients' };
  if (sources.kind !== 'latent') return {};
  if (targets.kind === 'logit_difference') return { columns: 'largest' };
  if (targets.kind !== 'logit') return {};
  const column = strongestOfFirst(result);
  return column === undefined ? {} : { columns: 'value', cell: { row: 0, column } };
}

/** The source with most to do with the first target; BOS, whose latents dwarf all others, is none. @param {Shown} result */
function strongestOfFirst({ attributions, sources }) {
  let [found, size] = [/** @type {number | undefined} */ (undefined), 0];
  for (let column = 0; column < sources.pos.length && column < attributions.length; column++) {
    if (sources.pos[column] === 0 || Math.abs(attributions[column]) <= size) continue;
    [found, size] = [column, Math.abs(attributions[column])];
  }
  return found;
}

/**
 * The threshold of the request; where that is the notebook's and nothing is over it, the largest of 1, 2, 5 and their
 * tenths that leaves a pair.
 * @param {Shown} result
 */
function thresholdOf({ request, attributions, sources, targets }) {
  if (request && request.threshold !== undefined && request.threshold !== THRESHOLD) return request.threshold;
  const n = sources.pos.length;
  let most = 0;
  for (let row = 0, i = 0; row < targets.pos.length; row++) {
    for (let column = 0; column < n; column++, i++) {
      const size = Math.abs(attributions[i]);
      if (size > most && sources.pos[column] !== targets.pos[row]) most = size;
    }
  }
  if (most === 0 || most > THRESHOLD) return THRESHOLD;
  for (let power = Math.floor(Math.log10(most)); power > -40; power--) {
    // As text, so that it is the decimal that is read.
    const round = [5, 2, 1].map((figure) => Number(`${figure}e${power}`)).find((value) => Math.fround(value) < most);
    if (round !== undefined) return round;
  }
  return THRESHOLD;
}
