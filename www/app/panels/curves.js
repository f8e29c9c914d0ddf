// How few latents carry a target: with the n largest kept and with the n largest taken away, drawn when it is asked for.

import { nodeLabel } from '../../figure/axes.js';
import { brief, count, short, visible } from '../../figure/text.js';
import { ticks } from '../../figure/ticks.js';
import { describeError } from '../../runtime/error.js';
import { drawn } from './bars.js';
import { isolated, make, table } from './tables.js';

/** @typedef {import('../../figure/result.js').Saved} Saved */
/** @typedef {import('../../runtime/protocol.js').Curves} Curves */
/** @typedef {{row: number, column: number}} Cell */

/** The share of a target that is called enough. */
export const ENOUGH = 0.9;
/** Latents listed. */
const LISTED = 50;
/** Of the picture, and room for its numbers. */
const [WIDE, TALL, LEFT, BOTTOM, EDGE] = [460, 260, 44, 42, 10];

/**
 * The fewest of the counts that was run whose latents alone carry enough; nothing where none do.
 * @param {Curves} curves
 * @param {'with_error' | 'without_error'} which
 */
export function enough(curves, which) {
  const at = curves[which].faithfulness?.findIndex((share) => share >= ENOUGH) ?? -1;
  return at < 0 ? undefined : curves.counts[at];
}

/** What the curves say. @param {Curves} curves */
export function describeCurves(curves) {
  const n = curves.order.length;
  const target = short(visible(curves.target_label), 60);
  const told = (/** @type {'with_error' | 'without_error'} */ which, /** @type {string} */ how) => {
    if (!curves[which].faithfulness) return `${how}, taking all latents away changes nothing.`;
    const few = enough(curves, which);
    if (few === undefined) return `${how}, no number of them carries ${ENOUGH} of it.`;
    if (few === 0) return `${how}, none are needed for ${ENOUGH} of it.`;
    return few === 1
      ? `${how}, the latent with the largest attribution alone carries ${ENOUGH} of it or more.`
      : `${how}, one can stop at ${few}: the latents with the largest attributions carry ${ENOUGH} of it or more.`;
  };
  return `Of ${target} (${brief(curves.clean)} in the model, ${brief(curves.with_error.empty)} with all ${count(n, 'latent')} taken away): ${told('with_error', 'with the SAE’s error kept')} ${capital(told('without_error', 'with the error taken away, too'))}`;
}

/** @param {string} words */
const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** Each line: its class, what it is, its values. @param {Curves} curves @returns {[string, string, number[] | undefined][]} */
const lines = ({ with_error, without_error }) => [
  ['kept', 'these alone, error kept', with_error.faithfulness],
  ['kept omitted', 'these alone, without the error', without_error.faithfulness],
  ['removed', 'all but these, error kept', with_error.completeness],
  ['removed omitted', 'all but these, without the error', without_error.completeness],
];

/** @param {Curves} curves @param {Document} document */
function picture(curves, document) {
  const { counts } = curves;
  const values = lines(curves).flatMap(([, , shares]) => shares ?? []);
  const [least, most] = [Math.max(-1, Math.min(0, ...values)), Math.min(2, Math.max(1, ...values))];
  const end = Math.log1p(Math.max(1, counts[counts.length - 1]));
  const x = (/** @type {number} */ n) => LEFT + (Math.log1p(n) / end) * (WIDE - LEFT - EDGE);
  const y = (/** @type {number} */ share) =>
    EDGE + ((most - Math.max(least, Math.min(most, share))) / (most - least)) * (TALL - EDGE - BOTTOM);
  const svg = drawn(document, 'svg', { viewBox: `0 0 ${WIDE} ${TALL}`, class: 'curves', role: 'img' });
  svg.setAttribute('aria-label', 'Share of the target over the number of latents; the table beneath has its numbers.');
  const text = (
    /** @type {string} */ words,
    /** @type {number} */ at,
    /** @type {number} */ height,
    anchor = 'middle',
  ) => {
    const element = drawn(document, 'text', { x: at, y: height, 'text-anchor': anchor });
    element.textContent = words;
    svg.append(element);
  };
  for (const mark of ticks(least, most, 5)) {
    svg.append(
      drawn(document, 'path', {
        d: `M${LEFT} ${y(mark)}H${WIDE - EDGE}`,
        class: mark === 0 || mark === 1 ? 'end' : 'grid',
      }),
    );
    text(brief(mark), LEFT - 5, y(mark) + 4, 'end');
  }
  svg.append(drawn(document, 'path', { d: `M${LEFT} ${y(ENOUGH)}H${WIDE - EDGE}`, class: 'enough' }));
  let last = -Infinity;
  for (const n of counts) {
    if (x(n) - last < 24) continue;
    last = x(n);
    text(String(n), x(n), TALL - BOTTOM + 16);
  }
  text('latents, by |attribution| (axis: log(1 + n))', (LEFT + WIDE) / 2, TALL - 6);
  for (const [name, , shares] of lines(curves)) {
    if (!shares) continue;
    const points = shares.map((share, i) => `${x(counts[i]).toFixed(1)} ${y(share).toFixed(1)}`);
    svg.append(drawn(document, 'path', { d: `M${points.join('L')}`, class: name }));
  }
  return svg;
}

