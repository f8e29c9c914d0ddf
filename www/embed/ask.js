// What the attributes of a figure ask for: a model with its SAEs, and a request.

import { THRESHOLD, TOKENS } from '../figure/request.js';
import { codedError } from '../runtime/error.js';
import { isPlace } from '../runtime/places.js';
import { addressOf, numberOf } from './attributes.js';
import { parseFrom, parseTo } from './grammar.js';

/** @typedef {import('../runtime/protocol.js').Source} Source */
/** @typedef {import('../runtime/protocol.js').SaeAddress} SaeAddress */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('./attributes.js').Attributes} Attributes */

/**
 * Where a live run reads from.
 * @param {Attributes} attributes
 * @param {URL} page
 * @returns {Source | undefined} none without a model; throws `address-invalid`
 */
export function sourceOf({ model, saes }, page) {
  if (!model) return undefined;
  const address = addressOf('model', model, page);
  return {
    model: { address, name: nameOf(address) },
    saes: saes
      .split(/\s+/)
      .filter(Boolean)
      .map((entry) => saeOf(entry, page)),
  };
}

/** @param {string} entry @param {URL} page @returns {SaeAddress} */
function saeOf(entry, page) {
  const at = entry.indexOf('=');
  const hook_name = entry.slice(0, Math.max(at, 0));
  return isPlace(hook_name)
    ? { address: addressOf('saes', entry.slice(at + 1), page), hook_name }
    : { address: addressOf('saes', entry, page) };
}

/** What a model is called: its repository on a hub, or the folder that it is in. @param {string} address */
function nameOf(address) {
  const { pathname } = new URL(address);
  const [, repository] = /([^/]+(?:\/[^/]+)?)\/resolve\//.exec(pathname) ?? [];
  const folders = pathname.split('/').filter((part) => part && part !== 'model');
  return repository ?? folders.pop();
}

/**
 * What a live run asks for; of what is not said, what the saved result answers.
 * @param {Attributes} attributes
 * @param {Request | undefined} saved
 * @param {boolean} hasPrompt an empty one is a prompt, too
 * @returns {Request} throws `request-invalid`
 */
export function requestOf({ prompt, from, to, error, threshold, controls }, saved, hasPrompt) {
  if (!saved && !(from && to)) throw missing(from ? 'to' : 'from');
  if (error && error !== 'keep' && error !== 'omit')
    throw codedError('request-invalid', '“error” of this figure is neither keep nor omit.');
  const source = from || !saved ? parseFrom(from) : saved.from;
  // What tokens cannot be asked is not asked of them.
  const { method, patch } = saved ?? {};
  const isOfLatents = source !== TOKENS;
  const isMeasured = controls.split(/\s+/).includes('check');
  return {
    prompt: hasPrompt || !saved ? prompt : saved.prompt,
    from: source,
    to: to || !saved ? parseTo(to) : saved.to,
    error: /** @type {Request['error']} */ (error || saved?.error || 'keep'),
    ...(method && (isOfLatents || typeof method === 'string') && { method }),
    ...(patch !== undefined && isOfLatents && { patch }),
    ...(isMeasured && { measure: true }),
    threshold: numberOf(threshold) ?? saved?.threshold ?? THRESHOLD,
  };
}

/** @param {string} name */
const missing = (name) =>
  codedError('request-invalid', `“${name}” of this figure is missing, and there is no saved result that says it.`);
