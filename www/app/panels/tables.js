// The numbers beside a heatmap, as tables.

import { brief, number, short, visible } from '../../figure/text.js';

/** @typedef {import('../../runtime/protocol.js').Attribution} Attribution */

/** Logits shown: all of a vocabulary would be a table that nobody reads. */
const SHOWN = 1000;

/** @param {Document} document @param {string} name @param {...(string | Node)} content */
export function make(document, name, ...content) {
  const [tag, className] = name.split('.');
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

/** Text of others, which may run from right to left, kept to itself. @param {Document} document @param {string} text */
export function isolated(document, text) {
  return make(document, 'bdi', visible(text));
}

/**
 * A table that scrolls by itself, under its heading.
 * @param {Document} document
 * @param {object} options
 * @param {string} options.title
 * @param {string[]} [options.head]
 * @param {(string | Node)[][]} options.rows the first cell of each heads it
 * @param {string} [options.note] a line on what it shows
 * @param {number} [options.figures] this many last columns are figures
 */
export function table(document, { title, head, rows, note, figures = 1 }) {
  const element = document.createElement('table');
  const isFigure = (/** @type {number} */ j, /** @type {number} */ n) => j >= n - figures;
  const fill = (
    /** @type {HTMLTableRowElement} */ row,
    /** @type {(string | Node)[]} */ cells,
    /** @type {(j: number) => string | undefined} */ scope,
  ) =>
    cells.forEach((content, j) => {
      const cell = document.createElement(scope(j) ? 'th' : 'td');
      if (scope(j)) cell.scope = /** @type {string} */ (scope(j));
      if (isFigure(j, cells.length)) cell.className = 'figure';
      cell.append(content);
      row.append(cell);
    });
  if (head) fill(element.createTHead().insertRow(), head, () => 'col');
  const body = element.createTBody();
  for (const cells of rows) fill(body.insertRow(), cells, (j) => (j === 0 ? 'row' : undefined));
  const box = make(document, 'div.scroll', element);
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', title);
  const parts = [make(document, 'h3', title)];
  if (note) parts.push(make(document, 'p.quiet', note));
  return [...parts, box];
}

/**
 * What pairs are counted against, by what they are pairs of: as the notebook counts, and with positions.
 * @param {import('../../runtime/protocol.js').Nodes['kind']} from
 * @param {import('../../runtime/protocol.js').Nodes['kind']} to
 */
function pairsPossible(from, to) {
  if (from === 'latent' && to === 'latent')
    return {
      counted: 'latents² of the later SAE; positions left out',
      allowed: 'positions × latents of the one SAE × positions × latents of the other',
    };
  if (to === 'latent')
    return { counted: 'positions × latents of the SAE', allowed: 'tokens × positions × latents of the SAE' };
  const logits = to === 'logit' ? 'logits' : 'the one difference';
  return from === 'latent'
    ? {
        counted: `${logits} × latents of the SAE; positions left out`,
        allowed: `${logits} × positions × latents of the SAE`,
      }
    : { counted: `${logits} × tokens`, allowed: `${logits} × tokens` };
}

/** @param {Attribution} result @param {Document} document */
export function statistics(result, document) {
  const { statistics: s, sources, targets } = result;
  const ratio = (/** @type {import('../../runtime/protocol.js').Ratio} */ r) =>
    `${number(r.nonzero)} of ${number(r.total)} = ${number(r.ratio)}`;
  const { counted, allowed } = pairsPossible(sources.kind, targets.kind);
  const named = (/** @type {string} */ name, /** @type {string} */ meaning) => {
    const cell = document.createDocumentFragment();
    cell.append(name, make(document, 'small', meaning));
    return cell;
  };
  /** @type {(string | Node)[][]} */
  const rows = [
    [
      named('Sources × targets', 'columns and rows of the heatmap'),
      `${number(sources.pos.length)} × ${number(targets.pos.length)}`,
    ],
    [named('Sparsity, as the notebook counts it', `pairs over ${counted}`), ratio(s.sparsity)],
    [named('Sparsity, positions counted', `pairs over ${allowed}`), ratio(s.sparsity_over_positions)],
    [named('Σ |source activation|', 'how much is active at the sources'), number(s.source_l1)],
    [named('Σ |target activation|', 'how much is active at the targets'), number(s.target_l1)],
    [named('Σ |gradient|', 'how sensitive all targets are to all sources'), number(s.gradient_l1)],
    [named('Σ |attribution|', 'gradient × activation: what moves, whichever way'), number(s.attribution_l1)],
  ];
  if (s.sae_error_norm?.length > 0) {
    const norms = s.sae_error_norm;
    const at = (/** @type {(a: number, b: number) => boolean} */ better) =>
      norms.reduce((best, norm, i) => (better(norm, norms[best]) ? i : best), 0);
    const most = at((a, b) => a > b);
    rows.push([
      named('SAE error norm', 'what the source SAE leaves out at a position, held constant'),
      `${brief(norms[at((a, b) => a < b)])} to ${brief(norms[most])}, at ${short(visible(result.tokens.string[most] ?? ''), 20)} (${most})`,
    ]);
  }
  return table(document, {
    title: 'Sparsity and norms',
    rows,
    note: 'How many of the possible pairs there are, and how large all of them are together.',
  });
}

/** @param {Attribution} result @param {Document} document */
export function logits(result, document) {
  const list = (
    /** @type {string} */ title,
    /** @type {string} */ note,
    /** @type {import('../../runtime/protocol.js').Logits | undefined} */ found,
  ) => {
    if (!found) return [];
    const most = found.probability.reduce((a, b) => Math.max(a, b), 1e-12);
    const some = found.token_id.slice(0, SHOWN);
    return table(document, {
      title,
      note:
        some.length < found.token_id.length
          ? `${note} The first ${number(SHOWN)} of ${number(found.token_id.length)}.`
          : note,
      head: ['Token', 'Logit', 'Probability'],
      figures: 2,
      rows: some.map((id, i) => {
        const token = make(document, 'span.token', isolated(document, found.string[i] || '∅'));
        token.title = `token ${id}`;
        const bar = make(document, 'span.bar');
        bar.style.width = `${(100 * found.probability[i]) / most}%`;
        const probability = make(document, 'span.probability', bar, `${(100 * found.probability[i]).toPrecision(3)} %`);
        return [token, brief(found.logit[i]), probability];
      }),
    });
  };
  return [
    ...list('The two logits', 'Positive first; their difference is the target.', result.pair_logits),
    ...list('Largest logits', 'What the model expects next, after the last token.', result.top_logits),
  ];
}
