// Beside a result: what was measured of it, and what can be tried with its model. Panels are loaded when they are opened.

import { badgeOf } from '../figure/badge.js';
import { codedError } from '../runtime/error.js';
import { createMeasuredPair } from './panels/measured-pair.js';
import { progressTeller } from './words.js';

/** @typedef {import('../figure/result.js').Saved} Saved */
/** @typedef {import('../figure/view.js').View} View */
/** @typedef {'intervene' | 'curves' | 'generate'} Kind */
/** @typedef {{show: (result: Saved, view: View) => unknown, repaint?: () => void, stop?: () => void}} Panel */

/**
 * @param {Document} document
 * @param {object} options
 * @param {ReturnType<typeof import('./explorer.js').createExplorer>} options.explorer
 * @param {() => string | undefined} options.source of what is shown
 * @param {(source: string, kind: Kind, request: any, options: import('../runtime/client.js').AttributeOptions) => Promise<any>} options.ask
 *   its model
 * @param {() => number} options.vocabulary of the model that is open
 * @param {() => void} options.onCheck all of what is shown is to be measured
 */
export function createLab(document, { explorer, source, ask, vocabulary, onCheck }) {
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);
  /** @type {Saved | undefined} */
  let result;

  /** @param {Kind} kind @param {any} request @param {AbortSignal} signal @param {(text: string) => void} [say] */
  async function asked(kind, request, signal, say) {
    const name = source();
    if (name === undefined || !result)
      throw codedError('file-not-found', 'The model of this result is not offered here: nothing can be run with it.');
    const tell = progressTeller(result.request);
    say?.('Reading what the model needs…');
    return ask(name, kind, request, { signal, onProgress: (progress) => say?.(tell(progress)) });
  }

  const pair = createMeasuredPair(element('measured'), {
    ask: (request, signal) => asked('intervene', request, signal),
    vocabulary,
  });
  const options = {
    meaning: explorer.meaning,
    onPick: (/** @type {{row: number, column: number}} */ cell) => explorer.pick(cell),
  };

  /** What each part shows once it is opened. @type {Record<string, () => Promise<Panel>>} */
  const PARTS = {
    async checked() {
      const { createCheckPanel } = await import('./panels/check.js');
      const panel = createCheckPanel(element('check-panel'), options);
      return { ...panel, show: (shown) => panel.show(shown) };
    },
    async curves() {
      const { createCurvesPanel } = await import('./panels/curves.js');
      const panel = createCurvesPanel(element('curves-panel'), {
        ...options,
        ask: (request, say, signal) => asked('curves', request, signal, say),
      });
      return { ...panel, show: (shown, { cell }) => panel.show(shown, cell?.row ?? 0) };
    },
    async steering() {
      const { createSteeringPanel } = await import('./panels/steering.js');
      const panel = createSteeringPanel(element('steering-panel'), {
        ...options,
        ask: (request, say, signal) => asked('generate', request, signal, say),
      });
      return { ...panel, show: (shown, { cell }) => panel.show(shown, cell) };
    },
  };
  /** @type {Map<string, Promise<Panel>>} */
  const panels = new Map();
  /** What each shows already: a pin is none of the others' business. @type {Map<string, Saved>} */
  const shows = new Map();

  /** @param {string} id @param {boolean} [again] also where it shows this result already */
  async function fill(id, again = false) {
    if (!result || !element(id).open || (shows.get(id) === result && !again)) return;
    const shown = result;
    shows.set(id, shown);
    let panel = panels.get(id);
    if (!panel) panels.set(id, (panel = PARTS[id]()));
    panel.catch(() => panels.delete(id));
    const { show } = await panel;
    if (shown === result) await show(shown, explorer.view);
  }

  for (const id of Object.keys(PARTS)) element(id).addEventListener('toggle', () => void fill(id, true));
  element('check').addEventListener('click', onCheck);
  element('badge').addEventListener('click', () => {
    element('checked').open = true;
    element('checked').scrollIntoView({ block: 'nearest' });
    element('checked').querySelector('summary').focus();
  });
  element('plot').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'm' && !event.ctrlKey && !event.metaKey && !event.altKey) pair.measure();
  });

  return {
    /** Another result is shown. @param {Saved} shown */
    show(shown) {
      const badge = badgeOf(shown);
      if (result !== shown) {
        pair.stop();
        for (const panel of panels.values()) void panel.then(({ stop }) => stop?.());
      }
      result = shown;
      element('badge').textContent = badge;
      element('badge').hidden = badge === '';
      element('check').hidden = badge !== '';
      element('checked').hidden = badge === '';
      for (const value of ['ablations', 'misses'])
        element('shown').querySelector(`[value=${value}]`).hidden = shown.ablations === undefined;
      for (const id of Object.keys(PARTS)) void fill(id);
    },

    /** The reader looks at it another way, or pins a pair. @param {View} view */
    follow({ cell }) {
      pair.show(result && cell ? { result, cell } : undefined);
      void fill('steering', true);
    },

    /** For another theme. */
    repaint() {
      void panels.get('checked')?.then(({ repaint }) => repaint?.());
    },
  };
}
