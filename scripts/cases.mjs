// Cases of a fixture, as requests: a case is one with a name. Fixtures made earlier say it with `kind` and layers.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @typedef {import('../www/runtime/protocol.js').Request} Request */

/** The residual stream before a block. @param {number} layer */
const before = (layer) => `blocks.${layer}.hook_resid_pre`;

/** @param {any} one as in cases.json @returns {Request} */
export function requestOf({ name: _, kind, layer, layer_from, layer_to, k, positive, negative, ...rest }) {
  switch (kind) {
    case undefined:
      return rest;
    case 'token_to_latent':
      return { ...rest, from: 'tokens', to: before(layer) };
    case 'latent_to_latent':
      return { ...rest, from: before(layer_from), to: before(layer_to) };
    case 'latent_to_logit':
      return { ...rest, from: before(layer), to: { top_logits: k } };
    case 'logit_difference':
      return { ...rest, from: before(layer), to: { logit_difference: [positive, negative] } };
  }
  throw new Error(`${kind} is no kind of case.`);
}

/**
 * What a client opens to read a fixture that is served at `base`.
 * @param {string} fixture its folder
 * @param {string} base
 * @returns {import('../www/runtime/protocol.js').Source}
 */
export function sourceOf(fixture, base) {
  const list = join(fixture, 'saes.json');
  /** @type {import('../www/runtime/protocol.js').SaeAddress[]} */
  const saes = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [{ address: 'saes' }];
  return {
    model: { address: `${base}/model` },
    saes: saes.map((sae) => ({ ...sae, address: `${base}/${sae.address}` })),
  };
}
