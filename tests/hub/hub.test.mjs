// Every byte arrives, whatever the server, the network, the browser or the person does: hub.js and
// cache.js in a real browser against a hub that fails by the script (server.mjs).

import assert from 'node:assert/strict';
import { after, before, test as testWithin } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PIECE, WINDOW, plan } from '../../www/runtime/loading/hub.js';
import { start } from '../page/browser.mjs';
import { ALL } from '../all.mjs';
import { bytesOf, sha256, startHub } from './server.mjs';

/** @typedef {{path: string, start: number, end: number}} Range */

const MIB = 2 ** 20;
/** Names a version that never changes. */
const COMMIT = '607a30d783dfa663caf39e06633721c8d4cfcd7e';
/** What a server is asked of a file that is kept: whether it is still that one. */
const CHECK = 'bytes=0-0';

/**
 * No test may hang.
 * @param {string} name
 * @param {(t: import('node:test').TestContext) => void | Promise<void>} body
 */
const test = (name, body) => testWithin(name, { timeout: 30_000 }, body);

/** @type {Awaited<ReturnType<typeof startHub>>} */
let hub;
/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  hub = await startHub();
  const folder = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
  browser = await start({
    runtime: false,
    mounts: new Map([
      ['/hub/', folder('.')],
      ['/www/', folder('../../www')],
    ]),
  });
});
after(async () => {
  await browser.close();
  await hub.close();
});

/**
 * A tab with a reader.
 * @param {import('node:test').TestContext} t
 * @param {{lacks?: string, patience?: object, cached?: boolean}} [options] lacks: what the browser is made to lack
 */
async function visit(t, { lacks = '', ...options } = {}) {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  await page.goto(`${browser.url}/hub/page.html?lacks=${lacks}`);
  /** @type {(name: string, ...args: any[]) => Promise<{value?: any, error?: {code: string, message: string}}>} */
  const call = (...args) => page.evaluate((args) => /** @type {any} */ (globalThis).call(...args), args);
  /** @type {(name: string, ...args: any[]) => Promise<any>} */
  const ask = async (...args) => {
    const { value, error } = await call(...args);
    assert.equal(error, undefined);
    return value;
  };
  await ask('open', options);
  return {
    page,
    call,
    ask,
    /** Reads a range and compares it. @param {string} url @param {number} [start] @param {number} [end] */
    async reads(url, start, end) {
      const read = await ask('read', url, start, end);
      const right = hub.at(url).bytes.subarray(start ?? 0, end);
      assert.deepEqual([read.length, read.sha256], [right.length, sha256(right)]);
      return read;
    },
    /** Expects ranges, reads them in parts and compares them. @param {Range[]} ranges @param {number} [part] */
    async readsAll(ranges, part) {
      await ask('expect', ranges);
      assert.equal(await ask('readAll', ranges, part), sumOf(ranges));
    },
    /**
     * Reads and is refused.
     * @param {string} url
     * @param {string} code
     * @param {RegExp} words
     * @param {[number, number] | []} range
     */
    async fails(url, code, words, range = [0, 1000]) {
      const { error } = await call('read', url, ...range);
      assert.equal(error?.code, code, error?.message);
      assert.match(error?.message ?? '', words);
      // A sentence that names the file.
      assert.ok(error?.message.includes(url), error?.message);
    },
  };
}

/** @param {Range[]} ranges */
const sumOf = (ranges) =>
  sha256(Buffer.concat(ranges.map(({ path, start, end }) => hub.at(path).bytes.subarray(start, end))));

/** Waits until it is so. @param {() => boolean} so */
async function until(so, ms = 5_000) {
  const end = performance.now() + ms;
  while (!so()) {
    assert.ok(performance.now() < end, `not so: ${so}`);
    await sleep(5);
  }
}

test('ranges are joined and cut: little waste, pieces of one size, each byte once', () => {
  const path = 'f';
  const covers = (/** @type {Range[]} */ ranges) => {
    const pieces = plan(ranges);
    const wanted = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    const planned = pieces.reduce((sum, { start, end }) => sum + end - start, 0);
    assert.ok(planned <= 1.01 * wanted, `${planned} for ${wanted}`);
    for (const { start, end, spans } of pieces) {
      assert.ok(end - start <= PIECE && spans[0][0] === start && spans.at(-1)?.[1] === end);
    }
    return pieces;
  };
  assert.equal(
    covers([
      { path, start: 0, end: 100 },
      { path, start: 100, end: 300 },
    ]).length,
    1,
  );
  assert.equal(
    covers([
      { path, start: 0, end: MIB },
      { path, start: MIB + 1000, end: 2 * MIB },
    ]).length,
    1,
  );
  assert.equal(
    covers([
      { path, start: 0, end: MIB },
      { path, start: MIB + 17_000, end: 2 * MIB },
    ]).length,
    2,
  );
  assert.equal(
    covers([
      { path, start: 0, end: MIB },
      { path: 'g', start: MIB, end: 2 * MIB },
    ]).length,
    2,
  );
  assert.equal(covers([{ path, start: 5, end: 2.5 * PIECE }]).length, 3);
  // Rows with as much between them are not joined; rows that touch are.
  const rows = (/** @type {number} */ step) =>
    Array.from({ length: 500 }, (_, i) => ({ path, start: i * step * 3072, end: (i * step + 1) * 3072 }));
  assert.equal(covers(rows(2)).length, 495);
  assert.equal(covers(rows(1)).length, 1);
  // Overlapping and repeated ranges are loaded once.
  const twice = plan([
    { path, start: 0, end: 300 },
    { path, start: 100, end: 400 },
    { path, start: 50, end: 90 },
  ]);
  assert.equal(
    twice.reduce((sum, { start, end }) => sum + end - start, 0),
    400,
  );
});

test('ranges, whole files and the end of a file', async (t) => {
  const url = hub.put('plain.bin', 3_000_000);
  const { reads, ask } = await visit(t);
  assert.equal((await reads(url, 10, 30)).fileLength, 3_000_000);
  await reads(url, 1_000_000, 2_000_000);
  assert.equal((await reads(url, 2_999_990, 3_000_010)).length, 10);
  assert.equal((await reads(url, 3_000_000, 3_000_010)).length, 0);
  assert.equal((await reads(url, 5_000_000, 5_000_010)).fileLength, 3_000_000);
  const config = hub.put('config.json', Buffer.from('{"n_layer": 12}'));
  assert.equal((await reads(config)).fileLength, 15);
  assert.equal(hub.at(config).seen.ranges.join(), '');
  await reads(hub.put('empty', 0));
  await reads(url);
  // Where a redirect led is remembered.
  assert.equal(hub.at(url).seen.redirects, 1);
  assert.deepEqual(await ask('notices'), []);
});

