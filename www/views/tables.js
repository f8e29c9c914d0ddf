// The numbers beside a heatmap, as tables.

/** @typedef {import('../protocol.js').Attribution} Attribution */

/** Rows of the list of pairs; the JSON has all of them. */
const SHOWN_PAIRS = 200;

/** @param {number} value */
export function number(value) {
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(4) : value.toPrecision(6);
}

/**
 * @param {Document} document
 * @param {string} title
 * @param {string[][]} rows the first is the head if `head`
 * @param {{head?: boolean, note?: string}} [options]
 */
function table(document, title, rows, { head = false, note } = {}) {
  const heading = document.createElement('h2');
  heading.textContent = title;
  const element = document.createElement('table');
  rows.forEach((cells, i) => {
    const row = element.insertRow();
    cells.forEach((text, j) => {
      const isHead = (head && i === 0) || (!head && j === 0);
      const cell = document.createElement(isHead ? 'th' : 'td');
      if (isHead) cell.scope = head ? 'col' : 'row';
      cell.textContent = text;
      row.append(cell);
    });
  });
  const box = document.createElement('div');
  box.className = 'scroll';
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', title);
  box.append(element);
  const parts = [heading, box];
  if (note) {
    const line = document.createElement('p');
    line.className = 'quiet';
    line.textContent = note;
    parts.push(line);
  }
  return parts;
}

/** @param {Attribution} result @param {Document} document */
export function statistics(result, document) {
  const { statistics: s, sources, targets } = result;
  const ratio = (/** @type {import('../protocol.js').Ratio} */ r) =>
    `${number(r.nonzero)} of ${number(r.total)} = ${number(r.ratio)}`;
  const rows = [
    ['Sources × targets', `${number(sources.pos.length)} × ${number(targets.pos.length)}`],
    ['Sparsity, as the notebook counts it', ratio(s.sparsity)],
    ['Sparsity, positions counted', ratio(s.sparsity_over_positions)],
    ['Σ |source activation|', number(s.source_l1)],
    ['Σ |target activation|', number(s.target_l1)],
    ['Σ |gradient|', number(s.gradient_l1)],
    ['Σ |attribution|', number(s.attribution_l1)],
  ];
  s.sae_error_norm.forEach((norm, pos) => rows.push([`SAE error norm at ${pos}`, number(norm)]));
  return table(document, 'Statistics', rows);
}

/**
 * The `k` of `n` indices with the largest values, largest first; of equal ones the first. Does not
 * sort them all: there can be a million.
 * @param {number} n
 * @param {number} k
 * @param {(i: number) => number} at
 */
function largest(n, k, at) {
  /** @type {number[]} */
  const top = [];
  for (let i = 0; i < n; i++) {
    const value = at(i);
    if (top.length === k && value <= at(top[k - 1])) continue;
    let place = top.length;
    while (place > 0 && at(top[place - 1]) < value) place--;
    top.splice(place, 0, i);
    if (top.length > k) top.pop();
  }
  return top;
}

/** @param {Attribution} result @param {Document} document */
export function pairs(result, document) {
  const found = result.off_staircase;
  if (!found) return [];
  const at = (/** @type {number} */ i) =>
    result.attributions[found.target[i] * result.sources.pos.length + found.source[i]];
  const rows = largest(found.target.length, SHOWN_PAIRS, at).map((i) => [
    result.sources.label[found.source[i]],
    result.targets.label[found.target[i]],
    number(at(i)),
  ]);
  const title = `Cross-position pairs over ${number(found.threshold)}: ${found.target.length}`;
  const note = found.target.length > SHOWN_PAIRS ? `The largest ${SHOWN_PAIRS} are shown.` : undefined;
  return table(document, title, [['From', 'To', 'Attribution'], ...rows], { head: true, note });
}

/** @param {Attribution} result @param {Document} document */
export function logits(result, document) {
  const list = (/** @type {string} */ title, /** @type {import('../protocol.js').Logits | undefined} */ found) =>
    found
      ? table(
          document,
          title,
          [
            ['Token', 'Logit', 'Probability'],
            ...found.token_id.map((_, i) => [
              JSON.stringify(found.string[i]),
              number(found.logit[i]),
              `${(100 * found.probability[i]).toPrecision(4)} %`,
            ]),
          ],
          { head: true },
        )
      : [];
  return [...list('The two logits', result.pair_logits), ...list('Largest logits', result.top_logits)];
}
