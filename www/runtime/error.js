// Errors with stable codes, the same words as the runtime's own.

/**
 * @param {string} code
 * @param {string} message a sentence a person understands
 * @returns {Error & {code: string}}
 */
export function codedError(code, message) {
  return Object.assign(new Error(message), { name: 'SaeAttributionError', code });
}

/**
 * Code and message of whatever was thrown.
 * @param {unknown} thrown
 */
export function describeError(thrown) {
  const { code, message } = /** @type {{code?: unknown, message?: unknown}} */ (thrown ?? {});
  return {
    code: typeof code === 'string' ? code : 'internal',
    message: typeof message === 'string' ? message : String(thrown),
  };
}

/** @param {string} path @param {number} [most] bytes */
export function tooLarge(path, most) {
  return codedError(
    'file-too-large',
    `${path} has more than ${most} bytes, more than such a file can need. Check the address and what is there.`,
  );
}
