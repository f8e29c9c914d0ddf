// Tokens and labels as text that can be looked at: nothing invisible, nothing that turns the line around.

/** Control characters, and those that only steer how others are laid out: bidi controls, zero widths, BOM. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** @type {Record<string, string>} */
const NAMED = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * The same text with every unseen character named: `\n`, `⟨U+202E⟩`.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(
    UNSEEN,
    (c) => NAMED[c] ?? `⟨U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );
}

/**
 * At most `length` characters of a text; what was cut shows as an ellipsis.
 * @param {string} text
 * @param {number} length
 */
export function short(text, length) {
  // A label may be a whole book: only its start is taken apart.
  const characters = [...text.slice(0, 2 * length + 2)];
  return characters.length > length ? `${characters.slice(0, length - 1).join('')}…` : text;
}

/** @param {number} value */
export function number(value) {
  // Not by toLocaleString: the first call takes 15 ms.
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(4) : String(Number(value.toPrecision(6)));
}

/**
 * `1 target`, `1,667 targets`.
 * @param {number} n
 * @param {string} noun of one
 */
export function count(n, noun) {
  return `${number(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/**
 * A few figures, for tables and labels; the exact number is told where one cell is described.
 * @param {number} value
 */
export function brief(value) {
  const size = Math.abs(value);
  if (size === 0) return '0';
  const text = size < 1e-3 || size >= 1e6 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  return text.replace('-', '−');
}

/** A part of a whole as per cent. @param {number} part in [0, 1] */
export function percent(part) {
  const value = 100 * part;
  return `${value !== 0 && Math.abs(value) < 0.1 ? '< 0.1' : value.toFixed(1)} %`;
}

/** @param {number} n */
export function bytes(n) {
  if (n < 1e6) return `${Math.max(n > 0 ? 1 : 0, Math.round(n / 1e3))} KB`;
  return n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(2)} GB`;
}

/**
 * The shortest decimal that is this float32.
 * @param {number} value
 */
export function exact(value) {
  for (let digits = 6; digits < 10; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return String(shorter);
  }
  return String(value);
}
