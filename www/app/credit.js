// The part of the form that says how sources are credited: by which method, against which prompt, and whether what they
// predict is measured.

import { codedError } from '../runtime/error.js';
import { MOST_STEPS, STEPS, TOKENS } from '../figure/request.js';
import { visible } from '../figure/text.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {Pick<Request, 'method' | 'patch' | 'measure'>} Credit */

/** Positions shown beside each other. */
const SHOWN = 128;

/** @param {Document} document */
export function createCredit(document) {
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);
  /** A prompt that the field was filled with: an empty one is a prompt, too, and line ends are not shown. @type {{value: string | undefined, shown: string} | undefined} */
  let filled;
  /** Texts whose numbers of tokens are known not to agree, and the sentence that says so. @type {{of: string, message: string} | undefined} */
  let unequal;

  /** @returns {string | undefined} */
  function patch() {
    const shown = element('patch').value;
    if (filled && filled.shown === shown) return filled.value;
    return shown === '' ? undefined : shown;
  }

  const steps = () => element('steps').valueAsNumber;
  const texts = (/** @type {string} */ prompt) => JSON.stringify([prompt, patch()]);

  function showFields() {
    element('steps-label').hidden = element('method').value !== 'integrated';
  }
  element('method').addEventListener('change', showFields);
  element('patch').addEventListener('input', () => (filled = undefined));

  return {
    /** @param {string} from what sources are @returns {Credit} */
    read(from) {
      const isOfTokens = from === TOKENS;
      const method = element('method').value;
      const against = patch();
      return {
        ...(method === 'frozen' && { method }),
        ...(method === 'integrated' && !isOfTokens && { method: { integrated: steps() } }),
        ...(against !== undefined && !isOfTokens && { patch: against }),
        ...(element('measure').checked && { measure: true }),
      };
    },

    /** @param {Credit} credit */
    fill({ method, patch, measure }) {
      element('method').value = typeof method === 'object' ? 'integrated' : (method ?? 'gradient');
      element('steps').value = String(typeof method === 'object' ? method.integrated : STEPS);
      element('patch').value = patch ?? '';
      filled = { value: patch, shown: element('patch').value };
      element('measure').checked = measure === true;
      element('patch-note').replaceChildren();
      showFields();
    },

    /** Tokens have no latents to integrate over. @param {boolean} isOfTokens */
    offer(isOfTokens) {
      const option = element('method').querySelector('[value=integrated]');
      option.disabled = isOfTokens;
      option.textContent = `integrated gradients${isOfTokens ? ' (of latents alone)' : ''}`;
    },

    /**
     * Why what is asked cannot be answered.
     * @param {string} prompt
     * @param {boolean} isOfTokens
     * @returns {(Error & {code: string, field: string}) | undefined}
     */
    problem(prompt, isOfTokens) {
      const found = (/** @type {string} */ code, /** @type {string} */ field, /** @type {string} */ message) =>
        Object.assign(codedError(code, message), { code, field });
      const isIntegrated = element('method').value === 'integrated' && !isOfTokens;
      const isGood = Number.isInteger(steps()) && steps() >= 1 && steps() <= MOST_STEPS;
      const message = isIntegrated && !isGood ? `Steps are a whole number from 1 to ${MOST_STEPS}.` : '';
      element('steps-note').textContent = message;
      element('steps-note').classList.toggle('failed', message !== '');
      element('steps').setAttribute('aria-invalid', String(message !== ''));
      if (message) return found('request-invalid', 'steps', message);
      const isUnequal = !isOfTokens && unequal?.of === texts(prompt);
      element('patch').setAttribute('aria-invalid', String(isUnequal));
      return isUnequal ? found('patch-length', 'patch', /** @type {string} */ (unequal?.message)) : undefined;
    },

    /**
     * Lays the tokens of both prompts beside each other, for who asks with `tokenize`.
     * @param {string} prompt
     * @param {(text: string) => Promise<{string: string[]}>} tokenize
     */
    async align(prompt, tokenize) {
      const against = patch();
      const note = element('patch-note');
      if (against === undefined) return note.replaceChildren();
      const of = texts(prompt);
      const [here, there] = [(await tokenize(prompt)).string, (await tokenize(against)).string];
      if (texts(prompt) !== of) return;
      unequal =
        here.length === there.length
          ? undefined
          : {
              of,
              message: `The prompt has ${here.length} tokens with the BOS token, but the patch has ${there.length}. Positions are compared one by one: both must have the same number.`,
            };
      const said = document.createElement('p');
      said.textContent = unequal ? `${unequal.message} [patch-length]` : `Both have ${here.length} tokens.`;
      said.classList.toggle('failed', unequal !== undefined);
      const list = document.createElement('ol');
      list.setAttribute('aria-label', 'Tokens of both prompts, position by position');
      list.start = 0;
      const longest = Math.max(here.length, there.length);
      for (let i = 0; i < Math.min(longest, SHOWN); i++) {
        const item = document.createElement('li');
        for (const token of [here[i], there[i]]) {
          const part = document.createElement('bdi');
          part.textContent = token === undefined ? '–' : visible(token) || '∅';
          item.append(part);
        }
        item.classList.toggle('other', here[i] !== there[i]);
        list.append(item);
      }
      note.replaceChildren(said, list);
    },
  };
}
