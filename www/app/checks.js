// Compares results with what is published of them.

import { asRequest } from '../figure/request.js';
import {
  array,
  either,
  finite,
  integer,
  LABEL,
  like,
  object,
  optional,
  own,
  pair,
  refuse,
  text,
} from '../figure/schema.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */

/**
 * One published number or list.
 * @typedef {{what: string, source?: string} & (
 *   {path: string, equals: unknown} |
 *   {path: string, near: number, within: number} |
 *   {path: string, values: number[], within: number} |
 *   {pairs: [number, number][][]} |
 *   {token: string, rank: number, logit?: number, probability?: number, within?: number}
 * )} Expectation
 *   path: into the result, as in `sources.pos.length`; values: all of an array, each within this share of the
 *   largest; pairs: all cross-position pairs over the request's threshold, each `[[from pos, from latent],
 *   [to pos, to latent]]`; token: one of the top logits, the largest being rank 0
 */

/**
 * What a file of expectations holds.
 * @typedef {object} Expectations
 * @property {string} title
 * @property {string} [source] name of a source of the page; the address may give another
 * @property {{request: import('../runtime/protocol.js').Request, expect: Expectation[]}[]} cases
 */

/** @typedef {{what: string, expected: string, got: string, passed: boolean}} Outcome */

/** The most numbers of an array. */
const MOST = 500_000;

const what = text(1000);
const source = optional(text(1000));
const natural = integer(0, 2 ** 32 - 1);
/** What a number, a text or a list of such may be compared with. */
const scalar = either(finite, text(LABEL));
const pathInto = like(/^[a-z_]{1,40}(\.[a-z_0-9]{1,40}){0,5}$/, 'a path into the result, as in sources.pos.length');
/** A latent: its position and index. */
const node = pair(natural, natural);

/** @type {{[kind: string]: import('../figure/schema.js').Check<any>}} */
const EXPECTATIONS = {
  equals: object({ what, source, path: pathInto, equals: either(array(scalar, LABEL), scalar) }),
  near: object({ what, source, path: pathInto, near: finite, within: finite }),
  values: object({ what, source, path: pathInto, values: array(finite, MOST), within: finite }),
  pairs: object({ what, source, pairs: array(pair(node, node), 100_000) }),
  token: object({
    ...{ what, source, token: text(LABEL), rank: natural },
    ...{ logit: optional(finite), probability: optional(finite), within: optional(finite) },
  }),
};

/** @type {import('../figure/schema.js').Check<Expectation>} */
const expectation = (value, path) => {
  const kind = Object.keys(EXPECTATIONS).find((kind) => own(Object(value), kind) !== undefined);
  return kind ? EXPECTATIONS[kind](value, path) : refuse(path, 'expects nothing');
};

/** A file of expectations. @type {import('../figure/schema.js').Check<Expectations>} */
export const asExpectations = object({
  title: text(1000),
  source: optional(text(100)),
  cases: array(object({ request: asRequest, expect: array(expectation, 10_000) }), 1000),
});

/** @param {unknown} value */
const show = (value) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'));

/**
 * @param {Attribution} result
 * @param {Expectation} expectation
 * @returns {Outcome}
 */
export function check(result, expectation) {
  const { what } = expectation;
  if ('pairs' in expectation) {
    const key = (/** @type {number[][]} */ pair) => JSON.stringify(pair);
    const wanted = new Set(expectation.pairs.map(key));
    const found = new Set(pairsOf(result).map(key));
    const missing = [...wanted].filter((pair) => !found.has(pair));
    const extra = [...found].filter((pair) => !wanted.has(pair));
    const passed = missing.length === 0 && extra.length === 0;
    const problems = [
      missing.length && `missing ${missing.join(' ')}`,
      extra.length && `not published: ${extra.join(' ')}`,
    ];
    return {
      what,
      expected: [...wanted].join(' '),
      got: passed ? 'the same' : problems.filter(Boolean).join('; '),
      passed,
    };
  }
  if ('token' in expectation) {
    const { token, rank, logit, probability, within = 0 } = expectation;
    const logits = result.top_logits;
    const at = logits?.string.indexOf(token) ?? -1;
    const got = { rank: at, logit: logits?.logit[at], probability: logits?.probability[at] };
    const near = (/** @type {number | undefined} */ value, /** @type {number | undefined} */ wanted) =>
      wanted === undefined || (value !== undefined && Math.abs(value - wanted) <= within);
    return {
      what,
      expected: show({ rank, logit, probability }),
      got: at < 0 ? 'not among the top logits' : show(got),
      passed: at === rank && near(got.logit, logit) && near(got.probability, probability),
    };
  }
  // A length is inherited; nothing else that is may be asked for.
  const inside = (/** @type {unknown} */ value, /** @type {string} */ key) =>
    key === 'length' ? /** @type {any} */ (value)?.length : own(Object(value), key);
  const got = expectation.path.split('.').reduce(inside, /** @type {unknown} */ (result));
  if ('values' in expectation) return { what, ...compared(got, expectation) };
  if ('near' in expectation) {
    const { near, within } = expectation;
    const passed = typeof got === 'number' && Math.abs(got - near) <= within;
    return { what, expected: `${near} ± ${within}`, got: show(got), passed };
  }
  return { what, expected: show(expectation.equals), got: show(got), passed: show(got) === show(expectation.equals) };
}

/**
 * How far an array is from what it should be, as a share of the largest of that.
 * @param {unknown} got
 * @param {{values: number[], within: number}} expectation
 */
function compared(got, { values, within }) {
  const expected = `${values.length} numbers, each ± ${within} of the largest`;
  const found = /** @type {ArrayLike<number>} */ (Array.isArray(got) || ArrayBuffer.isView(got) ? got : []);
  if (found.length !== values.length) return { expected, got: `${found.length} numbers`, passed: false };
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  let [worst, at] = [0, 0];
  for (const [i, value] of values.entries()) {
    const error = Math.abs(found[i] - value) / largest;
    // What is no number is as wrong as can be.
    if (!(error <= worst)) [worst, at] = [Number.isNaN(error) ? Infinity : error, i];
  }
  return { expected, got: `at most ${worst.toExponential(1)} off, at ${at}`, passed: worst <= within };
}

/** @param {Attribution} result @returns {number[][][]} */
function pairsOf({ off_staircase: found, sources, targets }) {
  if (!found) return [];
  return Array.from(found.source, (source, i) => [
    [sources.pos[source], sources.latent[source]],
    [targets.pos[found.target[i]], targets.latent[found.target[i]]],
  ]);
}
