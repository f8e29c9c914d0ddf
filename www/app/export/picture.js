// A result as a picture for paper: SVG of a chosen width. Cells are an image within it, all else text and lines.

import { strongestIn } from '../../figure/cells.js';
import { cssColor } from '../../figure/scale.js';
import { brief, exact } from '../../figure/text.js';
import { encode } from './encode.js';
import { ticks } from '../../figure/ticks.js';
import { layoutOf, SIZE } from './layout.js';
import { createSvg, fitted, widthOf } from './svg.js';

/** @typedef {import('../../figure/cells.js').Matrix} Matrix */
/** @typedef {import('../../figure/scale.js').Theme} Theme */
/** @typedef {import('./layout.js').Layout} Layout */
/** @typedef {ReturnType<typeof createSvg>} Svg */
/** @typedef {{svg: string, width: number, height: number}} Picture */

const COLOURS = { light: ['#1c1917', '#ffffff'], dark: ['#e7e5e4', '#171513'] };
/** Pixels of the image of cells for each of the picture: it is looked at larger, too. */
const FINE = 2;
/** Pixels between two lines. */
const APART = 6;
/** Colours of the scale. */
const STRIPS = 64;

/**
 * @param {Matrix} matrix
 * @param {object} options
 * @param {string} options.title
 * @param {string[]} options.caption sentences beneath
 * @param {ReturnType<typeof import('./about.js').axisTitles>} options.axes
 * @param {number} options.width in pixels, of which 96 are an inch
 * @param {Theme} [options.theme]
 * @param {number} [options.centimetres] its width on paper, where that is to be written into it
 * @param {number} [options.end] where an axis of values ends that the reader has set; else all values are within
 * @param {number} [options.beyond] values that the scale of colours does not reach
 * @returns {Promise<Picture>}
 */
export async function picture(matrix, options) {
  const { title, caption, axes, width, theme = 'light', centimetres, end, beyond = 0 } = options;
  const isBars = matrix.rows.order.length === 1;
  const layout = layoutOf(matrix, { width, title, caption, isBars });
  const [ink, ground] = COLOURS[theme];
  const svg = createSvg(ink);
  layout.heading.forEach((line, i) => svg.text(line, layout.edge, 26 + 19 * i, { size: SIZE.title, weight: 600 }));
  if (isBars) drawBars(svg, matrix, layout, theme, axes.bars, end);
  else {
    await drawCells(svg, matrix, layout, theme);
    drawScale(svg, layout, theme, { limit: matrix.limit, title: axes.values, isCut: beyond > 0 });
  }
  drawLabels(svg, matrix, layout, isBars, axes);
  layout.told.forEach((line, i) =>
    svg.text(line, layout.edge, layout.captionTop + 14 + 16 * i, { size: SIZE.caption }),
  );
  const { height } = layout;
  return { svg: svg.done({ width, height, title, ground, centimetres }), width, height };
}

/**
 * @param {Svg} svg
 * @param {Matrix} matrix
 * @param {Layout} layout
 * @param {Theme} theme
 */
async function drawCells(svg, matrix, { left, top, wide: plotWidth, tall: plotHeight, cellWidth, cellHeight }, theme) {
  const [nRows, nColumns] = [matrix.rows.order.length, matrix.columns.order.length];
  const block = (/** @type {number} */ n, /** @type {number} */ pixels) =>
    2 ** Math.max(0, Math.ceil(Math.log2(n / (FINE * pixels))));
  const [wide, tall] = [block(nColumns, plotWidth), block(nRows, plotHeight)];
  const size = { width: Math.ceil(nColumns / wide), height: Math.ceil(nRows / tall), wide, tall };
  const box = { x: left, y: top, width: size.width * wide * cellWidth, height: size.height * tall * cellHeight };
  svg.image(box, await encode(matrix, theme, size));
  drawGroups(matrix.rows, plotHeight, (end) => svg.line(left, top + end * cellHeight, plotWidth, 0));
  drawGroups(matrix.columns, plotWidth, (end) => svg.line(left + end * cellWidth, top, 0, plotHeight));
  svg.line(left, top, plotWidth, 0);
  svg.line(left, top + plotHeight, plotWidth, 0);
  svg.line(left, top, 0, plotHeight);
  svg.line(left + plotWidth, top, 0, plotHeight);
}

/** Lines between groups; where they stand too close they would hide what they part. @param {import('../../figure/cells.js').Axis} axis @param {number} size @param {(end: number) => void} draw */
function drawGroups({ groups }, size, draw) {
  if (size / groups.length >= APART) for (const { end } of groups.slice(0, -1)) draw(end);
}

/**
 * The scale of colours, with round numbers; an arrow where values lie beyond its end.
 * @param {Svg} svg
 * @param {Layout} layout
 * @param {Theme} theme
 * @param {{limit: number, title: string, isCut: boolean}} scale
 */
