// Results that need no computing: those of this visit, and those computed before.

import { codedError, describeError } from './error.js';
import { fromJson, MAX_BYTES } from './result.js';
import { array, like, object, passed, text } from './schema.js';
import { asRequest, keyOf } from './state.js';
import { bytes, short, visible } from './text.js';

/** @typedef {import('./protocol.js').Attribution} Attribution */
/** @typedef {import('./protocol.js').Request} Request */
/** @typedef {{file: string, title: string, source: string, request: Request}} Precomputed */

/** What index.json holds: files that stand beside it. */
const INDEX = array(
  object({ file: like(/^[\w-]{1,100}\.json$/, 'a file beside the index'), title: text(1000), source: text(100), request: asRequest }),
  1000,
);
/** The most bytes of an index, and of a file of expectations. */
export const SMALL = 4e6;

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
    index ??= fetchText(new URL('index.json', base), SMALL)
      .then((json) => passed(INDEX, JSON.parse(json)) ?? [])
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

/**
 * The text of a file.
 * @param {string | URL} address
 * @param {number} [most] bytes
 * @returns {Promise<string>} rejects with `file-not-found`, `access-denied`, `fetch-failed` or `file-too-large`
 */
export async function fetchText(address, most = MAX_BYTES) {
  const where = short(visible(String(address)), 200);
  let response;
  try {
    response = await fetch(address);
  } catch {
    throw codedError('fetch-failed', `${where} could not be read: there is no connection, or the server lets no other site read it.`);
  }
  const { status } = response;
  if (status === 404) throw codedError('file-not-found', `${where} was not found.`);
  if (status === 401 || status === 403) throw codedError('access-denied', `The server refuses access to ${where} (${status}).`);
  if (!response.ok) throw codedError('fetch-failed', `${where} could not be read: the server answered ${status}.`);
  return readText(response, where, most);
}

/**
 * The text of an answer.
 * @param {Response} response
 * @param {string} where it comes from
 * @param {number} most bytes
 * @returns {Promise<string>} rejects with `fetch-failed` or `file-too-large`
 */
export async function readText({ body }, where, most) {
  if (!body) return '';
  const [reader, decoder] = [body.getReader(), new TextDecoder()];
  const parts = [];
  try {
    for (let length = 0; ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      // What it says of its length counts for nothing: what comes is counted.
      if (length > most) throw codedError('file-too-large', `${where} is larger than ${bytes(most)}.`);
      parts.push(decoder.decode(value, { stream: true }));
    }
  } catch (error) {
    void reader.cancel().catch(() => {});
    const { code, message } = describeError(error);
    throw code === 'file-too-large' ? error : codedError('fetch-failed', `${where} could not be read to its end: ${message}`);
  }
  return parts.join('') + decoder.decode();
}
