// Which build to run: WebGPU where there is a real adapter, the CPU where there is none.

import { codedError } from './error.js';
import { cancelled, LIMITS, within } from './wait.js';

/** @typedef {import('./protocol.js').DeviceKind} DeviceKind */

/**
 * An emulated adapter computes on the CPU too, only slower than the CPU build does.
 * @param {DeviceKind | undefined} asked by `?device=`; wins over what is found
 * @param {{gpu?: any, signal?: AbortSignal}} [options] gpu: navigator.gpu
 * @returns {Promise<{device: DeviceKind, reason: string, adapter: string}>} rejects with `webgpu-unavailable`
 *   where WebGPU was asked for and there is none
 */
export async function chooseDevice(asked, { gpu = /** @type {any} */ (navigator).gpu, signal } = {}) {
  if (asked === 'cpu') return { device: 'cpu', reason: 'asked for', adapter: '' };
  const { adapter, lacking } = await adapterOf(gpu, signal);
  if (asked === 'webgpu') {
    if (lacking) {
      throw codedError(
        'webgpu-unavailable',
        `No WebGPU adapter is available (${lacking}). Use a browser with WebGPU, or run on the CPU.`,
      );
    }
    return { device: 'webgpu', reason: 'asked for', adapter: fullName(adapter) };
  }
  if (lacking) return { device: 'cpu', reason: lacking, adapter: '' };
  const name = [adapter.info?.vendor, adapter.info?.architecture].filter(Boolean).join(' ');
  return (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter)
    ? { device: 'cpu', reason: `the only WebGPU adapter${name && ` (${name})`} is emulated`, adapter: '' }
    : { device: 'webgpu', reason: `adapter ${name || 'found'}`, adapter: fullName(adapter) };
}

/**
 * @param {any} gpu
 * @param {AbortSignal} [signal]
 * @returns {Promise<{adapter?: any, lacking?: string}>} rejects with `cancelled` alone
 */
async function adapterOf(gpu, signal) {
  if (!gpu) return { lacking: 'this browser has no WebGPU' };
  try {
    const asking = gpu.requestAdapter({ powerPreference: 'high-performance' });
    const adapter = await within(LIMITS.adapter, asking, () => new Error('no answer'), { signal });
    return adapter ? { adapter } : { lacking: 'the browser offers no WebGPU adapter' };
  } catch {
    if (signal?.aborted) throw cancelled();
    return { lacking: 'the browser was asked for a WebGPU adapter and does not answer' };
  }
}

/** @param {any} adapter */
function fullName({ info }) {
  return [info?.vendor, info?.architecture, info?.device, info?.description].filter(Boolean).join(' ');
}

/**
 * Whether this browser has relaxed SIMD, which multiplies and adds in one instruction.
 */
export function hasRelaxedSimd() {
  // Without either, starting a build says what is missing.
  if (!('WebAssembly' in globalThis)) return false;
  // (func (result v128) f32x4.relaxed_madd of three f32x4.splat (f32.const 0))
  const zero = [0x43, 0, 0, 0, 0, 0xfd, 0x13];
  const body = [0, ...zero, ...zero, ...zero, 0xfd, 0x85, 0x02, 0x0b];
  return WebAssembly.validate(
    new Uint8Array([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...[1, 5, 1, 0x60, 0, 1, 0x7b],
      ...[3, 2, 1, 0],
      ...[10, body.length + 2, 1, body.length, ...body],
    ]),
  );
}
