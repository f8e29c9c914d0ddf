// Lists beside the form: examples, and what is kept in this browser. What draws them comes when they are opened.

import { describeError } from '../runtime/error.js';
import { kept } from './panels/kept.js';

/**
 * @param {Document} document
 * @param {object} page
 * @param {ReturnType<typeof import('./results.js').createResults>} page.results
 * @param {ReturnType<typeof import('./runner.js').createRunner>} page.runner
 * @param {import('./visit.js').Visit} page.visit
 * @param {Record<string, import('./sources.js').NamedSource>} page.sources
 * @param {() => boolean} page.isRunning
 * @param {(message: string) => void} page.say
 * @param {(thrown: unknown) => void} page.fail
 */
export function createLists(document, { results, runner, visit, sources, isRunning, say, fail }) {
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);

  async function fillExamples() {
    const examples = (await results.precomputed()).filter(({ source }) => Object.hasOwn(sources, source));
    element('gallery').hidden = examples.length === 0;
    const [first] = examples;
    if (first) element('teaser').textContent = `${first.question} And ${examples.length - 1} more`;
    const onOpen = (/** @type {import('./results.js').Precomputed} */ example) => {
      if (isRunning()) return say('A run is under way: cancel it, or wait for it.');
      element('gallery').open = false;
      element('gallery').querySelector('summary').focus();
      void visit.openExample(example);
    };
    element('gallery').addEventListener('toggle', async () => {
      if (!element('gallery').open || element('examples').childElementCount > 0) return;
      const { gallery } = await import('./panels/gallery.js');
      element('examples').replaceChildren(...gallery(examples, { document, onOpen }));
    });
  }

  async function showKept() {
    if (!element('cache').open) return;
    void showKeptResults();
    try {
      const client = await runner.client();
      const onDelete = async (/** @type {string | undefined} */ url) => {
        await client.uncache(url).catch(fail);
        await showKept();
        element('cache').querySelector('summary').focus();
      };
      element('cached').replaceChildren(...kept(await client.cached(), { document, onDelete }));
    } catch (error) {
      element('cached').textContent = describeError(error).message;
    }
  }

  async function showKeptResults() {
    try {
      const [{ droppedText }, { keptResults }, store] = await Promise.all([
        import('./kept-results.js'),
        import('./panels/kept-results.js'),
        results.store(),
      ]);
      const { entries, dropped } = await store.list();
      element('kept-results').replaceChildren(
        ...keptResults(entries, {
          document,
          note: dropped > 0 ? droppedText(dropped) : '',
          onOpen: (id) => void (isRunning() || visit.openKept(id)),
          async onDelete(id) {
            await store.remove(id).catch(fail);
            await showKeptResults();
            element('cache').querySelector('summary').focus();
          },
        }),
      );
    } catch {
      element('kept-results').textContent = 'This browser keeps no results for this page.';
    }
  }

  return { fillExamples, showKept };
}
