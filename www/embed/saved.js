// The saved result that a figure shows.

import { fromJson } from '../figure/result.js';
import { fetchText } from '../runtime/loading/fetch-text.js';
import { addressOf } from './attributes.js';

/** Larger ones would hold up a page that was written for something else; the project's own page opens them. */
const MAX_BYTES = 32e6;

/**
 * @param {string} src
 * @param {URL} page
 * @returns {Promise<import('../figure/result.js').Shown>} rejects with `address-invalid`, `result-invalid`, or as
 *   `fetchText` does
 */
export async function readSaved(src, page) {
  const json = await fetchText(addressOf('src', src, page), MAX_BYTES);
  // Few show numbers of their own: what reads them is fetched for these alone.
  return fromJson(json, () => undefined) ?? (await import('../figure/own.js')).shownFromJson(json);
}
