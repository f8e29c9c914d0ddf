// Rows and columns of a result as a heatmap looks at them, and one cell in words.

import { groups, order } from './analysis.js';
import { fold } from './fold.js';
import { own } from './schema.js';
import { exact, number, percent, visible } from './text.js';
import { ablationsOf, VALUE, valuesOf } from './values.js';

/** @typedef {import('./own.js').AnyNodes} Nodes */
/** @typedef {import('./result.js').Shown} Shown */
/** @typedef {import('./analysis.js').Summary} Summary */
/** @typedef {import('./analysis.js').Sort} Sort */
/** @typedef {import('./view.js').View} View */
/** @typedef {(nodes: Nodes, node: number) => string | undefined} MeaningOf */

/**
 * A node as a person reads it: `F3.152, ' E' (2) · capital letters`.
 * @param {Nodes} nodes
 * @param {number} node
 * @param {MeaningOf} [meaning]
 * @param {boolean} [grouped] its token is told by its group
 */
export function nodeLabel(nodes, node, meaning, grouped = false) {
  const label = nodes.label[node] ?? '';
  const place = grouped && nodes.kind === 'latent' ? label.slice(0, label.indexOf(',') >>> 0) : label;
  const words = meaning?.(nodes, node);
  return visible(words ? `${place}${grouped ? ' ' : ' · '}${words}` : place);
}

/**
 * What a saved result says of a node's latent.
 * @param {Shown | undefined} result
 * @param {Nodes} nodes
 * @param {number} node
 */
export function savedLabel(result, { hook_name, latent }, node) {
  const of = hook_name && latent.length > 0 && own(result?.latent_labels ?? {}, hook_name);
  return of ? /** @type {string | undefined} */ (own(of, String(latent[node]))) : undefined;
}

/** Whether a figure is bars over an axis: that of a single row is. @param {{targets: {pos: ArrayLike<number>}}} result */
export const isBars = ({ targets }) => targets.pos.length === 1;

/** Whether the positions of nodes tell them apart. @param {Nodes} nodes */
export const isSpread = ({ kind, pos }) =>
  kind === 'node' ? pos.some((at) => at !== pos[0]) : kind === 'latent' || kind === 'token';

/** What the nodes of a side are. @param {Nodes} nodes */
export function describeNodes({ kind, hook_name }) {
  if (kind === 'latent') return `latents of ${hook_name ?? 'an SAE'}`;
  return { token: 'tokens', logit: 'logits', logit_difference: 'difference', node: 'nodes' }[kind];
}

/** Orders in words; by position, nodes are as the result lists them. @type {Record<Sort, string>} */
const ORDERS = {
  position: 'by position',
  value: 'by value in the pinned',
  largest: 'by largest |value|',
  total: 'by total |value|',
};

/**
 * What one number is, in one word.
 * @param {View['shown']} shown
 */
export const quantityOf = (shown) => VALUE[shown];

/**
 * What the rows or columns are, and in which order: `latents of blocks.0.hook_resid_pre, by position`.
 * @param {Shown} result
 * @param {'sources' | 'targets'} side
 * @param {Sort} sort
 */
function titleOfAxis({ request, ...sides }, side, sort) {
  /** @type {Nodes} */
  const nodes = sides[side];
  const what = nodes.kind === 'node' ? side : describeNodes(nodes);
  if (sort === 'value') return `${what}, ${ORDERS.value} ${side === 'sources' ? 'row' : 'column'}`;
  if (sort !== 'position') return `${what}, ${ORDERS[sort]}`;
  // Logits are all at one position.
  if (nodes.kind === 'logit') {
    const isTop = request && typeof request.to === 'object' && 'top_logits' in request.to;
    return isTop ? `${what}, largest first` : `${what}, as listed`;
  }
  return isSpread(nodes) ? `${what}, ${ORDERS.position}` : what;
}

