// The runtime as a page or a program uses it: promises over the worker.

import { absolute, wasmAddresses } from './addresses.js';
import { codedError, describeError } from './error.js';
import { persist } from './loading/persist.js';
import { startWorker } from './start.js';
import { cancelled, heeding, LIMITS } from './wait.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').FromWorker} FromWorker */
/** @typedef {import('./protocol.js').Attribution} Attribution */

/**
 * @typedef {object} ClientOptions
 * @property {(notice: import('./protocol.js').Notice) => void} [onNotice] hears what a person should know though
 *   nothing failed
 * @property {string | URL} [workerUrl] where `worker.js` is, if not beside this module. One of another origin is
 *   started through a Blob, which a Content-Security-Policy may forbid
 * @property {string | URL | Partial<import('./protocol.js').WasmAddresses>} [wasmUrl] the folder of `webgpu.wasm`,
 *   `cpu.wasm` and `cpu-relaxed.wasm`, or the address of each, if not beside this module
 */

/**
 * @typedef {object} OpenOptions
 * @property {import('./protocol.js').DeviceKind} [device] if left out: WebGPU where there is a real adapter, else the
 *   CPU
 * @property {Map<string, File>} [files] those that `folder:` addresses mean, by path
 * @property {boolean} [isPrivate] tables of tokens and latents are read whole, so that their host cannot tell the
 *   prompt from the rows that are asked for
 * @property {AbortSignal} [signal] rejects with `cancelled` when it aborts
 */

/**
 * @typedef {object} AttributeOptions
 * @property {(progress: import('./protocol.js').Progress) => void} [onProgress] hears how far the phases have come
 * @property {AbortSignal} [signal] rejects with `cancelled` when it aborts; what was loaded stays
 */

/** Tokens as columns of one length. @typedef {{token_id: number[], string: string[]}} Tokens */

/**
 * @typedef {object} Pending
 * @property {(value: any) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {((progress: import('./protocol.js').Progress) => void) | undefined} onProgress
 * @property {Promise<void>} settled the worker has answered, or is no more
 * @property {() => void} settle
 * @property {boolean} isCancelled
 * @property {boolean} isOpening
 */

/** Where the adapters' shapes of matrix products are kept, so that they are tried out only once. */
const SHAPES = 'sae-attribution.shapes';

/** @returns {Record<string, string>} */
function knownShapes() {
  try {
    return JSON.parse(localStorage.getItem(SHAPES) ?? '{}') ?? {};
  } catch {
    // No storage, or not ours: the adapter is tried out again.
    return {};
  }
}

/** @param {import('./protocol.js').Opened} opened */
function remember({ adapter, shape }) {
  if (!adapter) return;
  try {
    localStorage.setItem(SHAPES, JSON.stringify({ ...knownShapes(), [adapter]: shape }));
  } catch {
    // Likewise.
  }
}

/**
 * Addresses may be relative to the page; those that begin with `folder:` mean files of this computer.
 * @param {Source} source
 * @returns {Source}
 */
function resolved(source) {
  /** @template {{address: string}} T @param {T} one @returns {T} */
  const whole = (one) => (/^folder:/.test(one.address) ? one : { ...one, address: absolute(one.address) });
  try {
    return { model: whole(source.model), saes: source.saes.map(whole) };
  } catch {
    // What has not the documented form is refused by the runtime, in its words.
    return source;
  }
}

