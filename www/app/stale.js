// Says where what is shown is no answer to what the form asks: the figure steps back, and a line names both.

import { describeRequest } from '../figure/request.js';
import { titleOf } from '../figure/result.js';
import { short, visible } from '../figure/text.js';
import { answers, keyOf } from './results.js';

/** @typedef {import('../figure/result.js').Saved} Saved */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {{source: string, request: Request, model: string, problem?: string}} Asked model: what it is called; problem: why it cannot be run */

/** Characters of a title in the line. */
const TITLE = 90;

/**
 * How what is shown stands to what is asked.
 * @param {{result: Saved, source?: string, filled?: string} | undefined} shown filled: what the form asked when it was
 *   filled with this
 * @param {Asked} asked
 * @returns {{isStale: boolean, text: string}} isStale: it answers something else; text: empty where there is nothing to say
 */
export function compareAsked(shown, { source, request, model, problem }) {
  if (!shown) return { isStale: false, text: '' };
  const asks = keyOf(source, request);
  if (shown.source === source && answers(shown.result.request, request)) return { isStale: false, text: '' };
  const title = short(titleOf(shown.result), TITLE);
  // A file of a model that is not offered: the form has its request, and another model for it.
  if (shown.source === undefined && shown.filled === asks)
    return { isStale: false, text: `Shows ${title}. Its model is not offered here: Run asks ${short(model, TITLE)}.` };
  const wanted = short(`${model} · ${describeRequest(request)} · ${visible(request.prompt) || '(no prompt)'}`, TITLE);
  return { isStale: true, text: `Shows ${title} — ${problem ?? `Run for ${wanted}`}` };
}

/**
 * @param {Document} document
 * @param {() => void} onBack the form is to ask again for what is shown
 */
export function createStale(document, onBack) {
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);
  element('back').addEventListener('click', onBack);
  return {
    /** @param {ReturnType<typeof compareAsked>} found */
    show({ isStale, text }) {
      element('result').classList.toggle('stale', isStale);
      if (element('stale-text').textContent !== text) element('stale-text').textContent = text;
      element('stale').hidden = text === '';
      element('back').hidden = !isStale;
    },
  };
}