test('what is expected loads ahead, is read in other parts, and nothing is loaded twice', async (t) => {
  const a = hub.put('ahead-a.bin', 30 * MIB);
  const b = hub.put('ahead-b.bin', 12 * MIB);
  const { readsAll, ask } = await visit(t);
  const ranges = [
    { path: a, start: 1_000, end: 9 * MIB },
    { path: b, start: 0, end: 12 * MIB },
    { path: a, start: 20 * MIB, end: 30 * MIB },
    { path: a, start: 9 * MIB + 500, end: 20 * MIB },
  ];
  await readsAll(ranges, 5_000_000);
  const [seenA, seenB] = [hub.at(a).seen, hub.at(b).seen];
  assert.equal(seenA.bytes + seenB.bytes, 42 * MIB - 1_500);
  assert.ok(Math.max(seenA.mostOpen, seenB.mostOpen) <= 6);
  const { network, ahead, rate } = await ask('progress');
  assert.equal(network, 42 * MIB - 1_500);
  assert.equal(ahead, 0);
  assert.ok(rate > MIB);
});

test('hundreds of small ranges: no more than 1.01 of their bytes, and none at the next visit', async (t) => {
  const url = hub.put('rows.bin', 8 * MIB);
  const { readsAll } = await visit(t);
  const rows = Array.from({ length: 400 }, (_, i) => (i * 1009) % 2730).sort((x, y) => x - y);
  const ranges = rows.map((row) => ({ path: url, start: row * 3072, end: (row + 1) * 3072 }));
  await readsAll(ranges);
  assert.ok(hub.at(url).seen.bytes <= 1.01 * 400 * 3072);
  const before = hub.at(url).seen.ranges.length;
  const next = await visit(t);
  await next.readsAll(ranges.filter((_, i) => i % 3 !== 1));
  assert.deepEqual(hub.at(url).seen.ranges.slice(before), [CHECK]);
});

test('a gap between two ranges that was joined and is expected after them is read in its place', async (t) => {
  const url = hub.put('gap.bin', MIB);
  const { ask, reads } = await visit(t);
  const [a, b, c] = [0, 300_000, 300_500];
  await ask(
    'expect',
    [
      [a, b],
      [c, 600_000],
      [b, c],
    ].map(([start, end]) => ({ path: url, start, end })),
  );
  await reads(url, 0, 600_000);
});

test('nobody reads: no more than the window is loaded', async (t) => {
  const url = hub.put('window.bin', 80 * MIB);
  const { ask, reads } = await visit(t, { cached: false });
  await ask('expect', [{ path: url, start: 0, end: 80 * MIB }]);
  const { seen } = hub.at(url);
  await until(() => seen.bytes >= WINDOW);
  await sleep(300);
  assert.equal(seen.bytes, WINDOW);
  // Reading makes room.
  await reads(url, 0, PIECE);
  await until(() => seen.bytes >= WINDOW + PIECE);
  // What lies beyond is there for whoever reads it all the same.
  await reads(url, 79 * MIB, 80 * MIB);
});

test('a new hint replaces the old one, and keeps what both expect', async (t) => {
  const url = hub.put('hints.bin', 64 * MIB, { pace: 1 });
  const { ask, readsAll } = await visit(t, { cached: false });
  await ask('expect', [
    { path: url, start: 0, end: 16 * MIB },
    { path: url, start: 40 * MIB, end: 64 * MIB },
  ]);
  await until(() => hub.at(url).seen.bytes > MIB);
  await readsAll([{ path: url, start: 0, end: 16 * MIB }]);
  assert.ok(hub.at(url).seen.ranges.filter((range) => range === `bytes=0-${PIECE - 1}`).length === 1);
  assert.ok(hub.at(url).seen.bytes < 40 * MIB, 'what nobody expects any more is not loaded');
});

test('a server that ignores ranges sends each file once', async (t) => {
  const url = hub.put('whole.bin', 24 * MIB, { faults: [{ kind: 'ignore-range', times: Infinity }] });
  const { reads, readsAll } = await visit(t);
  await reads(url, 0, 8);
  await reads(url, 8, 1000);
  await readsAll([
    { path: url, start: 12 * MIB, end: 24 * MIB },
    { path: url, start: 1000, end: 10 * MIB },
  ]);
  const { seen } = hub.at(url);
  assert.equal(seen.bytes, 24 * MIB);
  assert.equal(seen.ranges.length, 1);
});

test('a server that forgets ranges for a while: no answer stays open', async (t) => {
  const url = hub.put('forgetful.bin', 64 * MIB, { pace: 10 });
  const { reads } = await visit(t);
  await reads(url, 0, 1000);
  hub.script(url, { kind: 'ignore-range', times: 2 });
  // Both are sent before either has what it is for.
  await Promise.all([reads(url, 2 * MIB, 2 * MIB + 1000), reads(url, 3 * MIB, 3 * MIB + 1000)]);
  assert.equal(hub.at(url).seen.ranges.length, 3);
  await until(() => hub.at(url).seen.open === 0);
});

test('a server that ignores ranges, and nothing kept', async (t) => {
  const url = hub.put('whole-bare.bin', 20 * MIB, { faults: [{ kind: 'ignore-range', times: Infinity }] });
  const { readsAll } = await visit(t, { cached: false });
  await readsAll([{ path: url, start: 1 * MIB, end: 19 * MIB }]);
  assert.equal(hub.at(url).seen.ranges.length, 1);
  // Back to the start: sent again, and still right.
  await readsAll([{ path: url, start: 0, end: 2 * MIB }]);
});

