// An author's copy is read by the page's own client as any model is, and answers the same to what half precision keeps.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { start } from '../page/browser.mjs';

const PROJECT = new URL('../../', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'sae-attribution-pack-'));
/** Where the places of SAEs and transcoders are. */
const PLACES = join(PROJECT, 'tests/fixtures/places');
/** @type {Awaited<ReturnType<typeof start>>} */
let browser;

/** @param {string} name @param {string} model @param {string[]} saes @param {string[]} [options] */
function pack(name, model, saes, options = []) {
  const out = join(folder, name);
  execFileSync(join(PROJECT, 'scripts/pack'), [model, ...saes, out, ...options], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return out;
}

before(async () => {
  const demo = join(PROJECT, 'www/models/demo');
  const mounts = new Map([
    ['/places/', PLACES],
    ['/half/', pack('half', join(PLACES, 'model'), [join(PLACES, 'saes.json')])],
    ['/demo/', pack('demo', join(demo, 'model'), [join(demo, 'saes')], ['--places', '1,2'])],
  ]);
  browser = await start({ mounts });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * Answers of the page's client.
 * @param {{model: string, saes: import('../../www/runtime/protocol.js').SaeAddress[]}} source addresses from the site's root on
 * @param {object} request
 * @returns {Promise<{latents: number[], gradients: number[]}>}
 */
async function answer({ model, saes }, request) {
  const page = await browser.context.newPage();
  await page.goto(`${browser.url}/results/index.json`);
  const found = await page.evaluate(
    async ({ model, saes, request }) => {
      const { Client } = await import(`${location.origin}/runtime/client.js`);
      const client = new Client();
      const at = (/** @type {string} */ path) => new URL(path, location.origin).href;
      const source = { model: { address: at(model) }, saes: saes.map((sae) => ({ ...sae, address: at(sae.address) })) };
      await client.open(source, { device: 'cpu' });
      const result = await client.attribute(request);
      client.close();
      return { latents: [...result.targets.latent], gradients: [...result.gradients] };
    },
    { model, saes, request },
  );
  await page.close();
  return found;
}

/** @param {string} at */
const bytes = (at) =>
  /** @type {string[]} */ (readdirSync(at, { recursive: true }))
    .map((path) => statSync(join(at, path)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);

test('half the bytes answer nearly the same, between a transcoder and the heads of a later block', async () => {
  const request = {
    prompt: 'The Eiffel tower is in Paris',
    from: 'blocks.0.ln2.hook_normalized',
    to: 'blocks.1.attn.hook_z',
  };
  const hook_name_out = 'blocks.0.hook_mlp_out';
  const transcoder = { address: 'places/saes/blocks.0.ln2.hook_normalized', hook_name: request.from, hook_name_out };
  const whole = await answer({ model: 'places/model', saes: [transcoder, { address: 'places/saes' }] }, request);
  // What the list says of an SAE stands in the copy itself.
  const half = await answer({ model: 'half/model', saes: [{ address: 'half/saes' }] }, request);
  assert.deepEqual(half.latents, whole.latents);
  assert.ok(whole.gradients.length > 100, 'a test of nothing');
  const largest = Math.max(...whole.gradients.map(Math.abs));
  const error = Math.max(...whole.gradients.map((value, i) => Math.abs(value - half.gradients[i]))) / largest;
  assert.ok(error > 0 && error < 5e-3, `${error} of the largest gradient`);
  const [before, after] = [join(PLACES, 'saes'), join(folder, 'half/saes')].map(bytes);
  assert.ok(after < 0.6 * before, `${after} of ${before} bytes`);
});

test('of the demo model an article takes the places that it asks for', async () => {
  assert.deepEqual(readdirSync(join(folder, 'demo/saes')).sort(), [
    'blocks.1.hook_resid_pre',
    'blocks.2.hook_resid_pre',
  ]);
  const request = {
    prompt: 'The capital of France is',
    from: 'blocks.1.hook_resid_pre',
    to: 'blocks.2.hook_resid_pre',
  };
  const [whole, copy] = [
    await answer({ model: 'models/demo/model', saes: [{ address: 'models/demo/saes' }] }, request),
    await answer({ model: 'demo/model', saes: [{ address: 'demo/saes' }] }, request),
  ];
  assert.deepEqual(copy, whole, 'it is in half precision already');
});
