// A matrix as a heatmap on canvas: draws what is in view, so that size costs nothing.
//
// Cells are painted into tiles, a few a frame, which panning and zooming only copy. The page's own
// scrolling pans; one cell has a width and a height of its own, so that 25 rows × 1,667 columns fill
// the box as well as 1,500 × 2,000 do.

import { paint, strongestIn } from './cells.js';
import { cssColor, themeOf } from './scale.js';
import { short } from './text.js';

/** @typedef {import('./cells.js').Axis} Axis */
/** @typedef {import('./cells.js').Matrix} Matrix */
/** @typedef {{row: number, column: number}} Cell nodes, not places */
/** @typedef {Cell & {x: number, y: number, pointed: boolean}} SeenCell x and y within the element */

/** Milliseconds of a frame that painting tiles may take. */
const PAINTING_MS = 6;
/** Cells that one tile may look at, and its largest edge in pixels. */
const TILE_CELLS = 1 << 18;
const TILE = 256;
/** Tiles kept: 32 MB. */
const KEPT_TILES = 128;
/** Largest and, unless zoomed in, usual size of a cell in pixels. */
const LARGEST = 40;
const USUAL = { width: 72, height: 32 };
/** Labels are drawn where a cell is at least this large. */
const LABEL_CELL = 11;
/** A pointer that moved less has clicked. */
const CLICK_PX = 4;

/**
 * A focusable heatmap. Arrow keys move the pinned cell, Home and End go to the ends of a row, Page Up
 * and Down to the ends of a column, Enter hands the cell over, + and − zoom, Escape shows all.
 * @param {Matrix} matrix
 * @param {object} options
 * @param {Document} options.document
 * @param {string} options.label what it shows, for screen readers
 * @param {(cell: SeenCell | undefined) => void} options.onCell the cell under the pointer or selected
 * @param {(cell: Cell) => void} [options.onSelect] a cell was clicked or reached by keyboard
 * @param {(cell: Cell) => void} [options.onEnter] Enter was pressed on a cell
 * @param {(step: 1 | -1) => void} [options.onStep] the next or the one before of the strongest was asked for
 */
