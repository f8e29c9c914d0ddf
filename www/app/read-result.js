// Reads a saved result; a large one in a worker, so that the page does not stand still.

import { codedError } from '../runtime/error.js';
import { fromFile } from '../figure/result.js';

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

/** @param {Blob} file @returns {Promise<import('../figure/result.js').Saved>} rejects with `result-invalid` */
export async function readResult(file) {
  const worker = file.size < READ_HERE ? undefined : startReader();
  if (!worker) return fromFile(file);
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { result, error } }) =>
        error ? reject(codedError(error.code, error.message)) : resolve(result);
      // It did not start: the page waits while it reads.
      worker.onerror = () => resolve(fromFile(file));
      worker.postMessage(file);
    });
  } finally {
    worker.terminate();
  }
}