/** @param {Curves} curves @param {Document} document */
function key(curves, document) {
  const list = make(document, 'ul.key');
  for (const [name, words] of lines(curves)) {
    const sample = drawn(document, 'svg', { viewBox: '0 0 24 8', class: 'curves', 'aria-hidden': 'true' });
    sample.append(drawn(document, 'path', { d: 'M0 4H24', class: name }));
    const item = make(document, 'li', words);
    item.prepend(sample);
    list.append(item);
  }
  return list;
}

/**
 * The panel: a target, a button, what it found.
 * @param {HTMLElement} root
 * @param {object} options
 * @param {(request: import('../../runtime/protocol.js').CurveRequest, say: (text: string) => void, signal: AbortSignal) => Promise<Curves>} options.ask
 * @param {(cell: Cell) => void} options.onPick
 * @param {import('../../figure/axes.js').MeaningOf} options.meaning
 */
export function createCurvesPanel(root, { ask, onPick, meaning }) {
  const document = root.ownerDocument;
  /** @type {AbortController | undefined} */
  let running;

  /** @param {Saved} result @param {number} row the target that is offered first */
  function show(result, row) {
    running?.abort();
    const { sources, targets, request } = result;
    const why = refusal(result);
    if (why) return root.replaceChildren(make(document, 'p.quiet', why));
    const select = document.createElement('select');
    for (let i = 0; i < Math.min(targets.pos.length, 1000); i++)
      select.append(new Option(short(visible(nodeLabel(targets, i, meaning)), 60), String(i)));
    select.value = String(row);
    const [draw, cancel] = ['Draw the curves', 'Cancel'].map((words) => {
      const button = /** @type {HTMLButtonElement} */ (make(document, 'button', words));
      button.type = 'button';
      return button;
    });
    cancel.disabled = true;
    const status = make(document, 'p.quiet');
    status.setAttribute('role', 'status');
    status.textContent = `The model is run with some of the ${count(sources.pos.length, 'latent')} taken away, about ${2 * steps(sources.pos.length)} times.`;
    const found = make(document, 'div.check-parts');

    draw.addEventListener('click', async () => {
      const controller = (running = new AbortController());
      [draw.disabled, cancel.disabled] = [true, false];
      try {
        const { measure: _, ...asked } = request;
        const say = (/** @type {string} */ text) => (status.textContent = text);
        const curves = await ask({ request: asked, target: Number(select.value) }, say, controller.signal);
        // Another result may be shown by now.
        if (!root.contains(found)) return;
        status.textContent = describeCurves(curves);
        found.replaceChildren(...parts(curves, result, Number(select.value)));
      } catch (error) {
        const { code, message } = describeError(error);
        status.textContent = code === 'cancelled' ? 'Cancelled.' : `${message} [${code}]`;
      } finally {
        [draw.disabled, cancel.disabled] = [false, true];
      }
    });
    cancel.addEventListener('click', () => running?.abort());
    const head = make(document, 'div.lab-controls', make(document, 'label', 'Of ', select), draw, cancel);
    root.replaceChildren(head, status, found);
  }

  /** @param {Curves} curves @param {Saved} result @param {number} row */
  function parts(curves, result, row) {
    const { counts, order } = curves;
    const few = enough(curves, 'with_error') ?? 0;
    const share = (/** @type {number[] | undefined} */ of, /** @type {number} */ i) => (of ? of[i].toFixed(3) : '–');
    const numbers = table(document, {
      title: 'Shares of the target',
      head: ['Latents', ...lines(curves).map(([, words]) => words)],
      figures: 4,
      rows: counts.map((n, i) => [String(n), ...lines(curves).map(([, , of]) => share(of, i))]),
    });
    const list = table(document, {
      title: `Latents that carry ${ENOUGH} of it: ${few > LISTED ? `the first ${LISTED} of ${few}` : few}`,
      head: ['Latent', 'Attribution'],
      rows: order.slice(0, Math.min(few, LISTED)).map((column) => {
        const pick = make(document, 'button.pick', isolated(document, nodeLabel(result.sources, column, meaning)));
        pick.setAttribute('type', 'button');
        pick.addEventListener('click', () => onPick({ row, column }));
        return [pick, brief(result.attributions[row * result.sources.pos.length + column])];
      }),
    });
    return [
      make(document, 'div', picture(curves, document), key(curves, document)),
      make(document, 'div', ...(few > 0 ? list : [])),
      make(document, 'div.wide', ...numbers),
    ];
  }

  return { show, stop: () => running?.abort() };
}

/** Why there are no curves of a result. @param {Saved} result */
function refusal({ sources, targets, request }) {
  if (sources.kind !== 'latent') return 'Curves are of latents: this result is of tokens.';
  if (request.error === 'omit')
    return 'Curves are drawn with the SAE’s error and without it: this result leaves it out already.';
  return sources.pos.length === 0 || targets.pos.length === 0 ? 'There are no pairs.' : '';
}

/** About how many counts are run. @param {number} n */
const steps = (n) => 2 * (2 + Math.ceil(5 * Math.log10(Math.max(1, n))));
