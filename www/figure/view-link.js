// The part of a link that says how a result is looked at.

import { finite, passed } from './schema.js';
import { VALUES } from './values.js';
import { DEFAULT_VIEW, SORTS } from './view.js';

/** @typedef {import('./view.js').View} View */

/** All rows and columns, where fewer would be shown first. */
const ALL = 'all';

/**
 * Adds to a link what differs from how the result is looked at first.
 * @param {View} view
 * @param {URLSearchParams} link
 * @param {View} [first] `defaultView` of the result, if there is one
 */
export function writeView(view, link, first = DEFAULT_VIEW) {
  if (view.threshold !== first.threshold) link.set('threshold', String(view.threshold));
  if (view.shown !== first.shown) link.set('shown', view.shown);
  if (view.rows !== first.rows) link.set('rows', view.rows);
  if (view.columns !== first.columns) link.set('columns', view.columns);
  if (view.across) link.set('across', '1');
  if (view.bos) link.set('bos', '1');
  if (view.source_pos !== undefined) link.set('source_pos', String(view.source_pos));
  // How many are shown first is a matter of the screen: the next one may have room for more, or for fewer.
  if (view.top !== undefined || first.top !== undefined) link.set('top', String(view.top ?? ALL));
  if (view.zeros) link.set('zeros', '1');
  if (view.limit !== undefined) link.set('limit', String(view.limit));
  if (view.locked && view.limit !== undefined) link.set('lock', '1');
  const { cell } = view;
  if (cell && (cell.row !== first.cell?.row || cell.column !== first.cell.column))
    link.set('cell', `${cell.row},${cell.column}`);
}

/**
 * Reads it back. Whatever is missing or malformed is left out: a link never breaks the page.
 * @param {URLSearchParams} link
 * @returns {Partial<View>}
 */
export function readView(link) {
  /** @type {Partial<View>} */
  const view = {};
  const shown = link.get('shown');
  if (shown && Object.hasOwn(VALUES, shown)) view.shown = /** @type {View['shown']} */ (shown);
  for (const axis of /** @type {const} */ (['rows', 'columns'])) {
    const sort = SORTS.find((name) => name === link.get(axis));
    if (sort) view[axis] = sort;
  }
  if (link.get('across') === '1') view.across = true;
  if (link.get('bos') === '1') view.bos = true;
  const source_pos = link.get('source_pos') ?? '';
  if (/^\d{1,5}$/.test(source_pos)) view.source_pos = Number(source_pos);
  const top = /^[1-9]\d{0,5}$/.exec(link.get('top') ?? '');
  if (top || link.get('top') === ALL) view.top = top ? Number(top[0]) : undefined;
  if (link.get('zeros') === '1') view.zeros = true;
  const limit = decimal(link.get('limit'));
  if (limit !== undefined && Math.fround(limit) > 0) view.limit = limit;
  if (view.limit !== undefined && link.get('lock') === '1') view.locked = true;
  const threshold = decimal(link.get('threshold'));
  if (threshold !== undefined) view.threshold = threshold;
  const cell = /^(\d{1,8}),(\d{1,8})$/.exec(link.get('cell') ?? '');
  if (cell) view.cell = { row: Number(cell[1]), column: Number(cell[2]) };
  return view;
}

/** @param {string | null} text */
function decimal(text) {
  return text ? passed(finite, Number(text)) : undefined;
}
