// How a result is looked at.

import { THRESHOLD } from './request.js';

/** @typedef {import('./analysis.js').Sort} Sort */

/**
 * @typedef {object} View
 * @property {'attributions' | 'gradients'} shown
 * @property {Sort} rows
 * @property {Sort} columns
 * @property {boolean} across only pairs across positions stand out
 * @property {boolean} bos columns of <|endoftext|> are ranked, too (ranking.js)
 * @property {number} [source_pos] only columns at this position are shown and ranked
 * @property {number} [limit] the colour scale ends at ±limit; chosen by the values if not given
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
  threshold: THRESHOLD,
};
