// The cells of a matrix as pixels: one each, or one for the strongest of a block of them.

import { colorBits } from './scale.js';

/**
 * Rows or columns as they are looked at.
 * @typedef {object} Axis
 * @property {number} n how many are drawn
 * @property {string} name what they are, and in which order
 * @property {boolean} sorted by a number: the first is the one that has most of it
 * @property {(node: number, grouped: boolean) => string} label asked only for what is in view; where
 *   places are grouped by token, without the token
 * @property {Uint32Array} order node at each place
 * @property {number} empty nodes that are 0 everywhere, drawn or not
 * @property {{end: number, label: string}[]} groups runs of places, each up to `end`; none where they are sorted
 * @property {Uint32Array} pos of each node
 */

/**
 * @typedef {object} Matrix
 * @property {Float32Array} values of all nodes, drawn or not, [rows, columns] row-major
 * @property {Axis} rows
 * @property {Axis} columns
 * @property {number} limit the colour scale ends at ±limit
 * @property {string} quantity what a value is; of a single row, also to what
 * @property {boolean} [across] pairs at one position step back
 */

/**
 * The strongest of a block of places, as row · columns.n + column; what steps back only where there is
 * nothing else.
 * @param {Matrix} matrix
 * @param {number} row first place
 * @param {number} column first place
 * @param {number} tall places
 * @param {number} wide places
 */
export function strongestIn({ values, rows, columns, across }, row, column, tall, wide) {
  let [place, found, dimmed] = [row * columns.n + column, -1, true];
  for (let y = row; y < Math.min(rows.n, row + tall); y++) {
    const target = rows.order[y];
    const start = target * columns.pos.length;
    for (let x = column; x < Math.min(columns.n, column + wide); x++) {
      const source = columns.order[x];
      const size = Math.abs(values[start + source]);
      const dim = across === true && rows.pos[target] === columns.pos[source];
      if (dim === dimmed ? size > found : dimmed) [place, found, dimmed] = [y * columns.n + x, size, dim];
    }
  }
  return place;
}

/**
 * A rectangle of pixels, each the strongest of `tall` × `wide` places: sparse pairs do not vanish
 * when a large matrix is looked at from far away.
 * @param {Matrix} matrix
 * @param {import('./scale.js').Theme} theme
 * @param {{row: number, column: number, height: number, width: number, tall: number, wide: number}} part
 *   row, column in places; height, width in pixels
 */
export function paint(matrix, theme, { row, column, height, width, tall, wide }) {
  const pixels = new ImageData(width, height);
  const bits = new Uint32Array(pixels.data.buffer);
  const { values, rows, columns, limit, across } = matrix;
  const single = tall === 1 && wide === 1;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      let [r, c] = [row + y, column + x];
      if (!single) {
        const place = strongestIn(matrix, row + y * tall, column + x * wide, tall, wide);
        [r, c] = [Math.floor(place / columns.n), place % columns.n];
      }
      const [target, source] = [rows.order[r], columns.order[c]];
      const dim = across === true && rows.pos[target] === columns.pos[source];
      bits[i] = colorBits(values[target * columns.pos.length + source], limit, theme, dim ? 'dim' : 'full');
    }
  }
  return pixels;
}
