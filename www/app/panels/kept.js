// Files kept in this browser: what, how large, and away with them.

import { bytes, count, short, visible } from '../../figure/text.js';
import { make, table } from './tables.js';

/**
 * @param {import('../../runtime/protocol.js').CachedFile[]} files
 * @param {object} options
 * @param {Document} options.document
 * @param {(url?: string) => void} options.onDelete one file, or all
 * @returns {(string | Node)[]}
 */
export function kept(files, { document, onDelete }) {
  if (files.length === 0) return ['Nothing is kept.'];
  const button = (/** @type {string} */ text, /** @type {string} */ label, /** @type {string | undefined} */ url) => {
    const element = make(document, 'button', text);
    element.setAttribute('type', 'button');
    element.setAttribute('aria-label', label);
    element.addEventListener('click', () => onDelete(url));
    return element;
  };
  return [
    ...table(document, {
      title: `${count(files.length, 'file')}, ${bytes(files.reduce((sum, file) => sum + file.bytes, 0))}`,
      head: ['File', 'Kept', 'Delete'],
      figures: 2,
      rows: files.map(({ url, bytes: size, total }) => [
        short(visible(url), 160),
        total !== undefined && size < total ? `${bytes(size)} of ${bytes(total)}` : bytes(size),
        button('Delete', `Delete ${url}`, url),
      ]),
    }),
    button('Delete all', 'Delete all kept files', undefined),
  ];
}
