// Results that need no computing: those of this visit, and those computed before.

import { fetchText } from '../runtime/loading/fetch-text.js';
import { asRequest } from '../figure/request.js';
import { fromJson, MAX_BYTES } from '../figure/result.js';
import { array, like, object, passed, text } from '../figure/schema.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {{file: string, title: string, source: string, request: Request}} Precomputed */

/** What index.json holds: files that stand beside it. */
const INDEX = array(
  object({
    file: like(/^[\w-]{1,100}\.json$/, 'a file beside the index'),
    title: text(1000),
    source: text(100),
    request: asRequest,
  }),
  1000,
);
/** The most bytes of an index. */
const MOST = 4e6;

/** Pairs kept in memory of this visit: two matrices of float32 make 64 MB. */
const KEPT_PAIRS = 8 << 20;

/** @param {string | URL} base folder of index.json, with its slash */
export function createResults(base) {
  /** The longest unused first. @type {Map<string, Attribution>} */
  const kept = new Map();
  /** @type {Promise<Precomputed[]> | undefined} */
  let index;

  /** Results computed before; none where there is no list of them. @returns {Promise<Precomputed[]>} */
  function precomputed() {
    index ??= fetchText(new URL('index.json', base), MOST)
      .then((json) => passed(INDEX, JSON.parse(json)) ?? [])
      // The page works without them.
      .catch(() => []);
    return index;
  }

  return {
    precomputed,

    /** For this visit. @param {string} key by which it is recalled: `keyOf` what it answers, or another name @param {Attribution} result */
    keep(key, result) {
      kept.delete(key);
      kept.set(key, result);
      const pairs = () => [...new Set(kept.values())].reduce((sum, { gradients }) => sum + gradients.length, 0);
      for (const oldest of kept.keys()) {
        if (kept.size === 1 || pairs() <= KEPT_PAIRS) break;
        kept.delete(oldest);
      }
    },

    /** What has this name is another model from now on. @param {string} source */
    forget(source) {
      const begin = `${JSON.stringify([source]).slice(0, -1)},`;
      for (const key of kept.keys()) if (key.startsWith(begin)) kept.delete(key);
    },

    /** A result of this visit; one that was measured answers the same question without, too. @param {string} key */
    recall: (key) => kept.get(key) ?? kept.get(measured(key)),

    /**
     * One computed before for the same question.
     * @param {string | undefined} source
     * @param {Request} request
     * @returns {Promise<Precomputed | undefined>}
     */
    async find(source, request) {
      return (await precomputed()).find((entry) => entry.source === source && answers(entry.request, request));
    },

    /** @param {Precomputed} entry @returns {Promise<Attribution>} */
    async load(entry) {
      const result = fromJson(await fetchText(new URL(entry.file, base), MAX_BYTES));
      const key = keyOf(entry.source, result.request);
      // What is known already stays: a step of the history may be of it.
      kept.set(key, kept.get(key) ?? result);
      return kept.get(key) ?? result;
    },
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
