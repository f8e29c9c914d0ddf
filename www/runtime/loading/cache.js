// Keeps what was downloaded: byte ranges of remote files, checked when they are read back.
//
// Every stretch of bytes is kept with its SHA-256, and is entered in its file's index only after it
// has been written: a tab that is closed at any moment leaves nothing false, and what a crash of the
// machine may leave is found by the checksum. cache-store.js holds the two ways to store.

import { FORMAT, openStore } from './cache-store.js';
import { codedError } from '../error.js';
import { sha256 } from './hash.js';
import { isOther } from './remote.js';
import { borrow, giveBack } from './spare.js';

/** @typedef {import('./cache-store.js').Store} Store */
/** @typedef {import('./cache-store.js').StoredFile} StoredFile */
/** @typedef {import('./cache-store.js').Chunk} Chunk */
/** @typedef {{code: string, message: string}} Notice */
/** @typedef {{etag?: string, total?: number}} Version */
/** @typedef {{update: (bytes: Uint8Array) => void, hex: () => string, free?: () => void}} Hasher */

/**
 * @typedef {object} CacheOptions
 * @property {(notice: Notice) => void} [onNotice] `cache-none`, `cache-full`, `cache-busy`, `file-corrupt`
 * @property {(url: string) => Promise<string>} [sha256] hex SHA-256 that is published for a file, empty
 *   where there is none; rejects where that cannot be told now
 * @property {() => Promise<Hasher | undefined>} [createSha256] WebCrypto cannot hash piece by piece
 * @property {() => Promise<void>} [whenIdle] resolves when there is time to check whole files
 * @property {number} [idleMs] files not used for this long are closed, for other tabs to use
 */

/** Bytes on their way to the store, over which downloads wait: a tab that is closed loses these. */
const MOST_PENDING = 4 * 2 ** 20;

/** @param {CacheOptions} [options] */
export function createCache(options = {}) {
  return new ByteCache(options);
}

/** Kept files by address. Without a store, or where it fails, everything is simply not there. */
export class ByteCache {
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {Set<string>} */
  #told = new Set();
  /** Bytes being hashed or written. */
  pending = 0;
  /** Whether the browser gives no more room. */
  isFull = false;

  /** @param {CacheOptions} options */
  constructor({ onNotice = () => {}, sha256, createSha256, whenIdle = async () => {}, idleMs = 2_000 }) {
    this.onNotice = onNotice;
    this.check = sha256 && createSha256 ? { sha256, createSha256, whenIdle } : undefined;
    this.whenIdle = whenIdle;
    this.idleMs = idleMs;
    /** @type {Promise<Store>} */
    this.store = openStore().then((store) => {
      const { kind, reason } = store;
      if (kind === 'none') this.tell('cache-none', `Nothing is kept for the next visit: ${reason}.`);
      return store;
    });
  }

  /** What is kept of one file. @param {string} url */
  entry(url) {
    let entry = this.#entries.get(url);
    if (!entry) this.#entries.set(url, (entry = new Entry(url, this)));
    return entry;
  }

  /** Resolves when the store has caught up with what it was given; undefined where it has. */
  calm() {
    return this.pending > MOST_PENDING ? this.#caughtUp() : undefined;
  }

  async #caughtUp() {
    while (this.pending > MOST_PENDING) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** @returns {Promise<{url: string, bytes: number, total?: number}[]>} rejects with `cache-none` */
  async list() {
    const store = await this.store;
    const heads = await store
      .names()
      .then((names) => Promise.all(names.map((name) => store.peek(name))))
      .catch((error) => {
        throw codedError('cache-none', `What is kept cannot be told: ${error.message}. Load the page again.`);
      });
    return heads
      .flatMap(({ head, chunks }) => {
        const bytes = chunks.reduce((sum, { start, end }) => sum + end - start, 0);
        return head.url === undefined ? [] : [{ url: head.url, bytes, total: head.total }];
      })
      .sort((a, b) => (a.url < b.url ? -1 : 1));
  }

  /** @param {string} url @returns {Promise<void>} rejects with `cache-busy` */
  async remove(url) {
    await this.entry(url).remove();
  }

  /** Removes everything. */
  async clear() {
    for (const { url } of await this.list()) await this.remove(url);
    this.isFull = false;
  }

  /** Tells once. @param {string} code @param {string} message @param {string} [about] */
  tell(code, message, about = '') {
    if (this.#told.has(code + about)) return;
    this.#told.add(code + about);
    this.onNotice({ code, message });
  }
}

/** What is kept of one file. No method but `remove` rejects: what fails is not there. */
class Entry {
  /** Open for as long as it is used. @type {Promise<StoredFile | undefined> | undefined} */
  #opening;
  #users = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idle;
  /** Stretches being hashed or written. @type {Set<{start: number, end: number, done: Promise<void>}>} */
  #writes = new Set();
  #isChecked = false;

