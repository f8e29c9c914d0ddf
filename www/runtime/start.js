// Starts the worker, also where its file is of another origin, which no browser takes as a worker.
//
// Its address stands outside of `new Worker()`, as that of an asset: bundlers copy the file as it is. Within, they would
// bundle it again, some as a classic script (webpack, Turbopack), from which no second worker can be started.

import { absolute } from './addresses.js';
import { codedError, describeError } from './error.js';

/** What a person who made the page can look at. */
const OWN =
  'see that worker.js is served whole, as JavaScript, and that the page’s Content-Security-Policy allows it in worker-src, and “sae-attribution” in trusted-types if it has such, or pass workerUrl';
const OTHER =
  'see that the server of worker.js, which is of another origin, lets the page read it (CORS), and that the page’s Content-Security-Policy allows blob: and that origin in worker-src, or pass workerUrl, the address of a copy on the page’s own origin';

/** The worker of this copy of the runtime. */
const beside = () => absolute(new URL('./worker.js', import.meta.url));

/**
 * @param {string | URL} [workerUrl] where worker.js is, if not beside this module; may be a TrustedScriptURL
 * @returns {{worker: Worker, failed: (cause: string) => Error}} failed: the error to give where it does not start;
 *   throws that where it cannot
 */
export function startWorker(workerUrl) {
  const address = workerUrl === undefined ? beside() : absolute(workerUrl);
  const isOwn = new URL(address).origin === self.origin;
  const failed = (/** @type {string} */ cause) =>
    codedError(
      'runtime-unavailable',
      `The runtime did not start: ${cause}. Check the connection and run again. If that does not help, ${isOwn ? OWN : OTHER}.`,
    );
  try {
    const started = isOwn ? address : trampoline(address);
    const passed = isOwn && isTrusted(workerUrl) ? workerUrl : address === beside() ? trusted(started) : started;
    return { worker: new Worker(/** @type {any} */ (passed), { type: 'module' }), failed };
  } catch (error) {
    throw failed(describeError(error).message);
  }
}

/** What a page that requires Trusted Types lists under `trusted-types`, and no more. */
const POLICY = 'sae-attribution';
/** @type {any} */
const { trustedTypes } = globalThis;
/** @type {any} */
let policy;

/** A page that has vouched for an address itself hands it over so. @param {unknown} address */
const isTrusted = (address) => trustedTypes?.isScriptURL(address) === true;

/**
 * The address of the worker beside this module, vouched for: it is the one that the policy lets pass.
 * @param {string} address
 */
function trusted(address) {
  // A page's own default policy is asked about plain addresses, and may refuse.
  if (!trustedTypes || trustedTypes.defaultPolicy) return address;
  try {
    policy ??= trustedTypes.createPolicy(POLICY, {
      createScriptURL(/** @type {string} */ asked) {
        if (asked === beside() || asked === trampolines.get(beside())) return asked;
        throw new TypeError(`${asked} is not the worker of the runtime.`);
      },
    });
    return policy.createScriptURL(address);
  } catch {
    // Not among those that the page allows: where it requires Trusted Types, the worker does not start.
    return address;
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
