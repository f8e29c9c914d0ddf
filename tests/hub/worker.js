// Runs the reader and the cache in a module worker, as the page does, and answers the tests' calls.

import { createCache } from '../../www/runtime/loading/cache.js';
import { DISK } from '../../www/runtime/loading/disk.js';
import { serveDisk } from '../../www/runtime/loading/disk-worker.js';
import { createFolderReader } from '../../www/runtime/loading/folder.js';
import { createReader, publishedSha256 } from '../../www/runtime/loading/hub.js';
import { LIMITS } from '../../www/runtime/wait.js';

// What a browser may lack; told by the address, before the cache looks for it.
const lacks = new URLSearchParams(location.search).get('lacks')?.split(',') ?? [];
const isSilent = lacks.includes('answers') || lacks.includes('answers-of-disk');
if (lacks.includes('handles')) Reflect.deleteProperty(FileSystemFileHandle.prototype, 'createSyncAccessHandle');
if (lacks.includes('opfs')) Reflect.deleteProperty(StorageManager.prototype, 'getDirectory');
if (lacks.includes('caches')) {
  for (let at = globalThis; at; at = Object.getPrototypeOf(at)) Reflect.deleteProperty(at, 'caches');
}
if (lacks.includes('network')) {
  Object.defineProperty(Object.getPrototypeOf(navigator), 'onLine', { get: () => false });
}

if (isSilent) {
  // Of the browser's stores, or of the worker beside.
  const never = () => new Promise(() => {});
  if (lacks.includes('answers-of-disk')) {
    LIMITS.disk = 300;
    /** @type {any} */ (globalThis).Worker = class {
      postMessage() {}
      terminate() {}
    };
  } else {
    LIMITS.store = 300;
    StorageManager.prototype.getDirectory = never;
    CacheStorage.prototype.open = never;
  }
}

/** Quick enough for tests. */
const PATIENCE = { firstPauseMs: 5, longestPauseMs: 40, longestWaitMs: 1_500, stallMs: 8_000, idleMs: 1_000 };

/** Bytes that a file may have which is read as a whole. */
const MOST = 32 * 2 ** 20;

/** @type {{code: string, message: string}[]} */
const notices = [];
const onNotice = (/** @type {{code: string, message: string}} */ notice) => void notices.push(notice);

/** Stands for the runtime's: a sum of another kind that takes bytes one after another. */
function createSha256() {
  let sum = 7;
  return {
    update(/** @type {Uint8Array} */ bytes) {
      for (const byte of bytes) sum = (sum * 31 + byte) >>> 0;
    },
    hex: () => sum.toString(16).padStart(64, '0'),
  };
}

const cache = createCache({
  onNotice,
  sha256: publishedSha256,
  createSha256: async () => createSha256(),
  idleMs: 300,
});
/** @type {AbortController} */
let controller = new AbortController();
/** @type {import('../../www/runtime/loading/hub.js').Reader} */
let reader;

let catchUp = () => {};

/** @param {Uint8Array} bytes */
async function sum(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @type {Record<string, (...args: any[]) => unknown>} */
const calls = {
  open({ cached = true, patience = {} } = {}) {
    reader = createReader({
      cache: cached ? cache : undefined,
      signal: () => controller.signal,
      onNotice,
      patience: { ...PATIENCE, ...patience },
    });
  },
  /** With a disk that has written nothing of what it was given until `caughtUp`. */
  openBusy() {
    /** @type {Promise<void>} */
    const calm = new Promise((resolve) => (catchUp = resolve));
    let writes = 0;
    const entry = { version: async () => undefined, read: async () => [], write: () => writes++ };
    const busy = /** @type {any} */ ({ entry: () => entry, calm: () => (writes > 0 ? calm : undefined) });
    reader = createReader({ cache: busy, patience: PATIENCE });
  },
  caughtUp: () => catchUp(),
  openFolder(/** @type {[string, string][]} */ files) {
    reader = createFolderReader(new Map(files.map(([path, text]) => [path, new File([text], path)])));
  },
  expect: (ranges) => reader.expect(ranges),
  async read(path, start, end) {
    const reading = start === undefined ? reader.readWhole(path, MOST) : reader.read(path, start, end);
    const { bytes, fileLength } = await reading;
    return { length: bytes.length, fileLength, sha256: await sum(bytes) };
  },
  async readWhole(path, most) {
    const { bytes, fileLength } = await reader.readWhole(path, most);
    return { length: bytes.length, fileLength, sha256: await sum(bytes) };
  },
  /** Reads ranges in turn, a part at a time, as the runtime does. */
  async readAll(/** @type {{path: string, start: number, end: number}[]} */ ranges, part = 4 * 2 ** 20) {
    const all = [];
    for (const { path, start, end } of ranges) {
      for (let at = start; at < end; at += part) {
        all.push((await reader.read(path, at, Math.min(end, at + part))).bytes);
      }
    }
    return sum(new Uint8Array(await new Blob(/** @type {BlobPart[]} */ (all)).arrayBuffer()));
  },
  progress: () => reader.progress(),
  /** Cancels, and answers when all reads have been rejected. */
  cancel() {
    controller.abort();
    controller = new AbortController();
  },
  begin: () => reader.begin(),
  disown: (path) => reader.disown(path),
  notices: () => notices,
  list: () => cache.list(),
  remove: (url) => cache.remove(url),
  clear: () => cache.clear(),
  kind: async () => (await cache.store).kind,
  settled: async () => {
    while (cache.pending > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  },
  /** Has the checksum of a file asked for, as one who has kept all of it. */
  published: (url) => publishedSha256(url),
  /** Writes over the index of what is kept of an address; resolves to its lines before. */
  async forge(/** @type {string} */ url, /** @type {string[] | undefined} */ lines) {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('sae-attribution');
    for await (const [name, file] of /** @type {any} */ (folder).entries()) {
      if (!name.endsWith('.index')) continue;
      const text = await (await file.getFile()).text();
      if (!text.includes(`"${url}"`)) continue;
      const before = text.split('\n').filter(Boolean);
      if (!lines) return before;
      const handle = await file.createSyncAccessHandle();
      handle.truncate(0);
      handle.write(new TextEncoder().encode(lines.map((line) => `${line}\n`).join('')), { at: 0 });
      handle.close();
      return before;
    }
  },
  /** Puts answers into the only cache there is, under names of chunks; returns the names before. */
  async forgeCache(/** @type {Record<string, string>} */ entries) {
    const [name] = await caches.keys();
    const kept = await caches.open(name);
    const before = (await kept.keys()).map(({ url }) => url);
    for (const [path, text] of Object.entries(entries)) await kept.put(new URL(path, before[0]), new Response(text));
    return before;
  },
  /** Changes a byte of each kept file. */
  async corrupt(/** @type {number} */ at) {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('sae-attribution');
    for await (const [name, file] of /** @type {any} */ (folder).entries()) {
      if (!name.endsWith('.bytes')) continue;
      const handle = await file.createSyncAccessHandle();
      const byte = new Uint8Array(1);
      handle.read(byte, { at });
      handle.write(new Uint8Array([byte[0] ^ 1]), { at });
      handle.close();
    }
  },
};

const answer = async (/** @type {MessageEvent} */ { data: { id, name, args } }) => {
  try {
    self.postMessage({ id, value: await calls[name](...args) });
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    self.postMessage({ id, error: { code: code ?? 'unexpected', message } });
  }
};

// As every worker of the runtime does, this one starts the one that keeps downloads from its own address.
if (self.name === DISK) serveDisk();
else self.onmessage = answer;
