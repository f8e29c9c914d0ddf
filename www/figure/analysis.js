// What the page derives from a result: orders, totals, strongest pairs, pairs across positions.
//
// A result may hold millions of pairs: everything that looks at all of them goes in slices and lets
// the page breathe between two, so that no key or pointer waits.

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../runtime/protocol.js').Nodes} Nodes */

/** Pairs looked at without a breath: one or two milliseconds of work. */
const SLICE = 200_000;
/** Pairs kept in the list of the strongest. */
const STRONGEST = 200;

/** Resolves in a task of its own, after input that waits. @returns {Promise<void>} */
export function breath() {
  const scheduler = /** @type {any} */ (globalThis).scheduler;
  return scheduler?.yield ? scheduler.yield() : new Promise((resolve) => setTimeout(resolve));
}

/** Resolves when what was put on the page has been laid out and painted; soon where the page is hidden. */
export function frame() {
  const drawn = new Promise((resolve) => requestAnimationFrame(resolve));
  return Promise.race([drawn, new Promise((resolve) => setTimeout(resolve, 100))]).then(breath);
}

/**
 * Calls `row(target)` for each row, in slices.
 * @param {number} rows
 * @param {number} columns
 * @param {(row: number) => void} row
 * @param {() => boolean} alive asked after each breath: whether the answer is still wanted
 * @returns {Promise<boolean>} whether it came to the end
 */
async function eachRow(rows, columns, row, alive) {
  const slice = Math.max(1, Math.floor(SLICE / Math.max(columns, 1)));
  for (let first = 0; first < rows; first += slice) {
    if (first > 0) {
      await breath();
      if (!alive()) return false;
    }
    const end = Math.min(rows, first + slice);
    for (let target = first; target < end; target++) row(target);
  }
  return true;
}

/**
 * The `k` items with the largest key of those it is offered, largest first; of equal ones the first
 * offered. Never holds or sorts more than a few times `k`.
 * @param {number} k
 * @param {(item: number) => number} key
 */
function largest(k, key) {
  /** @type {number[]} */
  const kept = [];
  let floor = -Infinity;
  const cut = () => {
    kept.sort((a, b) => key(b) - key(a) || a - b);
    kept.length = Math.min(kept.length, k);
    if (kept.length === k) floor = key(kept[k - 1]);
  };
  return {
    /** @param {number} item @param {number} value its key */
    offer(item, value) {
      if (value <= floor) return;
      kept.push(item);
      // Cut rarely: a cut sorts.
      if (kept.length >= 8 * k) cut();
    },
    take() {
      cut();
      return kept;
    },
  };
}

/**
 * @typedef {object} Sums
 * @property {Float64Array} rowTotal Σ |value| of each row
 * @property {Float32Array} rowLargest
 * @property {Float64Array} columnTotal
 * @property {Float32Array} columnLargest
 * @property {number[]} strongest cells with the largest |value|, largest first
 */

/**
 * @typedef {object} Summary
 * @property {Sums} all of all ranked pairs
 * @property {Sums} across of those at different positions
 * @property {Whole} whole of all pairs, ranked or not
 */

/**
 * @typedef {object} Whole
 * @property {Float64Array} rowTotal Σ |value| of each row
 * @property {Float64Array} columnTotal
 * @property {Float64Array} rowUp the sum of its positive values
 * @property {number} [largestAcross] the cell with the largest |value| of those at different positions
 */

/** What a sentence takes of a row. @param {Summary} summary @param {number} row */
export const sumsAt = ({ whole }, row) => ({ total: whole.rowTotal[row], up: whole.rowUp[row] });

/**
 * @param {Float32Array} values [targets, sources] row-major
 * @param {Uint32Array} rowPos
 * @param {Uint32Array} columnPos
 * @param {() => boolean} [alive]
 * @param {Uint8Array} [ranked] 0 for each column that is not (ranking.js)
 * @returns {Promise<Summary | undefined>} undefined when it was no longer wanted
 */
export async function summarise(values, rowPos, columnPos, alive = () => true, ranked) {
  const nColumns = columnPos.length;
  const size = (/** @type {number} */ i) => Math.abs(values[i]);
  const sums = () => ({
    rowTotal: new Float64Array(rowPos.length),
    rowLargest: new Float32Array(rowPos.length),
    columnTotal: new Float64Array(nColumns),
    columnLargest: new Float32Array(nColumns),
    cells: largest(STRONGEST, size),
  });
  const [all, across] = [sums(), sums()];
  /** @type {Whole} */
  const whole = {
    rowTotal: new Float64Array(rowPos.length),
    rowUp: new Float64Array(rowPos.length),
    columnTotal: new Float64Array(nColumns),
  };
  let most = 0;
  const ended = await eachRow(
    rowPos.length,
    nColumns,
    (row) => {
      const start = row * nColumns;
      for (let column = 0; column < nColumns; column++) {
        const value = Math.abs(values[start + column]);
        if (value === 0) continue;
        whole.rowTotal[row] += value;
        whole.columnTotal[column] += value;
        const isAcross = rowPos[row] !== columnPos[column];
        if (values[start + column] > 0) whole.rowUp[row] += value;
        if (isAcross && value > most) [most, whole.largestAcross] = [value, start + column];
        if (ranked?.[column] === 0) continue;
        all.rowTotal[row] += value;
        all.columnTotal[column] += value;
        if (value > all.rowLargest[row]) all.rowLargest[row] = value;
        if (value > all.columnLargest[column]) all.columnLargest[column] = value;
        all.cells.offer(start + column, value);
        if (!isAcross) continue;
        across.rowTotal[row] += value;
        across.columnTotal[column] += value;
        if (value > across.rowLargest[row]) across.rowLargest[row] = value;
        if (value > across.columnLargest[column]) across.columnLargest[column] = value;
        across.cells.offer(start + column, value);
      }
    },
    alive,
  );
  if (!ended) return undefined;
  const taken = (/** @type {ReturnType<typeof sums>} */ { cells, ...rest }) => ({ ...rest, strongest: cells.take() });
  return { all: taken(all), across: taken(across), whole };
}

