// What latents mean, wherever a source says it.

import { createContexts } from './contexts.js';
import { createNeuronpedia } from './neuronpedia.js';

/** @typedef {import('../sources.js').NamedSource} NamedSource */
/** @typedef {import('../../runtime/protocol.js').Nodes} Nodes */

/**
 * @param {NamedSource | undefined} source
 * @param {Storage} storage
 */
export function createMeanings(source, storage) {
  const contexts = source?.latents === 'contexts' ? createContexts(source.saes) : undefined;
  const names = typeof source?.latents === 'object' ? source.latents : undefined;
  const neuronpedia = names && createNeuronpedia(storage, names);
  return {
    contexts,
    neuronpedia,

    /** A few words on a node's latent, where they are known already. @param {import('../../figure/own.js').AnyNodes} nodes @param {number} node */
    label({ hook_name, latent }, node) {
      if (!hook_name || latent.length === 0) return undefined;
      return contexts?.get(hook_name, latent[node]) ?? neuronpedia?.get(hook_name, latent[node]);
    },

    /**
     * Reads what there is on all latents of a result; asks nobody who was not agreed to.
     * @param {Nodes[]} sides
     */
    async load(sides) {
      await Promise.all(
        sides.map(async ({ hook_name, latent }) => {
          if (!hook_name || latent.length === 0) return;
          await contexts?.load(hook_name);
          await neuronpedia?.load(hook_name, latent);
        }),
      );
    },
  };
}

/** @typedef {ReturnType<typeof createMeanings>} Meanings */
