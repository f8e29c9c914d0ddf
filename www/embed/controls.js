// What the reader may change of a figure: fields for those of `controls`, each there or not from the start.

import { VALUES } from '../figure/values.js';
import { SORTS } from '../figure/view.js';

/**
 * What they come to.
 * @typedef {object} Acts
 * @property {(name: 'prompt' | 'from' | 'to' | 'sort' | 'shown' | 'threshold', value: string) => void} set
 * @property {() => void} run
 * @property {() => void} cancel
 */

/** @typedef {{prompt: string, from: string, to: string, rows: string, columns: string, shown: string, threshold: string}} Values */
/** @typedef {ReturnType<typeof createControls>} Controls */

/**
 * Prompt and places are those of a live run, and there only with `live`.
 * @param {Document} document
 * @param {Set<string>} wanted
 * @param {Acts} acts
 */
export function createControls(document, wanted, acts) {
  const isLive = wanted.has('live');
  const form = document.createElement('form');
  form.setAttribute('part', 'controls');
  /** @type {Partial<Record<keyof Values, HTMLInputElement | HTMLSelectElement>>} */
  const fields = {};

  /** @param {(HTMLElement | undefined)[]} parts */
  const row = (...parts) => {
    const there = parts.filter((part) => part !== undefined);
    if (there.length === 0) return;
    const element = document.createElement('div');
    element.className = 'row';
    element.append(...there);
    form.append(element);
  };

  /**
   * @template {HTMLInputElement | HTMLSelectElement} F
   * @param {string} text
   * @param {F} field
   */
  const labelled = (text, field) => {
    const label = document.createElement('label');
    field.setAttribute('part', 'field');
    label.append(text, field);
    return label;
  };

  /** @param {'prompt' | 'from' | 'to' | 'threshold'} name @param {string} text @param {'input' | 'change'} on */
  const input = (name, text, on) => {
    const field = document.createElement('input');
    fields[name] = field;
    field.autocomplete = 'off';
    field.spellcheck = false;
    if (name === 'threshold') Object.assign(field, { type: 'number', step: 'any' });
    field.addEventListener(on, () => acts.set(name, field.value));
    return labelled(text, field);
  };

  /** @param {'rows' | 'columns'} name @param {string} text */
  const sort = (name, text) => {
    const field = document.createElement('select');
    fields[name] = field;
    field.append(...SORTS.map((order) => new Option(order, order)));
    field.addEventListener('change', () => acts.set('sort', `${fields.rows?.value} ${fields.columns?.value}`));
    return labelled(text, field);
  };

  const shown = () => {
    const field = document.createElement('select');
    fields.shown = field;
    field.append(...Object.entries(VALUES).map(([value, words]) => new Option(words, value)));
    field.addEventListener('change', () => acts.set('shown', field.value));
    return labelled('Show', field);
  };

  /** @param {string} text @param {'submit' | 'button'} type */
  const button = (text, type) => {
    const element = document.createElement('button');
    element.type = type;
    element.textContent = text;
    element.setAttribute('part', 'button');
    return element;
  };

  const [run, cancel] = [button('Run live', 'submit'), button('Cancel', 'button')];
  cancel.disabled = true;
  cancel.addEventListener('click', acts.cancel);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (isLive && !run.disabled) acts.run();
  });
  row(isLive && wanted.has('prompt') ? input('prompt', 'Prompt', 'input') : undefined);
  row(
    ...(isLive && wanted.has('places') ? [input('from', 'From', 'change'), input('to', 'To', 'change')] : []),
    ...(wanted.has('check') ? [shown()] : []),
    ...(wanted.has('sort') ? [sort('rows', 'Rows by'), sort('columns', 'Columns by')] : []),
    ...(wanted.has('threshold') ? [input('threshold', 'Across positions over', 'change')] : []),
  );
  /** What a live run tells, beside its buttons. */
  const [state, progress, status] = [
    document.createElement('div'),
    document.createElement('progress'),
    document.createElement('p'),
  ];
  [state.className, status.className] = ['state', 'status'];
  progress.setAttribute('part', 'progress');
  progress.setAttribute('aria-label', 'Progress of the run');
  status.setAttribute('part', 'status');
  status.setAttribute('role', 'status');
  state.append(progress, status);
  if (isLive) {
    const [row, buttons] = [document.createElement('div'), document.createElement('div')];
    [row.className, buttons.className] = ['row run', 'buttons'];
    buttons.append(run, cancel);
    row.append(buttons, state);
    form.append(row);
  }

  return {
    element: form,
    isLive,
    /** Shows what is asked for and how it is looked at; a field that says it already is left alone. @param {Values} values */
    show(values) {
      for (const [name, field] of Object.entries(fields)) {
        const value = values[/** @type {keyof Values} */ (name)];
        if (field.value !== value) field.value = value;
      }
    },
    /** What can be shown of the result there is. @param {string[]} values */
    offerValues(values) {
      for (const option of /** @type {HTMLSelectElement | undefined} */ (fields.shown)?.options ?? [])
        option.hidden = option.disabled = !values.includes(option.value);
    },
    /** @param {string} text of the button @param {boolean} canRun @param {boolean} canEdit what is asked for */
    offer(text, canRun, canEdit) {
      run.textContent = text;
      run.disabled = !canRun;
      for (const name of /** @type {const} */ (['prompt', 'from', 'to'])) {
        const field = fields[name];
        if (field) /** @type {HTMLInputElement} */ (field).readOnly = !canEdit;
      }
    },
    /** @param {{done: number, total: number}} [at] how far a run has come; nothing: none is under way */
    busy(at) {
      cancel.disabled = at === undefined;
      progress.classList.toggle('busy', at !== undefined);
      if (at && at.total > 0) [progress.max, progress.value] = [at.total, at.done];
      else progress.removeAttribute('value');
    },
    /** @param {string} text @param {boolean} [isFailed] */
    say(text, isFailed = false) {
      status.textContent = text;
      status.classList.toggle('failed', isFailed);
    },
  };
}