/** Faults that a second try overcomes. @type {[string, import('./server.mjs').Fault[]][]} */
const PASSING = [
  ['another range', [{ kind: 'wrong-range' }, { kind: 'wrong-range' }]],
  ['a malformed Content-Range', [{ kind: 'malformed-range' }]],
  ['a body shorter than its range', [{ kind: 'short' }, { kind: 'short' }]],
  ['a range shorter than asked for', [{ kind: 'truncated' }, { kind: 'truncated' }]],
  ['no visible Content-Range', [{ kind: 'hidden-range' }]],
  ['silence before the answer', [{ kind: 'silent' }]],
  ['silence in the middle', [{ kind: 'stall' }]],
  ['a connection reset in the middle', [{ kind: 'reset' }, { kind: 'reset' }]],
  ...[
    'bytes 100000-1899999/99999999999999999999',
    'bytes 100000-1899999/1000',
    'bytes 99999999999999999999-2/*',
    'bytes 100000-99999999999999999999/*',
    'bytes 100000-5/2000000',
    'items 100000-1899999/2000000',
    'bytes 1e5-2e6/3e6',
  ].map(
    (told) =>
      /** @type {[string, import('./server.mjs').Fault[]]} */ ([
        `a Content-Range of ${told}`,
        [{ kind: 'malformed-range', told }],
      ]),
  ),
  ['a compressed body of a whole file', [{ kind: 'gzip' }]],
  ['server errors', [500, 502, 502, 503].map((status) => ({ kind: 'status', status }))],
  ['an answer without CORS headers', [{ kind: 'no-cors', times: 2 }]],
  ['an expired signature', [{ kind: 'status', status: 403 }]],
  ['a refusal that passes', [{ kind: 'status', status: 401 }]],
];
for (const [name, faults] of PASSING) {
  test(`overcome: ${name}`, async (t) => {
    const url = hub.put(`${name}.bin`, 2_000_000, { faults: structuredClone(faults) });
    const { reads, readsAll } = await visit(t, { patience: name.startsWith('silence') ? { stallMs: 400 } : {} });
    await readsAll([{ path: url, start: 100_000, end: 1_900_000 }], 300_000);
    assert.deepEqual(hub.at(url).faults, []);
    await reads(url, 0, 2_000_000);
  });
}

test('a slow drip is no silence', async (t) => {
  const url = hub.put('drip.bin', 2_000_000, { faults: [{ kind: 'drip', pause: 300 }] });
  const { reads } = await visit(t, { patience: { stallMs: 2_000 } });
  await reads(url, 0, 2_000_000);
  assert.deepEqual(hub.at(url).seen.ranges, ['bytes=0-1999999']);
});

test('tries that bring something are not counted', async (t) => {
  const url = hub.put('forward.bin', 2_000_000, { faults: [{ kind: 'reset', after: 128 * 1024, times: 9 }] });
  const { reads } = await visit(t);
  await reads(url, 0, 2_000_000);
  assert.equal(hub.at(url).seen.ranges.length, 10);
});

test('a server that sends next to nothing at a time is not asked for ever', async (t) => {
  const url = hub.put('trickle.bin', 2_000_000, { faults: [{ kind: 'trickle', times: Infinity }] });
  const { fails, reads } = await visit(t);
  await fails(url, 'fetch-failed', /next to nothing at a time \(after 5 tries\)/, [0, 1_000_000]);
  assert.ok(hub.at(url).seen.ranges.length <= 7);
  hub.script(url);
  await reads(url, 0, 1_000_000);
});

test('ranges that do not tell how long the file is', async (t) => {
  const url = hub.put('starred.bin', 2_000_000, { faults: [{ kind: 'unknown-length', times: Infinity }] });
  const { reads } = await visit(t);
  assert.equal((await reads(url, 0, 1000)).fileLength, undefined);
  assert.equal((await reads(url, 1_900_000, 2_000_010)).fileLength, 2_000_000);
});

test('the end of a file whose length nobody tells', async (t) => {
  const { reads, ask } = await visit(t, { cached: false });
  const hides = ['Content-Range'];
  const url = hub.put('endless.bin', 100_000, { hides });
  // Memory that others have used is not taken for bytes of the file.
  assert.equal((await reads(url, 200_000, 200_010)).fileLength, undefined);
  assert.equal((await reads(url, 100_000, 100_010)).length, 0);
  assert.equal((await reads(url, 99_990, 100_010)).fileLength, 100_000);
  await reads(url, 0, 300_000);
  const other = hub.put('endless-too.bin', 10 * MIB - 5, { hides });
  await ask('expect', [{ path: other, start: 0, end: 12 * MIB }]);
  await reads(other, 9 * MIB, 12 * MIB);
  const nothing = hub.put('endless-nothing.bin', 0, { hides });
  assert.equal((await reads(nothing, 0, 1000)).fileLength, 0);
});

test('a length that no file has is not believed', async (t) => {
  const url = hub.put('absurd.bin', 5_000);
  const told = { 'Content-Range': 'bytes */99999999999999999999' };
  hub.script(url, { kind: 'status', status: 416, headers: told });
  const { reads } = await visit(t);
  const read = await reads(url, 6_000, 7_000);
  assert.equal(read.fileLength, undefined);
  await reads(url, 0, 5_000);
});

test('a whole file that is too large is given up at once, and nothing of it is kept', async (t) => {
  const url = hub.put('huge.json', 30 * MIB, { pace: 5 });
  const { call, ask, reads } = await visit(t);
  const refused = async (/** @type {string} */ path, /** @type {number} */ most) => {
    const { error } = await call('readWhole', path, most);
    assert.equal(error?.code, 'file-too-large');
    assert.match(
      error?.message ?? '',
      new RegExp(`${new URL(path).pathname.replaceAll('/', '.')} has more than ${most} bytes`),
    );
  };
  await refused(url, 3 * MIB);
  await until(() => hub.at(url).seen.open === 0);
  assert.ok(hub.at(url).seen.bytes < 20 * MIB, `${hub.at(url).seen.bytes} bytes`);
  assert.equal(hub.at(url).seen.ranges.length, 1);
  await ask('settled');
  assert.ok(!(await ask('list')).some((/** @type {any} */ kept) => kept.url === url));
  // As many as it may have are read; the same session reads the next one.
  const right = hub.put('right.json', 3 * MIB);
  assert.equal((await ask('readWhole', right, 3 * MIB)).sha256, sha256(hub.at(right).bytes));
  hub.put('huge.json', 1_000);
  await reads(url);
  // One whose length is known is not loaded at all, however long it says that it is.
  const long = hub.put('long.json', 5_000, {
    faults: [{ kind: 'malformed-range', told: 'bytes 0-9/400000000000000' }],
  });
  await ask('read', long, 0, 10);
  await refused(long, 2 ** 20);
  assert.deepEqual(hub.at(long).seen.ranges, ['bytes=0-9']);
  assert.ok(!(await ask('list')).some((/** @type {any} */ kept) => kept.url === long));
});

test('what is no address is an error that says so', async (t) => {
  const { fails } = await visit(t);
  await fails('http://[', 'fetch-failed', /it is no address/);
  await fails('http://[', 'fetch-failed', /it is no address/, []);
});

test('what came before a connection broke is not loaded again', async (t) => {
  const url = hub.put('resume.bin', 4_000_000, { faults: [{ kind: 'reset' }, { kind: 'reset' }] });
  const { reads } = await visit(t);
  await reads(url, 0, 4_000_000);
  const starts = hub.at(url).seen.ranges.map((range) => Number(/\d+/.exec(range)));
  assert.equal(starts.length, 3);
  assert.ok(starts[0] === 0 && starts[1] > 1_000_000 && starts[2] > starts[1], String(starts));
  const whole = hub.put('resume.json', 400_000, { faults: [{ kind: 'reset' }] });
  await reads(whole);
  assert.match(hub.at(whole).seen.ranges.join(' '), /^ bytes=\d{6}-$/);
});

