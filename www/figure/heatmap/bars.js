// A single row of a matrix, as bars over an axis of values: heights read better than shades.

import { strongestIn } from '../cells.js';
import { cssColor } from '../scale.js';
import { brief, short } from '../text.js';
import { niceRange, ticks } from '../ticks.js';
import { GLYPH } from './room.js';

/** @typedef {import('../cells.js').Matrix} Matrix */
/** @typedef {import('./layout.js').Geometry} Geometry */
/** @typedef {import('../scale.js').Theme} Theme */

/** Room above and beneath the bars, and that for what is told of those that are cut off. */
const EDGE = 12;
const TOLD = 46;

/**
 * The values from the lowest to the highest bar, widened to round numbers; where the limit cuts bars off, up to it.
 * @param {Matrix} matrix
 */
export function rangeOf({ values, columns, limit }) {
  let [low, high] = [0, 0];
  for (let place = 0; place < columns.n; place++) {
    const value = values[columns.order[place]];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const cut = { low: low < -limit, high: high > limit };
  if (low === 0 && high === 0) high = 1;
  const [from, to] = niceRange(Math.max(low, -limit), Math.min(high, limit));
  return { low: cut.low ? -limit : from, high: cut.high ? limit : to, cut };
}

/**
 * Where a value is, in pixels of the element.
 * @param {Matrix} matrix
 * @param {Geometry} view
 */
function scaleOf(matrix, { size, y }) {
  const { low, high, cut } = rangeOf(matrix);
  const [top, bottom] = [y(0) + (cut.high ? TOLD : EDGE), y(0) + size.height - (cut.low ? TOLD : EDGE)];
  return {
    ...{ low, high, top, bottom },
    at: (/** @type {number} */ value) => bottom - ((value - low) / (high - low)) * (bottom - top),
  };
}

/**
 * @param {CanvasRenderingContext2D} context clipped to the cells
 * @param {Matrix} matrix
 * @param {Geometry & {theme: Theme, ink: string}} view
 */
export function drawBars(context, matrix, view) {
  const { width, left, firstColumn, lastColumn, x, wide, size, theme, ink } = view;
  const { low, high, at } = scaleOf(matrix, view);
  context.fillStyle = ink;
  for (const value of ticks(low, high)) {
    context.globalAlpha = value === 0 ? 0.6 : 0.12;
    context.fillRect(left, Math.round(at(value)), width - left, 1);
  }
  /** @type {{middle: number, value: number}[]} */
  const cut = [];
  for (let column = firstColumn - (firstColumn % wide); column < lastColumn; column += wide) {
    const node = matrix.columns.order[strongestIn(matrix, 0, column, 1, wide)];
    const value = matrix.values[node];
    const end = Math.max(low, Math.min(high, value));
    context.globalAlpha = matrix.across && matrix.columns.pos[node] === matrix.rows.pos[0] ? 0.25 : 1;
    // One colour for each sign: the height says how much.
    context.fillStyle = cssColor(0.7 * Math.sign(value), 1, theme);
    const gap = size.width > 3 ? Math.min(8, size.width * 0.15) : 0;
    const [begin, thick] = [x(column) + gap / 2, Math.max(size.width * wide - gap, 0.6)];
    context.fillRect(begin, Math.min(at(0), at(end)), thick, Math.abs(at(0) - at(end)));
    if (end !== value) {
      cut.push({ middle: begin + thick / 2, value });
      drawArrow(context, begin + thick / 2, at(end), Math.max(3, Math.min(thick / 2, 8)), Math.sign(value));
    }
  }
  context.globalAlpha = 1;
  context.fillStyle = ink;
  tellCut(context, cut, at, low, high);
}

/**
 * The end of a bar that goes on beyond the axis.
 * @param {CanvasRenderingContext2D} context
 * @param {number} middle
 * @param {number} end
 * @param {number} half its width
 * @param {number} sign
 */
function drawArrow(context, middle, end, half, sign) {
  context.beginPath();
  context.moveTo(middle - half, end - sign);
  context.lineTo(middle + half, end - sign);
  context.lineTo(middle, end - sign * 8);
  context.fill();
}

/**
 * The values of bars that are cut off, the largest first and as many as have room.
 * @param {CanvasRenderingContext2D} context
 * @param {{middle: number, value: number}[]} cut
 * @param {(value: number) => number} at
 * @param {number} low
 * @param {number} high
 */
function tellCut(context, cut, at, low, high) {
  context.font = font(10);
  context.textBaseline = 'middle';
  /** @type {{middle: number, sign: number}[]} */
  const told = [];
  for (const { middle, value } of cut.sort((a, b) => Math.abs(b.value) - Math.abs(a.value))) {
    const sign = Math.sign(value);
    if (told.some((other) => other.sign === sign && Math.abs(other.middle - middle) < 10)) continue;
    told.push({ middle, sign });
    context.save();
    context.translate(middle, at(sign > 0 ? high : low) - sign * 11);
    context.rotate(-Math.PI / 2);
    context.textAlign = sign > 0 ? 'left' : 'right';
    context.fillText(brief(value), 0, 0);
    context.restore();
  }
}

/**
 * The axis of values, where the labels of rows would be: its numbers and what they are.
 * @param {CanvasRenderingContext2D} context
 * @param {Matrix} matrix
 * @param {Geometry & {ink: string}} view
 */
export function drawValues(context, matrix, view) {
  const { left, ink } = view;
  const { low, high, top, bottom, at } = scaleOf(matrix, view);
  context.save();
  context.fillStyle = ink;
  context.font = font(10);
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  // As many as have room.
  for (const value of ticks(low, high, Math.max(1, Math.min(6, (bottom - top) / 24)))) {
    context.fillText(brief(value), left - 7, at(value));
    context.fillRect(left - 4, Math.round(at(value)), 4, 1);
  }
  context.translate(12, (top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = 'center';
  context.font = font(11);
  context.fillText(short(matrix.quantity, Math.max(4, Math.floor((bottom - top + 60) / GLYPH))), 0, 0);
  context.restore();
}

/** @param {number} pixels */
const font = (pixels) => `${pixels}px ui-monospace, "SF Mono", Menlo, Consolas, monospace`;
