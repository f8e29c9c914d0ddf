// What the attributes of the element mean. Whatever a page writes into them is looked at here, once.

import { VALUES } from '../figure/values.js';
import { SORTS } from '../figure/view.js';
import { usable } from '../runtime/places.js';

/** @typedef {import('../figure/view.js').View} View */

/**
 * Each is a property, too: the same text, empty where the attribute is missing.
 * @typedef {object} Attributes
 * @property {string} src address of a saved result
 * @property {string} model address of a model in the hub's layout
 * @property {string} saes addresses between spaces: a folder with one for each place, or PLACE=FOLDER for that of one
 * @property {string} prompt
 * @property {string} from `tokens`, a place, or the number of a block
 * @property {string} to a place, the number of a block, `top 10`, `logits " a", " b"` or `logits " a" - " b"`
 * @property {string} error `keep` or `omit`
 * @property {string} threshold of pairs across positions
 * @property {string} sort `position`, `value`, `largest` or `total`: of rows and columns, or one of each
 * @property {string} top only so many rows and columns, those with the largest Σ |value|
 * @property {string} zeros `shown`: rows and columns that are 0 everywhere are drawn, too
 * @property {string} shown `attributions`, `gradients`, or of a measured result `ablations` or `misses`, which is attributions − ablations
 * @property {string} limit where the scale of colours ends
 * @property {string} theme `light` or `dark`, whatever the system says
 * @property {string} controls what the reader may change: any of `prompt places sort threshold check live`
 */

/** @type {(keyof Attributes)[]} */
export const ATTRIBUTES = [
  ...['src', 'model', 'saes', 'prompt', 'from', 'to'],
  ...['error', 'threshold', 'sort', 'top', 'zeros', 'shown', 'limit', 'theme', 'controls'],
].map((name) => /** @type {keyof Attributes} */ (name));

/** What is asked for: another value of one means another request. @type {Set<string>} */
export const ASKED = new Set(['model', 'saes', 'prompt', 'from', 'to', 'error']);
/** How it is looked at. @type {Set<string>} */
export const LOOKED = new Set(['threshold', 'sort', 'top', 'zeros', 'shown', 'limit']);

const OF_FIGURE = 'of this figure';

/**
 * An address, relative to the page.
 * @param {string} name
 * @param {string} given
 * @param {URL} page
 */
export const addressOf = (name, given, page) => usable(name, given, page, OF_FIGURE);

/** @param {Attributes} attributes @returns {Partial<View>} what cannot be understood is as if it were not there */
export function viewOf({ threshold, sort, top, zeros, shown, limit }) {
  const [rows, columns = rows] = sort
    .trim()
    .split(/\s+/)
    .map((name) => SORTS.find((one) => one === name));
  const [end, over] = [numberOf(limit), numberOf(threshold)];
  return {
    ...(Object.hasOwn(VALUES, shown) && { shown: /** @type {View['shown']} */ (shown) }),
    ...(rows && { rows }),
    ...(columns && { columns }),
    ...(/^\s*[1-9]\d{0,5}\s*$/.test(top) && { top: Number(top) }),
    ...(zeros.trim() === 'shown' && { zeros: true }),
    ...(end !== undefined && end > 0 && { limit: end }),
    ...(over !== undefined && { threshold: over }),
  };
}

/** @param {string} text */
export function numberOf(text) {
  const number = Math.fround(Number(text));
  return text.trim() !== '' && Number.isFinite(number) ? Number(text) : undefined;
}

/**
 * A class with a property for each attribute.
 * @param {typeof HTMLElement} Element
 * @returns {new () => HTMLElement & Attributes}
 */
export function mirrored(Element) {
  class Mirrored extends Element {}
  for (const name of ATTRIBUTES) {
    Object.defineProperty(Mirrored.prototype, name, {
      configurable: true,
      enumerable: true,
      get() {
        return this.getAttribute(name) ?? '';
      },
      set(value) {
        if (value === null || value === undefined) this.removeAttribute(name);
        else this.setAttribute(name, String(value));
      },
    });
  }
  return /** @type {any} */ (Mirrored);
}
