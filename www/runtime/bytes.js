// About how many bytes a request reads the first time, of models whose shape is known.

import { isPlace, layersTo } from './places.js';

/** @typedef {import('./protocol.js').Request} Request */
/** @typedef {{n_layer: number, d_model: number, d_mlp: number, n_ctx: number, vocab_size: number, width: number}} ModelShape width: bytes of a number in the files */
/** @typedef {ModelShape & {d_sae: number}} Shape */

/** @type {ModelShape} */
export const GPT2_SMALL = { n_layer: 12, d_model: 768, d_mlp: 3072, n_ctx: 1024, vocab_size: 50257, width: 4 };
/** The model in www/models/demo. @type {Shape} */
export const DEMO = { n_layer: 4, d_model: 128, d_mlp: 512, n_ctx: 128, vocab_size: 2136, d_sae: 1024, width: 2 };

/**
 * Bytes of the tensors that a request needs: attention layers and MLPs, encoders, the unembedding. Rows of the
 * prompt's tokens and active latents are some thousand bytes each and not counted.
 * Who wants to be private has whole tables of them.
 * @param {Shape} shape
 * @returns {(request: Request, isPrivate?: boolean) => number}
 */
export function bytesOf({ n_layer, d_model, d_mlp, n_ctx, vocab_size, d_sae, width }) {
  const attention = 4 * d_model * d_model + 6 * d_model;
  const mlp = 2 * d_model * d_mlp + 3 * d_model + d_mlp;
  const encoder = d_model * d_sae + d_sae + d_model;
  const [embedding, positions, decoder] = [vocab_size * d_model, n_ctx * d_model, d_sae * d_model];
  return ({ from, to }, isPrivate = false) => {
    const isToPlace = typeof to === 'string';
    const layers = isToPlace ? layersTo(to) : { attention: n_layer, mlp: n_layer };
    const model = layers.attention * attention + layers.mlp * mlp;
    const places = [from, to].filter((place) => typeof place === 'string' && isPlace(place));
    // The embedding is the unembedding.
    const tables = (isPrivate || !isToPlace ? embedding : 0) + (isPrivate ? positions : 0);
    const latents = isPrivate && isPlace(from) ? decoder : 0;
    return width * (model + places.length * encoder + tables + latents);
  };
}
