// What both fuzzers of the page have in common: hostile values, and what must hold whatever comes.

import assert from 'node:assert/strict';
import { python } from '../../www/app/snippet.js';
import { tokensOf } from '../../www/figure/request.js';

/** @typedef {ReturnType<typeof import('./random.mjs').random>} Random */
/** @typedef {import('../../www/runtime/protocol.js').Request} Request */

/** Texts that mean something to somebody. */
export const TEXTS = [
  '',
  ' ',
  '\n',
  '\r',
  '\0',
  '\\',
  '"',
  "'",
  '`',
  '{',
  '}',
  '{hook}',
  '{block}',
  '#',
  '%',
  '&',
  '=',
  '<',
  '$&',
  '$1',
  '"""',
  '\\u',
  '\\ud83d\\ude00',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'length',
  'prototype',
  'null',
  'NaN',
  'Infinity',
  '-0',
  '1e999',
  '0x10',
  '1.5',
  '-1',
  '007',
  "0)\n__import__('os').system('id')\n(",
  '" + __import__("os").system("id") + "',
  "{__import__('os').system('id')}",
  '\\"); import os #',
  '<img src=x onerror=alert(1)>',
  '</text><script>alert(1)</script>',
  '=HYPERLINK("http://evil")',
  '@x',
  '../../x?',
  '//evil.example/x',
  '\u202eabc\u2066',
  '\u200b',
  '\ufeff',
  '\u2028',
  '😀',
  '\ud83d',
  '\ude00',
  '\ud83d\ud83d\ude00',
  'שלום',
  'Ａ',
  'ı',
  'ﬀ',
  'blocks.0.hook_resid_pre',
  'blocks.99999.hook_resid_pre',
  'blocks.0.hook_resid_pre\n',
  'token_to_latent',
  'logit_difference',
  'latent',
  '1',
  '1.0',
  '3,0',
];

/** @param {Random} random */
export function hostileText({ pick, chance, int }) {
  let text = pick(TEXTS);
  if (chance(0.3)) text += pick(TEXTS);
  if (chance(0.1)) text = String.fromCharCode(int(0x10000)) + text;
  if (chance(0.01)) text = (text || 'x').repeat(1 + int(3000));
  return text;
}

/** A key of an object that has one more than it should. @param {unknown} object @param {string} key @param {unknown} value */
function define(object, key, value) {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  return object;
}

/** Numbers that JSON can write, by themselves or by the names that `jsonOf` replaces. */
export const [INFINITE, NEGATIVE_INFINITE, NEGATIVE_ZERO] = ['\u0001infinite', '\u0001-infinite', '\u0001-zero'];
const NUMBERS = [
  0,
  1,
  2,
  3,
  -1,
  0.5,
  1e-45,
  1e-60,
  3.4e38,
  1e39,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  3e8,
  -2.5,
  INFINITE,
  NEGATIVE_INFINITE,
  NEGATIVE_ZERO,
];

/** Any value, mostly not the one that belongs. @param {Random} random @param {number} [depth] @returns {unknown} */
export function hostile(random, depth = 0) {
  const { pick, int, chance } = random;
  switch (int(depth > 3 ? 4 : 8)) {
    case 0:
    case 1:
      return pick(NUMBERS);
    case 2:
      return hostileText(random);
    case 3:
      return pick([null, true, false, {}, [], '']);
    case 4:
      return Array.from({ length: int(5) }, () => hostile(random, depth + 1));
    case 5:
      return { length: pick(NUMBERS), 0: hostile(random, depth + 1) };
    case 6:
      return define(
        define(
          {},
          pick(['toString', 'valueOf', 'toJSON', '__proto__', 'constructor', 'length', 'then']),
          hostile(random, depth + 1),
        ),
        pick(TEXTS),
        1,
      );
    default: {
      /** @type {unknown} */
      let nested = hostile(random, depth + 1);
      for (let n = chance(0.05) ? 400 : 2; n > 0; n--) nested = [nested];
      return nested;
    }
  }
}

