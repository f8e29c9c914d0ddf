// The prompt as the model reads it: one box a token, with its position and id.

import { visible } from '../../figure/text.js';
import { make } from './tables.js';

/** Tokens shown at first: a prompt of a thousand is not looked at one by one. */
const SHOWN = 256;

/**
 * @param {{token_id: number[], string: string[]}} tokens
 * @param {Document} document
 */
export function tokens({ token_id, string }, document) {
  const items = string
    .slice(0, SHOWN)
    .map((token, pos) =>
      make(
        document,
        'li',
        make(document, 'bdi', visible(token) || '∅'),
        make(document, 'small', `${pos} · ${token_id[pos]}`),
      ),
    );
  if (string.length > SHOWN) items.push(make(document, 'li', `… ${string.length - SHOWN} more`));
  return items;
}
