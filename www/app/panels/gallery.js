// Examples as cards: the question that each answers, and what is to be seen.

import { describeRequest } from '../../figure/request.js';
import { isolated, make } from './tables.js';

/**
 * @param {import('../results.js').Precomputed[]} examples those of a group behind all that are in none
 * @param {object} options
 * @param {Document} options.document
 * @param {(example: import('../results.js').Precomputed) => void} options.onOpen
 * @returns {Node[]}
 */
export function gallery(examples, { document, onOpen }) {
  const groups = [...new Set(examples.map(({ group = '' }) => group))].sort(
    (a, b) => Number(a !== '') - Number(b !== ''),
  );
  return groups.flatMap((group) => {
    const list = make(document, 'ul.cards');
    if (group) list.setAttribute('aria-label', group);
    for (const example of examples.filter((one) => (one.group ?? '') === group)) {
      const card = make(
        document,
        'button.card',
        make(document, 'strong', isolated(document, example.question)),
        make(document, 'span', isolated(document, example.seen)),
        make(document, 'small', describeRequest(example.request)),
      );
      card.setAttribute('type', 'button');
      card.dataset.file = example.file;
      card.addEventListener('click', () => onOpen(example));
      list.append(make(document, 'li', card));
    }
    return group ? [make(document, 'p.quiet', isolated(document, group)), list] : [list];
  });
}
