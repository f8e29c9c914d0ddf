// Nothing is waited for without end, and nobody who cancels waits at all.

import { codedError } from './error.js';

/** How long the browser itself is waited for, in milliseconds. What comes from a server: PATIENCE of remote.js. */
export const LIMITS = {
  /** An answer of what keeps downloads; after one that is missing, nothing more is kept. */
  store: 20_000,
  /** An answer of the worker that reads and writes for it; then the store does without. */
  disk: 8_000,
  /** An adapter of WebGPU. */
  adapter: 30_000,
  /** The worker to start, or the runtime to begin to come. */
  start: 60_000,
  /** The runtime to have come, 7 MB at most. */
  load: 600_000,
  /** An opening model, since bytes last came: to try out a slow device takes long. */
  open: 300_000,
  /** The acknowledgement of a cancelled request; a worker that gives none is ended. */
  cancel: 10_000,
};

export const cancelled = () => codedError('cancelled', 'Cancelled.');

/**
 * What `work` comes to; rejects with `cancelled` as soon as the signal aborts. What comes later is lost.
 * @template T
 * @param {PromiseLike<T>} work
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export function heeding(work, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(cancelled());
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal?.removeEventListener('abort', abort));
  });
}

/**
 * What `work` comes to; rejects where nothing is heard for too long.
 * @template T
 * @param {number} ms
 * @param {PromiseLike<T>} work
 * @param {() => Error} late
 * @param {{signal?: AbortSignal, heard?: () => unknown}} [options] heard: changes as long as the work goes on
 * @returns {Promise<T>}
 */
export function within(ms, work, late, { signal, heard = () => 0 } = {}) {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  const tooLate = new Promise((_, reject) => {
    let last = heard();
    timer = setInterval(() => {
      const now = heard();
      if (now === last) reject(late());
      last = now;
    }, ms);
  });
  return heeding(Promise.race([work, tooLate]), signal).finally(() => clearInterval(timer));
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>} rejects with `cancelled` as soon as the signal aborts
 */
export function sleep(ms, signal) {
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
