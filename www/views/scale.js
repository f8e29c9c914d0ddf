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
  // Counted by the leading bits of their size, which order as the sizes do: sorting millions of
  // values would hold the page up for a fifth of a second.
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const counts = new Uint32Array(1 << 16);
  let largest = 0;
  for (let i = 0; i < bits.length; i++) {
    const size = bits[i] & 0x7fffffff;
    counts[size >>> 15]++;
    if (size > largest) largest = size;
  }
  if (largest === 0) return 1;
  const nonzero = bits.length - counts[0];
  let below = 0;
  let bin = 1;
  for (; bin < counts.length - 1 && below + counts[bin] <= 0.99 * (nonzero - 1); bin++) below += counts[bin];
  const [percentile, most] = new Float32Array(Uint32Array.of((bin << 15) | (1 << 14), largest).buffer);
  return most > 5 * percentile ? percentile : most;
}
