// Numbers of any model and any nodes: a labelled matrix that names no request. RESULT.md describes the form.
//
// What may be left out gets its plain value here, so that all else draws it as any result: positions are 0, and
// columns and matrices that are not there are empty, as those are that do not apply to latents or tokens.

import { fromFile, fromJson, MAX_NODES, MAX_TOKENS, pairsOf } from './result.js';
import { array, fields, floats, LABEL, list, naturals, object, optional, own, refuse, text } from './schema.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../runtime/protocol.js').Nodes} Nodes */

/** Rows or columns that are no tokens, latents or logits of a request. @typedef {Omit<Nodes, 'kind'> & {kind: 'node'}} OwnNodes */
/** Nodes of a figure. @typedef {Omit<Nodes, 'kind'> & {kind: Nodes['kind'] | 'node'}} AnyNodes */

/**
 * A result without a request.
 * @typedef {object} Own
 * @property {2} format_version
 * @property {string} title
 * @property {Attribution['tokens']} tokens what is at each position; `token_id` is empty
 * @property {OwnNodes} sources `activation` is empty where it is not known
 * @property {OwnNodes} targets
 * @property {Float32Array} gradients empty where they are not known
 * @property {Float32Array} attributions `[targets, sources]`, row-major
 * @property {undefined} [request]
 * @property {undefined} [latent_labels]
 */

/** What a figure shows, any of it. @typedef {import('./result.js').Shown} Shown */

/** @param {string} json @returns {Shown} throws `result-invalid` for text that is no result, and says where */
export const shownFromJson = (json) => fromJson(json, asOwn);

/** The same of a file. @param {Blob} file @returns {Promise<Shown>} rejects with `result-invalid` */
export const shownFromFile = (file) => fromFile(file, asOwn);

const asTokens = optional(object({ string: array(text(LABEL), MAX_TOKENS, 1) }));

/** Of format 2, and without a request. @type {import('./schema.js').Check<Own>} */
function asOwn(value) {
  const from = fields(value, '');
  if (own(from, 'title') === undefined) refuse('', 'has neither a request nor a title');
  const title = text(LABEL)(own(from, 'title'), 'title');
  const [nSources, nTargets] = ['sources', 'targets'].map((side) => {
    const label = own(fields(own(from, side), side), 'label');
    return list(label, `${side}.label`, MAX_NODES).length;
  });
  const pairs = pairsOf(nSources, nTargets);
  const attributions = floats(own(from, 'attributions'), 'attributions', pairs);
  const gradients = ifThere(own(from, 'gradients'), (value) => floats(value, 'gradients', pairs)) ?? new Float32Array();
  const given = asTokens(own(from, 'tokens'), 'tokens')?.string;
  const positions = given?.length ?? MAX_TOKENS;
  const [sources, targets] = [
    asNodes(from, 'sources', nSources, positions),
    asNodes(from, 'targets', nTargets, positions),
  ];
  const string = given ?? Array(1 + Math.max(last(sources.pos), last(targets.pos))).fill('');
  return { format_version: 2, title, tokens: { token_id: [], string }, sources, targets, gradients, attributions };
}

/**
 * @param {Record<string, unknown>} result
 * @param {'sources' | 'targets'} side
 * @param {number} n nodes
 * @param {number} positions
 * @returns {OwnNodes}
 */
function asNodes(result, side, n, positions) {
  const from = fields(own(result, side), side);
  const [pos, activation] = [own(from, 'pos'), own(from, 'activation')];
  return {
    kind: 'node',
    pos: ifThere(pos, (value) => naturals(value, `${side}.pos`, n, positions)) ?? new Uint32Array(n),
    latent: new Uint32Array(),
    token_id: new Uint32Array(),
    activation: ifThere(activation, (value) => floats(value, `${side}.activation`, n)) ?? new Float32Array(),
    label: array(text(LABEL), n, n)(own(from, 'label'), `${side}.label`),
  };
}

/** An empty list is none: so a result is written that was read. @template T @param {unknown} value @param {(value: unknown) => T} read */
const ifThere = (value, read) =>
  value === undefined || (Array.isArray(value) && value.length === 0) ? undefined : read(value);

/** @param {Uint32Array} pos */
const last = (pos) => pos.reduce((most, at) => Math.max(most, at), 0);
