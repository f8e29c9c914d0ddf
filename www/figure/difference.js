// Two results of one kind, one minus the other: their nodes side by side, as numbers of one's own.
//
// A node of one is that of the other where it is the same latent of the same place at the same position, the same token
// there, or the logit of the same token. One that the other has not counts as 0 there, and its label says so.

import { breath } from './analysis.js';
import { VIEW_NAMES, viewOf } from './request.js';
import { invalid, pairsOf, titleOf } from './result.js';
import { Mismatch } from './schema.js';

/** @typedef {import('./result.js').Saved} Saved */
/** @typedef {import('../runtime/protocol.js').Nodes} Nodes */
/** @typedef {import('./own.js').Own} Own */

/** Cells written without a breath. */
const SLICE = 500_000;

/** What tells a node from all others of its side. @param {Nodes} nodes @param {number} i */
function identity({ kind, hook_name, pos, latent, token_id, label }, i) {
  if (kind === 'latent') return `${hook_name} ${latent[i]} ${pos[i]}`;
  if (kind === 'token') return `${pos[i]} ${token_id[i]}`;
  return kind === 'logit' ? `${token_id[i]}` : label[i];
}

/**
 * The nodes of both, by position, and where each stands in either: −1 where it has none.
 * @param {Nodes} a
 * @param {Nodes} b
 */
function aligned(a, b) {
  /** @type {Map<string, {a: number, b: number, pos: number}>} */
  const found = new Map();
  a.label.forEach((_, i) => {
    const key = identity(a, i);
    // Of a logit that is listed twice, the first.
    if (!found.has(key)) found.set(key, { a: i, b: -1, pos: a.pos[i] });
  });
  b.label.forEach((_, i) => {
    const known = found.get(identity(b, i));
    if (!known) found.set(identity(b, i), { a: -1, b: i, pos: b.pos[i] });
    else if (known.b < 0) known.b = i;
  });
  const nodes = [...found.values()];
  if (a.kind === 'latent' || a.kind === 'token') return nodes.sort((one, other) => one.pos - other.pos);
  // Logits are all of the last position, wherever that is in either, and come in the order that they were asked in.
  const last = nodes.reduce((most, { pos }) => Math.max(most, pos), 0);
  return nodes.map((node) => ({ ...node, pos: last }));
}

/** @param {ReturnType<typeof aligned>} nodes @param {Nodes} a @param {Nodes} b @returns {import('./own.js').OwnNodes} */
const ownNodes = (nodes, a, b) => ({
  kind: 'node',
  pos: Uint32Array.from(nodes, ({ pos }) => pos),
  latent: new Uint32Array(),
  token_id: new Uint32Array(),
  activation: new Float32Array(),
  label: nodes.map((node) => {
    const label = node.a >= 0 ? a.label[node.a] : b.label[node.b];
    return node.a < 0 ? `${label} · only B` : node.b < 0 ? `${label} · only A` : label;
  }),
});

/**
 * @param {Saved} a
 * @param {Saved} b
 * @returns {Promise<{result: Own, alone: number}>} alone: rows and columns that only one of both has; rejects with
 *   `result-invalid` where they are no two of a kind, or too many together
 */
export async function difference(a, b) {
  const [one, other] = [viewOf(a.request), viewOf(b.request)];
  if (one !== other) throw invalid(`${VIEW_NAMES[one]} and ${VIEW_NAMES[other]} have no difference`);
  const [columns, rows] = [aligned(a.sources, b.sources), aligned(a.targets, b.targets)];
  const pairs = counted(columns.length, rows.length);
  const minus = async (/** @type {Float32Array} */ of, /** @type {Float32Array} */ minus) => {
    const to = new Float32Array(pairs);
    const [nA, nB] = [a.sources.pos.length, b.sources.pos.length];
    let since = 0;
    for (const [row, { a: rowA, b: rowB }] of rows.entries()) {
      const start = row * columns.length;
      for (const [column, { a: columnA, b: columnB }] of columns.entries()) {
        const left = rowA >= 0 && columnA >= 0 ? of[rowA * nA + columnA] : 0;
        to[start + column] = left - (rowB >= 0 && columnB >= 0 ? minus[rowB * nB + columnB] : 0);
      }
      since += columns.length;
      if (since < SLICE) continue;
      since = 0;
      await breath();
    }
    return to;
  };
  const [here, there] = [a.tokens.string, b.tokens.string];
  const string = Array.from({ length: Math.max(here.length, there.length) }, (_, pos) =>
    here[pos] === there[pos] ? here[pos] : `${here[pos] ?? '–'} | ${there[pos] ?? '–'}`,
  );
  const alone = [...rows, ...columns].filter((node) => node.a < 0 || node.b < 0).length;
  return {
    alone,
    result: {
      format_version: 2,
      title: `A − B. A: ${titleOf(a)}. B: ${titleOf(b)}`,
      tokens: { token_id: [], string },
      sources: ownNodes(columns, a.sources, b.sources),
      targets: ownNodes(rows, a.targets, b.targets),
      gradients: await minus(a.gradients, b.gradients),
      attributions: await minus(a.attributions, b.attributions),
    },
  };
}

/** @param {number} sources @param {number} targets */
function counted(sources, targets) {
  try {
    return pairsOf(sources, targets);
  } catch (error) {
    throw error instanceof Mismatch ? invalid(error.message) : error;
  }
}
