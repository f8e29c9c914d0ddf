// A result in sentences: one pair, what a figure shows, and what it says first. Numbers to three figures; all of
// their digits stand where `describeCell` tells one cell.
//
// Shares are of the sum of the row's values of one sign, over all sources of the result: what pushes a target up is
// compared with all that pushes it up, what holds it down with all that holds it down. The source SAE's error is no
// source, and is not in it.

import { isBars } from './axes.js';
import { shownColumns } from './part.js';
import { leavesFirstOut } from './ranking.js';
import { VIEW_NAMES, viewOf } from './request.js';
import { brief, count, short, visible } from './text.js';
import { VALUE, VALUES, valuesOf } from './values.js';

/** @typedef {import('./own.js').AnyNodes} Nodes */
/** @typedef {import('./result.js').Shown} Shown */
/** @typedef {import('./axes.js').MeaningOf} MeaningOf */
/** @typedef {import('./view.js').View} View */
/** @typedef {{row: number, column: number}} Cell */
/** @typedef {View['shown']} Values */
/** Σ |value| of a row, and the sum of its positive ones. @typedef {{total: number, up: number}} RowSums */

/** The longest token, label and meaning within a sentence, in characters. */
const [TOKEN, LABEL, MEANING, PROMPT] = [30, 40, 60, 120];

/** Text of the model or of others, marked as such. @param {string} text @param {number} most */
const quoted = (text, most) => `“${short(visible(text), most) || '∅'}”`;

/**
 * The token at a position; where it stands, too, if the prompt has it more than once.
 * @param {Shown} result
 * @param {number} pos
 */
export function tokenAt({ tokens: { string } }, pos) {
  const token = string[pos] ?? '';
  const isOnly = string.indexOf(token) === pos && string.lastIndexOf(token) === pos;
  return `${quoted(token, TOKEN)}${isOnly ? '' : ` (${pos})`}`;
}

/** `F1.854` of the label `F1.854, ' capital' (2)`. @param {Nodes} nodes @param {number} node */
function latentName({ label }, node) {
  const name = label[node] ?? '';
  const end = name.indexOf(',');
  return short(visible(end < 0 ? name : name.slice(0, end)), LABEL);
}

/** What a latent means, where that is known. @param {Nodes} nodes @param {number} node @param {MeaningOf} [meaning] */
function meant(nodes, node, meaning) {
  const words = meaning?.(nodes, node);
  return words ? short(visible(words), MEANING) : '';
}

/** @param {Shown} result @param {number} node @param {MeaningOf} [meaning] */
function sourceName(result, node, meaning) {
  const { sources } = result;
  if (sources.kind === 'token') return tokenAt(result, sources.pos[node]);
  if (sources.kind === 'latent') {
    const words = meant(sources, node, meaning);
    return `${tokenAt(result, sources.pos[node])} (${latentName(sources, node)}${words && `: ${words}`})`;
  }
  return quoted(sources.label[node] ?? '', LABEL);
}

/** @param {Shown} result @param {Cell} cell @param {MeaningOf} [meaning] */
function targetName(result, { row, column }, meaning) {
  const { sources, targets } = result;
  if (targets.kind === 'latent') {
    const isSame = targets.pos[row] === sources.pos[column];
    const words = meant(targets, row, meaning);
    return `${latentName(targets, row)}${words && ` (${words})`} on ${isSame ? 'the same token' : tokenAt(result, targets.pos[row])}`;
  }
  if (targets.kind === 'logit') return `the logit ${quoted(logitText(result, row), TOKEN)}`;
  return quoted(targets.label[row] ?? '', LABEL);
}

/** What a logit's token reads: its label is that in quotation marks. @param {Shown} result @param {number} row */
function logitText({ targets }, row) {
  return (targets.label[row] ?? '').replace(/^'([^]*)'$/, '$1');
}

/**
 * A part of a whole, in a word or two that are true of it.
 * @param {number} part in [0, 1]
 * @param {string} of what
 */
function share(part, of) {
  if (part === 1) return of;
  const whole = Math.round(100 * part);
  const told = part < 0.01 ? 'under 1 %' : part > 0.99 ? 'over 99 %' : `${whole} %`;
  return `${told} of ${of}`;
}

/** @param {number} value @param {RowSums | undefined} sums @param {[up: string, down: string]} of what it is a part of */
function shareOf(value, sums, [up, down]) {
  if (!sums) return '';
  const all = value > 0 ? sums.up : sums.total - sums.up;
  return all > 0 ? `, ${share(Math.min(1, Math.abs(value) / all), value > 0 ? up : down)}` : '';
}

