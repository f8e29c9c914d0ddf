// What comes from outside is looked at once, here: each check takes any value, and returns it rebuilt
// from what it knows, or throws. Nothing that a check does not name passes.

/** @template T @typedef {(value: unknown, path: string) => T} Check path: of the value, for the sentence that refuses it */
/** @template C @typedef {C extends Check<infer T> ? T : never} Checked */

/** Why a value does not pass, as the end of a sentence: `sources.pos[3] is not …`. */
export class Mismatch extends Error {}

/** @param {string} path @param {string} problem @returns {never} */
export function refuse(path, problem) {
  throw new Mismatch(`${path || 'it'} ${problem}`);
}

/**
 * What passes, or nothing.
 * @template T
 * @param {Check<T>} check
 * @param {unknown} value
 */
export function passed(check, value) {
  try {
    return check(value, '');
  } catch (error) {
    if (error instanceof Mismatch) return undefined;
    throw error;
  }
}

/** @param {unknown} value @param {string} path @returns {Record<string, unknown>} */
export function fields(value, path) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(path, 'is not an object');
  return /** @type {any} */ (value);
}

/** What an object holds itself, not what it inherits. @param {object} value @param {string} key @returns {unknown} */
export const own = (value, key) => (Object.hasOwn(value, key) ? /** @type {any} */ (value)[key] : undefined);

/** @param {string} path @param {string} key */
const inside = (path, key) => (path ? `${path}.${key}` : key);

/**
 * These fields and no others; one that may be missing is left out where it is.
 * @template {Record<string, Check<any>>} F
 * @param {F} checks
 * @returns {Check<{[K in keyof F]: Checked<F[K]>}>}
 */
export const object = (checks) => (value, path) => {
  const from = fields(value, path);
  /** @type {any} */
  const to = {};
  for (const [key, check] of Object.entries(checks)) {
    const found = check(own(from, key), inside(path, key));
    if (found !== undefined) to[key] = found;
  }
  return to;
};

/** @template T @param {Check<T>} check @returns {Check<T | undefined>} */
export const optional = (check) => (value, path) => (value === undefined ? undefined : check(value, path));

/** @param {unknown} value @param {string} path @param {number} most @param {number} [least] @returns {unknown[]} */
export function list(value, path, most, least = 0) {
  if (!Array.isArray(value)) refuse(path, 'is not a list');
  const { length } = value;
  if (length > most) refuse(path, `has ${length} entries, more than ${most}`);
  if (length < least) refuse(path, `has ${length} entries, not ${least}`);
  return value;
}

/**
 * @template T
 * @param {Check<T>} of
 * @param {number} most
 * @param {number} [least]
 * @returns {Check<T[]>}
 */
export const array = (of, most, least) => (value, path) =>
  list(value, path, most, least).map((item, i) => of(item, `${path}[${i}]`));

/**
 * A list of two.
 * @template A, B
 * @param {Check<A>} first
 * @param {Check<B>} second
 * @returns {Check<[A, B]>}
 */
export const pair = (first, second) => (value, path) => {
  const [a, b] = list(value, path, 2, 2);
  return [first(a, `${path}[0]`), second(b, `${path}[1]`)];
};

/**
 * A dictionary: its keys are checked too, and nothing is inherited.
 * @template T
 * @param {Check<string>} key
 * @param {Check<T>} of
 * @param {number} most
 * @returns {Check<Record<string, T>>}
 */
export const record = (key, of, most) => (value, path) => {
  const found = Object.entries(fields(value, path));
  if (found.length > most) refuse(path, `has ${found.length} entries, more than ${most}`);
  const to = Object.create(null);
  for (const [name, item] of found) to[key(name, `a key of ${path || 'it'}`)] = of(item, inside(path, name));
  return to;
};

/** A number as it is written: −0 is 0. @param {unknown} value */
const written = (value) => Number(value) + 0;

