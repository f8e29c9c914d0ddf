//! Matrix products on the CPU: one thread, SIMD, blocked for the caches.
//!
//! The scheme is that of Goto & van de Geijn, "Anatomy of High-Performance Matrix Multiplication"
//! (ACM TOMS 34, 2008): a panel of the right matrix stays in the L1 cache while rows of the left
//! one stream past it, and a register block of the result is touched once per `INNER` products.

use super::lane::Lane;

/// Rows of a register block. Three by three sums, three columns and one row fill the 16 registers
/// of x86; larger blocks spill (measured in V8: 4 × 2 lanes 43, 3 × 3 50, 6 × 2 22 GFLOP/s).
const BLOCK_ROWS: usize = 3;
/// Columns of a register block, in lanes.
const BLOCK_LANES: usize = 3;
/// Columns of a register block.
const BLOCK_COLUMNS: usize = BLOCK_LANES * Lane::LEN;
/// Products summed in registers before the result is touched: a panel of these is 12 KiB.
const INNER: usize = 256;
/// Panels packed at a time: their columns fill three cache lines, where those of one panel share
/// lines with the next, which the rows of a wide matrix evict between the two.
const PANELS: usize = 4;
/// Columns of these.
const PANELS_COLUMNS: usize = PANELS * BLOCK_COLUMNS;
/// Rows of the right matrix that [`dot_block`] takes at a time.
const DOT_COLUMNS: usize = 3;
/// Numbers of a group of these rows: 256 KiB, a part of the L2 cache.
const DOT_GROUP: usize = 64 << 10;
/// Left rows packed at a time: 256 KiB with `INNER`, a part of the L2 cache.
const ROWS: usize = 252;
/// Columns of a single row that are summed at a time: 12 KiB, a part of the L1 cache.
const STRIPE: usize = 3072;
/// Right rows that a single row takes at a time.
const STRIPE_ROWS: usize = 4;

/// Adds `x w` to `out`.
///
/// # Shapes
/// - `x`: `[rows, inner]`, `w`: `[inner, columns]`, `out`: `[rows, columns]`
pub(super) fn add_product(
    x: &[f32],
    w: &[f32],
    out: &mut [f32],
    [rows, inner, columns]: [usize; 3],
) {
    if rows == 1 {
        return add_row_product(x, w, out);
    }
    let mut left = vec![0f32; ROWS.min(rows.next_multiple_of(BLOCK_ROWS)) * INNER.min(inner)];
    let mut panels = [[[0f32; BLOCK_COLUMNS]; INNER]; PANELS];
    for first_row in (0..rows).step_by(ROWS) {
        let n_rows = ROWS.min(rows - first_row);
        let blocks = even_blocks(n_rows);
        for first in (0..inner).step_by(INNER) {
            let depth = INNER.min(inner - first);
            pack_left(&x[first_row * inner..], inner, first, depth, &blocks, &mut left);
            for column in (0..columns).step_by(BLOCK_COLUMNS) {
                let panel = column / BLOCK_COLUMNS % PANELS;
                if panel == 0 {
                    pack_panels(&w[first * columns..], columns, column, depth, &mut panels);
                }
                let panel = &panels[panel][..depth];
                let width = BLOCK_COLUMNS.min(columns - column);
                let mut packed = &left[..];
                let mut row = first_row;
                for &n in &blocks {
                    let (block, rest) = packed.split_at(n * depth);
                    packed = rest;
                    let out = &mut out[row * columns + column..];
                    match n {
                        1 => add_block::<1>(block, panel, out, columns, width),
                        2 => add_block::<2>(block, panel, out, columns, width),
                        _ => add_block::<BLOCK_ROWS>(block, panel, out, columns, width),
                    }
                    row += n;
                }
            }
        }
    }
}

/// Adds `x w` to a row: nothing is read twice, so nothing is packed. A token of a continuation is such a row,
/// as fast as memory gives the weights. Every sum is made in the order of [`add_product`], so that a row is the
/// same alone and among others.
///
/// # Shapes
/// - `x`: `[inner]`, `w`: `[inner, columns]`, `out`: `[columns]`
fn add_row_product(x: &[f32], w: &[f32], out: &mut [f32]) {
    let columns = out.len();
    let mut sums = [0f32; STRIPE];
    for (x, w) in x.chunks(INNER).zip(w.chunks(INNER * columns)) {
        for (stripe, out) in out.chunks_mut(STRIPE).enumerate() {
            let width = out.len();
            let sums = &mut sums[..width];
            sums.fill(0.0);
            for (x, w) in x.chunks(STRIPE_ROWS).zip(w.chunks(STRIPE_ROWS * columns)) {
                let row = |i: usize| &w[i * columns + stripe * STRIPE..][..width];
                match x.first_chunk::<STRIPE_ROWS>() {
                    Some(x) => add_rows(*x, std::array::from_fn(row), sums),
                    None => (0..x.len()).for_each(|i| add_rows([x[i]], [row(i)], sums)),
                }
            }
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out += *sum);
        }
    }
}