test('whole files, compressed', async (t) => {
  const text = Buffer.from('{"merges": ["a b", "c d"]}'.repeat(5_000));
  const url = hub.put('tokenizer.json', text, { faults: [{ kind: 'gzip' }] });
  const { reads } = await visit(t);
  assert.equal((await reads(url)).fileLength, text.length);
  const next = await visit(t);
  await next.reads(url);
  assert.deepEqual(hub.at(url).seen.ranges, ['', CHECK]);
});

test('404 is told at once', async (t) => {
  const url = hub.put('gone.bin', 5_000, { faults: [{ kind: 'status', status: 404 }] });
  const { fails, reads } = await visit(t);
  const missing = url.replace('gone', 'never-there');
  await fails(missing, 'file-not-found', /was not found: the server answered 404/);
  await fails(missing, 'file-not-found', /not found/, []);
  await fails(url, 'file-not-found', /not found/);
  assert.equal(hub.at(url).seen.ranges.length, 1);
  await reads(url, 0, 1000);
});

test('401 and 403 are asked again at the original address, once', async (t) => {
  const { fails, reads } = await visit(t);
  for (const status of [401, 403]) {
    const url = hub.put(`denied-${status}.bin`, 5_000);
    await reads(url, 0, 100);
    hub.script(url, { kind: 'status', status, times: 2 });
    await fails(url, 'access-denied', new RegExp(`the server answered ${status}`), [200, 1000]);
    assert.equal(hub.at(url).seen.ranges.length, 3);
    assert.equal(hub.at(url).seen.redirects, 2);
    await reads(url, 0, 1000);
  }
});

test('429: waits as long as the server asks, in seconds or by date', async (t) => {
  const { reads, ask } = await visit(t, { patience: { longestWaitMs: 60_000 } });
  const url = hub.put('limited.bin', 5_000);
  const limit = (/** @type {string} */ value) =>
    hub.script(url, { kind: 'status', status: 429, headers: { 'Retry-After': value } });
  limit('1');
  let before = performance.now();
  await reads(url, 0, 1000);
  assert.ok(performance.now() - before >= 1_000);
  limit(new Date(Date.now() + 3_500).toUTCString());
  before = performance.now();
  await reads(url, 1000, 2000);
  assert.ok(performance.now() - before >= 2_000);
  const [notice] = await ask('notices');
  assert.equal(notice.code, 'waiting');
  assert.match(notice.message, /asks to wait [34] s/);
});

test('503 that says when to come again is believed, too', async (t) => {
  const url = hub.put('unavailable.bin', 5_000);
  hub.script(url, { kind: 'status', status: 503, headers: { 'Retry-After': '1' } });
  const { reads } = await visit(t);
  const before = performance.now();
  await reads(url, 0, 1000);
  assert.ok(performance.now() - before >= 1_000);
});

test('429 without end', async (t) => {
  const headers = { 'Retry-After': '3600' };
  const url = hub.put('limited-for-good.bin', 5_000);
  hub.script(url, { kind: 'status', status: 429, headers, times: 5 });
  const { fails, reads } = await visit(t, { patience: { longestWaitMs: 50 } });
  await fails(url, 'rate-limited', /limits requests \(429\).*[Ww]ait/);
  assert.equal(hub.at(url).seen.ranges.length, 5);
  await reads(url, 0, 1000);
});

test('5 tries, then the failure and its cause', async (t) => {
  const { fails, reads } = await visit(t, { patience: { stallMs: 400 } });
  /** @type {[import('./server.mjs').Fault, RegExp][]} */
  const cases = [
    [{ kind: 'status', status: 500 }, /the server answered 500 \(after 5 tries\)/],
    [{ kind: 'no-cors' }, /the connection failed \(after 5 tries\)/],
    [{ kind: 'wrong-range' }, /another range/],
    [{ kind: 'malformed-range' }, /malformed Content-Range/],
    [{ kind: 'silent' }, /no byte came for 0.4 seconds/],
    [{ kind: 'short' }, /less than it promised|connection broke off/],
  ];
  for (const [fault, words] of cases) {
    const url = hub.put(`always-${fault.kind}.bin`, 3_000_000, { faults: [{ ...fault, times: 5 }] });
    await fails(url, 'fetch-failed', words, [0, 1000]);
    assert.equal(hub.at(url).seen.ranges.length, 5);
    await reads(url, 0, 1000);
  }
  const loop = hub.put('loop.bin', 5_000, { faults: [{ kind: 'loop' }] });
  await fails(loop, 'fetch-failed', /the connection failed/);
  hub.script(loop);
  await reads(loop, 0, 1000);
  const odd = hub.put('odd.bin', 5_000, { faults: [{ kind: 'status', status: 400 }] });
  await fails(odd, 'fetch-failed', /answered 400/);
  await reads(odd, 0, 1000);
});

test('offline is said, and what is kept is read all the same', async (t) => {
  const url = hub.put('offline.bin', 5_000);
  await (await visit(t)).reads(url, 0, 2000);
  const { fails, reads } = await visit(t, { lacks: 'network' });
  hub.script(url, { kind: 'no-cors', times: 5 });
  await reads(url, 0, 2000);
  await fails(url, 'offline', /this device is offline\. Connect it/, [3000, 4000]);
  await reads(url, 3000, 4000);
});

for (const [what, size] of Object.entries({ 'its ETag': 3_000_000, 'its length': 2_500_000 })) {
  test(`a file that changes while it is read, seen by ${what}, is never mixed`, async (t) => {
    const name = `changing-${size}.bin`;
    const url = hub.put(name, 3_000_000);
    const { fails, reads, ask } = await visit(t);
    await reads(url, 0, 1_000_000);
    const { etag } = hub.at(url);
    hub.put(name, bytesOf(size, 'new version'));
    if (size !== 3_000_000) hub.at(url).etag = etag;
    await fails(url, 'file-changed', /changed on the server while it was read; press Run/, [1_000_000, 2_000_000]);
    await fails(url, 'file-changed', /changed/, [0, 1_000]);
    await ask('open');
    await reads(url, 0, 2_000_000);
  });
}

test('a file that became shorter than where it is read from has changed, not ended', async (t) => {
  const hides = ['Content-Range'];
  const url = hub.put('shorter.bin', 5_000, { hides });
  const { fails, reads } = await visit(t);
  await reads(url, 0, 1_000);
  hub.put('shorter.bin', 500, { hides });
  await fails(url, 'file-changed', /changed/, [1_000, 2_000]);
});

