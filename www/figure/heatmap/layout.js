// Where things are in a heatmap: the size of a cell, the room for labels, what is in view, what is at a point.
//
// Places count from the first row and column as they are ordered; points and lengths are in pixels of the element.

import { strongestIn } from '../cells.js';
import { measure, TITLE } from './room.js';

/** @typedef {import('../cells.js').Matrix} Matrix */
/** @typedef {import('./room.js').Labelled} Labelled */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {ReturnType<typeof createLayout>} Layout */
/** @typedef {ReturnType<Layout['view']>} Geometry */

/** The largest size of a cell in pixels that a hand may zoom to, and the largest while all is in view. */
const LARGEST = { width: 120, height: 60 };
const USUAL = { width: 120, height: 44 };
/** Labels are drawn where a cell is at least this large: those of columns are slanted, and need more. */
export const LABEL_CELL = { rows: 11, columns: 14 };
/** As many rows or columns, and fewer, always have their labels. */
const FEW = 50;
/** Height of the bars of a single row, their axis included. */
const BARS = 340;
/** What labels of rows and columns are tried, the best first. @type {Labelled[]} */
const TRIED = [true, false].flatMap((rows) =>
  /** @type {const} */ (['flat', 'slanted', 'none']).map((columns) => ({ rows, columns })),
);

/**
 * The height beyond which a box of a heatmap would only be blank. Known before anything is painted: it follows from
 * how many rows there are.
 * @param {Matrix} matrix
 */
export function boxHeight(matrix) {
  const { grouped, margins } = measure(matrix);
  /** @type {Labelled} */
  const labelled = { rows: true, columns: grouped.columns && matrix.columns.n > 60 ? 'none' : 'slanted' };
  // With room for a scroll bar.
  return (
    margins({ width: 1000, height: Infinity }, labelled).top +
    12 +
    (isBars(matrix) ? BARS : matrix.rows.n * USUAL.height)
  );
}

/** Whether a single row is shown, as bars. @param {Matrix} matrix */
export const isBars = ({ rows }) => rows.pos.length === 1;

/**
 * @param {Matrix} matrix which may change
 * @param {HTMLElement} root the element, which scrolls
 */
