// A model in a folder of this computer that the reader picked.

import { codedError } from '../runtime/error.js';
import { isPlace } from '../runtime/places.js';
import { sorted } from './sources.js';

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
    const [, address = '', hook_name = ''] = /^((?:.*\/)?([^/]+))\/cfg\.json$/.exec(path) ?? [];
    return isPlace(hook_name) ? [{ address: `folder:${address}`, hook_name }] : [];
  });
  if (saes.length === 0) {
    throw codedError(
      'file-not-found',
      'This folder holds no SAEs: folders named like blocks.3.hook_resid_pre or blocks.3.hook_mlp_out, with cfg.json and sae_weights.safetensors.',
    );
  }
  return {
    source: {
      title: `From the folder ${paths[0].split('/')[0]}`,
      model: { address: `folder:${model}` },
      saes,
      places: sorted(saes.map(({ hook_name }) => hook_name)),
    },
    files,
  };
}
