// The last results of this browser, kept for the next visit: each as the text of a saved result, so that what comes
// back is checked like a file. Where the browser keeps nothing, the page goes on without.

import { integer, Mismatch, object, passed, refuse, text } from '../figure/schema.js';
import { toJsonParts } from '../figure/write.js';
import { codedError } from '../runtime/error.js';
import { readResult } from './read-result.js';

/** @typedef {import('../figure/result.js').Saved} Saved */
/** @typedef {{id: string, title: string, model: string, time: number, json: Blob}} Kept time: in ms, when it was kept */

const [NAME, STORE] = ['sae-attribution.results', 'results'];
/** What is kept at most; the oldest goes first. */
export const MOST = { results: 20, bytes: 64e6 };
/** A database that does not open by then, in ms, is none. */
const PATIENCE = 4000;

/** @type {import('../figure/schema.js').Check<Blob>} */
const blob = (value, path) => (value instanceof Blob ? value : refuse(path, 'is not a file'));
/** @type {import('../figure/schema.js').Check<Kept>} */
const asKept = object({
  id: text(2 ** 21),
  title: text(1000),
  model: text(1000),
  time: integer(0, Number.MAX_SAFE_INTEGER),
  json: blob,
});
const DROPPED = 'A kept result could not be read, and was removed.';

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answered = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @param {IDBFactory} [factory] @returns {Promise<IDBDatabase>} */
async function open(factory = globalThis.indexedDB) {
  const request = factory.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('It does not open.')), PATIENCE));
  return /** @type {Promise<IDBDatabase>} */ (Promise.race([answered(request), late]));
}

/**
 * Those that stay, newest first: as many as there is room for.
 * @template {{time: number, json: {size: number}}} T
 * @param {T[]} entries
 */
export function staying(entries) {
  let bytes = 0;
  return [...entries]
    .sort((a, b) => b.time - a.time)
    .filter(({ json }, i) => i < MOST.results && (bytes += json.size) <= MOST.bytes);
}

export function createKeptResults() {
  /** @type {Promise<IDBDatabase> | undefined} */
  let opening;

  /** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => Promise<T>} act */
  async function within(mode, act) {
    opening ??= open();
    const store = (await opening).transaction(STORE, mode).objectStore(STORE);
    const { transaction } = store;
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
    const [found] = await Promise.all([act(store), done]);
    return found;
  }

  /** What is not as it was written is removed. @param {IDBObjectStore} store */
  async function readable(store) {
    const [values, keys] = await Promise.all([answered(store.getAll()), answered(store.getAllKeys())]);
    /** @type {Kept[]} */
    const entries = [];
    values.forEach((value, i) => {
      const entry = passed(asKept, value);
      if (entry) entries.push(entry);
      else store.delete(keys[i]);
    });
    return { entries, dropped: values.length - entries.length };
  }

  return {
    /**
     * @param {Omit<Kept, 'time' | 'json'>} about
     * @param {Saved} result
     * @returns {Promise<boolean>} whether it is kept
     */
    async keep(about, result) {
      try {
        const parts = [];
        for await (const part of toJsonParts(result)) parts.push(part);
        const json = new Blob(parts, { type: 'application/json' });
        if (json.size > MOST.bytes) return false;
        await within('readwrite', async (store) => {
          store.put({ ...about, title: about.title.slice(0, 1000), time: Date.now(), json });
          const { entries } = await readable(store);
          const stay = new Set(staying(entries).map(({ id }) => id));
          for (const { id } of entries) if (!stay.has(id)) store.delete(id);
        });
        return true;
      } catch {
        // No storage, or no room in it: this visit has it all the same.
        return false;
      }
    },

    /** Newest first. @returns {Promise<{entries: Kept[], dropped: number}>} dropped: could not be read; rejects without storage */
    async list() {
      const { entries, dropped } = await within('readwrite', readable);
      return { entries: entries.sort((a, b) => b.time - a.time), dropped };
    },

    /**
     * @param {string} id
     * @returns {Promise<Saved | undefined>} none where none is kept; rejects with `kept-invalid`
     */
    async get(id) {
      /** @type {unknown} */
      const value = await within('readonly', (store) => answered(store.get(id))).catch(() => undefined);
      if (value === undefined) return undefined;
      try {
        return await readResult(asKept(value, '').json);
      } catch (error) {
        if (!(error instanceof Mismatch) && /** @type {any} */ (error).code !== 'result-invalid') throw error;
        await this.remove(id);
        throw codedError('kept-invalid', DROPPED);
      }
    },

    /** @param {string} [id] all, if not given */
    async remove(id) {
      await within('readwrite', async (store) => void (id === undefined ? store.clear() : store.delete(id)));
    },
  };
}

/** @param {number} n */
export const droppedText = (n) => (n === 1 ? DROPPED : `${n} kept results could not be read, and were removed.`);
