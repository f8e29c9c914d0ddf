// One latent: what it is, and the texts or the dashboard that tell what it means.

import { brief, percent, visible } from '../../figure/text.js';
import { CONSENT_NOTE } from '../meanings/neuronpedia.js';
import { isolated, make } from './tables.js';

/** @typedef {import('../meanings/contexts.js').Meaning} Meaning */
/** @typedef {import('../meanings/meanings.js').Meanings} Meanings */

/** Contexts shown of the latent that is open and of one that is pinned, and tokens on either side of the strongest. */
const [CONTEXTS, FEW] = [10, 3];
const AROUND = 12;

/**
 * What can be told about a latent. Resolves when its contexts, if it has any, are there.
 * @param {{hook: string, latent: number, label: string}} latent
 * @param {object} options
 * @param {Document} options.document
 * @param {Meanings} options.meanings
 * @param {() => void} options.onAgree neuronpedia.org may be asked, or no more
 * @returns {Promise<Node[]>}
 */
export async function latentPanel({ hook, latent, label }, { document, meanings, onAgree }) {
  const heading = make(document, 'h3', isolated(document, label));
  const { contexts, neuronpedia } = meanings;
  if (contexts) {
    const meaning = await contexts.read(hook, latent);
    const parts = [heading, ...described(meaning, document)];
    if (!meaning.contexts) {
      parts.push(
        quiet(document, 'The texts that it is active on could not be read for now: close it and open it again.'),
      );
    } else if (meaning.contexts.length === 0) {
      parts.push(quiet(document, 'No text that it is active on was kept for this latent.'));
    }
    return parts;
  }
  const page = neuronpedia?.pageOf(hook, latent);
  if (!neuronpedia || !page) {
    return [heading, quiet(document, 'This source comes without descriptions of its latents.')];
  }
  const button = (/** @type {string} */ text, /** @type {boolean} */ yes) => {
    const element = make(document, 'button', text);
    element.setAttribute('type', 'button');
    element.addEventListener('click', () => {
      neuronpedia.agree(yes);
      onAgree();
    });
    return element;
  };
  if (!neuronpedia.agreed()) {
    const agree = button('Ask neuronpedia.org', true);
    agree.id = 'agree';
    return [heading, quiet(document, CONSENT_NOTE), agree];
  }
  const link = /** @type {HTMLAnchorElement} */ (make(document, 'a', 'Open on neuronpedia.org'));
  link.href = page;
  link.target = '_blank';
  link.rel = 'noopener noreferrer';
  const frame = document.createElement('iframe');
  frame.src = /** @type {string} */ (neuronpedia.dashboardOf(hook, latent));
  frame.title = `Dashboard of ${visible(label)} on neuronpedia.org`;
  frame.referrerPolicy = 'no-referrer';
  frame.loading = 'lazy';
  frame.setAttribute('sandbox', 'allow-scripts allow-same-origin allow-popups');
  return [
    heading,
    make(document, 'p', neuronpedia.get(hook, latent) ?? 'No explanation yet.'),
    frame,
    make(document, 'p', link, ' ', button('Stop asking neuronpedia.org', false)),
  ];
}

/**
 * The few texts that a latent is most active on, for a pair that is pinned; nothing where its source ships none.
 * Reads files beside the SAE, and asks nobody else.
 * @param {{hook: string, latent: number, label: string}} latent
 * @param {{document: Document, meanings: Meanings}} options
 * @returns {Promise<Node[]>}
 */
export async function latentContexts({ hook, latent, label }, { document, meanings: { contexts } }) {
  const meaning = await contexts?.read(hook, latent);
  if (!meaning?.contexts?.length) return [];
  const heading = make(document, 'h4', 'Where ', isolated(document, label.split(',')[0]), ' is most active');
  return [heading, ...described({ ...meaning, label: undefined }, document, FEW)];
}

/** @param {Document} document @param {string} text */
const quiet = (document, text) => make(document, 'p.quiet', text);

/** @param {Meaning} meaning @param {Document} document @param {number} [few] of its contexts */
function described({ label, max, density, contexts = [] }, document, few = CONTEXTS) {
  const facts = [
    max !== undefined && `largest activation ${brief(max)}`,
    density !== undefined && `active on ${percent(density)} of tokens`,
  ].filter(Boolean);
  const table = document.createElement('table');
  table.className = 'contexts';
  table.createTHead().append(make(document, 'tr', scoped('Activation'), scoped('Text it is active on')));
  /** @param {string} text */
  function scoped(text) {
    const cell = make(document, 'th', text);
    cell.setAttribute('scope', 'col');
    return cell;
  }
  const body = table.createTBody();
  let most = Math.max(max ?? 0, 1e-12);
  for (const { activation } of contexts) for (const value of activation.values()) most = Math.max(most, value);
  for (const { tokens, activation } of contexts.slice(0, few)) {
    const [peak, value] = [...activation].reduce((a, b) => (b[1] > a[1] ? b : a), [0, 0]);
    const [from, to] = [Math.max(0, peak - AROUND), Math.min(tokens.length, peak + AROUND + 1)];
    const text = make(document, 'td.context');
    if (from > 0) text.append('… ');
    for (let pos = from; pos < to; pos++) {
      const active = activation.get(pos);
      const shown = visible(tokens[pos]);
      if (active === undefined) text.append(make(document, 'bdi', shown));
      else {
        const mark = make(document, 'mark', shown);
        mark.style.setProperty('--part', String(Math.max(0.12, Math.min(1, active / most))));
        mark.title = brief(active);
        text.append(mark);
      }
    }
    if (to < tokens.length) text.append(' …');
    body.append(make(document, 'tr', make(document, 'td.figure', brief(value)), text));
  }
  const parts = [];
  if (label) parts.push(make(document, 'p.meaning', isolated(document, label)));
  if (facts.length > 0) parts.push(quiet(document, `${facts.join(', ')}.`));
  return contexts.length > 0 ? [...parts, table] : parts;
}