  /** @param {string} url @param {ByteCache} cache */
  constructor(url, cache) {
    this.url = url;
    this.cache = cache;
  }

  /** Which version of the file is kept, if any is. @returns {Promise<Version | undefined>} */
  version() {
    return this.#use(({ head: { url, etag, total } }) => (url === undefined ? undefined : { etag, total }));
  }

  /**
   * Fills `target` with what is kept of bytes start to end.
   * @param {number} start
   * @param {number} end
   * @param {Uint8Array} target byte `start` goes to its beginning
   * @param {Version} [version] wanted
   * @returns {Promise<[number, number][]>} the stretches that were filled, in order
   */
  async read(start, end, target, version = {}) {
    const coming = [...this.#writes].filter((write) => write.start < end && start < write.end);
    if (coming.length > 0) await Promise.all(coming.map(({ done }) => done));
    const filled = await this.#use(async (file) => {
      if (isOther(file.head, version)) return [];
      const chunks = overlapping(file.chunks, start, end);
      const checked = chunks.map((chunk) => this.#readChunk(file, chunk, start, end, target));
      const isRight = await Promise.all(checked);
      const wrong = chunks.filter((_, i) => !isRight[i]);
      if (wrong.length > 0) await file.drop(wrong);
      // A wrong chunk may have been laid over a right one.
      const right = chunks.filter((chunk) => overlapping(wrong, chunk.start, chunk.end).length === 0);
      return right.map((chunk) => clip(chunk, start, end));
    });
    return filled ?? [];
  }

  /**
   * Whether a chunk was right, and its part of start to end is in `target`.
   * @param {StoredFile} file
   * @param {Chunk} chunk
   * @param {number} start
   * @param {number} end
   * @param {Uint8Array} target
   */
  async #readChunk(file, chunk, start, end, target) {
    const [from, to] = clip(chunk, start, end);
    const view = target.subarray(from - start, to - start);
    if (chunk.isChecked) return (await file.get(chunk, from - chunk.start, view, false)) !== undefined;
    const isWhole = to - from === chunk.end - chunk.start;
    const whole = isWhole ? view : borrow(chunk.end - chunk.start);
    chunk.isChecked = (await file.get(chunk, 0, whole, true)) === chunk.sha256;
    if (!isWhole) {
      if (chunk.isChecked) view.set(whole.subarray(from - chunk.start, to - chunk.start));
      giveBack(whole);
    }
    return chunk.isChecked;
  }

