// Which rows and columns are drawn: those that are 0 everywhere are folded away, and of the others perhaps only the
// largest are wanted.

import { number } from './text.js';

/**
 * @typedef {object} Fold
 * @property {Uint8Array | undefined} isShown of each node; nothing: all are
 * @property {number} empty nodes that are 0 everywhere, folded or not
 * @property {number} most nodes that are shown at most, of those that are not folded; 0: all
 */

/**
 * @param {ArrayLike<number>} totals Σ |value| of each node
 * @param {object} options
 * @param {ArrayLike<number>} options.ranked Σ |value| by which the largest are chosen
 * @param {number} [options.top] only so many; all if not given
 * @param {boolean} options.zeros those that are 0 everywhere are shown, too
 * @param {number} [options.pinned] is always shown
 * @returns {Fold}
 */
export function fold(totals, { ranked, top, zeros, pinned }) {
  const n = totals.length;
  let empty = 0;
  for (let i = 0; i < n; i++) if (totals[i] === 0) empty++;
  // Where there is nothing but zeros, they are what there is to see.
  if (empty === n) empty = 0;
  const folded = zeros ? 0 : empty;
  const isCut = top !== undefined && top < n - folded;
  if (!isCut && folded === 0) return { isShown: undefined, empty, most: 0 };
  const isShown = new Uint8Array(n);
  const candidates = [];
  for (let i = 0; i < n; i++) if (zeros || totals[i] !== 0) candidates.push(i);
  if (isCut) candidates.sort((a, b) => ranked[b] - ranked[a] || a - b).length = top;
  for (const node of candidates) isShown[node] = 1;
  if (pinned !== undefined) isShown[pinned] = 1;
  return { isShown, empty, most: isCut ? top : 0 };
}

/** @param {number} n @param {string} one */
const counted = (n, one) => `${number(n)} ${one}${n === 1 ? '' : 's'}`;

/**
 * Says on a button how many rows and columns are folded away; hidden where there are none.
 * @param {HTMLElement} button
 * @param {import('./cells.js').Matrix} matrix
 * @param {boolean} zeros whether they are shown
 */
export function tellFold(button, { rows, columns }, zeros) {
  const what = [rows.empty > 0 && counted(rows.empty, 'row'), columns.empty > 0 && counted(columns.empty, 'column')];
  const said = what.filter(Boolean).join(' and ');
  button.hidden = said === '';
  const are = rows.empty + columns.empty === 1 ? 'that is' : 'that are';
  button.textContent = said && `${zeros ? 'Fold' : '+'} ${said} ${are} 0 everywhere`;
}