/// Adds `N` rows, each times a number, to the sums.
#[cfg_attr(
    all(feature = "relaxed-simd", target_arch = "wasm32"),
    target_feature(enable = "relaxed-simd")
)]
fn add_rows<const N: usize>(x: [f32; N], rows: [&[f32]; N], sums: &mut [f32]) {
    let x = x.map(Lane::splat);
    let parts = rows.map(|row| row.as_chunks::<{ Lane::LEN }>());
    let (sums, sums_rest) = sums.as_chunks_mut::<{ Lane::LEN }>();
    for (k, to) in sums.iter_mut().enumerate() {
        let mut sum = Lane::load(to, 0);
        for i in 0..N {
            sum = x[i].mul_add(Lane::load(&parts[i].0[k], 0), sum);
        }
        sum.store(to, 0);
    }
    // In a lane as well, or they would be rounded otherwise.
    let padded = |rest: &[f32]| {
        let mut values = [0f32; Lane::LEN];
        values[..rest.len()].copy_from_slice(rest);
        values
    };
    let mut sum = Lane::load(&padded(sums_rest), 0);
    for i in 0..N {
        sum = x[i].mul_add(Lane::load(&padded(parts[i].1), 0), sum);
    }
    let mut values = [0f32; Lane::LEN];
    sum.store(&mut values, 0);
    sums_rest.copy_from_slice(&values[..sums_rest.len()]);
}

/// Splits rows into register blocks of nearly the same height: 4 into 2 and 2, not 3 and 1.
fn even_blocks(rows: usize) -> Vec<usize> {
    let n = rows.div_ceil(BLOCK_ROWS);
    (0..n).map(|i| rows / n + usize::from(i < rows % n)).collect()
}

/// Copies rows so that a register block finds the numbers of one step side by side.
fn pack_left(
    x: &[f32],
    stride: usize,
    first: usize,
    depth: usize,
    blocks: &[usize],
    packed: &mut [f32],
) {
    let mut packed = packed;
    let mut row = 0;
    for &n in blocks {
        let (block, rest) = packed.split_at_mut(n * depth);
        packed = rest;
        for i in 0..n {
            let x = &x[(row + i) * stride + first..][..depth];
            for (to, &value) in block[i..].iter_mut().step_by(n).zip(x) {
                *to = value;
            }
        }
        row += n;
    }
}

/// Copies columns from `column` on, beyond the last one zeros.
fn pack_panels(
    w: &[f32],
    stride: usize,
    column: usize,
    depth: usize,
    panels: &mut [[[f32; BLOCK_COLUMNS]; INNER]; PANELS],
) {
    for (i, from) in w.chunks(stride).take(depth).enumerate() {
        let from = &from[column..];
        if let Some(from) = from.first_chunk::<PANELS_COLUMNS>() {
            let (parts, _) = from.as_chunks::<BLOCK_COLUMNS>();
            for (panel, part) in panels.iter_mut().zip(parts) {
                panel[i] = *part;
            }
        } else {
            for (panel, part) in panels.iter_mut().zip(from.chunks(BLOCK_COLUMNS)) {
                panel[i][..part.len()].copy_from_slice(part);
                panel[i][part.len()..].fill(0.0);
            }
        }
    }
}

