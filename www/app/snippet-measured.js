// Python that takes the pinned pair's source away and prints what that does beside the page's number. It goes behind the
// Python of snippet.js, whose names it uses: `model`, `tokens`, `source`, `at`, `x`, `hooks`, `targets`, `to`.

import { isPlace, writesAt } from '../runtime/places.js';
import { TOKENS } from '../figure/request.js';
import { exact } from '../figure/text.js';

/** @typedef {import('../figure/result.js').Saved} Saved */
/** @typedef {{row: number, column: number}} Cell */

/** A Python float: nothing else stands where a number is meant. @param {number} value */
const float = (value) => (Number.isFinite(value) ? exact(Math.fround(value)) : 'float("nan")');
/** @param {string} place */
const hook = (place) => (isPlace(place) ? `"${place}"` : '""');

/** Why the Python of a request does not give its attributions; nothing where it does. @param {Saved['request']} request */
export function notSame({ method = 'gradient', patch }) {
  if (method !== 'gradient')
    return 'This Python computes gradient × activation; the attributions of this result are of another method.';
  return patch === undefined
    ? ''
    : 'This Python computes gradient × activation; the attributions of this result are of what differs from another prompt.';
}

/**
 * @param {Saved} result
 * @param {Cell} cell
 * @param {number} measured what the target loses, as the page found it
 * @returns {string} nothing for tokens, and where the SAE's error is left out: there is no SAELens for it
 */
export function measuredPython(result, { row, column }, measured) {
  const { sources, targets, request, baseline } = result;
  if (request.from === TOKENS || request.error === 'omit') return '';
  const [pos, latent] = [sources.pos[column], sources.latent[column]];
  const value = float(baseline?.activation[column] ?? 0);
  const isToLatents = targets.kind === 'latent';
  const writes = sources.sae?.hook_name_out ?? writesAt(request.from);
  const target = isToLatents ? `0, ${targets.pos[row]}, ${targets.latent[row]}` : String(row);
  const what = baseline ? 'set to what it is in the other prompt' : 'taken away';
  const head = `
# What the target loses where latent ${latent} at position ${pos} is ${what}, nothing linearised.
`;
  const print = `print("measured here", round(lost.item(), 6), "on the page", ${float(measured)})
`;
  if (writes !== request.from)
    // SAELens keeps no error of what writes elsewhere: the sources are replaced as they were for the gradients.
    return `${head}i = int(((at[1] == ${pos}) & (at[2] == ${latent})).nonzero())
without = x.clone()
without[i] = ${value}
lost = (targets(x)[to] - targets(without)[to])[${row}]
${print}`;
  return `${head}def without(acts, hook):
    acts[0, ${pos}, ${latent}] = ${value}
    return acts

def read():
${
  isToLatents
    ? `    found = []
    model.run_with_hooks(tokens, fwd_hooks=[(${hook(String(request.to))}, lambda y, hook: found.append(y.clone()))])
    return target.encode(found[0])[${target}]`
    : `    logits = model(tokens)[0, -1]
    return ${targets.kind === 'logit_difference' ? 'logits[positive] - logits[negative]' : `(logits - logits.mean())[to[${target}]]`}`
}

with model.saes(saes=[source], use_error_term=True):   # what the SAE misses stays as it is
    before = read()
    with model.hooks(fwd_hooks=[(source.cfg.hook_name + ".hook_sae_acts_post", without)]):
        lost = before - read()
${print}`;
}
