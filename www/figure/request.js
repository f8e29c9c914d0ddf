// What was asked: which requests there are, and each in words.

import { either, fields, finite, INDICES, integer, LABEL, object, oneOf, optional, own, text } from './schema.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */

/** @type {Record<Request['kind'], string>} */
export const KIND_NAMES = {
  token_to_latent: 'token → latent',
  latent_to_latent: 'latent → latent',
  latent_to_logit: 'latent → logit',
  logit_difference: 'logit difference',
};

const layer = integer(0, 9999);
const prompt = text(2 ** 20);
/** A token by its text or its id. */
const target = either(text(LABEL), integer(0, INDICES - 1));
const kindOf = oneOf(/** @type {Request['kind'][]} */ (Object.keys(KIND_NAMES)));

/** What a request of each kind holds beside its kind. */
const REQUESTS = {
  token_to_latent: object({ prompt, layer }),
  latent_to_latent: object({ prompt, layer_from: layer, layer_to: layer, threshold: optional(finite) }),
  latent_to_logit: object({ prompt, layer, k: integer(1, 999_999) }),
  logit_difference: object({ prompt, layer, positive: target, negative: target }),
};

/** A request that could be answered, if there is such a model. @type {import('./schema.js').Check<Request>} */
export const asRequest = (value, path) => {
  const kind = kindOf(own(fields(value, path), 'kind'), path ? `${path}.kind` : 'kind');
  return /** @type {any} */ ({ kind, ...REQUESTS[kind](value, path) });
};

/** @param {Request} request */
export function layersOf(request) {
  return request.kind === 'latent_to_latent' ? [request.layer_from, request.layer_to] : [request.layer];
}

/** A token by its text or its id. @param {string | number} token */
const named = (token) => (typeof token === 'number' ? `token ${token}` : `“${token}”`);

/** @param {Request} request */
export function describeRequest(request) {
  const name = KIND_NAMES[request.kind];
  switch (request.kind) {
    case 'latent_to_latent':
      return `${name}, layer ${request.layer_from} → ${request.layer_to}`;
    case 'latent_to_logit':
      return `${name}, layer ${request.layer}, ${request.k} logits`;
    case 'logit_difference':
      return `${name}, layer ${request.layer}, ${named(request.positive)} − ${named(request.negative)}`;
    default:
      return `${name}, layer ${request.layer}`;
  }
}
