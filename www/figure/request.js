// What was asked: which requests there are, and each in words.

import {
  array,
  boolean,
  either,
  finite,
  fields,
  hookName,
  INDICES,
  integer,
  LABEL,
  object,
  oneOf,
  optional,
  own,
  pair,
  refuse,
  text,
} from './schema.js';
import { short, visible } from './text.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').TokenRef} TokenRef */
/** @typedef {import('../runtime/protocol.js').Targets} Targets */
/** @typedef {import('../runtime/protocol.js').LogitTargets} LogitTargets */
/** @typedef {'token_to_latent' | 'latent_to_latent' | 'latent_to_logit' | 'logit_difference' | 'token_to_logit'} ViewName */
/** @typedef {import('../runtime/protocol.js').Method} Method */
/**
 * A request with nothing left to default: the plain gradient without a patch, which is not measured, names none of these.
 * @typedef {Required<Omit<Request, 'method' | 'patch' | 'measure'>> & Pick<Request, 'method' | 'patch' | 'measure'>} FullRequest
 */

/** What each view of a prompt is called. @type {Record<ViewName, string>} */
export const VIEW_NAMES = {
  token_to_latent: 'token → latent',
  latent_to_latent: 'latent → latent',
  latent_to_logit: 'latent → logit',
  logit_difference: 'logit difference',
  token_to_logit: 'token → logit',
};

/** The notebook's threshold for pairs across positions. */
export const THRESHOLD = 2;
/** Points at which gradients are integrated: those of Marks et al., and the most that the runtime takes. */
export const [STEPS, MOST_STEPS] = [10, 300];
/** In the place of a place: the prompt's tokens. */
export const TOKENS = 'tokens';

const token = either(text(LABEL), integer(0, INDICES - 1));
/** More than a vocabulary are not listed. */
const listed = array(token, 1_000_000, 1);
const TARGETS = {
  top_logits: object({ top_logits: integer(1, 999_999) }),
  logits: object({ logits: listed }),
  logit_difference: object({ logit_difference: pair(token, token) }),
};

/** @type {import('./schema.js').Check<Targets>} */
const asTo = (value, path) => {
  if (typeof value === 'string') return hookName(value, path);
  const [key, ...more] = Object.keys(fields(value, path));
  if (more.length > 0 || !Object.hasOwn(TARGETS, key)) refuse(path, 'is not a place, nor one kind of logits');
  return TARGETS[/** @type {keyof typeof TARGETS} */ (key)](value, path);
};

/** @type {import('./schema.js').Check<Method>} */
const asMethod = (value, path) =>
  typeof value === 'string'
    ? oneOf(/** @type {const} */ (['gradient', 'frozen']))(value, path)
    : object({ integrated: integer(1, MOST_STEPS) })(value, path);

const asked = object({
  prompt: text(2 ** 20),
  from: either(oneOf([TOKENS]), hookName),
  to: asTo,
  error: optional(oneOf(/** @type {const} */ (['keep', 'omit']))),
  method: optional(asMethod),
  patch: optional(text(2 ** 20)),
  measure: optional(boolean),
  threshold: optional(finite),
});

/** A request that could be answered, if there is such a model. @type {import('./schema.js').Check<FullRequest>} */
export const asRequest = (value, path) => {
  const { prompt, from, to, error = 'keep', method, patch, measure, threshold = THRESHOLD } = asked(value, path);
  const at = (/** @type {string} */ key) => (path ? `${path}.${key}` : key);
  if (from === TOKENS) {
    if (error === 'omit') refuse(at('error'), 'is not keep: tokens have none');
    if (patch !== undefined)
      refuse(at('patch'), 'is given, but tokens have no latents to compare with those of a patch');
    if (typeof method === 'object') refuse(at('method'), 'is integrated: tokens have no latents to integrate over');
  }
  return {
    ...{ prompt, from, to, error, threshold },
    ...(method !== undefined && method !== 'gradient' && { method }),
    ...(patch !== undefined && { patch }),
    ...(measure && { measure }),
  };
};

/** Which view of a prompt a request is. @param {Request} request @returns {ViewName} */
export function viewOf({ from, to }) {
  if (typeof to === 'string') return from === TOKENS ? 'token_to_latent' : 'latent_to_latent';
  if (from === TOKENS) return 'token_to_logit';
  return Object.hasOwn(to, 'logit_difference') ? 'logit_difference' : 'latent_to_logit';
}

/** The places whose SAEs a request needs. @param {Request} request */
export const placesOf = ({ from, to }) =>
  [from, to].filter((place) => typeof place === 'string' && place !== TOKENS).map(String);

/** Each logit's token: those listed, or positive and negative; none where the largest are asked for. @param {Targets} to */
export function tokensOf(to) {
  if (typeof to === 'string') return [];
  return /** @type {TokenRef[]} */ (own(to, 'logits') ?? own(to, 'logit_difference') ?? []);
}

/** @param {TokenRef} token */
const named = (token) => (typeof token === 'number' ? `token ${token}` : `“${visible(token)}”`);

/** Listed logits that are named one by one. */
const NAMED = 5;

/** Logits in words: `25 logits`, `“ a” − token 7`. @param {LogitTargets} to */
export function describeLogits(to) {
  const tokens = tokensOf(to);
  if (Object.hasOwn(to, 'logit_difference')) return tokens.map(named).join(' − ');
  if (tokens.length === 0) return `${own(to, 'top_logits')} logits`;
  const more = tokens.length > NAMED ? ` and ${tokens.length - NAMED} more` : '';
  return `${tokens.slice(0, NAMED).map(named).join(', ')}${more}`;
}

/** A place as labels of latents name it: `resid_pre 3`, `z 3`. @param {string} place */
function briefly(place) {
  const [, block, point] = /^blocks\.(\d+)\.(.*)$/.exec(place) ?? [];
  return `${point.replace('ln2.hook_normalized', 'ln2').replace(/^(attn\.)?hook_/, '')} ${block}`;
}

/** The longest counterfactual prompt within a description, in characters. */
const PATCH = 60;

/** How sources are credited, in words; nothing for the plain gradient. @param {Method} [method] */
export function describeMethod(method) {
  if (method === 'frozen') return 'attention and LayerNorms frozen';
  return typeof method === 'object'
    ? `integrated gradients of ${method.integrated} step${method.integrated === 1 ? '' : 's'}`
    : '';
}

/** @param {Request} request */
export function describeRequest(request) {
  const { to, error, method, patch } = request;
  const logits = typeof to === 'string' ? '' : `, ${describeLogits(to)}`;
  const places = placesOf(request).map(briefly).join(' → ');
  const how = [
    error === 'omit' ? 'without the SAE’s error' : '',
    describeMethod(method),
    patch === undefined ? '' : `against “${short(visible(patch), PATCH) || '∅'}”`,
  ];
  return `${VIEW_NAMES[viewOf(request)]}${places && `, ${places}`}${logits}${how.map((words) => words && `, ${words}`).join('')}`;
}
