// The source of every byte the runtime computes with: ranges of files on a server in the hub's layout.
//
// 1. `expect` tells what will be read. Neighbouring ranges are joined and large ones cut into pieces.
// 2. Pieces load ahead, in order, a few at a time, until what waits to be read fills the window.
// 3. A piece takes what the cache holds; remote.js loads the rest, which is kept while it arrives.
// 4. `read` waits for the pieces that it touches and hands out views of them. A piece goes when all
//    that was expected of it has been read.
//
// Versions of a file are not mixed, as far as they can be told apart:
// - An address that names a commit leads to one version for ever. What is kept of it is used unasked.
// - Of any other address, what is kept carries an ETag, and the server is asked once in a session whether
//   that is still the one. Where it cannot be asked, what is kept is used; bytes that come later and are of
//   another version are refused.
// - Without an ETag nothing is kept. What came is used within the session, and each request that reads of
//   the file again first compares its length and its beginning; a change behind that stays unnoticed.

import { codedError, tooLarge } from '../error.js';
import { PATIENCE, RemoteFile } from './remote.js';
import { cancelled, within } from '../wait.js';

/** @typedef {import('./cache.js').ByteCache} ByteCache */
/** @typedef {ReturnType<ByteCache['entry']>} Entry */
/** @typedef {{path: string, start: number, end: number}} Range */

/**
 * Bytes of a file, and the length of all of it where that is known.
 * @typedef {{bytes: Uint8Array, fileLength?: number, release?: () => void}} Read
 *   bytes: fewer than asked for where the file ends earlier
 *   release: to be called by who has done with the bytes, whose memory others are then read into
 */

/**
 * Where the runtime reads from.
 * @typedef {object} Reader
 * @property {(path: string, start: number, end: number) => Promise<Read>} read rejects with a coded error
 * @property {(path: string, most: number) => Promise<Read>} readWhole all of a file; rejects with
 *   `file-too-large` where it has more bytes than `most`, of which nothing is kept then
 * @property {(ranges: Range[]) => void} expect what will be read next, in order; replaces what was told before
 * @property {() => {network: number, cached: number, ahead: number, rate: number}} progress bytes that came
 *   from the network and from the cache, those of them that were not read yet, and bytes per second lately
 * @property {() => void} begin marks the start of a request
 * @property {(path?: string) => Promise<void>} disown forgets a file whose content was no use, or all that were
 *   read since `begin`
 * @property {() => void} close ends everything under way
 */

/** Ranges of one file nearer than this are loaded as one, as long as all that wastes little. */
const GAP = 16 * 1024;
const WASTE = 0.01;
/** Most bytes of one request. */
export const PIECE = 8 * 2 ** 20;
/** Bytes that may wait to be read. */
export const WINDOW = 4 * PIECE;
/** Requests at a time: of up to `SMALL` bytes, and of more. */
const [SMALL, MOST_SMALL, MOST_LARGE] = [256 * 1024, 24, 4];
/** Bytes are kept in stretches of about this: so many are lost at most where a tab is closed. */
const STRETCH = 2 ** 20;
/** What the rate is measured over. */
const RATE_MS = 2_000;
/** As much of its beginning stands for the version of a file without ETag. */
const HEAD = 64 * 1024;
/** How often a server is asked whether what is kept is right; then it is used without. */
const CHECK_TRIES = 2;
/** An LFS pointer is shorter than this. */
const POINTER = 512;

/**
 * What is loaded by one request, if nothing of it is in the cache.
 * @typedef {object} Planned
 * @property {string} path
 * @property {number} start
 * @property {number} end
 * @property {[number, number][]} spans what of it will be read
 */

/**
 * Cuts ranges into pieces.
 * @param {Range[]} ranges in the order in which they will be read
 * @returns {Planned[]}
 */
