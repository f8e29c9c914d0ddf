// What a result says of its own attributions, read back: what taking sources away does, how well that was predicted,
// what attributions are to sum to, and the prompt that sources are compared with. result.js reads all else.

import { array, fields, finite, floats, integer, object, oneOf, optional, own, between, refuse } from './schema.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').Fit} Fit */
/** @typedef {Pick<Attribution, 'ablations' | 'agreement' | 'completeness' | 'baseline'>} Measured */

/** A correlation as it is computed may be over 1 in its last digits. */
const correlation = between(-1.000001, 1.000001);

const aFit = object({
  pairs: integer(0, 2 ** 32),
  lacks: optional(oneOf(/** @type {const} */ (['all_zero', 'too_few', 'constant']))),
  pearson: optional(correlation),
  spearman: optional(correlation),
  slope: optional(finite),
  same_sign: optional(between(0, 1)),
});

/** With its figures, or with what they lack. @type {import('./schema.js').Check<Fit>} */
const fit = (value, path) => {
  const found = aFit(value, path);
  if (found.lacks === undefined && found.pearson === undefined) refuse(path, 'has neither pearson nor lacks');
  return found;
};

/**
 * @param {(key: string) => unknown} get of the result
 * @param {object} of
 * @param {Request} of.request
 * @param {{sources: number, targets: number, positions: number}} of.n
 * @param {import('./schema.js').Check<Attribution['tokens']>} of.asTokens
 * @returns {Measured}
 */
export function asMeasured(get, { request, n, asTokens }) {
  const { sources, targets, positions } = n;
  const pairs = sources * targets;
  /** @template T @param {string} key @param {(value: unknown) => T} read */
  const ifThere = (key, read) => {
    const value = get(key);
    return value === undefined ? undefined : read(value);
  };
  const ablations = ifThere('ablations', (value) => floats(value, 'ablations', pairs));
  const agreement = ifThere('agreement', (value) => {
    // What is predicted must be there to be compared; of no pairs, nothing is.
    if (!ablations && pairs > 0) refuse('agreement', 'is of ablations, which are missing');
    const rows = sources > 0 ? targets : 0;
    const found = object({ all: fit, targets: array(fit, targets) })(value, 'agreement');
    if (found.targets.length !== rows && found.targets.length !== targets)
      refuse('agreement.targets', `has ${found.targets.length} entries, not ${rows}`);
    return found;
  });
  const completeness = ifThere('completeness', (value) => {
    const from = fields(value, 'completeness');
    const error = own(from, 'error');
    return {
      total: [...floats(own(from, 'total'), 'completeness.total', targets)],
      ...(error !== undefined && { error: [...floats(error, 'completeness.error', targets * positions)] }),
    };
  });
  const baseline = ifThere('baseline', (value) => {
    if (request.patch === undefined) refuse('baseline', 'is there, but the request has no patch');
    const from = fields(value, 'baseline');
    const tokens = asTokens(own(from, 'tokens'), 'baseline.tokens');
    if (tokens.string.length !== positions)
      refuse('baseline.tokens.string', `has ${tokens.string.length} entries, not ${positions}`);
    return { tokens, activation: [...floats(own(from, 'activation'), 'baseline.activation', sources)] };
  });
  if (request.patch !== undefined && !baseline) refuse('baseline', 'is missing, though the request has a patch');
  return {
    ...(ablations && { ablations }),
    ...(agreement && { agreement }),
    ...(completeness && { completeness }),
    ...(baseline && { baseline }),
  };
}

/**
 * What each source differs by from what it is compared with: its activation, or less what it is in the patch.
 * @param {{sources: {activation: Float32Array}, baseline?: Attribution['baseline']}} result
 */
export function differences({ sources: { activation }, baseline }) {
  if (!baseline) return activation;
  return activation.map((here, i) => Math.fround(here - Math.fround(baseline.activation[i])));
}
