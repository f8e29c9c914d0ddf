// Owns the runtime, in a worker: one build, one session, one request at a time.

import { MODULES } from './builds.js';
import { createCache } from './loading/cache.js';
import { chooseDevice, hasRelaxedSimd } from './device.js';
import { codedError, describeError } from './error.js';
import { missingOf, notThere } from './missing.js';
import { createFolderReader } from './loading/folder.js';
import { createReader, publishedSha256 } from './loading/hub.js';
import { LIMITS, within } from './wait.js';

/** @typedef {import('./protocol.js').ToWorker} ToWorker */
/** @typedef {import('./protocol.js').FromWorker} FromWorker */
/** @typedef {import('./protocol.js').DeviceKind} DeviceKind */
/** @typedef {import('./protocol.js').Notice} Notice */
/** @typedef {import('./protocol.js').Progress} Progress */
/** @typedef {Extract<ToWorker, {type: `cache-${string}`}>} CacheMessage */
/** What is answered in turn. @typedef {Exclude<ToWorker, CacheMessage | {type: 'cancel'}>} Queued */

/** Messages are heard at most this often. */
const BREATH_MS = 16;
/** Progress is told at most this often: to draw it takes from the processor that computes. */
const TELL_MS = 100;
/** While the runtime waits for bytes, those that arrive are told this often. */
const LOADING_MS = 200;
/** What the runtime says of files whose content is no use; they need not be kept. */
const USELESS = /^(config|tokenizer|safetensors)-invalid$|^tensor-/;

/** Builds already started, by device. @type {Map<DeviceKind, Promise<any>>} */
const builds = new Map();
/** @type {any} */
let session;
/** Memory of the build last started. @type {WebAssembly.Memory | undefined} */
let memory;
/** The request under way. @type {{id: number, controller: AbortController} | undefined} */
let current;
/** Requests waiting their turn. @type {Queued[]} */
const queue = [];
/** Settles when no request is under way. */
let idle = Promise.resolve();
/** Where the open model's bytes come from. @type {import('./loading/hub.js').Reader | undefined} */
let reader;

/** What is kept of files for the next visit. @type {import('./loading/cache.js').ByteCache} */
let cache;
/** Where the wasm of each build is, as the client said last. @type {import('./protocol.js').WasmAddresses} */
let wasmAt;

const onNotice = (/** @type {Notice} */ notice) => post({ type: 'notice', ...notice });

const { port1: heard, port2: called } = new MessageChannel();
/** Lets messages be heard, such as the one that cancels. A timer would wait 4 ms each time. */
function breath() {
  return new Promise((resolve) => {
    heard.onmessage = resolve;
    called.postMessage(undefined);
  });
}

/** @param {FromWorker} message @param {Transferable[]} [transfer] */
function post(message, transfer = []) {
  self.postMessage(message, { transfer });
}

/** Answers the client that started this worker. */
export function serveSession() {
  cache = createCache({
    onNotice,
    sha256: publishedSha256,
    createSha256: async () => {
      const [runtime] = await Promise.all(builds.values());
      return runtime?.Sha256 && new runtime.Sha256();
    },
    // One breath at a time, so that requests are heard in between.
    whenIdle: () => idle.then(() => new Promise((resolve) => setTimeout(resolve))),
  });
  self.addEventListener('message', ({ data }) => hear(data));
  post({ type: 'started' });
}

/** @param {ToWorker} message */
function hear(message) {
  if (message.type === 'cache-list' || message.type === 'cache-remove' || message.type === 'cache-clear') {
    void reply(message, answerCache);
    return;
  }
  if (message.type !== 'cancel') {
    queue.push(message);
    if (!current) idle = work();
    return;
  }
  if (current?.id === message.id) current.controller.abort();
  const waiting = queue.findIndex(({ id }) => id === message.id);
  if (waiting >= 0) {
    queue.splice(waiting, 1);
    post({ type: 'error', id: message.id, code: 'cancelled', message: 'Cancelled.' });
  }
}

/**
 * @template {{id: number}} Message
 * @param {Message} message
 * @param {(message: Message) => Promise<unknown>} answer
 */
