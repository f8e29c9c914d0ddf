// The cells of a heatmap as they are drawn: painted into tiles, which panning and zooming only copy, or as bars.

import { paint, strongestIn } from '../cells.js';
import { cssColor } from '../scale.js';

/** @typedef {import('../cells.js').Matrix} Matrix */
/** @typedef {import('./layout.js').Geometry} Geometry */
/** @typedef {import('../scale.js').Theme} Theme */

/** Milliseconds of a frame that painting tiles may take. */
const PAINTING_MS = 6;
/** Cells that one tile may look at, and its largest edge in pixels. */
const TILE_CELLS = 1 << 18;
const TILE = 256;
/** Tiles kept: 32 MB. */
const KEPT_TILES = 128;

/** @param {Document} document */
export function createTiles(document) {
  /** By size of block and place, the longest unused first. @type {Map<string, HTMLCanvasElement>} */
  const kept = new Map();

  /**
   * Draws the tiles in view, painting those that are missing while there is time.
   * @param {CanvasRenderingContext2D} context
   * @param {Matrix} matrix
   * @param {Geometry & {theme: Theme}} view
   * @returns {boolean} whether all were there
   */
  function draw(context, matrix, { firstRow, lastRow, firstColumn, lastColumn, x, y, wide, tall, size, theme }) {
    const edge = Math.min(TILE, 2 ** Math.max(4, Math.floor(Math.log2(Math.sqrt(TILE_CELLS / (wide * tall))))));
    const [tileWidth, tileHeight] = [edge * wide, edge * tall];
    const start = performance.now();
    let complete = true;
    context.imageSmoothingEnabled = false;
    for (let row = firstRow - (firstRow % tileHeight); row < lastRow; row += tileHeight) {
      for (let column = firstColumn - (firstColumn % tileWidth); column < lastColumn; column += tileWidth) {
        const key = `${wide} ${tall} ${row} ${column}`;
        let tile = kept.get(key);
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
        kept.delete(key);
        kept.set(key, tile);
        context.drawImage(tile, x(column), y(row), tile.width * wide * size.width, tile.height * tall * size.height);
      }
    }
    for (const key of kept.keys()) {
      if (kept.size <= KEPT_TILES) break;
      kept.delete(key);
    }
    return complete;
  }

  return { draw, clear: () => kept.clear() };
}

/**
 * A single row, as bars: heights read better than shades.
 * @param {CanvasRenderingContext2D} context
 * @param {Matrix} matrix
 * @param {Geometry & {theme: Theme}} view
 * @param {string} ink
 */
export function drawBars(context, matrix, { firstColumn, lastColumn, x, y, wide, size, theme }, ink) {
  const half = size.height / 2 - 4;
  const middle = y(0) + size.height / 2;
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
    context.fillRect(x(column), middle - Math.max(height, 0), Math.max(size.width * wide - gap, 0.6), Math.abs(height));
  }
  context.globalAlpha = 1;
}
