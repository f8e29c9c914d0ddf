// What the reader opens without asking the form: an example, a file, what is kept in this browser.

import { readShown } from './read-result.js';
import { BEFORE, KEPT, keyOf, unmeasured } from './results.js';

/** @typedef {import('../figure/result.js').Saved} Attribution */
/** @typedef {import('./results.js').Precomputed} Precomputed */

/** How keys of opened files begin. */
export const FILE = 'file ';

/**
 * @param {object} visit
 * @param {ReturnType<typeof import('./explorer.js').createExplorer>} visit.explorer
 * @param {ReturnType<typeof import('./results.js').createResults>} visit.results
 * @param {() => boolean} visit.isRunning
 * @param {() => string} visit.willFetch
 * @param {(message: string) => void} visit.say
 * @param {(thrown: unknown) => void} visit.fail
 * @param {() => () => boolean} visit.latest begins a turn
 * @param {(source: string | undefined, asked: import('../runtime/protocol.js').Request, pair?: string[]) => void} visit.fill
 * @param {(result: Attribution, from: import('./visit.js').Origin, view?: Partial<import('../figure/view.js').View>) => Promise<void>} visit.show
 * @param {(entry: Precomputed) => import('./visit.js').Origin} visit.originOf
 * @param {() => string} visit.asksNow
 * @param {(result: Attribution) => import('./meanings/meanings.js').Meanings} visit.meaningsOf
 * @param {(result: Attribution) => string | undefined} visit.ownSource
 * @param {(numbers: import('../figure/own.js').Own, name: string) => Promise<void>} visit.openOwn numbers that name no request
 */
export function createOpeners(visit) {
  const { explorer, results, isRunning, willFetch, say, fail, latest, fill, show } = visit;

  /** @param {Precomputed} entry */
  async function openExample(entry) {
    const alive = latest();
    try {
      const result = await results.load(entry);
      if (!alive() || isRunning()) return;
      fill(entry.source, unmeasured(result.request), result.pair_logits?.string);
      await show(result, visit.originOf(entry), {});
      if (alive()) say(`${BEFORE} ${willFetch()}`);
    } catch (error) {
      fail(error);
    }
  }

  /** @param {File} file */
  async function openFile(file) {
    const alive = latest();
    try {
      const result = await readShown(file);
      if (!alive()) return;
      if (!result.request) return await visit.openOwn(result, file.name);
      // Others may hold another answer to the same question.
      const key = `${FILE}${file.name} ${file.size} ${file.lastModified}`;
      await open(result, key);
      if (alive()) say(`Opened ${file.name}.`);
      void results.save(result, key);
    } catch (error) {
      fail(error);
    }
  }

  /** One that is kept in this browser. @param {string} id */
  async function openKept(id) {
    const alive = latest();
    try {
      const result = await (await results.store()).get(id);
      if (!alive()) return;
      if (!result) return say('This result is no longer kept.');
      await open(result, id);
      if (alive()) say(KEPT);
    } catch (error) {
      fail(error);
    }
  }

  /** Shows a result that says itself what it is of. @param {Attribution} result @param {string} key */
  async function open(result, key) {
    const source = visit.ownSource(result);
    fill(source, result.request, result.pair_logits?.string);
    results.keep(key, result);
    if (source) results.keep(keyOf(source, result.request), result);
    await show(result, { key, source, filled: source ? undefined : visit.asksNow() });
    // Contexts are read when a latent is opened; who agreed to explanations gets them at once.
    if (visit.meaningsOf(result).neuronpedia) void explorer.learn();
  }

  return { openExample, openFile, openKept };
}
