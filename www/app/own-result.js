// Numbers that name no request, in the place of a result: the figure, and how it is looked at. Loaded when such a
// file is opened.

import { summarise } from '../figure/analysis.js';
import { axes, isSpread } from '../figure/axes.js';
import { drawFigure } from '../figure/figure.js';
import { titleOf } from '../figure/result.js';
import { defaultLimit } from '../figure/scale.js';
import { short } from '../figure/text.js';
import { valuesOf } from '../figure/values.js';

/** @typedef {import('../figure/result.js').Shown} Shown */
/** @typedef {import('../figure/own.js').Own} Own */
/** @typedef {import('../figure/view.js').View} View */

const NOTE =
  'Numbers of a file that names no model and no prompt: there is nothing to run, to link to, or to compute in Python.';

/** @type {[View['rows'], string][]} */
const ORDERS = [
  ['position', 'by position'],
  ['value', 'by value in the pinned cell'],
  ['largest', 'by largest |value|'],
  ['total', 'by total |value|'],
];

/**
 * @param {HTMLElement} root with what index.html has in #result; all of it but its head steps back
 * @param {Own} first
 */
export function openOwn(root, first) {
  const document = root.ownerDocument;
  const title = /** @type {HTMLElement} */ (root.querySelector('#title'));
  const before = title.textContent;
  /** @param {string} tag @param {Record<string, unknown>} given @param {(Node | string)[]} children @returns {any} */
  const make = (tag, given = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), given);
    element.append(...children);
    return element;
  };
  const choice = (/** @type {string} */ name, /** @type {string[][]} */ options) => {
    const select = make('select', { id: `own-${name}` }, ...options.map(([value, text]) => new Option(text, value)));
    select.addEventListener('change', () => void figure.update(undefined, { [name]: select.value }));
    return select;
  };
  const shown = choice('shown', [
    ['attributions', 'attributions'],
    ['gradients', 'gradients'],
  ]);
  const across = make('input', { id: 'own-across', type: 'checkbox' });
  across.addEventListener('change', () => void figure.update(undefined, { across: across.checked }));
  const close = make('button', { id: 'own-close', type: 'button', textContent: 'Close' });
  const place = make('div', { className: 'own-figure' });
  const own = make(
    'div',
    { id: 'own' },
    make('p', { className: 'quiet', textContent: NOTE }),
    make(
      'div',
      { className: 'controls' },
      ...(first.gradients.length > 0 ? [make('label', {}, 'Show', shown)] : []),
      make('label', {}, 'Rows', choice('rows', ORDERS)),
      make('label', {}, 'Columns', choice('columns', ORDERS)),
      ...(isSpread(first.sources) && isSpread(first.targets)
        ? [make('label', { className: 'check' }, across, 'Across positions only')]
        : []),
      close,
    ),
    place,
  );
  root.querySelector('.result-head')?.after(own);
  root.dataset.own = 'true';
  title.textContent = short(titleOf(first), 140);
  const figure = drawFigure(place, first);

  /** Gives the place back to the result before. */
  function end() {
    figure.destroy();
    own.remove();
    delete root.dataset.own;
    title.textContent = before;
  }
  close.addEventListener('click', () => {
    end();
    /** @type {HTMLElement | null} */ (root.querySelector('.heatmap, #plot'))?.focus();
  });

  return {
    end,
    drawn: figure.drawn,
    get isOpen() {
      return root.dataset.own === 'true' && own.isConnected;
    },
    repaint: () => figure.repaint(),
    /** What there is to take away, as the explorer of a result tells it. */
    result: /** @type {Shown} */ (first),
    meaning: () => undefined,
    labelled: () => /** @type {Shown} */ (first),
    get view() {
      return figure.view;
    },
    get limit() {
      return figure.view.limit ?? defaultLimit(valuesOf(first, figure.view.shown));
    },
    async matrix() {
      const { view } = figure;
      const values = valuesOf(first, view.shown);
      const summary = await summarise(values, first.targets.pos, first.sources.pos);
      return { values, ...axes(first, view, summary), limit: this.limit, across: view.across };
    },
  };
}

/** @typedef {ReturnType<typeof openOwn>} OwnView */
