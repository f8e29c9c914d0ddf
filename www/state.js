// What a link holds: the request, the source and how the result is looked at, in the part behind `#`.

import { either, fields, finite, INDICES, integer, LABEL, object, oneOf, optional, own, passed, text } from './schema.js';

/** @typedef {import('./protocol.js').Request} Request */
/** @typedef {import('./analysis.js').Sort} Sort */

/**
 * How a result is looked at.
 * @typedef {object} View
 * @property {'attributions' | 'gradients'} shown
 * @property {Sort} rows
 * @property {Sort} columns
 * @property {boolean} across only pairs across positions stand out
 * @property {number} [limit] the colour scale ends at ±limit; chosen by the values if not given
 * @property {number} threshold of the list of pairs across positions
 * @property {{row: number, column: number}} [cell] pinned
 */

/** @typedef {{source?: string, request?: Request, view: Partial<View>}} State */

/** @type {Request['kind'][]} */
export const KINDS = ['token_to_latent', 'latent_to_latent', 'latent_to_logit', 'logit_difference'];
/** @type {Sort[]} */
export const SORTS = ['position', 'value', 'largest', 'total'];

const TARGETS = ['positive', 'negative'];

/** The notebook's threshold for pairs across positions. */
export const THRESHOLD = 2;

const layer = integer(0, 9999);
const prompt = text(2 ** 20);
/** A token by its text or its id. */
const target = either(text(LABEL), integer(0, INDICES - 1));
const kindOf = oneOf(KINDS);

/** What a request of each kind holds beside its kind. */
const REQUESTS = {
  token_to_latent: object({ prompt, layer }),
  latent_to_latent: object({ prompt, layer_from: layer, layer_to: layer, threshold: optional(finite) }),
  latent_to_logit: object({ prompt, layer, k: integer(1, 999_999) }),
  logit_difference: object({ prompt, layer, positive: target, negative: target }),
};

/** A request that could be answered, if there is such a model. @type {import('./schema.js').Check<Request>} */
export const asRequest = (value, path) => {
  const kind = kindOf(own(fields(value, path), 'kind'), path ? `${path}.kind` : 'kind');
  return /** @type {any} */ ({ kind, ...REQUESTS[kind](value, path) });
};

/** @type {View} */
export const DEFAULT_VIEW = {
  shown: 'attributions',
  rows: 'position',
  columns: 'position',
  across: false,
  threshold: THRESHOLD,
};

/**
 * @param {string | undefined} source
 * @param {Request} request
 * @param {View} view
 * @returns {string} without its `#`
 */
export function encodeState(source, request, view) {
  const out = new URLSearchParams();
  if (source) out.set('source', source);
  const { threshold: _, ...asked } = /** @type {any} */ (request);
  for (const [key, value] of Object.entries(asked)) {
    // A target by its id: as text it would be another token.
    out.set(TARGETS.includes(key) && typeof value === 'number' ? `${key}_id` : key, String(value));
  }
  if (view.threshold !== THRESHOLD) out.set('threshold', String(view.threshold));
  if (view.shown !== DEFAULT_VIEW.shown) out.set('shown', view.shown);
  if (view.rows !== DEFAULT_VIEW.rows) out.set('rows', view.rows);
  if (view.columns !== DEFAULT_VIEW.columns) out.set('columns', view.columns);
  if (view.across) out.set('across', '1');
  if (view.limit !== undefined) out.set('limit', String(view.limit));
  if (view.cell) out.set('cell', `${view.cell.row},${view.cell.column}`);
  return out.toString();
}

/**
 * Reads a link. Whatever is missing or malformed is left out: a link never breaks the page.
 * @param {string} hash with or without its `#`
 * @returns {State}
 */
export function decodeState(hash) {
  const get = reader(hash);
  /** @type {Partial<View>} */
  const view = {};
  const shown = get('shown');
  if (shown === 'gradients' || shown === 'attributions') view.shown = shown;
  for (const axis of /** @type {const} */ (['rows', 'columns'])) {
    const sort = SORTS.find((name) => name === get(axis));
    if (sort) view[axis] = sort;
  }
  if (get('across') === '1') view.across = true;
  const limit = decimal(get('limit'));
  if (limit !== undefined && Math.fround(limit) > 0) view.limit = limit;
  const threshold = decimal(get('threshold'));
  if (threshold !== undefined) view.threshold = threshold;
  const cell = /^(\d{1,8}),(\d{1,8})$/.exec(get('cell') ?? '');
  if (cell) view.cell = { row: Number(cell[1]), column: Number(cell[2]) };
  return { source: get('source'), request: request(get), view };
}

/** @param {string} hash @returns {(key: string) => string | undefined} */
function reader(hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  return (key) => parameters.get(key) ?? undefined;
}

/** @param {(key: string) => string | undefined} get @returns {Request | undefined} */
function request(get) {
  /** @type {Record<string, unknown>} */
  const asked = { kind: get('kind'), prompt: get('prompt'), threshold: decimal(get('threshold')) ?? THRESHOLD };
  for (const key of ['layer', 'layer_from', 'layer_to', 'k']) asked[key] = natural(get(key));
  for (const key of TARGETS) asked[key] = get(key) ?? natural(get(`${key}_id`));
  return passed(asRequest, asked);
}

/** @param {string | undefined} text */
function natural(text) {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

/** @param {string | undefined} text */
function decimal(text) {
  return text ? passed(finite, Number(text)) : undefined;
}

/**
 * One name for all requests that have one answer; the threshold only selects from it.
 * @param {string | undefined} source
 * @param {Request} request
 */
export function keyOf(source, request) {
  const { threshold: _, ...asked } = /** @type {any} */ (request);
  return JSON.stringify([source, ...Object.keys(asked).sort().map((key) => [key, asked[key]])]);
}
