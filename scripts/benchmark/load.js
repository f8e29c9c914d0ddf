// How fast weights reach the device, for scripts/bench: beside a bare fetch of as many bytes, first from
// the network and then from the cache.

const PIECE = 8 << 20;
const IN_FLIGHT = 6;

/**
 * MB/s of bare range requests whose bytes are thrown away.
 * @param {string[]} urls @param {number} bytes of all together
 */
async function bare(urls, bytes) {
  /** @type {[string, number][]} */
  const pieces = [];
  for (let start = 0; pieces.length * PIECE < bytes; start += PIECE) {
    for (const url of urls) pieces.push([url, start]);
  }
  let came = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (let piece = pieces.pop(); piece; piece = pieces.pop()) {
        const [url, from] = piece;
        const response = await fetch(url, { headers: { Range: `bytes=${from}-${from + PIECE - 1}` } });
        const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
        for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read())
          came += value?.length ?? 0;
      }
    }),
  );
  return came / (performance.now() - start) / 1e3;
}

/**
 * MB and MB/s of one request's load phase in a fresh worker.
 * @param {string} base @param {string} device
 */
async function ours(base, device) {
  const { Client } = await import(/* @vite-ignore */ `${location.origin}/runtime/client.js`);
  const client = new Client();
  await client.open({ model: { address: `${base}/model` }, saes: [{ address: `${base}/saes` }] }, { device });
  const [from, to] = [0, 3].map((layer) => `blocks.${layer}.hook_resid_pre`);
  const request = { prompt: 'The Eiffel tower is in Paris', from, to };
  let [seconds, since, bytes, network] = [0, performance.now(), 0, 0];
  let loading = true;
  const controller = new AbortController();
  await client
    .attribute(request, {
      signal: controller.signal,
      onProgress(/** @type {any} */ progress) {
        const now = performance.now();
        if (loading) seconds += (now - since) / 1000;
        [since, loading] = [now, progress.phase === 'load'];
        if (loading) [bytes, network] = [progress.done, progress.network];
        // What follows is computing.
        if (progress.phase === 'jacobian') controller.abort();
      },
    })
    .catch((/** @type {any} */ error) => {
      if (error.code !== 'cancelled') throw error;
    });
  client.close();
  return { bytes, network, rate: bytes / seconds / 1e6 };
}

/**
 * Best of some rounds, in each: nothing cached, a bare fetch, all cached.
 * @param {string} base @param {string} device @param {number} rounds
 */
export async function load(base, device, rounds) {
  const { Client } = await import(/* @vite-ignore */ `${location.origin}/runtime/client.js`);
  const urls = [0, 3].map((layer) => `${base}/saes/blocks.${layer}.hook_resid_pre/sae_weights.safetensors`);
  const found = { bare: 0, network: 0, cache: 0, bytes: 0, again: 0 };
  for (let i = 0; i < rounds; i++) {
    const client = new Client();
    await client.uncache();
    client.close();
    const first = await ours(base, device);
    found.bare = Math.max(found.bare, await bare(urls, first.bytes));
    const second = await ours(base, device);
    [found.bytes, found.again] = [first.network, second.network];
    found.network = Math.max(found.network, first.rate);
    found.cache = Math.max(found.cache, second.rate);
  }
  return found;
}
