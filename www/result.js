// A result's JSON form: written by the runtime or by this page, read back by either.

import { codedError } from './error.js';

/** @typedef {import('./protocol.js').Attribution} Attribution */

/**
 * A result as it is saved: with what is known of its latents' meanings, by hook name and latent.
 * @typedef {Attribution & {latent_labels?: Record<string, Record<string, string>>}} Saved
 */

/** The version this page reads and writes. */
export const FORMAT_VERSION = 1;
/** Numbers written between two breaths. */
const SLICE = 50_000;

/** @param {Attribution} result */
export function toJson(result) {
  return JSON.stringify(result, (_, value) => (ArrayBuffer.isView(value) ? [...asArray(value)] : value));
}

/**
 * The same in parts: millions of numbers are not written at once.
 * @param {Saved} result
 * @returns {AsyncGenerator<string>}
 */
export async function* toJsonParts(result) {
  const { gradients, attributions, ...rest } = result;
  yield `${toJson(/** @type {any} */ (rest)).slice(0, -1)}`;
  for (const [name, values] of Object.entries({ gradients, attributions })) {
    yield `,"${name}":[`;
    for (let first = 0; first < values.length; first += SLICE) {
      yield `${first > 0 ? ',' : ''}${values.subarray(first, first + SLICE).join(',')}`;
      await new Promise((resolve) => setTimeout(resolve));
    }
    yield ']';
  }
  yield '}';
}

/** @param {ArrayBufferView} view @returns {Float32Array | Uint32Array} */
function asArray(view) {
  return /** @type {any} */ (view);
}

/**
 * @param {string} json attributions may be left out: they are gradients × source activations in float32,
 *   which is how the runtime makes them
 * @returns {Saved} throws `result-invalid` for text that is no result of this version
 */
export function fromJson(json) {
  const invalid = (/** @type {string} */ why) => codedError('result-invalid', `This is not a result that can be shown: ${why}.`);
  let result;
  try {
    result = JSON.parse(json);
  } catch {
    throw invalid('it is not JSON');
  }
  if (result?.format_version !== FORMAT_VERSION) {
    throw invalid(`its format_version is ${String(result?.format_version).slice(0, 40)}, not ${FORMAT_VERSION}`);
  }
  const isObject = (/** @type {any} */ value) => typeof value === 'object' && value !== null;
  if (!Array.isArray(result.tokens?.string) || !isObject(result.statistics) || !isObject(result.request)) {
    throw invalid('tokens, statistics or request are missing');
  }
  const nodes = (/** @type {any} */ end) => {
    if (!Array.isArray(end?.pos) || !Array.isArray(end.label) || !Array.isArray(end.activation)) {
      throw invalid('its sources or targets have no columns');
    }
    if (end.label.length !== end.pos.length || end.activation.length !== end.pos.length) {
      throw invalid('the columns of its sources or targets differ in length');
    }
    return {
      ...end,
      kind: String(end.kind),
      hook_name: end.hook_name === undefined ? undefined : String(end.hook_name),
      label: end.label.map(String),
      pos: Uint32Array.from(end.pos),
      latent: Uint32Array.from(end.latent ?? []),
      token_id: Uint32Array.from(end.token_id ?? []),
      activation: Float32Array.from(end.activation),
    };
  };
  const sources = nodes(result.sources);
  const targets = nodes(result.targets);
  const matrix = (/** @type {any} */ values) => {
    if (!Array.isArray(values) || values.length !== sources.pos.length * targets.pos.length) {
      throw invalid('its matrices do not have targets × sources values');
    }
    return Float32Array.from(values);
  };
  const gradients = matrix(result.gradients);
  const derived = () => gradients.map((gradient, i) => gradient * sources.activation[i % sources.pos.length]);
  return {
    ...result,
    request: { ...result.request, kind: String(result.request.kind), prompt: String(result.request.prompt ?? '') },
    tokens: {
      string: result.tokens.string.map(String),
      token_id: result.tokens.string.map((/** @type {unknown} */ _, /** @type {number} */ i) => Number(result.tokens.token_id?.[i])),
    },
    sources,
    targets,
    gradients,
    attributions: result.attributions === undefined ? derived() : matrix(result.attributions),
    off_staircase: pairs(result.off_staircase),
    top_logits: logits(result.top_logits),
    pair_logits: logits(result.pair_logits),
    statistics: statistics(result.statistics),
    latent_labels: labels(result.latent_labels),
  };
}

/** @param {any} found */
function labels(found) {
  if (typeof found !== 'object' || found === null) return undefined;
  const strings = (/** @type {any} */ of) =>
    Object.fromEntries(Object.entries(of ?? {}).filter(([, label]) => typeof label === 'string'));
  return Object.fromEntries(Object.entries(found).map(([hook, of]) => [hook, strings(of)]));
}

/** @param {any} found */
function pairs(found) {
  return (
    found && {
      threshold: Number(found.threshold),
      target: Uint32Array.from(found.target ?? []),
      source: Uint32Array.from(found.source ?? []),
    }
  );
}

/** @param {any} value */
const numbers = (value) => (Array.isArray(value) ? value.map(Number) : []);

/** @param {any} found */
function logits(found) {
  return (
    found && {
      token_id: numbers(found.token_id),
      string: Array.isArray(found.string) ? found.string.map(String) : [],
      logit: numbers(found.logit),
      probability: numbers(found.probability),
    }
  );
}

/** @param {any} found */
function statistics(found) {
  const ratio = (/** @type {any} */ part) => ({
    nonzero: Number(part?.nonzero),
    total: Number(part?.total),
    ratio: Number(part?.ratio),
  });
  return {
    sparsity: ratio(found.sparsity),
    sparsity_over_positions: ratio(found.sparsity_over_positions),
    source_l1: Number(found.source_l1),
    target_l1: Number(found.target_l1),
    gradient_l1: Number(found.gradient_l1),
    attribution_l1: Number(found.attribution_l1),
    sources_per_position: numbers(found.sources_per_position),
    targets_per_position: numbers(found.targets_per_position),
    sae_error_norm: numbers(found.sae_error_norm),
  };
}
