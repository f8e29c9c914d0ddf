// One file on a server, read by range: retries, resumes, and mixes no two versions of the file that the
// server tells apart by ETag or length.

import { codedError, tooLarge } from '../error.js';
import { borrow, giveBack, SPARE_BYTES } from './spare.js';
import { cancelled, sleep } from '../wait.js';

/** How long and how often a server is asked. */
export const PATIENCE = {
  /** Tries in a row that bring next to nothing, before the failure is reported. */
  tries: 5,
  /** The pause after the n-th failure is random below `firstPauseMs * 2 ** n`, and below the longest. */
  firstPauseMs: 500,
  longestPauseMs: 8_000,
  /** A server's own wish (Retry-After) is granted up to here. */
  longestWaitMs: 60_000,
  /** No byte for this long is a failure. */
  stallMs: 20_000,
  /** How long a whole body that nobody reads from is kept open. */
  idleMs: 5_000,
};
/** @typedef {typeof PATIENCE} Patience */

/** A try that brings fewer bytes than this has failed like one that brings none. */
const PROGRESS = 64 * 1024;

/**
 * What becomes of the bytes.
 * @typedef {object} Sink
 * @property {(at: number, bytes: Uint8Array) => void | Promise<void>} take the bytes asked for, in order; to
 *   be copied, as others come to the same place. No more are read until it resolves
 * @property {(at: number, bytes: Uint8Array) => void} [spare] bytes that a server sent unasked
 * @property {(start: number, end: number) => Promise<boolean>} [elsewhere] whether bytes that passed as
 *   spare ones have been kept and taken from there
 * @property {number} [most] bytes that the whole file may have
 */

/**
 * An answer being read.
 * @typedef {object} Body
 * @property {() => Promise<Uint8Array | undefined>} next the next bytes, valid until it is called again
 * @property {AbortController} stop
 * @property {boolean} partial a 206, not the whole file
 * @property {number} at place in the file of the next byte
 * @property {number} end what it promised to go to; Infinity where it did not say
 * @property {Uint8Array} [rest] read from the network, not yet used
 * @property {boolean} [hasEnded]
 * @property {ReturnType<typeof setTimeout>} [idle]
 */

/** A try that failed and may be followed by another. */
class Failure extends Error {
  /** @param {string} cause @param {number} [status] @param {string | null} [retryAfter] */
  constructor(cause, status, retryAfter) {
    super(cause);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  get isDenial() {
    return this.status === 401 || this.status === 403;
  }
}

/**
 * Reads a stream into memory that is there already; undefined where the browser cannot.
 * @param {ReadableStream<Uint8Array>} stream
 */
function readInPlace(stream) {
  /** @type {ReadableStreamBYOBReader} */
  let reader;
  try {
    reader = stream.getReader({ mode: 'byob' });
  } catch {
    return undefined;
  }
  /** @type {Uint8Array} */
  let bytes = borrow(SPARE_BYTES);
  return async () => {
    const { value, done } = await reader.read(new Uint8Array(bytes.buffer));
    if (value) bytes = value;
    if (!done) return value;
    giveBack(bytes);
    return undefined;
  };
}

/** @param {ReadableStream<Uint8Array>} stream */
function readAnew(stream) {
  const reader = stream.getReader();
  return async () => (await reader.read()).value;
}

export class RemoteFile {
  /** Strong form of the version's name, where the server tells. @type {string | undefined} */
  etag;
  /** Bytes of the whole file, as soon as they are known. @type {number | undefined} */
  total;
  /** Set once the server has shown another version: nothing more can be read. @type {Error | undefined} */
  changed;
  /** Whether bytes came without an ETag: which version they are of cannot be told later. */
  #isUnnamed = false;
  /** Where redirects led: saves a redirect for each range, until it fails. @type {string} */
  #address;
  /** Whether the server has been seen to answer ranges. */
  #ranges = false;
  /** The whole body of a server that ignores ranges, while nobody reads from it. @type {Body | undefined} */
  #body;
  /** Requests take turns until the server is known to answer ranges. */
  #turn = Promise.resolve();

