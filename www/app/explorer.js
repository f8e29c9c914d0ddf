// One result: heatmap, pinned pair, findings. Keeps how it is looked at.

import { breath, frame, sumsAt, summarise } from '../figure/analysis.js';
import { describeError } from '../runtime/error.js';
import { captionOf, introduction, pairSentence } from '../figure/sentences.js';
import { showTooltip } from '../figure/tooltip.js';
import { VIEW_NAMES, viewOf } from '../figure/request.js';
import { THRESHOLD } from '../figure/request.js';
import { hasValues, VALUE, VALUES, valuesOf } from '../figure/values.js';
import { DEFAULT_VIEW, defaultView } from '../figure/view.js';
import { axes, describeCell, isBars, quantityOf, savedLabel } from '../figure/axes.js';
import { createCrossing } from './panels/crossing.js';
import { strongestPairs } from './panels/findings.js';
import { tellFold } from '../figure/fold.js';
import { heatmap } from '../figure/heatmap.js';
import { boxHeight } from '../figure/heatmap/layout.js';
import { lastOnly } from '../figure/last.js';
import { cutOff, legend, tellCut } from '../figure/legend.js';
import { partCell, partOf, shownColumns, wholeCell } from '../figure/part.js';
import { firstIn, pinFor } from '../figure/pin.js';
import { leavesFirstOut, rankedColumns } from '../figure/ranking.js';
import { automaticLimit } from '../figure/scale.js';
import { adoptStyle } from '../figure/style.js';
import { withTerms } from './glossary.js';
import { NARROW } from './layout.js';
import { describeModel } from './origin.js';
import { createPinned } from './panels/pinned.js';
import { isolated, logits, make, statistics } from './panels/tables.js';
import { amountsAt, createTokens } from './panels/tokens.js';

/** @typedef {import('../figure/result.js').Saved} Attribution */
/** @typedef {import('../figure/view.js').View} View */
/** @typedef {import('./meanings/meanings.js').Meanings} Meanings */
/** @typedef {{row: number, column: number}} Cell */

const HINT = 'Point at a cell, or focus the heatmap and use the arrow keys; n goes to the strongest pair.';
/** As many rows and columns as a phone has room for, each with its label and wide enough to be touched. */
const MOST_ON_PHONE = 30;

/**
 * Whatever it shows stands beneath its root, where alone it looks: a page may hold several.
 * @param {HTMLElement} root with the elements that index.html has in #result, under the same ids
 * @param {object} options
 * @param {(view: View) => void} options.onView the reader looks at it another way
 * @param {(view: View) => void} [options.onPin] another pair is told as the pinned one, or none
 * @param {(message: string, failed?: boolean, code?: string) => void} options.say
 * @param {(result: Attribution) => void} [options.onResult] from now on this one is shown
 * @param {(result: Attribution) => Promise<import('./panels/flow.js').Half | undefined>} [options.half] what stands before
 *   a result of logits: token → latent
 */
