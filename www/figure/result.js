// A result's JSON form, read back: written by the runtime, by write.js, or by others (own.js). RESULT.md describes it.

import { asRequest, describeRequest, TOKENS } from './request.js';
import {
  array,
  between,
  fields,
  finite,
  floats,
  hookName,
  INDICES,
  integer,
  LABEL,
  like,
  list,
  Mismatch,
  naturals,
  object,
  oneOf,
  optional,
  own,
  record,
  refuse,
  text,
} from './schema.js';
import { asMeasured, differences } from './measured.js';
import { bytes, visible } from './text.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../runtime/protocol.js').Logits} Logits */
/** @typedef {import('../runtime/protocol.js').Nodes} Nodes */
/** @typedef {import('../runtime/protocol.js').Request} Request */

/**
 * A result as it is saved: with what is known of its latents' meanings, by hook name and latent.
 * @typedef {Attribution & {latent_labels?: Record<string, Record<string, string>>}} Saved
 */

/** What a figure shows. @typedef {Saved | import('./own.js').Own} Shown */

/** The version this page reads and writes. */
export const FORMAT_VERSION = 2;
/** The most of a result: what the runtime gives, and what a page can hold. */
const MAX_PAIRS = 16 * 2 ** 20;
export const MAX_NODES = 1_000_000;
export const MAX_TOKENS = 65_536;
/** The largest file that is read: browsers make no longer text of it. */
export const MAX_BYTES = 500e6;

/**
 * @template [T=never]
 * @param {string} json attributions may be left out: they are gradients × source activations in float32,
 *   which is how the runtime makes them
 * @param {import('./schema.js').Check<T>} [asOwn] for what names no request; such is refused if it is not given
 * @returns {Saved | T} throws `result-invalid` for text that is no result of this version, and says where
 */
export function fromJson(json, asOwn = refuseOwn) {
  try {
    return asAny(parsed(json), asOwn);
  } catch (error) {
    throw error instanceof Mismatch ? invalid(error.message) : error;
  }
}

/**
 * The result in a file.
 * @template [T=never]
 * @param {Blob} file
 * @param {import('./schema.js').Check<T>} [asOwn] as of `fromJson`
 * @returns {Promise<Saved | T>} rejects with `result-invalid`
 */
export async function fromFile(file, asOwn) {
  if (file.size > MAX_BYTES) throw invalid(`it is larger than ${bytes(MAX_BYTES)}`);
  const json = await file.text().catch(() => {
    throw invalid('it went away, or is too long to be read in this browser');
  });
  return fromJson(json, asOwn);
}

/** The one error of this room; its code is what others tell it by. @param {string} why */
export const invalid = (why) =>
  Object.assign(new Error(`This is not a result that can be shown: ${why}.`), {
    name: 'SaeAttributionError',
    code: 'result-invalid',
  });

/** @param {string} json */
function parsed(json) {
  if (json.length > MAX_BYTES) throw invalid(`it is larger than ${bytes(MAX_BYTES)}`);
  try {
    return JSON.parse(json);
  } catch {
    throw invalid('it is not JSON');
  }
}

/** @template T @param {unknown} value @param {import('./schema.js').Check<T>} asOwn */
function asAny(value, asOwn) {
  const from = fields(value, '');
  const version = own(from, 'format_version');
  if (version === 1) refuse('', 'is of format 1, an older one; run its request again');
  if (version !== FORMAT_VERSION) refuse('format_version', `is not ${FORMAT_VERSION}`);
  return own(from, 'request') === undefined ? asOwn(from, '') : asResult(from, '');
}

/** @returns {never} */
const refuseOwn = () => refuse('', 'names no request');

/** Counts first: nothing is copied that does not fit the rest. @type {import('./schema.js').Check<Saved>} */
function asResult(value, path) {
  const from = fields(value, path);
  const get = (/** @type {string} */ key) => own(from, key);
  const request = asRequest(get('request'), 'request');
  const tokens = asTokens(get('tokens'), 'tokens');
  const n = tokens.string.length;
  const [sourceKind, targetKind] = sidesOf(request);
  const [nSources, nTargets] = ['sources', 'targets'].map((side) => count(get(side), side));
  const pairs = pairsOf(nSources, nTargets);
  const [given, gradients] = [get('attributions'), floats(get('gradients'), 'gradients', pairs)];
  const sources = asNodes(get('sources'), 'sources', [sourceKind, request.from], nSources, n);
  const targets = asNodes(get('targets'), 'targets', [targetKind, request.to], nTargets, n);
  const measured = asMeasured(get, {
    request,
    n: { sources: nSources, targets: nTargets, positions: n },
    asTokens,
  });
  const attributions =
    given === undefined
      ? derived(gradients, differences({ sources, baseline: measured.baseline }))
      : floats(given, 'attributions', pairs);
  const rest = REST(value, path);
  const off = get('off_staircase');
  const off_staircase = off === undefined ? undefined : asPairs(off, 'off_staircase', nTargets, nSources);
  for (const key of /** @type {const} */ (['sources_per_position', 'targets_per_position', 'sae_error_norm'])) {
    const { length } = rest.statistics[key];
    if (length !== n && !(key === 'sae_error_norm' && length === 0))
      refuse(`statistics.${key}`, `has ${length} entries, not ${n}`);
  }
  const matrices = { gradients, attributions, ...measured, ...(off_staircase && { off_staircase }) };
  return { format_version: FORMAT_VERSION, request, tokens, sources, targets, ...matrices, ...rest };
}

/** How many pairs these are, if they are not too many. @param {number} sources @param {number} targets */
export function pairsOf(sources, targets) {
  const pairs = sources * targets;
  if (pairs > MAX_PAIRS) refuse('sources × targets', `are ${pairs} pairs, more than ${MAX_PAIRS}`);
  return pairs;
}

