// Where everything of a picture is: as many labels as can be read at its width, and no more.

import { fitted, widthOf, wrapped } from './svg.js';

/** @typedef {import('../../figure/cells.js').Matrix} Matrix */
/** @typedef {import('../../figure/cells.js').Axis} Axis */
/** @typedef {{text: string, middle: number, node?: number}} Label middle: in pixels along its axis */

/** Sizes of letters, in pixels: 11 are 8 points on paper. */
export const SIZE = { title: 14, axis: 12, label: 11, caption: 11 };
/** From one label to the next. */
const LINE = 13;
/** Of a cell, in pixels. */
const CELL = { width: 72, height: 28, least: 14 };
const EDGE = 12;
/** Ticks and figures of an axis of values. */
const SCALE = 56;

/**
 * Labels of an axis whose cells have a size: of each where they have room, else of its groups, and where there are
 * none, of every so many.
 * @param {Axis} axis
 * @param {number} cell
 * @returns {Label[]}
 */
function labelsOf(axis, cell) {
  const n = axis.order.length;
  const each = (/** @type {number} */ place) => ({
    text: axis.label(axis.order[place], false),
    middle: (place + 0.5) * cell,
    node: axis.order[place],
  });
  if (cell >= LINE || axis.groups.length === 0) {
    const every = Math.max(1, Math.ceil(LINE / cell));
    return Array.from({ length: Math.ceil(n / every) }, (_, i) => each(i * every));
  }
  let start = 0;
  const groups = axis.groups.map(({ end, label }) => {
    const group = { text: label, middle: ((start + end) / 2) * cell, room: (end - start) * cell };
    start = end;
    return group;
  });
  // The largest first; one that would lie over another is left out.
  /** @type {Label[]} */
  const kept = [];
  for (const { text, middle } of groups.sort((a, b) => b.room - a.room)) {
    if (kept.every((other) => Math.abs(other.middle - middle) >= LINE)) kept.push({ text, middle });
  }
  return kept.sort((a, b) => a.middle - b.middle);
}

/** @param {Label[]} labels @param {number} most pixels */
function cut(labels, most) {
  const short = labels.map((label) => ({ ...label, text: fitted(label.text, most, SIZE.label) }));
  return { labels: short, room: short.reduce((wide, { text }) => Math.max(wide, widthOf(text, SIZE.label)), 0) };
}

/**
 * @param {Matrix} matrix
 * @param {object} options
 * @param {number} options.width of the whole picture, in pixels
 * @param {string} options.title
 * @param {string[]} options.caption sentences
 * @param {boolean} options.isBars
 */
export function layoutOf({ rows, columns }, { width, title, caption, isBars }) {
  const [nRows, nColumns] = [rows.order.length, columns.order.length];
  const inner = width - 2 * EDGE;
  const heading = wrapped(title, inner, SIZE.title, 3);
  const told = wrapped(caption.join(' '), inner, SIZE.caption, 12);

  const tall = isBars
    ? Math.round(Math.max(140, Math.min(320, 0.4 * width)))
    : nRows * CELL.least <= 1.2 * width
      ? Math.min(CELL.height, Math.max(CELL.least, (0.55 * width) / nRows)) * nRows
      : 0.75 * width;
  const cellHeight = tall / nRows;
  const rowLabels = isBars ? { labels: [], room: SCALE } : cut(labelsOf(rows, cellHeight), 0.3 * width);
  const left = Math.ceil(EDGE + SIZE.axis + 8 + rowLabels.room + 6);
  // Room for half of the last label, and for the figure at the end of the scale.
  const plot = width - left - EDGE - 10;
  const cellWidth = Math.min(CELL.width, plot / nColumns);
  const given = labelsOf(columns, cellWidth);
  const grouped = columns.groups.length > 0 && cellWidth < LINE;
  const isFlat = !grouped && given.every(({ text }) => widthOf(text, SIZE.label) + 6 <= cellWidth);
  const columnLabels = cut(given, isFlat ? cellWidth : Math.max(110, 0.2 * width));
  const deep = isFlat ? LINE : columnLabels.room;

  const above = EDGE + heading.length * 19 + 6;
  // Labels stand above a heatmap, and beneath bars.
  const top = Math.ceil(above + SIZE.axis + 8 + (isBars ? 10 : deep + 8));
  const bottom = top + tall;
  const under = Math.ceil(isBars ? bottom + deep + 8 + SIZE.axis + 12 : bottom + 14);
  const captionTop = isBars ? under + 8 : under + 52;
  return {
    ...{ width, heading, told, left, top, tall, cellWidth, cellHeight, isFlat, above, deep, under, captionTop },
    wide: cellWidth * nColumns,
    rowLabels: rowLabels.labels,
    columnLabels: columnLabels.labels,
    height: Math.ceil(captionTop + told.length * 16 + EDGE),
    edge: EDGE,
  };
}

/** @typedef {ReturnType<typeof layoutOf>} Layout */
