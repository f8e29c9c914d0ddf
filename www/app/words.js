// What the page says about fetching, computing and failing.

import { describeRequest, placesOf } from '../figure/request.js';
import { addressesOf } from './sources.js';
import { bytes } from '../figure/text.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').Progress} Progress */
/** @typedef {import('./sources.js').NamedSource} NamedSource */

/**
 * What Run is going to fetch, from where, and what that tells.
 * @param {NamedSource} source
 * @param {Request} request
 * @param {URL} page
 * @param {{isPrivate?: boolean, savesData?: boolean}} [options] savesData: the browser asks for little traffic
 */
export function describeFetch(source, request, page, { isPrivate = false, savesData = asksToSaveData() } = {}) {
  const hosts = [...new Set(addressesOf(source, request).map((address) => new URL(address, page).host))];
  const nameOf = (/** @type {string} */ host) =>
    host === page.host ? 'this site' : host || 'the folder of this computer';
  const from = hosts.map(nameOf).join(' and ');
  const places = [...new Set(placesOf(request))];
  const saes = places.length > 0 ? ` and the SAE${places.length > 1 ? 's' : ''} at ${places.join(' and ')}` : '';
  const what = `the model${saes}`;
  const size = source.bytes?.(request, isPrivate);
  const saving =
    savesData && size && size > MUCH
      ? 'Your browser asks to save data: the examples were computed before and need no download. '
      : '';
  const runtime = from === nameOf(page.host) ? 'the runtime' : 'the runtime from this site';
  return (
    `${saving}Run fetches ${what} from ${from}${size ? ` (about ${bytes(size)})` : ''}, and ${runtime}. ` +
    told(hosts.filter(Boolean).map(nameOf), isPrivate)
  );
}

/**
 * What a server learns of the prompt: it sees which parts of files are asked for.
 * @param {string[]} servers
 * @param {boolean} isPrivate
 */
function told(servers, isPrivate) {
  if (servers.length === 0) return 'The prompt stays here.';
  if (isPrivate) return 'The prompt stays here: of its tokens and latents, whole tables are fetched.';
  return `The prompt is not sent, but ${servers.join(' and ')} can tell its tokens and latents from the rows that are fetched; “Whole tables” hides them.`;
}

/** Bytes that a reader who saves data is warned of. */
const MUCH = 10e6;

/** @returns {boolean} */
const asksToSaveData = () => Boolean(/** @type {any} */ (globalThis.navigator)?.connection?.saveData);

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** What each phase is called and counted in. @type {Record<string, [string, string]>} */
const PHASES = {
  load: ['Loading weights', ''],
  forward: ['Running the model', 'layers'],
  encode: ['Encoding latents', 'positions'],
  jacobian: ['Differentiating', 'targets'],
  ablate: ['Taking sources away', 'steps'],
  generate: ['Writing on', 'tokens'],
};

/**
 * Follows one request's progress. `network`, `cached` (bytes) and `rate` (bytes a second) are told by
 * newer clients; without them the rate is measured here.
 * @param {Request} request
 */
export function progressTeller(request) {
  const wanted = describeRequest(request);
  /** @type {{time: number, done: number} | undefined} */
  let start;
  return (
    /** @type {Progress & {network?: number, cached?: number, rate?: number}} */ progress,
    now = performance.now(),
  ) => {
    const { phase, done, total, cached, rate } = progress;
    const [name, unit] = Object.hasOwn(PHASES, phase) ? PHASES[phase] : [phase, ''];
    if (phase !== 'load') return `${name}: ${done} of ${total} ${unit}`;
    start ??= { time: now, done };
    const seconds = (now - start.time) / 1000;
    const speed = rate ?? (seconds > 0.5 ? (done - start.done) / seconds : 0);
    const parts = [`${name} for ${wanted}: ${bytes(done)} of ${bytes(total)}`];
    if (cached) parts.push(`${bytes(cached)} kept from before`);
    if (speed > 0 && done < total) parts.push(`${bytes(speed)}/s`, `about ${duration((total - done) / speed)} left`);
    return parts.join(' · ');
  };
}

/** What to do about an error, by its code. @type {Record<string, string>} */
const ADVICE = {
  'prompt-too-long': 'Shorten the prompt.',
  'patch-length': 'Word one of the two prompts so that both have as many tokens: positions are compared one by one.',
  'place-order': 'Choose a later place to go to, or an earlier one to come from.',
  'place-out-of-range': 'Choose one of the places that the model has.',
  'sae-missing': 'Choose a place with an SAE, or another model.',
  'k-out-of-range': 'Choose a k between 1 and the size of the vocabulary.',
  'request-invalid': 'Check the numbers in the form.',
  'result-too-large': 'Shorten the prompt, or choose fewer logits.',
  'file-not-found': 'Check the address of the model, or choose another one.',
  'access-denied': 'Check that the address is public, or choose another model.',
  'rate-limited': 'Wait a while and run again: what has arrived is kept.',
  offline: 'Connect and run again: what has arrived is kept.',
  'file-changed': 'Run again to start with the new version.',
  'fetch-failed': 'Check the connection and run again: what has arrived is kept.',
  'webgpu-unavailable': 'Drop ?device=webgpu from the address to compute on the CPU.',
  'device-failed':
    'Run again: a fresh device is started. If it fails again, ?device=cpu in the address computes without it.',
  'runtime-unavailable': 'Check the connection and run again.',
  'result-not-finite': 'Try ?device=cpu in the address.',
  'result-invalid': 'Open a JSON file saved by this page.',
  'kept-invalid': 'Run it again.',
  'address-invalid': 'Mend the address of this page; the demo is chosen meanwhile.',
  'file-too-large': 'Check the address of the model, or choose another one.',
  'tensor-too-large': 'Choose a smaller model or SAE.',
  'too-many-latents': 'Shorten the prompt.',
};

/** @param {string} code */
export function advice(code) {
  return Object.hasOwn(ADVICE, code) ? ADVICE[code] : '';
}
