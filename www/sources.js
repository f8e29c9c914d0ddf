// Models the page offers, and what its address says.

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').Request} Request */

/**
 * @typedef {Source & {
 *   title: string,
 *   layers: number[],
 *   latents?: 'contexts' | 'neuronpedia',
 *   bytes?: (request: Request) => number,
 * }} NamedSource
 *   layers: those with an SAE; latents: where their meanings are told, in `contexts.json` beside each
 *   SAE or on neuronpedia.org; bytes: about how many a request reads the first time
 */

/** @typedef {{n_layer: number, d_model: number, d_mlp: number, vocab_size: number, d_sae: number, width: number}} Shape */

/**
 * Bytes of the tensors that a request needs: blocks, encoders, the unembedding. Rows of the prompt's
 * tokens and active latents are some thousand bytes each and not counted.
 * @param {Shape} shape width: bytes of a number in the files
 * @returns {(request: Request) => number}
 */
function bytesOf({ n_layer, d_model, d_mlp, vocab_size, d_sae, width }) {
  const block = (4 * d_model + 2 * d_mlp) * d_model + 9 * d_model + d_mlp;
  const encoder = d_model * d_sae + d_sae + d_model;
  return (request) => {
    switch (request.kind) {
      case 'token_to_latent':
        return width * (request.layer * block + encoder);
      case 'latent_to_latent':
        return width * (request.layer_to * block + 2 * encoder);
      case 'latent_to_logit':
      case 'logit_difference':
        return width * (n_layer * block + encoder + vocab_size * d_model);
    }
  };
}

const GPT2_SMALL = { n_layer: 12, d_model: 768, d_mlp: 3072, vocab_size: 50257, width: 4 };
/** A fixed revision, so that results can be told apart from those of a later one. */
const GPT2_MODEL = 'https://huggingface.co/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e';

/** @type {Record<string, NamedSource>} */
export const SOURCES = {
  demo: {
    title: 'Demo: a small model trained on simple English (bundled, 6 MB)',
    model: new URL('./models/demo/model', import.meta.url).href,
    saes: new URL('./models/demo/saes', import.meta.url).href,
    layers: [0, 1, 2, 3, 4],
    latents: 'contexts',
    bytes: bytesOf({ n_layer: 4, d_model: 128, d_mlp: 512, vocab_size: 2136, d_sae: 1024, width: 2 }),
  },
  tiny: {
    title: 'Tiny random model (bundled, 3 MB)',
    model: new URL('./models/tiny/model', import.meta.url).href,
    saes: new URL('./models/tiny/saes', import.meta.url).href,
    layers: [0, 1, 2, 3],
  },
  'gpt2-small': {
    title: 'GPT-2 small with res-jb SAEs (from Hugging Face, hundreds of MB)',
    model: GPT2_MODEL,
    saes: 'https://huggingface.co/jbloom/GPT2-Small-SAEs-Reformatted/resolve/main',
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
    // The same layer with dictionaries of different sizes: how latents split.
    [768, 6144, 49152].map((d_sae) => [
      `gpt2-small-splitting-${d_sae}`,
      {
        title: `GPT-2 small, layer 8, ${d_sae.toLocaleString('en-US')} latents (from Hugging Face)`,
        model: GPT2_MODEL,
        saes: `https://huggingface.co/jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8/resolve/main/{hook}_${d_sae}`,
        layers: [8],
        bytes: bytesOf({ ...GPT2_SMALL, d_sae }),
      },
    ]),
  ),
};

/**
 * What the page's address asks for: `?source=NAME`, or `?model=URL&saes=URL&layers=0,3,9`, and
 * `?device=webgpu|cpu`.
 * @param {URL} url
 */
export function fromAddress(url) {
  const get = (/** @type {string} */ key) => url.searchParams.get(key) ?? undefined;
  const sources = { ...SOURCES };
  let selected = get('source') ?? 'demo';
  const [model, saes] = [get('model'), get('saes')];
  if (model && saes) {
    const layers = (get('layers') ?? '0,1,2,3,4,5,6,7,8,9,10,11,12').split(',').map(Number);
    // `{hook}` and `{block}` stay as they are for the runtime to fill in.
    const absolute = (/** @type {string} */ base) =>
      new URL(base, url).href.replace(/\/$/, '').replace(/%7B(hook|block)%7D/gi, '{$1}');
    sources.given = {
      title: `From ${model}`,
      model: absolute(model),
      saes: absolute(saes),
      layers: layers.filter((layer) => Number.isInteger(layer) && layer >= 0),
    };
    selected = 'given';
  }
  if (!(selected in sources)) selected = 'demo';
  const asked = get('device');
  /** @type {import('./protocol.js').DeviceKind | undefined} */
  const device = asked === 'webgpu' || asked === 'cpu' ? asked : undefined;
  return { sources, selected, device };
}
