// Reads files over HTTP, whole or by range: the source of every byte the runtime computes with.

import { codedError } from './error.js';

/**
 * @typedef {object} Chunk
 * @property {Uint8Array} bytes fewer than asked for where the file ends earlier
 * @property {number} [fileLength] bytes of the whole file, where the server tells
 */

/** Tries of one request before its failure is reported, and the pause before the second. */
const TRIES = 3;
const FIRST_PAUSE_MS = 300;
/** No byte for this long is a failure. */
const STALL_MS = 20_000;

/**
 * @param {() => AbortSignal | undefined} [signal] asked at each read: aborts it
 * @returns {(path: string, start?: number, end?: number) => Promise<Chunk>}
 *   rejects with code `file-not-found`, `fetch-failed` or `cancelled`
 */
export function createRead(signal = () => undefined) {
  return async (path, start, end) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await readOnce(path, start, end, signal());
      } catch (error) {
        if (signal()?.aborted) throw codedError('cancelled', 'Cancelled.');
        const failure = /** @type {{code?: string, message: string}} */ (error);
        if (failure.code === 'file-not-found' || failure.code === 'fetch-refused' || attempt === TRIES) {
          throw failure.code ? failure : codedError('fetch-failed', `${failure.message} (after ${attempt} tries)`);
        }
        await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS * 2 ** (attempt - 1)));
      }
    }
  };
}

/**
 * @param {string} path
 * @param {number | undefined} start
 * @param {number | undefined} end
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<Chunk>}
 */
async function readOnce(path, start, end, signal) {
  const stall = new AbortController();
  const signals = signal ? [signal, stall.signal] : [stall.signal];
  const ranged = start !== undefined && end !== undefined;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(
      () => stall.abort(new Error(`no byte came for ${STALL_MS / 1000} seconds`)),
      STALL_MS,
    );
  };
  heard();
  try {
    const response = await fetch(path, {
      signal: AbortSignal.any(signals),
      headers: ranged ? { Range: `bytes=${start}-${end - 1}` } : {},
    });
    if (response.status === 404) throw codedError('file-not-found', `${path} was not found.`);
    if (response.status === 416) {
      // The range starts behind the end of the file.
      const length = /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '');
      return { bytes: new Uint8Array(0), fileLength: length ? Number(length[1]) : undefined };
    }
    if (!response.ok) {
      const code = response.status >= 500 || response.status === 429 ? '' : 'fetch-refused';
      throw Object.assign(new Error(`the server answered ${response.status}`), { code });
    }
    if (!ranged) {
      const bytes = await collect(response, 0, Infinity, heard);
      return { bytes, fileLength: bytes.length };
    }
    if (response.status === 206) {
      const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '');
      if (range && Number(range[1]) !== start) throw new Error('the server sent another range');
      const bytes = await collect(response, 0, end - start, heard);
      return { bytes, fileLength: range ? Number(range[3]) : undefined };
    }
    // The server ignores ranges and sends the whole file: keep what was asked for.
    // Of a compressed body, Content-Length is not the file's length.
    const encoded = response.headers.has('Content-Encoding');
    const length = Number(response.headers.get('Content-Length') ?? NaN);
    const bytes = await collect(response, start, end, heard);
    return { bytes, fileLength: encoded || Number.isNaN(length) ? undefined : length };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Bytes start to end of a body, without holding the rest.
 * @param {Response} response
 * @param {number} start
 * @param {number} end
 * @param {() => void} heard
 */
async function collect(response, start, end, heard) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  /** @type {Uint8Array[]} */
  const pieces = [];
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    heard();
    if (done) break;
    const from = Math.max(start - at, 0);
    const to = Math.min(end - at, value.length);
    if (from < to) pieces.push(value.subarray(from, to));
    at += value.length;
    if (at >= end) {
      await reader.cancel();
      break;
    }
  }
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((offset, piece) => (bytes.set(piece, offset), offset + piece.length), 0);
  return bytes;
}
