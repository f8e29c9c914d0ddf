// A published site answers without a network from the second visit on. scripts/site.mjs names this in index.html;
// while the page is being worked on, nothing stands between it and its files.

import './trusted.js';

navigator.serviceWorker
  ?.register(new URL('../service-worker.js', import.meta.url).href, { updateViaCache: 'none' })
  // Without it, the page needs its network each time.
  .catch((error) => console.warn(error));
