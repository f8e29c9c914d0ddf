// Owns the runtime: one build, one session, one request at a time.

import { chooseDevice, hasRelaxedSimd } from './device.js';
import { codedError, describeError } from './error.js';
import { createRead } from './fetch.js';

/** @typedef {import('./protocol.js').ToWorker} ToWorker */
/** @typedef {import('./protocol.js').FromWorker} FromWorker */
/** @typedef {import('./protocol.js').DeviceKind} DeviceKind */

/** Progress is posted, and messages are heard, at most this often. */
const BREATH_MS = 16;

/** Builds already started, by device. @type {Map<DeviceKind, Promise<any>>} */
const builds = new Map();
/** @type {any} */
let session;
/** Memory of the build last started. @type {WebAssembly.Memory | undefined} */
let memory;
/** The request under way. @type {{id: number, controller: AbortController} | undefined} */
let current;
/** Requests waiting their turn. @type {Exclude<ToWorker, {type: 'cancel'}>[]} */
const queue = [];

/** @param {FromWorker} message @param {Transferable[]} [transfer] */
function post(message, transfer = []) {
  self.postMessage(message, { transfer });
}

self.addEventListener('message', ({ data }) => {
  const message = /** @type {ToWorker} */ (data);
  if (message.type !== 'cancel') {
    queue.push(message);
    if (!current) void work();
    return;
  }
  if (current?.id === message.id) current.controller.abort();
  const waiting = queue.findIndex(({ id }) => id === message.id);
  if (waiting >= 0) {
    queue.splice(waiting, 1);
    post({ type: 'error', id: message.id, code: 'cancelled', message: 'Cancelled.' });
  }
});

async function work() {
  for (let message = queue.shift(); message; message = queue.shift()) {
    const { id } = message;
    current = { id, controller: new AbortController() };
    try {
      const value = await answer(message, current.controller.signal);
      post({ type: 'reply', id, value }, buffers(value));
    } catch (error) {
      post({ type: 'error', id, ...describeError(error) });
    }
    current = undefined;
  }
}

/**
 * @param {Exclude<ToWorker, {type: 'cancel'}>} message
 * @param {AbortSignal} signal
 */
async function answer(message, signal) {
  if (message.type === 'open') return open(message);
  if (message.type === 'memory') return { wasm: memory?.buffer.byteLength ?? 0 };
  if (!session) throw codedError('not-open', 'No model is open.');
  return message.type === 'tokenize'
    ? session.tokenize(message.prompt)
    : session.attribute(message.request, reporter(message.id, signal));
}

/** @param {Extract<ToWorker, {type: 'open'}>} message */
async function open({ source, device: asked, shapes = {} }) {
  let { device, reason, adapter } = await chooseDevice(asked);
  const read = createRead(() => current?.controller.signal);
  const openOn = async () => {
    const runtime = await build(device);
    return runtime.Session.open(source.model, source.saes, read, shapes[adapter]);
  };
  let opened;
  try {
    opened = await openOn();
  } catch (error) {
    // An adapter that gives no usable device is as good as none, unless it was asked for.
    if (asked || describeError(error).code !== 'webgpu-unavailable') throw error;
    ({ device, reason, adapter } = { device: 'cpu', reason: describeError(error).message, adapter: '' });
    opened = await openOn();
  }
  // The old model goes only when the new one is there.
  session?.free();
  session = opened;
  return { device, reason, adapter, shape: opened.shape, config: opened.config };
}

/** @param {DeviceKind} device */
function build(device) {
  let started = builds.get(device);
  if (!started) {
    started = start(device);
    builds.set(device, started);
    // A build that did not arrive can be asked for again.
    started.catch(() => builds.delete(device));
  }
  return started;
}

/** @param {DeviceKind} device */
async function start(device) {
  const name = device === 'cpu' && hasRelaxedSimd() ? 'cpu-relaxed' : device;
  const base = new URL(`./pkg/${name}/`, import.meta.url);
  try {
    const runtime = await import(new URL('sae_attribution.js', base).href);
    const wasm = await runtime.default({ module_or_path: new URL('sae_attribution_bg.wasm', base) });
    // Static constructors run once, here; crate/build.rs says why.
    wasm.__wasm_call_ctors();
    memory = wasm.memory;
    runtime.onFault((/** @type {string} */ message) => post({ type: 'fault', message }));
    return runtime;
  } catch (error) {
    throw codedError(
      'runtime-unavailable',
      `The ${name} build of the runtime could not be started: ${describeError(error).message}`,
    );
  }
}

/**
 * The runtime's way to tell progress and to ask whether to go on.
 * @param {number} id
 * @param {AbortSignal} signal
 */
function reporter(id, signal) {
  let phase = '';
  let last = -Infinity;
  return async (/** @type {import('./protocol.js').Progress} */ progress) => {
    const now = performance.now();
    if (progress.phase !== phase || progress.done === progress.total || now - last > BREATH_MS) {
      [phase, last] = [progress.phase, now];
      post({ type: 'progress', id, progress });
      // Lets the message that cancels be heard.
      await new Promise((resolve) => setTimeout(resolve));
    }
    return !signal.aborted;
  };
}

/**
 * Buffers of the typed arrays in a reply, to be moved rather than copied.
 * @param {unknown} value
 * @returns {ArrayBuffer[]}
 */
function buffers(value) {
  if (ArrayBuffer.isView(value)) return [/** @type {ArrayBuffer} */ (value.buffer)];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.values(value).flatMap(buffers);
}
