// How well a result's attributions predict what was measured, in a few words.

/** @typedef {import('../runtime/protocol.js').Fit} Fit */

/** Why there are no figures. @type {Record<NonNullable<Fit['lacks']>, string>} */
export const LACKS = {
  all_zero: 'all attributions and ablations are 0',
  too_few: 'fewer than three pairs are not 0',
  constant: 'all attributions, or all ablations, are equal',
};

/** A correlation to two digits: what is nearly perfect is not called so. @param {number} r */
export function correlation(r) {
  const size = Math.abs(r);
  const text = size < 1 && size > 0.99 ? (Math.floor(size * 1000) / 1000).toFixed(3) : size.toFixed(2);
  return `${r < 0 && Number(text) !== 0 ? '−' : ''}${text}`;
}

/** What a result says of its predictions in a few words; nothing where it was not measured. @param {import('./result.js').Shown} result */
export function badgeOf(result) {
  const fit = 'agreement' in result ? result.agreement?.all : undefined;
  if (!fit) return '';
  if (fit.lacks) return `predicted vs measured: no figure, ${LACKS[fit.lacks]}`;
  return `r = ${correlation(fit.pearson ?? 0)} predicted vs measured`;
}
