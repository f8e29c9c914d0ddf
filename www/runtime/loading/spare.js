// Buffers that are used again: memory that is new costs more than copying into what is there.

/** Bytes of each. */
export const SPARE_BYTES = 2 ** 20;
const MOST = 48;

/** @type {ArrayBuffer[]} */
const spare = [];

/** At least so many bytes, holding anything. @param {number} length @returns {Uint8Array<ArrayBuffer>} */
export function borrow(length) {
  const known = length <= SPARE_BYTES ? spare.pop() : undefined;
  return new Uint8Array(known ?? new ArrayBuffer(Math.max(length, SPARE_BYTES)), 0, length);
}

/** Takes a buffer back, unless it was sent away. Nobody may look at it any more. @param {Uint8Array} borrowed */
export function giveBack({ buffer }) {
  if (buffer.byteLength === SPARE_BYTES && spare.length < MOST) spare.push(/** @type {ArrayBuffer} */ (buffer));
}
