// What a fixture holds: its cases, as requests, its SAEs, and the numbers of the reference.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @typedef {import('../www/runtime/protocol.js').Request} Request */

/** The residual stream before a block. @param {number} layer */
const before = (layer) => `blocks.${layer}.hook_resid_pre`;

/**
 * A case is a request with a name. Fixtures made earlier say it with `kind` and layers.
 * @param {any} one as in cases.json
 * @returns {Request}
 */
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

/**
 * Tensors of a safetensors file.
 * @param {string} path
 * @returns {Record<string, ArrayLike<number>>}
 */
export function readTensors(path) {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + length));
  delete header.__metadata__;
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          data_offsets: [from, to],
        },
      ]) => {
        const data = new Uint8Array(file.subarray(8 + length + from, 8 + length + to)).buffer;
        const values =
          dtype === 'I64'
            ? Array.from(new BigInt64Array(data), Number)
            : dtype === 'F64'
              ? new Float64Array(data)
              : new Float32Array(data);
        return [name, values];
      },
    ),
  );
}
