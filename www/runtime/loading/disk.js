// Bytes of a file in the private file system, written and read with their checksums beside the thread
// that asks: hashing and the disk would hold up what is loaded and computed there.

import { sha256 } from './hash.js';
import { borrow, giveBack } from './spare.js';
import { LIMITS } from '../wait.js';

/**
 * @typedef {object} Handle FileSystemSyncAccessHandle, which TypeScript knows in workers only
 * @property {() => number} getSize
 * @property {(target: Uint8Array, options: {at: number}) => number} read
 * @property {(bytes: Uint8Array, options: {at: number}) => number} write
 * @property {(size: number) => void} truncate
 * @property {() => void} flush
 * @property {() => void} close
 */

/**
 * An open file, in this tab alone.
 * @typedef {object} Disk
 * @property {number} size bytes when it was opened
 * @property {(at: number, bytes: Uint8Array<ArrayBuffer>) => Promise<string>} write resolves to the SHA-256;
 *   rejects with `QuotaExceededError` where there is no room. The bytes are not there any more afterwards
 * @property {(at: number, target: Uint8Array, hashes: boolean) => Promise<string | undefined>} read fills
 *   `target`; resolves to its SHA-256, or to '' unless it `hashes`; to undefined where the file ends earlier
 * @property {() => Promise<void>} close once everything is on the disk
 */

/** @param {FileSystemFileHandle} file @returns {Promise<Handle>} rejects where another tab uses it */
export function openHandle(file) {
  return /** @type {any} */ (file).createSyncAccessHandle();
}

/** @param {Handle} handle @param {Uint8Array} bytes @param {number} at */
export function write(handle, bytes, at) {
  if (handle.write(bytes, { at }) === bytes.length) return;
  throw new DOMException('The disk is full.', 'QuotaExceededError');
}

/**
 * Works on the thread that asks.
 * @param {FileSystemFileHandle} file
 * @returns {Promise<Disk>}
 */
export async function openHere(file) {
  const handle = await openHandle(file);
  return {
    size: handle.getSize(),
    async write(at, bytes) {
      const sum = await sha256(bytes);
      write(handle, bytes, at);
      return sum;
    },
    async read(at, target, hashes) {
      if (handle.read(target, { at }) !== target.length) return undefined;
      return hashes ? sha256(target) : '';
    },
    async close() {
      handle.flush();
      handle.close();
    },
  };
}

/**
 * What the worker answers; a buffer that went there comes back.
 * @typedef {{id: number, value?: any, error?: {name: string, message: string}, buffer?: ArrayBuffer}} Answer
 */

/** The name of the worker beside, by which the file of all workers knows what to do. */
export const DISK = 'sae-attribution disk';

/** @type {Map<number, (answer: Answer) => void>} */
const waiting = new Map();
/** Null where there is none. @type {Worker | null | undefined} */
let helper;
/** Ends a helper that is asked and says nothing. @type {ReturnType<typeof setTimeout> | undefined} */
let silence;
let lastId = 0;

/**
 * Works in a worker where there can be one.
 * @param {FileSystemFileHandle} file
 * @returns {Promise<Disk>} rejects as `createSyncAccessHandle` does
 */
export async function openDisk(file) {
  if (helper === undefined) helper = startHelper();
  if (!helper) return openHere(file);
  const { disk, size } = await ask('open', [file]);
  return {
    size,
    write: (at, bytes) => ask('write', [disk, at, bytes.length], bytes),
    read: (at, target, hashes) =>
      ask('read', [disk, at, target.length, hashes], borrow(target.length), (filled) => target.set(filled)),
    close: () => ask('close', [disk]),
  };
}

/**
 * @param {'open' | 'write' | 'read' | 'close'} call
 * @param {unknown[]} args
 * @param {Uint8Array<ArrayBuffer>} [borrowed] what goes there and back
 * @param {(bytes: Uint8Array) => void} [look] looks at it when it is back
 * @returns {Promise<any>}
 */
function ask(call, args, borrowed, look) {
  const id = ++lastId;
  const { length, buffer } = borrowed ?? {};
  return new Promise((resolve, reject) => {
    if (!helper) return reject(new Error('the worker that keeps downloads failed'));
    waiting.set(id, ({ value, error, buffer }) => {
      const back = buffer && new Uint8Array(buffer, 0, length);
      if (back && value !== undefined) look?.(back);
      if (back) giveBack(back);
      if (error) reject(new DOMException(error.message, error.name));
      else resolve(value);
    });
    helper.postMessage({ id, call, args, buffer }, buffer ? [buffer] : []);
    silence ??= setTimeout(giveUp, LIMITS.disk);
  });
}

/** Does without the helper. */
function giveUp() {
  // What it has open would be closed to everybody else.
  helper?.terminate();
  helper = null;
  clearTimeout(silence);
  const error = { name: 'OperationError', message: 'The worker that keeps downloads failed.' };
  for (const [id, answered] of waiting) answered({ id, error });
  waiting.clear();
}

function startHelper() {
  try {
    // From where this worker is from, which is of this origin in any case.
    const worker = new Worker(self.location.href, { type: 'module', name: DISK });
    worker.onmessage = ({ data }) => {
      const answered = waiting.get(data.id);
      waiting.delete(data.id);
      answered?.(data);
      clearTimeout(silence);
      silence = waiting.size > 0 ? setTimeout(giveUp, LIMITS.disk) : undefined;
    };
    worker.onerror = (event) => {
      // Nothing fails but keeping; unheeded, it would be an error of this worker, too.
      event.preventDefault();
      giveUp();
    };
    return worker;
  } catch {
    return null;
  }
}
