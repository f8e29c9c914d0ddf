// The strongest ways token → latent → answer, as rows of three with what stands between them; each is told as a
// sentence, too, and pins its latent's pair. The first half is another result: known, or computed when asked for.

import { describeError } from '../../runtime/error.js';
import { nodeLabel } from '../../figure/axes.js';
import { strongestWays } from '../../figure/flow.js';
import { tokenAt, waySentence } from '../../figure/sentences.js';
import { brief, percent, short, visible } from '../../figure/text.js';
import { isolated, make } from './tables.js';

/** @typedef {import('../../figure/result.js').Saved} Saved */
/** The first half, if it is known, and how to compute it. @typedef {{known?: Saved, compute: () => Promise<Saved>}} Half */

const NOTE =
  'Each way: the token’s share of what moves the latent (its |gradient| of the sum over all tokens) × the latent’s ' +
  'attribution to the answer. Shares divide, they are no derivative: a way tells where a latent’s push comes from, not ' +
  'what the answer would be without the token.';

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {import('../../figure/axes.js').MeaningOf} options.meaning
 * @param {(cell: {row: number, column: number}) => void} options.onPick
 */
export function createFlow(root, { meaning, onPick }) {
  const document = root.ownerDocument;

  /** @param {Saved} result @param {number} row @param {import('../../figure/flow.js').Way} way @param {number} most */
  function line(result, row, way, most) {
    const { sources, targets } = result;
    const answer = targets.kind === 'logit_difference' ? targets.label[0] : nodeLabel(targets, row);
    const step = (/** @type {string} */ name, /** @type {string} */ text, /** @type {string} */ more) =>
      make(document, `span.${name}`, isolated(document, text), make(document, 'small', isolated(document, more)));
    const seen = make(
      document,
      'span.way',
      step('node-token', tokenAt(result, way.token), `position ${way.token}`),
      make(document, 'span.link', percent(way.share), ' →'),
      step('node-latent', nodeLabel(sources, way.latent), short(visible(meaning(sources, way.latent) ?? ''), 60)),
      make(document, 'span.link', brief(way.attribution), ' →'),
      step('node-answer', answer, `${brief(way.amount)} by this way`),
    );
    seen.setAttribute('aria-hidden', 'true');
    seen.style.setProperty('--part', String(Math.abs(way.amount) / most));
    const button = make(
      document,
      'button.pick',
      make(document, 'span.unseen', waySentence(result, row, way, meaning)),
      seen,
    );
    button.setAttribute('type', 'button');
    button.addEventListener('click', () => onPick({ row, column: way.latent }));
    return make(document, 'li', button);
  }

  /**
   * @param {Saved} result latent → logit
   * @param {number} row the answer
   * @param {Half} half
   * @param {boolean} bos ways from <|endoftext|>, too
   */
  function show(result, row, half, bos) {
    const answer = nodeLabel(result.targets, row);
    const heading = make(document, 'h3', 'Five strongest ways to ', isolated(document, answer));
    if (half.known) {
      const ways = strongestWays(half.known, result, row, { bos, base: document.baseURI });
      if (ways.length === 0) {
        return root.replaceChildren(
          heading,
          make(document, 'p.quiet', 'No token moves a latent that moves this answer.'),
        );
      }
      const most = Math.abs(ways[0].amount);
      const list = make(document, 'ol.flow', ...ways.map((way) => line(result, row, way, most)));
      return root.replaceChildren(heading, make(document, 'p.quiet', NOTE), list);
    }
    const told = make(
      document,
      'p.quiet',
      `Which tokens stand behind these latents is another analysis: token → latent at ${result.sources.hook_name}.`,
    );
    told.setAttribute('aria-live', 'polite');
    const button = /** @type {HTMLButtonElement} */ (make(document, 'button', 'Compute the first half'));
    button.type = 'button';
    button.addEventListener('click', async () => {
      button.disabled = true;
      told.textContent = 'Computing token → latent…';
      try {
        const known = await half.compute();
        // Another result may be shown by now.
        if (button.isConnected) show(result, row, { ...half, known }, bos);
      } catch (error) {
        const { code, message } = describeError(error);
        told.textContent = `${message} [${code}]`;
        button.disabled = false;
      }
    });
    root.replaceChildren(heading, told, button);
  }
  return { show };
}
