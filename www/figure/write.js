// A result's JSON form, written. result.js reads it back.

import { differences } from './measured.js';

/** @typedef {import('./result.js').Saved} Saved */

/** Pairs of which attributions are saved though they are what gradients and activations give. */
const SAVED_TWICE = 4 * 2 ** 20;
/** Numbers written between two breaths. */
const SLICE = 20_000;

/** @param {import('./result.js').Shown} result */
export function toJson(result) {
  return JSON.stringify(result, (_, value) => (ArrayBuffer.isView(value) ? [...asArray(value)] : value));
}

/**
 * The same in parts: millions of numbers are not written at once.
 * @param {import('./result.js').Shown} result
 * @returns {AsyncGenerator<string>}
 */
export async function* toJsonParts(result) {
  const { gradients, attributions, ablations, ...rest } = /** @type {Saved} */ (result);
  yield `${toJson(/** @type {any} */ (rest)).slice(0, -1)}`;
  // The largest results would be too long to be read as one text.
  const isLarge = gradients.length > SAVED_TWICE && followsFromGradients(result);
  const matrices = { gradients, ...(!isLarge && { attributions }), ...(ablations && { ablations }) };
  for (const [name, values] of Object.entries(matrices)) {
    yield `,"${name}":[`;
    for (let first = 0; first < values.length; first += SLICE) {
      // Nine figures tell every float32 from every other.
      const figures = Array.from(values.subarray(first, first + SLICE), (value) => Number(value.toPrecision(9)));
      yield `${first > 0 ? ',' : ''}${figures.join(',')}`;
      await new Promise((resolve) => setTimeout(resolve));
    }
    yield ']';
  }
  yield '}';
}

/** Whether the attributions are gradients × what the sources differ by. @param {import('./result.js').Shown} result */
function followsFromGradients(result) {
  const { gradients, attributions } = result;
  const differs = differences(result);
  return attributions.every((value, i) => value === Math.fround(gradients[i] * differs[i % differs.length]));
}

/** @param {ArrayBufferView} view @returns {Float32Array | Uint32Array} */
function asArray(view) {
  return /** @type {any} */ (view);
}
