// A model in a folder of this computer that the reader picked.

import { codedError } from '../runtime/error.js';
import { layerAt } from '../runtime/places.js';

/** @typedef {import('./sources.js').NamedSource} NamedSource */

/**
 * Finds a model and its SAEs among the files of a folder, in the hub's layout, at whatever depth.
 * @param {Iterable<File>} picked by an input with `webkitdirectory`
 * @returns {{source: NamedSource, files: Map<string, File>}} throws `file-not-found`
 */
export function localSource(picked) {
  const files = new Map([...picked].map((file) => [file.webkitRelativePath || file.name, file]));
  const paths = [...files.keys()];
  const folder = (/** @type {string} */ path) => path.slice(0, Math.max(path.lastIndexOf('/'), 0));
  const model = paths
    .filter((path) => /(^|\/)model\.safetensors$/.test(path))
    .map(folder)
    .find((base) => ['config.json', 'tokenizer.json'].every((name) => files.has(base ? `${base}/${name}` : name)));
  if (model === undefined) {
    throw codedError(
      'file-not-found',
      'This folder holds no model: config.json, tokenizer.json and model.safetensors must stand side by side in it.',
    );
  }
  const saes = paths.flatMap((path) => {
    const [, base = '', hook = ''] = /^(?:(.*)\/)?([^/]+)\/cfg\.json$/.exec(path) ?? [];
    const layer = layerAt(hook);
    return layer === undefined ? [] : [{ base, layer }];
  });
  if (saes.length === 0) {
    throw codedError(
      'file-not-found',
      'This folder holds no SAEs: folders named like blocks.3.hook_resid_pre, with cfg.json and sae_weights.safetensors.',
    );
  }
  const [{ base }] = saes;
  const layers = new Set(saes.filter((sae) => sae.base === base).map(({ layer }) => layer));
  return {
    source: {
      title: `From the folder ${paths[0].split('/')[0]}`,
      model: `folder:${model}`,
      saes: `folder:${base}`,
      layers: [...layers].sort((a, b) => a - b),
    },
    files,
  };
}
