// What a result says first: the strongest pairs, and those that cross positions.

import { brief, number, percent, short, visible } from '../../figure/text.js';
import { nodeLabel } from '../../figure/axes.js';
import { VALUE, valuesOf } from '../../figure/values.js';
import { isolated, make, table } from './tables.js';

/** @typedef {import('../../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../../figure/axes.js').MeaningOf} MeaningOf */
/** @typedef {{row: number, column: number}} Cell */

/** Rows of the list of the strongest; the CSV and JSON have all. */
const SHOWN = 100;

/**
 * @typedef {object} Options
 * @property {Document} document
 * @property {MeaningOf} meaning
 * @property {(cell: Cell) => void} onPick a pair was chosen
 * @property {(threshold: number) => void} [onLower] another threshold was chosen
 * @property {number} [lower] one that leaves some pairs
 */

/** @param {Attribution} result @param {number} i */
const cellOf = ({ sources }, i) => ({ row: Math.floor(i / sources.pos.length), column: i % sources.pos.length });

/**
 * A node in a table: what it is, and beneath, in one line, what it means.
 * @param {import('../../runtime/protocol.js').Nodes} nodes
 * @param {number} node
 * @param {Options} options
 */
function named(nodes, node, { document, meaning }) {
  const words = meaning(nodes, node);
  const element = make(document, 'span', isolated(document, nodeLabel(nodes, node)));
  if (words) element.append(make(document, 'small.meaning', isolated(document, short(words, 80))));
  return element;
}

/**
 * A button that shows its pair in the heatmap.
 * @param {Attribution} result
 * @param {number} i
 * @param {Node} content
 * @param {Options} options
 * @param {string} [tokens] that stand before both ends in its name
 */
function picker(result, i, content, { document, meaning, onPick }, tokens = '') {
  const button = make(document, 'button.pick', content);
  // Its line names the other end in another cell: who hears the button alone hears both.
  const { row, column } = cellOf(result, i);
  const ends = [nodeLabel(result.sources, column, meaning), nodeLabel(result.targets, row, meaning)];
  button.setAttribute('aria-label', `${tokens}${ends.map((end) => short(end, 120)).join(' → ')}`);
  button.setAttribute('type', 'button');
  button.addEventListener('click', () => onPick(cellOf(result, i)));
  return button;
}

/**
 * The strongest pairs, as a table: the heatmap for who does not see it.
 * @param {Attribution} result
 * @param {number[]} cells strongest first
 * @param {import('../../figure/values.js').Values} shown
 * @param {Float64Array} totals Σ |value| of each row
 * @param {boolean} across
 * @param {Options} options
 */
export function strongestPairs(result, cells, shown, totals, across, options) {
  const { document } = options;
  const some = cells.slice(0, SHOWN);
  // A single target needs no column of its own.
  const several = result.targets.pos.length > 1;
  const [values, name] = [valuesOf(result, shown), VALUE[shown]];
  const figure = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return table(document, {
    title: across ? 'Strongest pairs across positions' : 'Strongest pairs',
    note: `By size of ${name}, the largest ${some.length}. Share: of the sum of sizes at that target.`,
    head: ['From', ...(several ? ['To'] : []), figure, 'Share'],
    figures: 2,
    rows: some.map((i) => {
      const { row, column } = cellOf(result, i);
      const value = values[i];
      return [
        picker(result, i, named(result.sources, column, options), options),
        ...(several ? [named(result.targets, row, options)] : []),
        brief(value),
        percent(Math.abs(value) / (totals[row] || 1)),
      ];
    }),
  });
}

/**
 * Pairs across positions over a threshold in size: by token pair, and the strongest of them.
 * @param {Attribution} result
 * @param {NonNullable<Awaited<ReturnType<typeof import('../../figure/analysis.js').pairsAcross>>>} pairs
 * @param {Options} options
 */
export function pairsAcross(result, { threshold, count, positive, groups, strongestGroups, strongest }, options) {
  const { document, meaning } = options;
  const token = (/** @type {number} */ pos) => `${visible(result.tokens.string[pos] ?? '')} (${pos})`;
  const note =
    count === 0
      ? 'None: every attribution over the threshold, of either sign, stays at one position. '
      : `${number(positive)} positive, ${number(count - positive)} negative. By the tokens that they connect${groups > strongestGroups.length ? `, the first ${strongestGroups.length} of ${number(groups)}` : ''}; the strongest pair of each can be chosen.`;
  const grouped = table(document, {
    title: `Cross-position pairs over ${number(threshold)}: ${number(count)}`,
    note,
    head: ['Tokens', 'Pairs', 'Strongest', 'Attribution'],
    figures: 1,
    rows: strongestGroups.map(({ from, to, count, cell }) => {
      const { row, column } = cellOf(result, cell);
      const pair = make(document, 'span', isolated(document, token(from)), ' → ', isolated(document, token(to)));
      const best = make(
        document,
        'span',
        `${nodeLabel(result.sources, column, undefined, true)} → ${nodeLabel(result.targets, row, undefined, true)}`,
      );
      const words = [meaning(result.sources, column), meaning(result.targets, row)].map((words) =>
        short(visible(words ?? '…'), 40),
      );
      if (words.some((word) => word !== '…'))
        best.append(make(document, 'small.meaning', isolated(document, words.join(' → '))));
      const names = `${token(from)} → ${token(to)}: `;
      return [picker(result, cell, pair, options, names), number(count), best, brief(result.attributions[cell])];
    }),
  });
  if (count === 0) {
    const { lower, onLower } = options;
    if (lower === undefined || !onLower) return grouped.slice(0, 2);
    const button = make(document, 'button', `Lower it to ${number(lower)}`);
    button.setAttribute('type', 'button');
    button.addEventListener('click', () => onLower(lower));
    return [...grouped.slice(0, 2), button];
  }
  // Each pair, for who wants it: filled when it is looked at.
  const all = document.createElement('details');
  all.append(
    make(document, 'summary', `Each pair${count > strongest.length ? ` (the largest ${strongest.length})` : ''}`),
  );
  all.addEventListener('toggle', () => {
    if (!all.open || all.childElementCount > 1) return;
    const [, box] = table(document, {
      title: 'Each cross-position pair',
      head: ['From', 'To', 'Attribution'],
      rows: strongest.map((cell) => {
        const { row, column } = cellOf(result, cell);
        return [
          picker(result, cell, named(result.sources, column, options), options),
          named(result.targets, row, options),
          brief(result.attributions[cell]),
        ];
      }),
    });
    all.append(box);
  });
  return [...grouped, all];
}