  /**
   * Keeps bytes, some time later; no bytes only tell the version.
   * @param {number} start
   * @param {Uint8Array} bytes copied at once
   * @param {Version} version of the file that they are from
   */
  write(start, bytes, version) {
    if (this.cache.isFull) return;
    const { url, cache } = this;
    const { etag, total } = version;
    cache.pending += bytes.length;
    const write = { start, end: start + bytes.length, done: Promise.resolve() };
    const kept = borrow(bytes.length);
    kept.set(bytes);
    write.done = this.#use(async (file) => {
      if (cache.isFull) return;
      try {
        if (isOther(file.head, version)) await this.#before(write);
        if (isOther(file.head, version)) {
          file.head = {};
          await file.drop(file.chunks);
        }
        // Writes may end in another order than they began in.
        const { head } = file;
        const known = { format: FORMAT, url, etag: etag ?? head.etag, total: total ?? head.total };
        if (head.url !== url || head.etag !== known.etag || head.total !== known.total) {
          await file.setHead({ ...head, ...known });
        }
        if (isCovered(file.chunks, start, write.end)) return;
        await file.put(start, kept);
      } catch (error) {
        this.#failed(error);
      }
      this.#checkWhole(file);
    }).then(() => {
      giveBack(kept);
      cache.pending -= write.end - start;
      this.#writes.delete(write);
    });
    this.#writes.add(write);
  }

  /** Resolves when what was written before is there, to be dropped with all else. @param {object} write */
  async #before(write) {
    const before = [...this.#writes];
    await Promise.all(
      before
        .slice(
          0,
          before.findIndex((other) => other === write),
        )
        .map(({ done }) => done),
    );
  }

  /** @param {unknown} error of the store */
  #failed(error) {
    if (/** @type {Error} */ (error)?.name !== 'QuotaExceededError') return;
    this.cache.isFull = true;
    this.cache.tell(
      'cache-full',
      'The browser gives no more room to keep downloads: what follows is loaded again at the next visit.',
    );
  }

  /** Removes all that is kept of the file. Rejects with `cache-busy` where another tab uses it. */
  async remove() {
    await Promise.all([...this.#writes].map(({ done }) => done));
    const removed = await this.#use(async (file) => {
      this.#opening = undefined;
      this.#isChecked = false;
      await file.remove();
      return true;
    });
    if (removed || (await this.cache.store).kind === 'none') return;
    throw codedError('cache-busy', `${this.url} is used by another tab; close that tab and try again.`);
  }

  /**
   * @template T
   * @param {(file: StoredFile) => T | Promise<T>} work
   * @returns {Promise<T | undefined>} undefined where there is no file to work with, or work failed
   */
  async #use(work) {
    this.#users++;
    clearTimeout(this.#idle);
    try {
      const file = await (this.#opening ??= this.#open());
      return file && (await work(file));
    } catch {
      return undefined;
    } finally {
      if (--this.#users === 0) this.#idle = setTimeout(() => void this.#close(), this.cache.idleMs);
    }
  }

  async #open() {
    const store = await this.cache.store;
    if (store.kind === 'none') return undefined;
    try {
      const file = await store.open(await nameOf(this.url), this.url);
      if (file) this.#checkWhole(file);
      else {
        const message = `Another tab uses what is kept of ${this.url}: this one loads it without keeping it.`;
        this.cache.tell('cache-busy', message, this.url);
      }
      return file;
    } catch (error) {
      this.#failed(error);
      this.#opening = undefined;
      return undefined;
    }
  }

  async #close() {
    // Closing waits for the disk.
    await this.cache.whenIdle();
    if (this.#users > 0) return;
    const opening = this.#opening;
    this.#opening = undefined;
    try {
      await (await opening)?.close();
    } catch {
      // What was not written is not there.
    }
  }

  /** Compares a file that is kept completely with its published checksum, once. @param {StoredFile} file */
  #checkWhole({ head, chunks }) {
    const { check } = this.cache;
    const { total, verified } = head;
    if (!check || this.#isChecked || verified !== undefined || !total || !isCovered(chunks, 0, total)) return;
    this.#isChecked = true;
    void this.#compare(check, total).catch(() => {});
  }

  /** @param {NonNullable<ByteCache['check']>} check @param {number} total */
  async #compare({ sha256: published, createSha256, whenIdle }, total) {
    const expected = await published(this.url);
    const hasher = expected ? await createSha256() : undefined;
    if (expected && !hasher) return;
    try {
      const buffer = new Uint8Array(Math.min(total, 2 ** 20));
      for (let at = 0; hasher && at < total; at += buffer.length) {
        await whenIdle();
        const end = Math.min(at + buffer.length, total);
        const filled = await this.read(at, end, buffer);
        // Dropped or removed meanwhile.
        if (
          !isCovered(
            filled.map(([start, end]) => ({ start, end })),
            at,
            end,
          )
        )
          return;
        hasher.update(buffer.subarray(0, end - at));
      }
      if (hasher && hasher.hex() !== expected) {
        await this.remove();
        this.cache.onNotice({
          code: 'file-corrupt',
          message: `${this.url} was kept with bytes that are not those published; it will be loaded again.`,
        });
        return;
      }
      await this.#use((file) => file.setHead({ ...file.head, verified: expected }));
    } finally {
      hasher?.free?.();
    }
  }
}

/**
 * Chunks in order of their start; those that touch start to end.
 * @template {{start: number, end: number}} T
 * @param {T[]} chunks @param {number} start @param {number} end
 */
function overlapping(chunks, start, end) {
  return chunks.filter((chunk) => chunk.start < end && start < chunk.end);
}

/**
 * @param {{start: number, end: number}} chunk
 * @param {number} start
 * @param {number} end
 * @returns {[number, number]}
 */
function clip(chunk, start, end) {
  return [Math.max(chunk.start, start), Math.min(chunk.end, end)];
}

/** @param {{start: number, end: number}[]} chunks in order @param {number} start @param {number} end */
function isCovered(chunks, start, end) {
  let at = start;
  for (const chunk of chunks) {
    if (chunk.start <= at) at = Math.max(at, chunk.end);
    else if (chunk.start > at) break;
    if (at >= end) return true;
  }
  return at >= end;
}

/** A file name for any address. @param {string} url */
async function nameOf(url) {
  return (await sha256(new TextEncoder().encode(url))).slice(0, 40);
}
