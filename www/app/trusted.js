// Trusted Types: the page makes no markup and no script from text. The one address that runs as script
// is its own worker's.
//
// `new Worker(address)` wants a TrustedScriptURL where the policy of index.html is in force; the default
// policy is asked for any plain address, and lets our own workers pass and nothing else.

const WORKERS = ['../runtime/worker.js', './result-worker.js', '../service-worker.js'].map(
  (path) => new URL(path, import.meta.url).href,
);

/** @type {any} */ (globalThis).trustedTypes?.createPolicy('default', {
  createScriptURL(/** @type {string} */ address) {
    if (WORKERS.includes(address)) return address;
    throw new TypeError(`${address} is not a worker of this page.`);
  },
});

export {};
