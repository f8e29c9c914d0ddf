// One file on a server, read by range: retries, resumes, and never mixes two versions of the file.

import { codedError } from './error.js';
import { borrow, giveBack, SPARE_BYTES } from './spare.js';

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

/** @returns {Error} */
export const cancelled = () => codedError('cancelled', 'Cancelled.');

export class RemoteFile {
  /** Strong form of the version's name, where the server tells. @type {string | undefined} */
  etag;
  /** Bytes of the whole file, as soon as they are known. @type {number | undefined} */
  total;
  /** Set once the server has shown another version: nothing more can be read. @type {Error | undefined} */
  changed;
  /** Where redirects led: saves a redirect for each range, until it fails. @type {string} */
  #address;
  /** Whether the server has been seen to answer ranges. */
  #ranges = false;
  /** The whole body of a server that ignores ranges; read once, for all. @type {Body | undefined} */
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
    if (isOther(this, { etag, total })) {
      this.changed ??= codedError(
        'file-changed',
        `${this.path} changed on the server while it was read; press Run to start again with the new version.`,
      );
      throw this.changed;
    }
    this.etag ??= etag;
    this.total ??= total;
  }

  /**
   * Loads bytes start to end, or to the end of the file where that comes first.
   * @param {number} start
   * @param {number} end Infinity for all there is
   * @param {Sink} sink
   * @param {AbortSignal} signal
   * @returns {Promise<void>} rejects with `file-not-found`, `access-denied`, `rate-limited`, `offline`,
   *   `file-changed`, `fetch-failed` or `cancelled`; what came until then has been taken
   */
  async load(start, end, sink, signal) {
    let at = start;
    const take = (/** @type {number} */ _, /** @type {Uint8Array} */ bytes) => {
      const taken = sink.take(at, bytes);
      at += bytes.length;
      return taken;
    };
    let [failures, denials, mark] = [0, 0, at];
    while (at < Math.min(end, this.total ?? Infinity)) {
      try {
        if (await this.#once(at, end, { ...sink, take }, signal)) return;
      } catch (thrown) {
        if (signal.aborted) throw cancelled();
        if (!(thrown instanceof Failure)) throw thrown;
        this.#address = this.path;
        if (at - mark >= PROGRESS) failures = 0;
        mark = at;
        failures++;
        // The signature of an address may have expired: the hub is asked for a new one, once.
        if (thrown.isDenial && ++denials === 1) continue;
        if (thrown.isDenial || failures >= this.patience.tries) throw this.#final(thrown, failures);
        await this.#pause(thrown, failures, signal);
      }
    }
  }

  /** Ends what is open. */
  stop() {
    this.#body?.stop.abort();
    this.#body = undefined;
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
    let body = this.#body;
    clearTimeout(body?.idle);
    try {
      if (signal.aborted) throw cancelled();
      if (this.changed) throw this.changed;
      if (body && body.at > start) {
        if (await sink.elsewhere?.(start, end)) return true;
        this.stop();
        body = undefined;
      }
      if (!body) {
        const ranged = start > 0 || end < Infinity;
        body = await this.#ask(start, end, signal);
        if (!body) return true;
        if (ranged) this.#ranges = body.partial;
        if (ranged && !body.partial) this.#body = body;
      }
      if (body.partial) release();
      return await this.#pour(body, start, end, sink, signal);
    } catch (thrown) {
      body?.stop.abort();
      if (body && body === this.#body) this.#body = undefined;
      throw thrown;
    } finally {
      if (body && body === this.#body) body.idle = setTimeout(() => this.stop(), this.patience.idleMs);
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
        const length = /\/(\d+)$/.exec(header('Content-Range') ?? '');
        this.learn({ total: length ? Number(length[1]) : undefined });
        if (start < (this.total ?? 0)) throw new Failure('the server answered 416', status);
        stop.abort();
        return undefined;
      }
      if (status !== 200 && status !== 206) throw this.#refusal(status, header('Retry-After'));
      const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header('Content-Range') ?? '');
      if (status === 206 && !range && header('Content-Range') !== null) {
        throw new Failure('the server sent a malformed Content-Range');
      }
      if (status === 206 && range && (Number(range[1]) !== start || Number(range[2]) < start)) {
        throw new Failure('the server sent another range than was asked for');
      }
      this.learn({ etag: header('ETag') ?? undefined, total: fileLength(response, range) });
      this.#address = response.url || this.path;
      const stream = /** @type {ReadableStream<Uint8Array>} */ (response.body);
      return {
        // Of a whole body, bytes may be kept for a later call.
        next: (status === 206 && readInPlace(stream)) || readAnew(stream),
        stop,
        partial: status === 206,
        at: status === 206 ? start : 0,
        end: status === 206 && range ? Number(range[2]) + 1 : Infinity,
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
    /** @returns {Promise<boolean>} whether the body ended */
    const pour = async (/** @type {() => void} */ heard) => {
      for (;;) {
        // A range that came is read to its end, so that its connection serves again.
        if (body.at >= end && !body.partial) return false;
        const bytes = body.rest ?? (await body.next());
        heard();
        body.rest = undefined;
        if (!bytes) return true;
        const from = Math.min(Math.max(start - body.at, 0), bytes.length);
        const to = Math.min(end - body.at, bytes.length);
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
      throw thrown instanceof Failure ? thrown : new Failure('the connection broke off');
    });
    if (!ended) return true;
    if (!body.partial) {
      this.#body = undefined;
      this.learn({ total: body.at });
      return true;
    }
    // Where the server did not say where its range ends, only a next request can tell whether all came.
    const promised = Math.min(end, body.end === Infinity ? start + 1 : body.end);
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
    const again = 'run again; what came is kept.';
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
 * The runtime words its own message around the cause.
 * @param {string} path
 * @param {string} cause
 * @param {string} advice
 */
function fetchFailed(path, cause, advice) {
  return Object.assign(codedError('fetch-failed', `${path} could not be loaded: ${cause}. ${advice}`), { cause });
}

/**
 * Whether two versions of a file are certainly not the same.
 * @param {{etag?: string, total?: number}} a
 * @param {{etag?: string, total?: number}} b
 */
export function isOther(a, b) {
  return [[a.etag, b.etag], [a.total, b.total]].some(([x, y]) => x !== undefined && y !== undefined && x !== y);
}

/**
 * Length of the whole file as far as the head of an answer tells.
 * @param {Response} response
 * @param {RegExpExecArray | null} range
 */
function fileLength(response, range) {
  if (response.status === 206) return range && range[3] !== '*' ? Number(range[3]) : undefined;
  // Content-Length counts compressed bytes, and another origin does not show that it compressed.
  const length = response.headers.get('Content-Length');
  const isSure = response.type === 'basic' && !response.headers.has('Content-Encoding');
  return isSure && length !== null ? Number(length) : undefined;
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

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>} rejects with `cancelled` as soon as the signal aborts
 */
function sleep(ms, signal) {
  if (signal.aborted) return Promise.reject(cancelled());
  if (!(ms > 0)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(cancelled());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal.addEventListener('abort', abort, { once: true });
  });
}
