// Which columns are ranked: listed as strongest, stepped to, sorted by, told first, and what the colours' end is
// chosen by. The first token of every prompt, <|endoftext|>, dwarfs all others in GPT-2 and says little of the
// prompt, so what stands at it is drawn and counted, but ranked only where the view asks for it. Where it asks for
// one token, only that one's are.

/** @typedef {import('./result.js').Shown} Shown */
/** @typedef {import('./view.js').View} View */

/** Where a prompt's first token, BOS, stands. */
const FIRST = 0;

/** Whether there are columns of <|endoftext|> beside others: of one's own numbers nothing is known. @param {Shown} result */
export function hasFirst({ request, sources: { pos } }) {
  return request !== undefined && pos.includes(FIRST) && pos.some((at) => at !== FIRST);
}

/** Whether a view leaves it out. @param {Shown} result @param {View} view */
export const leavesFirstOut = (result, view) => !view.bos && view.source_pos === undefined && hasFirst(result);

/**
 * For each column 1 if it is ranked, else 0; undefined where all are.
 * @param {Shown} result
 * @param {View} view
 */
export function rankedColumns(result, view) {
  const { pos } = result.sources;
  const { source_pos } = view;
  if (source_pos !== undefined && pos.includes(source_pos))
    return Uint8Array.from(pos, (at) => Number(at === source_pos));
  if (!leavesFirstOut(result, view)) return undefined;
  return Uint8Array.from(pos, (at) => Number(at !== FIRST));
}
