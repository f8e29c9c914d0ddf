// The builds of the runtime: how a worker comes by their modules, and where their wasm lies.
//
// Everything is literal here, since bundlers follow nothing else.

/** @typedef {'webgpu' | 'cpu' | 'cpu-relaxed'} Build `cpu-relaxed` is `cpu` for browsers with relaxed SIMD */

/**
 * The module of each build. It knows no address of its wasm: in a bundle its own would be another.
 * @type {Record<Build, () => Promise<any>>}
 */
export const MODULES = {
  // @ts-ignore: they are built, and types are checked before.
  webgpu: () => import('./pkg/webgpu/sae_attribution.js'),
  // @ts-ignore
  cpu: () => import('./pkg/cpu/sae_attribution.js'),
  // @ts-ignore
  'cpu-relaxed': () => import('./pkg/cpu-relaxed/sae_attribution.js'),
};
