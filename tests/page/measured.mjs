// Made-up results that were measured: attributions beside what taking each source away does.

import { madeUp, resid } from './browser.mjs';

const LOGITS = {
  kind: 'logit',
  hook_name: undefined,
  sae: undefined,
  d_sae: undefined,
  latent: [],
};

/**
 * @param {number} rows
 * @param {number} columns
 * @param {(i: number) => number} predicted
 * @param {(i: number) => number} found
 * @param {Parameters<typeof madeUp>[3] & {logits?: string[]}} [options] logits: the targets, in the place of latents
 */
export function madeMeasured(rows, columns, predicted, found, { logits, ...options } = {}) {
  const result = madeUp(rows, columns, predicted, options);
  const fit = { pairs: rows * columns, pearson: 0.9337, spearman: 0.81, slope: 0.88, same_sign: 0.96 };
  /** @type {any} */
  const measured = {
    ...result,
    request: { ...result.request, measure: true },
    ablations: Array.from({ length: rows * columns }, (_, i) => found(i)),
    agreement: { all: { ...fit }, targets: Array.from({ length: rows }, () => ({ ...fit })) },
    completeness: {
      total: Array.from({ length: rows }, (_, row) => row + 1),
      error: Array.from({ length: rows * result.tokens.string.length }, () => 0.25),
    },
  };
  if (!logits) return measured;
  const last = result.tokens.string.length - 1;
  measured.request.to = { logits };
  measured.targets = {
    ...{ ...result.targets, ...LOGITS, pos: logits.map(() => last), token_id: logits.map((_, i) => i) },
    label: logits.map((token) => `'${token}'`),
  };
  measured.top_logits = {
    token_id: logits.map((_, i) => i),
    string: logits,
    logit: logits.map((_, i) => 9 - i),
    probability: logits.map(() => 1 / (2 * logits.length)),
  };
  delete measured.off_staircase;
  return measured;
}

export { resid };