  /**
   * @param {string} path
   * @param {object} options
   * @param {typeof globalThis.fetch} options.fetch
   * @param {Patience} options.patience
   * @param {{quietUntil: number}} options.host shared by all files of a host: when it may be asked again
   * @param {(notice: {code: string, message: string}) => void} options.onNotice
   */
  constructor(path, { fetch, patience, host, onNotice }) {
    this.path = this.#address = path;
    /** Whether the address names a commit: what it leads to never changes. */
    this.isPinned = /\/resolve\/[0-9a-f]{40}\//.test(new URL(path, location.href).pathname);
    this.fetch = fetch;
    this.patience = patience;
    this.host = host;
    this.onNotice = onNotice;
  }

  /**
   * Notes which version of the file is being read.
   * @param {{etag?: string | null, total?: number}} version
   * @throws `file-changed` where it is another than before
   */
  learn({ etag: name, total }) {
    // A compressed answer is the same version under another name.
    const etag = name?.replace(/^W\//, '').replace(/[-;]+(gzip|br|zstd|deflate)"$/, '"');
    if (isOther(this, { etag, total })) throw this.change();
    this.etag ??= etag;
    this.total ??= total;
  }

  /** Notes that the file is another one now; returns what to throw. */
  change() {
    return (this.changed ??= codedError(
      'file-changed',
      `${this.path} changed on the server while it was read; press Run to start again with the new version.`,
    ));
  }

  /** Whether a later visit can tell that what came is still right. */
  get isKeepable() {
    return !this.changed && (this.isPinned || (this.etag !== undefined && !this.#isUnnamed));
  }

  /**
   * Loads bytes start to end, or to the end of the file where that comes first.
   * @param {number} start
   * @param {number} end Infinity for all there is
   * @param {Sink} sink
   * @param {AbortSignal} signal
   * @param {number} [tries]
   * @returns {Promise<number>} how far it came; rejects with `file-not-found`, `access-denied`,
   *   `rate-limited`, `offline`, `file-changed`, `file-too-large`, `fetch-failed` or `cancelled`; what came until
   *   then has been taken
   */
  async load(start, end, sink, signal, tries = this.patience.tries) {
    let at = start;
    const take = (/** @type {number} */ _, /** @type {Uint8Array} */ bytes) => {
      const taken = sink.take(at, bytes);
      at += bytes.length;
      return taken;
    };
    const elsewhere = async (/** @type {number} */ from, /** @type {number} */ to) => {
      if (!(await sink.elsewhere?.(from, to))) return false;
      at = to;
      return true;
    };
    let [failures, denials, mark, small] = [0, 0, at, 0];
    while (at < Math.min(end, this.total ?? Infinity)) {
      try {
        if (await this.#once(at, end, { ...sink, take, elsewhere }, signal)) {
          // A file ends where bytes came up to, and behind which there are none.
          if (at < end && (at > start || at === 0)) this.learn({ total: at });
          return at;
        }
        small = at - mark >= PROGRESS ? 0 : small + 1;
        // One may be the end of the file, which only the next answer tells.
        if (small > 1) throw new Failure('the server sends next to nothing at a time');
        [mark, failures] = [at, small ? failures : 0];
      } catch (thrown) {
        if (signal.aborted) throw cancelled();
        if (!(thrown instanceof Failure)) throw thrown;
        this.#address = this.path;
        if (at - mark >= PROGRESS) failures = 0;
        mark = at;
        failures++;
        // The signature of an address may have expired: the hub is asked for a new one, once.
        if (thrown.isDenial && ++denials === 1) continue;
        if (thrown.isDenial || failures >= tries) throw this.#final(thrown, failures);
        await this.#pause(thrown, failures, signal);
      }
    }
    return at;
  }

  /** Ends what is open. */
  stop() {
    clearTimeout(this.#body?.idle);
    this.#body?.stop.abort();
    this.#body = undefined;
  }

  /** Keeps a whole body open for who reads next. @param {Body | undefined} body */
  #shelve(body) {
    if (!body || body.partial || body.hasEnded) return;
    if (this.#body) {
      body.stop.abort();
      return;
    }
    this.#body = body;
    body.idle = setTimeout(() => this.stop(), this.patience.idleMs);
  }

  /**
   * One try. Resolves to whether there is nothing more to load.
   * @param {number} start
   * @param {number} end
   * @param {Sink} sink
   * @param {AbortSignal} signal
   */
  async #once(start, end, sink, signal) {
    const release = this.#ranges ? () => {} : await this.#takeTurn();
    // Two must not read from one body, each what the other waits for.
    let body = this.#body;
    this.#body = undefined;
    clearTimeout(body?.idle);
    try {
      if (signal.aborted) throw cancelled();
      if (this.changed) throw this.changed;
      if (body && body.at > start) {
        if (await sink.elsewhere?.(start, end)) return true;
        body.stop.abort();
        body = undefined;
      }
      if (!body) {
        const ranged = start > 0 || end < Infinity;
        body = await this.#ask(start, end, signal);
        if (!body) return true;
        if ((this.total ?? 0) > (sink.most ?? Infinity)) throw tooLarge(this.path, sink.most);
        if (ranged) this.#ranges = body.partial;
      }
      if (body.partial) release();
      return await this.#pour(body, start, end, sink, signal);
    } catch (thrown) {
      body?.stop.abort();
      body = undefined;
      throw thrown;
    } finally {
      this.#shelve(body);
      release();
    }
  }

  /** Waits for those before, and returns what lets the next one in. */
  async #takeTurn() {
    const before = this.#turn;
    /** @type {() => void} */
    let release = () => {};
    this.#turn = new Promise((resolve) => (release = resolve));
    await before;
    if (this.#ranges) release();
    return release;
  }

  /**
   * Sends a request and checks the head of its answer; undefined where the file ends before `start`.
   * @param {number} start
   * @param {number} end
   * @param {AbortSignal} signal
   * @returns {Promise<Body | undefined>}
   */
  async #ask(start, end, signal) {
    await sleep(this.host.quietUntil - Date.now(), signal);
    const stop = new AbortController();
    /** @type {Response} */
    let response;
    const ranged = start > 0 || end < Infinity;
    try {
      response = await this.#guard(stop, signal, () =>
        // Parallel ranges of one address would wait for each other in the browser's own cache.
        this.fetch(this.#address, {
          signal: stop.signal,
          cache: 'no-store',
          headers: ranged ? { Range: `bytes=${start}-${end < Infinity ? end - 1 : ''}` } : {},
        }),
      );
    } catch (thrown) {
      throw thrown instanceof Failure ? thrown : new Failure('the connection failed');
    }
    const header = (/** @type {string} */ name) => response.headers.get(name);
    const { status } = response;
    try {
      if (status === 416) {
        const length = /^bytes \*\/(\d+)$/.exec(header('Content-Range') ?? '')?.[1];
        this.learn({ etag: header('ETag') || undefined, total: natural(length) });
        if (start < (this.total ?? 0)) throw new Failure('the server answered 416', status);
        stop.abort();
        return undefined;
      }
      if (status !== 200 && status !== 206) throw this.#refusal(status, header('Retry-After'));
      const partial = status === 206;
      const range = partial ? rangeOf(header('Content-Range')) : undefined;
      const isMixed = partial && /^multipart\//i.test(header('Content-Type') ?? '');
      if (isMixed || (range && range.start !== start)) {
        throw new Failure('the server sent another range than was asked for');
      }
      const etag = header('ETag') || undefined;
      if (this.etag !== undefined && !etag) throw new Failure('the server did not tell which version it sent');
      this.learn({ etag, total: partial ? range?.total : fileLength(response) });
      this.#isUnnamed ||= !etag;
      this.#address = response.url || this.path;
      const { body } = response;
      return {
        // Of a whole body, bytes may be kept for a later call.
        next: body ? (partial && readInPlace(body)) || readAnew(body) : async () => undefined,
        stop,
        partial,
        at: partial ? start : 0,
        end: range?.end ?? Infinity,
      };
    } catch (thrown) {
      stop.abort();
      throw thrown;
    }
  }