async function reply(message, answer) {
  try {
    const value = await answer(message);
    post({ type: 'reply', id: message.id, value }, buffers(value));
  } catch (error) {
    post({ type: 'error', id: message.id, ...describeError(error) });
  }
}

/** @param {CacheMessage} message */
async function answerCache(message) {
  if (message.type === 'cache-list') return cache.list();
  return message.type === 'cache-clear' ? cache.clear() : cache.remove(message.url);
}

async function work() {
  for (let message = queue.shift(); message; message = queue.shift()) {
    const controller = new AbortController();
    current = { id: message.id, controller };
    reader?.begin();
    await reply(message, (message) => answer(message, controller.signal));
    current = undefined;
  }
}

/**
 * @param {Queued} message
 * @param {AbortSignal} signal
 */
async function answer(message, signal) {
  if (message.type === 'memory')
    return { wasm: memory?.buffer.byteLength ?? 0, device: session?.peakDeviceMemory ?? 0 };
  if (message.type === 'open') return open(message, signal);
  if (!session || !reader) throw codedError('not-open', 'No model is open.');
  if (message.type === 'tokenize') return session.tokenize(message.prompt);
  if (message.type === 'complete') return session.complete(message.text, message.limit);
  const { report, end } = reporter(message.id, signal, reader);
  try {
    return await session[message.type](message.request, report);
  } catch (error) {
    await disown(reader, error);
    throw error;
  } finally {
    end();
  }
}

/**
 * Keeps nothing of a file whose content was no use.
 * @param {import('./loading/hub.js').Reader} reader
 * @param {unknown} error which may name the file
 */
async function disown(reader, error) {
  const { file } = /** @type {{file?: unknown}} */ (error ?? {});
  if (USELESS.test(describeError(error).code)) await reader.disown(typeof file === 'string' ? file : undefined);
}

/**
 * @param {Extract<ToWorker, {type: 'open'}>} message
 * @param {AbortSignal} signal
 */
async function open({ source, device: asked, wasm, shapes = {}, files, isPrivate = false }, signal) {
  wasmAt = wasm;
  let { device, reason, adapter } = await chooseDevice(asked, { signal });
  /** @type {string | undefined} */
  let missing;
  const newReader = files
    ? createFolderReader(files)
    : createReader({ cache, keep: isRemote, signal: () => current?.controller.signal, onNotice });
  const openOn = async () => {
    const runtime = await build(device, signal);
    const opening = runtime.Session.open(source, newReader, shapes[adapter], isPrivate);
    return within(LIMITS.open, opening, () => silent(device), { heard: () => bytesOf(newReader) }).catch((error) => {
      // What opens too late is not used.
      opening.then(
        (/** @type {any} */ late) => late.free(),
        () => {},
      );
      throw error;
    });
  };
  let opened;
  try {
    try {
      opened = await openOn();
    } catch (error) {
      // An adapter that gives no usable device is as good as none, unless it was asked for; so is one without its build.
      const lacks = missingOf(error);
      const isOther = !lacks && describeError(error).code !== 'webgpu-unavailable';
      if (asked || device === 'cpu' || isOther) throw error;
      if (lacks) missing = wasm.webgpu;
      ({ device, reason, adapter } = { device: 'cpu', reason: lacks ?? describeError(error).message, adapter: '' });
      opened = await openOn();
    }
  } catch (error) {
    await disown(newReader, error);
    newReader.close();
    throw error;
  }
  // The old model goes only when the new one is there.
  session?.free();
  reader?.close();
  [session, reader] = [opened, newReader];
  if (missing) onNotice({ code: 'build-missing', message: `Computing on the CPU: ${reason}.` });
  return { device, reason, adapter, missing, shape: opened.shape, config: opened.config };
}

/**
 * Whether a file is kept for the next visit. What lies beside the page may change with it, and the
 * browser's own cache knows when.
 * @param {string} path
 */
function isRemote(path) {
  const { origin, pathname } = new URL(path, self.location.href);
  return origin !== self.location.origin || pathname.includes('/resolve/');
}

/** Bytes that came so far. @param {import('./loading/hub.js').Reader} reader */
function bytesOf(reader) {
  const { network, cached } = reader.progress();
  return network + cached;
}

