// How pictures and tables are saved: asked in a dialog, kept for the visit.

import { number } from '../../figure/text.js';

/** @typedef {{width: number, unit: 'px' | 'cm', scale: number, theme: 'light' | 'dark', zeros: boolean}} Settings */

/** @type {Settings} */
export const DEFAULTS = { width: 1200, unit: 'px', scale: 2, theme: 'light', zeros: false };
/** The widths that a picture may have, in pixels. */
const [LEAST, MOST] = [240, 6000];
/** Pixels of a centimetre, as browsers and printers count. */
const CENTIMETRE = 96 / 2.54;

/** @param {Pick<Settings, 'width' | 'unit'>} settings */
export const pixelsOf = ({ width, unit }) => Math.round(unit === 'cm' ? width * CENTIMETRE : width);

/** What is wrong with a width, in words; nothing if it can be drawn. @param {Pick<Settings, 'width' | 'unit'>} settings */
export function problemOf(settings) {
  const pixels = pixelsOf(settings);
  if (pixels >= LEAST && pixels <= MOST) return '';
  const [least, most] =
    settings.unit === 'cm' ? [LEAST, MOST].map((edge) => (edge / CENTIMETRE).toFixed(1)) : [LEAST, MOST].map(number);
  return `The width must be between ${least} and ${most} ${settings.unit}.`;
}

/**
 * @param {Document} document
 * @param {object} options
 * @param {Settings} options.settings which is changed
 * @param {[name: string, act: () => Promise<unknown>][]} options.saves what can be saved with them
 */
export function createOptions(document, { settings, saves }) {
  const make = (
    /** @type {string} */ tag,
    /** @type {Record<string, unknown>} */ given = {},
    /** @type {(Node | string)[]} */ ...children
  ) => {
    /** @type {any} */
    const element = Object.assign(document.createElement(tag), given);
    element.append(...children);
    return element;
  };
  const choice = (/** @type {string} */ id, /** @type {[string, string][]} */ options, /** @type {string} */ value) => {
    const select = make('select', { id }, ...options.map(([value, text]) => new Option(text, value)));
    select.value = value;
    return select;
  };
  const width = make('input', { id: 'picture-width', type: 'number', step: 'any', value: String(settings.width) });
  const unit = choice(
    'picture-unit',
    [
      ['px', 'px'],
      ['cm', 'cm'],
    ],
    settings.unit,
  );
  unit.setAttribute('aria-label', 'Unit of the width');
  const scale = choice(
    'picture-scale',
    [1, 2, 4].map((by) => [String(by), `× ${by}`]),
    String(settings.scale),
  );
  const theme = choice(
    'picture-theme',
    [
      ['light', 'light'],
      ['dark', 'dark'],
    ],
    settings.theme,
  );
  const zeros = make('input', { id: 'csv-zeros', type: 'checkbox', checked: settings.zeros });
  const note = make('p', { id: 'picture-note', className: 'quiet' });
  note.setAttribute('aria-live', 'polite');
  width.setAttribute('aria-describedby', note.id);

  /** Takes over what the fields say. */
  function read() {
    const asked = { width: width.valueAsNumber, unit: /** @type {Settings['unit']} */ (unit.value) };
    const problem = problemOf(asked);
    width.setAttribute('aria-invalid', String(problem !== ''));
    note.classList.toggle('failed', problem !== '');
    Object.assign(settings, {
      ...(!problem && asked),
      scale: Number(scale.value),
      theme: theme.value,
      zeros: zeros.checked,
    });
    const pixels = number(pixelsOf(settings) * settings.scale);
    note.textContent =
      problem || `A PNG is ${pixels} pixels wide. Text is as large at every width: a wider picture has more labels.`;
    for (const button of buttons) button.disabled = problem !== '';
  }

  const buttons = saves.map(([name, act]) => {
    const button = make('button', { type: 'button', textContent: `Save ${name}` });
    button.addEventListener('click', () => void act());
    return button;
  });
  const close = make('button', { type: 'button', textContent: 'Close' });
  const dialog = make(
    'dialog',
    { id: 'options', className: 'options' },
    make('h2', { id: 'options-title', textContent: 'Pictures and tables' }),
    make(
      'div',
      { className: 'fields' },
      make('label', {}, 'Width', width),
      unit,
      make('label', {}, 'Pixels of a PNG', scale),
      make('label', {}, 'Colours', theme),
      make('label', { className: 'check' }, zeros, 'CSV with the pairs that are 0'),
    ),
    note,
    make('div', { className: 'actions' }, ...buttons, close),
  );
  dialog.setAttribute('aria-labelledby', 'options-title');
  dialog.addEventListener('input', read);
  close.addEventListener('click', () => dialog.close());
  document.querySelector('main')?.append(dialog);
  read();
  return dialog;
}
