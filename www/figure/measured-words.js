// What taking one source away does to one target, in a sentence, beside what its attribution predicted.

import { brief, short, visible } from './text.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {{row: number, column: number}} Cell */

/** The longest name within a sentence, in characters. */
const NAME = 60;

/** @param {string} label @param {number} [most] */
const name = (label, most = NAME) => short(visible(label), most) || '∅';

/** What a target is called: a logit by its token. @param {Attribution} result @param {number} row */
function targetName({ targets }, row) {
  const label = targets.label[row] ?? '';
  if (targets.kind === 'logit') return `“${name(label.replace(/^'([^]*)'$/, '$1'), 30)}”`;
  return name(label);
}

/** What becomes of the source. @param {Attribution} result @param {number} column */
function act({ sources, request, baseline }, column) {
  if (request.patch === undefined) return sources.kind === 'token' ? 'Taking its embedding away' : 'Taking it away';
  const there = baseline?.activation[column] ?? 0;
  return `Setting it to what it is in “${name(request.patch, 40)}” (${brief(there)})`;
}

/**
 * Taking it away lowers “ tennis” by 2.41; the attribution predicted 2.63.
 * @param {Attribution} result
 * @param {Cell} cell
 * @param {number} ablation what the target loses
 */
export function measuredSentence(result, cell, ablation) {
  const predicted = result.attributions[cell.row * result.sources.pos.length + cell.column];
  const target = targetName(result, cell.row);
  const size = brief(Math.abs(ablation));
  const verb = ablation < 0 ? 'raises' : 'lowers';
  const did = ablation === 0 ? `does not change ${target}` : `${verb} ${target} by ${size}`;
  // Its sign is told where it is another one.
  const isOther = predicted !== 0 && ablation !== 0 && Math.sign(predicted) !== Math.sign(ablation);
  const said = isOther
    ? `it would ${predicted < 0 ? 'raise' : 'lower'} it by ${brief(Math.abs(predicted))}`
    : brief(Math.abs(predicted));
  return `${act(result, cell.column)} ${did}; the attribution predicted ${isOther ? 'that ' : ''}${said}.`;
}