test('a file that changed since the last visit is loaded anew', async (t) => {
  const url = hub.put('updated.bin', 20 * MIB);
  await (await visit(t)).reads(url, 0, 9 * MIB);
  hub.put('updated.bin', bytesOf(20 * MIB, 'updated'));
  const { ask, page, readsAll } = await visit(t);
  // All that was kept is of the old version, and what is asked for lies within it.
  await readsAll([{ path: url, start: 0, end: 8 * MIB }]);
  await ask('settled');
  await page.close();
  // Nothing of the old version passes for the new one later.
  const next = await visit(t);
  await next.readsAll([{ path: url, start: 0, end: 20 * MIB }]);
  assert.equal((await next.ask('progress')).cached, 8 * MIB);
});

test('cancel closes every connection at once, and keeps what came', async (t) => {
  const url = hub.put('cancelled.bin', 64 * MIB, { pace: 5 });
  const { ask, call, readsAll } = await visit(t);
  const ranges = [{ path: url, start: 0, end: 40 * MIB }];
  await ask('expect', ranges);
  const reading = call('read', url, 0, 16 * MIB);
  const { seen } = hub.at(url);
  await until(() => seen.bytes > 6 * MIB);
  assert.ok(seen.open > 1);
  const before = performance.now();
  await ask('cancel');
  assert.equal((await reading).error?.code, 'cancelled');
  await until(() => seen.open === 0);
  t.diagnostic(`closed after ${Math.round(seen.lastClose - before)} ms`);
  if (ALL) assert.ok(seen.lastClose - before < 200);
  const { bytes } = seen;
  const requests = seen.ranges.length;
  await sleep(300);
  assert.deepEqual([seen.bytes, seen.ranges.length], [bytes, requests]);
  const { network } = await ask('progress');
  hub.at(url).pace = 0;
  await readsAll(ranges);
  const again = (await ask('progress')).network - network;
  assert.equal(network + again, 40 * MIB, 'each byte came once');
});

test('cancel while waiting for another try', async (t) => {
  const headers = { 'Retry-After': '30' };
  const url = hub.put('cancelled-wait.bin', 5_000, { faults: [{ kind: 'status', status: 429, headers }] });
  const { call, ask } = await visit(t, { patience: { longestWaitMs: 60_000 } });
  const reading = call('read', url);
  await until(() => hub.at(url).seen.ranges.length > 0);
  await sleep(50);
  const before = performance.now();
  await ask('cancel');
  assert.equal((await reading).error?.code, 'cancelled');
  // The server asked for half a minute.
  assert.ok(performance.now() - before < (ALL ? 200 : 15_000));
});

for (const [revision, asked] of Object.entries({ main: [CHECK], [COMMIT]: [] })) {
  test(`the next visit loads nothing again, at the address of ${revision}`, async (t) => {
    const url = hub.put('visited.bin', 20 * MIB, { revision });
    const config = hub.put('visited.json', 1_300_000, { revision });
    const ranges = [{ path: url, start: 100, end: 20 * MIB }];
    const first = await visit(t);
    await first.reads(config);
    await first.readsAll(ranges);
    await first.ask('settled');
    await first.page.close();
    const { reads, readsAll, ask } = await visit(t);
    const before = hub.at(url).seen.ranges.length;
    await reads(config);
    await readsAll(ranges, 3_000_000);
    await ask('begin');
    await reads(url, 500, 1000);
    assert.deepEqual(hub.at(url).seen.ranges.slice(before), asked);
    assert.deepEqual(
      hub.at(config).seen.ranges,
      ['', ...asked],
      JSON.stringify([await ask('notices'), await ask('list')]),
    );
    const { network, cached } = await ask('progress');
    assert.deepEqual([network, cached], [0, 20 * MIB - 100 + 1_300_000 + 500]);
  });
}

test('a server that gives no answer leaves what is kept in use; one that has the file no more does not', async (t) => {
  const url = hub.put('unanswered.bin', 5_000);
  const first = await visit(t);
  await first.reads(url, 0, 2000);
  await first.ask('settled');
  await first.page.close();
  const { reads, ask, fails } = await visit(t);
  hub.script(url, { kind: 'no-cors' }, { kind: 'status', status: 503 });
  await reads(url, 0, 2000);
  assert.equal((await ask('progress')).network, 0);
  // Of what comes now it is known which version it must be.
  await reads(url, 2000, 3000);
  await ask('open');
  hub.script(url, { kind: 'status', status: 404 });
  await fails(url, 'file-not-found', /not found/);
  await reads(url, 0, 2000);
});

test('cancelled while the server is asked about what is kept: the next request asks again', async (t) => {
  const url = hub.put('asked.bin', 5_000);
  const first = await visit(t);
  await first.reads(url, 0, 2000);
  await first.ask('settled');
  await first.page.close();
  const { ask, call, reads } = await visit(t, { patience: { stallMs: 100_000 } });
  hub.script(url, { kind: 'silent' });
  const before = hub.at(url).seen.ranges.length;
  const reading = call('read', url, 0, 1000);
  await until(() => hub.at(url).seen.ranges.length > before);
  await ask('cancel');
  assert.equal((await reading).error?.code, 'cancelled');
  await reads(url, 0, 2000);
  assert.deepEqual(hub.at(url).seen.ranges.slice(before), [CHECK, CHECK]);
});

for (const hides of [['ETag'], ['ETag', 'Content-Range']]) {
  const what = hides.join(' or ');
  test(`without ${what}, nothing is kept but what a commit names`, async (t) => {
    const name = `unnamed-${hides.length}.bin`;
    const [url, fixed] = [hub.put(name, 3 * MIB, { hides }), hub.put(name, 3 * MIB, { hides, revision: COMMIT })];
    const first = await visit(t);
    for (const path of [url, fixed]) {
      await first.readsAll([{ path, start: 0, end: 2 * MIB }]);
      await first.reads(path, 3 * MIB - 10, 3 * MIB + 10);
      await first.reads(path);
    }
    await first.ask('settled');
    const kept = (await first.ask('list')).map((/** @type {any} */ { url }) => url);
    assert.deepEqual([kept.includes(url), kept.includes(fixed)], [false, true]);
    await first.page.close();
    const before = [url, fixed].map((url) => hub.at(url).seen.bytes);
    const next = await visit(t);
    await next.reads(url, 0, 1000);
    await next.reads(fixed, 0, 1000);
    const after = [url, fixed].map((url) => hub.at(url).seen.bytes);
    assert.deepEqual([after[0] > before[0], after[1] > before[1]], [true, false]);
  });

  test(`without ${what}, a file that changed is seen by the next request that reads of it`, async (t) => {
    const name = `unseen-${hides.length}.bin`;
    const url = hub.put(name, 3 * MIB, { hides });
    const { ask, fails, reads } = await visit(t);
    await reads(url, 0, 1000);
    await ask('begin');
    const before = hub.at(url).seen.ranges.length;
    await reads(url, MIB, MIB + 1000);
    await reads(url, 2 * MIB, 2 * MIB + 1000);
    assert.equal(hub.at(url).seen.ranges.slice(before)[0], 'bytes=0-999');
    assert.equal(hub.at(url).seen.ranges.slice(before).length, 3, 'once in a request');
    hub.put(name, bytesOf(3 * MIB, 'another'), { hides });
    await ask('begin');
    await fails(url, 'file-changed', /changed on the server/, [MIB, MIB + 1000]);
    await fails(url, 'file-changed', /changed on the server/, [0, 1000]);
    await ask('open');
    await reads(url, 0, 2000);
  });
}

