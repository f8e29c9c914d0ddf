// A result as a table of pairs. Loaded when it is asked for.
//
// What it is of stands in columns of its own: a line that is no pair would end the table for most readers.

import { breath } from '../../figure/analysis.js';
import { describeLogits } from '../../figure/request.js';
import { exact, short } from '../../figure/text.js';
import { ablationsOf } from '../../figure/values.js';

/** @typedef {import('../../figure/result.js').Shown} Shown */
/** @typedef {import('../../figure/own.js').AnyNodes} Nodes */

/** Rows of a CSV written between two breaths. */
const SLICE = 4000;
/** All prompts of a table, in characters, and what is left of each where they would be more. */
const [PROMPTS, BRIEF] = [50e6, 80];

/** A field of a CSV. @param {string} text */
function field(text) {
  // A field that a spreadsheet would compute is told to be text.
  const safe = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** What all pairs are of, by column. @param {Shown} result @param {number} pairs @returns {Record<string, string>} */
function factsOf(result, pairs) {
  const { request } = result;
  if (!request) return { title: result.title };
  const { prompt, from, to } = request;
  return {
    model: result.model.name ?? result.model.address,
    prompt: pairs * prompt.length > PROMPTS ? short(prompt, BRIEF) : prompt,
    from,
    to: typeof to === 'string' ? to : describeLogits(to),
  };
}

/**
 * A line for each pair, by target and then source.
 * @param {Shown} result
 * @param {object} [options]
 * @param {import('../../figure/axes.js').MeaningOf} [options.meaning] of latents
 * @param {boolean} [options.zeros] also pairs that are 0
 * @returns {Promise<Blob>}
 */
export async function csv(result, { meaning, zeros = false } = {}) {
  const { sources, targets, gradients, attributions } = result;
  const measured = ablationsOf(result);
  const isWritten = (/** @type {number} */ i) =>
    zeros || attributions[i] !== 0 || (gradients[i] ?? 0) !== 0 || (measured?.[i] ?? 0) !== 0;
  let pairs = 0;
  for (let i = 0; i < attributions.length; i++) if (isWritten(i)) pairs++;
  const facts = factsOf(result, pairs);
  const columns = (/** @type {Nodes} */ nodes) =>
    Array.from(nodes.pos, (pos, i) =>
      [
        pos,
        nodes.latent[i] ?? nodes.token_id[i] ?? '',
        field(nodes.label[i]),
        field(meaning?.(nodes, i) ?? ''),
        nodes.activation.length > 0 ? exact(nodes.activation[i]) : '',
      ].join(','),
    );
  const [from, to] = [columns(sources), columns(targets)];
  const side = (/** @type {string} */ name) =>
    ['pos', 'id', 'label', 'meaning', 'activation'].map((column) => `${name}_${column}`);
  const head = [...Object.keys(facts), ...side('source'), ...side('target'), 'gradient', 'attribution'];
  if (measured) head.push('ablation');
  const first = Object.values(facts).map(field).join(',');
  /** @type {BlobPart[]} */
  const parts = [`${head.join(',')}\n`];
  /** @type {string[]} */
  let lines = [];
  for (let row = 0, i = 0; row < to.length; row++) {
    for (let column = 0; column < from.length; column++, i++) {
      if (!isWritten(i)) continue;
      const gradient = gradients.length > 0 ? exact(gradients[i]) : '';
      lines.push(
        `${first},${from[column]},${to[row]},${gradient},${exact(attributions[i])}${measured ? `,${exact(measured[i])}` : ''}\n`,
      );
      if (lines.length < SLICE) continue;
      // A blob is kept outside of the page's memory.
      parts.push(new Blob(lines));
      lines = [];
      await breath();
    }
    if (row % 64 === 63) await breath();
  }
  return new Blob([...parts, ...lines], { type: 'text/csv' });
}
