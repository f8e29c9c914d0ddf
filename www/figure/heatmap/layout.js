// Where things are in a heatmap: the size of a cell, the room for labels, what is in view, what is at a point.
//
// Places count from the first row and column as they are ordered; points and lengths are in pixels of the element.

import { strongestIn } from '../cells.js';

/** @typedef {import('../cells.js').Matrix} Matrix */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {ReturnType<typeof createLayout>} Layout */
/** @typedef {ReturnType<Layout['view']>} Geometry */

/** Largest and, unless zoomed in, usual size of a cell in pixels. */
const LARGEST = 40;
const USUAL = { width: 72, height: 32 };
/** Labels are drawn where a cell is at least this large. */
export const LABEL_CELL = 11;

/**
 * @param {Matrix} matrix which may change
 * @param {HTMLElement} root the element, which scrolls
 */
export function createLayout(matrix, root) {
  /** Pixels of a cell. */
  let size = { width: 0, height: 0 };
  /** Whether all is in view, and stays so when the box changes. */
  let fitted = true;

  /**
   * Room that labels take: more where every cell has one of its own.
   * @param {{rows: boolean, columns: boolean}} [labelled]
   */
  function margins(labelled = { rows: isLabelled('rows', size.height), columns: isLabelled('columns', size.width) }) {
    const width = root.clientWidth;
    if (width < 640) return { left: Math.round(width * 0.28), top: labelled.columns ? 110 : 76 };
    return { left: labelled.rows ? 212 : 118, top: labelled.columns ? 156 : 108 };
  }

  /** @param {'rows' | 'columns'} which @param {number} pixels of a cell */
  function isLabelled(which, pixels) {
    return pixels >= LABEL_CELL || matrix[which].groups.length === 0;
  }

  /** Size at which all cells are in view, with as many labels as then have room. */
  function fittingSize() {
    const cell = (
      /** @type {number} */ room,
      /** @type {number} */ n,
      /** @type {boolean} */ labelled,
      /** @type {number} */ usual,
    ) => Math.min(labelled ? usual : LABEL_CELL - 0.1, Math.max(room, 1) / Math.max(n, 1));
    const grouped = { rows: matrix.rows.groups.length > 0, columns: matrix.columns.groups.length > 0 };
    for (const [rows, columns] of [
      [true, true],
      [true, false],
      [false, true],
      [false, false],
    ]) {
      const { left, top } = margins({ rows: rows || !grouped.rows, columns: columns || !grouped.columns });
      const [width, height] = [root.clientWidth - left, root.clientHeight - top];
      const fitting = {
        width: cell(width, matrix.columns.n, columns || !grouped.columns, USUAL.width),
        // Bars of a single row use all the room.
        height: isBars() ? height : cell(height, matrix.rows.n, rows || !grouped.rows, USUAL.height),
      };
      const fits = (!columns || fitting.width >= LABEL_CELL) && (!rows || fitting.height >= LABEL_CELL);
      if (fits || (!rows && !columns)) return fitting;
    }
    return size;
  }

  /** Whether a single row is shown, as bars. */
  function isBars() {
    return matrix.rows.n === 1;
  }

  /**
   * Takes the size nearest to the wanted one that there may be.
   * @param {{width: number, height: number}} wanted
   * @returns {{width: number, height: number}} of all cells and labels
   */
  function resize(wanted) {
    const least = fittingSize();
    const most = (/** @type {number} */ low) => Math.max(LARGEST, low);
    size = {
      width: Math.min(most(least.width), Math.max(least.width, wanted.width)),
      height: Math.min(most(least.height), Math.max(least.height, wanted.height)),
    };
    fitted = size.width === least.width && size.height === least.height;
    const { left, top } = margins();
    return {
      width: Math.floor(left + matrix.columns.n * size.width),
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

  /** The place at a point; among several that share a pixel the strongest, which is the one painted. @param {{x: number, y: number}} point */
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

  /** What is in view, and where it is drawn. */
  function view() {
    const [width, height] = [root.clientWidth, root.clientHeight];
    const { left, top } = margins();
    const { scrollLeft, scrollTop } = root;
    return {
      ...{ width, height, left, top, size, isBars: isBars(), ...blocks() },
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
    isBars,
    resize,
    scale,
    placeAt,
    view,
    get size() {
      return size;
    },
    get fitted() {
      return fitted;
    },
  };
}
