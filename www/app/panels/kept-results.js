// Results kept in this browser: which, of what model, how large, since when; to be opened, and away with them.

import { bytes, short, visible } from '../../figure/text.js';
import { isolated, make, table } from './tables.js';

/** @param {number} time in ms */
const since = (time) => new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/**
 * @param {import('../kept-results.js').Kept[]} entries
 * @param {object} options
 * @param {Document} options.document
 * @param {string} [options.note] on what happened to them
 * @param {(id: string) => void} options.onOpen
 * @param {(id?: string) => void} options.onDelete one, or all
 * @returns {(string | Node)[]}
 */
export function keptResults(entries, { document, note = '', onOpen, onDelete }) {
  if (entries.length === 0) return [make(document, 'h3', 'Results'), `No result is kept. ${note}`];
  const button = (/** @type {string | Node} */ content, /** @type {() => void} */ act, label = '') => {
    const element = make(document, 'button', content);
    element.setAttribute('type', 'button');
    if (label) element.setAttribute('aria-label', label);
    element.addEventListener('click', act);
    return element;
  };
  return [
    ...table(document, {
      title: `Results: ${entries.length}, ${bytes(entries.reduce((sum, { json }) => sum + json.size, 0))}`,
      note: `The last that were computed or opened here. ${note}`,
      head: ['Result', 'Model', 'Kept since', 'Size', 'Delete'],
      figures: 2,
      rows: entries.map(({ id, title, model, time, json }) => {
        const open = button(isolated(document, short(title, 160)), () => onOpen(id));
        open.className = 'pick';
        return [
          open,
          short(visible(model), 60) || '–',
          since(time),
          bytes(json.size),
          button('Delete', () => onDelete(id), `Delete ${visible(short(title, 160))}`),
        ];
      }),
    }),
    button('Delete all results', () => onDelete()),
  ];
}
