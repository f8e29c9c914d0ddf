// Starts the worker, also where its file is of another origin, which no browser takes as a worker.
//
// Its address stands outside of `new Worker()`, as that of an asset: bundlers copy the file as it is. Within, they would
// bundle it again, some as a classic script (webpack, Turbopack), from which no second worker can be started.

import { absolute } from './addresses.js';
import { codedError, describeError } from './error.js';

/** What a person who made the page can look at. */
const OWN =
  'see that worker.js is served whole, as JavaScript, and that worker-src of the page’s Content-Security-Policy allows it, or pass workerUrl';
const OTHER =
  'see that the server of worker.js, which is of another origin, lets the page read it (CORS), and that the page’s Content-Security-Policy allows blob: and that origin in worker-src, or pass workerUrl, the address of a copy on the page’s own origin';

/**
 * @param {string | URL} [workerUrl] where worker.js is, if not beside this module
 * @returns {{worker: Worker, failed: (cause: string) => Error}} failed: the error to give where it does not start;
 *   throws that where it cannot
 */
export function startWorker(workerUrl) {
  const address = absolute(workerUrl ?? new URL('./worker.js', import.meta.url));
  const isOwn = new URL(address).origin === self.origin;
  const failed = (/** @type {string} */ cause) =>
    codedError(
      'runtime-unavailable',
      `The runtime did not start: ${cause}. Check the connection and run again. If that does not help, ${isOwn ? OWN : OTHER}.`,
    );
  try {
    return { worker: new Worker(isOwn ? address : trampoline(address), { type: 'module' }), failed };
  } catch (error) {
    throw failed(describeError(error).message);
  }
}

/** Kept, and not revoked: the worker starts its own from there. @type {Map<string, string>} */
const trampolines = new Map();

/** A module of this origin that imports that of the other. @param {string} address */
function trampoline(address) {
  let blob = trampolines.get(address);
  if (!blob) {
    const text = `import ${JSON.stringify(address)};`;
    blob = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    trampolines.set(address, blob);
  }
  return blob;
}
