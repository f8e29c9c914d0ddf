// The cells of a heatmap as they are drawn: painted into tiles, which panning and zooming only copy.

import { paint } from '../cells.js';

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