/**
 * A model that answers how tokens, latents of sparse autoencoders (SAEs) and logits drive each other.
 *
 * The attribution of a source to a target is d target / d source × source activation (Marks et al., “Sparse Feature
 * Circuits”, arXiv:2403.19647), with nothing frozen: attention patterns and LayerNorms are differentiated, too. The
 * source SAE's error term is added, so that the forward pass is exact.
 *
 * Rejections are Errors with a stable `code`; `describeError` reads both.
 *
 * ```js
 * const client = new Client();
 * await client.open({ model: { address: '…/gpt2/resolve/main' }, saes: [{ address: '…/saes' }] });
 * const result = await client.attribute({
 *   prompt: 'The Eiffel tower is in',
 *   from: 'blocks.8.hook_resid_pre',
 *   to: { top_logits: 5 },
 * });
 * client.close();
 * ```
 *
 * The worker is started by the first call, not by the constructor. A fault of the device ends it: pending requests
 * reject with `device-failed`, and the next one starts a fresh worker with the same model. So does a cancelled request
 * that the worker does not let go of.
 */
export class Client {
  /**
   * Where the files are for clients that are not told, as those of `<sae-attribution>` are not.
   * @type {Pick<ClientOptions, 'workerUrl' | 'wasmUrl'>}
   */
  static defaults = {};

  /** @type {Worker | undefined} */
  #worker;
  /** @type {ClientOptions['workerUrl']} */
  #workerUrl;
  /** @type {ClientOptions['wasmUrl']} */
  #wasmUrl;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #lastId = 0;
  /** Whether the worker has a model open. */
  #isOpen = false;
  /** The reopening under way. @type {Promise<unknown> | undefined} */
  #reopening;
  /**
   * What to reopen after a fault.
   * @type {{source: Source} & Omit<OpenOptions, 'signal'> | undefined}
   */
  #opened;

  /** @param {ClientOptions} [options] */
  constructor({ onNotice, workerUrl = Client.defaults.workerUrl, wasmUrl = Client.defaults.wasmUrl } = {}) {
    /** Hears of notices; may be set anew. */
    this.onNotice = onNotice;
    this.#workerUrl = workerUrl;
    this.#wasmUrl = wasmUrl;
  }

  /**
   * Opens a model; replaces the one before, which answers on if this fails. Reads its configurations and the heads of
   * its files, some 100 kB, and the runtime: 0.3 MB on the CPU, 1.3 MB on WebGPU.
   * @param {Source} source addresses may be relative to the page
   * @param {OpenOptions} [options]
   * @returns {Promise<import('./protocol.js').Opened>} rejects with `runtime-unavailable`, `webgpu-unavailable`,
   *   `file-not-found`, `access-denied`, `fetch-failed`, `offline`, `config-invalid`, `tokenizer-invalid` or
   *   another code that tells what is wrong with a file
   */
  async open(source, { device, files, isPrivate, signal } = {}) {
    await this.#quiet(signal);
    const wasm = wasmAddresses(this.#wasmUrl);
    const opened = await this.#ask(
      { type: 'open', source: resolved(source), wasm, device, shapes: knownShapes(), files, isPrivate },
      { signal },
    );
    remember(opened);
    this.#opened = { source, device, files, isPrivate };
    this.#isOpen = true;
    return opened;
  }

  /**
   * Tokens of a prompt, BOS first.
   * @param {string} prompt
   * @returns {Promise<Tokens>} rejects with `not-open` before a model is opened
   */
  async tokenize(prompt) {
    await this.#reopen();
    return this.#ask({ type: 'tokenize', prompt });
  }

  /**
   * Tokens whose text begins with this one, commonest first.
   * @param {string} text
   * @param {number} [limit] most tokens
   * @returns {Promise<Tokens>}
   */
  async complete(text, limit = 12) {
    await this.#reopen();
    return this.#ask({ type: 'complete', text, limit });
  }

  /**
   * Answers one request: d target / d source for every active source and target of a prompt, exact, with attention
   * patterns and LayerNorms differentiated. Requests are answered in turn.
   *
   * Reads what it needs of the weights and keeps it for the next request and, in the browser's private file system,
   * for the next visit.
   * @param {import('./protocol.js').Request} request
   * @param {AttributeOptions} [options]
   * @returns {Promise<Attribution>} its matrices are `[targets, sources]` row-major; rejects with `request-invalid`,
   *   `prompt-too-long`, `patch-length`, `place-out-of-range`, `place-order`, `sae-missing`, `k-out-of-range`, `not-one-token`,
   *   `result-too-large`, `cancelled`, `device-failed`, or what `open` rejects with: files are read now
   */
  async attribute(request, options = {}) {
    await this.#reopen(options.signal);
    return this.#ask({ type: 'attribute', request }, options);
  }

