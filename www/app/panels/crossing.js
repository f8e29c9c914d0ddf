// The pairs that cross positions with an attribution over a threshold in size, and the threshold: as a number, as a slider.

import { pairsAcross } from '../../figure/analysis.js';
import { lastOnly } from '../../figure/last.js';
import { brief } from '../../figure/text.js';
import * as findings from './findings.js';

/** Positions of the threshold's slider, from hardly anything to the largest attribution. */
const SLIDER = 1000;
const SLIDER_DECADES = 4;

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {() => number} options.largest the largest attribution across positions; 0 where there is none
 * @param {import('../../figure/axes.js').MeaningOf} options.meaning
 * @param {(cell: {row: number, column: number}) => void} options.onPick a pair was chosen
 * @param {(threshold: number) => void} options.onThreshold another threshold was chosen
 */
export function createCrossing(root, { largest, meaning, onPick, onThreshold }) {
  const document = root.ownerDocument;
  /** @param {string} id @returns {any} */
  const element = (id) => root.querySelector(`#${id}`);
  const [field, slider] = [element('threshold'), element('threshold-slider')];
  const latest = lastOnly();

  /** @param {number} threshold */
  function choose(threshold) {
    if (Number.isFinite(threshold)) onThreshold(threshold);
  }

  field.addEventListener('change', () => choose(field.valueAsNumber));
  slider.addEventListener('input', () => {
    const part = slider.valueAsNumber / SLIDER;
    choose(Number(((largest() || 1) * 10 ** (SLIDER_DECADES * (part - 1))).toPrecision(3)));
  });

  return {
    /** For the next result: lists nothing yet. */
    set threshold(/** @type {number} */ threshold) {
      field.value = threshold;
    },

    /**
     * Lists the pairs of a result over a threshold.
     * @param {import('../../figure/result.js').Saved} result
     * @param {number} threshold
     */
    async list(result, threshold) {
      const alive = latest();
      field.value = threshold;
      const part = Math.log10(Math.max(threshold, 0) / (largest() || 1)) / SLIDER_DECADES + 1;
      slider.value = Math.round(SLIDER * Math.max(0, Math.min(1, part || 0)));
      slider.setAttribute('aria-valuetext', brief(threshold));
      const pairs = await pairsAcross(result, threshold, alive);
      if (!pairs || !alive()) return;
      const most = largest();
      const options = {
        document,
        meaning,
        onPick,
        onLower: choose,
        lower: most > 0 ? Number((most / 4).toPrecision(1)) : undefined,
      };
      element('pairs').replaceChildren(...findings.pairsAcross(result, pairs, options));
    },

    /** Lists no more of the result before. */
    forget: () => void latest(),
  };
}
