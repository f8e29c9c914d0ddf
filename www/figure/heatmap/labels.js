// What is written beside the cells of a heatmap: labels of rows and columns, the tokens that group them.

import { short } from '../text.js';
import { LABEL_CELL } from './layout.js';

/** @typedef {import('../cells.js').Matrix} Matrix */
/** @typedef {import('./layout.js').Geometry & {ink: string, accent: string, ground: string}} View with its colours */

/** Width of a letter at 11 pixels. */
const GLYPH = 6.7;

/** @typedef {ReturnType<typeof sideOf>} Side */

/**
 * Rows or columns as they are written.
 * @param {CanvasRenderingContext2D} context
 * @param {Matrix} matrix
 * @param {View} view
 * @param {'rows' | 'columns'} which
 */
function sideOf(context, matrix, view, which) {
  const isRows = which === 'rows';
  const axis = matrix[which];
  const [first, last] = isRows ? [view.firstRow, view.lastRow] : [view.firstColumn, view.lastColumn];
  const cell = isRows ? view.size.height : view.size.width;
  // Along the axis, and across it from the outer edge to the cells.
  const [from, to] = isRows ? [view.top, view.height] : [view.left, view.width];
  const depth = isRows ? view.left : view.top;
  const grouped = axis.groups.length > 0;
  /**
   * Columns read upwards; their labels start at the cells, those of rows end there.
   * @param {string} text
   * @param {number} along
   * @param {number} across
   * @param {boolean} upward
   */
  const write = (text, along, across, upward) => {
    context.save();
    if (isRows) context.translate(depth - across, along);
    else context.translate(along, depth - across);
    if (!isRows && upward) context.rotate(-Math.PI / 2);
    context.fillText(text, 0, 0);
    context.restore();
  };
  return {
    ...{ isRows, axis, first, last, cell, from, to, depth, grouped, write },
    at: isRows ? view.y : view.x,
    single: isRows && view.isBars,
    labelled: cell >= LABEL_CELL,
    band: grouped ? (isRows ? Math.min(76, depth * 0.42) : 18) : 0,
    font: (/** @type {number} */ pixels) => `${pixels}px ui-monospace, "SF Mono", Menlo, Consolas, monospace`,
  };
}

/**
 * Labels of rows at the left, of columns, turned, at the top; each where it has room, groups always.
 * @param {CanvasRenderingContext2D} context
 * @param {Matrix} matrix
 * @param {View} view
 * @param {'rows' | 'columns'} which
 * @param {{node: number, place: number}} [pinned]
 */
export function drawLabels(context, matrix, view, which, pinned) {
  const side = sideOf(context, matrix, view, which);
  const { left, top, width, height } = view;
  context.save();
  context.beginPath();
  if (side.isRows) context.rect(0, top, left, height - top);
  else context.rect(left, 0, width - left, top);
  context.clip();
  context.textBaseline = 'middle';
  if (side.grouped) writeGroups(context, side, view);
  writeEach(context, side, view);
  if (pinned) writePinned(context, side, view, pinned);
  context.restore();
}

/**
 * The token of each group, in the middle of what is seen of it; the widest groups first, and of
 * the others as many as have room.
 * @param {CanvasRenderingContext2D} context
 * @param {Side} side
 * @param {View} view
 */
function writeGroups(context, { isRows, axis, at, from, to, depth, labelled, band, font, write }, { ink }) {
  context.font = font(11);
  context.fillStyle = ink;
  let start = 0;
  const seen = [];
  for (const { end, label } of axis.groups) {
    const [begin, stop] = [Math.max(at(start), from), Math.min(at(end), to)];
    start = end;
    // Never cut by the edge.
    const middle = Math.max(from + 6, Math.min(to - 6, (begin + stop) / 2));
    if (stop > begin) seen.push({ label, middle, room: stop - begin });
  }
  /** Lines taken, by the dozen of pixels that each begins in. @type {Map<number, number>} */
  const taken = new Map();
  for (const { label, middle, room } of seen.sort((a, b) => b.room - a.room)) {
    const line = Math.floor(middle / 12);
    if ([line - 1, line, line + 1].some((near) => Math.abs((taken.get(near) ?? -Infinity) - middle) < 12)) continue;
    taken.set(line, middle);
    const whole = Math.floor((depth - 10) / GLYPH);
    if (isRows) {
      context.textAlign = labelled ? 'left' : 'right';
      write(short(label, labelled ? Math.floor((band - 6) / GLYPH) : whole), middle, labelled ? depth - 4 : 6, false);
    } else if (labelled || room > 70) {
      context.textAlign = 'center';
      const letters = Math.floor((room - 4) / GLYPH);
      if (letters > 1) write(short(label, letters), middle, labelled ? depth - 9 : 12, false);
    } else {
      context.textAlign = 'left';
      write(short(label, whole), middle, 6, true);
    }
  }
}