/**
 * Rows and columns in the order that a view asks for.
 * @param {Shown} result
 * @param {View} view
 * @param {Summary | undefined} summary of the values shown
 * @param {MeaningOf} [meaning]
 */
export function axes(result, view, summary, meaning) {
  const values = valuesOf(result, view.shown);
  const nColumns = result.sources.pos.length;
  const sums = view.across ? summary?.across : summary?.all;
  /**
   * @param {'sources' | 'targets'} side
   * @param {Sort} sort
   * @param {Float32Array | undefined} largest
   * @param {Float64Array | undefined} total
   * @param {Float64Array | undefined} totals of all pairs, also where `total` is of those across positions
   * @param {number | undefined} pinned
   * @param {() => ArrayLike<number> | undefined} selected values in the pinned row or column
   * @returns {import('./cells.js').Axis}
   */
  const axis = (side, sort, largest, total, totals, pinned, selected) => {
    /** @type {Nodes} */
    const nodes = result[side];
    const n = nodes.pos.length;
    const key = { position: undefined, value: selected(), largest, total }[sort];
    // Logits are all at one position, and tokens are their position: a group would say nothing.
    const spread = nodes.kind !== 'token' && isSpread(nodes);
    const { isShown, empty, most } = fold(totals ?? new Float64Array(n).fill(1), {
      ranked: total ?? [],
      ...{ top: totals && view.top, zeros: view.zeros, pinned },
    });
    const all = order(n, key);
    const drawn = isShown ? all.filter((node) => isShown[node] === 1) : all;
    return {
      ...{ n: drawn.length, order: drawn, empty, pos: nodes.pos, sorted: key !== undefined },
      name: `${titleOfAxis(result, side, sort)}${most > 0 ? `, ${number(most)} of ${number(n)}` : ''}`,
      groups:
        key || !spread
          ? []
          : groups(
              isShown ? nodes.pos.filter((_, node) => isShown[node] === 1) : nodes.pos,
              result.tokens.string.map((token) => visible(token).trim()),
            ),
      label: (node, grouped) => nodeLabel(nodes, node, meaning, grouped),
    };
  };
  const { cell } = view;
  const quantity = quantityOf(view.shown);
  const { targets } = result;
  return {
    // Of the bars of a single row.
    quantity: isBars(result) ? `${quantity} to ${nodeLabel(targets, 0)}` : quantity,
    rows: axis(
      'targets',
      view.rows,
      sums?.rowLargest,
      sums?.rowTotal,
      summary?.all.rowTotal,
      cell?.row,
      () => cell && Float32Array.from(result.targets.pos, (_, row) => values[row * nColumns + cell.column]),
    ),
    columns: axis(
      'sources',
      view.columns,
      sums?.columnLargest,
      sums?.columnTotal,
      summary?.all.columnTotal,
      cell?.column,
      () => cell && values.subarray(cell.row * nColumns, (cell.row + 1) * nColumns),
    ),
  };
}

/** No values. */
const NOTHING = new Float32Array();

/**
 * One pair in words, a line each.
 * @param {Shown} result
 * @param {{row: number, column: number}} cell
 * @param {number | undefined} total Σ |attribution| of the row
 * @param {MeaningOf} [meaning]
 */
export function describeCell(result, { row, column }, total, meaning) {
  const i = row * result.sources.pos.length + column;
  const lines = [`${nodeLabel(result.sources, column, meaning)} → ${nodeLabel(result.targets, row, meaning)}`];
  /** @param {string} name @param {Float32Array} values empty where nobody gave them @param {number} at */
  const tell = (name, values, at) => values.length > 0 && lines.push(`${name} ${exact(values[at])}`);
  tell('gradient', result.gradients, i);
  tell('attribution', result.attributions, i);
  tell('ablation', ablationsOf(result) ?? NOTHING, i);
  tell('source activation', result.sources.activation, column);
  tell('target activation', result.targets.activation, row);
  if (total) lines.push(`${percent(Math.abs(result.attributions[i]) / total)} of Σ |attribution| of this target`);
  return lines;
}