export function createExplorer(root, { onView, onPin, say, onResult, half }) {
  const document = root.ownerDocument;
  /** @param {string} id @returns {any} */
  const element = (id) => root.querySelector(`#${id}`);
  adoptStyle(root);
  /** @type {Attribution | undefined} */
  let result;
  /** @type {View} */
  let view = { ...DEFAULT_VIEW };
  /** How the result is looked at first. @type {View} */
  let first = view;
  /** How many rows and columns are shown first: by the screen that there is, so that links say it. */
  const most = () => (document.defaultView?.matchMedia(NARROW).matches ? MOST_ON_PHONE : undefined);
  /** @type {import('../figure/analysis.js').Summary | undefined} */
  let summary;
  /** Σ |attribution| of each row, whatever is shown. @type {Float64Array | undefined} */
  let totals;
  /** What goes from token to token. @type {ReturnType<typeof import('./panels/between.js').createBetween> | undefined} */
  let between;
  /** The ways to an answer. @type {ReturnType<typeof import('./panels/flow.js').createFlow> | undefined} */
  let flow;
  /** Columns shown, where not all are. @type {number[] | undefined} */
  let part;
  /** Where the scale ends if the reader does not say. */
  let automatic = 1;
  /** @type {ReturnType<typeof heatmap> | undefined} */
  let plot;
  /** @type {Meanings | undefined} */
  let meanings;
  /** Which of the strongest pairs was stepped to last. */
  let step = -1;
  /** What is shown and how it is looked at come in steps: only the last of each is finished. */
  const [latestShowing, latestLook] = [lastOnly(), lastOnly()];

  /** @type {import('../figure/axes.js').MeaningOf} */
  const meaning = (nodes, node) => meanings?.label(nodes, node) ?? savedLabel(result, nodes, node);
  const pinned = createPinned(element('detail'), element('texts'), { meaning, onAgree: learn, onKnown: relabel });
  const strip = createTokens(element('tokens'), element('only'), (source_pos) => void look({ source_pos }));
  const crossing = createCrossing(element('crossing'), {
    meaning,
    largest: largestAcross,
    onPick: pick,
    onThreshold: setThreshold,
  });

  /**
   * Shows a result part by part, so that a large one does not hold the page up.
   * @param {Attribution} shown
   * @param {Partial<View> | undefined} asked how it is looked at; without it, as the reader has chosen for the one before
   * @param {Meanings | undefined} itsMeanings
   */
  async function show(shown, asked, itsMeanings) {
    const alive = latestShowing();
    const wanted = asked ?? chosen();
    const itsFirst = { ...defaultView(shown), top: most() };
    const inside =
      wanted.cell && wanted.cell.row < shown.targets.pos.length && wanted.cell.column < shown.sources.pos.length;
    const next = {
      ...itsFirst,
      ...wanted,
      cell: inside ? wanted.cell : itsFirst.cell,
    };
    if (!hasValues(shown, next.shown)) next.shown = itsFirst.shown;
    if (!shown.sources.pos.includes(next.source_pos ?? -1)) next.source_pos = undefined;
    // A scale that stays from the one before is of numbers of the same kind.
    if (!asked && next.locked && next.shown !== view.shown) [next.limit, next.locked] = [undefined, false];
    await breath();
    if (!alive()) return;
    const ranked = rankedColumns(shown, next);
    const found = await summarise(valuesOf(shown, next.shown), shown.targets.pos, shown.sources.pos, alive, ranked);
    if (!found) return;
    await breath();
    if (!alive()) return;
    automatic = automaticLimit(valuesOf(shown, next.shown), shown.targets.pos.length, ranked);
    next.cell = pinFor(shown, next, found);
    [result, view, first, summary, meanings, step] = [shown, next, itsFirst, found, itsMeanings, -1];
    onResult?.(shown);
    // What was begun for the result before is over.
    latestLook();
    pinned.forget();
    crossing.forget();
    between?.forget();
    hideFlow();
    totals = view.shown === 'attributions' ? found.whole.rowTotal : undefined;
    element('tooltip').hidden = true;
    element('model').textContent = describeModel(shown, new URL(document.baseURI));
    const parts = [
      () => strip.show(shown.tokens),
      tint,
      draw,
      introduce,
      showPinned,
      showStrongest,
      () => element('logits').replaceChildren(...logits(shown, document)),
      () => element('statistics').replaceChildren(...statistics(shown, document)),
    ];
    for (const part of parts) {
      part();
      // The heatmap's tiles and the layout of a long table are too much for one frame.
      await (part === draw ? painted() : part === showStrongest ? frame() : breath());
      if (!alive()) return;
    }
    await crossing.list(shown, view.threshold);
    if (alive()) await showStory();
    if (alive() && !totals) {
      const attributed = await summarise(shown.attributions, shown.targets.pos, shown.sources.pos, alive);
      if (!alive()) return;
      totals = attributed?.whole.rowTotal;
      // Its share of them is told with the pair.
      if (view.cell) showPinned();
    }
  }

  /** What the reader has chosen of how it is looked at, for the next result. @returns {Partial<View>} */
  function chosen() {
    const keys = /** @type {const} */ (['rows', 'columns', 'across', 'bos', 'top', 'zeros', 'threshold']);
    const kept = Object.fromEntries(keys.filter((key) => view[key] !== first[key]).map((key) => [key, view[key]]));
    // A locked scale stays.
    return view.locked ? { ...kept, locked: true, limit: view.limit } : kept;
  }

  /** Resolves when the heatmap is painted; after some frames also where it is not, as on a hidden page. */
  async function painted() {
    for (let i = 0; i < 20; i++) {
      await frame();
      if (!plot?.isDrawing) return;
    }
  }

  function limit() {
    return view.limit ?? automatic;
  }

  function draw() {
    if (!result) return;
    const values = valuesOf(result, view.shown);
    element('shown').value = view.shown;
    element('rows').value = view.rows;
    element('columns').value = view.columns;
    element('across').checked = view.across;
    element('bos').checked = view.bos;
    element('limit').value = limit();
    element('lock').checked = view.locked;
    showTop();
    element('tooltip').hidden = true;
    if (values.length === 0) {
      plot = undefined;
      element('plot').replaceChildren(
        make(document, 'p.empty', 'No pairs: at least one side has no active latents. Try another prompt or place.'),
      );
      element('legend').hidden = true;
      element('folded').hidden = true;
      element('clipped').textContent = '';
      return;
    }
    part = shownColumns(result, view);
    const matrix = matrixShown(result);
    tellFold(element('folded'), matrix, view.zeros);
    element('plot').style.maxHeight = `${boxHeight(matrix)}px`;
    const label = `${VALUES[view.shown]} of ${VIEW_NAMES[viewOf(result.request)]}`;
    if (plot) plot.update(matrix, label);
    else {
      plot = heatmap(matrix, {
        document,
        label,
        onCell: (cell) => describe(cell && wholeCell(cell, part)),
        onLabel: (label) => plot && showTooltip(element('tooltip'), [label.text], plot.element, label),
        onSelect: (cell) => pin(wholeCell(cell, part)),
        onEnter: () => pinned.open('source'),
        onStep: stepTo,
        onSort: sort,
      });
      element('plot').replaceChildren(plot.element);
    }
    const at = view.cell && partCell(view.cell, part);
    if (at) plot.select(at);
    else {
      plot.clear();
      element('cell-text').textContent = HINT;
    }
    showScale();
  }

  /** The matrix as it is looked at now. @param {Attribution} of */
  function matrixShown(of) {
    const all = {
      values: valuesOf(of, view.shown),
      ...axes(of, view, summary, meaning),
      limit: limit(),
      across: view.across,
    };
    return partOf(all, shownColumns(of, view), of.sources.pos.length);
  }

  /** How much goes out from each token: to the pinned target, or to all. */
  function tint() {
    if (!result || !summary) return;
    const { cell, source_pos: pos } = view;
    const [values, n, { columnTotal }] = [valuesOf(result, view.shown), result.sources.pos.length, summary.whole];
    const amounts = amountsAt(result, (column) =>
      cell ? Math.abs(values[cell.row * n + column]) : columnTotal[column],
    );
    const ranked = rankedColumns(result, { ...view, source_pos: undefined });
    const most = amounts.reduce((most, amount, at) => (ranked && at === 0 ? most : Math.max(most, amount)), 0);
    strip.tell(result, {
      amounts,
      most,
      what: `Σ |${VALUE[view.shown]}| ${cell ? 'to the pinned target' : 'to all targets'}`,
      pos,
    });
  }

  function showScale() {
    if (!result) return;
    const cut = cutOff(valuesOf(result, view.shown), limit());
    legend(element('legend'), { limit: limit(), quantity: quantityOf(view.shown), cut, isBars: isBars(result) });
    element('clipped').textContent = tellCut(cut, isBars(result));
    element('caption').replaceChildren(
      ...withTerms(document, captionOf(result, view, { limit: limit(), clipped: cut.low + cut.high })),
    );
  }

  /** A pair in a sentence. @param {Cell} cell */
  function sentence(cell) {
    if (!result) return '';
    return pairSentence(result, cell, summary && sumsAt(summary, cell.row), { shown: view.shown, meaning });
  }

  /** The story in three sentences. */
  function introduce() {
    if (!result) return;
    const first = strongestCells()[0];
    const n = result.sources.pos.length;
    const told = first === undefined ? undefined : sentence({ row: Math.floor(first / n), column: first % n });
    const [given, means, strongest] = introduction(result, view.shown, told, view).map((words) =>
      isolated(document, words),
    );
    element('introduction').replaceChildren(
      make(document, 'span', given, ...(means ? [' ', means] : [])),
      ...(strongest ? [' ', make(document, 'strong', strongest)] : []),
    );
  }

  /** @param {(Cell & {x: number, y: number, pointed: boolean}) | undefined} cell */
  function describe(cell) {
    const tooltip = element('tooltip');
    tooltip.hidden = !cell?.pointed;
    if (!cell || !result || !plot) return;
    const lines = describeCell(result, cell, totals?.[cell.row], meaning);
    // Read aloud for the keyboard; a moving pointer would only flood it.
    if (!cell.pointed) {
      element('cell-text').textContent = `${sentence(cell)} ${lines.join(', ')}`;
      return;
    }
    showTooltip(tooltip, [sentence(cell), ...lines], plot.element, cell);
  }

  /**
   * Pins a pair.
   * @param {Cell} cell
   */
  function pin(cell) {
    // Another answer has other ways.
    const isOther = result?.targets.kind !== 'latent' && cell.row !== (view.cell?.row ?? 0);
    view = { ...view, cell: { row: cell.row, column: cell.column } };
    // The next strongest pair follows the one that is pinned.
    const place = strongestCells().indexOf(cell.row * (result?.sources.pos.length ?? 0) + cell.column);
    if (place >= 0) step = place;
    showPinned();
    tint();
    if (isOther) void showStory();
    // Orders by the pinned row or column follow it.
    if (view.rows === 'value' || view.columns === 'value' || !isDrawn(cell)) draw();
    onView(view);
  }

  function showPinned() {
    const { cell } = view;
    pinned.show(result && cell && { result, cell, sentence: sentence(cell), total: totals?.[cell.row], meanings });
    onPin?.(view);
  }

  /** Asks what the latents shown mean, where that may be asked. */
  async function learn() {
    const [asked, shown] = [meanings, result];
    if (!asked || !shown) return;
    try {
      await asked.load([shown.sources, shown.targets]);
    } catch (error) {
      const { code, message } = describeError(error);
      say(`${message} [${code}]`, true, code);
    }
    if (asked !== meanings || shown !== result) return;
    relabel();
    showPinned();
  }

  /** Labels tell what latents mean as soon as it is known. */
  function relabel() {
    plot?.relabel();
    introduce();
    showStrongest();
  }

  /** What tells more of a result than its pairs: the ways to an answer, or what goes from token to token. */
  async function showStory() {
    const shown = result;
    if (!shown) return;
    const row = view.cell?.row ?? 0;
    const isAnswer = shown.targets.kind !== 'latent';
    element('between').hidden = isAnswer || values(shown).length === 0;
    if (element('between').open) await showBetween();
    if (!isAnswer || shown.sources.kind !== 'latent' || !half || shown.targets.pos.length === 0) return void hideFlow();
    const [known, { createFlow }] = await Promise.all([half(shown), import('./panels/flow.js')]);
    if (shown !== result || row !== (view.cell?.row ?? 0)) return;
    if (!known) return void hideFlow();
    flow ??= createFlow(element('flow'), { meaning, onPick: pick });
    flow.show(shown, row, known, view.bos);
  }

  const hideFlow = () => element('flow').replaceChildren();
  const values = (/** @type {Attribution} */ of) => valuesOf(of, view.shown);

  async function showBetween() {
    if (!result || element('between').hidden) return;
    const { createBetween } = await import('./panels/between.js');
    between ??= createBetween(element('between-tokens'), (block) => void openBlock(block));
    await between.show(result, view.shown);
  }

  /** Shows the pairs from one token to another alone. @param {{from: number, to: number}} block */
  async function openBlock({ from, to }) {
    if (!result) return;
    await look({ rows: 'position', columns: 'position', source_pos: from });
    const [{ pos }, n] = [result.targets, result.sources.pos.length];
    const rows = [...pos.keys()].filter((row) => pos[row] === to);
    const shown = part ?? [...result.sources.pos.keys()];
    let best = -1;
    for (const row of rows)
      for (const column of shown) {
        const cell = row * n + column;
        if (best < 0 || Math.abs(values(result)[cell]) > Math.abs(values(result)[best])) best = cell;
      }
    if (best < 0) return;
    plot?.showRows(rows[0], rows.length);
    pick({ row: Math.floor(best / n), column: best % n });
    element('plot').scrollIntoView({ block: 'nearest' });
  }

  function strongestCells() {
    return (view.across ? summary?.across : summary?.all)?.strongest ?? [];
  }

  function showStrongest() {
    if (!result || !summary) return;
    const cells = strongestCells();
    const options = { document, meaning, onPick: pick };
    // Written anew under the reader's hand: who was on a pair stays on it.
    const buttons = () => [...element('strongest').querySelectorAll('.pick')];
    const focused = buttons().indexOf(document.activeElement);
    element('strongest').replaceChildren(
      ...(cells.length > 0
        ? strongestPairs(result, cells, view.shown, summary.whole.rowTotal, view.across, options)
        : []),
    );
    if (focused >= 0) buttons()[focused]?.focus({ preventScroll: true });
  }

  /** Chosen in a list: shown in the heatmap. @param {Cell} cell */
  function pick(cell) {
    // One that is not shown is, with all others.
    const at = partCell(cell, part);
    if (!at) {
      view = { ...view, cell };
      return void look({ source_pos: undefined }).then(showPinned);
    }
    if (plot?.isDrawn(at)) plot.select(at);
    pin(cell);
    reveal();
  }

  /** Where hardly anything of the heatmap is in the window, it comes into it. */
  function reveal() {
    const box = plot?.element.getBoundingClientRect();
    const { innerHeight = 0 } = document.defaultView ?? {};
    if (box && Math.min(box.bottom, innerHeight) - Math.max(box.top, 0) < Math.min(120, box.height))
      plot?.element.scrollIntoView({ block: 'center' });
  }

  /** @param {'rows' | 'columns'} axis @param {{row: number} | {column: number}} [by] */
  function sort(axis, by) {
    if (!result) return;
    const whole = by && 'column' in by ? { column: wholeCell({ row: 0, ...by }, part).column } : by;
    void look({ [axis]: 'value', ...(whole && { cell: firstIn(result, view, whole) }) });
  }

  /** Whether a cell is among those that are drawn. @param {Cell} cell */
  function isDrawn(cell) {
    const at = partCell(cell, part);
    return at !== undefined && plot?.isDrawn(at) === true;
  }

  /** The choice of how many, also where a link names another number. */
  function showTop() {
    const select = element('top');
    const value = String(view.top ?? '');
    if (![...select.options].some((option) => option.value === value)) {
      const option = document.createElement('option');
      [option.value, option.textContent] = [value, `top ${value}`];
      select.append(option);
    }
    select.value = value;
  }

  /** To the next or previous of the strongest pairs. @param {1 | -1} by */
  function stepTo(by) {
    if (!result) return;
    const cells = strongestCells();
    if (cells.length === 0) return;
    step = Math.max(0, Math.min(cells.length - 1, step + by));
    const n = result.sources.pos.length;
    pick({ row: Math.floor(cells[step] / n), column: cells[step] % n });
  }

  /** The size of the largest attribution across positions; 0 where there is none. */
  function largestAcross() {
    const { largestAcross } = summary?.whole ?? {};
    const size = (/** @type {number} */ i) => Math.abs(result?.attributions[i] ?? 0);
    let most = largestAcross === undefined ? 0 : size(largestAcross);
    for (const i of summary?.across.strongest ?? []) most = Math.max(most, size(i));
    return most;
  }

  /** @param {number} threshold */
  function setThreshold(threshold) {
    view = { ...view, threshold };
    if (result) void crossing.list(result, threshold);
    onView(view);
  }

  // --- controls ---

  /** @param {Partial<View>} changed */
  async function look(changed) {
    if (!result) return;
    const values = changed.shown !== undefined && changed.shown !== view.shown;
    const ranks =
      values ||
      ('bos' in changed && changed.bos !== view.bos) ||
      ('source_pos' in changed && changed.source_pos !== view.source_pos);
    const { cell } = view;
    view = { ...view, ...changed };
    if (ranks) {
      const alive = latestLook();
      const ranked = rankedColumns(result, view);
      const found = await summarise(
        valuesOf(result, view.shown),
        result.targets.pos,
        result.sources.pos,
        alive,
        ranked,
      );
      if (!found) return;
      summary = found;
      automatic = automaticLimit(valuesOf(result, view.shown), result.targets.pos.length, ranked);
      // That was of other numbers.
      if (values) [view.limit, view.locked] = [undefined, false];
    }
    if (view.locked) view.limit ??= automatic;
    if (summary) view.cell = pinFor(result, view, summary);
    step = -1;
    draw();
    if (view.cell !== cell) showPinned();
    introduce();
    tint();
    showStrongest();
    if (values || (ranks && result.targets.kind !== 'latent')) void showStory();
    onView(view);
  }

  const on = (/** @type {string} */ id, /** @type {string} */ type, /** @type {(event: any) => void} */ act) =>
    element(id).addEventListener(type, act);
  on('shown', 'change', () => void look({ shown: element('shown').value }));
  on('rows', 'change', () => void look({ rows: element('rows').value }));
  on('columns', 'change', () => void look({ columns: element('columns').value }));
  on('across', 'change', () => void look({ across: element('across').checked }));
  on('bos', 'change', () => void look({ bos: element('bos').checked }));
  on('limit', 'change', () => void look({ limit: Math.abs(element('limit').valueAsNumber) || undefined }));
  on('between', 'toggle', () => element('between').open && void showBetween());
  on('lock', 'change', () => void look({ locked: element('lock').checked }));
  on('top', 'change', () => void look({ top: Number(element('top').value) || undefined }));
  on('folded', 'click', () => void look({ zeros: !view.zeros }));
  on('zoom-in', 'click', () => plot?.zoom(1.5));
  on('zoom-out', 'click', () => plot?.zoom(1 / 1.5));
  on('fit', 'click', () => plot?.fit());

  /** The reader's; where it is only how the result is looked at first, the notebook's. */
  const chosenThreshold = () => (view.threshold === first.threshold && result ? THRESHOLD : view.threshold);

  /** Shows nothing, and says why. @param {string} why */
  function clear(why) {
    latestShowing();
    latestLook();
    pinned.forget();
    crossing.forget();
    result = summary = totals = plot = undefined;
    first = view = { ...DEFAULT_VIEW, top: most(), threshold: chosenThreshold() };
    element('plot').replaceChildren(make(document, 'p.empty', why));
    for (const part of ['tokens', 'strongest', 'logits', 'statistics', 'pairs', 'cell-text', 'clipped'])
      element(part).replaceChildren();
    element('tooltip').hidden = true;
    pinned.show(undefined);
  }

  return {
    show,
    clear,
    pick,
    learn,
    get result() {
      return result;
    },
    get view() {
      return view;
    },
    /** How it is looked at first. */
    get first() {
      return first;
    },
    /** Of the next request and the lists of the next result. */
    get threshold() {
      return chosenThreshold();
    },
    set threshold(/** @type {number} */ threshold) {
      view = { ...view, threshold };
      crossing.threshold = threshold;
    },
    get meaning() {
      return meaning;
    },
    get limit() {
      return limit();
    },
    /** The result with what is known of its latents, to be saved. */
    labelled() {
      if (!result) throw new Error('There is no result.');
      // Named from outside: nothing is inherited.
      /** @type {Record<string, Record<string, string>>} */
      const latent_labels = Object.create(null);
      for (const nodes of [result.sources, result.targets]) {
        for (let node = 0; node < nodes.latent.length; node++) {
          const words = meaning(nodes, node);
          if (nodes.hook_name && words)
            (latent_labels[nodes.hook_name] ??= Object.create(null))[nodes.latent[node]] = words;
        }
      }
      return Object.keys(latent_labels).length > 0 ? { ...result, latent_labels } : result;
    },
    /** The matrix as it is looked at now. */
    matrix() {
      if (!result) throw new Error('There is no result.');
      return matrixShown(result);
    },
    /** For another theme. */
    repaint() {
      plot?.repaint();
      showScale();
    },
    hideTooltip() {
      element('tooltip').hidden = true;
    },
  };
}
