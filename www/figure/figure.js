// A result drawn into a node that is given: its title, the heatmap, the scale of colours, one cell in words.

import { pairsAcross, summarise, sumsAt } from './analysis.js';
import { axes, describeCell, isBars, isSpread, quantityOf, savedLabel } from './axes.js';
import { badgeOf } from './badge.js';
import { tellFold } from './fold.js';
import { heatmap } from './heatmap.js';
import { boxHeight } from './heatmap/layout.js';
import { lastOnly } from './last.js';
import { cutOff, legend, tellCut } from './legend.js';
import { firstIn, pinFor } from './pin.js';
import { titleOf } from './result.js';
import { partCell, partOf, shownColumns, wholeCell } from './part.js';
import { rankedColumns } from './ranking.js';
import { automaticLimit } from './scale.js';
import { captionOf, pairSentence } from './sentences.js';
import { adoptStyle } from './style.js';
import { brief, count, number, short } from './text.js';
import { showTooltip } from './tooltip.js';
import { hasValues, VALUES, valuesOf } from './values.js';
import { DEFAULT_VIEW, defaultView } from './view.js';

/** @typedef {import('./result.js').Shown} Shown */
/** @typedef {import('./view.js').View} View */
/** @typedef {import('./heatmap.js').Cell} Cell */

/**
 * @typedef {object} Figure
 * @property {(result?: Shown, view?: Partial<View>) => Promise<boolean>} update shows another result, or the same
 *   one another way; what of the view is not told stays. Resolves when it is drawn: to false where a later call
 *   took its place.
 * @property {() => void} repaint paints anew where the `color-scheme` was changed
 * @property {() => void} destroy takes the figure out of the node
 * @property {View} view how the result is looked at now
 * @property {Promise<boolean>} drawn of the first result
 */

const HINT = 'Point at a cell, or focus the heatmap and use the arrow keys; n goes to the strongest pair.';
const NO_PAIRS = 'No pairs: at least one side has no active latents. Try another prompt or place.';
const NO_NODES = 'No pairs: at least one side has no nodes.';
/** The longest title, in characters. */
const TITLE = 160;

/**
 * Draws a result at the end of a node, which must be in its document or shadow root already: there the figure's
 * style is adopted. The figure is as high as the node; its parts are named for `::part()`.
 * @param {HTMLElement} node
 * @param {Shown} result as `fromJson` or the runtime's client gives it
 * @param {object} [options]
 * @param {Partial<View>} [options.view]
 * @param {(cell: Cell) => void} [options.onSelect] a cell was clicked, or reached by keyboard
 * @param {(sorts: Pick<View, 'rows' | 'columns'>) => void} [options.onSort] the reader ordered rows or columns
 * @returns {Figure}
 */
