// One pair measured alone: its source is taken away in a run of its own, and the target read before and after.

import { codedError } from '../runtime/error.js';

/** @typedef {import('../runtime/protocol.js').Intervention} Intervention */
/** @typedef {import('../runtime/protocol.js').Intervened} Intervened */
/** @typedef {import('../figure/result.js').Saved} Saved */
/** @typedef {{row: number, column: number}} Cell */
/** What was found. @typedef {{ablation: number, intervened: Intervened}} Found ablation: what the target loses */
/** @typedef {(request: Intervention, signal: AbortSignal) => Promise<Intervened>} Ask */

/** Logits compared: what is shown, and more where the target is not among them. */
const [SHOWN, MORE] = [10, 1000];

/** Why a pair cannot be measured alone; nothing where it can. @param {Saved} result */
export function whyNot({ sources, request }) {
  if (sources.kind !== 'latent') return 'Tokens are taken away by a full check alone.';
  return request.error === 'omit' ? 'Without the SAE’s error, a full check alone measures.' : '';
}

/**
 * The run of a pair: its source set to 0, or to what it is in the patch.
 * @param {Saved} result
 * @param {Cell} cell
 * @param {number} top_logits
 * @returns {Intervention}
 */
export function interventionOf({ sources, targets, request, baseline }, { column }, top_logits) {
  const edit = { pos: sources.pos[column], latent: sources.latent[column], set: baseline?.activation[column] ?? 0 };
  return {
    prompt: request.prompt,
    edits: [{ place: String(sources.hook_name), ...edit }],
    observe: targets.kind === 'latent' ? [String(targets.hook_name)] : [],
    top_logits,
  };
}

/**
 * What a run says of the target; nothing where the target is not in it.
 * @param {Saved} result
 * @param {Cell} cell
 * @param {Intervened} intervened
 */
export function ablationOf({ targets, pair_logits }, { row }, { logits, observed }) {
  if (targets.kind === 'latent') {
    const [seen] = observed;
    const { pos, latent, activation } = seen?.latents ?? { pos: [], latent: [], activation: [] };
    const at = pos.findIndex(
      (/** @type {number} */ p, /** @type {number} */ i) => p === targets.pos[row] && latent[i] === targets.latent[row],
    );
    return at < 0 ? undefined : activation[at] - seen.after[at];
  }
  const lossOf = (/** @type {number | undefined} */ id) => {
    const at = id === undefined ? -1 : logits.token_id.indexOf(id);
    return at < 0 ? undefined : logits.logit_before[at] - logits.logit_after[at];
  };
  if (targets.kind === 'logit') return lossOf(targets.token_id[row]);
  const [positive, negative] = [0, 1].map((i) => lossOf(pair_logits?.token_id[i]));
  return positive === undefined || negative === undefined ? undefined : positive - negative;
}

/**
 * Measures one pair.
 * @param {Saved} result
 * @param {Cell} cell
 * @param {Ask} ask
 * @param {object} options
 * @param {AbortSignal} options.signal
 * @param {() => number} options.vocabulary how many logits there are, once a model is open
 * @returns {Promise<Found>}
 */
export async function measurePair(result, cell, ask, { signal, vocabulary }) {
  for (const top of [() => SHOWN, () => Math.min(MORE, vocabulary()), vocabulary]) {
    const intervened = await ask(interventionOf(result, cell, top()), signal);
    const ablation = ablationOf(result, cell, intervened);
    if (ablation !== undefined) return { ablation, intervened };
    if (result.targets.kind === 'latent') break;
  }
  throw codedError('request-invalid', 'The run does not name the target of this pair: run the request again.');
}
