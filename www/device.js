// Which build to run: WebGPU where there is a real adapter, the CPU where there is none.

import { codedError } from './error.js';

/** @typedef {import('./protocol.js').DeviceKind} DeviceKind */

/**
 * An emulated adapter computes on the CPU too, only slower than the CPU build does.
 * @param {DeviceKind | undefined} asked by `?device=`; wins over what is found
 * @param {any} [gpu] navigator.gpu
 * @returns {Promise<{device: DeviceKind, reason: string}>} rejects with `webgpu-unavailable`
 *   where WebGPU was asked for and there is none
 */
export async function chooseDevice(asked, gpu = /** @type {any} */ (navigator).gpu) {
  if (asked === 'cpu') return { device: 'cpu', reason: 'asked for' };
  const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' });
  const lacking = !gpu
    ? 'this browser has no WebGPU'
    : !adapter
      ? 'the browser offers no WebGPU adapter'
      : undefined;
  if (asked === 'webgpu') {
    if (lacking) {
      throw codedError(
        'webgpu-unavailable',
        `No WebGPU adapter is available (${lacking}). Use a browser with WebGPU, or run on the CPU.`,
      );
    }
    return { device: 'webgpu', reason: 'asked for' };
  }
  if (lacking) return { device: 'cpu', reason: lacking };
  const name = [adapter.info?.vendor, adapter.info?.architecture].filter(Boolean).join(' ');
  return (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter)
    ? { device: 'cpu', reason: `the only WebGPU adapter${name && ` (${name})`} is emulated` }
    : { device: 'webgpu', reason: `adapter ${name || 'found'}` };
}
