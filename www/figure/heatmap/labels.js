// What is written beside the cells of a heatmap: labels of rows and columns, the tokens that group them, what both are.

import { short } from '../text.js';
import { LABEL_CELL } from './layout.js';
import { GLYPH, SLANT, TITLE } from './room.js';

/** @typedef {import('../cells.js').Matrix} Matrix */
/** @typedef {import('./layout.js').Geometry & {ink: string, accent: string, ground: string}} View with its colours */
/** @typedef {ReturnType<typeof sideOf>} Side */

/** Pixels between the cells and a label. */
const APART = 5;
/** Groups whose lines are nearer than this fade, and are gone at the second. */
const CROWDED = { from: 28, to: 5 };
/** What stands nearer to the pinned label would be half hidden by it: along rows, and along columns, whose labels slant. */
const BESIDE_PINNED = { rows: 13, columns: 19 };

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
  const depth = isRows ? view.left : view.top - TITLE;
  const band = view.band[which];
  const isSlanted = !isRows && view.labelled.columns !== 'flat';
  /**
   * Letters that a label may have; a slanted one ends at the right edge, too.
   * @param {number} room
   * @param {number} [along]
   */
  const letters = (room, along = 0) => {
    if (isRows) return Math.floor((room - 2 * APART) / GLYPH);
    if (!isSlanted) return Math.floor((cell - 4) / GLYPH);
    return Math.floor(Math.min(room - 2 * APART, view.width - along - 12) / SLANT / GLYPH);
  };
  /**
   * Labels of rows end at the cells; those of columns rise from there, or stand above.
   * @param {string} text
   * @param {number} along the middle of what is labelled
   * @param {number} [apart] from the cells
   */
  const write = (text, along, apart = APART) => {
    if (isRows) {
      context.textAlign = 'right';
      context.fillText(text, depth - apart, along);
    } else if (isSlanted) {
      context.save();
      context.translate(along, view.top - apart - 3);
      context.rotate(-Math.PI / 4);
      context.textAlign = 'left';
      context.fillText(text, 0, 0);
      context.restore();
    } else {
      context.textAlign = 'center';
      context.fillText(text, along, view.top - apart - 5);
    }
  };
  return {
    ...{ isRows, isSlanted, axis, first, last, cell, from, to, depth, band, letters, write },
    at: isRows ? view.y : view.x,
    hasLabels: isRows ? view.labelled.rows : view.labelled.columns !== 'none',
    font: (/** @type {number} */ pixels) => `${pixels}px ui-monospace, "SF Mono", Menlo, Consolas, monospace`,
  };
}

/**
 * Labels of rows at the left, of columns at the top; each where it has room, groups always.
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
  context.fillStyle = view.ink;
  const untold = side.axis.groups.length > 0 ? writeGroups(context, side) : new Set();
  if (side.hasLabels) writeEach(context, side, untold, pinned?.place);
  if (pinned) writePinned(context, side, view, pinned);
  context.restore();
}

/**
 * The token of each group, in the middle of what is seen of it; the first and the widest groups first, and of
 * the others as many as have room.
 * @param {CanvasRenderingContext2D} context
 * @param {Side} side
 * @returns {Set<unknown>} groups that have no room for their token beside labels
 */
function writeGroups(context, { isRows, isSlanted, axis, at, from, to, depth, hasLabels, band, font, letters, write }) {
  context.font = font(11);
  let start = 0;
  const seen = [];
  for (const group of axis.groups) {
    const [begin, stop] = [Math.max(at(start), from), Math.min(at(group.end), to)];
    // Never cut by the edge.
    const middle = Math.max(from + 6, Math.min(to - 6, (begin + stop) / 2));
    if (stop > begin) seen.push({ group, label: group.label, middle, room: stop - begin, isFirst: start === 0 });
    start = group.end;
  }
  if (!isRows && hasLabels) {
    // In a line above the labels. What is not told there, each label tells.
    const untold = new Set();
    context.textAlign = 'center';
    for (const { group, label, middle, room } of seen) {
      if (label.length * GLYPH > room - 4) untold.add(group);
      else context.fillText(label, middle, TITLE + band / 2);
    }
    return untold;
  }
  const isFlat = isRows || seen.every(({ label, room }) => label.length * GLYPH < room - 4);
  const apart = isFlat ? 12 : 17;
  /** Lines taken, by the dozen of pixels that each begins in. @type {Map<number, number>} */
  const taken = new Map();
  const most = isRows && hasLabels ? Math.floor((band - 6) / GLYPH) : letters(depth);
  // The first is that of BOS, whose values are like no other's.
  for (const { label, middle } of seen.sort((a, b) => Number(b.isFirst) - Number(a.isFirst) || b.room - a.room)) {
    const line = Math.floor(middle / apart);
    if ([line - 1, line, line + 1].some((near) => Math.abs((taken.get(near) ?? -Infinity) - middle) < apart)) continue;
    taken.set(line, middle);
    if (isRows && hasLabels) {
      context.textAlign = 'left';
      context.fillText(short(label, most), 4, middle);
    } else if (isRows || isSlanted !== isFlat)
      write(short(label, Math.min(most, isRows ? most : letters(depth, middle))), middle);
    else {
      context.textAlign = 'center';
      context.fillText(label, middle, depth + TITLE - 10);
    }
  }
  return new Set();
}

