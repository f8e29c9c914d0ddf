// Results that need no computing: those of this visit, and those computed before.

import { fromJson } from './result.js';
import { keyOf } from './state.js';

/** @typedef {import('./protocol.js').Attribution} Attribution */
/** @typedef {import('./protocol.js').Request} Request */
/** @typedef {{file: string, title: string, source: string, request: Request}} Precomputed */

/** Pairs kept in memory of this visit: two matrices of float32 make 64 MB. */
const KEPT_PAIRS = 8 << 20;

/** @param {string | URL} base folder of index.json, with its slash */
export function createStore(base) {
  /** The longest unused first. @type {Map<string, Attribution>} */
  const kept = new Map();
  /** @type {Promise<Precomputed[]> | undefined} */
  let index;

  /** Results computed before; none where there is no list of them. @returns {Promise<Precomputed[]>} */
  function precomputed() {
    index ??= fetch(new URL('index.json', base))
      .then((response) => (response.ok ? response.json() : []))
      .then((list) => (Array.isArray(list) ? list.filter((entry) => entry?.file && entry.request) : []))
      // The page works without them.
      .catch(() => []);
    return index;
  }

  return {
    precomputed,

    /** @param {string | undefined} source @param {Attribution} result */
    keep(source, result) {
      const key = keyOf(source, result.request);
      kept.delete(key);
      kept.set(key, result);
      let pairs = [...kept.values()].reduce((sum, { gradients }) => sum + gradients.length, 0);
      for (const [oldest, { gradients }] of kept) {
        if (pairs <= KEPT_PAIRS || kept.size === 1) break;
        kept.delete(oldest);
        pairs -= gradients.length;
      }
    },

    /** A result of this visit. @param {string | undefined} source @param {Request} request */
    recall(source, request) {
      return kept.get(keyOf(source, request));
    },

    /**
     * One computed before for the same question.
     * @param {string | undefined} source
     * @param {Request} request
     * @returns {Promise<Precomputed | undefined>}
     */
    async find(source, request) {
      const key = keyOf(source, request);
      return (await precomputed()).find((entry) => keyOf(entry.source, entry.request) === key);
    },

    /** @param {Precomputed} entry @returns {Promise<Attribution>} */
    async load(entry) {
      const result = fromJson(await fetchText(new URL(entry.file, base)));
      kept.set(keyOf(entry.source, result.request), result);
      return result;
    },
  };
}

/** @param {string | URL} address */
export async function fetchText(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} could not be read: the server answered ${response.status}`);
  return response.text();
}
