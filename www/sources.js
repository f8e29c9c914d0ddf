// Models the page offers, and what its address says.

/** @typedef {import('./protocol.js').Source} Source */

/**
 * @typedef {Source & {title: string, layers: number[]}} NamedSource
 *   layers: those with an SAE
 */

/** @type {Record<string, NamedSource>} */
export const SOURCES = {
  tiny: {
    title: 'Tiny random model (bundled, 3 MB)',
    model: new URL('./models/tiny/model', import.meta.url).href,
    saes: new URL('./models/tiny/saes', import.meta.url).href,
    layers: [0, 1, 2, 3],
  },
  'gpt2-small': {
    title: 'GPT-2 small with res-jb SAEs (from Hugging Face, hundreds of MB)',
    model: 'https://huggingface.co/openai-community/gpt2/resolve/main',
    saes: 'https://huggingface.co/jbloom/GPT2-Small-SAEs-Reformatted/resolve/main',
    layers: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  },
};

/**
 * What the page's address asks for: `?source=NAME`, or `?model=URL&saes=URL&layers=0,3,9`, and
 * `?device=webgpu|cpu`.
 * @param {URL} url
 */
export function fromAddress(url) {
  const get = (/** @type {string} */ key) => url.searchParams.get(key) ?? undefined;
  const sources = { ...SOURCES };
  let selected = get('source') ?? 'tiny';
  const [model, saes] = [get('model'), get('saes')];
  if (model && saes) {
    const layers = (get('layers') ?? '0,1,2,3,4,5,6,7,8,9,10,11,12').split(',').map(Number);
    const absolute = (/** @type {string} */ base) => new URL(base, url).href.replace(/\/$/, '');
    sources.given = {
      title: `From ${model}`,
      model: absolute(model),
      saes: absolute(saes),
      layers: layers.filter((layer) => Number.isInteger(layer) && layer >= 0),
    };
    selected = 'given';
  }
  if (!(selected in sources)) selected = 'tiny';
  const asked = get('device');
  /** @type {import('./protocol.js').DeviceKind | undefined} */
  const device = asked === 'webgpu' || asked === 'cpu' ? asked : undefined;
  return { sources, selected, device };
}
