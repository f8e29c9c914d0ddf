// What the attributes `from` and `to` say, as text that a person writes:
//
//   from  = "tokens" | PLACE
//   to    = PLACE | "top " K | "logits " TOKEN { ", " TOKEN } | "logits " TOKEN " - " TOKEN
//   PLACE = a hook name, or the number of a block for what is before it: 3 is blocks.3.hook_resid_pre
//   TOKEN = its text between double quotes, written as in JSON, or its id

import { codedError } from '../runtime/error.js';
import { isPlace } from '../runtime/places.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').Targets} Targets */
/** @typedef {import('../runtime/protocol.js').TokenRef} TokenRef */

const TOKEN = String.raw`("(?:[^"\\]|\\.)*"|\d{1,10})`;
const LISTED = new RegExp(`^${TOKEN}(?:\\s*,\\s*${TOKEN})*$`);
const DIFFERENCE = new RegExp(`^${TOKEN}\\s*-\\s*${TOKEN}$`);

/** @param {string} name @param {string} expected */
const wrong = (name, expected) =>
  codedError('request-invalid', `“${name}” of this figure cannot be understood: write ${expected}.`);

/** @param {string} text @returns {string | undefined} its full name */
function placeOf(text) {
  const place = /^\d{1,4}$/.test(text) ? `blocks.${Number(text)}.hook_resid_pre` : text;
  return isPlace(place) ? place : undefined;
}

/** @param {string} text @returns {Request['from']} throws `request-invalid` */
export function parseFrom(text) {
  const given = text.trim();
  const from = given === 'tokens' ? given : placeOf(given);
  if (!from) throw wrong('from', 'tokens, a place as blocks.3.hook_resid_pre, or the number of a block');
  return from;
}

/** @param {string} text @returns {Targets} throws `request-invalid` */
export function parseTo(text) {
  const given = text.trim();
  const place = placeOf(given);
  if (place) return place;
  const [, k] = /^top\s+([1-9]\d{0,5})$/.exec(given) ?? [];
  if (k) return { top_logits: Number(k) };
  const tokens = /^logits\s+(.*)$/s.exec(given)?.[1] ?? '';
  try {
    const pair = DIFFERENCE.exec(tokens);
    if (pair) return { logit_difference: [tokenOf(pair[1]), tokenOf(pair[2])] };
    if (LISTED.test(tokens)) return { logits: (tokens.match(new RegExp(TOKEN, 'g')) ?? []).map(tokenOf) };
  } catch {
    // An escape that JSON does not know.
  }
  throw wrong('to', 'a place, the number of a block, top 10, logits " a", " b", or logits " a" - " b"');
}

/** @param {string} text @returns {TokenRef} */
const tokenOf = (text) => JSON.parse(text);

/** The same as text: what is parsed from it is this. @param {Request['from']} from */
export const writeFrom = (from) => briefly(from);

/** @param {Targets} to */
export function writeTo(to) {
  if (typeof to === 'string') return briefly(to);
  if ('top_logits' in to) return `top ${to.top_logits}`;
  const [tokens, between] = 'logits' in to ? [to.logits, ', '] : [to.logit_difference, ' - '];
  return `logits ${tokens.map((token) => JSON.stringify(token)).join(between)}`;
}

/** @param {string} place */
const briefly = (place) => /^blocks\.(\d+)\.hook_resid_pre$/.exec(place)?.[1] ?? place;