export function plan(ranges) {
  /** What is planned of each file. @type {Map<string, [number, number][]>} */
  const planned = new Map();
  /** @type {Range[]} */
  const fresh = [];
  for (const { path, start, end } of ranges) {
    const known = planned.get(path) ?? [];
    planned.set(path, known);
    for (const [from, to] of without(start, end, known)) {
      fresh.push({ path, start: from, end: to });
      insert(known, [from, to]);
    }
  }
  // The smallest gaps are bridged first.
  const gap = (/** @type {number} */ i) =>
    i > 0 && fresh[i].path === fresh[i - 1].path ? fresh[i].start - fresh[i - 1].end : -1;
  let budget = WASTE * fresh.reduce((sum, { start, end }) => sum + end - start, 0);
  const bridged = new Set(
    fresh
      .map((_, i) => i)
      .filter((i) => gap(i) >= 0 && gap(i) <= GAP)
      .sort((a, b) => gap(a) - gap(b))
      .filter((i) => (budget -= gap(i)) >= 0),
  );
  /** @type {Planned[]} */
  const pieces = [];
  fresh.forEach(({ path, start, end }, i) => {
    let last = bridged.has(i) ? pieces.at(-1) : undefined;
    for (let at = start; at < end;) {
      if (!last || at >= last.start + PIECE) pieces.push((last = { path, start: at, end: at, spans: [] }));
      const to = Math.min(end, last.start + PIECE);
      last.spans.push([at, to]);
      last.end = at = to;
    }
  });
  return pieces;
}

/**
 * Stretches of start to end that are not in `known`.
 * @param {number} start
 * @param {number} end
 * @param {[number, number][]} known in order
 */
function without(start, end, known) {
  /** @type {[number, number][]} */
  const left = [];
  let at = start;
  for (let i = firstBehind(known, start); i < known.length && known[i][0] < end; i++) {
    if (known[i][0] > at) left.push([at, known[i][0]]);
    at = Math.max(at, known[i][1]);
  }
  if (at < end) left.push([at, end]);
  return left;
}

/**
 * Index of the first span that ends behind `at`.
 * @param {[number, number, ...unknown[]][]} spans in order
 * @param {number} at
 */
function firstBehind(spans, at) {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle][1] <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @template {[number, number, ...unknown[]]} T @param {T[]} spans @param {T} span */
function insert(spans, span) {
  spans.splice(firstBehind(spans, span[0]), 0, span);
}

/** A piece of a file on its way from the server to the runtime. */
class Piece {
  /** @type {'planned' | 'loading' | 'ready' | 'gone'} */
  state = 'planned';
  /** @type {Uint8Array | undefined} */
  bytes;
  /** Bytes that arrived. */
  arrived = 0;
  /** Reads that wait for it. */
  readers = 0;
  /** Views of its bytes that are in use. */
  lent = 0;
  /** Whether it goes as soon as nobody waits for it. */
  isOneTime = false;
  stop = new AbortController();
  /** @type {(value?: any) => void} */
  resolve = () => {};
  /** @type {(error: unknown) => void} */
  reject = () => {};

  /** @param {Planned} planned @param {File} file */
  constructor({ start, end, spans }, file) {
    this.file = file;
    this.start = start;
    this.end = end;
    this.spans = spans;
    /** Expected bytes that nobody has read yet. */
    this.unread = total(spans);
    this.loaded = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    // A failure is for those who read.
    this.loaded.catch(() => {});
  }

  get size() {
    return this.end - this.start;
  }

  /** What it takes of all requests that may run at a time. */
  get share() {
    return this.size > SMALL ? MOST_SMALL / MOST_LARGE : 1;
  }

  /** Bytes that arrived and were not read. */
  get ahead() {
    return Math.max(0, this.arrived - (total(this.spans) - this.unread));
  }
}

/** @param {[number, number][]} spans */
const total = (spans) => spans.reduce((sum, [start, end]) => sum + end - start, 0);

