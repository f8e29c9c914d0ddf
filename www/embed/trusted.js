// Trusted Types of a page that shows figures: the one address that runs as script is the runtime's worker.
//
// `new Worker(address)` wants a TrustedScriptURL where a page requires Trusted Types; its default policy is asked for
// any plain address. A page with a default policy of its own lets the worker pass there.

const WORKER = new URL('../runtime/worker.js', import.meta.url).href;

/** @type {any} */ (globalThis).trustedTypes?.createPolicy('default', {
  createScriptURL(/** @type {string} */ address) {
    if (address === WORKER) return address;
    throw new TypeError(`${address} is not the worker of a figure.`);
  },
});