export function heatmap(matrix, { document, label, onCell, onSelect, onEnter, onStep }) {
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
  /** Pixels of a cell. */
  let size = { width: 0, height: 0 };
  /** Whether all is in view, and stays so when the box changes. */
  let fitted = true;
  let scheduled = false;
  let isMeasured = false;
  /** Places of nodes. */
  let places = inverse(matrix);
  /** @type {Map<string, HTMLCanvasElement>} */
  const tiles = new Map();

  function describe() {
    root.setAttribute(
      'aria-label',
      `${label}. Heatmap of ${matrix.rows.n} rows and ${matrix.columns.n} columns. ` +
        'Arrow keys read cells, n and p the next and previous strongest pair, Enter opens a cell, plus and minus zoom.',
    );
  }

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

  function isBars() {
    return matrix.rows.n === 1;
  }

  /** @param {{width: number, height: number}} wanted */
  function resize(wanted) {
    const least = fittingSize();
    const most = (/** @type {number} */ low) => Math.max(LARGEST, low);
    size = {
      width: Math.min(most(least.width), Math.max(least.width, wanted.width)),
      height: Math.min(most(least.height), Math.max(least.height, wanted.height)),
    };
    fitted = size.width === least.width && size.height === least.height;
    const { left, top } = margins();
    spacer.style.width = `${Math.floor(left + matrix.columns.n * size.width)}px`;
    spacer.style.height = `${Math.floor(top + matrix.rows.n * size.height)}px`;
    root.dataset.zoomed = String(!fitted);
    schedule();
  }

  function fit() {
    fitted = true;
    resize({ width: 0, height: 0 });
    root.scrollTo(0, 0);
  }

  /**
   * Zooms about a point of the element, its middle by default.
   * @param {number} factor
   * @param {{x: number, y: number}} [at]
   */
  function zoom(factor, at) {
    const { left, top } = margins();
    const point = at ?? { x: (left + root.clientWidth) / 2, y: (top + root.clientHeight) / 2 };
    const [x, y] = [Math.max(point.x - left, 0), Math.max(point.y - top, 0)];
    const [column, row] = [(x + root.scrollLeft) / size.width, (y + root.scrollTop) / size.height];
    resize({ width: size.width * factor, height: isBars() ? 0 : size.height * factor });
    const now = margins();
    root.scrollTo(
      column * size.width - Math.max(point.x - now.left, 0),
      row * size.height - Math.max(point.y - now.top, 0),
    );
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

  /** Cells that one pixel stands for: the fewest with which no pixel stands for less than one. */
  function blocks() {
    const scale = window.devicePixelRatio || 1;
    const block = (/** @type {number} */ pixels) => 2 ** Math.max(0, Math.ceil(Math.log2(1 / (pixels * scale)) - 1e-9));
    return { wide: block(size.width), tall: block(size.height) };
  }

  /**
   * Draws the tiles in view, painting those that are missing while there is time.
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   */
  function drawTiles(context, { firstRow, lastRow, firstColumn, lastColumn, x, y }) {
    const { wide, tall } = blocks();
    const theme = themeOf(document);
    const edge = Math.min(TILE, 2 ** Math.max(4, Math.floor(Math.log2(Math.sqrt(TILE_CELLS / (wide * tall))))));
    const [tileWidth, tileHeight] = [edge * wide, edge * tall];
    const start = performance.now();
    let complete = true;
    context.imageSmoothingEnabled = false;
    for (let row = firstRow - (firstRow % tileHeight); row < lastRow; row += tileHeight) {
      for (let column = firstColumn - (firstColumn % tileWidth); column < lastColumn; column += tileWidth) {
        const key = `${wide} ${tall} ${row} ${column}`;
        let tile = tiles.get(key);
        if (!tile && performance.now() - start < PAINTING_MS) {
          tile = document.createElement('canvas');
          tile.width = Math.ceil((Math.min(matrix.columns.n, column + tileWidth) - column) / wide);
          tile.height = Math.ceil((Math.min(matrix.rows.n, row + tileHeight) - row) / tall);
          const part = { row, column, width: tile.width, height: tile.height, wide, tall };
          tile.getContext('2d')?.putImageData(paint(matrix, theme, part), 0, 0);
        }
        if (!tile) {
          complete = false;
          continue;
        }
        // The longest unused goes first.
        tiles.delete(key);
        tiles.set(key, tile);
        context.drawImage(tile, x(column), y(row), tile.width * wide * size.width, tile.height * tall * size.height);
      }
    }
    for (const key of tiles.keys()) {
      if (tiles.size <= KEPT_TILES) break;
      tiles.delete(key);
    }
    if (!complete) schedule();
  }

  /**
   * A single row, as bars: heights read better than shades.
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   */
  function drawBars(context, { firstColumn, lastColumn, x, y, ink }) {
    const theme = themeOf(document);
    const half = size.height / 2 - 4;
    const middle = y(0) + size.height / 2;
    const wide = blocks().wide;
    context.fillStyle = ink;
    context.globalAlpha = 0.25;
    context.fillRect(x(firstColumn), Math.round(middle), x(lastColumn) - x(firstColumn), 1);
    for (let column = firstColumn - (firstColumn % wide); column < lastColumn; column += wide) {
      const place = strongestIn(matrix, 0, column, 1, wide);
      const node = matrix.columns.order[place];
      const value = matrix.values[node];
      const height = Math.max(-1, Math.min(1, value / matrix.limit)) * half;
      context.globalAlpha = matrix.across && matrix.columns.pos[node] === matrix.rows.pos[0] ? 0.2 : 1;
      // Never so pale that a bar is lost on the ground.
      context.fillStyle = cssColor(Math.sign(value) * Math.max(0.55, Math.abs(value / matrix.limit)), 1, theme);
      const gap = size.width > 3 ? 1 : 0;
      context.fillRect(
        x(column),
        middle - Math.max(height, 0),
        Math.max(size.width * wide - gap, 0.6),
        Math.abs(height),
      );
    }
    context.globalAlpha = 1;
  }

  /** @typedef {ReturnType<typeof visible>} View */

  function visible() {
    const [width, height] = [root.clientWidth, root.clientHeight];
    const { left, top } = margins();
    const { scrollLeft, scrollTop } = root;
    const style = window.getComputedStyle(root);
    return {
      ...{ width, height, left, top },
      firstRow: Math.floor(scrollTop / size.height),
      firstColumn: Math.floor(scrollLeft / size.width),
      lastRow: Math.min(matrix.rows.n, Math.ceil((scrollTop + height - top) / size.height)),
      lastColumn: Math.min(matrix.columns.n, Math.ceil((scrollLeft + width - left) / size.width)),
      x: (/** @type {number} */ column) => left + column * size.width - scrollLeft,
      y: (/** @type {number} */ row) => top + row * size.height - scrollTop,
      ink: style.color,
      // As computed: a canvas does not know light-dark().
      accent: window.getComputedStyle(brush).borderTopColor,
      ground: style.backgroundColor,
    };
  }

  function draw() {
    // Until its room is known, every size is wrong.
    if (!isMeasured) return;
    const view = visible();
    const { width, height, left, top, x, y } = view;
    if (width === 0 || height === 0) return;
    const scale = window.devicePixelRatio || 1;
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
    if (isBars()) drawBars(context, view);
    else drawTiles(context, view);
    drawSeparators(context, view);
    if (selected) {
      const [row, column] = [places.rows[selected.row], places.columns[selected.column]];
      context.fillStyle = view.accent;
      context.globalAlpha = 0.35;
      context.fillRect(left, y(row) + size.height / 2 - 0.5, width, 1);
      context.fillRect(x(column) + size.width / 2 - 0.5, top, 1, height);
      context.globalAlpha = 1;
      context.strokeStyle = view.accent;
      context.lineWidth = 2;
      const [boxWidth, boxHeight] = [Math.max(size.width, 6), Math.max(size.height, 6)];
      context.strokeRect(
        x(column) + size.width / 2 - boxWidth / 2 - 1,
        y(row) + size.height / 2 - boxHeight / 2 - 1,
        boxWidth + 2,
        boxHeight + 2,
      );
    }
    context.restore();
    drawLabels(context, view, 'rows');
    drawLabels(context, view, 'columns');
    context.fillStyle = view.ink;
    context.globalAlpha = 0.7;
    context.font = '11px system-ui, sans-serif';
    context.textAlign = 'right';
    context.fillText(`${matrix.columns.name} →`, left - 8, top - 28);
    context.fillText(`${matrix.rows.name} ↓`, left - 8, top - 10);
    context.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} context @param {View} view */
  function drawSeparators(context, { width, height, left, top, x, y, ink }) {
    context.fillStyle = ink;
    context.globalAlpha = 0.28;
    const [right, bottom] = [Math.min(width, x(matrix.columns.n)), Math.min(height, y(matrix.rows.n))];
    for (const { end } of matrix.rows.groups) context.fillRect(left, Math.round(y(end)), right - left, 1);
    for (const { end } of matrix.columns.groups) context.fillRect(Math.round(x(end)), top, 1, bottom - top);
    context.globalAlpha = 1;
  }

  /**
   * Labels of rows at the left, of columns, turned, at the top; each where it has room, groups always.
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   * @param {'rows' | 'columns'} which
   */
  function drawLabels(context, view, which) {
    const axis = matrix[which];
    const isRows = which === 'rows';
    const { left, top, width, height, ink, accent, ground } = view;
    const [first, last] = isRows ? [view.firstRow, view.lastRow] : [view.firstColumn, view.lastColumn];
    const at = isRows ? view.y : view.x;
    const cell = isRows ? size.height : size.width;
    // Along the axis, and across it from the outer edge to the cells.
    const [from, to] = isRows ? [top, height] : [left, width];
    const depth = isRows ? left : top;
    const font = (/** @type {number} */ pixels) => `${pixels}px ui-monospace, "SF Mono", Menlo, Consolas, monospace`;
    const grouped = axis.groups.length > 0;
    const single = isRows && isBars();
    const labelled = cell >= LABEL_CELL;
    context.save();
    context.beginPath();
    if (isRows) context.rect(0, top, left, height - top);
    else context.rect(left, 0, width - left, top);
    context.clip();
    context.textBaseline = 'middle';
    // Columns read upwards; their labels start at the cells, those of rows end there.
    const write = (
      /** @type {string} */ text,
      /** @type {number} */ along,
      /** @type {number} */ across,
      /** @type {boolean} */ upward,
    ) => {
      context.save();
      if (isRows) context.translate(depth - across, along);
      else context.translate(along, depth - across);
      if (!isRows && upward) context.rotate(-Math.PI / 2);
      context.fillText(text, 0, 0);
      context.restore();
    };
    const band = grouped ? (isRows ? Math.min(76, depth * 0.42) : 18) : 0;
    const glyph = 6.7;

    if (grouped) {
      // The token of each group, in the middle of what is seen of it; the widest groups first, and of
      // the others as many as have room.
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
        const whole = Math.floor((depth - 10) / glyph);
        if (isRows) {
          context.textAlign = labelled ? 'left' : 'right';
          write(
            short(label, labelled ? Math.floor((band - 6) / glyph) : whole),
            middle,
            labelled ? depth - 4 : 6,
            false,
          );
        } else if (labelled || room > 70) {
          context.textAlign = 'center';
          const letters = Math.floor((room - 4) / glyph);
          if (letters > 1) write(short(label, letters), middle, labelled ? depth - 9 : 12, false);
        } else {
          context.textAlign = 'left';
          write(short(label, whole), middle, 6, true);
        }
      }
    }

    const letters = Math.floor((depth - band - 10) / glyph);
    if (labelled && !single) {
      context.font = font(Math.min(11, Math.max(9, cell - 1)));
      context.fillStyle = ink;
      context.textAlign = isRows ? 'right' : 'left';
      for (let place = first; place < last; place++) {
        write(short(axis.label(axis.order[place], grouped), letters), at(place) + cell / 2, 5, true);
      }
    } else if (!grouped || single) {
      // Every so many: where places are sorted, there is no group to tell where one is.
      context.font = font(10);
      context.fillStyle = ink;
      context.textAlign = isRows ? 'right' : 'left';
      const every = Math.max(1, Math.ceil(LABEL_CELL / cell));
      for (let place = first - (first % every); place < last; place += every) {
        write(
          short(axis.label(axis.order[place], false), Math.floor((depth - 10) / glyph)),
          at(place) + cell / 2,
          5,
          true,
        );
      }
    }

    if (selected) {
      // The pinned cell's own labels, in full and on top.
      const node = isRows ? selected.row : selected.column;
      const place = places[which][node];
      const middle = at(place) + cell / 2;
      if (middle >= from && middle <= to) {
        context.font = font(11);
        const text = short(axis.label(node, false), Math.floor((depth - 10) / glyph));
        const length = text.length * glyph + 8;
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
    }
    context.restore();
  }

  /** @param {{clientX: number, clientY: number}} event */
  function pointOf(event) {
    const box = root.getBoundingClientRect();
    return { x: event.clientX - box.left - root.clientLeft, y: event.clientY - box.top - root.clientTop };
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

  /** @param {{x: number, y: number} | undefined} point */
  function hover(point) {
    const place = point && placeAt(point);
    hovered.hidden = !place;
    if (!place || !point) {
      onCell(undefined);
      return;
    }
    const { left, top } = margins();
    const x = left + place.column * size.width - root.scrollLeft;
    const y = top + place.row * size.height - root.scrollTop;
    hovered.style.transform = `translate(${x - 1}px, ${y - 1}px)`;
    hovered.style.width = `${Math.max(size.width, 4) + 2}px`;
    hovered.style.height = `${Math.max(size.height, 4) + 2}px`;
    onCell({ row: matrix.rows.order[place.row], column: matrix.columns.order[place.column], ...point, pointed: true });
  }

  /**
   * Pins a cell and scrolls to it.
   * @param {Cell} cell
   */
  function select(cell) {
    selected = cell;
    const { left, top } = margins();
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

  /** @param {Cell} cell */
  function choose(cell) {
    select(cell);
    onSelect?.(cell);
  }

  // --- pointer ---

  /** @type {{x: number, y: number, scrollLeft: number, scrollTop: number, brushing: boolean, moved: boolean} | undefined} */
  let drag;
  let dragEnded = -Infinity;
  root.addEventListener('scroll', () => {
    hovered.hidden = true;
    onCell(undefined);
    schedule();
  });
  root.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || event.pointerType === 'touch') return;
    const point = pointOf(event);
    // A scroll bar is not a cell.
    if (point.x > root.clientWidth || point.y > root.clientHeight) return;
    drag = { ...point, scrollLeft: root.scrollLeft, scrollTop: root.scrollTop, brushing: event.shiftKey, moved: false };
    if (event.shiftKey) event.preventDefault();
  });
  root.addEventListener('pointermove', (event) => {
    const point = pointOf(event);
    if (!drag) {
      if (event.pointerType !== 'touch') hover(point);
      return;
    }
    if (!drag.moved && Math.hypot(point.x - drag.x, point.y - drag.y) < CLICK_PX) return;
    if (!drag.moved) {
      drag.moved = true;
      root.setPointerCapture(event.pointerId);
      root.classList.toggle('dragging', !drag.brushing);
    }
    if (drag.brushing) showBrush(drag, point);
    else root.scrollTo(drag.scrollLeft + drag.x - point.x, drag.scrollTop + drag.y - point.y);
  });
  const release = (/** @type {PointerEvent} */ event) => {
    const ended = drag;
    drag = undefined;
    brush.hidden = true;
    root.classList.remove('dragging');
    if (ended?.moved && ended.brushing && event.type === 'pointerup') zoomTo(ended, pointOf(event));
    if (ended?.moved) dragEnded = event.timeStamp;
  };
  root.addEventListener('pointerup', release);
  root.addEventListener('pointercancel', release);
  root.addEventListener('click', (event) => {
    // The click that ends a drag selects nothing.
    if (event.timeStamp - dragEnded < 50) return;
    const place = placeAt(pointOf(event));
    if (place) choose({ row: matrix.rows.order[place.row], column: matrix.columns.order[place.column] });
  });
  root.addEventListener('pointerleave', () => hover(undefined));
  root.addEventListener(
    'wheel',
    (event) => {
      // A pinch on a touch pad comes as a wheel with the control key.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.004)), pointOf(event));
    },
    { passive: false },
  );

  /** Distance and middle of two fingers. @param {TouchList} touches */
  const pinchOf = ({ 0: a, 1: b }) => ({
    distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
    middle: pointOf({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }),
  });
  let pinched = 0;
  root.addEventListener(
    'touchstart',
    ({ touches }) => (pinched = touches.length === 2 ? pinchOf(touches).distance : 0),
    { passive: true },
  );
  root.addEventListener(
    'touchmove',
    (event) => {
      if (event.touches.length !== 2 || pinched === 0) return;
      event.preventDefault();
      const { distance, middle } = pinchOf(event.touches);
      zoom(distance / pinched, middle);
      pinched = distance;
    },
    { passive: false },
  );

  /** @param {{x: number, y: number}} a @param {{x: number, y: number}} b */
  function showBrush(a, b) {
    brush.hidden = false;
    brush.style.transform = `translate(${Math.min(a.x, b.x)}px, ${Math.min(a.y, b.y)}px)`;
    brush.style.width = `${Math.abs(a.x - b.x)}px`;
    brush.style.height = `${Math.abs(a.y - b.y)}px`;
  }

  /** Zooms to the cells between two points. @param {{x: number, y: number}} a @param {{x: number, y: number}} b */
  function zoomTo(a, b) {
    const { left, top } = margins();
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
    const [fromColumn, toColumn] = range(a.x, b.x, left, root.scrollLeft, size.width, matrix.columns.n);
    const [fromRow, toRow] = range(a.y, b.y, top, root.scrollTop, size.height, matrix.rows.n);
    resize({
      width: (root.clientWidth - left) / (toColumn - fromColumn),
      height: isBars() ? 0 : (root.clientHeight - top) / (toRow - fromRow),
    });
    root.scrollTo(fromColumn * size.width, fromRow * size.height);
  }

  // --- keyboard ---

  root.addEventListener('keydown', (event) => {
    const [nRows, nColumns] = [matrix.rows.n, matrix.columns.n];
    if (nRows === 0 || nColumns === 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const row = selected ? places.rows[selected.row] : 0;
    const column = selected ? places.columns[selected.column] : -1;
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
    /** @type {Record<string, () => void>} */
    const acts = {
      Enter: () => selected && onEnter?.(selected),
      n: () => onStep?.(1),
      p: () => onStep?.(-1),
      '+': () => zoom(1.4),
      '=': () => zoom(1.4),
      '-': () => zoom(1 / 1.4),
      0: fit,
      Escape: fit,
    };
    const move = moves[event.key];
    if (move) {
      choose({
        row: matrix.rows.order[Math.max(0, Math.min(nRows - 1, move[0]))],
        column: matrix.columns.order[Math.max(0, Math.min(nColumns - 1, move[1]))],
      });
    } else if (Object.hasOwn(acts, event.key)) acts[event.key]();
    else return;
    event.preventDefault();
  });

  new window.ResizeObserver(() => {
    isMeasured = true;
    resize(fitted ? { width: 0, height: 0 } : size);
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
      const sized =
        changed.values !== undefined && (changed.rows?.n !== matrix.rows.n || changed.columns?.n !== matrix.columns.n);
      Object.assign(matrix, changed);
      label = newLabel;
      places = inverse(matrix);
      if (sized) {
        selected = undefined;
        fit();
      }
      describe();
      repaint();
    },
    /** Draws anew, labels only. */
    relabel: schedule,
    /** Paints anew, for another theme. */
    repaint,
  };
}

/** The place of each node. @param {Matrix} matrix */
function inverse({ rows, columns }) {
  const of = (/** @type {Axis} */ { order }) => {
    const places = new Uint32Array(order.length);
    for (let place = 0; place < order.length; place++) places[order[place]] = place;
    return places;
  };
  return { rows: of(rows), columns: of(columns) };
}
