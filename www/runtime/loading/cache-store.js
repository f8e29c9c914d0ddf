// Where kept bytes lie: in the origin private file system, else in the Cache API, else nowhere.

import { openDisk, openHandle, write } from './disk.js';
import { sha256 } from './hash.js';
import { LIMITS, within } from '../wait.js';

/** @typedef {import('./disk.js').Disk} Disk */
/** @typedef {import('./disk.js').Handle} Handle */

/**
 * A stretch of a file.
 * @typedef {object} Chunk
 * @property {number} start
 * @property {number} end
 * @property {string} sha256 hex
 * @property {number} [offset] where its bytes lie in the store
 * @property {boolean} [isChecked] its checksum was found right since the file was opened
 */

/**
 * @typedef {object} Head
 * @property {number} [format]
 * @property {string} [url]
 * @property {string} [etag]
 * @property {number} [total] bytes of the whole file
 * @property {string} [verified] checksum of the whole file that it was found to have; empty: none is published
 */

/**
 * An open file, in this tab alone.
 * @typedef {object} StoredFile
 * @property {Head} head
 * @property {Chunk[]} chunks in order of their start
 * @property {(head: Head) => void | Promise<void>} setHead
 * @property {(start: number, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} put the bytes are not there
 *   any more afterwards
 * @property {(chunk: Chunk, from: number, target: Uint8Array, hashes: boolean) => Promise<string | undefined>}
 *   get fills `target` with a chunk's bytes; resolves to their checksum, or to '' unless it `hashes`; to
 *   undefined where they are not there
 * @property {(chunks: Chunk[]) => void | Promise<void>} drop
 * @property {() => void | Promise<void>} remove closes, and leaves nothing
 * @property {() => void | Promise<void>} close
 */

/**
 * @typedef {object} Store
 * @property {'opfs' | 'cache-api' | 'none'} kind
 * @property {string} reason why nothing is kept
 * @property {() => Promise<string[]>} names
 * @property {(name: string) => Promise<{head: Head, chunks: {start: number, end: number}[]}>} peek reads
 *   what is kept, also where another tab uses it
 * @property {(name: string, url: string) => Promise<StoredFile | undefined>} open undefined where another
 *   tab uses it
 */

const FOLDER = 'sae-attribution';
/** Of what is stored; anything else is dropped. */
export const FORMAT = 1;
/** A worker that was just ended still holds its files for a moment; once one was waited for, no more. */
const [LOCK_MS, NEXT_LOCK_MS] = [1_000, 100];
let lockMs = LOCK_MS;
/** Nothing larger is kept in one chunk, nor is an index longer: what says so was not written here. */
const [MOST_CHUNK, MOST_INDEX] = [32 * 2 ** 20, 64 * 2 ** 20];

/** Set once it has not answered: it is waited for only once. @type {Error | undefined} */
let silence;

/** @template T @param {Promise<T>} work @returns {Promise<T>} */
function inTime(work) {
  const late = () => (silence = new Error('the storage of this browser does not answer'));
  return within(silence ? 0 : LIMITS.store, work, late);
}

/** @returns {Promise<Store>} never rejects */
export async function openStore() {
  const reasons = [];
  for (const open of [openOpfs, openCacheApi]) {
    try {
      const store = await inTime(open());
      return {
        ...store,
        names: () => inTime(store.names()),
        peek: (name) => inTime(store.peek(name)),
        open(name, url) {
          const opening = store.open(name, url);
          return inTime(opening).catch((error) => {
            // What comes too late is let go.
            opening.then((file) => file?.close()).catch(() => {});
            throw error;
          });
        },
      };
    } catch (error) {
      reasons.push(/** @type {Error} */ (error).message);
      // The other one is of the same browser: it might answer this once, and then no more, untold.
      if (silence) break;
    }
  }
  return {
    kind: 'none',
    reason: reasons.join('; '),
    names: async () => [],
    peek: async () => ({ head: {}, chunks: [] }),
    open: async () => undefined,
  };
}