/**
 * A label for each row or column that has room; where there is none and no group tells, for every so many.
 * @param {CanvasRenderingContext2D} context
 * @param {Side} side
 * @param {View} view
 */
function writeEach(
  context,
  { isRows, axis, at, first, last, cell, depth, grouped, single, labelled, band, font, write },
  { ink },
) {
  const letters = Math.floor((depth - band - 10) / GLYPH);
  if (labelled && !single) {
    context.font = font(Math.min(11, Math.max(9, cell - 1)));
    context.fillStyle = ink;
    context.textAlign = isRows ? 'right' : 'left';
    for (let place = first; place < last; place++) {
      write(short(axis.label(axis.order[place], grouped), letters), at(place) + cell / 2, 5, true);
    }
  } else if (!grouped || single) {
    context.font = font(10);
    context.fillStyle = ink;
    context.textAlign = isRows ? 'right' : 'left';
    const every = Math.max(1, Math.ceil(LABEL_CELL / cell));
    for (let place = first - (first % every); place < last; place += every) {
      write(
        short(axis.label(axis.order[place], false), Math.floor((depth - 10) / GLYPH)),
        at(place) + cell / 2,
        5,
        true,
      );
    }
  }
}

/**
 * The pinned cell's own label, in full and on top.
 * @param {CanvasRenderingContext2D} context
 * @param {Side} side
 * @param {View} view
 * @param {{node: number, place: number}} pinned
 */
function writePinned(context, { isRows, axis, at, cell, from, to, depth, font }, { accent, ground }, { node, place }) {
  const middle = at(place) + cell / 2;
  if (middle < from || middle > to) return;
  context.font = font(11);
  const text = short(axis.label(node, false), Math.floor((depth - 10) / GLYPH));
  const length = text.length * GLYPH + 8;
  const [across, along] = [Math.min(length, depth), 16];
  context.save();
  if (isRows) context.translate(depth, middle);
  else context.translate(middle, depth);
  if (!isRows) context.rotate(-Math.PI / 2);
  context.fillStyle = accent;
  context.fillRect(isRows ? -across : 0, -along / 2, across, along);
  context.fillStyle = ground;
  context.textAlign = isRows ? 'right' : 'left';
  context.fillText(text, isRows ? -4 : 4, 0.5);
  context.restore();
}

/**
 * Lines between groups of tokens.
 * @param {CanvasRenderingContext2D} context
 * @param {Matrix} matrix
 * @param {View} view
 */
export function drawSeparators(context, matrix, { width, height, left, top, x, y, ink }) {
  context.fillStyle = ink;
  context.globalAlpha = 0.28;
  const [right, bottom] = [Math.min(width, x(matrix.columns.n)), Math.min(height, y(matrix.rows.n))];
  for (const { end } of matrix.rows.groups) context.fillRect(left, Math.round(y(end)), right - left, 1);
  for (const { end } of matrix.columns.groups) context.fillRect(Math.round(x(end)), top, 1, bottom - top);
  context.globalAlpha = 1;
}

/**
 * What rows and columns are, in the corner.
 * @param {CanvasRenderingContext2D} context
 * @param {Matrix} matrix
 * @param {View} view
 */
export function drawNames(context, { rows, columns }, { left, top, ink }) {
  context.fillStyle = ink;
  context.globalAlpha = 0.7;
  context.font = '11px system-ui, sans-serif';
  context.textAlign = 'right';
  context.fillText(`${columns.name} →`, left - 8, top - 28);
  context.fillText(`${rows.name} ↓`, left - 8, top - 10);
  context.globalAlpha = 1;
}
