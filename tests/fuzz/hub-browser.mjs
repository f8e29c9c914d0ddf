// What hub.js and cache.js need of a browser, where there is none: an address, and a Cache API in memory.

/** @type {Map<string, Map<string, Uint8Array>>} */
const stored = new Map();

/** @param {Map<string, Uint8Array>} entries */
const cacheOf = (entries) => ({
  match: async (/** @type {string} */ key) => {
    const bytes = entries.get(key);
    return bytes && new Response(/** @type {Uint8Array<ArrayBuffer>} */ (bytes));
  },
  put: async (/** @type {string} */ key, /** @type {Response} */ response) =>
    void entries.set(key, new Uint8Array(await response.arrayBuffer())),
  keys: async () => [...entries.keys()].map((url) => ({ url })),
  delete: async (/** @type {string} */ key) => entries.delete(key),
});

const caches = {
  has: async (/** @type {string} */ name) => stored.has(name),
  async open(/** @type {string} */ name) {
    const entries = stored.get(name) ?? new Map();
    stored.set(name, entries);
    return cacheOf(entries);
  },
  keys: async () => [...stored.keys()],
  delete: async (/** @type {string} */ name) => stored.delete(name),
};

/** Stands in for the browser; to be called before anything is read. */
export function standIn() {
  const lacking = { location: new URL('https://page.example/'), navigator: { onLine: true }, caches };
  for (const [name, value] of Object.entries(lacking)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true });
  }
}

/** What is stored of a file, to be looked at and tampered with. @param {string} url */
export async function storedOf(url) {
  const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url)));
  const name = `sae-attribution/${Buffer.from(sum).toString('hex').slice(0, 40)}`;
  return { entries: stored.get(name), forget: () => stored.delete(name) };
}
