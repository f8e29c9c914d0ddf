// Runtimes that the figures of a page share: one for each model with its SAEs.

import { heeding } from '../runtime/wait.js';

/** @typedef {import('../runtime/client.js').Client} Client */
/** @typedef {import('../runtime/protocol.js').Source} Source */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */

/**
 * @typedef {object} Shared
 * @property {Promise<Client> | undefined} opened
 * @property {Client | undefined} client
 * @property {number} users
 * @property {ReturnType<typeof setTimeout> | undefined} timer
 */

/** How long a runtime is kept that nobody uses: a figure that is moved is gone for a moment. */
const LINGER = 2_000;

/** @type {Map<string, Shared>} */
const pool = new Map();

/** What tells one model with its SAEs from another. @param {Source} source */
export const keyOf = ({ model, saes }) =>
  JSON.stringify([model.address, ...saes.map(({ address, hook_name = '' }) => [hook_name, address])]);

/**
 * A part in the runtime of a model, which starts with the first request. Requests of all parts are answered in turn.
 * @param {Source} source
 */
export function borrow(source) {
  const key = keyOf(source);
  const shared = pool.get(key) ?? { opened: undefined, client: undefined, users: 0, timer: undefined };
  pool.set(key, shared);
  shared.users++;
  clearTimeout(shared.timer);
  let isBack = false;
  return {
    key,
    /**
     * @param {Request} request
     * @param {{onProgress?: (progress: import('../runtime/protocol.js').Progress) => void, signal: AbortSignal}} options
     * @returns {Promise<Attribution>}
     */
    async attribute(request, options) {
      // What opens, opens for all: who cancels only stops waiting.
      const client = await heeding(open(shared, source), options.signal);
      return client.attribute(request, options);
    },
    giveBack() {
      if (isBack) return;
      isBack = true;
      if (--shared.users > 0) return;
      shared.timer = setTimeout(() => {
        pool.delete(key);
        shared.client?.close();
        shared.client = undefined;
      }, LINGER);
    },
  };
}

/** @param {Shared} shared @param {Source} source */
function open(shared, source) {
  if (shared.opened) return shared.opened;
  const opening = (async () => {
    // Only here is anything of the runtime fetched.
    const { Client } = await import('../runtime/client.js');
    const client = (shared.client = new Client());
    await client.open(source);
    return client;
  })();
  shared.opened = opening;
  opening.catch(() => {
    // What did not open is tried again by the next request.
    shared.client?.close();
    shared.client = shared.opened = undefined;
  });
  return opening;
}
