// Predicted and measured side by side, for all pairs or those of one target: how well they agree, as points, the
// pairs that are furthest off, and what attributions sum to.

import { breath, frame } from '../../figure/analysis.js';
import { describeFit, largestCells, worstCells } from '../../figure/agreement.js';
import { nodeLabel } from '../../figure/axes.js';
import { lastOnly } from '../../figure/last.js';
import { brief, exact, number, short, visible } from '../../figure/text.js';
import { completenessBars } from './bars.js';
import { scatter } from './scatter.js';
import { isolated, make, table } from './tables.js';

/** @typedef {import('../../figure/result.js').Saved} Saved */
/** @typedef {{row: number, column: number}} Cell */

/** Points drawn, and pairs listed. */
const [POINTS, WORST] = [4000, 20];
/** Targets offered one by one. */
const TARGETS = 500;

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {import('../../figure/axes.js').MeaningOf} options.meaning
 * @param {(cell: Cell) => void} options.onPick
 */
export function createCheckPanel(root, { meaning, onPick }) {
  const document = root.ownerDocument;
  const latest = lastOnly();
  /** @type {ReturnType<typeof scatter> | undefined} */
  let points;

  /**
   * @param {Saved} result that was measured
   * @param {number} [row] of one target alone
   */
  async function show(result, row) {
    const alive = latest();
    const { attributions, ablations, agreement, sources, targets } = result;
    if (!ablations || !agreement) return;
    const n = sources.pos.length;
    const cellOf = (/** @type {number} */ i) => ({ row: Math.floor(i / n), column: i % n });
    const nameOf = (/** @type {number} */ i) => {
      const cell = cellOf(i);
      return `${nodeLabel(sources, cell.column, meaning)} → ${nodeLabel(targets, cell.row, meaning)}`;
    };
    const [shown, worst] = [await largestCells(result, POINTS, row), await worstCells(result, WORST, row)];
    if (!alive()) return;

    const select = document.createElement('select');
    select.append(new Option('all targets', ''));
    for (let i = 0; i < Math.min(targets.pos.length, TARGETS); i++)
      select.append(new Option(short(visible(nodeLabel(targets, i)), 60), String(i)));
    select.value = row === undefined ? '' : String(row);
    select.addEventListener('change', () => {
      select.focus();
      void show(result, select.value === '' ? undefined : Number(select.value));
    });
    const label = make(document, 'label', 'Pairs of ', select);

    points = scatter(
      { cells: shown, x: (i) => attributions[i], y: (i) => ablations[i] },
      {
        document,
        tell: (i) => `${nameOf(i)}: predicted ${brief(attributions[i])}, measured ${brief(ablations[i])}.`,
        onPick: (i) => onPick(cellOf(i)),
      },
    );
    await breath();
    if (!alive()) return;
    const count = row === undefined ? attributions.length : n;
    const some =
      shown.length < count ? ` ${number(shown.length)} of ${number(count)} pairs, the largest; others are near 0.` : '';
    const fit = row === undefined ? agreement.all : agreement.targets[row];
    const words = make(document, 'p', fit ? describeFit(fit) : 'There are no pairs.');
    words.className = 'fit';
    const what =
      result.request.patch === undefined
        ? 'Measured is what the target loses where the one source is set to 0 and the model run on'
        : 'Measured is what the target loses where the one source is set to what it is in the other prompt and the model run on';
    const note = make(
      document,
      'p.quiet',
      `${what}; on the broken line it is what was predicted. From a pair, Escape leads to the heatmap.${some}`,
    );

    const list = table(document, {
      title: 'Furthest off',
      head: ['Pair', 'Predicted', 'Measured'],
      figures: 2,
      rows: worst.map((i) => {
        const pick = make(document, 'button.pick', isolated(document, nameOf(i)));
        pick.setAttribute('type', 'button');
        pick.addEventListener('click', () => onPick(cellOf(i)));
        const figure = (/** @type {number} */ value) => {
          const told = make(document, 'span', brief(value));
          told.title = exact(value);
          return told;
        };
        return [pick, figure(attributions[i]), figure(ablations[i])];
      }),
    });
    // Drawn anew under the reader's hand.
    const isHeld = root.querySelector('select') === document.activeElement;
    root.replaceChildren(
      make(document, 'div.check-head', label, words, note),
      make(
        document,
        'div.check-parts',
        points.element,
        make(document, 'div', ...(worst.length > 0 ? list : [])),
        make(document, 'div.wide', ...completenessBars(result, document, row)),
      ),
    );
    if (isHeld) select.focus();
    await frame();
    if (alive()) points?.draw();
  }

  return {
    show,
    /** For another theme. */
    repaint: () => points?.draw(),
    /** Another result comes. */
    forget() {
      latest();
      points = undefined;
      root.replaceChildren();
    },
  };
}
