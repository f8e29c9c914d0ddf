// A diverging colour scale centred at 0: warm below, the page's own ground at 0, blue above. Both ends
// differ in lightness from the middle and in hue from each other for the common kinds of colour blindness.

/** Anchors from −1 to 1 on a light page: ColorBrewer's RdBu, as TransformerLens plots. */
const LIGHT = [
  [103, 0, 31],
  [178, 24, 43],
  [214, 96, 77],
  [244, 165, 130],
  [253, 219, 199],
  [247, 247, 247],
  [209, 229, 240],
  [146, 197, 222],
  [67, 147, 195],
  [33, 102, 172],
  [5, 48, 97],
];

/** On a dark page the middle is dark, and the ends are light: zeros stay quiet there too. */
const DARK = [
  [255, 214, 170],
  [253, 174, 107],
  [230, 126, 60],
  [166, 76, 32],
  [86, 42, 26],
  [30, 27, 25],
  [24, 48, 70],
  [34, 84, 132],
  [60, 130, 196],
  [116, 178, 228],
  [190, 222, 248],
];

/** Colours of 2·STEPS + 1 levels, as 0xAABBGGRR for image data. */
const STEPS = 256;

/** @param {number[][]} anchors @param {number} strength of 1 the colours themselves, near 0 hardly more than the middle */
function table(anchors, strength) {
  const middle = anchors[(anchors.length - 1) / 2];
  return Uint32Array.from({ length: 2 * STEPS + 1 }, (_, i) => {
    const at = (i / (2 * STEPS)) * (anchors.length - 1);
    const below = anchors[Math.floor(at)];
    const above = anchors[Math.ceil(at)];
    const [r, g, b] = below.map((channel, c) => {
      const full = channel + (above[c] - channel) * (at % 1);
      return Math.round(middle[c] + (full - middle[c]) * strength);
    });
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

const TABLES = {
  light: { full: table(LIGHT, 1), dim: table(LIGHT, 0.22) },
  dark: { full: table(DARK, 1), dim: table(DARK, 0.22) },
};

/** @typedef {keyof typeof TABLES} Theme */

/**
 * The colour of a value on a scale that ends at ±limit, as 0xAABBGGRR.
 * @param {number} value
 * @param {number} limit
 * @param {Theme} [theme]
 * @param {'full' | 'dim'} [strength]
 */
export function colorBits(value, limit, theme = 'light', strength = 'full') {
  const level = limit > 0 ? Math.max(-1, Math.min(1, value / limit)) : 0;
  return TABLES[theme][strength][Math.round((level + 1) * STEPS)];
}

/** @param {number} value @param {number} limit @param {Theme} [theme] */
export function cssColor(value, limit, theme) {
  const bits = colorBits(value, limit, theme);
  return `rgb(${bits & 255}, ${(bits >> 8) & 255}, ${(bits >> 16) & 255})`;
}

/**
 * The theme that an element is shown in: what its `color-scheme` says, and where that leaves it open, the system.
 * @param {Element} element
 * @returns {Theme}
 */
export function themeOf(element) {
  const window = element.ownerDocument?.defaultView;
  const scheme = window?.getComputedStyle(element).colorScheme ?? '';
  if (!scheme.includes('dark')) return 'light';
  if (!scheme.includes('light')) return 'dark';
  return window?.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

/** The bits of a float32 without its sign. */
const SIZE = 0x7fffffff;

/**
 * Where a scale should end: the largest value, but when a few values dwarf all others (GPT-2's
 * BOS position does that), the 99th percentile of the non-zero ones.
 * @param {Float32Array} values
 * @param {Uint8Array} [ranked] 0 for each column whose values are not to count, if others are not all 0
 * @returns {number}
 */
export function defaultLimit(values, ranked) {
  // Counted by the leading bits of their size, which order as the sizes do: sorting millions of
  // values would hold the page up for a fifth of a second.
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const counts = new Uint32Array(1 << 16);
  let largest = 0;
  // Nothing is left of a size that is not to count.
  const mask = Uint32Array.from(ranked ?? [], (kept) => (kept ? SIZE : 0));
  const width = ranked?.length || bits.length;
  for (let start = 0; start < bits.length; start += width) {
    for (let column = 0; column < width; column++) {
      const size = bits[start + column] & (ranked ? mask[column] : SIZE);
      counts[size >>> 15]++;
      if (size > largest) largest = size;
    }
  }
  if (largest === 0) return ranked ? defaultLimit(values) : 1;
  const nonzero = bits.length - counts[0];
  let below = 0;
  let bin = 1;
  for (; bin < counts.length - 1 && below + counts[bin] <= 0.99 * (nonzero - 1); bin++) below += counts[bin];
  const [percentile, most] = new Float32Array(Uint32Array.of((bin << 15) | (1 << 14), largest).buffer);
  return most > 5 * percentile ? percentile : most;
}

/**
 * Where a scale ends if the reader does not say: bars of a single row have a value axis, and none is cut off.
 * @param {Float32Array} values
 * @param {number} nRows
 * @param {Uint8Array} [ranked] as of `defaultLimit`
 */
export function automaticLimit(values, nRows, ranked) {
  if (nRows !== 1) return roundedUp(defaultLimit(values, ranked));
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]));
  return roundedUp(largest || 1);
}

/** To three figures, but not below: the largest value is not to be clipped. @param {number} value */
function roundedUp(value) {
  const near = Number(value.toPrecision(3));
  return near >= value ? near : Number((value * 1.005).toPrecision(3));
}
