// Models the page offers, and what its address says.

import { describeError } from '../runtime/error.js';
import { unusable, usable } from '../runtime/places.js';
import { short, visible } from '../figure/text.js';

/** @typedef {import('../runtime/protocol.js').Source} Source */
/** @typedef {import('../runtime/protocol.js').Request} Request */

/**
 * @typedef {Source & {
 *   title: string,
 *   layers: number[],
 *   latents?: 'contexts' | 'neuronpedia',
 *   bytes?: (request: Request, isPrivate?: boolean) => number,
 * }} NamedSource
 *   layers: those with an SAE; latents: where their meanings are told, in `contexts.json` beside each
 *   SAE or on neuronpedia.org; bytes: about how many a request reads the first time
 */

/** @typedef {{n_layer: number, d_model: number, d_mlp: number, n_ctx: number, vocab_size: number, d_sae: number, width: number}} Shape */

/**
 * Bytes of the tensors that a request needs: blocks, encoders, the unembedding. Rows of the prompt's
 * tokens and active latents are some thousand bytes each and not counted.
 * Who wants to be private has whole tables of them.
 * @param {Shape} shape width: bytes of a number in the files
 * @returns {(request: Request, isPrivate?: boolean) => number}
 */
function bytesOf({ n_layer, d_model, d_mlp, n_ctx, vocab_size, d_sae, width }) {
  const block = (4 * d_model + 2 * d_mlp) * d_model + 9 * d_model + d_mlp;
  const encoder = d_model * d_sae + d_sae + d_model;
  const [embedding, decoder] = [vocab_size * d_model, d_sae * d_model];
  return (request, isPrivate = false) => {
    const tables = isPrivate ? n_ctx * d_model + embedding : 0;
    const latents = isPrivate ? decoder : 0;
    switch (request.kind) {
      case 'token_to_latent':
        return width * (request.layer * block + encoder + tables);
      case 'latent_to_latent':
        return width * (request.layer_to * block + 2 * encoder + tables + latents);
      case 'latent_to_logit':
      case 'logit_difference':
        // The embedding is the unembedding.
        return width * (n_layer * block + encoder + latents + (isPrivate ? tables : embedding));
    }
  };
}

const GPT2_SMALL = { n_layer: 12, d_model: 768, d_mlp: 3072, n_ctx: 1024, vocab_size: 50257, width: 4 };
/** A fixed revision, so that results can be told apart from those of a later one. */
const GPT2_MODEL = 'https://huggingface.co/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e';

/** @type {Record<string, NamedSource>} */
export const SOURCES = {
  demo: {
    title: 'Demo: a small model trained on simple English (bundled, 6 MB)',
    model: new URL('../models/demo/model', import.meta.url).href,
    saes: new URL('../models/demo/saes', import.meta.url).href,
    layers: [0, 1, 2, 3, 4],
    latents: 'contexts',
    bytes: bytesOf({ n_layer: 4, d_model: 128, d_mlp: 512, n_ctx: 128, vocab_size: 2136, d_sae: 1024, width: 2 }),
  },
  tiny: {
    title: 'Tiny random model (bundled, 3 MB)',
    model: new URL('../models/tiny/model', import.meta.url).href,
    saes: new URL('../models/tiny/saes', import.meta.url).href,
    layers: [0, 1, 2, 3],
  },
  'gpt2-small': {
    title: 'GPT-2 small with res-jb SAEs (from Hugging Face, hundreds of MB)',
    model: GPT2_MODEL,
    saes: 'https://huggingface.co/jbloom/GPT2-Small-SAEs-Reformatted/resolve/57d08a4fd333fbf18caf3fbea63ceeb88e2f50d9',
    layers: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    latents: 'neuronpedia',
    bytes: bytesOf({ ...GPT2_SMALL, d_sae: 24576 }),
  },
  'gpt2-small-oai-32k': {
    title: 'GPT-2 small with OpenAI’s v5 SAEs, 32,768 latents (from Hugging Face, hundreds of MB)',
    model: GPT2_MODEL,
    saes: 'https://huggingface.co/jbloom/GPT2-Small-OAI-v5-32k-resid-post-SAEs/resolve/21df74db7b9f690cd2403a20485cf75f46330d0d/v5_32k_layer_{block}.pt',
    layers: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    bytes: bytesOf({ ...GPT2_SMALL, d_sae: 32768 }),
  },
  ...Object.fromEntries(
    // The same layer with dictionaries of different sizes: how latents split. The commit is the one that
    // uploaded them; the hub's listing shows no other for these folders.
    [768, 6144, 49152].map((d_sae) => [
      `gpt2-small-splitting-${d_sae}`,
      {
        title: `GPT-2 small, layer 8, ${d_sae.toLocaleString('en-US')} latents (from Hugging Face)`,
        model: GPT2_MODEL,
        saes: `https://huggingface.co/jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8/resolve/2adca04e431b09f0a92ffcdaa6c23e5931fea9c7/{hook}_${d_sae}`,
        layers: [8],
        bytes: bytesOf({ ...GPT2_SMALL, d_sae }),
      },
    ]),
  ),
};