/**
 * A label for each row or column that has room; where there is none and no group tells, for every so many.
 * @param {CanvasRenderingContext2D} context
 * @param {Side} side
 * @param {Set<unknown>} untold groups that are told by each label
 * @param {number} [pinned] place of the one whose label is drawn over the others
 */
function writeEach(context, side, untold, pinned) {
  const { isRows, isSlanted, axis, at, first, last, cell, depth, band, font, letters, write } = side;
  const least = LABEL_CELL[isRows ? 'rows' : 'columns'];
  const every = Math.max(1, Math.ceil(least / cell));
  context.font = font(every > 1 ? 10 : Math.min(11, Math.max(9, cell - 1)));
  const { groups } = axis;
  let group = 0;
  for (let place = first - (first % every); place < last; place += every) {
    while (group < groups.length && groups[group].end <= place) group++;
    const isGrouped = groups.length > 0 && !untold.has(groups[group]);
    const middle = at(place) + cell / 2;
    const apart = pinned === undefined ? Infinity : Math.abs(place - pinned) * cell;
    if ((isRows || isSlanted) && apart < BESIDE_PINNED[isRows ? 'rows' : 'columns']) continue;
    const most = letters(depth - band, middle);
    // An ellipsis alone tells nothing.
    if (most > 2) write(short(axis.label(axis.order[place], isGrouped), most), middle);
  }
}

/**
 * The pinned cell's own label, as much of it as has room, and on top.
 * @param {CanvasRenderingContext2D} context
 * @param {Side} side
 * @param {View} view
 * @param {{node: number, place: number}} pinned
 */
function writePinned(context, side, { accent, ground, top }, { node, place }) {
  const { isRows, isSlanted, axis, at, cell, from, to, depth, font, letters } = side;
  const middle = at(place) + cell / 2;
  if (middle < from || middle > to) return;
  context.font = font(11);
  const text = short(axis.label(node, false), Math.max(3, letters(depth, middle)));
  const [length, thick] = [text.length * GLYPH + 8, 16];
  context.save();
  if (isRows) context.translate(depth, middle);
  else context.translate(middle, top - (isSlanted ? 4 : 10));
  if (isSlanted) context.rotate(-Math.PI / 4);
  const begin = isRows ? -length : isSlanted ? 0 : -length / 2;
  context.fillStyle = accent;
  context.fillRect(begin, -thick / 2, length, thick);
  context.fillStyle = ground;
  context.textAlign = 'left';
  context.fillText(text, begin + 4, 0.5);
  context.restore();
}

/**
 * Lines between groups of tokens; where they crowd, they fade: the cells are what is looked at.
 * @param {CanvasRenderingContext2D} context
 * @param {Matrix} matrix
 * @param {View} view
 */
export function drawSeparators(context, matrix, { width, height, left, top, x, y, ink }) {
  context.fillStyle = ink;
  const [right, bottom] = [Math.min(width, x(matrix.columns.n)), Math.min(height, y(matrix.rows.n))];
  /** @param {import('../cells.js').Axis} axis @param {(place: number) => number} at @param {(at: number) => void} draw */
  const lines = ({ groups }, at, draw) => {
    for (let i = 0; i + 1 < groups.length; i++) {
      const [before, here, after] = [at(groups[i - 1]?.end ?? 0), at(groups[i].end), at(groups[i + 1].end)];
      // The wider side counts: beside a narrow group, as BOS is one, there still is a line.
      const room = Math.max(here - before, after - here);
      context.globalAlpha = 0.28 * Math.max(0, Math.min(1, (room - CROWDED.to) / (CROWDED.from - CROWDED.to)));
      if (context.globalAlpha > 0) draw(Math.round(here));
    }
  };
  lines(matrix.rows, y, (at) => context.fillRect(left, at, right - left, 1));
  lines(matrix.columns, x, (at) => context.fillRect(at, top, 1, bottom - top));
  context.globalAlpha = 1;
}

/**
 * What columns are, above them, and what rows are, in the corner.
 * @param {CanvasRenderingContext2D} context
 * @param {Matrix} matrix
 * @param {View} view
 */
export function drawTitles(context, { rows, columns }, { left, top, width, ink, isBars }) {
  context.fillStyle = ink;
  context.globalAlpha = 0.8;
  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  const letter = context.measureText('latents of blocks').width / 17;
  const title = short(`${columns.name} →`, Math.floor((width - 12) / letter));
  // Above the columns, but whole rather than there.
  context.fillText(title, Math.max(6, Math.min(left, width - 6 - context.measureText(title).width)), TITLE / 2 + 1);
  if (!isBars) {
    const lines = wrapped(context, `${rows.name} ↓`, left - 12, Math.floor((top - 10) / 13));
    lines.forEach((line, i) => context.fillText(line, 6, top - 10 - 13 * (lines.length - 1 - i)));
  }
  context.globalAlpha = 1;
}

/**
 * A text in lines, which break at spaces and behind dots.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} width
 * @param {number} most lines
 */
function wrapped(context, text, width, most) {
  const lines = [''];
  for (const part of text.split(/(?<=[ .])/)) {
    const line = lines[lines.length - 1] + part;
    if (context.measureText(line.trimEnd()).width <= width || lines[lines.length - 1] === '')
      lines[lines.length - 1] = line;
    else lines.push(part);
  }
  if (lines.length > most) {
    lines.length = Math.max(1, most);
    lines[lines.length - 1] = `${lines[lines.length - 1].trimEnd()}…`;
  }
  return lines.map((line) => line.trimEnd());
}