/** What the sources and targets of a request are. @param {Request} request @returns {[Nodes['kind'], Nodes['kind']]} */
function sidesOf({ from, to }) {
  const target =
    typeof to === 'string' ? 'latent' : Object.hasOwn(to, 'logit_difference') ? 'logit_difference' : 'logit';
  return [from === TOKENS ? 'token' : 'latent', target];
}

/** @param {Shown} result */
export function titleOf(result) {
  if (!result.request) return visible(result.title) || '(no title)';
  const { model, request } = result;
  const words = [describeRequest(request), visible(request.prompt) || '(no prompt)'];
  return [...(model.name ? [visible(model.name)] : []), ...words].join(' · ');
}

const index = integer(0, INDICES - 1);
const label = text(LABEL);

/** @type {import('./schema.js').Check<Attribution['tokens']>} */
function asTokens(value, path) {
  const { string, token_id } = object({ string: array(label, MAX_TOKENS, 1), token_id: array(index, MAX_TOKENS) })(
    value,
    path,
  );
  if (token_id.length !== string.length)
    refuse(`${path}.token_id`, `has ${token_id.length} entries, not ${string.length}`);
  return { token_id, string };
}

/** How many nodes a side has. @param {unknown} side @param {string} path */
function count(side, path) {
  return list(own(fields(side, path), 'pos'), `${path}.pos`, MAX_NODES).length;
}

/**
 * @param {unknown} value
 * @param {string} path
 * @param {[Nodes['kind'], unknown]} asked for: its kind, and its place if it is one
 * @param {number} n nodes
 * @param {number} positions
 * @returns {Nodes}
 */
function asNodes(value, path, [kind, place], n, positions) {
  const from = fields(value, path);
  const get = (/** @type {string} */ key) => own(from, key);
  if (get('kind') !== kind) refuse(`${path}.kind`, `is not ${kind}`);
  const isLatent = kind === 'latent';
  const { hook_name, d_sae, sae } = isLatent ? SAE(from, path) : {};
  if (isLatent && hook_name !== place) refuse(`${path}.hook_name`, 'is not the place that was asked for');
  /** @param {string} key @param {boolean} applies @param {number} end */
  const column = (key, applies, end) => (applies ? naturals(get(key), `${path}.${key}`, n, end) : new Uint32Array());
  return {
    kind,
    ...(hook_name !== undefined && { hook_name }),
    ...(d_sae !== undefined && { d_sae }),
    ...(sae && { sae }),
    pos: naturals(get('pos'), `${path}.pos`, n, positions),
    latent: column('latent', isLatent, d_sae ?? INDICES),
    token_id: column('token_id', kind === 'token' || kind === 'logit', INDICES),
    activation: floats(get('activation'), `${path}.activation`, n),
    label: array(label, n, n)(get('label'), `${path}.label`),
  };
}

/** Where something was read from: a text, which nothing is read from again. */
const origin = { address: text(LABEL), name: optional(text(1000)), revision: optional(text(1000)) };
const SAE = object({
  hook_name: hookName,
  d_sae: optional(integer(1, INDICES)),
  sae: object({ ...origin, hook_name_out: optional(hookName) }),
});

/** @param {Float32Array} gradients @param {Float32Array} differs of each source */
function derived(gradients, differs) {
  const n = differs.length;
  const to = new Float32Array(gradients.length);
  for (let i = 0; i < to.length; i++) {
    to[i] = gradients[i] * differs[i % n];
    if (!Number.isFinite(to[i])) refuse(`gradients[${i}]`, 'times its activation is not a finite number');
  }
  return to;
}

/** Logits: four columns of one length. @param {number} most @param {number} [least] @returns {import('./schema.js').Check<Logits>} */
const logits = (most, least) => (value, path) => {
  const found = object({
    token_id: array(index, most, least),
    string: array(label, most, least),
    logit: array(finite, most, least),
    probability: array(between(0, 1), most, least),
  })(value, path);
  for (const [key, { length }] of Object.entries(found)) {
    if (length !== found.token_id.length)
      refuse(`${path}.${key}`, `has ${length} entries, not ${found.token_id.length}`);
  }
  return found;
};

/** @param {unknown} value @param {string} path @param {number} rows @param {number} columns */
function asPairs(value, path, rows, columns) {
  const from = fields(value, path);
  const [target, source] = [own(from, 'target'), own(from, 'source')];
  const n = list(target, `${path}.target`, MAX_PAIRS).length;
  return {
    threshold: finite(own(from, 'threshold'), `${path}.threshold`),
    target: naturals(target, `${path}.target`, n, rows),
    source: naturals(source, `${path}.source`, n, columns),
  };
}

const ratio = object({ nonzero: finite, total: finite, ratio: finite });
const positions = array(finite, MAX_TOKENS);

/** Parts that need no other to be understood. */
const REST = object({
  runtime: object({ version: text(100), device: oneOf(/** @type {const} */ (['webgpu', 'cpu'])) }),
  model: object(origin),
  top_logits: optional(logits(MAX_NODES)),
  pair_logits: optional(logits(2, 2)),
  statistics: object({
    sparsity: ratio,
    sparsity_over_positions: ratio,
    source_l1: finite,
    target_l1: finite,
    gradient_l1: finite,
    attribution_l1: finite,
    sources_per_position: positions,
    targets_per_position: positions,
    sae_error_norm: positions,
  }),
  latent_labels: optional(record(hookName, record(like(/^\d{1,10}$/, 'the index of a latent'), label, MAX_NODES), 2)),
});
