// What a link holds: the request, the source and how the result is looked at, in the part behind `#`.

import { asRequest } from '../figure/request.js';
import { passed } from '../figure/schema.js';
import { readView, THRESHOLD, writeView } from '../figure/view.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../figure/view.js').View} View */
/** @typedef {{source?: string, request?: Request, view: Partial<View>}} State */

const TARGETS = ['positive', 'negative'];

/**
 * @param {string | undefined} source
 * @param {Request} request
 * @param {View} view
 * @returns {string} without its `#`
 */
export function encodeState(source, request, view) {
  const link = new URLSearchParams();
  if (source) link.set('source', source);
  const { threshold: _, ...asked } = /** @type {any} */ (request);
  for (const [key, value] of Object.entries(asked)) {
    // A target by its id: as text it would be another token.
    link.set(TARGETS.includes(key) && typeof value === 'number' ? `${key}_id` : key, String(value));
  }
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

/** @param {URLSearchParams} link @param {number} [threshold] @returns {Request | undefined} */
function request(link, threshold = THRESHOLD) {
  /** @type {Record<string, unknown>} */
  const asked = { kind: link.get('kind'), prompt: link.get('prompt'), threshold };
  for (const key of ['layer', 'layer_from', 'layer_to', 'k']) asked[key] = natural(link.get(key));
  for (const key of TARGETS) asked[key] = link.get(key) ?? natural(link.get(`${key}_id`));
  return passed(asRequest, asked);
}

/** @param {string | null} text */
function natural(text) {
  return text !== null && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