/**
 * One pair as a sentence.
 * - From latents, attributions: “ capital” (F1.854) pushes F2.300 on “ is” up by 9.72, 68 % of all that pushes it up.
 * - From latents, gradients: Raising “ capital” (F1.854) by 1 would raise F2.300 …, to first order.
 * - From tokens both are one, the derivative by the scale of a token's embedding: Scaling up the embedding of
 *   “ capital” by 1 % would raise F2.300 … by a hundredth of it.
 * @param {Shown} result
 * @param {Cell} cell
 * @param {RowSums | undefined} sums of the row, of the values shown; without them no share is told
 * @param {object} [options]
 * @param {Values} [options.shown]
 * @param {MeaningOf} [options.meaning]
 */
export function pairSentence(result, cell, sums, { shown = 'attributions', meaning } = {}) {
  const { sources, targets } = result;
  const value = valuesOf(result, shown)[cell.row * sources.pos.length + cell.column];
  const from = sourceName(result, cell.column, meaning);
  const isToken = sources.kind === 'token';
  if (sources.kind === 'node' || targets.kind === 'node') {
    const of = `${value > 0 ? 'positive' : 'negative'} ${VALUES[shown]} of that target`;
    return `${from} → ${targetName(result, cell)}: ${brief(value)}${shareOf(value, sums, [`all ${of}`, `all ${of}`])}.`;
  }
  const size = brief(Math.abs(value));
  if (shown === 'ablations' || shown === 'misses')
    return measuredPair(result, cell, value, { shown, from, sums, meaning });
  if (targets.kind === 'logit_difference') {
    const [one, other] = favoured(result, value);
    if (value === 0) return `${from} favours neither ${one} nor ${other}.`;
    const than = `${one} over ${other}`;
    if (isToken || shown === 'gradients')
      return `${changing(from, isToken)} would favour ${than} by ${isToken ? brief(Math.abs(value) / 100) : size}${shareOf(value, sums, ['all that would favour it', 'all that would favour it'])}.`;
    return `${from} favours ${than} by ${size}${shareOf(value, sums, ['all that favours it', 'all that favours it'])}.`;
  }
  const to = targetName(result, cell, meaning);
  if (value === 0) return `${from} moves ${to} neither up nor down.`;
  if (isToken || shown === 'gradients') {
    const by = isToken ? brief(Math.abs(value) / 100) : size;
    const all = /** @type {[string, string]} */ (['all that would raise it', 'all that would lower it']);
    return `${changing(from, isToken)} would ${value > 0 ? 'raise' : 'lower'} ${to} by ${by}${shareOf(value, sums, all)}.`;
  }
  const all = /** @type {[string, string]} */ (['all that pushes it up', 'all that holds it down']);
  return `${from} ${value > 0 ? 'pushes' : 'holds'} ${to} ${value > 0 ? 'up' : 'down'} by ${size}${shareOf(value, sums, all)}.`;
}

/**
 * A pair of what was measured, or of how far it was missed.
 * @param {Shown} result
 * @param {Cell} cell
 * @param {number} value
 * @param {{shown: 'ablations' | 'misses', from: string, sums?: RowSums, meaning?: MeaningOf}} how
 */
function measuredPair(result, cell, value, { shown, from, sums, meaning }) {
  const pair = favoured(result, 1);
  const to =
    result.targets.kind === 'logit_difference' ? `${pair[0]} over ${pair[1]}` : targetName(result, cell, meaning);
  const size = brief(Math.abs(value));
  if (shown === 'misses')
    return value === 0
      ? `What the attribution of ${from} says of ${to} is what was measured.`
      : `The attribution of ${from} says ${size} too ${value > 0 ? 'much' : 'little'} of ${to}.`;
  const away =
    result.request?.patch === undefined ? `Taking ${from} away` : `Setting ${from} to what it is in the other prompt`;
  if (value === 0) return `${away} does not change ${to}.`;
  const all = /** @type {[string, string]} */ (['all that lowers it', 'all that raises it']);
  return `${away} ${value > 0 ? 'lowers' : 'raises'} ${to} by ${size}${shareOf(value, sums, all)}.`;
}

