// What a link holds: the request, the source and how the result is looked at, in the part behind `#`.

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

/** The notebook's threshold for pairs across positions. */
export const THRESHOLD = 2;

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
  for (const [key, value] of Object.entries(asked)) out.set(key, String(value));
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
  if (limit !== undefined && limit > 0) view.limit = limit;
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
  const prompt = get('prompt');
  const kind = KINDS.find((name) => name === get('kind'));
  if (prompt === undefined || !kind) return undefined;
  const layer = natural(get('layer'));
  switch (kind) {
    case 'token_to_latent':
      return layer === undefined ? undefined : { kind, prompt, layer };
    case 'latent_to_latent': {
      const [layer_from, layer_to] = [natural(get('layer_from')), natural(get('layer_to'))];
      if (layer_from === undefined || layer_to === undefined) return undefined;
      return { kind, prompt, layer_from, layer_to, threshold: decimal(get('threshold')) ?? THRESHOLD };
    }
    case 'latent_to_logit': {
      const k = natural(get('k'));
      return layer === undefined || k === undefined ? undefined : { kind, prompt, layer, k };
    }
    case 'logit_difference': {
      const [positive, negative] = [get('positive'), get('negative')];
      if (layer === undefined || positive === undefined || negative === undefined) return undefined;
      return { kind, prompt, layer, positive, negative };
    }
  }
}

/** @param {string | undefined} text */
function natural(text) {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

/** @param {string | undefined} text */
function decimal(text) {
  const value = text ? Number(text) : NaN;
  return Number.isFinite(value) ? value : undefined;
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
