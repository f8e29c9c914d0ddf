// What the attributions of targets are to sum to, as bars: latents, the SAE's error and what is left, one behind the
// other, up to the total.

import { completenessOf } from '../../figure/agreement.js';
import { nodeLabel } from '../../figure/axes.js';
import { brief, number, short, visible } from '../../figure/text.js';
import { isolated, make, table } from './tables.js';

/** @typedef {import('../../runtime/protocol.js').Attribution} Attribution */

const SVG = 'http://www.w3.org/2000/svg';
/** Of a bar, in units of its own. */
const [WIDE, TALL] = [200, 18];
/** Targets listed. */
const SHOWN = 25;

/** @param {Document} document @param {string} tag @param {Record<string, string | number>} attributes */
export function drawn(document, tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/**
 * One target's sums, each beginning where the one before ends.
 * @param {Document} document
 * @param {import('../../figure/agreement.js').Completeness} of
 * @param {[number, number]} range of all bars
 */
function bar(document, { latents, error = 0, rest, total }, [least, most]) {
  const x = (/** @type {number} */ value) => ((value - least) / (most - least || 1)) * WIDE;
  const svg = drawn(document, 'svg', { viewBox: `0 0 ${WIDE} ${TALL}`, class: 'sums', 'aria-hidden': 'true' });
  let start = 0;
  for (const [name, by] of /** @type {[string, number][]} */ ([
    ['latents', latents],
    ['error', error],
    ['rest', rest],
  ])) {
    const [a, b] = [x(start), x(start + by)];
    svg.append(
      drawn(document, 'rect', { x: Math.min(a, b), width: Math.abs(b - a), y: 3, height: TALL - 6, class: name }),
    );
    start += by;
  }
  svg.append(
    drawn(document, 'path', { d: `M${x(0)} 0V${TALL}`, class: 'zero' }),
    drawn(document, 'path', { d: `M${x(total)} 0V${TALL}`, class: 'total' }),
  );
  return svg;
}

/**
 * @param {Attribution} result
 * @param {Document} document
 * @param {number} [row] of one target alone
 * @returns {HTMLElement[]} nothing where the result does not say
 */
export function completenessBars(result, document, row) {
  const { targets, request } = result;
  const rows = row === undefined ? [...Array(Math.min(SHOWN, targets.pos.length)).keys()] : [row];
  const found = rows.flatMap((i) => {
    const of = completenessOf(result, i);
    return of ? [{ i, of }] : [];
  });
  if (found.length === 0) return [];
  const ends = found.flatMap(({ of: { latents, error = 0, total } }) => [0, latents, latents + error, total]);
  const range = /** @type {[number, number]} */ ([Math.min(...ends), Math.max(...ends)]);
  const isDifference = request.patch !== undefined || typeof request.method === 'object';
  const isOfTokens = result.sources.kind === 'token';
  const total = isDifference ? 'what the target differs by from where sources begin' : 'the target itself';
  const left = targets.pos.length - rows.length;
  const note =
    `Attributions are to sum to ${total}: ${isOfTokens ? 'tokens' : 'latents'} (blue), what the SAE leaves out (amber), and the rest, of biases or what the method misses (grey); the line is the total.` +
    (row === undefined && left > 0
      ? ` The first ${number(rows.length)} of ${number(targets.pos.length)} targets.`
      : '');
  return table(document, {
    title: 'Do they sum to the whole?',
    head: ['Target', 'As a bar', isOfTokens ? 'Tokens' : 'Latents', 'SAE error', 'Rest', 'Total'],
    figures: 4,
    note,
    rows: found.map(({ i, of }) => [
      isolated(document, short(visible(nodeLabel(targets, i)), 40)),
      bar(document, of, range),
      brief(of.latents),
      of.error === undefined ? '–' : brief(of.error),
      brief(of.rest),
      make(document, 'strong', brief(of.total)),
    ]),
  });
}
