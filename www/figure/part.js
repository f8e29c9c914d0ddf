// A matrix of the columns of one token alone: what the view's `source_pos` asks for.

/** @typedef {import('./result.js').Shown} Shown */
/** @typedef {import('./view.js').View} View */
/** @typedef {import('./cells.js').Matrix} Matrix */
/** @typedef {{row: number, column: number}} Cell */

/**
 * The columns that are shown; undefined where all are, as where there is none at the position.
 * @param {Shown} result
 * @param {View} view
 * @returns {number[] | undefined}
 */
export function shownColumns({ sources: { pos } }, { source_pos }) {
  if (source_pos === undefined) return undefined;
  const columns = [...pos.keys()].filter((column) => pos[column] === source_pos);
  return columns.length > 0 && columns.length < pos.length ? columns : undefined;
}

/**
 * @template {Matrix} M
 * @param {M} matrix of all columns
 * @param {number[] | undefined} shown
 * @param {number} stride columns of its values
 * @returns {M} the same where all are shown; else with columns that are counted anew
 */
export function partOf(matrix, shown, stride) {
  if (!shown) return matrix;
  const { values, rows, columns } = matrix;
  const n = shown.length;
  const part = new Float32Array((values.length / stride) * n);
  for (let i = 0, row = 0; row < values.length; row += stride)
    for (const column of shown) part[i++] = values[row + column];
  const place = new Map(shown.map((column, i) => [column, i]));
  const kept = [...columns.order].filter((column) => place.has(column));
  // All are of one token: its group, if there are groups, is the only one.
  let first = 0;
  const group = columns.groups.find(({ end }) => {
    const has = columns.order.subarray(first, end).some((column) => place.has(column));
    first = end;
    return has;
  });
  return {
    ...matrix,
    values: part,
    rows,
    columns: {
      ...columns,
      n: kept.length,
      order: Uint32Array.from(kept, (column) => /** @type {number} */ (place.get(column))),
      groups: group ? [{ end: kept.length, label: group.label }] : [],
      pos: Uint32Array.from(shown, (column) => columns.pos[column]),
      label: (/** @type {number} */ node, /** @type {boolean} */ grouped) => columns.label(shown[node], grouped),
    },
  };
}

/** A cell of the result, of one of its part. @template {Cell} C @param {C} cell @param {number[] | undefined} shown @returns {C} */
export const wholeCell = (cell, shown) => (shown ? { ...cell, column: shown[cell.column] } : cell);

/** A cell of the part, of one of the result; undefined where the part is without it. @param {Cell} cell @param {number[] | undefined} shown */
export function partCell({ row, column }, shown) {
  const at = shown ? shown.indexOf(column) : column;
  return at < 0 ? undefined : { row, column: at };
}