export function createLayout(matrix, root) {
  /** Pixels of a cell. */
  let size = { width: 0, height: 0 };
  /** Whether all is in view, and stays so when the box changes. */
  let fitted = true;
  let room = measure(matrix);

  /** What is labelled in cells of a size. @returns {Labelled} */
  function labelledAt({ width, height } = size) {
    const isFlat = width >= room.flat;
    return {
      rows: height >= LABEL_CELL.rows || !room.grouped.rows,
      columns: isFlat ? 'flat' : width >= LABEL_CELL.columns || !room.grouped.columns ? 'slanted' : 'none',
    };
  }

  /** Room around the cells. @param {Labelled} [labelled] */
  function margins(labelled = labelledAt()) {
    return room.margins({ width: root.clientWidth, height: root.clientHeight }, labelled);
  }

  /** Size at which all cells are in view, with as many labels as then have room. */
  function fittingSize() {
    /** Pixels that a cell has at least where it is labelled so, and that it stays under. */
    const bounds = {
      flat: [room.flat, USUAL.width],
      slanted: [LABEL_CELL.columns, Math.min(USUAL.width, room.flat - 0.1)],
      none: [0, LABEL_CELL.columns - 0.1],
    };
    /** So few that each is to be read, though they then may not all be in view. @param {number} n @param {number} least */
    const readable = (n, least) => (n <= FEW ? least : 0);
    let fitting = size;
    for (const labelled of TRIED) {
      const { left, top, right } = margins(labelled);
      const [least, most] = bounds[labelled.columns];
      // Labels of what no group tells are always there, for every so many.
      const lowest = labelled.columns === 'slanted' && !room.grouped.columns ? 0 : least;
      const tallest = labelled.rows || !room.grouped.rows ? USUAL.height : LABEL_CELL.rows - 0.1;
      const cell = (/** @type {number} */ pixels, /** @type {number} */ n) => Math.max(pixels, 1) / Math.max(n, 1);
      const tall = root.clientHeight - top;
      fitting = {
        width: Math.min(most, cell(root.clientWidth - left - right, matrix.columns.n)),
        // Bars of a single row use all the room.
        height: isBars(matrix) ? Math.max(tall, 1) : Math.min(tallest, cell(tall, matrix.rows.n)),
      };
      const fits = fitting.height >= (labelled.rows && room.grouped.rows ? LABEL_CELL.rows : 0);
      if (fitting.width >= lowest && fits) break;
    }
    return {
      width: Math.max(fitting.width, readable(matrix.columns.n, LABEL_CELL.columns)),
      height: Math.max(fitting.height, readable(matrix.rows.n, LABEL_CELL.rows)),
    };
  }

  /**
   * Takes the size nearest to the wanted one that there may be.
   * @param {{width: number, height: number}} wanted
   * @returns {{width: number, height: number}} of all cells and labels
   */
  function resize(wanted) {
    const least = fittingSize();
    size = {
      width: Math.min(Math.max(LARGEST.width, least.width), Math.max(least.width, wanted.width)),
      height: Math.min(Math.max(LARGEST.height, least.height), Math.max(least.height, wanted.height)),
    };
    fitted = size.width === least.width && size.height === least.height;
    const { left, top, right } = margins();
    return {
      width: Math.floor(left + matrix.columns.n * size.width + right),
      height: Math.floor(top + matrix.rows.n * size.height),
    };
  }

  /** Pixels of the screen in one of the page. */
  const scale = () => root.ownerDocument.defaultView?.devicePixelRatio || 1;

  /** Cells that one pixel stands for: the fewest with which no pixel stands for less than one. */
  function blocks() {
    const block = (/** @type {number} */ pixels) =>
      2 ** Math.max(0, Math.ceil(Math.log2(1 / (pixels * scale())) - 1e-9));
    return { wide: block(size.width), tall: block(size.height) };
  }

  /** The place at a point; among several that share a pixel the strongest, which is the one painted. @param {Point} point */
  function placeAt({ x, y }) {
    const { left, top } = margins();
    if (x < left || y < top) return undefined;
    let column = Math.floor((x - left + root.scrollLeft) / size.width);
    let row = Math.floor((y - top + root.scrollTop) / size.height);
    if (row >= matrix.rows.n || column >= matrix.columns.n || row < 0 || column < 0) return undefined;
    const { wide, tall } = blocks();
    if (wide > 1 || tall > 1) {
      const place = strongestIn(matrix, row - (row % tall), column - (column % wide), tall, wide);
      [row, column] = [Math.floor(place / matrix.columns.n), place % matrix.columns.n];
    }
    return { row, column };
  }

  /**
   * The row or column whose label is at a point: of those that are labelled one by one.
   * @param {Point} point
   * @returns {{axis: 'rows' | 'columns', place: number} | undefined}
   */
  function labelAt({ x, y }) {
    const labelled = labelledAt();
    const { left, top } = margins(labelled);
    const axis = y >= top ? 'rows' : 'columns';
    const pixels = axis === 'rows' ? size.height : size.width;
    const isThere = axis === 'rows' ? x < left && labelled.rows && !isBars(matrix) : labelled.columns !== 'none';
    if (!isThere || y < TITLE) return undefined;
    // A slanted label leads down to its column.
    const foot = labelled.columns === 'slanted' ? x - (top - y) : x;
    if (axis === 'columns' && foot < left) return undefined;
    const at = axis === 'rows' ? y - top + root.scrollTop : foot - left + root.scrollLeft;
    const every = Math.max(1, Math.ceil(LABEL_CELL[axis] / pixels));
    const place = Math.round((at / pixels - 0.5) / every) * every;
    return place < matrix[axis].n ? { axis, place } : undefined;
  }

  /** What is in view, and where it is drawn. */
  function view() {
    const [width, height] = [root.clientWidth, root.clientHeight];
    const labelled = labelledAt();
    const { left, top } = margins(labelled);
    const { scrollLeft, scrollTop } = root;
    return {
      ...{ width, height, left, top, size, labelled, isBars: isBars(matrix), ...blocks() },
      band: room.bands(labelled),
      firstRow: Math.floor(scrollTop / size.height),
      firstColumn: Math.floor(scrollLeft / size.width),
      lastRow: Math.min(matrix.rows.n, Math.ceil((scrollTop + height - top) / size.height)),
      lastColumn: Math.min(matrix.columns.n, Math.ceil((scrollLeft + width - left) / size.width)),
      x: (/** @type {number} */ column) => left + column * size.width - scrollLeft,
      y: (/** @type {number} */ row) => top + row * size.height - scrollTop,
    };
  }

  return {
    margins,
    isBars: () => isBars(matrix),
    resize,
    scale,
    placeAt,
    labelAt,
    view,
    /** Looks anew how long labels are. */
    measure() {
      room = measure(matrix);
    },
    get size() {
      return size;
    },
    get fitted() {
      return fitted;
    },
  };
}