/**
 * @typedef {object} File
 * @property {RemoteFile} remote
 * @property {Entry | undefined} entry
 * @property {Promise<void>} [ready] what is known of the file may be used in this request
 * @property {Uint8Array} [head] its beginning, where it has no ETag
 * @property {AbortController} stop what makes it ready
 * @property {[number, number, Piece][]} expected
 * @property {Promise<void>} [dropping]
 */

/**
 * @typedef {object} ReaderOptions
 * @property {ByteCache} [cache]
 * @property {(url: string) => boolean} [keep] which files go into the cache
 * @property {() => AbortSignal | undefined} [signal] asked at each call: cancels all that is under way
 * @property {(notice: {code: string, message: string}) => void} [onNotice] `waiting`
 * @property {typeof globalThis.fetch} [fetch]
 * @property {Partial<import('./remote.js').Patience>} [patience]
 */

/**
 * @param {ReaderOptions} [options]
 * @returns {Reader}
 */
export function createReader({
  cache,
  keep = () => true,
  signal: askSignal = () => undefined,
  onNotice = () => {},
  fetch = globalThis.fetch.bind(globalThis),
  patience = {},
} = {}) {
  /** @type {Map<string, File>} */
  const files = new Map();
  /** @type {Map<string, {quietUntil: number}>} */
  const hosts = new Map();
  /** Files read in this request. @type {Set<string>} */
  const used = new Set();
  /** What is expected, in order; before `next`, everything was started. @type {Piece[]} */
  let queue = [];
  let next = 0;
  /** What is read and was not started. @type {Piece[]} */
  let urgent = [];
  /** Pieces that take up memory. @type {Set<Piece>} */
  const live = new Set();
  let held = 0;
  let running = 0;
  /** Memory of pieces that went. @type {ArrayBuffer[]} */
  let spare = [];
  /** @type {AbortSignal | undefined} */
  let heeded;
  const came = { network: 0, cached: 0 };
  /** Time and bytes. @type {[number, number][]} */
  const samples = [[performance.now(), 0]];

  /** @param {string} path */
  function remoteAt(path) {
    if (!URL.canParse(path, location.href)) {
      throw codedError('fetch-failed', `${path} could not be loaded: it is no address. Check the address.`);
    }
    const { host } = new URL(path, location.href);
    const gate = hosts.get(host) ?? { quietUntil: 0 };
    hosts.set(host, gate);
    return new RemoteFile(path, { fetch, patience: { ...PATIENCE, ...patience }, host: gate, onNotice });
  }

  /** @param {string} path */
  function fileAt(path) {
    const known = files.get(path);
    if (known) return known;
    const remote = remoteAt(path);
    const entry = keep(path) ? cache?.entry(new URL(path, location.href).href) : undefined;
    /** @type {File} */
    const file = { remote, entry, stop: new AbortController(), expected: [] };
    files.set(path, file);
    return file;
  }

  /** Resolves when what is known of a file may be used in this request. @param {File} file */
  function ready(file) {
    file.ready ??= (file.head ? compare(file, file.head) : validate(file)).catch((error) => {
      file.ready = undefined;
      throw error;
    });
    return file.ready;
  }

  /** Asks the server whether it still has the version that is kept. @param {File} file */
  async function validate({ remote, entry, stop }) {
    const kept = await entry?.version();
    if (!kept) return;
    if (remote.isPinned) return remote.learn(kept);
    let isSilent = navigator.onLine === false;
    try {
      if (!isSilent) await remote.load(0, 1, { take() {} }, stop.signal, CHECK_TRIES);
    } catch (error) {
      isSilent = ['offline', 'rate-limited', 'fetch-failed'].includes(/** @type {any} */ (error).code);
      if (!isSilent) throw error;
    }
    // What it is a version of, it is as long as.
    if (remote.etag !== undefined) return remote.etag === kept.etag ? remote.learn(kept) : undefined;
    // No answer is no word against what is kept.
    if (isSilent && kept.etag !== undefined) remote.learn(kept);
    else await entry?.remove().catch(() => {});
  }

  /** Looks whether a file without ETag still begins as it did. @param {File} file @param {Uint8Array} head */
  async function compare({ remote, stop }, head) {
    const now = remoteAt(remote.path);
    const bytes = new Uint8Array(head.length);
    let reached = 0;
    try {
      reached = await now.load(0, head.length, { take: (at, part) => bytes.set(part, at) }, stop.signal);
    } finally {
      now.stop();
    }
    remote.learn(now);
    if (reached < head.length || head.some((byte, i) => byte !== bytes[i])) throw remote.change();
  }

  /** Notes how a file begins that will have to be compared. @param {File} file @param {Uint8Array} bytes */
  function noteHead(file, bytes) {
    const { etag, isPinned } = file.remote;
    if (etag === undefined && !isPinned) file.head ??= bytes.slice(0, HEAD);
  }

  /** Heeds the signal of the request under way. */
  function heed() {
    const signal = askSignal();
    if (signal?.aborted) throw cancelled();
    if (signal === heeded) return;
    heeded?.removeEventListener('abort', cancel);
    heeded = signal;
    heeded?.addEventListener('abort', cancel);
  }

  function cancel() {
    const all = new Set([...live, ...queue, ...urgent]);
    [queue, next, urgent] = [[], 0, []];
    for (const piece of all) {
      piece.reject(cancelled());
      free(piece);
    }
    for (const file of files.values()) {
      file.remote.stop();
      file.stop.abort();
      file.stop = new AbortController();
    }
  }

  /** @param {Range[]} ranges */
  function expect(ranges) {
    if (askSignal()?.aborted) return;
    heed();
    const old = new Map(queue.map((piece) => [`${piece.start}-${piece.end} ${piece.file.remote.path}`, piece]));
    for (const file of files.values()) file.expected = [];
    next = 0;
    queue = plan(ranges).map((planned) => {
      const key = `${planned.start}-${planned.end} ${planned.path}`;
      const known = old.get(key);
      old.delete(key);
      const piece = known && known.state !== 'gone' ? known : new Piece(planned, fileAt(planned.path));
      [piece.spans, piece.unread] = [planned.spans, total(planned.spans)];
      for (const [start, end] of planned.spans) insert(piece.file.expected, [start, end, piece]);
      return piece;
    });
    for (const piece of old.values()) {
      piece.isOneTime = true;
      if (piece.readers === 0) free(piece);
    }
    pump();
  }

  /** Starts what may start: what is read before what is expected. */
  function pump() {
    while (running < MOST_SMALL) {
      const piece = urgent.shift() ?? ahead();
      if (!piece) return;
      if (piece.state === 'planned') void start(piece);
    }
  }

  /** The next piece that is expected, if there is room for it. */
  function ahead() {
    while (next < queue.length && queue[next].state !== 'planned') next++;
    const piece = queue[next];
    return piece && (held === 0 || held + piece.size <= WINDOW) ? piece : undefined;
  }

  /** @param {Piece} piece */
  async function start(piece) {
    piece.state = 'loading';
    live.add(piece);
    held += piece.size;
    running += piece.share;
    try {
      await load(piece);
      if (piece.state === 'loading') piece.state = 'ready';
      piece.resolve();
    } catch (error) {
      const { file } = piece;
      if (file.remote.changed) await drop(file);
      piece.reject(file.remote.changed ?? error);
      free(piece);
    }
    running -= piece.share;
    pump();
  }

  /** @param {Piece} piece */
  async function load(piece) {
    const { file, start, spans } = piece;
    await ready(file);
    await cache?.calm();
    if (piece.stop.signal.aborted) throw cancelled();
    const end = Math.min(piece.end, file.remote.total ?? Infinity);
    const bytes = (piece.bytes = memory(Math.max(end - start, 0)));
    for (const [from, to] of await fromCache(piece, start, end)) {
      // Between the ranges that were joined lies what nobody wants.
      if (!spans.some(([a, b]) => a < to && from < b)) continue;
      let kept = from;
      let at = from;
      const flush = (least = 1) => {
        for (; at - kept >= least; kept = Math.min(at, kept + STRETCH)) {
          keepBytes(file, kept, bytes.subarray(kept - start, Math.min(at, kept + STRETCH) - start));
        }
      };
      const spare = collector(file);
      try {
        const reached = await file.remote.load(
          from,
          to,
          {
            take(_, part) {
              bytes.set(part, at - start);
              at += part.length;
              arrive('network', part.length, piece);
              flush(STRETCH);
              return file.entry && cache?.calm();
            },
            spare(at, part) {
              arrive('network', part.length);
              spare.add(at, part);
            },
            async elsewhere(from, to) {
              spare.flush();
              return (await fromCache(piece, from, to)).length === 0;
            },
          },
          piece.stop.signal,
        );
        if (reached < to) {
          // The file ends here, and the server has not told how long it is.
          piece.bytes &&= bytes.subarray(0, reached - start);
          break;
        }
      } finally {
        flush();
        spare.flush();
      }
    }
    if (start === 0 && piece.bytes) noteHead(file, piece.bytes);
  }

  /**
   * Takes what is kept of a piece; resolves to what is lacking.
   * @param {Piece} piece
   * @param {number} start
   * @param {number} end
   */
  async function fromCache(piece, start, end) {
    const { file, bytes } = piece;
    if (!file.entry || !bytes || start >= end) return without(start, end, []);
    const target = bytes.subarray(start - piece.start, end - piece.start);
    const filled = await file.entry.read(start, end, target, file.remote);
    const lacking = without(start, end, filled);
    arrive('cached', end - start - total(lacking), piece);
    return lacking;
  }

  /** @param {File} file @param {number} at @param {Uint8Array} bytes */
  function keepBytes({ entry, remote }, at, bytes) {
    if (remote.isKeepable) entry?.write(at, bytes, remote);
  }

  /**
   * Keeps bytes that arrive in order, a stretch at a time.
   * @param {File} file
   */
  function collector(file) {
    /** @type {Uint8Array[]} */
    let parts = [];
    let [start, length] = [0, 0];
    const flush = () => {
      if (length > 0) keepBytes(file, start, join(parts));
      [parts, start, length] = [[], start + length, 0];
    };
    const add = (/** @type {number} */ at, /** @type {Uint8Array} */ bytes) => {
      if (!file.entry || !file.remote.isKeepable) return;
      if (at !== start + length) flush();
      if (length === 0) start = at;
      parts.push(bytes.slice());
      length += bytes.length;
      if (length >= STRETCH) flush();
    };
    return { add, flush };
  }

  /** @param {'network' | 'cached'} from @param {number} length @param {Piece} [piece] */
  function arrive(from, length, piece) {
    if (piece) piece.arrived += length;
    came[from] += length;
    const now = performance.now();
    if (now - samples[samples.length - 1][0] < RATE_MS / 20) return;
    samples.push([now, came.network + came.cached]);
    while (samples.length > 2 && samples[1][0] < now - RATE_MS) samples.shift();
  }

  /** @param {Piece} piece */
  function free(piece) {
    if (piece.state === 'gone') return;
    // What is being loaded may still be written to.
    if (piece.state !== 'ready') piece.bytes = undefined;
    piece.state = 'gone';
    piece.stop.abort();
    if (live.delete(piece)) held -= piece.size;
    recycle(piece);
  }

  /** Memory for so many bytes: what is new costs more than a copy. @param {number} size */
  function memory(size) {
    return size > PIECE / 2 ? new Uint8Array(spare.pop() ?? new ArrayBuffer(PIECE), 0, size) : new Uint8Array(size);
  }

  /** Takes back the memory of a piece that nobody uses. @param {Piece} piece */
  function recycle(piece) {
    if (piece.state !== 'gone' || piece.lent > 0) return;
    const buffer = piece.bytes?.buffer;
    piece.bytes = undefined;
    if (buffer?.byteLength === PIECE && next < queue.length) spare.push(/** @type {ArrayBuffer} */ (buffer));
    if (next === queue.length) spare = [];
  }

  /** Keeps a piece's memory until the function that is returned is called. @param {Piece} piece */
  function lend(piece) {
    piece.lent++;
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      piece.lent--;
      recycle(piece);
    };
  }

  /** Leaves nothing of a file that changed. @param {File} file */
  function drop(file) {
    if (!file.dropping) {
      for (const piece of live) if (piece.file === file) piece.stop.abort();
      file.dropping = file.entry?.remove().catch(() => {}) ?? Promise.resolve();
    }
    return file.dropping;
  }

  /**
   * What of which piece bytes start to end were expected in, if all were.
   * @param {File} file
   * @param {number} start
   * @param {number} end
   */
  function expected({ expected: spans }, start, end) {
    /** @type {[number, number, Piece][]} */
    const parts = [];
    let at = start;
    for (let i = firstBehind(spans, start); i < spans.length && spans[i][0] <= at && at < end; i++) {
      const [, to, piece] = spans[i];
      if (piece.state === 'gone') return undefined;
      const last = parts.at(-1);
      if (last?.[2] === piece) last[1] = Math.min(to, end);
      else parts.push([at, Math.min(to, end), piece]);
      at = to;
    }
    return at >= end ? parts : undefined;
  }

  /** @param {string} path @param {number} start @param {number} end @returns {Promise<Read>} */
  async function read(path, start, end) {
    heed();
    const file = fileAt(path);
    const { remote } = file;
    used.add(path);
    if (remote.changed) throw remote.changed;
    const isReady = ready(file);
    const parts =
      expected(file, start, end) ??
      plan([{ path, start, end }]).map((planned) => {
        const piece = new Piece(planned, file);
        piece.isOneTime = true;
        return /** @type {[number, number, Piece]} */ ([planned.start, planned.end, piece]);
      });
    const pieces = new Set(parts.map(([, , piece]) => piece));
    for (const piece of pieces) {
      piece.readers++;
      if (piece.state === 'planned') urgent.push(piece);
    }
    pump();
    try {
      await Promise.all([isReady, ...[...pieces].map(({ loaded }) => loaded)]);
      const bytes = assemble(parts, remote.total ?? Infinity);
      for (const [from, to, piece] of parts) piece.unread -= to - from;
      const release = parts.length === 1 ? lend(parts[0][2]) : undefined;
      return { bytes, fileLength: remote.total, release };
    } finally {
      for (const piece of pieces) {
        piece.readers--;
        if (piece.readers === 0 && (piece.isOneTime || piece.unread <= 0)) free(piece);
      }
      pump();
    }
  }

  /** @param {string} path @param {number} most @returns {Promise<Read>} */
  async function readWhole(path, most) {
    heed();
    const file = fileAt(path);
    used.add(path);
    await ready(file);
    heed();
    const { total } = file.remote;
    if (total !== undefined && total <= most) return read(path, 0, total);
    try {
      if (total !== undefined) throw tooLarge(path, most);
      return await readAll(file, most);
    } catch (error) {
      if (/** @type {any} */ (error).code === 'file-too-large') await forget(path);
      throw error;
    }
  }

  /** Reads a file of unknown length. @param {File} file @param {number} most @returns {Promise<Read>} */
  async function readAll(file, most) {
    const { path } = file.remote;
    if (file.remote.changed) throw file.remote.changed;
    // It stands among the pieces to be cancelled with them.
    const piece = new Piece({ path, start: 0, end: 0, spans: [] }, file);
    live.add(piece);
    /** @type {Uint8Array[]} */
    const parts = [];
    const kept = collector(file);
    const take = (/** @type {number} */ at, /** @type {Uint8Array} */ bytes) => {
      parts.push(bytes.slice());
      kept.add(at, bytes);
      arrive('network', bytes.length);
    };
    try {
      await file.remote.load(0, Infinity, { take, most }, piece.stop.signal);
      const bytes = join(parts);
      file.remote.learn({ total: bytes.length });
      kept.flush();
      // The last bytes may have been kept before it was known that they are the last.
      keepBytes(file, bytes.length, new Uint8Array(0));
      noteHead(file, bytes);
      return { bytes, fileLength: bytes.length };
    } catch (error) {
      if (error === file.remote.changed) await drop(file);
      throw error;
    } finally {
      kept.flush();
      free(piece);
    }
  }

  /** Leaves nothing of a file, so that the next read begins anew. @param {string} path */
  async function forget(path) {
    const file = files.get(path);
    if (!file) return;
    files.delete(path);
    for (const piece of new Set([...live, ...queue, ...urgent])) {
      if (piece.file !== file) continue;
      piece.reject(cancelled());
      free(piece);
    }
    file.remote.stop();
    await file.entry?.remove().catch(() => {});
  }

  return {
    read,
    readWhole,
    expect,
    progress() {
      const [[since, before]] = samples;
      const seconds = (performance.now() - since) / 1000;
      const loaded = came.network + came.cached;
      const ahead = [...live].reduce((sum, piece) => sum + piece.ahead, 0);
      return { ...came, ahead, rate: seconds > 0 ? (loaded - before) / seconds : 0 };
    },
    begin() {
      used.clear();
      for (const file of files.values()) if (file.head) file.ready = undefined;
    },
    async disown(path = '') {
      for (const bad of files.has(path) ? [path] : [...used]) await forget(bad);
    },
    close: cancel,
  };
}