  /**
   * Runs a prompt with some latents changed, the rest of the model run on without linearising anything; what the SAEs
   * miss stays as it is (SAELens' `use_error_term`).
   * @param {import('./protocol.js').Intervention} request
   * @param {AttributeOptions} [options]
   * @returns {Promise<import('./protocol.js').Intervened>} logits and probabilities of the last position before and
   *   after, their Kullback–Leibler divergence in nats, latents of the observed places; rejects as `attribute` does
   */
  async intervene(request, options = {}) {
    await this.#reopen(options.signal);
    return this.#ask({ type: 'intervene', request }, options);
  }

  /**
   * How few latents carry a target: faithfulness and completeness curves (Marks et al., arXiv:2403.19647).
   * @param {import('./protocol.js').CurveRequest} request
   * @param {AttributeOptions} [options]
   * @returns {Promise<import('./protocol.js').Curves>} with the SAE's error and without; rejects as `attribute` does
   */
  async curves(request, options = {}) {
    await this.#reopen(options.signal);
    return this.#ask({ type: 'curves', request }, options);
  }

  /**
   * Continues a prompt, as the model is and steered by latents: a multiple of a latent's row of `W_dec` is added where
   * its SAE writes.
   * @param {import('./protocol.js').Generation} request
   * @param {AttributeOptions} [options]
   * @returns {Promise<import('./protocol.js').Generated>} tokens of both, and the logits behind the prompt; rejects as
   *   `attribute` does
   */
  async generate(request, options = {}) {
    await this.#reopen(options.signal);
    return this.#ask({ type: 'generate', request }, options);
  }

  /**
   * Peaks so far, in bytes: of wasm memory, which only ever grows, and of the buffers on the device.
   * @returns {Promise<{wasm: number, device: number}>}
   */
  async memory() {
    return this.#ask({ type: 'memory' });
  }

  /**
   * Files of which bytes are kept for the next visit. Answered while a request runs, too.
   * @returns {Promise<import('./protocol.js').CachedFile[]>}
   */
  async cached() {
    return this.#ask({ type: 'cache-list' });
  }

  /**
   * Removes what is kept: of one file, or all of it.
   * @param {string} [url]
   * @returns {Promise<void>} rejects with `cache-busy` where another tab uses it
   */
  async uncache(url) {
    return this.#ask(url === undefined ? { type: 'cache-clear' } : { type: 'cache-remove', url });
  }

  /**
   * Asks the browser, once, not to clear what is kept when room is short. Some browsers ask the person.
   * @returns {Promise<boolean>} whether it agreed
   */
  async persist() {
    return persist();
  }

  /** Ends the worker and everything under way. */
  close() {
    this.#end(codedError('cancelled', 'Closed.'));
    this.#opened = undefined;
  }

