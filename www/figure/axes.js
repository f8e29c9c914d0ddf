// Rows and columns of a result as a heatmap looks at them, and one cell in words.

import { groups, order } from './analysis.js';
import { own } from './schema.js';
import { exact, percent, visible } from './text.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../runtime/protocol.js').Nodes} Nodes */
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
 * @param {import('./result.js').Saved | undefined} result
 * @param {Nodes} nodes
 * @param {number} node
 */
export function savedLabel(result, { hook_name, latent }, node) {
  const of = hook_name && latent.length > 0 && own(result?.latent_labels ?? {}, hook_name);
  return of ? /** @type {string | undefined} */ (own(of, String(latent[node]))) : undefined;
}

/** What the nodes of a side are. @param {Nodes} nodes */
export function describeNodes({ kind, hook_name }) {
  if (kind === 'latent') return `latents of ${hook_name ?? 'an SAE'}`;
  return kind === 'token' ? 'tokens' : kind === 'logit' ? 'logits' : 'difference';
}

/**
 * Rows and columns in the order that a view asks for.
 * @param {Attribution} result
 * @param {View} view
 * @param {Summary | undefined} summary of the values shown
 * @param {MeaningOf} [meaning]
 */
export function axes(result, view, summary, meaning) {
  const values = result[view.shown];
  const nColumns = result.sources.pos.length;
  const sums = view.across ? summary?.across : summary?.all;
  /**
   * @param {Nodes} nodes
   * @param {Sort} sort
   * @param {Float32Array | undefined} largest
   * @param {Float64Array | undefined} total
   * @param {() => ArrayLike<number> | undefined} selected values in the pinned row or column
   * @returns {import('./cells.js').Axis}
   */
  const axis = (nodes, sort, largest, total, selected) => {
    const n = nodes.pos.length;
    const key = { position: undefined, value: selected(), largest, total }[sort];
    // Logits are all at one position: a group would say nothing.
    const spread = nodes.kind === 'latent';
    return {
      n,
      name:
        nodes.kind === 'latent'
          ? `${visible(nodes.label[0] ?? '')
              .split(',')[0]
              .replace(/\.\d+$/, '')
              .slice(0, 16)} latents`
          : describeNodes(nodes),
      pos: nodes.pos,
      order: order(n, key),
      groups:
        key || !spread
          ? []
          : groups(
              nodes.pos,
              result.tokens.string.map((token) => visible(token).trim()),
            ),
      label: (node, grouped) => nodeLabel(nodes, node, meaning, grouped),
    };
  };
  const { cell } = view;
  return {
    rows: axis(
      result.targets,
      view.rows,
      sums?.rowLargest,
      sums?.rowTotal,
      () => cell && Float32Array.from(result.targets.pos, (_, row) => values[row * nColumns + cell.column]),
    ),
    columns: axis(
      result.sources,
      view.columns,
      sums?.columnLargest,
      sums?.columnTotal,
      () => cell && values.subarray(cell.row * nColumns, (cell.row + 1) * nColumns),
    ),
  };
}

/**
 * One pair in words, a line each.
 * @param {Attribution} result
 * @param {{row: number, column: number}} cell
 * @param {number | undefined} total Σ |attribution| of the row
 * @param {MeaningOf} [meaning]
 */
export function describeCell(result, { row, column }, total, meaning) {
  const i = row * result.sources.pos.length + column;
  const lines = [
    `${nodeLabel(result.sources, column, meaning)} → ${nodeLabel(result.targets, row, meaning)}`,
    `gradient ${exact(result.gradients[i])}`,
    `attribution ${exact(result.attributions[i])}`,
    `source activation ${exact(result.sources.activation[column])}`,
    `target activation ${exact(result.targets.activation[row])}`,
  ];
  if (total) lines.push(`${percent(Math.abs(result.attributions[i]) / total)} of Σ |attribution| of this target`);
  return lines;
}