  /**
   * Hands on the bytes of an answer, up to `end`. Resolves to whether there is nothing more to load.
   * @param {Body} body
   * @param {number} start
   * @param {number} end
   * @param {Sink} sink
   * @param {AbortSignal} signal
   */
  async #pour(body, start, end, sink, signal) {
    // What follows behind the promised range is of nobody knows where.
    const last = Math.min(end, body.end);
    /** @returns {Promise<boolean>} whether the body ended */
    const pour = async (/** @type {() => void} */ heard) => {
      for (;;) {
        // A range that came is read to its end, so that its connection serves again.
        if (body.at >= last && !body.partial) return false;
        const bytes = body.rest ?? (await body.next());
        heard();
        body.rest = undefined;
        if (!bytes) return true;
        const from = Math.min(Math.max(start - body.at, 0), bytes.length);
        const to = Math.min(last - body.at, bytes.length);
        if (body.at + to > (sink.most ?? Infinity)) throw tooLarge(this.path, sink.most);
        if (from > 0) sink.spare?.(body.at, bytes.subarray(0, from));
        const taken = to > from ? sink.take(body.at + from, bytes.subarray(from, to)) : undefined;
        body.at += to;
        if (taken) {
          await taken;
          heard();
        }
        if (to === bytes.length) continue;
        body.rest = bytes.subarray(to);
        if (!body.partial) return false;
        body.stop.abort();
        return true;
      }
    };
    const ended = await this.#guard(body.stop, signal, pour).catch((thrown) => {
      throw thrown instanceof Failure || isCoded(thrown) ? thrown : new Failure('the connection broke off');
    });
    if (!ended) return true;
    if (!body.partial) {
      body.hasEnded = true;
      this.learn({ total: body.at });
      return true;
    }
    // Where the server did not say where its range ends, only a next request can tell whether all came.
    const promised = body.end === Infinity ? start + 1 : last;
    if (body.at < promised) throw new Failure('the server sent less than it promised');
    return body.at >= end;
  }

  /**
   * Runs `work`, and pulls `stop` where the reader cancels or nothing is heard for too long.
   * @template T
   * @param {AbortController} stop
   * @param {AbortSignal} signal
   * @param {(heard: () => void) => Promise<T>} work
   */
  async #guard(stop, signal, work) {
    const { stallMs } = this.patience;
    let last = performance.now();
    const check = () => {
      const left = last + stallMs - performance.now();
      if (left > 0) timer = setTimeout(check, left);
      else stop.abort(new Failure(`no byte came for ${stallMs / 1000} seconds`));
    };
    let timer = setTimeout(check, stallMs);
    const cancel = () => stop.abort(cancelled());
    signal.addEventListener('abort', cancel);
    try {
      return await work(() => (last = performance.now()));
    } catch (thrown) {
      throw stop.signal.aborted ? stop.signal.reason : thrown;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
    }
  }

  /**
   * What an answer other than 200 and 206 means.
   * @param {number} status
   * @param {string | null} retryAfter
   */
  #refusal(status, retryAfter) {
    const cause = `the server answered ${status}`;
    if (status === 404 || status === 410) {
      return codedError('file-not-found', `${this.path} was not found: ${cause}. Check the address.`);
    }
    const passing = status >= 500 || [401, 403, 408, 425, 429].includes(status);
    if (passing) return new Failure(cause, status, retryAfter);
    return fetchFailed(this.path, cause, 'Check the address.');
  }

  /**
   * The error that is reported.
   * @param {Failure} failure
   * @param {number} tries
   */
  #final({ message, status, isDenial }, tries) {
    const lead = `${this.path} could not be loaded: `;
    const again = this.isKeepable ? 'run again; what came is kept.' : 'run again.';
    if (isDenial) {
      return codedError('access-denied', `${lead}${message}. It may need permission that this page does not have.`);
    }
    if (status === 429) {
      return codedError('rate-limited', `${lead}the server limits requests (429). Wait some minutes and ${again}`);
    }
    if (status === undefined && navigator.onLine === false) {
      return codedError('offline', `${lead}this device is offline. Connect it and ${again}`);
    }
    return fetchFailed(this.path, `${message} (after ${tries} tries)`, `Check the connection and ${again}`);
  }

  /**
   * @param {Failure} failure
   * @param {number} failures
   * @param {AbortSignal} signal
   */
  async #pause({ status, retryAfter }, failures, signal) {
    const { firstPauseMs, longestPauseMs, longestWaitMs } = this.patience;
    const asked = status === 429 || status === 503 ? waitAskedFor(retryAfter) : undefined;
    if (asked === undefined) {
      // Random over all of it, so that many readers do not come back at once.
      await sleep(Math.random() * Math.min(firstPauseMs * 2 ** failures, longestPauseMs), signal);
      return;
    }
    const wait = Math.min(asked, longestWaitMs);
    if (wait >= 2_000 && this.host.quietUntil < Date.now()) {
      const { host } = new URL(this.path, location.href);
      const message = `${host} asks to wait ${Math.ceil(wait / 1000)} s before it sends more.`;
      this.onNotice({ code: 'waiting', message });
    }
    this.host.quietUntil = Math.max(this.host.quietUntil, Date.now() + wait);
  }
}