/** @param {number} least @param {number} most @returns {Check<number>} */
export const integer = (least, most) => (value, path) => {
  if (!Number.isInteger(value) || Number(value) < least || Number(value) > most) {
    refuse(path, `is not an integer from ${least} to ${most}`);
  }
  return written(value);
};

/** A number that float32 can hold. @type {Check<number>} */
export const finite = (value, path) => {
  if (typeof value !== 'number' || !Number.isFinite(Math.fround(value))) refuse(path, 'is not a finite number');
  return written(value);
};

/** @param {number} least @param {number} most @returns {Check<number>} */
export const between = (least, most) => (value, path) => {
  const number = finite(value, path);
  if (number < least || number > most) refuse(path, `is not from ${least} to ${most}`);
  return number;
};

/** @param {number} most UTF-16 units @returns {Check<string>} */
export const text = (most) => (value, path) => {
  if (typeof value !== 'string') refuse(path, 'is not text');
  if (value.length > most) refuse(path, `has ${value.length} characters, more than ${most}`);
  // Half a character cannot be sent, saved or put into a link.
  return value.toWellFormed?.() ?? value;
};

/** @type {Check<boolean>} */
export const boolean = (value, path) => {
  if (typeof value !== 'boolean') refuse(path, 'is neither true nor false');
  return value;
};

/** @param {RegExp} pattern of all of it @param {string} name @returns {Check<string>} */
export const like = (pattern, name) => (value, path) => {
  if (typeof value !== 'string' || !pattern.test(value)) refuse(path, `is not ${name}`);
  return value;
};

/** @template {string} T @param {readonly T[]} values @returns {Check<T>} */
export const oneOf = (values) => (value, path) =>
  values.find((one) => one === value) ?? refuse(path, `is not one of ${values.join(', ')}`);

/**
 * What passes any of some checks; what passes none is told by the last.
 * @template {Check<any>[]} C
 * @param {C} checks
 * @returns {Check<Checked<C[number]>>}
 */
export const either =
  (...checks) =>
  (value, path) => {
    for (const check of checks.slice(0, -1)) {
      const found = passed(check, value);
      if (found !== undefined) return found;
    }
    return checks[checks.length - 1](value, path);
  };

// --- columns: many numbers, copied and looked at in one pass ---

/**
 * Integers from 0 to below `end`.
 * @param {unknown} value
 * @param {string} path
 * @param {number} length
 * @param {number} end at most 2³²
 */
export function naturals(value, path, length, end) {
  const numbers = sized(value, path, length);
  const to = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    const number = numbers[i];
    // Only a number is made one: an object may refuse to be.
    if (typeof number === 'number') to[i] = number;
    if (to[i] !== number || to[i] >= end) refuse(`${path}[${i}]`, `is not an integer from 0 to below ${end}`);
  }
  return to;
}

/**
 * Numbers that are finite as float32.
 * @param {unknown} value
 * @param {string} path
 * @param {number} length
 */
export function floats(value, path, length) {
  const numbers = sized(value, path, length);
  const to = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    const number = numbers[i];
    if (typeof number === 'number') to[i] = number;
    if (typeof number !== 'number' || !Number.isFinite(to[i])) refuse(`${path}[${i}]`, 'is not a finite number');
  }
  return to;
}

/** @param {unknown} value @param {string} path @param {number} length */
function sized(value, path, length) {
  if (!Array.isArray(value)) refuse(path, 'is not a list');
  if (value.length !== length) refuse(path, `has ${value.length} entries, not ${length}`);
  return value;
}

// --- what several files name ---

/** A place in the model, as TransformerLens names it. */
export const hookName = like(
  /^blocks\.(0|[1-9]\d{0,3})\.(hook_(resid_(pre|mid|post)|attn_out|mlp_out)|attn\.hook_z|ln2\.hook_normalized)$/,
  'a place like blocks.3.hook_resid_pre',
);

/** The longest single text: a token, a label. */
export const LABEL = 65_536;
/** One more than the largest index of a token or latent. */
export const INDICES = 2 ** 32;
