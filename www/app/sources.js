// Models the page offers, and what its address says.

import { bytesOf, DEMO, GPT2_SMALL } from '../runtime/bytes.js';
import { describeError } from '../runtime/error.js';
import { isPlace, isSame, order, saesAt, unusable, usable } from '../runtime/places.js';
import { placesOf } from '../figure/request.js';
import { short, visible } from '../figure/text.js';
import { RELEASES } from './releases.js';

/** @typedef {import('../runtime/protocol.js').Source} Source */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */

/**
 * @typedef {Source & {
 *   title: string,
 *   group?: string,
 *   places: string[],
 *   logitsFrom?: string,
 *   latents?: 'contexts' | Record<string, string>,
 *   bytes?: (request: Request, isPrivate?: boolean) => number,
 * }} NamedSource
 *   group: of the list that it is offered in; places: those offered, in the order of computation; logitsFrom: the
 *   one that shows most of what drives logits; latents: where their meanings are told, in `contexts.json` and
 *   `contexts/` beside each SAE or under these names on neuronpedia.org, by place; bytes: about how many a request
 *   reads the first time
 */

const GPT2_MODEL = {
  // A fixed revision, so that results can be told apart from those of a later one.
  address: 'https://huggingface.co/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e',
  name: 'gpt2-small',
};
const GROUPS = {
  residual: 'GPT-2 small (from Hugging Face): residual stream',
  layer: 'GPT-2 small: attention and MLPs',
  transcoder: 'GPT-2 small: transcoders',
};
const BUNDLED = 'Bundled';

/** Places of the residual stream before these many blocks. @param {number[]} blocks */
const before = (blocks) => blocks.map((block) => `blocks.${block}.hook_resid_pre`);

/** @type {Record<string, NamedSource>} */
export const SOURCES = {
  demo: {
    title: 'Demo: a small model trained on simple English (6 MB)',
    group: BUNDLED,
    model: { address: new URL('../models/demo/model', import.meta.url).href, name: 'demo' },
    saes: [{ address: new URL('../models/demo/saes', import.meta.url).href, name: 'demo' }],
    places: [...before([0, 1, 2, 3]), 'blocks.3.hook_resid_post'],
    // Twelve to fourteen latents at earlier positions matter to the first logit there, at the next blocks two to twelve.
    logitsFrom: 'blocks.1.hook_resid_pre',
    latents: 'contexts',
    bytes: bytesOf(DEMO),
  },
  tiny: {
    title: 'Tiny random model (3 MB)',
    group: BUNDLED,
    model: { address: new URL('../models/tiny/model', import.meta.url).href, name: 'tiny' },
    saes: [{ address: new URL('../models/tiny/saes', import.meta.url).href, name: 'tiny' }],
    places: before([0, 1, 2, 3]),
  },
  ...Object.fromEntries(
    RELEASES.map(({ name, title, group, d_sae, saes, neuronpedia }) => [
      name,
      {
        title,
        group: GROUPS[group],
        model: GPT2_MODEL,
        saes,
        places: sorted(saes.map(({ hook_name }) => hook_name)),
        latents: Object.keys(neuronpedia).length > 0 ? neuronpedia : undefined,
        bytes: bytesOf({ ...GPT2_SMALL, d_sae }),
      },
    ]),
  ),
};

/** Places in the order of computation, each once. @param {string[]} places */
export function sorted(places) {
  const inOrder = [...places].sort((one, other) => Number(order(one)) - Number(order(other)));
  return inOrder.filter((place, i) => i === 0 || !isSame(place, inOrder[i - 1]));
}

/** The most places that an address may name. */
const PLACES = 256;

/**
 * What the page's address asks for: `?source=NAME`, or `?model=URL&saes=URL&places=0,blocks.3.hook_mlp_out`,
 * and `?device=webgpu|cpu`. Where it asks for what cannot be, the demo takes its place.
 * @param {URL} url
 * @returns {{sources: Record<string, NamedSource>, selected: string, device?: import('../runtime/protocol.js').DeviceKind, problem?: Error & {code: string}}}
 *   problem: `address-invalid`, to be shown
 */
