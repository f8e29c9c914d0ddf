// Builds that a server does not have: whoever set it up left them out, or they are still being made (scripts/demo).

import { codedError } from './error.js';

/** @typedef {import('./builds.js').Build} Build */

/** What `scripts/serve.mjs` sends for a build that is still being made. */
const BEING_MADE = 'X-Being-Made';

/**
 * @param {Build} name
 * @param {Response} response to the request for its wasm; no good one
 * @returns {Error & {missing?: string}} missing: in words, where the build is not there, or not yet
 */
export function notThere(name, { status, headers }) {
  const what = `${name === 'webgpu' ? 'WebGPU' : name} build of the runtime`;
  if (headers.has(BEING_MADE)) {
    const message = `The ${what} is still being made. Run again when it is there, in a few minutes.`;
    const missing = `the ${what} is still being made; run again when it is there, or reload the page`;
    return Object.assign(codedError('runtime-unavailable', message), { missing });
  }
  const message = `The ${name} build of the runtime could not be started: the server answered ${status}.`;
  const error = codedError('runtime-unavailable', `${message} Check the connection and run again.`);
  // Anything else may be over in a moment.
  return [404, 410].includes(status) ? Object.assign(error, { missing: `the server has no ${what}` }) : error;
}

/** @param {unknown} error @returns {string | undefined} what `notThere` says is missing */
export const missingOf = (error) => /** @type {{missing?: string}} */ (error ?? {}).missing;

/**
 * Whether a build that was missing has come since.
 * @param {string | undefined} address of its wasm, as `open` told it
 * @returns {Promise<boolean>}
 */
export async function hasCome(address) {
  if (!address) return false;
  return fetch(address, { method: 'HEAD', cache: 'no-store' }).then(
    ({ ok }) => ok,
    () => false,
  );
}
