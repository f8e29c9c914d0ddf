// How much room the labels of a heatmap take: as long as they are, up to a bound.

/** @typedef {import('../cells.js').Matrix} Matrix */
/** @typedef {import('../cells.js').Axis} Axis */
/**
 * How rows and columns are labelled: `flat` labels of columns are as wide as a cell at most, `slanted` ones rise to
 * the right, and with `none` only groups have a label.
 * @typedef {{rows: boolean, columns: 'flat' | 'slanted' | 'none'}} Labelled
 */

/** Width of a letter at 11 pixels. */
export const GLYPH = 6.7;
/** Height of the line that says what columns are. */
export const TITLE = 20;
/** Height of a line of the tokens of columns. */
const BAND = 18;
/** What a slanted label takes of its length, upwards and to the right. */
export const SLANT = Math.SQRT1_2;
/** Labels looked at, of as many as there may be. */
const SAMPLE = 64;
/** The longest that is given room, in letters. */
const LETTERS = 60;

/**
 * @param {Matrix} matrix
 */
export function measure(matrix) {
  const grouped = { rows: matrix.rows.groups.length > 0, columns: matrix.columns.groups.length > 0 };
  const [rows, columns] = [lettersOf(matrix.rows), lettersOf(matrix.columns)];
  const bars = matrix.rows.pos.length === 1;
  const rowBand = Math.min(124, rows.group * GLYPH + 8);

  /** @param {{width: number, height: number}} element @param {Labelled} labelled */
  function margins({ width, height }, labelled) {
    const isNarrow = width < 640;
    const between = (/** @type {number} */ low, /** @type {number} */ value, /** @type {number} */ high) =>
      Math.round(Math.max(low, Math.min(high, value)));
    const part = (/** @type {number} */ share, /** @type {number} */ most) => Math.min(width * share, most);
    let left;
    if (bars) left = isNarrow ? 58 : 76;
    else if (labelled.rows || !grouped.rows) {
      const one = Math.max(
        Math.min(rows.label, (part(isNarrow ? 0.28 : 0.3, 250) - 14) / GLYPH),
        // The first of those that are sorted is what was looked for.
        rows.winner,
      );
      left = between(part(0.28, 96), one * GLYPH + 14 + (grouped.rows ? rowBand : 0), part(isNarrow ? 0.4 : 0.36, 340));
    } else left = between(part(0.28, 96), rows.group * GLYPH + 14, part(isNarrow ? 0.37 : 0.28, 150));
    const slanted = (/** @type {number} */ letters) => letters * GLYPH * SLANT + 14;
    const band = grouped.columns && labelled.columns !== 'none' ? BAND : 0;
    const longest = Math.max(Math.min(columns.label, isNarrow ? 15 : 26), isNarrow ? 0 : columns.winner);
    const top = {
      flat: 20,
      slanted: between(30, slanted(longest), isNarrow ? 90 : Math.min(230, height * 0.4)),
      none: between(30, slanted(columns.group), isNarrow ? 96 : 100),
    }[labelled.columns];
    const last = Math.min(labelled.columns === 'none' ? columns.lastGroup : columns.last, (top - 14) / GLYPH / SLANT);
    const right = labelled.columns === 'flat' ? 0 : between(0, last * GLYPH * SLANT, isNarrow ? 40 : 120);
    return { left, top: TITLE + band + top, right };
  }

  return {
    grouped,
    /** Width of a cell over which each label of a column fits. */
    flat: columns.label * GLYPH + 8,
    margins,
    /** What of the room is the tokens', beside labels of each. @param {Labelled} labelled */
    bands: (labelled) => ({
      rows: grouped.rows && labelled.rows ? rowBand : 0,
      columns: grouped.columns && labelled.columns !== 'none' ? BAND : 0,
    }),
  };
}

/**
 * How long the labels of an axis are, in letters.
 * @param {Axis} axis
 */
function lettersOf({ n, order, groups, label, sorted }) {
  const isGrouped = groups.length > 0;
  const length = (/** @type {string} */ text) => Math.min(LETTERS, text.length);
  const at = (/** @type {number} */ place) => (place < n ? length(label(order[place], isGrouped)) : 0);
  let [longest, group] = [0, 0];
  const apart = Math.max(1, Math.floor(n / SAMPLE));
  for (let place = 0; place < n; place += apart) longest = Math.max(longest, at(place));
  for (const one of groups.slice(0, SAMPLE)) group = Math.max(group, length(one.label));
  return {
    label: longest,
    group,
    winner: sorted ? at(0) : 0,
    last: n > 0 ? at(n - 1) : 0,
    lastGroup: length(groups.at(-1)?.label ?? ''),
  };
}
