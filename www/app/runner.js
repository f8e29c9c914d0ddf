// Runs requests: the runtime is started by the first of them, and a model is opened when another one is asked.

import { codedError, describeError } from '../runtime/error.js';

/** @typedef {import('../runtime/client.js').Client} Client */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').DeviceKind} DeviceKind */
/** @typedef {import('./sources.js').NamedSource} NamedSource */

/**
 * @param {object} options
 * @param {Record<string, NamedSource>} options.sources
 * @param {DeviceKind | undefined} options.device if the address says one
 * @param {(name: string) => Map<string, File> | undefined} options.files of this computer, for a source that reads them
 * @param {(notice: import('../runtime/protocol.js').Notice) => void} options.onNotice
 * @param {(device: DeviceKind, reason: string) => void} options.onOpen a model was opened
 */
export function createRunner({ sources, device, files, onNotice, onOpen }) {
  /** @type {Promise<Client> | undefined} */
  let starting;
  /**
   * The source that the client has open, and how; missing: where a build is going to be that it would rather run on.
   * @type {{name: string, isPrivate: boolean, missing?: string} | undefined}
   */
  let opened;
  /** How many logits its model has. */
  let vocabulary = 0;

  /** The client, loaded when there is something to ask it: whoever only looks needs none. */
  function client() {
    starting ??= import('../runtime/client.js').then(
      ({ Client }) => new Client({ onNotice }),
      (error) => {
        throw codedError('runtime-unavailable', `The runtime could not be loaded: ${describeError(error).message}`);
      },
    );
    // What did not arrive can be asked for again.
    starting.catch(() => (starting = undefined));
    return starting;
  }

  /**
   * The client, with a source open.
   * @param {string} name
   * @param {{isPrivate: boolean, signal?: AbortSignal}} options
   */
  async function open(name, { isPrivate, signal }) {
    // As they are now: what the name stands for may change while the runtime loads.
    const [{ model, saes }, local] = [sources[name], files(name)];
    const runtime = await client();
    const hasCome = opened?.missing && (await import('../runtime/missing.js')).hasCome(opened.missing);
    if (opened?.name !== name || opened.isPrivate !== isPrivate || (await hasCome)) {
      const found = await runtime.open({ model, saes }, { device, files: local, isPrivate, signal });
      opened = { name, isPrivate, missing: found.missing };
      vocabulary = found.config.vocab_size;
      onOpen(found.device, found.reason);
    }
    return runtime;
  }

  return {
    client,

    /** How many logits the model has that was opened last. */
    vocabulary: () => vocabulary,

    /** @param {string} name of a source */
    isOpen: (name) => opened?.name === name,

    /** What has this name is another model from now on. @param {string} name */
    forget(name) {
      if (opened?.name === name) opened = undefined;
    },

    /**
     * @param {string} name of the source
     * @param {Request} asked
     * @param {object} options
     * @param {boolean} options.isPrivate
     * @param {(progress: import('../runtime/protocol.js').Progress) => void} options.onProgress
     * @param {AbortSignal} options.signal
     */
    async run(name, asked, { isPrivate, onProgress, signal }) {
      return (await open(name, { isPrivate, signal })).attribute(asked, { onProgress, signal });
    },

    /**
     * What is tried with a model, beside what Run asks.
     * @param {string} name of the source
     * @param {'intervene' | 'curves' | 'generate'} kind
     * @param {any} asked
     * @param {import('../runtime/client.js').AttributeOptions & {isPrivate: boolean}} options
     * @returns {Promise<any>}
     */
    async ask(name, kind, asked, { isPrivate, onProgress, signal }) {
      return (await open(name, { isPrivate, signal }))[kind](asked, { onProgress, signal });
    },
  };
}
