// A matrix as a heatmap on canvas: draws what is in view, so that size costs nothing.
//
// Cells are painted into tiles, a few a frame, which panning and zooming only copy. The page's own
// scrolling pans; one cell has a width and a height of its own, so that 25 rows × 1,667 columns fill
// the box as well as 1,500 × 2,000 do. heatmap/ holds where things are, how cells and labels are drawn, and what
// a hand does.

import { drawBars, drawValues } from './heatmap/bars.js';
import { listen } from './heatmap/input.js';
import { drawLabels, drawSeparators, drawTitles } from './heatmap/labels.js';
import { createLayout } from './heatmap/layout.js';
import { createTiles } from './heatmap/tiles.js';
import { themeOf } from './scale.js';

/** @typedef {import('./cells.js').Axis} Axis */
/** @typedef {import('./cells.js').Matrix} Matrix */
/** @typedef {{row: number, column: number}} Cell nodes, not places */
/** @typedef {Cell & {x: number, y: number, pointed: boolean}} SeenCell x and y within the element */

/** @typedef {{text: string, x: number, y: number}} SeenLabel */

/**
 * A focusable heatmap. Arrow keys move the pinned cell, Home and End go to the ends of a row, Page Up
 * and Down to the ends of a column, Enter hands the cell over, + and − zoom, Escape shows all.
 * @param {Matrix} matrix
 * @param {object} options
 * @param {Document} options.document
 * @param {string} options.label what it shows, for screen readers
 * @param {(cell: SeenCell | undefined) => void} options.onCell the cell under the pointer or selected
 * @param {(label: SeenLabel) => void} [options.onLabel] the label under the pointer, which may be cut
 * @param {(cell: Cell) => void} [options.onSelect] a cell was clicked or reached by keyboard
 * @param {(cell: Cell) => void} [options.onEnter] Enter was pressed on a cell
 * @param {(axis: 'rows' | 'columns', by?: {row: number} | {column: number}) => void} [options.onSort] rows or columns
 *   are to be in the order of their values in a column or row; in that of the pinned cell if none is given
 * @param {(step: 1 | -1) => void} [options.onStep] the next or the one before of the strongest was asked for
 */
