// A result as a table of pairs. Loaded when it is asked for.

import { breath } from '../../figure/analysis.js';
import { exact } from '../../figure/text.js';

/** @typedef {import('../../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../../runtime/protocol.js').Nodes} Nodes */

/** Rows of a CSV written between two breaths. */
const SLICE = 4000;

/** A field of a CSV. @param {string} text */
function field(text) {
  // A field that a spreadsheet would compute is told to be text.
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * Every pair that is not 0, a line each; by target and then source.
 * @param {Attribution} result
 * @returns {Promise<Blob>}
 */
export async function csv(result) {
  const { sources, targets, gradients, attributions } = result;
  const columns = (/** @type {Nodes} */ nodes) =>
    Array.from(nodes.pos, (pos, i) =>
      [pos, nodes.latent[i] ?? nodes.token_id[i] ?? '', field(nodes.label[i]), exact(nodes.activation[i])].join(','),
    );
  const [from, to] = [columns(sources), columns(targets)];
  const side = (/** @type {string} */ name) => `${name}_pos,${name}_id,${name}_label,${name}_activation`;
  const parts = [`${side('source')},${side('target')},gradient,attribution\n`];
  /** @type {string[]} */
  let lines = [];
  for (let row = 0, i = 0; row < to.length; row++) {
    for (let column = 0; column < from.length; column++, i++) {
      if (gradients[i] === 0) continue;
      lines.push(`${from[column]},${to[row]},${exact(gradients[i])},${exact(attributions[i])}\n`);
      if (lines.length < SLICE) continue;
      parts.push(lines.join(''));
      lines = [];
      await breath();
    }
  }
  return new Blob([...parts, lines.join('')], { type: 'text/csv' });
}
