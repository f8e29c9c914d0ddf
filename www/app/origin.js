// Which model a result is of, told by where it was read from: never by what is chosen, nor by the name it gives itself.

import { SOURCES } from './sources.js';
import { count, number, short, visible } from '../figure/text.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */

/** What is known of the models that the page offers, by the source that reads them. @type {Record<string, string>} */
const KNOWN = {
  demo: '4 layers, 1.1 million parameters, trained on a small language of simple English sentences',
  tiny: '4 layers, 0.5 million parameters, random weights: nothing was learned, and its latents mean nothing',
  'gpt2-small-res-jb': '12 layers, 124 million parameters, trained by OpenAI on text of the web',
};

/** An address with what says the same of the model under all revisions of it. @param {string} address @param {URL} page */
function modelAt(address, page) {
  if (!URL.canParse(address, page)) return undefined;
  const { origin, pathname } = new URL(address, page);
  return `${origin}${pathname.replace(/\/$/, '').replace(/^(\/[^/]+\/[^/]+)\/resolve\/[^/]+$/, '$1')}`;
}

/**
 * A model in one line: its name, how large it is, trained or random, and how many latents its SAEs have.
 * @param {Attribution} result
 * @param {URL} page
 */
export function describeModel({ model, sources, targets }, page) {
  const at = modelAt(model.address, page);
  const known = Object.keys(KNOWN).find((name) => modelAt(SOURCES[name].model.address, page) === at);
  const host = URL.canParse(model.address, page) ? new URL(model.address, page).host : 'an address that is none';
  const where = model.address.startsWith('folder:')
    ? 'a folder of a computer'
    : host === page.host
      ? 'this site'
      : short(visible(host), 60);
  const name = model.name ? `“${short(visible(model.name), 40)}”` : 'without a name';
  const about = known
    ? `${known === 'demo' || known === 'tiny' ? name : 'GPT-2 small'}, ${KNOWN[known]}`
    : `${name}, read from ${where}; how large it is, and whether it was trained, the result does not say`;
  const sizes = [...new Set([sources.d_sae, targets.d_sae].filter((d_sae) => d_sae !== undefined))];
  const saes =
    sizes.length === 0
      ? ''
      : sizes.length === 1
        ? `; SAEs of ${count(sizes[0], 'latent')}`
        : `; SAEs of ${sizes.map(number).join(' and ')} latents`;
  return `Model: ${about}${saes}.`;
}
