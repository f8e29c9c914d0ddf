// Round numbers along an axis of values.

/**
 * The distance between ticks: 1, 2 or 5 times a power of ten, whichever is nearest.
 * @param {number} rough
 */
function step(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const times = rough / power;
  // Half way between two in their logarithms.
  return power * (times < Math.SQRT2 ? 1 : times < Math.sqrt(10) ? 2 : times < Math.sqrt(50) ? 5 : 10);
}

/**
 * Round numbers from `min` to `max`, in order, both ends included where they are round; 0 is one of them where it
 * lies between.
 * @param {number} min
 * @param {number} max
 * @param {number} [about] how many
 */
export function ticks(min, max, about = 5) {
  if (!(max > min) || !Number.isFinite(max - min)) return [min];
  const apart = step((max - min) / Math.max(about, 1));
  // A hair more, so that an end that is round does not get lost to rounding.
  const [first, last] = [Math.ceil(min / apart - 1e-9), Math.floor(max / apart + 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => rounded((first + i) * apart));
}

/**
 * The range widened to round numbers on both sides.
 * @param {number} min
 * @param {number} max
 * @param {number} [about] ticks
 * @returns {[number, number]}
 */
export function niceRange(min, max, about = 5) {
  if (!(max > min) || !Number.isFinite(max - min)) return [min, max];
  const apart = step((max - min) / Math.max(about, 1));
  return [rounded(Math.floor(min / apart + 1e-9) * apart), rounded(Math.ceil(max / apart - 1e-9) * apart)];
}

/** Without the last bits that a product of tenths leaves, and without −0. @param {number} value */
const rounded = (value) => Number(value.toPrecision(12)) + 0;
