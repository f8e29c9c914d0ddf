// The cell that an order by value follows where the reader has pinned none, or only a row or a column.

import { valuesOf } from './values.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {import('./result.js').Shown} Shown */
/** @typedef {import('./analysis.js').Summary} Summary */
/** @typedef {{row: number, column: number}} Cell */

/** The place of the largest; of equal ones the first. @param {number} n @param {(i: number) => number} key */
function largest(n, key) {
  let best = 0;
  for (let i = 1; i < n; i++) if (key(i) > key(best)) best = i;
  return best;
}

/**
 * The cell of a row, or of a column, that an order by its values puts first.
 * @param {Shown} result
 * @param {View} view
 * @param {{row: number} | {column: number}} at
 * @returns {Cell}
 */
export function firstIn(result, { shown }, at) {
  const { sources, targets } = result;
  const [values, nRows, nColumns] = [valuesOf(result, shown), targets.pos.length, sources.pos.length];
  if ('row' in at) return { row: at.row, column: largest(nColumns, (i) => values[at.row * nColumns + i]) };
  return { row: largest(nRows, (i) => values[i * nColumns + at.column]), column: at.column };
}

/**
 * The cell that is pinned: where an order needs one and there is none, that of the row or column with the largest total.
 * @param {Shown} result
 * @param {View} view
 * @param {Summary} summary of the values shown
 * @returns {Cell | undefined}
 */
export function pinFor(result, view, summary) {
  const isNeeded = view.columns === 'value' || view.rows === 'value';
  if (view.cell || !isNeeded || valuesOf(result, view.shown).length === 0) return view.cell;
  const { rowTotal, columnTotal } = view.across ? summary.across : summary.all;
  return view.columns === 'value'
    ? firstIn(result, view, { row: largest(rowTotal.length, (i) => rowTotal[i]) })
    : firstIn(result, view, { column: largest(columnTotal.length, (i) => columnTotal[i]) });
}
