// Lets a published site answer without a network: what of it was fetched is kept until it is published anew.
// Weights of other sites are kept by the runtime (runtime/loading/cache.js).
//
// scripts/site.mjs fills in the version and the files of the page; app/offline.js starts this.

const SITE = { version: '', files: [''] };
const PREFIX = 'sae-attribution-site-';
const NAME = `${PREFIX}${SITE.version}`;
/** Files that are asked for in part are kept whole up to this: the demo model is smaller. */
const SMALL = 8e6;

const worker = /** @type {any} */ (self);

worker.addEventListener('install', (/** @type {any} */ event) => {
  // All of one version: none of it from what the browser kept of another.
  const files = SITE.files.map((file) => new Request(file, { cache: 'reload' }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(files)));
});

worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(forgetOthers()));

worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { method, url } = event.request;
  if (method === 'GET' && url.startsWith(worker.registration.scope)) event.respondWith(answer(event));
});

/** Versions before this one: their pages are closed when it is activated. */
async function forgetOthers() {
  const others = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== NAME);
  await Promise.all(others.map((name) => caches.delete(name)));
}

/** What is kept, or else what the server says. @param {any} event */
async function answer(event) {
  const { request } = event;
  // What stands behind ? is for the page.
  const file = request.url.replace(/[?#].*$/s, '');
  const cache = await caches.open(NAME);
  const kept = await cache.match(file);
  // All of a file answers who asks for a part, as any server may.
  if (kept) return kept;
  const response = await fetch(request);
  const [, total] = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  if (response.status === 200) {
    const copy = response.clone();
    event.waitUntil(keep(cache, file, () => copy));
  } else if (response.status === 206 && Number(total) <= SMALL) event.waitUntil(keepWhole(cache, file));
  return response;
}

/** Files on their way, so that each is fetched whole once. @type {Set<string>} */
const fetching = new Set();

/** @param {Cache} cache @param {string} file */
async function keepWhole(cache, file) {
  if (fetching.has(file)) return;
  fetching.add(file);
  await keep(cache, file, () => fetch(file));
  fetching.delete(file);
}

/** Where there is no room, the site works with a network alone. @param {Cache} cache @param {string} file @param {() => Response | Promise<Response>} get */
async function keep(cache, file, get) {
  try {
    const response = await get();
    if (response.status === 200) await cache.put(file, response);
  } catch {
    // Asked for again next time.
  }
}