/** @param {unknown} value */
export function jsonOf(value) {
  return JSON.stringify(value, (_, found) =>
    typeof found === 'object' && found && typeof found.toJSON === 'function' ? {} : found,
  )
    .replaceAll(JSON.stringify(INFINITE), '1e999')
    .replaceAll(JSON.stringify(NEGATIVE_INFINITE), '-1e999')
    .replaceAll(JSON.stringify(NEGATIVE_ZERO), '-0');
}

/** One or two changes of a text. @param {string} text @param {Random} random */
export function flipped(text, { int, chance, pick }) {
  for (let n = 1 + int(2); n > 0; n--) {
    const at = int(text.length + 1);
    const length = chance(0.5) ? 1 : int(20);
    const replacement = chance(0.3)
      ? ''
      : chance(0.5)
        ? pick(['"', '[', ']', '{', '}', ',', ':', '-', '0', '9', 'e', '.', '\\', '%', '&', '=', '+', ' ', '\n', '\0'])
        : pick(TEXTS);
    text = text.slice(0, at) + replacement + text.slice(at + length);
  }
  return text;
}

/** Everything that all objects inherit. */
const inherited = () =>
  [Object, Array, Function, String, Number]
    .map(({ prototype }) => Reflect.ownKeys(prototype).map(String).join())
    .join(';');
const INHERITED = inherited();

/** Fails where something was written to what all objects inherit. */
export function assertUntouched() {
  assert.equal(inherited(), INHERITED, 'a prototype was written to');
}

/** Python without what its string literals hold. @param {string} code */
const bare = (code) => code.replace(/"(?:[^"\\\n]|\\[^\n])*"/g, '""');

/**
 * Fails where a request puts anything but literals and its own integers into its Python.
 * @param {Request} request
 * @param {import('../../www/app/snippet.js').Origins} origins
 */
export function assertPython(request, origins) {
  const code = python(request, origins);
  assert.match(code, /^[\n -~]*$|^(?:[\n -~]|#[^\n]*\n)*$/, 'Python that is not plain');
  const { to } = request;
  const tokens = tokensOf(to).map((token) => (typeof token === 'string' ? 'x' : token));
  const key = Object.keys(Object(to))[0];
  const plain = { ...request, prompt: 'p', to: /** @type {any} */ (tokens.length > 0 ? { [key]: tokens } : to) };
  const sae = { address: 'https://m.example/s', hook_name_out: origins.from?.hook_name_out };
  const wanted = python(plain, { model: 'https://m.example/m', from: sae, to: sae });
  // Addresses stand in comments alone.
  const lines = (/** @type {string} */ text) =>
    bare(text)
      .split('\n')
      .map((line) => line.replace(/^(# Files of the (model|SAE)).*/, '$1'));
  assert.deepEqual(lines(code), lines(wanted), 'the Python has other lines than it should');
}

/**
 * Runs cases until there are enough or the time is over; a failure tells how to see it again.
 * @param {{seed: number, cases?: number, seconds?: number}} options
 * @param {(random: Random, note: (input: unknown) => void) => unknown} one
 * @param {(seed: number) => Random} randomOf
 * @returns {Promise<number>} of cases
 */
export async function repeat({ seed, cases = Infinity, seconds = Infinity }, one, randomOf) {
  const end = Date.now() + 1000 * seconds;
  for (let i = 0; i < cases; i++) {
    if (i % 256 === 0 && Date.now() >= end) return i;
    /** @type {unknown} */
    let input;
    try {
      await one(randomOf(Math.imul(seed, 0x9e3779b1) ^ Math.imul(i + 1, 0x85ebca6b)), (noted) => (input = noted));
      assertUntouched();
    } catch (error) {
      const shown = typeof input === 'string' ? input : JSON.stringify(input);
      throw new Error(
        `seed ${seed}, case ${i}: ${/** @type {Error} */ (error).stack}\ninput: ${shown?.slice(0, 20_000)}`,
      );
    }
  }
  return cases;
}
