// What is looked at, as a file of a picture.

import { cutOff } from '../../figure/legend.js';
import { titleOf } from '../../figure/result.js';
import { axisTitles, caption } from './about.js';
import { pixelsOf } from './options.js';
import { picture } from './picture.js';
import { png } from './raster.js';

/** @typedef {import('../../figure/result.js').Shown} Shown */

/**
 * @param {'svg' | 'png'} form
 * @param {Shown} result
 * @param {object} options
 * @param {Document} options.document
 * @param {import('../../figure/cells.js').Matrix} options.matrix
 * @param {import('../../figure/view.js').View} options.view
 * @param {number} options.limit
 * @param {import('./options.js').Settings} options.settings
 * @returns {Promise<Blob>}
 */
export async function draw(form, result, { document, matrix, view, limit, settings }) {
  const isBars = matrix.rows.order.length === 1;
  // Bars end where their values do, unless the reader has said where.
  const end = isBars ? view.limit : limit;
  const { low, high } = end === undefined ? { low: 0, high: 0 } : cutOff(matrix.values, end);
  const beyond = low + high;
  const drawn = await picture(matrix, {
    title: titleOf(result),
    caption: caption(result, {
      view,
      page: new URL(document.baseURI),
      limit: end,
      beyond,
      drawn: { rows: matrix.rows.n, columns: matrix.columns.n },
    }),
    axes: axisTitles(result, view),
    width: pixelsOf(settings),
    theme: settings.theme,
    centimetres: settings.unit === 'cm' ? settings.width : undefined,
    end,
    beyond,
  });
  return form === 'png' ? png(drawn, document, settings.scale) : new Blob([drawn.svg], { type: 'image/svg+xml' });
}
