// Random numbers that a seed gives again.

/** A source of random choices: mulberry32. @param {number} seed */
export function random(seed) {
  let state = seed >>> 0;
  /** From 0 up to 1, 1 excluded. */
  function next() {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }
  /** One of 0 to n − 1. @param {number} n */
  const int = (n) => Math.floor(next() * n);
  return {
    next,
    int,
    /** @template T @param {ArrayLike<T>} array @returns {T} */
    pick: (array) => array[int(array.length)],
    /** True with probability p. @param {number} p */
    chance: (p) => next() < p,
  };
}
