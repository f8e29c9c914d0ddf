// Where the client's own files lie: beside this module, unless whoever uses it says otherwise.
//
// The addresses are literal, since bundlers follow nothing else. scripts/package gives them their names in the package.

/** @typedef {import('./protocol.js').WasmAddresses} WasmAddresses */

/**
 * An address as the page means it. A worker's own may be a Blob's, to which nothing is relative.
 * @param {string | URL} address what bundlers put in the place of a literal `new URL` need not be a whole URL
 */
export const absolute = (address) => new URL(String(address), globalThis.document?.baseURI ?? location.href).href;

/**
 * @param {string | URL | Partial<WasmAddresses>} [wasmUrl] a folder that holds `webgpu.wasm`, `cpu.wasm` and
 *   `cpu-relaxed.wasm`, or the address of each; what is left out lies beside this module
 * @returns {WasmAddresses}
 */
export function wasmAddresses(wasmUrl = {}) {
  if (typeof wasmUrl === 'string' || wasmUrl instanceof URL) {
    const folder = absolute(wasmUrl).replace(/\/?$/, '/');
    const inside = (/** @type {string} */ build) => new URL(`${build}.wasm`, folder).href;
    return { webgpu: inside('webgpu'), cpu: inside('cpu'), 'cpu-relaxed': inside('cpu-relaxed') };
  }
  const beside = {
    webgpu: new URL('./pkg/webgpu/sae_attribution_bg.wasm', import.meta.url),
    cpu: new URL('./pkg/cpu/sae_attribution_bg.wasm', import.meta.url),
    'cpu-relaxed': new URL('./pkg/cpu-relaxed/sae_attribution_bg.wasm', import.meta.url),
  };
  return {
    webgpu: absolute(wasmUrl.webgpu ?? beside.webgpu),
    cpu: absolute(wasmUrl.cpu ?? beside.cpu),
    'cpu-relaxed': absolute(wasmUrl['cpu-relaxed'] ?? beside['cpu-relaxed']),
  };
}
