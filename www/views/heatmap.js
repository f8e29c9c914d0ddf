// A matrix as a heatmap on canvas: draws what is in view, so that size costs nothing.

import { colorBits } from './scale.js';

/**
 * @typedef {object} Matrix
 * @property {Float32Array} values [rows, columns] row-major
 * @property {string[]} rows labels
 * @property {string[]} columns labels
 * @property {number} limit the colour scale ends at ±limit
 */

/** Cells painted in one frame: a few milliseconds of work. */
const PAINTED_CELLS = 200_000;
/** Pixels that labels may take. */
const ROW_LABELS = 212;
const COLUMN_LABELS = 156;
/** Labels are drawn where a cell is at least this large. */
const LABEL_CELL = 11;

/**
 * A focusable heatmap that scrolls. Arrow keys move the selected cell, Home and End go to the ends
 * of a row, Page Up and Down to the ends of a column.
 * @param {Matrix} matrix
 * @param {object} options
 * @param {Document} options.document
 * @param {string} options.label what it shows, for screen readers
 * @param {number} options.cell size of a cell in pixels
 * @param {(cell: {row: number, column: number, x: number, y: number, pointed: boolean} | undefined) => void} options.onCell
 *   the cell under the pointer or selected by keyboard; x and y within the element
 */
export function heatmap(matrix, { document, label, cell, onCell }) {
  const [nRows, nColumns] = [matrix.rows.length, matrix.columns.length];
  const root = document.createElement('div');
  root.className = 'heatmap';
  root.tabIndex = 0;
  root.setAttribute('role', 'application');
  root.setAttribute('aria-label', `${label}. Heatmap of ${nRows} rows and ${nColumns} columns. Arrow keys read cells.`);
  const spacer = document.createElement('div');
  spacer.className = 'heatmap-spacer';
  const canvas = document.createElement('canvas');
  canvas.className = 'heatmap-canvas';
  spacer.append(canvas);
  root.append(spacer);

  const image = document.createElement('canvas');
  /** @type {{row: number, column: number} | undefined} */
  let selected;
  let size = cell;
  let scheduled = false;

  /** Paints rows from one on, a slice a frame. @param {number} first */
  function paintImage(first) {
    const rows = Math.min(nRows - first, Math.max(1, Math.floor(PAINTED_CELLS / Math.max(nColumns, 1))));
    if (rows <= 0 || nColumns === 0) return;
    const context = /** @type {CanvasRenderingContext2D} */ (image.getContext('2d'));
    const pixels = context.createImageData(nColumns, rows);
    const bits = new Uint32Array(pixels.data.buffer);
    const start = first * nColumns;
    for (let i = 0; i < bits.length; i++) bits[i] = colorBits(matrix.values[start + i], matrix.limit);
    context.putImageData(pixels, 0, first);
    schedule();
    if (first + rows < nRows) requestAnimationFrame(() => paintImage(first + rows));
  }

  function layOut() {
    spacer.style.width = `${ROW_LABELS + nColumns * size}px`;
    spacer.style.height = `${COLUMN_LABELS + nRows * size}px`;
    // Room for a scroll bar, so that a single row needs none of its own.
    root.style.maxHeight = `${COLUMN_LABELS + nRows * size + 20}px`;
    schedule();
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      draw();
    });
  }

  function draw() {
    const [width, height] = [root.clientWidth, root.clientHeight];
    const scale = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== h) {
      [canvas.width, canvas.height] = [w, h];
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const style = getComputedStyle(root);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const firstRow = Math.floor(root.scrollTop / size);
    const firstColumn = Math.floor(root.scrollLeft / size);
    const lastRow = Math.min(nRows, Math.ceil((root.scrollTop + height - COLUMN_LABELS) / size));
    const lastColumn = Math.min(nColumns, Math.ceil((root.scrollLeft + width - ROW_LABELS) / size));
    const x = (/** @type {number} */ column) => ROW_LABELS + column * size - root.scrollLeft;
    const y = (/** @type {number} */ row) => COLUMN_LABELS + row * size - root.scrollTop;

    context.save();
    context.beginPath();
    context.rect(ROW_LABELS, COLUMN_LABELS, width - ROW_LABELS, height - COLUMN_LABELS);
    context.clip();
    context.imageSmoothingEnabled = false;
    const [columns, rows] = [lastColumn - firstColumn, lastRow - firstRow];
    if (columns > 0 && rows > 0) {
      context.drawImage(image, firstColumn, firstRow, columns, rows, x(firstColumn), y(firstRow), columns * size, rows * size);
    }
    if (selected) {
      context.strokeStyle = style.getPropertyValue('--accent') || '#d97706';
      context.lineWidth = 2;
      context.strokeRect(x(selected.column) - 1, y(selected.row) - 1, size + 2, size + 2);
    }
    context.restore();

    context.fillStyle = style.color;
    context.font = `${Math.min(12, Math.max(9, size - 1))}px ui-monospace, monospace`;
    context.textBaseline = 'middle';
    const every = Math.max(1, Math.ceil(LABEL_CELL / size));
    context.save();
    context.beginPath();
    context.rect(0, COLUMN_LABELS, ROW_LABELS, height - COLUMN_LABELS);
    context.clip();
    context.textAlign = 'right';
    for (let row = firstRow - (firstRow % every); row < lastRow; row += every) {
      context.fillText(short(matrix.rows[row], 30), ROW_LABELS - 5, y(row) + size / 2);
    }
    context.restore();
    context.save();
    context.beginPath();
    context.rect(ROW_LABELS, 0, width - ROW_LABELS, COLUMN_LABELS);
    context.clip();
    context.textAlign = 'left';
    for (let column = firstColumn - (firstColumn % every); column < lastColumn; column += every) {
      context.save();
      context.translate(x(column) + size / 2, COLUMN_LABELS - 5);
      context.rotate(-Math.PI / 2);
      context.fillText(short(matrix.columns[column], 22), 0, 0);
      context.restore();
    }
    context.restore();
  }

  /** @param {MouseEvent} event */
  function cellAt(event) {
    const box = root.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    if (x < ROW_LABELS || y < COLUMN_LABELS) return undefined;
    const column = Math.floor((x - ROW_LABELS + root.scrollLeft) / size);
    const row = Math.floor((y - COLUMN_LABELS + root.scrollTop) / size);
    return row < nRows && column < nColumns ? { row, column, x, y, pointed: true } : undefined;
  }

  /** @param {{row: number, column: number}} cell */
  function select(cell) {
    selected = cell;
    const [x, y] = [cell.column * size, cell.row * size];
    const [w, h] = [root.clientWidth - ROW_LABELS, root.clientHeight - COLUMN_LABELS];
    if (x < root.scrollLeft) root.scrollLeft = x;
    if (x + size > root.scrollLeft + w) root.scrollLeft = x + size - w;
    if (y < root.scrollTop) root.scrollTop = y;
    if (y + size > root.scrollTop + h) root.scrollTop = y + size - h;
    onCell({
      ...cell,
      x: ROW_LABELS + x - root.scrollLeft + size,
      y: COLUMN_LABELS + y - root.scrollTop + size,
      pointed: false,
    });
    schedule();
  }

  root.addEventListener('scroll', () => {
    onCell(undefined);
    schedule();
  });
  root.addEventListener('pointermove', (event) => onCell(cellAt(event)));
  root.addEventListener('pointerleave', () => onCell(undefined));
  root.addEventListener('pointerdown', (event) => {
    const cell = cellAt(event);
    if (cell) select({ row: cell.row, column: cell.column });
  });
  root.addEventListener('keydown', (event) => {
    if (nRows === 0 || nColumns === 0) return;
    const { row, column } = selected ?? { row: 0, column: -1 };
    /** @type {Record<string, [number, number]>} */
    const moves = {
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      ArrowDown: [selected ? row + 1 : 0, Math.max(column, 0)],
      ArrowUp: [row - 1, Math.max(column, 0)],
      Home: [row, 0],
      End: [row, nColumns - 1],
      PageUp: [0, Math.max(column, 0)],
      PageDown: [nRows - 1, Math.max(column, 0)],
    };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    select({
      row: Math.max(0, Math.min(nRows - 1, move[0])),
      column: Math.max(0, Math.min(nColumns - 1, move[1])),
    });
  });
  new ResizeObserver(schedule).observe(root);

  image.width = Math.max(nColumns, 1);
  image.height = Math.max(nRows, 1);
  paintImage(0);
  layOut();
  return {
    element: root,
    /** @param {number} pixels */
    zoom(pixels) {
      size = pixels;
      layOut();
    },
    select,
  };
}

/** @param {string} text @param {number} length */
function short(text, length) {
  const characters = [...text];
  return characters.length > length ? `${characters.slice(0, length - 1).join('')}…` : text;
}