/** @param {DeviceKind} device that does not answer */
function silent(device) {
  return device === 'webgpu'
    ? codedError('webgpu-unavailable', 'The WebGPU adapter does not answer. Restart the browser, or run on the CPU.')
    : codedError('device-failed', 'The runtime does not answer. Run again to restart it.');
}

/** @param {DeviceKind} device @param {AbortSignal} signal */
function build(device, signal) {
  let started = builds.get(device);
  if (!started) {
    started =
      device === 'cpu' && hasRelaxedSimd()
        ? // It computes the same, only faster.
          start('cpu-relaxed', signal).catch((error) => {
            if (!missingOf(error)) throw error;
            return start('cpu', signal);
          })
        : start(device, signal);
    builds.set(device, started);
    // A build that did not arrive can be asked for again.
    started.catch(() => builds.delete(device));
  }
  return started;
}

/** @param {import('./builds.js').Build} name @param {AbortSignal} signal */
async function start(name, signal) {
  if (!('WebAssembly' in globalThis)) {
    const advice = 'Allow it for this site, as strict modes of browsers forbid it, or use another browser.';
    throw codedError(
      'runtime-unavailable',
      `This browser has no WebAssembly, which the runtime is written in. ${advice}`,
    );
  }
  const stop = new AbortController();
  let importing = /** @type {Promise<any>} */ (Promise.resolve());
  const load = async () => {
    const response = await fetch(wasmAt[name], { signal: stop.signal });
    if (!response.ok) throw notThere(name, response);
    // Not before: browsers remember of a module that it was not there.
    importing = MODULES[name]();
    return { runtime: await importing, response };
  };
  const late = (/** @type {string} */ what, /** @type {number} */ ms) => () =>
    new Error(`${what} ${ms / 1000} seconds`);
  try {
    const { runtime, response } = await within(LIMITS.start, load(), late('nothing came for', LIMITS.start), {
      signal,
    });
    // The answer itself: what a browser compiled of it, it keeps for the next visit.
    const compiling = runtime.default({ module_or_path: response });
    const wasm = await within(LIMITS.load, compiling, late('it was not there after', LIMITS.load), { signal });
    // Static constructors run once, here; crate/build.rs says why.
    wasm.__wasm_call_ctors();
    memory = wasm.memory;
    runtime.onFault((/** @type {string} */ message) => post({ type: 'fault', message }));
    return runtime;
  } catch (error) {
    stop.abort();
    if (signal.aborted) {
      // A module that does not come is not asked for again by this worker; the client ends it then.
      await importing.catch(() => {});
      throw error;
    }
    const { code, message: cause } = describeError(error);
    if (code === 'runtime-unavailable') throw error;
    throw codedError(
      'runtime-unavailable',
      `The ${name} build of the runtime could not be started: ${cause}. Check the connection and run again.`,
    );
  }
}

/**
 * The runtime's way to tell progress and to ask whether to go on. While it waits for bytes, tells which
 * have come.
 * @param {number} id
 * @param {AbortSignal} signal
 * @param {import('./loading/hub.js').Reader} reader
 */
function reporter(id, signal, reader) {
  /** @type {Progress | undefined} */
  let latest;
  let told = -Infinity;
  let breathed = -Infinity;
  let loaded = 0;
  const before = reader.progress();
  const tell = () => {
    if (!latest) return;
    told = performance.now();
    let progress = latest;
    if (progress.phase === 'load') {
      const { network, cached, ahead, rate } = reader.progress();
      loaded = Math.max(loaded, Math.min(progress.done + ahead, progress.total));
      progress = {
        ...progress,
        done: loaded,
        network: network - before.network,
        cached: cached - before.cached,
        rate,
      };
    }
    post({ type: 'progress', id, progress });
  };
  const timer = setInterval(() => latest?.phase === 'load' && tell(), LOADING_MS);
  const report = async (/** @type {Progress} */ progress) => {
    const isNew = progress.phase !== latest?.phase;
    latest = progress;
    const now = performance.now();
    if (isNew || progress.done === progress.total || now - told > TELL_MS) tell();
    if (isNew || now - breathed > BREATH_MS) {
      breathed = now;
      await breath();
    }
    return !signal.aborted;
  };
  return { report, end: () => clearInterval(timer) };
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