/**
 * Holds a name against other tabs; resolves to what lets it go, or to undefined where another holds it.
 * @param {string} name
 * @returns {Promise<(() => void) | undefined>}
 */
function lock(name) {
  // Where there are no locks, an access handle excludes other tabs too.
  if (!navigator.locks) return Promise.resolve(() => {});
  const tooLong = new AbortController();
  const timer = setTimeout(() => tooLong.abort(), lockMs);
  return new Promise((resolve) => {
    navigator.locks
      .request(`${FOLDER}/${name}`, { signal: tooLong.signal }, () => {
        clearTimeout(timer);
        return /** @type {Promise<void>} */ (new Promise((release) => resolve(release)));
      })
      .catch(() => {
        lockMs = NEXT_LOCK_MS;
        resolve(undefined);
      });
  });
}

/** @param {{start: number}} a @param {{start: number}} b */
const byStart = (a, b) => a.start - b.start;

/** Adds a chunk in its place. @param {Chunk[]} chunks @param {Chunk} chunk */
function insert(chunks, chunk) {
  // Downloads run upwards: the place is near the end.
  let i = chunks.length;
  while (i > 0 && chunks[i - 1].start > chunk.start) i--;
  chunks.splice(i, 0, chunk);
}

// One file of bytes and one of lines for each remote file, both only ever appended to. A line is a
// chunk, or replaces fields of the head; the last one may be torn.

/** @returns {Promise<Store>} */
async function openOpfs() {
  if (!navigator.storage?.getDirectory) throw new Error('this browser has no private file system');
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(FOLDER, { create: true });
  if (!('createSyncAccessHandle' in FileSystemFileHandle.prototype)) {
    throw new Error('its private file system cannot be used here');
  }
  return {
    kind: 'opfs',
    reason: '',
    async names() {
      const names = [];
      for await (const name of /** @type {any} */ (folder).keys()) {
        if (name.endsWith('.index')) names.push(name.slice(0, -'.index'.length));
      }
      return names;
    },
    async peek(name) {
      try {
        const index = await (await folder.getFileHandle(`${name}.index`)).getFile();
        return parse(index.size > MOST_INDEX ? '' : await index.text());
      } catch {
        return { head: {}, chunks: [] };
      }
    },
    async open(name, url) {
      const release = await lock(name);
      if (!release) return undefined;
      /** @type {Disk | undefined} */
      let bytes;
      try {
        bytes = await patiently(openDisk, folder, `${name}.bytes`);
        const index = await patiently(openHandle, folder, `${name}.index`);
        return new OpfsFile(folder, name, url, bytes, index, release);
      } catch (error) {
        await bytes?.close();
        release();
        if (isInUse(error)) return undefined;
        throw error;
      }
    },
  };
}

/**
 * Opens a file, waiting a moment for whoever still holds it.
 * @template T
 * @param {(file: FileSystemFileHandle) => Promise<T>} open
 * @param {FileSystemDirectoryHandle} folder
 * @param {string} name
 */
async function patiently(open, folder, name) {
  const file = await folder.getFileHandle(name, { create: true });
  for (let tries = 1; ; tries++) {
    try {
      return await open(file);
    } catch (error) {
      if (tries === 5 || !isInUse(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOCK_MS / 5));
    }
  }
}

/** @param {unknown} error */
const isInUse = (error) => /** @type {Error} */ (error)?.name === 'NoModificationAllowedError';

/** @param {unknown} value */
const isNatural = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
/** @param {unknown} value */
const isSha256 = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

/** @param {any} entry @returns {entry is Chunk} */
function isChunk({ start, end, sha256 }) {
  return isNatural(start) && isNatural(end) && start < end && end - start <= MOST_CHUNK && isSha256(sha256);
}

/**
 * What of a head is ours: nothing where anything of it is not.
 * @param {any} entry
 * @returns {Head}
 */