/**
 * A way from a token over a latent to the answer in a row.
 * @param {Shown} result latent → logit
 * @param {number} row
 * @param {import('./flow.js').Way} way
 * @param {MeaningOf} [meaning]
 */
export function waySentence(result, row, { token, latent, share: part, attribution, amount }, meaning) {
  const of = share(part, 'what moves it');
  const from = `${tokenAt(result, token)} is ${share(part, 'what moves')} ${sourceName(result, latent, meaning)}`;
  const size = brief(Math.abs(attribution));
  if (result.targets.kind === 'logit_difference') {
    const [one, other] = favoured(result, attribution);
    return `${from}, which favours ${one} over ${other} by ${size}: ${brief(Math.abs(amount))} by this way.`;
  }
  const to = targetName(result, { row, column: latent });
  const verb = attribution > 0 ? ['pushes', 'up'] : ['holds', 'down'];
  return `${from}, which ${verb[0]} ${to} ${verb[1]} by ${size}: ${brief(Math.abs(amount))} by this way.`;
}

/** What a gradient is told of. @param {string} from @param {boolean} isToken */
const changing = (from, isToken) =>
  isToken ? `Scaling the embedding of ${from} up by 1 %` : `Raising ${from} by 1, to first order,`;

/** The two tokens of a difference, the one that a value favours first. @param {Shown} result @param {number} value */
function favoured(result, value) {
  const [positive, negative] = (result.request && result.pair_logits?.string) || differenceOf(result);
  const tokens = [quoted(positive, TOKEN), quoted(negative, TOKEN)];
  return value < 0 ? tokens.reverse() : tokens;
}

/** From its label, `' a' − ' b'`. @param {Shown} result */
function differenceOf({ targets }) {
  return /^'([^]*)' − '([^]*)'$/.exec(targets.label[0] ?? '')?.slice(1) ?? ['the first token', 'the second token'];
}

/** What the nodes of a side are, with their number. @param {Nodes} nodes */
export function countNodes({ kind, hook_name, pos: { length } }) {
  switch (kind) {
    case 'latent':
      return `${count(length, 'active latent')} of ${hook_name ?? 'an SAE'}`;
    case 'token':
      return count(length, 'token');
    case 'logit':
      return count(length, 'logit');
    case 'logit_difference':
      return count(length, 'logit difference');
    default:
      return count(length, 'node');
  }
}

/** @param {View['rows']} sort @param {Values} shown @param {string} pinned the other side's */
function orderOf(sort, shown, pinned) {
  if (sort === 'position') return 'in their own order';
  const value = VALUE[shown];
  if (sort === 'value') return `by ${value} at the pinned ${pinned}`;
  return sort === 'largest' ? `by largest |${value}|` : `by Σ |${value}|`;
}

/** What the colours say. @param {Shown} result @param {Values} shown */
function colours(result, shown) {
  const { sources, targets } = result;
  const [column, row] = isBars(result) ? ['it', 'the target'] : ['the column', 'the row'];
  const [up, down] =
    sources.kind === 'node' || targets.kind === 'node'
      ? ['positive', 'negative']
      : shown === 'ablations'
        ? [`taking ${column} away lowers ${row}`, 'it raises it']
        : shown === 'misses'
          ? ['the attribution says too much', 'too little']
          : sources.kind === 'token' || shown === 'gradients'
            ? [`more of ${column} raises ${row}`, 'it lowers it']
            : targets.kind === 'logit_difference'
              ? [`${column} favours the first token`, 'the second']
              : [`${column} pushes ${row} up`, 'it holds it down'];
  return `Blue: ${up}; red, on a dark page orange: ${down}.`;
}

/**
 * What a figure shows: of which model and prompt, what rows and columns are, how many and in which order, and
 * what the colours say. A single row is shown as bars: these have an axis instead of a scale of colours.
 * @param {Shown} result
 * @param {View} view
 * @param {{limit?: number, clipped?: number}} [scale] where it ends, and how many cells it clips
 */
