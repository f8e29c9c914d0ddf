// Places in a model by the names that TransformerLens gives them, the SAEs that stand there, and addresses.
//
// The runtime's equal is crate/src/places.rs; tests/common/places.json holds both to one table.

import { codedError } from './error.js';

/** @typedef {import('./protocol.js').SaeAddress} SaeAddress */

/** The places of a block in the order of computation. What leaves it is what the next one is given. */
const POINTS = [
  'hook_resid_pre',
  'attn.hook_z',
  'hook_attn_out',
  'hook_resid_mid',
  'ln2.hook_normalized',
  'hook_mlp_out',
  'hook_resid_post',
];
const PER_BLOCK = POINTS.length - 1;
/** The longest number of a block: four digits. */
const BLOCKS = 10_000;

/**
 * Where a place stands in the order of computation: two names of one place have the same number.
 * @param {string} hook its name
 * @returns {number | undefined} undefined for what names no place
 */
export function order(hook) {
  const [, block, name] = /^blocks\.(0|[1-9]\d{0,3})\.(.*)$/s.exec(hook) ?? [];
  const point = POINTS.indexOf(name);
  return point < 0 ? undefined : Number(block) * PER_BLOCK + point;
}

/** @param {string} hook */
export const isPlace = (hook) => order(hook) !== undefined;

/** Whether two names are of one place. @param {string} one @param {string} other */
export const isSame = (one, other) => isPlace(one) && order(one) === order(other);

/**
 * The other name of a place that has two: what a block gives and what the next one is given.
 * @param {string} hook
 * @returns {string | undefined}
 */
export function otherName(hook) {
  const [, number, point] = /^blocks\.(0|[1-9]\d{0,3})\.hook_resid_(pre|post)$/.exec(hook) ?? [];
  if (!point) return undefined;
  const block = Number(number) + (point === 'pre' ? -1 : 1);
  return block < 0 || block >= BLOCKS ? undefined : `blocks.${block}.hook_resid_${point === 'pre' ? 'post' : 'pre'}`;
}

/**
 * Where the decoder of the SAE at a place writes: there, but for a transcoder, which stands for an MLP.
 * @param {string} hook
 */
export const writesAt = (hook) => hook.replace(/\.ln2\.hook_normalized$/, '.hook_mlp_out');

/** Whether a place can be reached from the SAE at another. @param {string} to @param {string} from */
export const isAfter = (to, from) => (order(to) ?? -1) > (order(writesAt(from)) ?? Infinity);

/**
 * How much of a model is run to reach a place: these many attention layers and MLPs.
 * @param {string} hook
 */
export function layersTo(hook) {
  const at = order(hook) ?? 0;
  const [block, point] = [Math.floor(at / PER_BLOCK), at % PER_BLOCK];
  return { attention: block + Number(point > 0), mlp: block + Number(POINTS[point] === 'hook_mlp_out') };
}

/**
 * Where the SAE at a place may stand, in the order in which it is looked for: the first that is said to be there,
 * or else in each folder under either name.
 * @param {SaeAddress[]} saes
 * @param {string} hook
 * @returns {SaeAddress[]} each with the address of its own folder; none for what names no place
 */
export function saesAt(saes, hook) {
  if (!isPlace(hook)) return [];
  const named = saes.find(({ hook_name }) => hook_name !== undefined && isSame(hook_name, hook));
  if (named) return [named];
  const names = [hook, otherName(hook)].filter((name) => name !== undefined);
  return saes
    .filter(({ hook_name }) => hook_name === undefined)
    .flatMap((folder) => names.map((name) => ({ ...folder, address: `${folder.address}/${name}` })));
}

/** Where an address stands if nothing else is said. */
const OF_PAGE = 'in the address of this page';

/** @param {string} name of what holds it @param {string} why @param {string} [where] that stands */
export const unusable = (name, why, where = OF_PAGE) =>
  codedError('address-invalid', `“${name}” ${where} cannot be used: ${why}.`);

/**
 * An address that is read from: of the web, and without a password.
 * @param {string} name of the part of the page's address, or of what `where` says, that holds it
 * @param {string} given absolute, or relative to the page
 * @param {URL} page
 * @param {string} [where]
 * @returns {string} without its last slash
 */
export function usable(name, given, page, where) {
  const url = parse(given, page);
  if (!url) throw unusable(name, 'it is not an address', where);
  if (!/^https?:$/.test(url.protocol)) throw unusable(name, 'it does not begin with https:// or http://', where);
  if (url.username || url.password) throw unusable(name, 'it holds a name or a password', where);
  if (url.href.includes('#')) throw unusable(name, 'it has a part behind #', where);
  return url.href.replace(/\/$/, '');
}

/** @param {string} given @param {URL} base */
function parse(given, base) {
  try {
    return new URL(given, base);
  } catch {
    return undefined;
  }
}