/**
 * Bytes of pieces, one behind the other: a view where one piece holds all.
 * @param {[number, number, Piece][]} parts
 * @param {number} end of the file
 */
function assemble(parts, end) {
  const views = [];
  for (const [from, to, { bytes = new Uint8Array(), start }] of parts) {
    const view = bytes.subarray(from - start, Math.max(Math.min(to, end) - start, 0));
    views.push(view);
    // The file ends here, though a server may send bytes from behind its end.
    if (view.length < to - from) break;
  }
  return views.length === 1 ? views[0] : join(views);
}

/** @param {Uint8Array[]} parts */
function join(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
  return bytes;
}

/**
 * The SHA-256 that the hub publishes for a file: its LFS pointer tells it. Empty where there is none.
 * @param {string} url
 * @param {typeof globalThis.fetch} [fetch]
 * @param {number} [ms] how long an answer is waited for
 * @returns {Promise<string>} rejects where it cannot be told now
 */
export async function publishedSha256(url, fetch = globalThis.fetch.bind(globalThis), ms = PATIENCE.stallMs) {
  if (!url.includes('/resolve/')) return '';
  const stop = new AbortController();
  const late = () => codedError('fetch-failed', `The checksum of ${url} could not be loaded: no answer came.`);
  try {
    return await within(ms, pointedAt(url, fetch, stop.signal), late);
  } finally {
    stop.abort();
  }
}

/** @param {string} url @param {typeof globalThis.fetch} fetch @param {AbortSignal} signal */
async function pointedAt(url, fetch, signal) {
  const response = await fetch(url.replace('/resolve/', '/raw/'), {
    signal,
    headers: { Range: `bytes=0-${POINTER - 1}` },
  });
  if (response.status === 404) return '';
  if (!response.ok) {
    const cause = `the server answered ${response.status}`;
    throw codedError('fetch-failed', `The checksum of ${url} could not be loaded: ${cause}.`);
  }
  // A file that is not in LFS is there itself: no more of it is read than a pointer has.
  const reader = response.body?.getReader();
  const text = new TextDecoder();
  let pointer = '';
  while (pointer.length < POINTER) {
    const { value } = (await reader?.read()) ?? {};
    if (!value) break;
    pointer += text.decode(value.subarray(0, POINTER), { stream: true });
  }
  return /^version https:\/\/git-lfs\S*\noid sha256:([0-9a-f]{64})\n/.exec(pointer)?.[1] ?? '';
}
