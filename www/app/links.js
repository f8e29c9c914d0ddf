// What a link holds: the request, the source and how the result is looked at, in the part behind `#`.

import { asRequest, THRESHOLD } from '../figure/request.js';
import { passed } from '../figure/schema.js';
import { readView, writeView } from '../figure/view-link.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../figure/view.js').View} View */
/** @typedef {import('../runtime/protocol.js').TokenRef} TokenRef */
/** @typedef {import('../figure/request.js').FullRequest} FullRequest */
/** @typedef {{source?: string, request?: FullRequest, view: Partial<View>}} State */

/**
 * @param {string | undefined} source
 * @param {Request} request
 * @param {View} view
 * @returns {string} without its `#`
 */
export function encodeState(source, request, view) {
  const link = new URLSearchParams();
  if (source) link.set('source', source);
  const { prompt, from, to, error } = request;
  // A token by its id: as text it would be another one.
  const add = (/** @type {string} */ key, /** @type {TokenRef} */ token) =>
    link.append(typeof token === 'number' ? `${key}_id` : key, String(token));
  link.set('prompt', prompt);
  link.set('from', from);
  if (typeof to === 'string') link.set('to', to);
  else if ('top_logits' in to) link.set('top_logits', String(to.top_logits));
  else if ('logits' in to) to.logits.forEach((token) => add('logit', token));
  else ['positive', 'negative'].forEach((key, i) => add(key, to.logit_difference[i]));
  if (error === 'omit') link.set('error', error);
  writeView(view, link);
  return link.toString();
}

/**
 * Reads a link. Whatever is missing or malformed is left out: a link never breaks the page.
 * @param {string} hash with or without its `#`
 * @returns {State}
 */
export function decodeState(hash) {
  const link = new URLSearchParams(hash.replace(/^#/, ''));
  const view = readView(link);
  return { source: link.get('source') ?? undefined, request: request(link, view.threshold), view };
}

/** @param {URLSearchParams} link @param {number} [threshold] */
function request(link, threshold = THRESHOLD) {
  const get = (/** @type {string} */ key) => link.get(key) ?? undefined;
  const token = (/** @type {string} */ key) => get(key) ?? natural(link.get(`${key}_id`));
  const logits = [...link]
    .filter(([key]) => key === 'logit' || key === 'logit_id')
    .map(([key, value]) => (key === 'logit' ? value : natural(value)));
  const [positive, negative] = [token('positive'), token('negative')];
  const [to, top_logits] = [get('to'), natural(link.get('top_logits'))];
  const asked = { prompt: get('prompt'), from: get('from'), error: get('error'), threshold };
  if (to !== undefined) return passed(asRequest, { ...asked, to });
  if (top_logits !== undefined) return passed(asRequest, { ...asked, to: { top_logits } });
  if (logits.length > 0) return passed(asRequest, { ...asked, to: { logits } });
  return passed(asRequest, { ...asked, to: { logit_difference: [positive, negative] } });
}

/** @param {string | null} text */
function natural(text) {
  return text !== null && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
