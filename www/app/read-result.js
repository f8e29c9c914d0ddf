// Reads a saved result; a large one in a worker, so that the page does not stand still.

import { codedError } from '../runtime/error.js';
import { invalid } from '../figure/result.js';

/** @typedef {import('../figure/result.js').Shown} Shown */

/** Files larger than this are read by a worker. */
const READ_HERE = 500_000;

/** A worker that reads results; undefined where there are none with modules. */
function startReader() {
  try {
    return new Worker(new URL('./result-worker.js', import.meta.url), { type: 'module' });
  } catch {
    return undefined;
  }
}

/** One that names its request. @param {Blob} file @returns {Promise<import('../figure/result.js').Saved>} rejects with `result-invalid` */
export async function readResult(file) {
  const result = await readShown(file);
  if (!result.request) throw invalid('it names no request');
  return result;
}

/** A result, or numbers of one's own. @param {Blob} file @returns {Promise<Shown>} rejects with `result-invalid` */
export async function readShown(file) {
  const here = async () => (await import('../figure/own.js')).shownFromFile(file);
  const worker = file.size < READ_HERE ? undefined : startReader();
  if (!worker) return here();
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { result, error } }) =>
        error ? reject(codedError(error.code, error.message)) : resolve(result);
      // It did not start: the page waits while it reads.
      worker.onerror = () => resolve(here());
      worker.postMessage(file);
    });
  } finally {
    worker.terminate();
  }
}
