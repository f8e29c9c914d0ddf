// Which matrix of a result is looked at: what it predicts, what was measured, or how far apart the two are.

/** @typedef {import('./result.js').Shown} Shown */
/** @typedef {'attributions' | 'gradients' | 'ablations' | 'misses'} Values */

/** Each as a word; misses are attribution − ablation: what the attribution says too much. @type {Record<Values, string>} */
export const VALUES = {
  attributions: 'attributions',
  gradients: 'gradients',
  ablations: 'ablations',
  misses: 'attributions − ablations',
};

/** What one cell of each is called. @type {Record<Values, string>} */
export const VALUE = {
  attributions: 'attribution',
  gradients: 'gradient',
  ablations: 'ablation',
  misses: 'attribution − ablation',
};

/** Made once for each result: summaries and pictures ask again and again. @type {WeakMap<Shown, Float32Array>} */
const differences = new WeakMap();

/** What was measured; nothing where nobody did. @param {Shown} result @returns {Float32Array | undefined} */
export const ablationsOf = (result) => ('ablations' in result ? result.ablations : undefined);

/**
 * Whether a result has these values.
 * @param {Shown} result
 * @param {Values} shown
 */
export function hasValues(result, shown) {
  if (shown === 'ablations' || shown === 'misses') return ablationsOf(result) !== undefined;
  return shown === 'attributions' || result.gradients.length === result.attributions.length;
}

/**
 * The matrix, `[targets, sources]` row-major; of what a result does not have, its attributions.
 * @param {Shown} result
 * @param {Values} shown
 * @returns {Float32Array}
 */
export function valuesOf(result, shown) {
  if (!hasValues(result, shown)) return result.attributions;
  if (shown === 'attributions' || shown === 'gradients') return result[shown];
  const measured = /** @type {Float32Array} */ (ablationsOf(result));
  if (shown === 'ablations') return measured;
  let apart = differences.get(result);
  if (!apart) differences.set(result, (apart = result.attributions.map((value, i) => value - measured[i])));
  return apart;
}
