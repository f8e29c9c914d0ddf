// What an engine may lack or refuse: scripts that run before the page's own code and its workers', and take it away.
// What they have refused they tell, for `isTold`. createWritable is not among it: nothing here writes by it.

export const refuseOpfs = () => {
  if (!('StorageManager' in globalThis)) return;
  StorageManager.prototype.getDirectory = () =>
    Promise.reject(new DOMException('It was determined that certain files are unsafe for access.', 'SecurityError'));
};
export const noAccessHandles = () => {
  if ('FileSystemFileHandle' in globalThis) {
    Reflect.deleteProperty(FileSystemFileHandle.prototype, 'createSyncAccessHandle');
  }
};
export const noStorageManager = () =>
  void Object.defineProperty(Object.getPrototypeOf(navigator), 'storage', { get: () => undefined });
export const noCaches = () => {
  for (let at = globalThis; at; at = Object.getPrototypeOf(at)) Reflect.deleteProperty(at, 'caches');
};
export const noLocks = () =>
  void Object.defineProperty(Object.getPrototypeOf(navigator), 'locks', { get: () => undefined });
/** As where there are none. */
export const throwOnModuleWorkers = () => {
  const { Worker: Own } = globalThis;
  if (!Own) return;
  globalThis.Worker = class extends Own {
    constructor(/** @type {string | URL} */ url, /** @type {WorkerOptions | undefined} */ options) {
      if (options?.type === 'module') throw new TypeError('Module workers are not supported.');
      super(url, options);
    }
  };
};
/** As engines of before 2023 did, that know no `type`. */
export const loadAsClassic = () => {
  const { Worker: Own } = globalThis;
  if (!Own) return;
  globalThis.Worker = class extends Own {
    constructor(/** @type {string | URL} */ url, { type: _, ...options } = /** @type {WorkerOptions} */ ({})) {
      super(url, options);
    }
  };
};
export const noWorkersInWorkers = () => {
  if (!('document' in globalThis)) Reflect.deleteProperty(globalThis, 'Worker');
};
export const noYield = () => {
  if ('Scheduler' in globalThis) Reflect.deleteProperty(/** @type {any} */ (globalThis).Scheduler.prototype, 'yield');
};
export const noRelaxedSimd = () => {
  const { validate } = WebAssembly;
  // Its instructions begin with 0x85 0x02.
  WebAssembly.validate = (bytes) => !/,133,2\b/.test(String(bytes)) && validate(bytes);
};
export const noWebAssembly = () => void Reflect.deleteProperty(globalThis, 'WebAssembly');
/** As where SIMD is lacking. */
export const refuseWebAssembly = () => {
  const refuse = () => Promise.reject(new WebAssembly.CompileError('Wasm SIMD unsupported'));
  Object.assign(WebAssembly, { instantiate: refuse, instantiateStreaming: refuse, compile: refuse });
};
export const noByob = () => {
  const { getReader } = ReadableStream.prototype;
  const channel = new BroadcastChannel('told');
  /** @type {any} */ (ReadableStream.prototype).getReader = function (/** @type {any} */ options) {
    if (options?.mode !== 'byob') return getReader.call(this, options);
    channel.postMessage('byob');
    throw new TypeError('This stream does not support BYOB readers.');
  };
};
export const noTrustedTypes = () => void Reflect.deleteProperty(globalThis, 'trustedTypes');
export const noMemory = () => {
  if (!('document' in globalThis)) return;
  const refuse = () => {
    throw new DOMException('The operation is insecure.', 'SecurityError');
  };
  Object.defineProperty(globalThis, 'localStorage', { get: refuse });
  history.replaceState = refuse;
};
export const noClipboard = () =>
  void Object.defineProperty(Object.getPrototypeOf(navigator), 'clipboard', { get: () => undefined });
export const noWebgpu = () =>
  void Object.defineProperty(Object.getPrototypeOf(navigator), 'gpu', { get: () => undefined });
export const noAdapter = () => {
  if ('GPU' in globalThis) /** @type {any} */ (globalThis).GPU.prototype.requestAdapter = async () => null;
};
/** An adapter of hardware, by its own account, that gives no device. */
export const noDevice = () => {
  const { GPUAdapter, GPUAdapterInfo } = /** @type {any} */ (globalThis);
  if (!GPUAdapter) return;
  for (const { prototype } of [GPUAdapter, GPUAdapterInfo]) {
    Object.defineProperty(prototype, 'isFallbackAdapter', { get: () => false });
  }
  GPUAdapter.prototype.requestDevice = () => Promise.reject(new DOMException('No device for you.', 'OperationError'));
};
/** The device is destroyed when the page says so. */
export const loseDevice = () => {
  const { GPUAdapter } = /** @type {any} */ (globalThis);
  if (!GPUAdapter || 'document' in globalThis) return;
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (/** @type {any} */ ...args) {
    const device = await requestDevice.apply(this, args);
    const channel = new BroadcastChannel('lose');
    channel.onmessage = () => {
      device.destroy();
      new BroadcastChannel('told').postMessage('destroyed');
    };
    return device;
  };
};
/** Hears what the others tell. */
export const listen = () => {
  if (!('document' in globalThis)) return;
  /** @type {string[]} */
  const told = [];
  Object.assign(globalThis, { told });
  new BroadcastChannel('told').onmessage = ({ data }) => told.push(data);
};