export function fromAddress(url) {
  const get = (/** @type {string} */ key) => url.searchParams.get(key) ?? undefined;
  // Nothing is inherited: names come from outside.
  /** @type {Record<string, NamedSource>} */
  const sources = Object.assign(Object.create(null), SOURCES);
  const asked = get('device');
  const device = asked === 'webgpu' || asked === 'cpu' ? asked : undefined;
  try {
    const given = givenSource(get('model'), get('saes'), get('places'), url);
    if (given) sources.given = given;
    const selected = given ? 'given' : (get('source') ?? 'demo');
    if (!Object.hasOwn(sources, selected)) throw unusable('source', 'it is none of the models that this page offers');
    return { sources, selected, device };
  } catch (error) {
    if (describeError(error).code !== 'address-invalid') throw error;
    return { sources, selected: 'demo', device, problem: /** @type {any} */ (error) };
  }
}

/**
 * @param {string | undefined} model
 * @param {string | undefined} saes
 * @param {string} places names, and numbers of blocks for what is before them in the residual stream
 * @param {URL} page
 * @returns {NamedSource | undefined}
 */
function givenSource(model, saes, places = '0,1,2,3,4,5,6,7,8,9,10,11,12', page) {
  if (!model && !saes) return undefined;
  if (!model || !saes) throw unusable(model ? 'model' : 'saes', '“model” and “saes” belong together');
  const names = places
    .split(',', PLACES)
    .map((place) => (/^\d{1,4}$/.test(place) ? `blocks.${Number(place)}.hook_resid_pre` : place))
    .filter(isPlace);
  if (names.length === 0) throw unusable('places', 'it names no place, as 0,3,blocks.9.hook_mlp_out would');
  return {
    title: `From ${short(visible(model), 100)}`,
    model: { address: usable('model', model, page) },
    saes: [{ address: usable('saes', saes, page) }],
    places: sorted(names),
  };
}

/** Where a request reads: the addresses of the model and of its SAEs. @param {Source} source @param {Request} request */
export function addressesOf({ model, saes }, request) {
  return [
    model.address,
    ...placesOf(request)
      .flatMap((place) => saesAt(saes, place).slice(0, 1))
      .map(({ address }) => address),
  ];
}

/** Where a result says that it was read from. @param {Attribution} result */
export function addressesRead({ model, sources, targets }) {
  return [model.address, sources.sae?.address, targets.sae?.address].filter((address) => address !== undefined);
}

/**
 * The source that a result is of: the one that would read it from the same addresses.
 * @param {Record<string, NamedSource>} sources
 * @param {Attribution} result
 * @param {URL} page
 * @param {string} chosen name of the one that is preferred
 * @returns {string | undefined} its name
 */
export function sourceOf(sources, { model, sources: from, targets: to }, page, chosen) {
  const href = (/** @type {string} */ address) => (URL.canParse(address, page) ? new URL(address, page).href : '');
  const isOf = (/** @type {NamedSource} */ source) =>
    href(source.model.address) === href(model.address) &&
    [from, to].every(
      ({ hook_name, sae }) =>
        !hook_name || saesAt(source.saes, hook_name).some(({ address }) => sae && href(address) === href(sae.address)),
    );
  return [chosen, ...Object.keys(sources)].find((name) => isOf(sources[name]));
}

/**
 * Which revision files are of, as far as their addresses tell: a hub says it behind `resolve`.
 * @param {string[]} addresses
 * @param {URL} page
 */
export function revisionsOf(addresses, page) {
  const parts = addresses.map((address) => {
    if (address.startsWith('folder:')) return 'a folder of this computer';
    if (!URL.canParse(address, page)) return 'files of an address that is none';
    const { host, pathname } = new URL(address, page);
    const found = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)/.exec(pathname);
    if (!found) return host === page.host ? 'files of this site' : `files of ${host}, which may change`;
    const [, repository, revision] = found;
    const at = /^[0-9a-f]{40}$/.test(revision) ? revision.slice(0, 7) : `${revision}, which may change`;
    return `${host === 'huggingface.co' ? '' : `${host}/`}${short(visible(repository), 100)} at ${short(visible(at), 60)}`;
  });
  return [...new Set(parts)].join(', ');
}
