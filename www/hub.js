// The source of every byte the runtime computes with: ranges of files on a server in the hub's layout.
//
// 1. `expect` tells what will be read. Neighbouring ranges are joined and large ones cut into pieces.
// 2. Pieces load ahead, in order, a few at a time, until what waits to be read fills the window.
// 3. A piece takes what the cache holds; remote.js loads the rest, which is kept while it arrives.
// 4. `read` waits for the pieces that it touches and hands out views of them. A piece goes when all
//    that was expected of it has been read.

import { cancelled, PATIENCE, RemoteFile } from './remote.js';

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
 * @property {(path: string, start?: number, end?: number) => Promise<Read>} read rejects with a coded error
 * @property {(ranges: Range[]) => void} expect what will be read next, in order; replaces what was told before
 * @property {() => {network: number, cached: number, ahead: number, rate: number}} progress bytes that came
 *   from the network and from the cache, those of them that were not read yet, and bytes per second lately
 * @property {() => void} begin marks the start of a request
 * @property {() => Promise<void>} disown forgets files that were first read since `begin`: what they hold was
 *   no use
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
    for (let at = start; at < end; ) {
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
 * @property {Promise<void>} ready the version of what is kept is known
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
  /** Files first read in this request. @type {Set<string>} */
  const fresh = new Set();
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
  function fileAt(path) {
    const known = files.get(path);
    if (known) return known;
    const { host } = new URL(path, location.href);
    const gate = hosts.get(host) ?? { quietUntil: 0 };
    hosts.set(host, gate);
    const remote = new RemoteFile(path, { fetch, patience: { ...PATIENCE, ...patience }, host: gate, onNotice });
    const entry = keep(path) ? cache?.entry(new URL(path, location.href).href) : undefined;
    const ready = Promise.resolve(entry?.version()).then((version) => version && remote.learn(version));
    /** @type {File} */
    const file = { remote, entry, ready, expected: [] };
    files.set(path, file);
    fresh.add(path);
    return file;
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
      file.expected = [];
      file.remote.stop();
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
    await file.ready;
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
        await file.remote.load(
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
      } finally {
        flush();
        spare.flush();
      }
    }
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
    if (!remote.changed) entry?.write(at, bytes, remote);
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
      if (!file.entry) return;
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
   * Pieces that bytes start to end were expected in, if all were.
   * @param {File} file
   * @param {number} start
   * @param {number} end
   */
  function expected({ expected: spans }, start, end) {
    /** @type {Set<Piece>} */
    const pieces = new Set();
    let at = start;
    for (let i = firstBehind(spans, start); i < spans.length && spans[i][0] <= at && at < end; i++) {
      if (spans[i][2].state === 'gone') return undefined;
      pieces.add(spans[i][2]);
      at = spans[i][1];
    }
    return at >= end ? [...pieces] : undefined;
  }

  /** @param {string} path @param {number} [start] @param {number} [end] @returns {Promise<Read>} */
  async function read(path, start, end) {
    heed();
    const file = fileAt(path);
    const { remote } = file;
    if (start === undefined || end === undefined) {
      await file.ready;
      heed();
      if (remote.total === undefined) return readAll(file);
      [start, end] = [0, remote.total];
    }
    if (remote.changed) throw remote.changed;
    const pieces = expected(file, start, end) ?? plan([{ path, start, end }]).map((planned) => {
      const piece = new Piece(planned, file);
      piece.isOneTime = true;
      return piece;
    });
    for (const piece of pieces) {
      piece.readers++;
      if (piece.state === 'planned') urgent.push(piece);
    }
    pump();
    try {
      await Promise.all(pieces.map(({ loaded }) => loaded));
      const bytes = assemble(pieces, start, Math.max(start, Math.min(end, remote.total ?? end)));
      for (const piece of pieces) piece.unread -= Math.min(end, piece.end) - Math.max(start, piece.start);
      const release = pieces.length === 1 ? lend(pieces[0]) : undefined;
      return { bytes, fileLength: remote.total, release };
    } finally {
      for (const piece of pieces) {
        piece.readers--;
        if (piece.readers === 0 && (piece.isOneTime || piece.unread <= 0)) free(piece);
      }
      pump();
    }
  }

  /** Reads a file of unknown length. @param {File} file @returns {Promise<Read>} */
  async function readAll(file) {
    const { path } = file.remote;
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
      await file.remote.load(0, Infinity, { take }, piece.stop.signal);
      const bytes = join(parts);
      file.remote.learn({ total: bytes.length });
      kept.flush();
      // The last bytes may have been kept before it was known that they are the last.
      keepBytes(file, bytes.length, new Uint8Array(0));
      return { bytes, fileLength: bytes.length };
    } catch (error) {
      if (error === file.remote.changed) await drop(file);
      throw error;
    } finally {
      kept.flush();
      free(piece);
    }
  }

  return {
    read,
    expect,
    progress() {
      const [[since, before]] = samples;
      const seconds = (performance.now() - since) / 1000;
      const loaded = came.network + came.cached;
      const ahead = [...live].reduce((sum, piece) => sum + piece.ahead, 0);
      return { ...came, ahead, rate: seconds > 0 ? (loaded - before) / seconds : 0 };
    },
    begin: () => fresh.clear(),
    async disown() {
      const paths = [...fresh];
      fresh.clear();
      for (const path of paths) {
        const file = files.get(path);
        files.delete(path);
        await file?.entry?.remove().catch(() => {});
      }
    },
    close: cancel,
  };
}

/**
 * Bytes start to end of pieces that hold them in order: a view where one piece holds all.
 * @param {Piece[]} pieces
 * @param {number} start
 * @param {number} end
 */
function assemble(pieces, start, end) {
  const parts = pieces.map(({ bytes = new Uint8Array(), start: base }) =>
    bytes.subarray(Math.max(start - base, 0), Math.max(end - base, 0)),
  );
  return parts.length === 1 ? parts[0] : join(parts);
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
 */
export async function publishedSha256(url, fetch = globalThis.fetch.bind(globalThis)) {
  if (!url.includes('/resolve/')) return '';
  const stop = new AbortController();
  // A file that is not in LFS is there itself: a pointer is shorter than this.
  const response = await fetch(url.replace('/resolve/', '/raw/'), {
    signal: stop.signal,
    headers: { Range: 'bytes=0-511' },
  });
  if (!response.ok || !response.body) return '';
  const { value } = await response.body.getReader().read();
  stop.abort();
  const pointer = new TextDecoder().decode(value);
  return /^version https:\/\/git-lfs\S*\noid sha256:([0-9a-f]{64})\n/.exec(pointer)?.[1] ?? '';
}