/** The most layers that an address may name. */
const LAYERS = 256;

/**
 * What the page's address asks for: `?source=NAME`, or `?model=URL&saes=URL&layers=0,3,9`, and
 * `?device=webgpu|cpu`. Where it asks for what cannot be, the demo takes its place.
 * @param {URL} url
 * @returns {{sources: Record<string, NamedSource>, selected: string, device?: import('../runtime/protocol.js').DeviceKind, problem?: Error & {code: string}}}
 *   problem: `address-invalid`, to be shown
 */
export function fromAddress(url) {
  const get = (/** @type {string} */ key) => url.searchParams.get(key) ?? undefined;
  // Nothing is inherited: names come from outside.
  /** @type {Record<string, NamedSource>} */
  const sources = Object.assign(Object.create(null), SOURCES);
  const asked = get('device');
  const device = asked === 'webgpu' || asked === 'cpu' ? asked : undefined;
  try {
    const given = givenSource(get('model'), get('saes'), get('layers'), url);
    if (given) sources.given = given;
    const selected = given ? 'given' : (get('source') ?? 'demo');
    if (!Object.hasOwn(sources, selected)) throw unusable('source', 'it is none of the models that this page offers');
    return { sources, selected, device };
  } catch (error) {
    if (describeError(error).code !== 'address-invalid') throw error;
    return { sources, selected: 'demo', device, problem: /** @type {any} */ (error) };
  }
}

/**
 * @param {string | undefined} model
 * @param {string | undefined} saes
 * @param {string | undefined} layers
 * @param {URL} page
 * @returns {NamedSource | undefined}
 */
function givenSource(model, saes, layers, page) {
  if (!model && !saes) return undefined;
  if (!model || !saes) throw unusable(model ? 'model' : 'saes', '“model” and “saes” belong together');
  const numbers = (layers ?? '0,1,2,3,4,5,6,7,8,9,10,11,12')
    .split(',', LAYERS)
    .filter((layer) => /^\d{1,4}$/.test(layer));
  if (numbers.length === 0) throw unusable('layers', 'it names no layer, as 0,3,9 would');
  return {
    title: `From ${short(visible(model), 100)}`,
    model: usable('model', model, page, false),
    saes: usable('saes', saes, page, true),
    layers: [...new Set(numbers.map(Number))],
  };
}

/**
 * Which revision a source's files are of, as far as its addresses tell: a hub says it behind `resolve`.
 * @param {Source} source
 * @param {URL} page
 */
export function revisionsOf({ model, saes }, page) {
  const parts = [model, saes].map((address) => {
    if (address.startsWith('folder:')) return 'a folder of this computer';
    const { host, pathname } = new URL(address, page);
    const found = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)/.exec(pathname);
    if (!found) return host === page.host ? 'files of this site' : `files of ${host}, which may change`;
    const [, repository, revision] = found;
    const at = /^[0-9a-f]{40}$/.test(revision) ? revision.slice(0, 7) : `${revision}, which may change`;
    return `${host === 'huggingface.co' ? '' : `${host}/`}${short(visible(repository), 100)} at ${short(visible(at), 60)}`;
  });
  return [...new Set(parts)].join(', ');
}
