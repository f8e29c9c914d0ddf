// A diverging colour scale: red below 0, light at 0, blue above, as TransformerLens plots.

/** Anchors from −1 to 1; distinguishable for the common kinds of colour blindness. */
const ANCHORS = [
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

/** Colours of 2·STEPS + 1 levels, as 0xAABBGGRR for image data. */
const STEPS = 256;
const TABLE = Uint32Array.from({ length: 2 * STEPS + 1 }, (_, i) => {
  const at = (i / (2 * STEPS)) * (ANCHORS.length - 1);
  const below = ANCHORS[Math.floor(at)];
  const above = ANCHORS[Math.ceil(at)];
  const [r, g, b] = below.map((channel, c) => Math.round(channel + (above[c] - channel) * (at % 1)));
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
});

/**
 * The colour of a value on a scale that ends at ±limit, as 0xAABBGGRR.
 * @param {number} value
 * @param {number} limit
 */
export function colorBits(value, limit) {
  const level = limit > 0 ? Math.max(-1, Math.min(1, value / limit)) : 0;
  return TABLE[Math.round((level + 1) * STEPS)];
}

/** @param {number} value @param {number} limit */
export function cssColor(value, limit) {
  const bits = colorBits(value, limit);
  return `rgb(${bits & 255}, ${(bits >> 8) & 255}, ${(bits >> 16) & 255})`;
}

/**
 * Where a scale should end: the largest value, but when a few values dwarf all others (GPT-2's
 * BOS position does that), the 99th percentile of the non-zero ones.
 * @param {Float32Array} values
 */
export function defaultLimit(values) {
  const sizes = values.map(Math.abs).filter((size) => size > 0).sort();
  if (sizes.length === 0) return 1;
  const largest = sizes[sizes.length - 1];
  const percentile = sizes[Math.floor(0.99 * (sizes.length - 1))];
  return largest > 5 * percentile ? percentile : largest;
}
