// What changes most among the next tokens: probabilities before and after, as a table.

import { brief, short, visible } from '../../figure/text.js';
import { isolated, make, table } from './tables.js';

/** @typedef {import('../../runtime/protocol.js').Intervened['logits']} LogitChanges */

/** A probability that is hardly any is not called none. @param {number} p */
export function chance(p) {
  const value = 100 * p;
  return value > 0 && value < 0.001 ? '< 0.001 %' : `${value.toPrecision(3)} %`;
}

/**
 * @param {LogitChanges} logits
 * @param {Document} document
 * @param {{title: string, note?: string, most?: number}} options
 */
export function changesTable(logits, document, { title, note, most = 12 }) {
  const { token_id, string, logit_before, logit_after, probability_before, probability_after } = logits;
  const moved = (/** @type {number} */ i) => Math.abs(probability_after[i] - probability_before[i]);
  const order = [...token_id.keys()].sort((a, b) => moved(b) - moved(a) || a - b).slice(0, most);
  return table(document, {
    title,
    note,
    head: ['Token', 'Before', 'After', 'Logit'],
    figures: 3,
    rows: order.map((i) => {
      const token = make(document, 'span.token', isolated(document, short(visible(string[i]), 40) || '∅'));
      token.title = `token ${token_id[i]}`;
      const by = logit_after[i] - logit_before[i];
      return [token, chance(probability_before[i]), chance(probability_after[i]), `${by > 0 ? '+' : ''}${brief(by)}`];
    }),
  });
}