/**
 * @param {string} path
 * @param {string} cause
 * @param {string} advice
 */
function fetchFailed(path, cause, advice) {
  return codedError('fetch-failed', `${path} could not be loaded: ${cause}. ${advice}`);
}

/** @param {any} thrown */
const isCoded = (thrown) => thrown?.name === 'SaeAttributionError';

/**
 * Whether two versions of a file are certainly not the same.
 * @param {{etag?: string, total?: number}} a
 * @param {{etag?: string, total?: number}} b
 */
export function isOther(a, b) {
  return [
    [a.etag, b.etag],
    [a.total, b.total],
  ].some(([x, y]) => x !== undefined && y !== undefined && x !== y);
}

/** A length or an offset; undefined for anything else. @param {string | null | undefined} text */
function natural(text) {
  const value = /^\d+$/.test(text ?? '') ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * What a Content-Range tells; undefined where it cannot be seen.
 * @param {string | null} text
 * @returns {{start: number, end: number, total?: number} | undefined} throws where it is malformed
 */
function rangeOf(text) {
  if (text === null) return undefined;
  const [, first, last, length] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text) ?? [];
  const [start, before, total] = [first, last, length].map(natural);
  const isWhole = length === '*' || total !== undefined;
  if (start === undefined || before === undefined || !isWhole || start > before || before >= (total ?? Infinity)) {
    throw new Failure('the server sent a malformed Content-Range');
  }
  return { start, end: before + 1, total };
}

/**
 * Length of the whole file as far as the head of an answer with all of it tells.
 * @param {Response} response
 */
function fileLength({ headers, type }) {
  // Content-Length counts compressed bytes, and another origin does not show that it compressed.
  const isSure = type === 'basic' && !headers.has('Content-Encoding');
  return isSure ? natural(headers.get('Content-Length')) : undefined;
}

/**
 * Milliseconds of a Retry-After, which is seconds or a date.
 * @param {string | null | undefined} value
 */
function waitAskedFor(value) {
  if (!value) return undefined;
  const wait = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(wait, 0);
}