  /** @param {AbortSignal} [signal] */
  async #reopen(signal) {
    await this.#quiet(signal);
    if (this.#isOpen || !this.#opened) return;
    const { source, ...options } = this.#opened;
    this.#reopening ??= this.open(source, { ...options, signal }).finally(() => (this.#reopening = undefined));
    await heeding(this.#reopening, signal);
  }

  /** Waits until the worker has let go of what was cancelled, or has been ended. @param {AbortSignal} [signal] */
  async #quiet(signal) {
    const left = [...this.#pending.values()].filter(({ isCancelled }) => isCancelled);
    await heeding(Promise.all(left.map(({ settled }) => settled)), signal);
  }

  /**
   * @param {{type: string} & Record<string, unknown>} message without its id
   * @param {{onProgress?: Pending['onProgress'], signal?: AbortSignal}} [options]
   * @returns {Promise<any>}
   */
  #ask(message, { onProgress, signal } = {}) {
    if (signal?.aborted) return Promise.reject(cancelled());
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#lastId;
    let settle = () => {};
    /** @type {Promise<void>} */
    const settled = new Promise((resolve) => (settle = resolve));
    return new Promise((resolve, reject) => {
      const isOpening = message.type === 'open';
      const pending = { resolve, reject, onProgress, settled, settle, isCancelled: false, isOpening };
      try {
        worker.postMessage({ ...message, id });
      } catch (error) {
        const cause = describeError(error).message;
        reject(codedError('request-invalid', `The request cannot be sent to the runtime: ${cause}`));
        return;
      }
      this.#pending.set(id, pending);
      const cancel = () => this.#cancel(worker, id, pending);
      signal?.addEventListener('abort', cancel, { once: true });
      void settled.then(() => signal?.removeEventListener('abort', cancel));
    });
  }

  /**
   * Answers at once; the worker, which may be in the middle of something, is given a moment.
   * @param {Worker} worker @param {number} id @param {Pending} pending
   */
  #cancel(worker, id, pending) {
    pending.isCancelled = true;
    pending.onProgress = undefined;
    pending.reject(cancelled());
    worker.postMessage({ type: 'cancel', id });
    const timer = setTimeout(() => this.#fail(worker, 'it did not let itself be cancelled'), LIMITS.cancel);
    void pending.settled.then(() => clearTimeout(timer));
  }

  #start() {
    const { worker, failed } = startWorker(this.#workerUrl);
    let hasStarted = false;
    const unavailable = (/** @type {string} */ cause) => worker === this.#worker && this.#end(failed(cause));
    const timer = setTimeout(() => unavailable(`nothing came for ${LIMITS.start / 1000} seconds`), LIMITS.start);
    worker.addEventListener('message', ({ data }) => {
      const message = /** @type {FromWorker} */ (data);
      if (message.type === 'started') {
        hasStarted = true;
        clearTimeout(timer);
        return;
      }
      if (message.type === 'fault') {
        this.#fail(worker, message.message);
        return;
      }
      if (message.type === 'notice') {
        this.onNotice?.({ code: message.code, message: message.message });
        return;
      }
      const pending = this.#pending.get(message.id);
      if (message.type === 'progress') {
        pending?.onProgress?.(message.progress);
        return;
      }
      this.#pending.delete(message.id);
      if (message.type === 'reply') pending?.resolve(message.value);
      else pending?.reject(codedError(message.code, message.message));
      pending?.settle();
      // What was opened though it was cancelled is not what the next request means.
      if (message.type === 'reply' && pending?.isCancelled && pending.isOpening) this.#isOpen = false;
      if (message.type !== 'error') return;
      // What is open has read parts of the old version.
      if (message.code === 'file-changed') this.#isOpen = false;
      // A device that failed once does not recover, nor does a module that did not come: the next request
      // gets fresh ones.
      if (['device-failed', 'runtime-unavailable'].includes(message.code)) this.#fail(worker, message.message);
    });
    worker.addEventListener('error', ({ message }) => {
      clearTimeout(timer);
      if (hasStarted) this.#fail(worker, message || 'its worker failed');
      else unavailable(message || 'its worker could not be loaded');
    });
    return worker;
  }

  /** @param {Worker} worker @param {string} cause */
  #fail(worker, cause) {
    if (worker !== this.#worker) return;
    this.#end(codedError('device-failed', `The runtime stopped: ${cause}. Run again to restart it.`));
  }

  /** @param {Error} error */
  #end(error) {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#isOpen = false;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject, settle } of pending) {
      reject(error);
      settle();
    }
  }
}
