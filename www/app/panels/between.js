// How much goes from token to token: Σ |value| between positions, as a small heatmap. Who opens a block of it sees
// its columns alone, and its rows as large as they can be.

import { betweenPositions } from '../../figure/analysis.js';
import { tokenAt } from '../../figure/sentences.js';
import { heatmap } from '../../figure/heatmap.js';
import { lastOnly } from '../../figure/last.js';
import { brief } from '../../figure/text.js';
import { VALUE, valuesOf } from '../../figure/values.js';
import { isolated, make } from './tables.js';

/** @typedef {import('../../figure/result.js').Saved} Saved */
/** @typedef {{from: number, to: number}} Block positions */

/** Positions shown: more would not be told apart. */
const SHOWN = 64;

/**
 * @param {HTMLElement} root
 * @param {(block: Block) => void} onOpen
 */
export function createBetween(root, onOpen) {
  const document = root.ownerDocument;
  const latest = lastOnly();

  /**
   * @param {Saved} result
   * @param {import('../../figure/values.js').Values} shown
   */
  async function show(result, shown) {
    const alive = latest();
    const { tokens, sources, targets } = result;
    const n = Math.min(tokens.string.length, SHOWN);
    const sums = await betweenPositions(valuesOf(result, shown), targets.pos, sources.pos, n, alive);
    if (!sums || !alive()) return;
    const pos = Uint32Array.from({ length: n }, (_, at) => at);
    const axis = {
      n,
      order: pos,
      pos,
      groups: [],
      sorted: false,
      empty: 0,
      label: (/** @type {number} */ at) => tokenAt(result, at),
    };
    const rest = [...sums].filter((_, i) => i % n !== 0);
    const limit = rest.reduce((most, sum) => Math.max(most, sum), 0) || Math.max(...sums, 1e-12);
    const what = `Σ |${VALUE[shown]}|`;
    const told = make(document, 'p.quiet');
    told.setAttribute('aria-live', 'polite');
    /** @type {Block | undefined} */
    let block;
    /** Chosen by a pointer, not by keys that pass over it. */
    let isPointed = false;
    const open = make(document, 'button', 'Show these pairs');
    open.setAttribute('type', 'button');
    open.hidden = true;
    open.addEventListener('click', () => block && onOpen(block));
    /** @param {{row: number, column: number}} cell */
    const tell = ({ row, column }) => {
      const amount = sums[row * n + column];
      told.replaceChildren(
        isolated(document, `${tokenAt(result, column)} → ${tokenAt(result, row)}: ${what} ${brief(amount)}`),
      );
    };
    const plot = heatmap(
      {
        values: Float32Array.from(sums),
        rows: { ...axis, name: 'to' },
        columns: { ...axis, name: 'from' },
        limit,
        quantity: what,
      },
      {
        document,
        label: `${what} between tokens`,
        onCell: (cell) => cell && tell(cell),
        onSelect(cell) {
          block = { from: cell.column, to: cell.row };
          open.hidden = sums[cell.row * n + cell.column] === 0;
          isPointed = true;
        },
        onEnter: () => block && !open.hidden && onOpen(block),
      },
    );
    plot.element.addEventListener('keydown', () => (isPointed = false));
    plot.element.addEventListener('click', () => {
      if (isPointed && block && !open.hidden) onOpen(block);
      isPointed = false;
    });
    const box = make(document, 'div.sae-plot', plot.element);
    const note =
      `${what} between tokens: columns from, rows to. A block that is clicked, or Enter, shows its pairs alone.` +
      (tokens.string.length > n ? ` The first ${n} of ${tokens.string.length} tokens.` : '');
    root.replaceChildren(make(document, 'p.quiet', note), box, told, open);
  }

  return {
    show,
    forget() {
      latest();
      root.replaceChildren();
    },
  };
}
