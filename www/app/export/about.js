// What a result says of itself on paper: model, prompt, numbers, version, revision. Nothing of the computer on which
// it was made: an address there helps nobody elsewhere.

import { describeNodes, isSpread } from '../../figure/axes.js';
import { badgeOf } from '../../figure/badge.js';
import { leavesFirstOut } from '../../figure/ranking.js';
import { describeLogits, describeMethod } from '../../figure/request.js';
import { tokenAt } from '../../figure/sentences.js';
import { brief, number, short, visible } from '../../figure/text.js';
import { VALUE } from '../../figure/values.js';
import { addressesRead, revisionsOf } from '../sources.js';

/** @typedef {import('../../figure/result.js').Shown} Shown */
/** @typedef {import('../../figure/view.js').View} View */

/** Hosts that are nobody else's: this computer, and networks of one house. */
const LOCAL =
  /^(localhost|.*\.local(host)?|127\.[\d.]+|0\.0\.0\.0|10\.[\d.]+|192\.168\.[\d.]+|172\.(1[6-9]|2\d|3[01])\.[\d.]+|169\.254\.[\d.]+|\[.*\])$/;

/** @param {URL} url */
export const isLocal = ({ protocol, hostname }) => !/^https?:$/.test(protocol) || LOCAL.test(hostname);

/**
 * Where files were read from, with their revision, as far as others can find them there.
 * @param {string[]} addresses
 * @param {URL} page
 */
export function publicOrigins(addresses, page) {
  const parts = addresses.map((address) => {
    if (!address.startsWith('folder:') && URL.canParse(address, page)) {
      const url = new URL(address, page);
      if (isLocal(url)) return 'files of a local server';
      return url.host === page.host ? `files of ${url.host}` : revisionsOf([address], page);
    }
    return 'files of a local folder';
  });
  return [...new Set(parts)].join(', ');
}

/** What a model or an SAE is called; where it has no name, nothing. @param {{name?: string} | undefined} origin */
const nameOf = (origin) => short(visible(origin?.name ?? ''), 80);

/**
 * Sentences beneath a picture.
 * @param {Shown} result
 * @param {object} options
 * @param {View} options.view
 * @param {URL} options.page
 * @param {number} [options.beyond] values that lie beyond the scale
 * @param {number} [options.limit] where the scale of colours ends
 * @param {{rows: number, columns: number}} [options.drawn] how many are drawn; all if not given
 */
export function caption(result, { view, page, limit, beyond = 0, drawn }) {
  const { request, sources, targets } = result;
  const counted = (/** @type {number} */ n, /** @type {string} */ what) => `${number(n)} ${what}${n === 1 ? '' : 's'}`;
  const said = [`${counted(sources.pos.length, 'source')} × ${counted(targets.pos.length, 'target')}.`];
  if (request) {
    const saes = [sources, targets]
      .filter(({ hook_name }) => hook_name)
      .map((side) => [nameOf('sae' in side ? side.sae : undefined), side.hook_name].filter(Boolean).join(' at '));
    const model = nameOf(result.model);
    said.unshift(
      `Model${model && ` ${model}`}${saes.length > 0 ? `, SAE${saes.length > 1 ? 's' : ''} ${saes.join(' and ')}` : ''}.`,
      `Prompt “${short(visible(request.prompt), 400)}” (${counted(result.tokens.string.length, 'token')}).`,
    );
    said.push(
      {
        attributions: `Attribution is gradient × ${request.patch === undefined ? 'source activation' : 'what the source differs by'}.`,
        gradients: 'Gradients of targets with respect to sources.',
        ablations: 'Ablation is what a target loses where the source is taken away.',
        misses: 'Attribution less what a target loses where the source is taken away.',
      }[view.shown],
    );
    const how = describeMethod(request.method);
    if (how) said.push(`Gradients: ${how}.`);
    const badge = badgeOf(result);
    if (badge) said.push(`${badge.charAt(0).toUpperCase()}${badge.slice(1)}.`);
    if (request.error === 'omit') said.push('The SAE’s error is left out.');
  }
  if (limit !== undefined) {
    const cut = beyond > 0 ? `; ${counted(beyond, 'value')} ${beyond === 1 ? 'lies' : 'lie'} beyond` : '';
    const without = leavesFirstOut(result, view) && view.limit === undefined ? ', chosen without the first token' : '';
    said.push(`The scale ends at ±${brief(limit)}${without}${cut}.`);
  }
  if (drawn && (drawn.rows < targets.pos.length || drawn.columns < sources.pos.length)) {
    const why = [
      view.source_pos !== undefined && `sources on ${tokenAt(result, view.source_pos)} alone`,
      view.top !== undefined && `the ${view.top} largest`,
      !view.zeros && 'without what is 0 everywhere',
    ].filter(Boolean);
    said.push(`Drawn: ${number(drawn.columns)} sources × ${number(drawn.rows)} targets, ${why.join(', ')}.`);
  }
  if (view.across) said.push('Pairs at one position are pale.');
  if (request) {
    const { version, device } = result.runtime;
    said.push(
      `Computed by sae-attribution ${short(visible(version), 20)} on ${device === 'cpu' ? 'the CPU' : 'WebGPU'} from ${publicOrigins(addressesRead(result), page)}.`,
    );
  }
  return said;
}

/** @type {Record<import('../../figure/view.js').Sort, (other: string) => string>} */
const ORDERS = {
  position: () => 'by position',
  value: (other) => `by value in the pinned ${other}`,
  largest: () => 'largest first',
  total: () => 'largest total first',
};

/**
 * What rows and columns are, and the values.
 * @param {Shown} result
 * @param {View} view
 */
export function axisTitles(result, view) {
  const { sources, targets, request } = result;
  const side = (/** @type {'Sources' | 'Targets'} */ name, /** @type {string} */ other) => {
    const nodes = name === 'Sources' ? sources : targets;
    const sort = name === 'Sources' ? view.columns : view.rows;
    const what = nodes.kind === 'node' ? name : `${name}: ${describeNodes(nodes)}`;
    // Logits in their own order are by size already, and of one node there is no order.
    const isTold = nodes.pos.length > 1 && (sort !== 'position' || isSpread(nodes));
    return isTold ? `${what}, ${ORDERS[sort](other)}` : what;
  };
  const what = VALUE[view.shown];
  const target =
    request && typeof request.to !== 'string' && 'logit_difference' in request.to
      ? describeLogits(request.to)
      : visible(targets.label[0] ?? '');
  return {
    columns: side('Sources', 'row'),
    rows: side('Targets', 'column'),
    values: what,
    /** Of a picture of one row. */
    bars: `${what} ${what === 'gradient' ? 'of' : 'to'} ${target}`,
  };
}
