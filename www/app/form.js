// The form: what is asked, of which model.

import { codedError } from '../runtime/error.js';
import { createCredit } from './credit.js';
import { isAfter, isSame } from '../runtime/places.js';
import { describeLogits, TOKENS, viewOf } from '../figure/request.js';
import { short, visible } from '../figure/text.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').Targets} Targets */
/** @typedef {import('./sources.js').NamedSource} NamedSource */

/** Where a model is listed that is in no group: one of the address, one of a folder. */
const OTHERS = 'Other models';
/** Why latents of a source cannot be asked for later ones. */
const NO_PAIR = 'Latent → latent cannot be asked: none of this model’s SAEs comes after another.';

/**
 * The place to come from to logits: from the last, only the last position could matter.
 * @param {NamedSource} source
 */
const toLogits = ({ places, logitsFrom }) => logitsFrom ?? places[Math.floor((places.length - 1) / 2)];

/**
 * @param {Document} document
 * @param {Record<string, NamedSource>} sources
 * @param {string} selected name of the source
 */
export function createForm(document, sources, selected) {
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);
  const form = element('form');
  const credit = createCredit(document);
  /**
   * What fields were filled with and what they made of it: a field holds no line end, id of a token or list.
   * @type {Map<string, {value: unknown, shown: string}>}
   */
  const filled = new Map();

  /** Places that the reader or a link chose, under whichever name: another model may not have them, the next may. @type {Record<string, string | undefined>} */
  const wished = {};

  /** What a field asks for. @param {string} id @returns {any} */
  function asked(id) {
    const shown = element(id).value;
    const before = filled.get(id);
    return before && before.shown === shown ? before.value : shown;
  }

  /** @param {string} name @param {NamedSource} source */
  function addSource(name, { title, group = OTHERS }) {
    const select = element('source');
    const known = [...select.children].find((/** @type {HTMLOptGroupElement} */ { label }) => label === group);
    const list = known ?? Object.assign(document.createElement('optgroup'), { label: group });
    if (!known) select.append(list);
    list.append(new Option(title, name));
  }

  /** @returns {NamedSource} */
  const source = () => sources[element('source').value];
  /** Places that the SAE at another can be asked for. @param {string} from */
  const after = (from) => source().places.filter((to) => isAfter(to, from));

  /** @returns {Exclude<import('../figure/request.js').ViewName, 'token_to_logit'>} */
  function view() {
    return form.querySelector('input[name=view]:checked').value;
  }

  /** @param {string} name */
  const choose = (name) => (form.querySelector(`input[name=view][value=${name}]`).checked = true);

  /**
   * Offers places, and chooses the one that was wished for where it is among them.
   * @param {string} id
   * @param {string[]} places
   * @param {string | undefined} preferred
   */
  function offerPlaces(id, places, preferred) {
    const kept = places.find((place) => isSame(place, wished[id] ?? '')) ?? preferred;
    element(id).replaceChildren(...places.map((place) => new Option(place, place, false, place === kept)));
  }

  /** Offers the places that the source has an SAE at and the view can ask for: to come from, and later ones. */
  function fillFrom() {
    const { places } = source();
    const starts = places.filter((from) => after(from).length > 0);
    const pairs = form.querySelector('input[name=view][value=latent_to_latent]');
    pairs.disabled = starts.length === 0;
    element('no-pair').textContent = pairs.disabled ? NO_PAIR : '';
    if (pairs.disabled && pairs.checked) choose('token_to_latent');
    if (view() === 'latent_to_latent') offerPlaces('from', starts, starts[0]);
    else offerPlaces('from', places, toLogits(source()));
    fillTo();
  }

  function fillTo() {
    const places = view() === 'latent_to_latent' ? after(element('from').value) : source().places;
    offerPlaces('to', places, places[places.length - 1]);
  }

  /** Chooses a place, also one that is not offered: it is asked for until another is chosen. @param {string} id @param {string} place */
  function setPlace(id, place) {
    const options = [...element(id).options];
    if (!options.some(({ value }) => value === place)) element(id).append(new Option(place, place));
    element(id).value = wished[id] = place;
  }

  /** Fills a field with what it may not be able to hold. @param {string} id @param {unknown} value @param {string} shown */
  function fillField(id, value, shown) {
    element(id).value = shown;
    filled.set(id, { value, shown: element(id).value });
  }

  /** Says what is asked for where the field of k cannot. */
  function showListed() {
    const to = asked('k');
    element('listed').textContent =
      typeof to === 'object' ? `${describeLogits(to)}; another k asks for the largest.` : '';
  }

  function showFields() {
    for (const field of form.querySelectorAll('[data-views]')) {
      field.hidden = !field.getAttribute('data-views').split(' ').includes(view());
    }
    credit.offer(view() === 'token_to_latent');
  }

  for (const [name, source] of Object.entries(sources)) addSource(name, source);
  element('source').value = selected;
  fillFrom();
  showFields();
  form.addEventListener('change', (/** @type {any} */ { target }) => {
    if (target.id in { from: '', to: '' }) wished[target.id] = target.value;
    if (target.id === 'from') fillTo();
    else if (target.id === 'source' || target.name === 'view') fillFrom();
    showFields();
    showProblems();
  });
  form.addEventListener('input', (/** @type {any} */ { target }) => {
    filled.delete(target.id);
    if (target.id === 'k') showListed();
    if (target.id === 'prompt') showBreaks();
    showProblems();
  });
  element('prompt').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    // Enter that ends a word of an input method is not one of the prompt.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

  /** Line ends are tokens, and hardly seen in a field. */
  function showBreaks() {
    const text = element('prompt').value;
    const n = text.split('\n').length - 1;
    element('breaks').textContent =
      n === 0 ? '' : `${n === 1 ? 'One line break' : `${n} line breaks`}: ${short(text, 200).replaceAll('\n', '⏎ ')}`;
  }

  /** Targets that are known not to be one token each, as they were typed. @type {string | undefined} */
  let notOneToken;
  const targets = () => JSON.stringify([asked('positive'), asked('negative')]);

  /** Why what is asked cannot be answered; the field says it, too. @returns {(Error & {code: string, field: string}) | undefined} */
  function problem() {
    const found = (/** @type {string} */ code, /** @type {string} */ field, /** @type {string} */ message) =>
      Object.assign(codedError(code, message), { code, field });
    const credited = credit.problem(asked('prompt'), view() === 'token_to_latent');
    if (credited) return credited;
    const k = asked('k');
    if (view() === 'latent_to_logit' && typeof k !== 'object' && !(Number.isInteger(Number(k)) && Number(k) >= 1))
      return found(
        'k-out-of-range',
        'k',
        `Logits (k) ${k === '' ? 'is empty' : `is ${k}`}: how many of the largest logits?`,
      );
    if (view() !== 'logit_difference') return undefined;
    const [positive, negative] = [asked('positive'), asked('negative')];
    if (positive === negative)
      return found(
        'same-logits',
        'negative',
        `${quoted(String(positive))} minus itself is 0 whatever happens: choose two tokens.`,
      );
    return notOneToken === targets() ? found('not-one-token', 'positive', 'A target is not one token.') : undefined;
  }

  /** Says beside each field what is wrong with it. */
  function showProblems() {
    const found = problem();
    element('k-note').textContent = found?.field === 'k' ? found.message : '';
    element('k-note').classList.toggle('failed', found?.field === 'k');
    element('k').setAttribute('aria-invalid', String(found?.field === 'k'));
    if (found?.code === 'not-one-token') return;
    noteTokens(found?.code === 'same-logits' ? found.message : '');
    for (const id of ['positive', 'negative'])
      element(id).setAttribute('aria-invalid', String(found?.code === 'same-logits'));
  }

  /** @param {string} problems */
  function noteTokens(problems) {
    const note = element('token-note');
    note.textContent = problems || 'A leading space belongs to the token.';
    note.classList.toggle('failed', problems !== '');
  }

  const quoted = (/** @type {string} */ token) => `“${visible(token)}”`;

  /** What the view is of. @returns {Targets} */
  function to() {
    const k = asked('k');
    switch (view()) {
      case 'token_to_latent':
      case 'latent_to_latent':
        return element('to').value;
      case 'latent_to_logit':
        // What k was filled with: a list of logits, or their number.
        return typeof k === 'object' ? k : { top_logits: k === '' ? NaN : Number(k) };
      case 'logit_difference':
        return { logit_difference: [asked('positive'), asked('negative')] };
    }
  }

  return {
    /** @returns {string} */
    get source() {
      return element('source').value;
    },

    /** Whether tables are to be fetched whole, so that their rows do not tell the prompt. @returns {boolean} */
    get isPrivate() {
      return element('private').checked;
    },

    /** Why Run could not answer. */
    get problem() {
      return problem();
    },

    /** @param {number} threshold @returns {import('../figure/request.js').FullRequest} */
    request(threshold) {
      const isFromTokens = view() === 'token_to_latent';
      const from = isFromTokens ? TOKENS : element('from').value;
      const error = element('omit').checked && from !== TOKENS ? 'omit' : 'keep';
      return { prompt: asked('prompt'), from, to: to(), error, threshold, ...credit.read(from) };
    },

    /**
     * Offers one more source, or another in the place of one, and chooses it.
     * @param {string} name
     * @param {NamedSource} source
     */
    add(name, source) {
      const known = [...element('source').options].find((option) => option.value === name);
      if (known) known.text = source.title;
      else addSource(name, source);
      sources[name] = source;
      this.choose(name);
    },

    /** @param {string} source */
    choose(source) {
      element('source').value = source;
      fillFrom();
      showFields();
    },

    /**
     * Asks again what was asked, also what no view of the form can ask for.
     * @param {string | undefined} source
     * @param {Request} request
     * @param {string[]} [pair] what the positive and the negative token read as, where it is known
     */
    fill(source, request, pair) {
      if (source && Object.hasOwn(sources, source)) element('source').value = source;
      const { prompt, from, to, error } = request;
      const asked = viewOf(request);
      choose(
        asked !== 'token_to_logit' ? asked : 'logit_difference' in Object(to) ? 'logit_difference' : 'latent_to_logit',
      );
      fillFrom();
      // What a source without pairs is asked for all the same.
      if (asked === 'latent_to_latent') choose(asked);
      fillField('prompt', prompt, prompt);
      if (asked !== 'token_to_latent') setPlace('from', from);
      fillTo();
      if (typeof to === 'string') setPlace('to', to);
      else if ('top_logits' in to) fillField('k', to.top_logits, String(to.top_logits));
      else if ('logits' in to) fillField('k', to, String(to.logits.length));
      else {
        ['positive', 'negative'].forEach((id, i) => {
          const token = to.logit_difference[i];
          fillField(id, token, typeof token === 'number' ? (pair?.[i] ?? `token ${token}`) : token);
        });
      }
      element('omit').checked = error === 'omit';
      credit.fill(request);
      showListed();
      showFields();
      showBreaks();
      showProblems();
    },

    /**
     * Lays the tokens of the two prompts beside each other, where there are two.
     * @param {(text: string) => Promise<{string: string[]}>} tokenize
     */
    async alignPatch(tokenize) {
      await credit.align(asked('prompt'), tokenize);
      showProblems();
    },

    /** Offers tokens to complete a target with. @param {string[]} tokens */
    offer(tokens) {
      const options = tokens.map((token) => Object.assign(document.createElement('option'), { value: token }));
      element('likely').replaceChildren(...options);
    },

    /**
     * Says whether each target is one token, for who asks with `tokenize`.
     * @param {(text: string) => Promise<{string: string[]}>} tokenize tokens of a text, BOS first
     */
    async checkTargets(tokenize) {
      const problems = [];
      for (const id of ['positive', 'negative']) {
        const text = asked(id);
        // An id is one token.
        const tokens = typeof text === 'number' ? [String(text)] : (await tokenize(text)).string.slice(1);
        const good = tokens.length === 1;
        element(id).setAttribute('aria-invalid', String(!good));
        if (!good) {
          const shown = `${tokens.slice(0, 6).map(quoted).join(' ')}${tokens.length > 6 ? ' …' : ''}`;
          problems.push(
            `${quoted(String(text).slice(0, 60))} is ${tokens.length} tokens${shown && `: ${shown}`}; it must be one.`,
          );
        }
      }
      notOneToken = problems.length > 0 ? targets() : undefined;
      noteTokens(problems.join(' '));
      if (problems.length === 0) showProblems();
    },
  };
}