function drawScale(svg, { left, under, width, edge }, theme, { limit, title, isCut }) {
  const size = Math.min(320, width - left - edge - 24);
  const [x, y, height] = [left + 10, under, 12];
  for (let i = 0; i < STRIPS; i++) {
    const strip = { x: x + (i * size) / STRIPS, y, width: size / STRIPS + 0.3, height };
    svg.rect(strip, cssColor((2 * (i + 0.5)) / STRIPS - 1, 1, theme));
  }
  if (isCut) {
    svg.shape(
      [
        [x, y],
        [x, y + height],
        [x - 9, y + height / 2],
      ],
      cssColor(-1, 1, theme),
    );
    svg.shape(
      [
        [x + size, y],
        [x + size, y + height],
        [x + size + 9, y + height / 2],
      ],
      cssColor(1, 1, theme),
    );
  }
  const place = (/** @type {number} */ value) => x + ((value + limit) / (2 * limit)) * size;
  const within = ticks(-limit, limit, Math.max(2, Math.min(6, size / 50)));
  // The ends themselves are told, and what would stand too near to them is not.
  const told = [-limit, ...within.filter((value) => limit - Math.abs(value) > (2 * limit * 34) / size), limit];
  for (const value of told) {
    svg.line(place(value), y + height, 0, 4, 0.7);
    svg.text(brief(value), place(value), y + height + 16, { size: SIZE.label, anchor: 'middle' });
  }
  svg.text(title, x + size / 2, y + height + 32, { size: SIZE.axis, anchor: 'middle' });
}

/**
 * A single row as bars on an axis of values.
 * @param {Svg} svg
 * @param {Matrix} matrix
 * @param {Layout} layout
 * @param {Theme} theme
 * @param {string} title
 * @param {number} [end]
 */
function drawBars(svg, matrix, { left, top, wide, tall, cellWidth, edge, width: whole }, theme, title, end) {
  const { columns, rows, values, across } = matrix;
  const row = rows.order[0];
  const valueOf = (/** @type {number} */ node) => values[row * columns.n + node];
  let [least, most] = [0, 0];
  for (const node of columns.order) [least, most] = [Math.min(least, valueOf(node)), Math.max(most, valueOf(node))];
  if (end !== undefined) [least, most] = [Math.max(least, -end), Math.min(most, end)];
  if (least === most) [least, most] = [-1, 1];
  const y = (/** @type {number} */ value) => top + ((most - value) / (most - least)) * tall;
  for (const value of ticks(least, most, Math.max(2, tall / 45))) {
    svg.line(left, y(value), wide, 0, value === 0 ? 0.7 : 0.15);
    svg.line(left - 4, y(value), 4, 0, 0.7);
    svg.text(brief(value), left - 7, y(value) + 4, { size: SIZE.label, anchor: 'end' });
  }
  svg.line(left, top, 0, tall, 0.7);
  drawGroups(columns, wide, (end) => svg.line(left + end * cellWidth, top, 0, tall, 0.15));
  svg.text(fitted(title, whole - 2 * edge, SIZE.axis), edge, top - 14, { size: SIZE.axis });
  // Where several share a pixel, the strongest is seen.
  const block = Math.max(1, Math.ceil(1 / cellWidth));
  const gap = cellWidth > 3 ? Math.min(4, cellWidth * 0.15) : 0;
  for (let place = 0; place < columns.order.length; place += block) {
    const node = columns.order[block > 1 ? strongestIn(matrix, 0, place, 1, block) : place];
    const value = valueOf(node);
    const shown = Math.max(least, Math.min(most, value));
    const x = left + place * cellWidth + gap / 2;
    const width = Math.max(cellWidth * block - gap, 0.6);
    const fill = cssColor(Math.sign(value) * 0.8, 1, theme);
    const opacity = across === true && columns.pos[node] === rows.pos[row] ? 0.25 : 1;
    const box = { x, y: y(Math.max(shown, 0)), width, height: Math.abs(y(0) - y(shown)) };
    svg.rect(box, fill, { opacity, title: `${columns.label(node, false)}: ${exact(value)}` });
    if (value === shown) continue;
    // Cut off: a point beyond the end, and the value.
    const [tip, base] = value > 0 ? [top - 7, top - 1] : [top + tall + 7, top + tall + 1];
    svg.shape(
      [
        [x, base],
        [x + width, base],
        [x + width / 2, tip],
      ],
      fill,
    );
    svg.text(brief(value), x + width + 3, value > 0 ? top + 9 : top + tall - 2, { size: 10 });
  }
}

/**
 * @param {Svg} svg
 * @param {Matrix} matrix
 * @param {Layout} layout
 * @param {boolean} isBars
 * @param {{rows: string, columns: string}} axes
 */
function drawLabels(svg, matrix, layout, isBars, axes) {
  const { left, top, tall, wide, edge, isFlat, rowLabels, columnLabels, deep, width } = layout;
  const { label: size, axis } = SIZE;
  for (const { text, middle } of rowLabels) svg.text(text, left - 6, top + middle + 4, { size, anchor: 'end' });
  const base = isBars ? top + tall + 8 : top - 6;
  for (const { text, middle } of columnLabels) {
    const x = left + middle;
    if (isFlat) svg.text(text, x, isBars ? base + 10 : base - 2, { size, anchor: 'middle' });
    else svg.text(text, x + 4, base, { size, turn: -90, anchor: isBars ? 'end' : 'start' });
  }
  const y = isBars ? base + deep + axis + 4 : top - deep - 14;
  // In full where that fits, else what they are and no more.
  const titled = (/** @type {string} */ title, /** @type {number} */ room) =>
    widthOf(title, axis) <= room ? title : fitted(title.split(/[:,]/)[0], room, axis);
  const columns = titled(axes.columns, width - 2 * edge);
  const half = widthOf(columns, axis) / 2;
  const middle = Math.max(edge + half, Math.min(left + wide / 2, width - edge - half));
  svg.text(columns, middle, y, { size: axis, anchor: 'middle' });
  if (isBars) return;
  const rows = titled(axes.rows, tall + 8);
  svg.text(rows, edge + axis - 2, top + tall / 2, { size: axis, anchor: 'middle', turn: -90 });
}
