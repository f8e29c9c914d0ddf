// What taking the pinned pair's source away does, beside what was predicted: from the full check where there is one,
// else measured alone when it is asked for.

import { measuredSentence } from '../../figure/measured-words.js';
import { brief, exact } from '../../figure/text.js';
import { describeError } from '../../runtime/error.js';
import { isolated, make } from './tables.js';

/** @typedef {import('../../figure/result.js').Saved} Saved */
/** @typedef {{row: number, column: number}} Cell */
/** @typedef {import('../intervene.js').Found} Found */

/** What was measured alone in this visit. @type {WeakMap<Saved, Map<number, Found>>} */
const known = new WeakMap();

/**
 * @param {HTMLElement} root beneath the pinned pair
 * @param {object} options
 * @param {import('../intervene.js').Ask} options.ask
 * @param {() => number} options.vocabulary how many logits the model has that is open
 */
export function createMeasuredPair(root, { ask, vocabulary }) {
  const document = root.ownerDocument;
  /** @type {{result: Saved, cell: Cell} | undefined} */
  let pair;
  /** @type {AbortController | undefined} */
  let running;

  const indexOf = (/** @type {Saved} */ { sources }, /** @type {Cell} */ { row, column }) =>
    row * sources.pos.length + column;

  /** @param {number} predicted @param {number} measured */
  function numbers(predicted, measured) {
    const list = document.createElement('dl');
    for (const [name, value] of /** @type {[string, number][]} */ ([
      ['Predicted', predicted],
      ['Measured', measured],
    ])) {
      const figure = make(document, 'dd', brief(value));
      figure.title = exact(value);
      list.append(make(document, 'dt', name), figure);
    }
    return list;
  }

  function draw() {
    if (!pair) return root.replaceChildren();
    const { result, cell } = pair;
    const i = indexOf(result, cell);
    const alone = known.get(result)?.get(i);
    const measured = result.ablations?.[i] ?? alone?.ablation;
    const parts = [];
    if (measured !== undefined) {
      const told = make(document, 'p.sentence', isolated(document, measuredSentence(result, cell, measured)));
      parts.push(told, numbers(result.attributions[i], measured));
    }
    const button = /** @type {HTMLButtonElement} */ (make(document, 'button'));
    button.id = 'measure-pair';
    button.type = 'button';
    button.textContent = measured === undefined ? 'Take it away (m)' : 'What else does it change?';
    button.title = 'Runs the model once without this source, nothing linearised';
    const status = make(document, 'p.quiet');
    status.setAttribute('role', 'status');
    if (!alone) button.addEventListener('click', () => void measure(button, status));
    const else_ = make(document, 'div');
    if (!alone) parts.push(button);
    parts.push(status, else_);
    root.replaceChildren(...parts);
    if (alone) void showElse(else_, alone);
  }

  /** @param {HTMLElement} box @param {Found} found */
  async function showElse(box, { intervened: { logits, kl } }) {
    const { changesTable, chance } = await import('./changes.js');
    const first = (/** @type {number[]} */ of) => of.reduce((best, p, i) => (p > of[best] ? i : best), 0);
    const [before, after] = [first(logits.probability_before), first(logits.probability_after)];
    const same = before === after;
    const next = same
      ? `“${logits.string[before]}” stays the likeliest next token`
      : `the likeliest next token becomes “${logits.string[after]}” (${chance(logits.probability_after[after])})`;
    const note = `Without it, ${next}; the distribution moves by ${brief(kl)} nats (KL).`;
    box.replaceChildren(...changesTable(logits, document, { title: 'What it changes among the next tokens', note }));
  }

  /** @param {HTMLButtonElement} button @param {HTMLElement} status */
  async function measure(button, status) {
    if (!pair || running) return;
    const { result, cell } = pair;
    const controller = (running = new AbortController());
    button.disabled = true;
    status.textContent = 'Running the model without it…';
    try {
      const { measurePair, whyNot } = await import('../intervene.js');
      const why = whyNot(result);
      if (why) {
        status.textContent = why;
        return;
      }
      const found = await measurePair(result, cell, ask, { signal: controller.signal, vocabulary });
      const of = known.get(result) ?? new Map();
      known.set(result, of.set(indexOf(result, cell), found));
      if (pair?.result === result && indexOf(result, pair.cell) === indexOf(result, cell)) {
        const had = root.contains(document.activeElement) || document.activeElement === document.body;
        draw();
        // The button is gone: who pressed it goes on from what it found.
        if (had) /** @type {HTMLElement | null} */ (root.querySelector('.scroll'))?.focus();
      }
    } catch (error) {
      const { code, message } = describeError(error);
      status.textContent = code === 'cancelled' ? 'Cancelled.' : `${message} [${code}]`;
    } finally {
      running = undefined;
      button.disabled = false;
    }
  }

  return {
    /** @param {{result: Saved, cell: Cell} | undefined} shown */
    show(shown) {
      const before = pair;
      pair = shown;
      const isSame = before && shown && before.result === shown.result;
      if (isSame && indexOf(shown.result, shown.cell) === indexOf(before.result, before.cell)) return;
      draw();
    },
    /** As if its button were pressed. */
    measure: () => /** @type {HTMLElement | null} */ (root.querySelector('#measure-pair'))?.click(),
    /** Cancels what runs. */
    stop: () => running?.abort(),
  };
}
