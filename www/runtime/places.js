// Where models and SAEs are read from: addresses, and the folders of SAEs, which places in the model name.
//
// The runtime makes a folder's name in `open_sae` of crate/src/store.rs; `folderOf` is its equal here.

import { codedError } from './error.js';

/** A place in the residual stream, as TransformerLens names it. */
const PLACE = /^blocks\.(\d{1,4})\.hook_resid_(pre|post)$/;

/**
 * The layer of a place: how many blocks are before it.
 * @param {string} hook its name
 * @returns {number | undefined} undefined for what names no place
 */
export function layerAt(hook) {
  const found = PLACE.exec(hook);
  return found ? Number(found[1]) + (found[2] === 'post' ? 1 : 0) : undefined;
}

/**
 * The folder of the SAE at a place.
 * @param {string} saes address of the folder that holds one for each place. Where they are named otherwise it
 *   is that of the SAE's own, with `{hook}` for the place's name or `{block}` for the number of the block before it
 * @param {string} hook
 * @returns {string | undefined} undefined for what names no place, and might lead elsewhere
 */
export function folderOf(saes, hook) {
  const layer = layerAt(hook);
  if (layer === undefined) return undefined;
  const folder = saes.replaceAll('{hook}', hook).replaceAll('{block}', String(Math.max(layer - 1, 0)));
  return folder === saes ? `${saes}/${hook}` : folder;
}

/**
 * The folder that holds all SAEs, and the name of each one in it.
 * @param {string} saes
 * @returns {[string, string]} the name with `{hook}` and `{block}` as they stand in it
 */
export function partsOf(saes) {
  const [, base, name] = /^(.*?)\/([^/]*\{(?:hook|block)\}.*)$/s.exec(saes) ?? [saes, saes, '{hook}'];
  return [base, name];
}

/** @param {string} name of the part of the page's address @param {string} why */
export const unusable = (name, why) =>
  codedError('address-invalid', `“${name}” in the address of this page cannot be used: ${why}.`);

/**
 * An address that is read from: of the web, without a password, and without braces but for the places
 * that the runtime fills in.
 * @param {string} name of the part of the page's address that holds it
 * @param {string} given absolute, or relative to the page
 * @param {URL} page
 * @param {boolean} hasPlaces whether `{hook}` and `{block}` may stand in it
 * @returns {string} without its last slash
 */
export function usable(name, given, page, hasPlaces) {
  const url = parse(given, page);
  if (!url) throw unusable(name, 'it is not an address');
  if (!/^https?:$/.test(url.protocol)) throw unusable(name, 'it does not begin with https:// or http://');
  if (url.username || url.password) throw unusable(name, 'it holds a name or a password');
  if (url.href.includes('#')) throw unusable(name, 'it has a part behind #');
  const address = hasPlaces ? url.href.replace(/%7B(hook|block)%7D/gi, '{$1}') : url.href;
  const rest = hasPlaces ? address.replace(/\{(hook|block)\}/g, '') : address;
  if (/[{}]|%7B|%7D/i.test(rest + url.host)) {
    throw unusable(name, hasPlaces ? 'of braces, it may hold {hook} and {block} alone' : 'it holds braces');
  }
  return address.replace(/\/$/, '');
}

/** @param {string} given @param {URL} base */
function parse(given, base) {
  try {
    return new URL(given, base);
  } catch {
    return undefined;
  }
}