/**
 * @typedef {object} TokenPair pairs that lead from one position to another
 * @property {number} from position
 * @property {number} to
 * @property {number} count
 * @property {number} cell the strongest of them
 */

/**
 * Pairs at different positions with an attribution over a threshold in size, for any threshold. Counted, by the
 * positions that they connect, and the strongest. The positive ones are those that the runtime lists as
 * `off_staircase`; what a source takes away from its target is listed beside them.
 * @param {import('./result.js').Shown} result
 * @param {number} threshold compared as float32, as the runtime does
 * @param {() => boolean} [alive]
 * @returns {Promise<{threshold: number, count: number, positive: number, groups: number, strongestGroups: TokenPair[], strongest: number[]} | undefined>}
 *   groups: how many there are
 */
export async function pairsAcross(result, threshold, alive = () => true) {
  const { attributions, sources, targets } = result;
  const nColumns = sources.pos.length;
  const over = Math.fround(threshold);
  const size = (/** @type {number} */ i) => Math.abs(attributions[i]);
  const strongest = largest(STRONGEST, size);
  /** @type {Map<number, TokenPair>} */
  const groups = new Map();
  let [count, positive] = [0, 0];
  const ended = await eachRow(
    targets.pos.length,
    nColumns,
    (target) => {
      const start = target * nColumns;
      const to = targets.pos[target];
      /** The group of the source before, which mostly is this one's. @type {TokenPair | undefined} */
      let group;
      for (let source = 0; source < nColumns; source++) {
        const cell = start + source;
        const most = Math.abs(attributions[cell]);
        const from = sources.pos[source];
        if (!(most > over) || from === to) continue;
        count++;
        if (attributions[cell] > 0) positive++;
        strongest.offer(cell, most);
        if (group?.from !== from) {
          group = groups.get(from * POSITIONS + to);
          if (!group) groups.set(from * POSITIONS + to, (group = { from, to, count: 0, cell }));
        }
        group.count++;
        if (most > size(group.cell)) group.cell = cell;
      }
    },
    alive,
  );
  if (!ended) return undefined;
  const found = [...groups.values()];
  const first = largest(STRONGEST, (i) => size(found[i].cell));
  found.forEach(({ cell }, i) => first.offer(i, size(cell)));
  return {
    threshold,
    count,
    positive,
    groups: found.length,
    strongestGroups: first.take().map((i) => found[i]),
    strongest: strongest.take(),
  };
}

/**
 * Σ |value| between positions, `[to, from]` row-major.
 * @param {Float32Array} values
 * @param {Uint32Array} rowPos
 * @param {Uint32Array} columnPos
 * @param {number} n the first positions
 * @param {() => boolean} [alive]
 * @returns {Promise<Float64Array | undefined>} undefined when it was no longer wanted
 */
export async function betweenPositions(values, rowPos, columnPos, n, alive = () => true) {
  const sums = new Float64Array(n * n);
  const ended = await eachRow(
    rowPos.length,
    columnPos.length,
    (row) => {
      const [to, start] = [rowPos[row], row * columnPos.length];
      if (to >= n) return;
      for (let column = 0; column < columnPos.length; column++) {
        const from = columnPos[column];
        if (from < n) sums[to * n + from] += Math.abs(values[start + column]);
      }
    },
    alive,
  );
  return ended ? sums : undefined;
}

/** More than any prompt has. */
const POSITIONS = 65536;

/** @typedef {'position' | 'value' | 'largest' | 'total'} Sort */

/**
 * Nodes in the order of a key, largest first; without a key as they are.
 * @param {number} n
 * @param {ArrayLike<number>} [key]
 */
export function order(n, key) {
  const places = Uint32Array.from({ length: n }, (_, i) => i);
  return key ? places.sort((a, b) => key[b] - key[a] || a - b) : places;
}

/**
 * Runs of nodes at one position, where nodes are in their own order.
 * @param {Uint32Array} pos
 * @param {string[]} tokens
 */
export function groups(pos, tokens) {
  /** @type {{end: number, label: string}[]} */
  const runs = [];
  for (let i = 0; i < pos.length; i++) {
    if (i === 0 || pos[i] !== pos[i - 1]) runs.push({ end: i, label: `${tokens[pos[i]] ?? ''} (${pos[i]})` });
    runs[runs.length - 1].end = i + 1;
  }
  return runs;
}
