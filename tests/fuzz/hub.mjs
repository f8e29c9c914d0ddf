// Whatever a server answers and whatever was tampered with in the cache, a read brings the right bytes of one
// version of the file, or an error with a code and a sentence: never anything else, and never nothing.

import { createCache } from '../../www/runtime/loading/cache.js';
import { createReader } from '../../www/runtime/loading/hub.js';
import { standIn, storedOf } from './hub-browser.mjs';
import { hostileServer } from './hub-server.mjs';
import { random } from './random.mjs';

/** @typedef {import('./hub-server.mjs').Served} Served */

/** Quick: nothing here is far away. */
const PATIENCE = { tries: 3, firstPauseMs: 1, longestPauseMs: 2, longestWaitMs: 2, stallMs: 25, idleMs: 50 };
const CODES = [
  'file-not-found',
  'access-denied',
  'rate-limited',
  'file-changed',
  'file-too-large',
  'offline',
  'fetch-failed',
  'cancelled',
];
/** Cases that run beside each other: most of the time of each is waiting. */
const BESIDE = 64;
/** Longer than any patience, on a machine however busy. */
const HANG_MS = 30_000;
const COMMIT = '607a30d783dfa663caf39e06633721c8d4cfcd7e';

/** What files hold: no byte of one version is at its place in another. */
const VERSIONS = [0, 85, 170].map((add) =>
  Uint8Array.from({ length: 71_000 }, (_, at) => (at * 7 + add + (at >> 8)) & 255),
);

/** Says what is wrong. @param {unknown} is @param {string} what */
function must(is, what) {
  if (!is) throw new Error(what);
}

/**
 * @template T
 * @param {Promise<T>} work
 * @param {string} what
 * @returns {Promise<T>}
 */
function inTime(work, what) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${what} hangs`)), HANG_MS)));
  return /** @type {Promise<T>} */ (Promise.race([work, late])).finally(() => clearTimeout(timer));
}

/** @param {Uint8Array} a @param {Uint8Array} b */
const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** @param {number} seed @param {number} index */
async function one(seed, index) {
  const chance = random((Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0);
  const showsEtag = chance.chance(0.6);
  const isPinned = chance.chance(0.2);
  // What neither tells its version nor is compared must not change while it is read.
  const manner = {
    showsEtag,
    showsRange: chance.chance(0.8),
    ranges: chance.chance(0.85),
    faults: chance.pick([0, 0.1, 0.3, 0.6, 1]),
    changes: showsEtag && !isPinned && chance.chance(0.3),
  };
  const base = `https://${seed}-${index}.example/o/r/resolve/${isPinned ? COMMIT : 'main'}`;
  /** @type {Map<string, Served>} */
  const files = new Map();
  for (const name of ['a', 'b']) {
    const size = chance.pick([0, 1, 2, 7, 100, 1000, 3000, 70_000]);
    const versions = VERSIONS.slice(isPinned ? 2 : 0).map((bytes) =>
      bytes.subarray(0, chance.chance(0.7) ? size : chance.int(size + 50)),
    );
    files.set(`${base}/${name}`, { versions, now: 0 });
  }
  const paths = [...files.keys()];
  const { fetch, seen } = hostileServer(chance, files, manner);
  const cache = chance.chance(0.7) ? createCache({ idleMs: 5 }) : undefined;
  let controller = new AbortController();
  const newReader = () => createReader({ cache, fetch, patience: PATIENCE, signal: () => controller.signal });
  let reader = newReader();
  /** Versions that what a reader gave of a file can be of. @type {Map<string, Set<number>>} */
  let possible = new Map();
  /** Files of which a reader knows how they begin. @type {Set<string>} */
  let begun = new Set();
  const open = () => {
    reader.close();
    reader = newReader();
    [possible, begun] = [new Map(), new Set()];
  };

  /**
   * @param {string} path
   * @param {Promise<import('../../www/runtime/loading/hub.js').Read>} reading
   * @param {number} start
   * @param {number} end
   * @param {typeof reader} asked whom it was asked of
   */
  const check = async (path, reading, start, end, asked = reader) => {
    const what = `reading ${start} to ${end} of ${path}`;
    let read;
    try {
      read = await inTime(reading, what);
    } catch (thrown) {
      const { name, code, message } = /** @type {any} */ (thrown);
      must(
        name === 'SaeAttributionError' && CODES.includes(code),
        `${what} throws ${/** @type {any} */ (thrown)?.stack}`,
      );
      must(code === 'cancelled' || (message.includes(path) && /\.$/.test(message)), `${what} says ${message}`);
      if (code === 'file-changed' && asked === reader) open();
      return code;
    }
    const { versions } = /** @type {Served} */ (files.get(path));
    const could = versions
      .map((_, i) => i)
      .filter((i) => {
        const right = versions[i].subarray(start, end);
        return same(read.bytes, seen.lied ? right.subarray(0, read.bytes.length) : right);
      });
    read.release?.();
    must(
      could.length > 0 || (seen.lied && seen.endless > 0),
      `${what} gives ${read.bytes.length} bytes that no version has`,
    );
    if (asked !== reader) return '';
    if (start === 0 && end > 0 && versions.every(({ length }) => length > 0)) begun.add(path);
    // What was read without a fault before is of the version read now.
    const before = possible.get(path) ?? new Set(versions.keys());
    const still = new Set(could.filter((i) => before.has(i)));
    if (manner.showsEtag || !manner.changes)
      must(still.size > 0 || seen.lied, `${what} gives another version than before`);
    possible.set(path, still);
    return '';
  };

  for (let left = 2 + chance.int(8); left > 0; left--) {
    const path = chance.pick(paths);
    const { versions } = /** @type {Served} */ (files.get(path));
    const most = Math.max(...versions.map(({ length }) => length)) + 10;
    const [a, b] = [chance.int(most), chance.int(most)];
    const [start, end] = chance.chance(0.4) ? [0, 1 + b] : [Math.min(a, b), Math.max(a, b) + 1];
    const act = chance.int(12);
    if (act < 4) await check(path, reader.read(path, start, end), start, end);
    else if (act < 6) {
      const most = chance.pick([0, 10, 1000, 100_000]);
      const before = seen.endless;
      const code = await check(
        path,
        reader.readWhole(path, most).then((read) => {
          must(read.bytes.length <= most, `${path}: more than ${most} bytes`);
          return read;
        }),
        0,
        Infinity,
      );
      must(seen.endless - before < 2_000_000, `${path}: an endless body is read on`);
      if (code === 'file-too-large') possible.delete(path);
    } else if (act < 8) {
      const parts = Array.from({ length: 1 + chance.int(4) }, () => {
        const at = chance.int(most);
        return { path: chance.pick(paths), start: at, end: at + 1 + chance.int(500) };
      });
      const asked = reader;
      reader.expect(parts);
      const reads = parts
        .filter(() => chance.chance(0.7))
        .map(({ path, start, end }) => {
          const reading = reader.read(path, start, end);
          reading.catch(() => {});
          return { path, start, end, reading };
        });
      // A change closes the reader, and the others with it.
      for (const { path, reading, start, end } of reads) await check(path, reading, start, end, asked);
    } else if (act === 8) {
      const reading = check(path, reader.read(path, start, end), start, end);
      await new Promise((resolve) => setTimeout(resolve, chance.int(4)));
      controller.abort();
      controller = new AbortController();
      await reading;
    } else if (act === 9) {
      reader.begin();
      // Between two requests a file may change whose beginning is known.
      if (!isPinned)
        for (const path of begun) if (chance.chance(0.3)) /** @type {Served} */ (files.get(path)).now = chance.int(3);
    } else if (act === 10) {
      await inTime(reader.disown(chance.pick([undefined, path])), 'disown');
      possible.clear();
      begun.clear();
    } else {
      open();
      if (chance.chance(0.5)) await tamper(chance, path);
    }
  }
  reader.close();
  await inTime(settled(seen), `${base}: closing, with ${seen.open} answers open`);
  if (cache) for (const path of paths) (await storedOf(path)).forget();
}