/// Adds the product of a packed block of `N` rows and a panel to the result.
#[cfg_attr(
    all(feature = "relaxed-simd", target_arch = "wasm32"),
    target_feature(enable = "relaxed-simd")
)]
fn add_block<const N: usize>(
    block: &[f32],
    panel: &[[f32; BLOCK_COLUMNS]],
    out: &mut [f32],
    stride: usize,
    width: usize,
) {
    let (block, _) = block.as_chunks::<N>();
    let mut sums = [[Lane::ZERO; BLOCK_LANES]; N];
    for (x, w) in block.iter().zip(panel) {
        let w: [Lane; BLOCK_LANES] = std::array::from_fn(|lane| Lane::load(w, lane));
        for i in 0..N {
            let x = Lane::splat(x[i]);
            for lane in 0..BLOCK_LANES {
                sums[i][lane] = x.mul_add(w[lane], sums[i][lane]);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        let mut values = [0f32; BLOCK_COLUMNS];
        for (lane, sum) in sums.iter().enumerate() {
            sum.store(&mut values, lane);
        }
        let out = &mut out[i * stride..][..width];
        out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
    }
}

/// Adds `x wᵀ` to `out`. Rows against rows need no panel: both sides are contiguous already. A
/// group of right rows stays in the L2 cache while left ones stream past it.
///
/// # Shapes
/// - `x`: `[rows, inner]`, `w`: `[columns, inner]`, `out`: `[rows, columns]`
pub(super) fn add_transposed_product(
    x: &[f32],
    w: &[f32],
    out: &mut [f32],
    [rows, inner, columns]: [usize; 3],
) {
    let blocks = even_blocks(rows);
    let group = (DOT_GROUP / inner).max(1).next_multiple_of(DOT_COLUMNS);
    for (first, w) in (0..columns).step_by(group).zip(w.chunks(group * inner)) {
        let mut row = 0;
        for &n in &blocks {
            let x = &x[row * inner..][..n * inner];
            for (column, w) in (first..).step_by(DOT_COLUMNS).zip(w.chunks(DOT_COLUMNS * inner)) {
                let out = &mut out[row * columns + column..];
                match (n, w.len() == DOT_COLUMNS * inner) {
                    (1, true) => dot_block::<1>(x, w, out, inner, columns),
                    (2, true) => dot_block::<2>(x, w, out, inner, columns),
                    (_, true) => dot_block::<BLOCK_ROWS>(x, w, out, inner, columns),
                    (_, false) => {
                        for (x, out) in x.chunks_exact(inner).zip(out.chunks_mut(columns)) {
                            let sums = w.chunks_exact(inner).map(|w| dot(x, w));
                            out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
                        }
                    }
                }
            }
            row += n;
        }
    }
}

/// Adds the dot products of `N` rows with `DOT_COLUMNS` others to the result.
#[cfg_attr(
    all(feature = "relaxed-simd", target_arch = "wasm32"),
    target_feature(enable = "relaxed-simd")
)]
fn dot_block<const N: usize>(x: &[f32], w: &[f32], out: &mut [f32], inner: usize, stride: usize) {
    let x: [&[f32]; N] = std::array::from_fn(|i| &x[i * inner..][..inner]);
    let w: [&[f32]; DOT_COLUMNS] = std::array::from_fn(|j| &w[j * inner..][..inner]);
    let x_lanes = x.map(|row| row.as_chunks::<{ Lane::LEN }>().0);
    let w_lanes = w.map(|row| row.as_chunks::<{ Lane::LEN }>().0);
    let steps = inner / Lane::LEN;
    let mut sums = [[Lane::ZERO; DOT_COLUMNS]; N];
    for k in 0..steps {
        let w: [Lane; DOT_COLUMNS] = std::array::from_fn(|j| Lane::load(&w_lanes[j][k], 0));
        for i in 0..N {
            let x = Lane::load(&x_lanes[i][k], 0);
            for j in 0..DOT_COLUMNS {
                sums[i][j] = x.mul_add(w[j], sums[i][j]);
            }
        }
    }
    for i in 0..N {
        for j in 0..DOT_COLUMNS {
            let mut values = [0f32; Lane::LEN];
            sums[i][j].store(&mut values, 0);
            let rest = steps * Lane::LEN..inner;
            let rest = x[i][rest.clone()].iter().zip(&w[j][rest]).map(|(a, b)| a * b);
            out[i * stride + j] += values.iter().sum::<f32>() + rest.sum::<f32>();
        }
    }
}

/// `Σ a b`
#[cfg_attr(
    all(feature = "relaxed-simd", target_arch = "wasm32"),
    target_feature(enable = "relaxed-simd")
)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const WIDTH: usize = 4 * Lane::LEN;
    let (a, a_rest) = a.as_chunks::<WIDTH>();
    let (b, b_rest) = b.as_chunks::<WIDTH>();
    let mut sums = [Lane::ZERO; 4];
    for (a, b) in a.iter().zip(b) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum = Lane::load(a, lane).mul_add(Lane::load(b, lane), *sum);
        }
    }
    let mut values = [0f32; WIDTH];
    for (lane, sum) in sums.iter().enumerate() {
        sum.store(&mut values, lane);
    }
    values.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
