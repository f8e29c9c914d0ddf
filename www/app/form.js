// The form: what is asked, of which model.

import { own } from '../figure/schema.js';
import { visible } from '../figure/text.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('./sources.js').NamedSource} NamedSource */

/** What of a request the form shows. */
const FIELDS = ['prompt', 'layer', 'layer_from', 'layer_to', 'k', 'positive', 'negative'];

/**
 * @param {Document} document
 * @param {Record<string, NamedSource>} sources
 * @param {string} selected name of the source
 */
export function createForm(document, sources, selected) {
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);
  const form = element('form');
  /**
   * What fields were filled with and what they made of it: a field holds no line end or id of a token.
   * @type {Map<string, {value: string | number, shown: string}>}
   */
  const filled = new Map();

  /** What a field asks for. @param {string} id @returns {any} */
  function asked(id) {
    const shown = element(id).value;
    const before = filled.get(id);
    return before && before.shown === shown ? before.value : shown;
  }

  for (const [name, { title }] of Object.entries(sources)) {
    element('source').append(new Option(title, name, false, name === selected));
  }

  /** Offers the layers that the source has an SAE for, and keeps those chosen where it can. */
  function fillLayers() {
    const { layers } = sources[element('source').value];
    const last = layers[layers.length - 1];
    const preferences = { layer_from: layers[0], layer_to: layers.includes(3) ? 3 : last, layer: last };
    for (const [id, preferred] of Object.entries(preferences)) {
      const before = Number(element(id).value);
      const kept = element(id).value !== '' && layers.includes(before) ? before : preferred;
      element(id).replaceChildren(
        ...layers.map((layer) => new Option(String(layer), String(layer), false, layer === kept)),
      );
    }
  }

  /** @returns {Request['kind']} */
  function kind() {
    return form.querySelector('input[name=kind]:checked').value;
  }

  function showFields() {
    for (const field of form.querySelectorAll('[data-kinds]')) {
      field.hidden = !field.getAttribute('data-kinds').split(' ').includes(kind());
    }
  }

  fillLayers();
  showFields();
  form.addEventListener('change', showFields);
  form.addEventListener('input', (/** @type {any} */ { target }) => filled.delete(target.id));
  element('source').addEventListener('change', fillLayers);
  element('prompt').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  return {
    /** @returns {string} */
    get source() {
      return element('source').value;
    },

    /** Whether tables are to be fetched whole, so that their rows do not tell the prompt. @returns {boolean} */
    get isPrivate() {
      return element('private').checked;
    },

    /** @param {number} threshold @returns {Request} */
    request(threshold) {
      const prompt = asked('prompt');
      const integer = (/** @type {string} */ id) => Number(element(id).value);
      const chosen = kind();
      switch (chosen) {
        case 'token_to_latent':
          return { kind: chosen, prompt, layer: integer('layer') };
        case 'latent_to_latent':
          return { kind: chosen, prompt, layer_from: integer('layer_from'), layer_to: integer('layer_to'), threshold };
        case 'latent_to_logit':
          return { kind: chosen, prompt, layer: integer('layer'), k: element('k').valueAsNumber };
        case 'logit_difference':
          return {
            kind: chosen,
            prompt,
            layer: integer('layer'),
            positive: asked('positive'),
            negative: asked('negative'),
          };
      }
    },

    /**
     * Offers one more source, or another in the place of one, and chooses it.
     * @param {string} name
     * @param {NamedSource} source
     */
    add(name, source) {
      const known = [...element('source').options].find((option) => option.value === name);
      if (known) known.text = source.title;
      else element('source').append(new Option(source.title, name));
      sources[name] = source;
      this.choose(name);
    },

    /** @param {string} source */
    choose(source) {
      element('source').value = source;
      fillLayers();
    },

    /**
     * Asks again what was asked. A layer that the source lacks is not chosen.
     * @param {string | undefined} source
     * @param {Request} request
     * @param {string[]} [pair] what the positive and the negative token read as, where it is known
     */
    fill(source, request, pair) {
      if (source && Object.hasOwn(sources, source) && source !== element('source').value) this.choose(source);
      for (const radio of form.querySelectorAll('input[name=kind]')) radio.checked = radio.value === request.kind;
      for (const id of FIELDS) {
        const field = element(id);
        const value = own(request, id);
        if (value === undefined) continue;
        if (field.tagName !== 'SELECT') {
          const isId = typeof value === 'number' && id !== 'k';
          field.value = isId ? (pair?.[id === 'positive' ? 0 : 1] ?? `token ${value}`) : String(value);
          if (id !== 'k') filled.set(id, { value: /** @type {string | number} */ (value), shown: field.value });
        } else if ([...field.options].some((option) => option.value === String(value))) field.value = String(value);
      }
      showFields();
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
        const quoted = (/** @type {string} */ token) => `“${visible(token)}”`;
        if (!good) {
          const shown = `${tokens.slice(0, 6).map(quoted).join(' ')}${tokens.length > 6 ? ' …' : ''}`;
          problems.push(
            `${quoted(String(text).slice(0, 60))} is ${tokens.length} tokens${shown && `: ${shown}`}; it must be one.`,
          );
        }
      }
      const note = element('token-note');
      note.textContent = problems.join(' ') || 'A leading space belongs to the token.';
      note.classList.toggle('failed', problems.length > 0);
    },
  };
}
