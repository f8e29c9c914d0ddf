// Computes the results that the page shows before anything is run: each of examples.mjs, by the real runtime in
// headless Chromium; and writes www/results/index.json, which lists them.
//
//   node scripts/results.mjs [FILE...]      all of them, or those of these files
//   node scripts/results.mjs index.json     the list alone
//
// Needs the built runtime (scripts/build). Gradients are written as the shortest decimals that are the
// same float32; attributions are left out, as they are gradients × source activations.

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { start } from '../tests/page/browser.mjs';
import { exact } from '../www/figure/text.js';
import { EXAMPLES } from './examples.mjs';

const FOLDER = new URL('../www/results/', import.meta.url);
writeFileSync(new URL('index.json', FOLDER), `${JSON.stringify(EXAMPLES, null, 1)}\n`);
const wanted = process.argv.slice(2);

/** @param {any} result with addresses relative to the site, wherever it is served */
function compact(result) {
  const { attributions: _, ...kept } = result;
  // JSON.stringify would write a float32 as the double that it is.
  const text = JSON.stringify(kept, (key, value) =>
    Array.isArray(value) && typeof value[0] === 'number' && FLOATS.has(key) ? `[${value.map(exact).join()}]` : value,
  );
  return text.replace(/"(\[[-\d.e+,]*\])"/g, '$1');
}
/** Arrays of float32 in a result. */
const FLOATS = new Set([
  ...['gradients', 'ablations', 'activation', 'logit', 'probability', 'sae_error_norm'],
  // Of what attributions sum to.
  ...['total', 'error'],
]);

const asked = EXAMPLES.filter(({ file }) => wanted.length === 0 || wanted.includes(file));
const browser = asked.length > 0 ? await start() : undefined;
try {
  for (const { file, title, source, request } of asked) {
    if (!browser) break;
    const page = await browser.context.newPage();
    await page.goto(`${browser.url}/results/index.json`);
    const json = await page.evaluate(
      async ({ source, request }) => {
        const load = (/** @type {string} */ path) => import(`${location.origin}/${path}`);
        const [{ Client }, { SOURCES }, { toJson }] = await Promise.all(
          ['runtime/client.js', 'app/sources.js', 'figure/write.js'].map(load),
        );
        const client = new Client();
        const { model, saes, latents } = SOURCES[source];
        await client.open({ model, saes }, { device: 'cpu' });
        const result = await client.attribute(request);
        // What the latents mean is there with the first look, where files beside the SAEs tell it.
        /** @type {Record<string, Record<string, string>>} */
        const latent_labels = {};
        for (const { hook_name, sae, latent } of [result.sources, result.targets]) {
          if (!hook_name || latents !== 'contexts') continue;
          const response = await fetch(`${sae.address}/contexts.json`);
          const { labels } = await response.json();
          latent_labels[hook_name] = Object.fromEntries(
            [...latent].filter((i) => labels[i]).map((i) => [i, labels[i]]),
          );
        }
        return toJson({ ...result, latent_labels });
      },
      { source, request },
    );
    const text = compact(JSON.parse(json.replaceAll(`${browser.url}/`, '')));
    writeFileSync(new URL(file, FOLDER), `${text}\n`);
    const kilobytes = (/** @type {number} */ n) => `${Math.round(n / 1000)} KB`;
    console.log(`${file}: ${kilobytes(text.length)}, ${kilobytes(gzipSync(text).length)} as sent with gzip. ${title}`);
    await page.close();
  }
} finally {
  await browser?.close();
}
