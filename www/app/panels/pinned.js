// The pinned pair: both its ends, its numbers and, beneath, the latent that is open.

import { describeNodes, nodeLabel } from '../../figure/axes.js';
import { lastOnly } from '../../figure/last.js';
import { brief, exact, percent, visible } from '../../figure/text.js';
import { withTerms } from '../glossary.js';
import { latentContexts, latentPanel } from './latent.js';
import { isolated, make } from './tables.js';

/** @typedef {'source' | 'target'} Side */
/**
 * @typedef {object} Pair
 * @property {import('../../figure/result.js').Saved} result
 * @property {{row: number, column: number}} cell
 * @property {string} sentence that tells it
 * @property {number} [total] Σ |attribution| of its row
 * @property {import('../meanings/meanings.js').Meanings} [meanings]
 */

/** A pair pinned for less than this has been passed over. */
const PASSING_MS = 150;

/**
 * @param {HTMLElement} root where the pair is told
 * @param {HTMLElement} texts where its latents are told further: what comes later pushes nothing away
 * @param {object} options
 * @param {import('../../figure/axes.js').MeaningOf} options.meaning
 * @param {() => Promise<void>} options.onAgree neuronpedia.org may be asked, or no more
 * @param {() => void} options.onKnown more is known of the latents
 */
export function createPinned(root, texts, { meaning, onAgree, onKnown }) {
  const document = root.ownerDocument;
  /** @type {Pair | undefined} */
  let pair;
  /** @type {Side | undefined} */
  let opened;
  const latest = lastOnly();
  /** @param {Side | undefined} which */
  const focus = (which) => /** @type {HTMLElement | null} */ (root.querySelector(`#open-${which}`))?.focus();

  /** One end. @param {Pair} of @param {Side} which */
  function card({ result, cell }, which) {
    const [nodes, node] = which === 'source' ? [result.sources, cell.column] : [result.targets, cell.row];
    const words = meaning(nodes, node);
    const element = make(
      document,
      'div.node',
      make(document, 'small', ...withTerms(document, `${which === 'source' ? 'From' : 'To'} ${describeNodes(nodes)}`)),
      make(document, 'strong', isolated(document, nodeLabel(nodes, node))),
    );
    if (words) element.append(make(document, 'span.meaning', isolated(document, words)));
    if (nodes.kind !== 'token') {
      const value = `${nodes.kind === 'latent' ? 'activation' : 'logit'} ${brief(nodes.activation[node])}`;
      element.append(make(document, 'small', value));
    }
    if (nodes.kind === 'latent') {
      const act = opened === which ? 'Close' : 'Open';
      const button = make(document, 'button', `${act} latent`);
      button.id = `open-${which}`;
      button.setAttribute('type', 'button');
      button.setAttribute('aria-expanded', String(opened === which));
      button.setAttribute('aria-label', `${act} latent ${visible(nodes.label[node])}`);
      button.addEventListener('click', () => open(opened === which ? undefined : which));
      element.append(button);
    }
    return element;
  }

  /** @param {Pair} of */
  function numbers({ result: { attributions, gradients, sources, targets }, cell, total }) {
    const list = document.createElement('dl');
    const told = new Set();
    const fact = (/** @type {string} */ name, /** @type {string} */ value) =>
      list.append(make(document, 'dt', ...withTerms(document, name, told)), make(document, 'dd', value));
    const i = cell.row * sources.pos.length + cell.column;
    fact('Attribution', exact(attributions[i]));
    fact('Gradient', exact(gradients[i]));
    if (total) fact('Share of Σ |attribution| of this target', percent(Math.abs(attributions[i]) / total));
    const apart = targets.pos[cell.row] - sources.pos[cell.column];
    fact('Positions apart', apart === 0 ? 'none: same position' : String(apart));
    return list;
  }

  function draw() {
    const alive = latest();
    const heading = make(document, 'h3', 'Pinned pair');
    if (!pair) {
      const hint = 'Click a cell, choose a pair below, or press n in the heatmap: the strongest pair comes first.';
      root.replaceChildren(heading, make(document, 'p.quiet', hint));
      texts.replaceChildren();
      return;
    }
    const latent = make(document, 'div.latent');
    latent.id = 'latent';
    const ends = make(document, 'div.pair', card(pair, 'source'), card(pair, 'target'));
    const told = make(document, 'p.sentence', isolated(document, pair.sentence));
    const contexts = make(document, 'div.contexts-of-both');
    contexts.id = 'contexts';
    root.replaceChildren(heading, told, ends, numbers(pair));
    texts.replaceChildren(contexts, latent);
    if (pair.meanings?.contexts) setTimeout(showContexts, PASSING_MS, contexts, pair, alive);
    // Who passes over many pairs does not ask for each one's latent.
    if (opened) setTimeout(showLatent, PASSING_MS, latent, pair, opened, alive);
  }

  /**
   * What both latents are most active on, but of the one that is open, whose texts all stand beneath.
   * @param {HTMLElement} box
   * @param {Pair} of
   * @param {() => boolean} alive
   */
  async function showContexts(box, { result, cell, meanings }, alive) {
    if (!alive() || !meanings) return;
    const sides = /** @type {const} */ ([
      ['source', result.sources, cell.column],
      ['target', result.targets, cell.row],
    ]);
    const parts = await Promise.all(
      sides.map(async ([which, { hook_name: hook, latent, label }, node]) => {
        if (!hook || which === opened) return [];
        const told = await latentContexts({ hook, latent: latent[node], label: label[node] }, { document, meanings });
        return told.length > 0 ? [make(document, 'section', ...told)] : [];
      }),
    );
    if (!alive()) return;
    box.replaceChildren(...parts.flat());
    if (!opened) onKnown();
  }

  /**
   * @param {HTMLElement} box
   * @param {Pair} of
   * @param {Side} which
   * @param {() => boolean} alive
   */
  async function showLatent(box, { result, cell, meanings }, which, alive) {
    if (!alive() || !meanings) return;
    const [nodes, node] = which === 'source' ? [result.sources, cell.column] : [result.targets, cell.row];
    if (!nodes.hook_name) return;
    const parts = await latentPanel(
      { hook: nodes.hook_name, latent: nodes.latent[node], label: nodes.label[node] },
      {
        document,
        meanings,
        onAgree: async () => {
          draw();
          await onAgree();
          focus('source');
        },
      },
    );
    // Another pair may be pinned by now.
    if (!alive()) return;
    box.replaceChildren(...parts);
    onKnown();
  }

  /** Opens the latent at one end, or closes the one that is open. @param {Side | undefined} which */
  function open(which) {
    if (!pair) return;
    // A token or a logit has no meaning to look up: its other end may.
    if (which && pair.result[`${which}s`].kind !== 'latent')
      which = which === 'source' && pair.result.targets.kind === 'latent' ? 'target' : undefined;
    const before = opened;
    opened = which;
    draw();
    focus(which ?? before);
  }

  return {
    open,

    /** What of it is open stays open. @param {Pair | undefined} shown */
    show(shown) {
      pair = shown;
      draw();
    },

    /** Forgets the pair and what is open of it: another result comes. */
    forget() {
      latest();
      pair = opened = undefined;
    },
  };
}