export function captionOf(result, view, { limit, clipped = 0 } = {}) {
  const { sources, targets, request } = result;
  const named = `${VALUES[view.shown].charAt(0).toUpperCase()}${VALUES[view.shown].slice(1)}`;
  const what = request
    ? `${named}, ${VIEW_NAMES[viewOf(request)]}, of ${quoted(result.model.name ?? 'a model without a name', LABEL)} on ${quoted(request.prompt, PROMPT)}`
    : `${named}: ${short(visible(result.title), PROMPT)}`;
  const shown = shownColumns(result, view);
  const some = shown && { ...sources, pos: sources.pos.subarray(0, shown.length) };
  const only = shown ? ` on ${tokenAt(result, Number(view.source_pos))} alone` : '';
  const largest = (/** @type {Nodes} */ { pos }) =>
    view.top !== undefined && view.top < pos.length ? `the ${view.top} largest of ` : '';
  const columns = `${isBars(result) ? 'Bars' : 'Columns'}: ${largest(some ?? sources)}${countNodes(some ?? sources)}${only}, ${orderOf(view.columns, view.shown, 'row')}`;
  const rows = isBars(result)
    ? `heights: ${VALUES[view.shown]} to ${short(visible(targets.label[0] ?? ''), LABEL)}`
    : `rows: ${largest(targets)}${countNodes(targets)}, ${orderOf(view.rows, view.shown, 'column')}`;
  const isChosen = view.limit === undefined && leavesFirstOut(result, view);
  const end = limit === undefined ? '' : `±${brief(limit)}${isChosen ? `, chosen without ${tokenAt(result, 0)}` : ''}`;
  const are = clipped === 1 ? 'is' : 'are';
  const told = `${what}. ${columns}; ${rows}. ${colours(result, view.shown)}`;
  if (!end) return told;
  if (isBars(result)) return `${told}${clipped > 0 ? ` ${count(clipped, 'bar')} ${are} cut off at ${end}.` : ''}`;
  return `${told} Colours end at ${end}${clipped > 0 ? `, where ${count(clipped, 'cell')} ${are} clipped` : ''}.`;
}

/**
 * Three sentences before a figure: what the model was given and says next, where that is known; what a column, a
 * row and a cell are; and what the strongest pair says.
 * @param {Shown} result
 * @param {Values} shown
 * @param {string | undefined} strongest the sentence of that pair, if there is any
 * @param {View} [view] by which it is ranked
 * @returns {string[]}
 */
export function introduction(result, shown, strongest, view) {
  const { sources, targets, request } = result;
  if (!request) return strongest ? [`The strongest pair: ${strongest}`] : [];
  const { top_logits: next } = result;
  const model = result.model.name ? `The model ${quoted(result.model.name, LABEL)}` : 'The model';
  const says =
    next && next.string.length > 0
      ? `, and says ${quoted(next.string[0], TOKEN)} next (${chance(next.probability[0])})`
      : '';
  const given = `${model} was given ${quoted(request.prompt, PROMPT)}${says}.`;
  const [column, row] = [nodeOf(sources), nodeOf(targets)];
  const value =
    shown === 'ablations'
      ? 'how much the other loses where the one is taken away (blue), or gains (red, on a dark page orange)'
      : shown === 'misses'
        ? 'how much too much its attribution says (blue), or too little (red, on a dark page orange)'
        : sources.kind === 'token'
          ? 'how much more of the token’s embedding would raise it (blue) or lower it (red, on a dark page orange)'
          : shown === 'gradients'
            ? 'how much raising the one would raise the other (blue) or lower it (red, on a dark page orange)'
            : targets.kind === 'logit_difference'
              ? 'how much the one adds to the other: blue favours the first token, red (on a dark page orange) the second'
              : 'how much the one pushes the other up (blue) or holds it down (red, on a dark page orange)';
  const means = isBars(result)
    ? `Each bar is ${column}, the row ${row}, and its height says ${value}.`
    : `Each column is ${column}, each row ${row}, and a cell says ${value}.`;
  const ranked =
    view?.source_pos !== undefined
      ? ` from ${tokenAt(result, view.source_pos)}`
      : view && leavesFirstOut(result, view)
        ? `, without those from ${tokenAt(result, 0)}`
        : '';
  return [given, means, ...(strongest ? [`The strongest pair${ranked}: ${strongest}`] : [])];
}

/** A probability: what is nearly sure is not called so. @param {number} p */
const chance = (p) => (p < 1 && p > 0.999 ? 'over 99.9 %' : `${(100 * p).toPrecision(3)} %`);

/** One of a side. @param {Nodes} nodes */
function nodeOf({ kind, hook_name }) {
  if (kind === 'latent') return `a latent of the SAE at ${hook_name ?? 'a place'} on one token`;
  return {
    token: 'a token',
    logit: 'the logit of a token',
    logit_difference: 'a difference of logits',
    node: 'a node',
  }[kind];
}