test('without ETag and ranges, too', async (t) => {
  const name = 'unseen-whole.bin';
  const options = { hides: ['ETag'], faults: [{ kind: /** @type {const} */ ('ignore-range'), times: Infinity }] };
  const url = hub.put(name, 3 * MIB, options);
  const { ask, fails, reads } = await visit(t);
  await reads(url, 0, 1000);
  await ask('begin');
  await reads(url, MIB, MIB + 1000);
  hub.put(name, bytesOf(3 * MIB, 'another'), options);
  await ask('begin');
  await fails(url, 'file-changed', /changed on the server/, [MIB + 1000, 2 * MIB]);
});

test('an answer that does not tell its version is not taken for the one that is known', async (t) => {
  const url = hub.put('once-unnamed.bin', 3 * MIB);
  const { reads, ask } = await visit(t);
  await reads(url, 0, 1000);
  hub.script(url, { kind: 'no-etag' });
  await reads(url, 1000, 2000);
  assert.equal(hub.at(url).seen.ranges.length, 3);
  // Nor does one that tells it later stand for those before it.
  const later = hub.put('late-named.bin', 3 * MIB, { faults: [{ kind: 'no-etag' }] });
  await reads(later, 0, 1000);
  await reads(later, 1000, 2000);
  await ask('settled');
  assert.ok(!(await ask('list')).some((/** @type {any} */ { url }) => url === later));
});

test('a tab closed half way: at most one piece is loaded again', async (t) => {
  const url = hub.put('closed.bin', 48 * MIB, { pace: 12 });
  const ranges = [{ path: url, start: 0, end: 48 * MIB }];
  const first = await visit(t);
  await first.ask('expect', ranges);
  void first.call('readAll', ranges).catch(() => {});
  const { seen } = hub.at(url);
  await until(() => seen.bytes > 24 * MIB, 20_000);
  await first.page.close();
  await until(() => seen.open === 0);
  hub.at(url).pace = 0;
  const next = await visit(t);
  await next.readsAll(ranges);
  assert.ok(seen.bytes <= 56 * MIB, `${seen.bytes / MIB - 48} MiB again`);
  assert.ok((await next.ask('progress')).cached >= 16 * MIB);
});

test('a tab closed as soon as all came at full speed: at most one piece is loaded again', async (t) => {
  const url = hub.put('quick.bin', 96 * MIB);
  const ranges = [{ path: url, start: 0, end: 96 * MIB }];
  const first = await visit(t);
  await first.readsAll(ranges);
  await first.page.close();
  const { seen } = hub.at(url);
  assert.equal(seen.bytes, 96 * MIB);
  const next = await visit(t);
  await next.readsAll(ranges);
  assert.ok(seen.bytes <= 96 * MIB + PIECE, `${seen.bytes / MIB - 96} MiB again`);
});

test('a kept stretch that was corrupted is found and loaded again', async (t) => {
  const url = hub.put('corrupted.bin', 10 * MIB);
  const ranges = [{ path: url, start: 0, end: 10 * MIB }];
  const first = await visit(t);
  await first.ask('clear');
  await first.readsAll(ranges);
  await first.ask('settled');
  await sleep(600);
  await first.ask('corrupt', 5_000_000);
  const next = await visit(t);
  await next.readsAll(ranges);
  const again = (await next.ask('progress')).network;
  assert.ok(again > 0 && again <= 2 * MIB, `${again} bytes`);
  // It was kept rightly this time.
  await next.ask('settled');
  await next.ask('open');
  await next.readsAll(ranges);
  assert.equal((await next.ask('progress')).network, 0);
});

test('a byte that lacks between two stretches is kept when it comes', async (t) => {
  const url = hub.put('hole.bin', 5_000);
  const { ask, reads } = await visit(t);
  await ask('clear');
  await reads(url, 0, 1000);
  await reads(url, 1001, 2000);
  await reads(url, 0, 2000);
  await ask('settled');
  assert.equal((await ask('list'))[0].bytes, 2000);
});

/** @typedef {{format?: any, url?: any, etag?: any, total?: any, verified?: any}} Head */
const HASH = 'a'.repeat(64);
/** What nobody wrote who keeps downloads. @type {[string, (head: Head, chunk: any) => unknown[]][]} */
const FORGED = [
  ['a chunk larger than there is memory', (head, chunk) => [head, { ...chunk, end: 2 ** 52 }]],
  ['a chunk whose bytes lie nowhere', (head, chunk) => [head, { ...chunk, offset: 2 ** 50 }]],
  ['a chunk that ends before it starts', (head, chunk) => [head, { ...chunk, start: 500, end: 10 }]],
  ['a chunk behind the end of the file', (head, chunk) => [head, { ...chunk, start: 4_500, end: 5_500 }]],
  [
    'chunks of other things',
    (head, chunk) => [head, { ...chunk, start: '0' }, { ...chunk, offset: null }, { ...chunk, sha256: 5 }],
  ],
  ['a chunk of no length', (head, chunk) => [head, { ...chunk, end: 0 }, { ...chunk, end: -5 }]],
  ['another format', (head, chunk) => [{ ...head, format: 2 }, chunk]],
  ['another address', (head, chunk) => [{ ...head, url: 'https://example.org/x' }, chunk]],
  ['a version that is no text', (head, chunk) => [{ ...head, etag: 5 }, chunk]],
  ['a length that no file has', (head, chunk) => [{ ...head, total: 1e300 }, chunk]],
  ['a checksum that is none', (head, chunk) => [{ ...head, verified: { toString: 1 } }, chunk]],
  ['values of other kinds', () => [null, 5, 'text', [1], { __proto__: null }, true]],
  ['nothing', () => []],
];
for (const [what, forge] of FORGED) {
  test(`an index that was not written here is dropped: ${what}`, async (t) => {
    const url = hub.put('forged.bin', 5_000);
    const first = await visit(t);
    await first.ask('clear');
    await first.reads(url, 0, 1000);
    await first.ask('settled');
    // Closed when it is idle.
    await sleep(600);
    const [head, chunk] = (await first.ask('forge', url)).map((/** @type {string} */ line) => JSON.parse(line));
    assert.deepEqual([head.format, chunk.start, chunk.end], [1, 0, 1000]);
    await first.ask(
      'forge',
      url,
      forge(head, chunk).map((line) => JSON.stringify(line)),
    );
    const { ask, reads, page } = await visit(t);
    const listed = await ask('list');
    assert.ok(
      listed.every((/** @type {any} */ { bytes, total = 0 }) => Number.isSafeInteger(bytes + total)),
      JSON.stringify(listed),
    );
    await reads(url, 0, 1000);
    assert.deepEqual(await ask('progress').then(({ network, cached }) => [network, cached]), [1000, 0]);
    await reads(url, 1000, 3000);
    assert.deepEqual(await ask('notices'), []);
    // It is kept rightly from now on.
    await ask('settled');
    await page.close();
    const next = await visit(t);
    await next.reads(url, 0, 3000);
    assert.equal((await next.ask('progress')).network, 0);
  });
}

