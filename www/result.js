// A result's JSON form: written by the runtime or by this page, read back by either.

import { codedError } from './error.js';

/** @typedef {import('./protocol.js').Attribution} Attribution */

/** The version this page reads and writes. */
export const FORMAT_VERSION = 1;

/** @param {Attribution} result */
export function toJson(result) {
  return JSON.stringify(result, (_, value) => (ArrayBuffer.isView(value) ? [...asArray(value)] : value));
}

/** @param {ArrayBufferView} view @returns {Float32Array | Uint32Array} */
function asArray(view) {
  return /** @type {any} */ (view);
}

/**
 * @param {string} json
 * @returns {Attribution} throws `result-invalid` for text that is no result of this version
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
    throw invalid(`its format_version is ${result?.format_version}, not ${FORMAT_VERSION}`);
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
  if (!Array.isArray(result.tokens?.string) || typeof result.statistics !== 'object' || typeof result.request !== 'object') {
    throw invalid('tokens, statistics or request are missing');
  }
  const pairs = result.off_staircase;
  return {
    ...result,
    sources,
    targets,
    gradients: matrix(result.gradients),
    attributions: matrix(result.attributions),
    ...(pairs && {
      off_staircase: {
        threshold: Number(pairs.threshold),
        target: Uint32Array.from(pairs.target),
        source: Uint32Array.from(pairs.source),
      },
    }),
  };
}
