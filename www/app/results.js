// Results that need no computing: those of this visit, those computed before, and those kept in this browser.

import { fetchText } from '../runtime/loading/fetch-text.js';
import { codedError } from '../runtime/error.js';
import { asRequest } from '../figure/request.js';
import { fromJson, MAX_BYTES, titleOf } from '../figure/result.js';
import { array, like, object, optional, passed, text } from '../figure/schema.js';

/** @typedef {import('../figure/result.js').Saved} Attribution */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/**
 * @typedef {object} Precomputed
 * @property {string} file
 * @property {string} title
 * @property {string} question that it answers
 * @property {string} seen a sentence on what is to be seen
 * @property {string} [group] where it is no example like the others
 * @property {string} source
 * @property {Request} request
 */
/** @typedef {{result: Attribution, file?: string, how: string}} Known file: on the site; how: it comes to be known */

/** What index.json holds: files that stand beside it. */
const INDEX = array(
  object({
    file: like(/^[\w-]{1,100}\.json$/, 'a file beside the index'),
    title: text(1000),
    question: text(200),
    seen: text(500),
    group: optional(text(200)),
    source: text(100),
    request: asRequest,
  }),
  1000,
);
/** The most bytes of an index. */
const MOST = 4e6;

/** Pairs kept in memory of this visit: two matrices of float32 make 64 MB. */
const KEPT_PAIRS = 8 << 20;

export const BEFORE = 'Computed before.';
export const THIS_VISIT = 'Shown at once: this was computed or opened earlier in this visit.';
export const KEPT = 'Kept in this browser from before.';

/**
 * @param {string | URL} base folder of index.json, with its slash
 * @param {object} [options] without them nothing that is kept answers
 * @param {(source: string, request: Request) => string | undefined} options.identify names what answers a request of a
 *   source, in any visit; nothing where another visit may mean another model by it
 * @param {(source: string, result: Attribution) => boolean} options.isOf whether a result says that it is of a source
 */
export function createResults(base, { identify, isOf } = { identify: () => undefined, isOf: () => false }) {
  /** The longest unused first. @type {Map<string, Attribution>} */
  const visited = new Map();
  /** Where results that came with this site are from. @type {WeakMap<object, string>} */
  const files = new WeakMap();
  /** @type {Promise<Precomputed[]> | undefined} */
  let index;
  /** @type {Promise<ReturnType<typeof import('./kept-results.js').createKeptResults>> | undefined} */
  let storing;

  /** Results computed before; none where there is no list of them. @returns {Promise<Precomputed[]>} */
  function precomputed() {
    index ??= fetchText(new URL('index.json', base), MOST)
      .then((json) => passed(INDEX, JSON.parse(json)) ?? [])
      // The page works without them.
      .catch(() => []);
    return index;
  }

  /**
   * One computed before for the same question.
   * @param {string | undefined} source
   * @param {Request} request
   * @returns {Promise<Precomputed | undefined>}
   */
  async function find(source, request) {
    return (await precomputed()).find((entry) => entry.source === source && answers(entry.request, request));
  }

  /** @param {Precomputed} entry @returns {Promise<Attribution>} */
  async function load(entry) {
    const key = keyOf(entry.source, entry.request);
    const known = visited.get(key);
    if (known) return known;
    const result = fromJson(await fetchText(new URL(entry.file, base), MAX_BYTES));
    visited.set(key, result);
    files.set(result, entry.file);
    return result;
  }

  /** What this browser keeps; fetched by who may have something there. */
  function store() {
    storing ??= import('./kept-results.js').then(({ createKeptResults }) => createKeptResults());
    storing.catch(() => (storing = undefined));
    return storing;
  }

  return {
    precomputed,
    find,
    load,
    store,

    /** For this visit. @param {string} key by which it is recalled: `keyOf` what it answers, or another name @param {Attribution} result */
    keep(key, result) {
      visited.delete(key);
      visited.set(key, result);
      const pairs = () => [...new Set(visited.values())].reduce((sum, { gradients }) => sum + gradients.length, 0);
      for (const oldest of visited.keys()) {
        if (visited.size === 1 || pairs() <= KEPT_PAIRS) break;
        visited.delete(oldest);
      }
    },

    /**
     * For visits to come, where the browser lets it.
     * @param {Attribution} result
     * @param {string} key of the step that shows it
     * @param {string} [source] that computed it here; a file may say what it likes, and answers nothing
     */
    async save(result, key, source) {
      const id = source === undefined ? key : (identify(source, result.request) ?? `visit ${Date.now()}`);
      const model = (result.model.name ?? result.model.address).slice(0, 1000);
      return store().then(
        (kept) => kept.keep({ id, title: titleOf(result), model }, result),
        () => false,
      );
    },

    /** What has this name is another model from now on. @param {string} source */
    forget(source) {
      const begin = `${JSON.stringify([source]).slice(0, -1)},`;
      for (const key of visited.keys()) if (key.startsWith(begin)) visited.delete(key);
    },

    /** A result of this visit; one that was measured answers the same question without, too. @param {string} key */
    recall: (key) => visited.get(key) ?? visited.get(measured(key)),

    /**
     * What answers a question without computing: computed before, or kept.
     * @param {string} source
     * @param {Request} request
     * @returns {Promise<Known | undefined>} rejects where what is there cannot be read
     */
    async answer(source, request) {
      const entry = await find(source, request);
      if (entry) return { result: await load(entry), file: entry.file, how: BEFORE };
      const id = identify(source, request);
      if (id === undefined) return undefined;
      const kept = await store().catch(() => undefined);
      const result = await kept?.get(id);
      if (!kept || !result) return undefined;
      if (!isOf(source, result) || identify(source, result.request) !== id) {
        await kept.remove(id);
        throw codedError(
          'kept-invalid',
          'A kept result answers another question than it was kept for, and was removed.',
        );
      }
      return { result, how: KEPT };
    },

    /** An opened file that is kept. @param {string} key @returns {Promise<Attribution | undefined>} */
    async opened(key) {
      return store()
        .then((kept) => kept.get(key))
        .catch(() => undefined);
    },

    /** The file beside the index that holds this very result, and no other answer of its request. @param {object} result */
    fileOf: (result) => files.get(result),
  };
}

/**
 * One name for all requests that have one answer; the threshold only selects from it.
 * @param {string | undefined} source
 * @param {Request} request
 */
export function keyOf(source, { prompt, from, to, error = 'keep', method = 'gradient', patch, measure = false }) {
  const how = method === 'gradient' && patch === undefined && !measure ? [] : [method, patch ?? null, measure];
  return JSON.stringify([source, prompt, from, to, error, ...how]);
}

/** The key of the same question, measured. @param {string} key */
function measured(key) {
  if (!key.startsWith('[')) return key;
  const [source, prompt, from, to, error, method = 'gradient', patch = null] = JSON.parse(key);
  return JSON.stringify([source, prompt, from, to, error, method, patch, true]);
}

/** The same question without measuring: what answers the one that measures answers it, too. @param {Request} request */
export const unmeasured = ({ measure: _, ...request }) => request;

/**
 * Whether an answer to one question answers another of the same source.
 * @param {Request} answered
 * @param {Request} asked
 */
export const answers = (answered, asked) =>
  keyOf('', answered) === keyOf('', asked) || keyOf('', unmeasured(answered)) === keyOf('', asked);