function headOf({ format, url, etag, total, verified }) {
  const isOurs =
    format === FORMAT &&
    typeof url === 'string' &&
    (etag === undefined || typeof etag === 'string') &&
    (total === undefined || isNatural(total)) &&
    (verified === undefined || verified === '' || isSha256(verified));
  return isOurs ? { format, url, etag, total, verified } : {};
}

/** @param {string} text @returns {{head: Head, chunks: (Chunk & {offset: number})[]}} */
function parse(text) {
  const head = {};
  const chunks = [];
  for (const line of text.split('\n')) {
    try {
      const entry = JSON.parse(line);
      if (entry.start === undefined) Object.assign(head, entry);
      else if (isChunk(entry) && isNatural(entry.offset)) chunks.push(/** @type {any} */ (entry));
    } catch {
      // Torn, or the end: what it tells was not written.
    }
  }
  return { head: headOf(head), chunks };
}

/** @implements {StoredFile} */
class OpfsFile {
  /** @type {Head} */
  head = {};
  /** @type {Chunk[]} */
  chunks = [];
  /** Where the next bytes go; what lies behind belongs to no line. */
  #end = 0;
  #size = 0;

  /**
   * @param {FileSystemDirectoryHandle} folder @param {string} name @param {string} url
   * @param {Disk} bytes @param {Handle} index @param {() => void} release
   */
  constructor(folder, name, url, bytes, index, release) {
    this.folder = folder;
    this.name = name;
    this.bytes = bytes;
    this.index = index;
    this.release = release;
    const size = index.getSize();
    const text = new Uint8Array(size > MOST_INDEX ? 0 : size);
    index.read(text, { at: 0 });
    const { head, chunks } = parse(new TextDecoder().decode(text));
    if (head.url === url) {
      this.head = head;
      this.chunks = chunks
        .filter(({ start, end, offset }) => offset + end - start <= bytes.size && end <= (head.total ?? end))
        .map(({ start, end, offset, sha256 }) => ({ start, end, offset, sha256 }))
        .sort(byStart);
      this.#end = this.chunks.reduce((most, { start, end, offset = 0 }) => Math.max(most, offset + end - start), 0);
      // The next line begins behind the last whole one.
      this.#size = text.lastIndexOf(10) + 1;
      // A line whose bytes are not there must not come to mean those that are put in their place.
      if (this.chunks.length < chunks.length) this.drop([]);
    }
    if (this.#size < size) index.truncate(this.#size);
  }

  /** @param {Head} head */
  setHead(head) {
    this.head = head;
    this.#line(head);
  }

  /** @param {number} start @param {Uint8Array<ArrayBuffer>} bytes */
  async put(start, bytes) {
    const [end, offset] = [start + bytes.length, this.#end];
    this.#end += bytes.length;
    const sha256 = await this.bytes.write(offset, bytes);
    this.#line({ start, end, offset, sha256 });
    insert(this.chunks, { start, end, offset, sha256, isChecked: true });
  }

  /** @param {Chunk} chunk @param {number} from @param {Uint8Array} target @param {boolean} hashes */
  get({ offset = 0 }, from, target, hashes) {
    return this.bytes.read(offset + from, target, hashes);
  }

  /** @param {Chunk[]} dropped */
  drop(dropped) {
    this.chunks = this.chunks.filter((chunk) => !dropped.includes(chunk));
    this.index.truncate(0);
    this.#size = 0;
    this.#line(this.head);
    for (const { start, end, offset, sha256 } of this.chunks) this.#line({ start, end, offset, sha256 });
  }

  async remove() {
    try {
      this.index.close();
      await this.bytes.close();
      for (const kind of ['index', 'bytes']) await inTime(this.folder.removeEntry(`${this.name}.${kind}`));
    } finally {
      this.release();
    }
  }

  async close() {
    try {
      // The order in which a crash of the machine may lose them.
      await this.bytes.close();
      this.index.flush();
    } finally {
      this.index.close();
      this.release();
    }
  }

  /** @param {object} entry */
  #line(entry) {
    const text = new TextEncoder().encode(`${JSON.stringify(entry)}\n`);
    write(this.index, text, this.#size);
    this.#size += text.length;
  }
}

// In the Cache API, a cache for each remote file, whose entries tell in their address what they hold.

/** @returns {Promise<Store>} */
async function openCacheApi() {
  if (!('caches' in globalThis)) throw new Error('there is no Cache API');
  const prefix = `${FOLDER}/`;
  /** @param {Cache} cache */
  const peek = async (cache) => {
    const kept = await cache.match(keyOf('head'));
    const head = headOf((await kept?.json().catch(() => undefined)) ?? {});
    const chunks = (await cache.keys()).flatMap(({ url }) => {
      const [, start, end, sha256] = /\/(\d+)-(\d+)-([^/]*)$/.exec(url) ?? [];
      const chunk = { start: Number(start), end: Number(end), sha256 };
      return isChunk(chunk) && chunk.end <= (head.total ?? chunk.end) ? [chunk] : [];
    });
    return { head, chunks: chunks.sort(byStart) };
  };
  // Rejects where the browser forbids it.
  await caches.has(FOLDER);
  return {
    kind: 'cache-api',
    reason: '',
    async names() {
      const ours = (await caches.keys()).filter((name) => name.startsWith(prefix));
      return ours.map((name) => name.slice(prefix.length));
    },
    peek: async (name) => peek(await caches.open(prefix + name)),
    async open(name, url) {
      const release = await lock(name);
      if (!release) return undefined;
      try {
        let cache = await caches.open(prefix + name);
        let { head, chunks } = await peek(cache);
        if (head.url !== url) {
          // Of what these are nobody knows; under a new head they would pass for its own.
          [head, chunks] = [{}, []];
          await caches.delete(prefix + name);
          cache = await caches.open(prefix + name);
        }
        return new CacheApiFile(cache, prefix + name, head, chunks, release);
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

/** @param {string} what */
const keyOf = (what) => new URL(`/.${FOLDER}/${what}`, location.origin).href;
/** @param {Chunk} chunk */
const keyOfChunk = ({ start, end, sha256 }) => keyOf(`${start}-${end}-${sha256}`);

/** @implements {StoredFile} */
class CacheApiFile {
  /**
   * @param {Cache} cache
   * @param {string} name
   * @param {Head} head
   * @param {Chunk[]} chunks
   * @param {() => void} release
   */
  constructor(cache, name, head, chunks, release) {
    this.cache = cache;
    this.name = name;
    this.head = head;
    this.chunks = chunks;
    this.close = release;
  }

  /** @param {Head} head */
  async setHead(head) {
    this.head = head;
    await inTime(this.cache.put(keyOf('head'), Response.json(head)));
  }

  /** @param {number} start @param {Uint8Array<ArrayBuffer>} bytes */
  async put(start, bytes) {
    const chunk = { start, end: start + bytes.length, sha256: await sha256(bytes), isChecked: true };
    await inTime(this.cache.put(keyOfChunk(chunk), new Response(bytes)));
    insert(this.chunks, chunk);
  }

  /** @param {Chunk} chunk @param {number} from @param {Uint8Array} target @param {boolean} hashes */
  async get(chunk, from, target, hashes) {
    const kept = await inTime(this.cache.match(keyOfChunk(chunk)).then((response) => response?.blob()));
    if (kept?.size !== chunk.end - chunk.start) return undefined;
    const bytes = new Uint8Array(await inTime(kept.arrayBuffer()));
    target.set(bytes.subarray(from, from + target.length));
    return hashes ? sha256(target) : '';
  }

  /** @param {Chunk[]} dropped */
  async drop(dropped) {
    this.chunks = this.chunks.filter((chunk) => !dropped.includes(chunk));
    for (const chunk of dropped) await inTime(this.cache.delete(keyOfChunk(chunk)));
  }

  async remove() {
    try {
      await inTime(caches.delete(this.name));
    } finally {
      this.close();
    }
  }
}