/** Resolves when no answer is open any more. @param {{open: number}} seen */
async function settled(seen) {
  while (seen.open > 0) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Writes what nobody writes into what is kept. @param {import('./hub-server.mjs').Random} chance @param {string} path */
async function tamper(chance, path) {
  const { entries } = await storedOf(path);
  if (!entries) return;
  const root = new URL('/.sae-attribution/', location.origin).href;
  const hash = chance.pick(['a'.repeat(64), 'A'.repeat(64), 'xyz', '']);
  const number = () => chance.pick(['0', '1', '500', '99999999999999999999', '4503599627370496', '-5', '']);
  const key = chance.pick([...entries.keys(), `${root}${number()}-${number()}-${hash}`]) ?? root;
  const head = entries.get(`${root}head`);
  const text = chance.pick([
    '',
    'null',
    '[]',
    '{}',
    '{"format": 1}',
    'not json',
    '{"format": 2}',
    `{"format": 1, "url": "${path}", "total": 1e300}`,
    `{"format": 1, "url": "${path}", "etag": {"a": 1}}`,
    `{"format": 1, "url": "${path}", "total": -1, "etag": "x"}`,
  ]);
  if (chance.chance(0.4)) entries.set(`${root}head`, new TextEncoder().encode(text));
  else if (chance.chance(0.5) && key !== `${root}head`) entries.set(key, new Uint8Array(chance.int(2000)));
  else if (head && key !== `${root}head`) entries.delete(key);
}

/**
 * Runs cases until one fails, there are enough of them or the time is over; returns how many passed.
 * @param {{seed: number, cases?: number, seconds?: number, first?: number}} options first: index of the first case
 */
export async function run({ seed, cases = Infinity, seconds = Infinity, first = 0 }) {
  standIn();
  const end = performance.now() + seconds * 1000;
  let [next, passed] = [first, 0];
  /** @type {Error | undefined} */
  let failed;
  const work = async () => {
    while (!failed && next < first + cases && performance.now() < end) {
      const index = next++;
      try {
        await one(seed, index);
        passed++;
      } catch (error) {
        failed ??= new Error(`seed ${seed}, case ${index}: ${/** @type {Error} */ (error).message}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: BESIDE }, work));
  if (failed) throw failed;
  return passed;
}
