// The prompt as the model reads it: one button a token, tinted by how much goes out from it. Pressed, it leaves the
// columns of its token alone; pressed again, or by “All tokens”, all are back. One Tab leads to all of them, arrow
// keys from one to the next.

import { brief, visible } from '../../figure/text.js';
import { tokenAt } from '../../figure/sentences.js';
import { isolated, make } from './tables.js';

/** Tokens shown at first: a prompt of a thousand is not looked at one by one. */
const SHOWN = 256;

/** Where arrow keys lead, from a place among n. @type {Record<string, (at: number, n: number) => number>} */
const KEYS = {
  ArrowRight: (at, n) => Math.min(at + 1, n - 1),
  ArrowLeft: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_, n) => n - 1,
};

/**
 * @param {HTMLElement} list
 * @param {HTMLElement} note what is said while a token is chosen
 * @param {(pos: number | undefined) => void} onChoose
 */
export function createTokens(list, note, onChoose) {
  const document = list.ownerDocument;
  list.setAttribute('role', 'toolbar');
  /** @type {HTMLElement[]} */
  let buttons = [];
  /** @type {number | undefined} */
  let chosen;

  /** The one that Tab leads to. @param {number} at */
  const hold = (at) => buttons.forEach((button, i) => (button.tabIndex = i === at ? 0 : -1));

  list.addEventListener('keydown', (event) => {
    const at = buttons.indexOf(/** @type {HTMLElement} */ (event.target));
    if (at < 0 || !Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    const next = KEYS[event.key](at, buttons.length);
    hold(next);
    buttons[next].focus();
  });

  return {
    /** @param {{token_id: number[], string: string[]}} tokens */
    show({ token_id, string }) {
      const held = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
      buttons = string.slice(0, SHOWN).map((token, pos) => {
        const button = make(
          document,
          'button',
          make(document, 'bdi', visible(token) || '∅'),
          make(document, 'small', `${pos} · ${token_id[pos]}`),
        );
        button.setAttribute('type', 'button');
        button.addEventListener('click', () => {
          hold(pos);
          onChoose(chosen === pos ? undefined : pos);
        });
        return button;
      });
      const items = buttons.map((button) => make(document, 'li', button));
      if (string.length > SHOWN) items.push(make(document, 'li', `… ${string.length - SHOWN} more`));
      items.forEach((item) => item.setAttribute('role', 'presentation'));
      list.replaceChildren(...items);
      hold(Math.max(held, 0));
      if (held >= 0) buttons[held]?.focus();
    },

    /**
     * Tints and presses.
     * @param {import('../../figure/result.js').Saved} result
     * @param {object} of
     * @param {Float64Array} of.amounts by position
     * @param {number} of.most what is tinted fully
     * @param {string} of.what they are
     * @param {number} [of.pos] that is chosen
     */
    tell(result, { amounts, most, what, pos }) {
      chosen = pos;
      buttons.forEach((button, at) => {
        button.style.setProperty('--part', String(Math.min(1, amounts[at] / (most || 1))));
        button.title = `${what} from here: ${brief(amounts[at])}`;
        button.setAttribute('aria-pressed', String(at === pos));
        // A token that nothing comes from has no columns to be shown.
        /** @type {HTMLButtonElement} */ (button).disabled = !result.sources.pos.includes(at);
      });
      note.hidden = pos === undefined;
      if (pos === undefined) return note.replaceChildren();
      const all = make(document, 'button', 'All tokens');
      all.setAttribute('type', 'button');
      all.addEventListener('click', () => {
        onChoose(undefined);
        buttons[pos]?.focus();
      });
      note.replaceChildren(
        'Only columns of ',
        isolated(document, tokenAt(result, pos)),
        ' are shown and ranked. ',
        all,
      );
    },
  };
}

/**
 * Σ over the columns at each position.
 * @param {import('../../figure/result.js').Saved} result
 * @param {(column: number) => number} value not below 0
 */
export function amountsAt({ sources: { pos }, tokens }, value) {
  const amounts = new Float64Array(tokens.string.length);
  for (let column = 0; column < pos.length; column++) amounts[pos[column]] += value(column);
  return amounts;
}