test('a cache whose names were not written here is dropped', async (t) => {
  const lacks = 'opfs';
  const url = hub.put('forged-names.bin', 5_000, { hides: ['Content-Range'] });
  const first = await visit(t, { lacks });
  await first.ask('clear');
  await first.reads(url, 0, 1000);
  await first.ask('settled');
  await sleep(600);
  await first.ask('forgeCache', {
    [`0-9007199254740993-${HASH}`]: 'x',
    [`1000-4503599627370496-${HASH}`]: 'x',
    [`500-20-${HASH}`]: 'x',
    [`1000-1500-${HASH}`]: 'x'.repeat(600),
    [`1500-2000-${HASH.toUpperCase()}`]: 'x',
    [`4000-5500-${HASH}`]: 'x',
  });
  const { ask, reads } = await visit(t, { lacks });
  await reads(url, 0, 5_000);
  assert.equal((await ask('progress')).cached, 1000);
  assert.deepEqual(await ask('notices'), []);
  await ask('settled');
  await sleep(600);
  // Under a head that is not ours nothing counts, nor does it under the next one.
  await ask('forgeCache', { head: '{"format": 2}' });
  const next = await visit(t, { lacks });
  await next.reads(url, 0, 1000);
  assert.equal((await next.ask('progress')).cached, 0);
  await next.ask('settled');
  assert.equal((await next.ask('list'))[0].bytes, 1000);
});

for (const lacks of ['answers', 'answers-of-disk']) {
  test(`a store that does not answer is done without: ${lacks}`, async (t) => {
    const url = hub.put(`silent-${lacks}.bin`, 3 * MIB);
    const { ask, call, reads, readsAll } = await visit(t, { lacks });
    await readsAll([{ path: url, start: 0, end: 3 * MIB }]);
    await reads(url, 0, 1000);
    await ask('begin');
    await reads(url, 5, 1000);
    await ask('settled');
    const [{ error }, notices] = [await call('list'), await ask('notices')];
    if (lacks === 'answers') {
      assert.match(notices[0].message, /Nothing is kept for the next visit: .*does not answer/);
    } else {
      assert.deepEqual([error, notices], [undefined, []]);
      assert.equal((await ask('list')).find((/** @type {any} */ kept) => kept.url === url)?.bytes, 3 * MIB);
    }
  });
}

test('no more room: said once, and the bytes are right', async (t) => {
  const { page, ask, readsAll } = await visit(t);
  await ask('clear');
  const devtools = await page.context().newCDPSession(page);
  const { origin } = new URL(browser.url);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 6 * MIB });
  const [size, names] = [10 * MIB, ['full-a.bin', 'full-b.bin']];
  const ranges = names.map((name) => ({ path: hub.put(name, size), start: 0, end: size }));
  await readsAll(ranges);
  await ask('settled');
  assert.deepEqual(
    (await ask('notices')).map((/** @type {any} */ { code }) => code),
    ['cache-full'],
  );
  assert.ok((await ask('list')).length <= 1);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin });
  await ask('clear');
  await readsAll(ranges);
  await ask('settled');
  assert.equal((await ask('list')).length, 2);
});

test('downloads wait for a disk that is behind', async (t) => {
  const url = hub.put('behind.bin', 7 * MIB);
  const { ask, reads } = await visit(t);
  await ask('openBusy');
  const reading = reads(url, 0, 7 * MIB);
  await until(() => hub.at(url).seen.bytes > 2 * MIB);
  await sleep(200);
  const { network } = await ask('progress');
  assert.ok(network >= MIB && network <= 3 * MIB, `${network} bytes`);
  await ask('caughtUp');
  await reading;
});

test('two tabs at once: both read rightly, and what is kept stays right', async (t) => {
  const url = hub.put('tabs.bin', 24 * MIB, { pace: 15 });
  const ranges = [{ path: url, start: 0, end: 24 * MIB }];
  const [one, two] = [await visit(t), await visit(t)];
  await Promise.all([one.readsAll(ranges), two.readsAll(ranges)]);
  const codes = [...(await one.ask('notices')), ...(await two.ask('notices'))].map(({ code }) => code);
  assert.deepEqual(codes, ['cache-busy']);
  await one.ask('settled');
  await two.ask('settled');
  // The tab that holds it lets it go when it is idle; both see what is kept meanwhile.
  assert.equal((await two.ask('list')).find((/** @type {any} */ kept) => kept.url === url)?.bytes, 24 * MIB);
  await sleep(800);
  await two.ask('open');
  await two.readsAll(ranges);
  assert.equal((await two.ask('progress')).network, 0);
});

for (const [what, lacks] of Object.entries({ 'a private file system': 'opfs', 'its access handles': 'handles' })) {
  test(`without ${what}, the Cache API keeps the same`, async (t) => {
    const url = hub.put(`lacks-${lacks}.bin`, 12 * MIB);
    const ranges = [{ path: url, start: 5, end: 12 * MIB - 5 }];
    const first = await visit(t, { lacks });
    assert.equal(await first.ask('kind'), 'cache-api');
    await first.readsAll(ranges);
    await first.ask('settled');
    await first.page.close();
    const next = await visit(t, { lacks });
    await next.readsAll(ranges);
    assert.equal((await next.ask('progress')).network, 0);
    assert.deepEqual(
      (await next.ask('list')).find((/** @type {any} */ kept) => kept.url === url),
      { url, bytes: 12 * MIB - 10, total: 12 * MIB },
    );
    await next.ask('remove', url);
    assert.equal(
      (await next.ask('list')).some((/** @type {any} */ kept) => kept.url === url),
      false,
    );
    await next.ask('open');
    await next.reads(url, 0, 1000);
    assert.ok((await next.ask('progress')).network >= 1000);
  });
}

