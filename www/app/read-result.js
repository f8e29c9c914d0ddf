// Reads a saved result, and writes one to be kept; in a worker, so that the page does not stand still.

import { codedError } from '../runtime/error.js';
import { invalid } from '../figure/result.js';

/** @typedef {import('../figure/result.js').Shown} Shown */
/** @typedef {import('../figure/result.js').Saved} Saved */

/** Files larger than this are read by a worker. */
const READ_HERE = 500_000;

/** One that names its request. @param {Blob} file @returns {Promise<Saved>} rejects with `result-invalid` */
export async function readResult(file) {
  const result = await readShown(file);
  if (!result.request) throw invalid('it names no request');
  return result;
}

/** A result, or numbers of one's own. @param {Blob} file @returns {Promise<Shown>} rejects with `result-invalid` */
export async function readShown(file) {
  const here = async () => (await import('../figure/own.js')).shownFromFile(file);
  return file.size < READ_HERE ? here() : inWorker(file, here);
}

/** The text of a saved result. @param {Saved} result @returns {Promise<Blob>} */
export const writeResult = (result) =>
  inWorker(result, async () => {
    const parts = [];
    for await (const part of (await import('../figure/write.js')).toJsonParts(result)) parts.push(part);
    return new Blob(parts, { type: 'application/json' });
  });

/** A worker that reads and writes results; undefined where there are none with modules. */
function start() {
  try {
    return new Worker(new URL('./result-worker.js', import.meta.url), { type: 'module' });
  } catch {
    return undefined;
  }
}

/**
 * @template T
 * @param {Blob | Saved} message
 * @param {() => Promise<T>} here does it where no worker starts: the page waits meanwhile
 * @returns {Promise<T>}
 */
async function inWorker(message, here) {
  const worker = start();
  if (!worker) return here();
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { answer, error } }) =>
        error ? reject(codedError(error.code, error.message)) : resolve(answer);
      worker.onerror = () => resolve(here());
      worker.postMessage(message);
    });
  } finally {
    worker.terminate();
  }
}
