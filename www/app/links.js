// What a link holds: the request, the source and how the result is looked at, in the part behind `#`.

import { asRequest, MOST_STEPS, THRESHOLD, TOKENS } from '../figure/request.js';
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
 * @param {View} [first] how the result is looked at first, if there is one
 * @returns {string} without its `#`
 */
export function encodeState(source, request, view, first) {
  const link = new URLSearchParams();
  if (source) link.set('source', source);
  const { prompt, from, to, error, method, patch, measure } = request;
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
  if (typeof method === 'object') link.set('steps', String(method.integrated));
  else if (method === 'frozen') link.set('method', method);
  if (patch !== undefined) link.set('patch', patch);
  if (measure) link.set('measure', '1');
  writeView(view, link, first);
  // Of the request, too: without it, its answer would be looked at over another threshold.
  if ((request.threshold ?? THRESHOLD) !== THRESHOLD) link.set('threshold', String(view.threshold));
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
  const measure = link.get('measure') === '1' || undefined;
  const asked = {
    ...{ prompt: get('prompt'), from: get('from'), error: get('error'), threshold, measure },
    ...credited(link),
  };
  if (to !== undefined) return passed(asRequest, { ...asked, to });
  if (top_logits !== undefined) return passed(asRequest, { ...asked, to: { top_logits } });
  if (logits.length > 0) return passed(asRequest, { ...asked, to: { logits } });
  return passed(asRequest, { ...asked, to: { logit_difference: [positive, negative] } });
}

/** How sources are credited and what they are compared with; each left out where it is malformed. @param {URLSearchParams} link */
function credited(link) {
  const steps = natural(link.get('steps'));
  // What tokens cannot be asked is no part of a link to them.
  const isOfLatents = link.get('from') !== TOKENS;
  const integrated = steps !== undefined && steps >= 1 && steps <= MOST_STEPS && isOfLatents;
  return {
    method: integrated ? { integrated: steps } : link.get('method') === 'frozen' ? 'frozen' : undefined,
    patch: isOfLatents ? (link.get('patch') ?? undefined) : undefined,
  };
}

/** @param {string | null} text */
function natural(text) {
  return text !== null && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
