// What a figure says about fetching and computing.

import { bytes } from '../figure/text.js';
import { bytesOf, DEMO, GPT2_SMALL } from '../runtime/bytes.js';
import { saesAt } from '../runtime/places.js';

/** @typedef {import('../runtime/protocol.js').Source} Source */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').Progress} Progress */

/** Models whose shape is known, by what their addresses hold. @type {[RegExp, import('../runtime/bytes.js').ModelShape][]} */
const SHAPES = [
  [/\/(openai-community\/)?gpt2\/resolve\//, GPT2_SMALL],
  [/\/models\/demo\/model$/, DEMO],
];
/** Latents of SAEs, likewise. @type {[RegExp, number][]} */
const LATENTS = [
  [/\/GPT2-Small-SAEs-Reformatted\//, 24_576],
  [/\/GPT2-Small-OAI-v5-32k-/, 32_768],
  [/\/GPT2-Small-OAI-v5-128k-/, 131_072],
  [/\/models\/demo\/saes/, DEMO.d_sae],
];

/**
 * How much a live run fetches the first time, if that is known, and from where.
 * @param {Source} source
 * @param {Request} request
 * @param {URL} page
 * @param {number} [latents] of an SAE, as a saved result says
 */
export function fetched({ model, saes }, request, page, latents) {
  const read = [request.from, request.to].flatMap((place) =>
    typeof place === 'string' ? saesAt(saes, place).slice(0, 1) : [],
  );
  const hosts = [...new Set([model, ...read].map(({ address }) => new URL(address).host))];
  const find = (/** @type {[RegExp, any][]} */ table, /** @type {string} */ address) =>
    table.find(([pattern]) => pattern.test(address))?.[1];
  const shape = find(SHAPES, model.address);
  const d_sae = read.length === 0 ? 0 : (find(LATENTS, read[0].address) ?? latents);
  return {
    size: shape && d_sae !== undefined ? bytes(bytesOf({ ...shape, d_sae })(request)) : undefined,
    hosts: hosts.map((host) => (host === page.host ? 'this site' : host)).join(' and '),
  };
}

/** @param {ReturnType<typeof fetched>} what */
export const buttonText = ({ size, hosts }) => `Run live (${size ? `about ${size} ` : ''}from ${hosts})`;

/** What pressing the button means. @param {ReturnType<typeof fetched>} what */
export const notice = ({ hosts }) =>
  `Computes in this browser. The prompt is not sent, but ${hosts} can tell it from the rows that are fetched.`;

/** What each phase is called and counted in. @type {Record<string, [string, string]>} */
const PHASES = {
  load: ['Loading weights', ''],
  forward: ['Running the model', 'layers'],
  encode: ['Encoding latents', 'positions'],
  jacobian: ['Differentiating', 'targets'],
  ablate: ['Taking sources away', 'steps'],
  generate: ['Writing on', 'tokens'],
};

/** @param {Progress} progress */
export function progressText({ phase, done, total }) {
  const [name, unit] = Object.hasOwn(PHASES, phase) ? PHASES[phase] : [phase, ''];
  return phase === 'load' ? `${name}: ${bytes(done)} of ${bytes(total)}` : `${name}: ${done} of ${total} ${unit}`;
}