export function drawFigure(node, result, { view: first = {}, onSelect, onSort } = {}) {
  const document = node.ownerDocument;
  adoptStyle(node);
  /** @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {string} name */
  const make = (tag, name) => {
    const element = document.createElement(tag);
    element.className = `sae-${name}`;
    element.setAttribute('part', name);
    return element;
  };
  const root = make('div', 'figure');
  const [title, box, scale, readout, tooltip] = [
    make('p', 'title'),
    make('div', 'plot'),
    make('p', 'scale'),
    make('p', 'readout'),
    make('div', 'tooltip'),
  ];
  const [colours, told] = [document.createElement('span'), document.createElement('small')];
  const folded = make('button', 'fold');
  colours.className = 'sae-colours';
  [folded.type, folded.hidden] = ['button', true];
  folded.addEventListener('click', () => void update(undefined, { zeros: !view.zeros }));
  scale.append(colours, told, folded);
  readout.setAttribute('aria-live', 'polite');
  // It scrolls where a label is long; the keyboard must reach the rest of it.
  readout.tabIndex = 0;
  tooltip.hidden = true;
  root.append(title, box, scale, readout, tooltip);

  /** What was asked for, over what every result is looked at first. @type {Partial<View>} */
  let chosen = {};
  /** @type {View} */
  let view = { ...DEFAULT_VIEW };
  /** @type {import('./analysis.js').Summary | undefined} */
  let summary;
  /** Σ |attribution| of each row, where attributions are shown. @type {Float64Array | undefined} */
  let totals;
  let limit = 1;
  /** Columns shown, where not all are. @type {number[] | undefined} */
  let part;
  /** How many values are beyond it. @type {import('./legend.js').Cut} */
  let cut = { low: 0, high: 0 };
  /** Which of the strongest pairs was stepped to last. */
  let step = -1;
  /** @type {ReturnType<typeof heatmap> | undefined} */
  let plot;
  const latest = lastOnly();
  /** @type {import('./axes.js').MeaningOf} */
  const meaning = (nodes, node) => savedLabel(result, nodes, node);

  /** @type {Figure['update']} */
  async function update(next = result, changed = {}) {
    const alive = latest();
    const isOther = next !== result;
    // A pinned cell is one of its own result.
    const wanted = { ...chosen, ...(isOther && { cell: undefined }), ...changed };
    const first = defaultView(next);
    const cell = wanted.cell && isInside(next, wanted.cell) ? wanted.cell : first.cell;
    /** @type {View} */
    const looked = { ...first, ...defined(wanted), cell };
    // Of numbers of one's own there may be no gradients, and not all is measured.
    if (!hasValues(next, looked.shown)) looked.shown = next.request ? defaultView(next).shown : 'attributions';
    const values = valuesOf(next, looked.shown);
    const isKnown =
      summary &&
      !isOther &&
      looked.shown === view.shown &&
      looked.bos === view.bos &&
      looked.source_pos === view.source_pos;
    const ranked = rankedColumns(next, looked);
    const found = isKnown ? summary : await summarise(values, next.targets.pos, next.sources.pos, alive, ranked);
    if (!found || !alive()) return false;
    if (!isKnown) step = -1;
    looked.cell = pinFor(next, looked, found);
    [result, chosen, view, summary] = [next, { ...wanted, cell: wanted.cell && cell }, looked, found];
    totals = view.shown === 'attributions' ? summary.whole.rowTotal : undefined;
    limit = view.limit ?? automaticLimit(values, result.targets.pos.length, ranked);
    // From now on, whatever comes.
    if (view.locked) view.limit = chosen.limit = limit;
    cut = cutOff(values, limit);
    draw();
    const across = await pairsAcross(result, view.threshold, alive);
    if (!across || !alive()) return false;
    tell(across.count);
    return true;
  }

  function draw() {
    title.textContent = short(titleOf(result), TITLE);
    tooltip.hidden = true;
    const values = valuesOf(result, view.shown);
    tell();
    if (values.length === 0) {
      plot = undefined;
      folded.hidden = true;
      readout.textContent = '';
      const note = document.createElement('p');
      note.className = 'empty';
      note.textContent = result.request ? NO_PAIRS : NO_NODES;
      box.replaceChildren(note);
      return;
    }
    part = shownColumns(result, view);
    const all = { values, ...axes(result, view, summary, meaning), limit, across: view.across };
    const matrix = partOf(all, part, result.sources.pos.length);
    tellFold(folded, matrix, view.zeros);
    box.style.maxHeight = `${boxHeight(matrix)}px`;
    const label = `${VALUES[view.shown]} of ${title.textContent}`;
    if (plot) plot.update(matrix, label);
    else {
      plot = heatmap(matrix, {
        document,
        label,
        onCell: (cell) => describe(cell && wholeCell(cell, part)),
        onLabel,
        onSelect: (cell) => pin(wholeCell(cell, part)),
        onStep: stepTo,
        onSort: sort,
      });
      plot.element.setAttribute('part', 'heatmap');
      box.replaceChildren(plot.element);
    }
    const at = view.cell && partCell(view.cell, part);
    if (at) plot.select(at);
    else {
      plot.clear();
      readout.textContent = `${captionOf(result, view, { limit, clipped: cut.low + cut.high })} ${HINT}`;
    }
  }

  /** What the colours mean, and how much leads across positions. @param {number} [across] pairs, once they are counted */
  function tell(across) {
    showColours();
    const parts = [tellCut(cut, isBars(result))];
    if (across !== undefined && isSpread(result.sources) && isSpread(result.targets))
      parts.push(`${count(across, 'pair')} across positions over ±${brief(view.threshold)}`);
    const badge = badgeOf(result);
    if (badge) parts.push(badge);
    told.textContent = parts.join(' · ');
    told.title = told.textContent;
  }

  function showColours() {
    legend(colours, { limit, quantity: quantityOf(view.shown), cut, isBars: isBars(result) });
  }

  /** @param {import('./heatmap.js').SeenCell | undefined} cell */
  function describe(cell) {
    tooltip.hidden = !cell?.pointed;
    if (!cell || !plot) return;
    const { shown } = view;
    const told = pairSentence(result, cell, summary && sumsAt(summary, cell.row), { shown, meaning });
    const lines = describeCell(result, cell, totals?.[cell.row], meaning);
    // Read aloud for the keyboard; a moving pointer would only flood it.
    if (cell.pointed) showTooltip(tooltip, [told, ...lines], plot.element, cell);
    else readout.textContent = `${told} ${lines.join(', ')}`;
  }

  /** @param {import('./heatmap.js').SeenLabel} label */
  function onLabel(label) {
    if (plot) showTooltip(tooltip, [label.text], plot.element, label);
  }

  /** @param {Cell} cell */
  function pin({ row, column }) {
    view = { ...view, cell: { row, column } };
    chosen = { ...chosen, cell: view.cell };
    // Orders by the pinned row or column follow it.
    if (view.rows === 'value' || view.columns === 'value' || !isDrawn({ row, column })) draw();
    onSelect?.({ row, column });
  }

  /** Whether a cell is among those that are drawn. @param {Cell} cell */
  function isDrawn(cell) {
    const at = partCell(cell, part);
    return at !== undefined && plot?.isDrawn(at) === true;
  }

  /** @param {'rows' | 'columns'} axis @param {{row: number} | {column: number}} [by] */
  function sort(axis, by) {
    const whole = by && 'column' in by ? { column: wholeCell({ row: 0, ...by }, part).column } : by;
    const cell = whole && firstIn(result, view, whole);
    chosen = { ...chosen, [axis]: 'value', ...(cell && { cell }) };
    void update().then((isDrawn) => isDrawn && view.cell && onSelect?.(view.cell));
    onSort?.({ rows: view.rows, columns: view.columns, [axis]: 'value' });
  }

  /** To the next or previous of the strongest pairs. @param {1 | -1} by */
  function stepTo(by) {
    const cells = (view.across ? summary?.across : summary?.all)?.strongest ?? [];
    if (cells.length === 0) return;
    step = Math.max(0, Math.min(cells.length - 1, step + by));
    const n = result.sources.pos.length;
    const cell = { row: Math.floor(cells[step] / n), column: cells[step] % n };
    const at = partCell(cell, part);
    if (at && plot?.isDrawn(at)) plot.select(at);
    pin(cell);
  }

  function repaint() {
    plot?.repaint();
    showColours();
  }

  const system = document.defaultView?.matchMedia('(prefers-color-scheme: dark)');
  system?.addEventListener('change', repaint);
  node.append(root);
  const drawn = update(result, first);
  return {
    update,
    repaint,
    destroy() {
      // What is still being counted is not shown any more.
      latest();
      system?.removeEventListener('change', repaint);
      root.remove();
    },
    get view() {
      return view;
    },
    drawn,
  };
}

/** @param {Shown} result @param {Cell} cell */
const isInside = ({ sources, targets }, { row, column }) => row < targets.pos.length && column < sources.pos.length;

/** What of a view is told: what is undefined is as it is by default. @param {Partial<View>} view @returns {Partial<View>} */
const defined = (view) => Object.fromEntries(Object.entries(view).filter(([, value]) => value !== undefined));