export function heatmap(matrix, { document, label, onCell, onLabel, onSelect, onEnter, onStep, onSort }) {
  const window = /** @type {Window & typeof globalThis} */ (document.defaultView);
  const div = (/** @type {string} */ name) => {
    const element = document.createElement('div');
    element.className = name;
    return element;
  };
  const root = div('heatmap');
  root.tabIndex = 0;
  root.setAttribute('role', 'application');
  const spacer = div('heatmap-spacer');
  const layer = div('heatmap-layer');
  const canvas = document.createElement('canvas');
  canvas.className = 'heatmap-canvas';
  const [hovered, brush] = [div('heatmap-hover'), div('heatmap-brush')];
  hovered.hidden = brush.hidden = true;
  layer.append(canvas, hovered, brush);
  spacer.append(layer);
  root.append(spacer);

  /** @type {Cell | undefined} */
  let selected;
  let scheduled = false;
  let isMeasured = false;
  /** Places of nodes. */
  let places = inverse(matrix);
  const layout = createLayout(matrix, root);
  const tiles = createTiles(document);

  function describe() {
    root.setAttribute(
      'aria-label',
      `${label}. ${layout.isBars() ? 'Bars of' : `Heatmap of ${matrix.rows.n} rows and`} ${matrix.columns.n} columns. ` +
        'Arrow keys read cells, n and p the next and previous strongest pair, Enter opens a cell, ' +
        's sorts columns along its row, Shift+s rows along its column, plus and minus zoom, Escape shows all.',
    );
  }

  /** @param {{width: number, height: number}} wanted of a cell */
  function resize(wanted) {
    const { width, height } = layout.resize(wanted);
    spacer.style.width = `${width}px`;
    spacer.style.height = `${height}px`;
    root.dataset.zoomed = String(!layout.fitted);
    schedule();
  }

  function fit() {
    resize({ width: 0, height: 0 });
    root.scrollTo(0, 0);
  }

  /**
   * Zooms about a point of the element, its middle by default.
   * @param {number} factor
   * @param {{x: number, y: number}} [at]
   */
  function zoom(factor, at) {
    const [{ left, top }, before] = [layout.margins(), layout.size];
    const point = at ?? { x: (left + root.clientWidth) / 2, y: (top + root.clientHeight) / 2 };
    const [x, y] = [Math.max(point.x - left, 0), Math.max(point.y - top, 0)];
    const [column, row] = [(x + root.scrollLeft) / before.width, (y + root.scrollTop) / before.height];
    resize({ width: before.width * factor, height: layout.isBars() ? 0 : before.height * factor });
    const [now, { width, height }] = [layout.margins(), layout.size];
    root.scrollTo(column * width - Math.max(point.x - now.left, 0), row * height - Math.max(point.y - now.top, 0));
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    window.requestAnimationFrame(() => {
      scheduled = false;
      draw();
    });
  }

  /** Drops what was painted. */
  function repaint() {
    tiles.clear();
    schedule();
  }

  /** What is in view, with the colours that it is drawn in. */
  function visible() {
    const style = window.getComputedStyle(root);
    // As computed: a canvas does not know light-dark().
    const accent = window.getComputedStyle(brush).borderTopColor;
    return { ...layout.view(), ink: style.color, accent, ground: style.backgroundColor, theme: themeOf(root) };
  }

  function draw() {
    // Until its room is known, every size is wrong.
    if (!isMeasured) return;
    const view = visible();
    const { width, height, left, top } = view;
    if (width === 0 || height === 0) return;
    const scale = layout.scale();
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== h) {
      [canvas.width, canvas.height] = [w, h];
      layer.style.width = canvas.style.width = `${width}px`;
      layer.style.height = canvas.style.height = `${height}px`;
    }
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    if (matrix.rows.n === 0 || matrix.columns.n === 0) return;

    context.save();
    context.beginPath();
    context.rect(left, top, width - left, height - top);
    context.clip();
    if (view.isBars) drawBars(context, matrix, view);
    else if (!tiles.draw(context, matrix, view)) schedule();
    drawSeparators(context, matrix, view);
    const at = pinned();
    if (at) drawCross(context, view, at.place);
    context.restore();
    if (view.isBars) drawValues(context, matrix, view);
    else drawLabels(context, matrix, view, 'rows', at && { node: at.node.row, place: at.place.row });
    drawLabels(context, matrix, view, 'columns', at && { node: at.node.column, place: at.place.column });
    drawTitles(context, matrix, view);
  }

  /** @param {Cell} cell */
  const isDrawn = ({ row, column }) => places.rows[row] >= 0 && places.columns[column] >= 0;

  /** The pinned cell, and where it is. */
  function pinned() {
    if (!selected || !isDrawn(selected)) return undefined;
    return { node: selected, place: { row: places.rows[selected.row], column: places.columns[selected.column] } };
  }

  /** The nodes of a place. @param {Cell} place @returns {Cell} */
  const nodesAt = ({ row, column }) => ({ row: matrix.rows.order[row], column: matrix.columns.order[column] });

  /** A label, whole. @param {{axis: 'rows' | 'columns', place: number}} label */
  const textOf = ({ axis, place }) => matrix[axis].label(matrix[axis].order[place], false);

  /** @param {{x: number, y: number} | undefined} point */
  function hover(point) {
    const place = point && layout.placeAt(point);
    hovered.hidden = !place;
    const label = point && layout.labelAt(point);
    root.classList.toggle('labels', Boolean(label));
    if (!place || !point) {
      onCell(undefined);
      if (point && label) onLabel?.({ ...point, text: textOf(label) });
      return;
    }
    const { x, y, size } = layout.view();
    hovered.style.transform = `translate(${x(place.column) - 1}px, ${y(place.row) - 1}px)`;
    hovered.style.width = `${Math.max(size.width, 4) + 2}px`;
    hovered.style.height = `${Math.max(size.height, 4) + 2}px`;
    onCell({ ...nodesAt(place), ...point, pointed: true });
  }

  /**
   * Pins a cell and scrolls to it.
   * @param {Cell} cell
   */
  function select(cell) {
    selected = cell;
    if (!isDrawn(cell)) return schedule();
    const [{ left, top }, size] = [layout.margins(), layout.size];
    const [row, column] = [places.rows[cell.row], places.columns[cell.column]];
    const [x, y] = [column * size.width, row * size.height];
    const [w, h] = [root.clientWidth - left, root.clientHeight - top];
    if (x < root.scrollLeft) root.scrollLeft = x;
    if (x + size.width > root.scrollLeft + w) root.scrollLeft = x + size.width - w;
    if (y < root.scrollTop) root.scrollTop = y;
    if (y + size.height > root.scrollTop + h) root.scrollTop = y + size.height - h;
    onCell({
      ...cell,
      x: left + x - root.scrollLeft + size.width,
      y: top + y - root.scrollTop + size.height,
      pointed: false,
    });
    schedule();
  }

  /** Pins the cell at a place, by hand. @param {Cell} place */
  function go(place) {
    const cell = nodesAt(place);
    select(cell);
    onSelect?.(cell);
  }

  /** Zooms to the cells between two points. @param {{x: number, y: number}} a @param {{x: number, y: number}} b */
  function zoomTo(a, b) {
    const [{ left, top }, before] = [layout.margins(), layout.size];
    const range = (
      /** @type {number} */ p,
      /** @type {number} */ q,
      /** @type {number} */ room,
      /** @type {number} */ scroll,
      /** @type {number} */ cell,
      /** @type {number} */ n,
    ) => {
      const places = [p, q].map((at) => Math.max(0, Math.min(n - 1, Math.floor((at - room + scroll) / cell))));
      return [Math.min(...places), Math.max(...places) + 1];
    };
    const [fromColumn, toColumn] = range(a.x, b.x, left, root.scrollLeft, before.width, matrix.columns.n);
    const [fromRow, toRow] = range(a.y, b.y, top, root.scrollTop, before.height, matrix.rows.n);
    resize({
      width: (root.clientWidth - left) / (toColumn - fromColumn),
      height: layout.isBars() ? 0 : (root.clientHeight - top) / (toRow - fromRow),
    });
    const { width, height } = layout.size;
    // Not a hair of the cells before.
    root.scrollTo(Math.ceil(fromColumn * width), Math.ceil(fromRow * height));
  }

  root.addEventListener('scroll', () => {
    hovered.hidden = true;
    onCell(undefined);
    schedule();
  });
  listen(root, brush, {
    ...{ hover, zoom, zoomTo, fit, go },
    click(point) {
      const [place, label] = [layout.placeAt(point), layout.labelAt(point)];
      if (place) go(place);
      // A row's label orders columns, a column's rows.
      else if (label?.axis === 'rows') onSort?.('columns', { row: matrix.rows.order[label.place] });
      else if (label) onSort?.('rows', { column: matrix.columns.order[label.place] });
    },
    sort: (axis) => onSort?.(axis),
    where: () => ({ rows: matrix.rows.n, columns: matrix.columns.n, pinned: pinned()?.place }),
    enter: () => selected && onEnter?.(selected),
    step: (by) => onStep?.(by),
  });

  new window.ResizeObserver(() => {
    isMeasured = true;
    resize(layout.fitted ? { width: 0, height: 0 } : layout.size);
    // The first size comes with the first look; a canvas that is a frame late would show as a blank.
    draw();
  }).observe(root);

  describe();
  return {
    element: root,
    fit,
    zoom,
    select,
    /** Whether there is more to paint in the next frame. */
    get isDrawing() {
      return scheduled;
    },
    /** The pinned cell. */
    get selected() {
      return selected;
    },
    /** Shows these rows as large as they can be, and all columns. @param {number} first place @param {number} count */
    showRows(first, count) {
      resize({ width: 0, height: layout.isBars() ? 0 : (root.clientHeight - layout.margins().top) / count });
      root.scrollTo(0, first * layout.size.height);
    },
    isDrawn,
    /** Forgets the pinned cell. */
    clear() {
      selected = undefined;
      schedule();
    },
    /**
     * Looks at the same or other values another way.
     * @param {Partial<Matrix>} changed
     * @param {string} [newLabel]
     */
    update(changed, newLabel = label) {
      const { rows = matrix.rows, columns = matrix.columns } = changed;
      const sized = rows.n !== matrix.rows.n || columns.n !== matrix.columns.n;
      // A cell is one of its own matrix.
      if (rows.pos.length !== matrix.rows.pos.length || columns.pos.length !== matrix.columns.pos.length)
        selected = undefined;
      Object.assign(matrix, changed);
      label = newLabel;
      places = inverse(matrix);
      layout.measure();
      if (sized) fit();
      // As long as labels are, as small are cells.
      else if (isMeasured) resize(layout.fitted ? { width: 0, height: 0 } : layout.size);
      describe();
      repaint();
    },
    /** Other labels are known. */
    relabel() {
      layout.measure();
      resize(layout.fitted ? { width: 0, height: 0 } : layout.size);
    },
    /** Paints anew, for another theme. */
    repaint,
  };
}