test('without any store: said once, and everything works', async (t) => {
  const url = hub.put('no-store.bin', 12 * MIB);
  const { ask, reads, readsAll } = await visit(t, { lacks: 'opfs,caches' });
  assert.equal(await ask('kind'), 'none');
  await readsAll([{ path: url, start: 0, end: 12 * MIB }]);
  await reads(url, 0, 1000);
  const notices = await ask('notices');
  assert.equal(notices.length, 1);
  assert.match(notices[0].message, /Nothing is kept for the next visit: this browser has no private file system/);
  assert.deepEqual(await ask('list'), []);
});

test('what is kept is listed and removed, also while it is used', async (t) => {
  const [a, b] = [hub.put('listed-a.bin', 9 * MIB), hub.put('listed-b.bin', 5_000)];
  const { ask, call, reads, readsAll } = await visit(t);
  await ask('clear');
  await reads(b, 1000, 3000);
  const ranges = [{ path: a, start: 0, end: 9 * MIB }];
  await readsAll(ranges);
  await ask('settled');
  assert.deepEqual(await ask('list'), [
    { url: a, bytes: 9 * MIB, total: 9 * MIB },
    { url: b, bytes: 2000, total: 5_000 },
  ]);
  await ask('open');
  await ask('expect', ranges);
  const reading = call('readAll', ranges, 100_000);
  await ask('remove', a);
  assert.equal((await reading).value, sumOf(ranges));
  await ask('settled');
  await ask('remove', b);
  assert.ok(!(await ask('list')).some((/** @type {any} */ { url }) => url === b));
  await ask('clear');
  assert.deepEqual(await ask('list'), []);
  await reads(a, 0, 1000);
});

test('a checksum is asked for until it was told, and compared once', async (t) => {
  const bytes = bytesOf(2 * MIB, 'verified');
  const url = hub.put('verified.safetensors', bytes, { published: fakeSum(bytes) });
  const file = hub.at(url);
  file.pointerStatus = 503;
  const first = await visit(t);
  await first.reads(url, 0, 2 * MIB);
  await until(() => file.seen.pointers === 1);
  await first.ask('settled');
  await first.page.close();
  file.pointerStatus = undefined;
  // A server that cannot tell now has not told that there is none.
  const second = await visit(t);
  await second.reads(url, 0, 1000);
  await until(() => file.seen.pointers === 2);
  // Compared, noted and closed.
  await sleep(1_000);
  await second.page.close();
  const third = await visit(t);
  await third.reads(url, 0, 2 * MIB);
  await third.ask('settled');
  await sleep(300);
  assert.equal(file.seen.pointers, 2);
});

test('the checksum that is published is found, in answers of any kind', async (t) => {
  const { ask, call } = await visit(t);
  const url = hub.put('pointed.safetensors', 5_000, { published: HASH });
  assert.equal(await ask('published', url), HASH);
  assert.equal(await ask('published', hub.put('unpointed.json', 5_000)), '');
  hub.at(url).pointerStatus = 500;
  assert.equal((await call('published', url)).error?.code, 'fetch-failed');
});

/** What the tests' worker takes for a SHA-256. @param {Buffer} bytes */
const fakeSum = (bytes) =>
  bytes
    .reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7)
    .toString(16)
    .padStart(64, '0');

test('a file that is kept completely is compared with its published checksum', async (t) => {
  const bytes = bytesOf(3 * MIB, 'published');
  const good = hub.put('good.safetensors', bytes, { published: fakeSum(bytes) });
  const bad = hub.put('bad.safetensors', bytes, { published: fakeSum(bytes.subarray(1)) });
  const { ask, reads } = await visit(t);
  await reads(good, 0, 3 * MIB);
  await reads(bad, 0, 2 * MIB);
  await ask('settled');
  await sleep(100);
  assert.deepEqual(await ask('notices'), []);
  await reads(bad, 2 * MIB, 3 * MIB);
  let notices = [];
  for (let i = 0; i < 100 && notices.length === 0; i++, await sleep(20)) notices = await ask('notices');
  assert.equal(notices.length, 1);
  assert.equal(notices[0].code, 'file-corrupt');
  assert.ok(notices[0].message.includes(bad));
  const kept = (await ask('list')).map((/** @type {any} */ { url }) => url);
  assert.ok(kept.includes(good) && !kept.includes(bad));
});

test('files whose content was no use are forgotten', async (t) => {
  const [good, bad] = [hub.put('of-use.bin', 5_000), hub.put('of-no-use.bin', Buffer.from('<!doctype html>'))];
  const { ask, reads } = await visit(t);
  await reads(good, 0, 1000);
  await ask('begin');
  await reads(bad, 0, 100);
  await ask('disown');
  hub.put('of-no-use.bin', 5_000);
  await reads(bad, 0, 100);
  await reads(good, 0, 2000);
});

test('the file that the error names is forgotten, also where an earlier request read it first', async (t) => {
  const [good, bad] = [hub.put('also-of-use.bin', 5_000), hub.put('named.bin', Buffer.from('<!doctype html>'))];
  const { ask, reads } = await visit(t);
  await reads(bad, 0, 100);
  await ask('begin');
  await reads(good, 0, 1000);
  await ask('disown', bad);
  hub.put('named.bin', 5_000);
  await ask('begin');
  await reads(bad, 0, 100);
  const before = hub.at(good).seen.ranges.length;
  await reads(good, 0, 1000);
  assert.equal(hub.at(good).seen.ranges.length, before, 'the others stay');
  await ask('begin');
  await reads(bad, 0, 100);
  await ask('disown');
  hub.put('named.bin', 6_000);
  await reads(bad, 0, 100);
});

test('files of a folder', async (t) => {
  const { ask, call } = await visit(t);
  await ask('openFolder', [['model/config.json', '{"n_layer": 4}']]);
  await ask('expect', []);
  assert.deepEqual(await ask('read', 'folder:model/config.json'), {
    length: 14,
    fileLength: 14,
    sha256: sha256(Buffer.from('{"n_layer": 4}')),
  });
  assert.equal((await ask('read', 'folder:model/config.json', 10, 100)).length, 4);
  assert.equal((await call('read', 'folder:model/none')).error?.code, 'file-not-found');
  assert.equal((await ask('readWhole', 'folder:model/config.json', 14)).length, 14);
  const { error } = await call('readWhole', 'folder:model/config.json', 13);
  assert.equal(error?.code, 'file-too-large');
  assert.match(error?.message ?? '', /model\/config\.json has more than 13 bytes/);
});
