// SHA-256 of bytes in memory.

/** @param {Uint8Array} bytes @returns {Promise<string>} hex */
export async function sha256(bytes) {
  const sum = await crypto.subtle.digest('SHA-256', /** @type {Uint8Array<ArrayBuffer>} */ (bytes));
  return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