/**
 * The pinned cell, and lines that lead to its labels.
 * @param {CanvasRenderingContext2D} context
 * @param {import('./heatmap/layout.js').Geometry & {accent: string}} view
 * @param {Cell} place
 */
function drawCross(context, { width, height, left, top, x, y, size, accent, isBars }, { row, column }) {
  const [middleX, middleY] = [x(column) + size.width / 2, y(row) + size.height / 2];
  context.fillStyle = accent;
  context.globalAlpha = 0.35;
  if (!isBars) context.fillRect(left, middleY - 0.5, width, 1);
  context.fillRect(middleX - 0.5, top, 1, height);
  context.globalAlpha = 1;
  context.strokeStyle = accent;
  context.lineWidth = 2;
  const [boxWidth, boxHeight] = [Math.max(size.width, 6), Math.max(size.height, 6)];
  context.strokeRect(middleX - boxWidth / 2 - 1, middleY - boxHeight / 2 - 1, boxWidth + 2, boxHeight + 2);
}

/** The place of each node. @param {Matrix} matrix */
function inverse({ rows, columns }) {
  const of = (/** @type {Axis} */ { order, pos }) => {
    // −1: not drawn.
    const places = new Int32Array(pos.length).fill(-1);
    for (let place = 0; place < order.length; place++) places[order[place]] = place;
    return places;
  };
  return { rows: of(rows), columns: of(columns) };
}
