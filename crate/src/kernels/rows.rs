//! How the tangents (or cotangents) of many directions are packed into one matrix.

use std::ops::Range;

use burn::tensor::{Device, Tensor};
#[cfg(feature = "webgpu")]
use burn::tensor::{Int, TensorData};

/// Which direction has a row at which position.
///
/// Directions are numbered in ascending order of their position. Causality makes the directions
/// with a row at one position a contiguous range: a source is felt at its own and all later
/// positions, a target listens to its own and all earlier ones. So rows are stored position by
/// position, and row `base[pos] + direction` belongs to `direction` at `pos`. No row is spent on
/// what is zero.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Directions at each position.
    pub(super) directions: Vec<Range<usize>>,
    /// Row of direction 0 at each position, were it there.
    pub(super) base: Vec<i64>,
    /// Number of rows.
    len: usize,
    /// `first, end, base` of every position, then the position of every row.
    #[cfg(feature = "webgpu")]
    pub(super) table: Tensor<1, Int>,
}

impl Rows {
    /// Rows for the given directions at each position.
    #[cfg_attr(not(feature = "webgpu"), expect(unused_variables, reason = "the host has it all"))]
    pub fn new(directions: Vec<Range<usize>>, device: &Device) -> Self {
        let mut base = Vec::with_capacity(directions.len());
        let mut len = 0;
        for range in &directions {
            let first_row = len as i64 - range.start as i64;
            base.push(first_row);
            len += range.len();
        }
        Self {
            #[cfg(feature = "webgpu")]
            table: table(&directions, &base, device),
            directions,
            base,
            len,
        }
    }

    /// One row for each direction, in its position; positions ascend.
    pub fn own(pos: &[u32], n_pos: usize, device: &Device) -> Self {
        Self::new(own_positions(pos, n_pos), device)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of positions, with or without rows.
    pub fn n_pos(&self) -> usize {
        self.directions.len()
    }

    /// Directions at a position.
    pub fn directions(&self, pos: usize) -> Range<usize> {
        self.directions[pos].clone()
    }

    /// Where the rows of a position are.
    pub fn range(&self, pos: usize) -> Range<usize> {
        let at = |direction: usize| (self.base[pos] + direction as i64) as usize;
        at(self.directions[pos].start)..at(self.directions[pos].end)
    }
}

/// From `start` on, the next items of which so many rows fit together, and one at least.
pub fn next_batch(
    start: usize,
    n: usize,
    most: u64,
    rows_of: impl Fn(usize) -> u64,
) -> Range<usize> {
    let mut rows = 0;
    let mut end = start;
    while end < n {
        rows += rows_of(end);
        if end > start && rows > most {
            break;
        }
        end += 1;
    }
    start..end
}

/// Positions of a run of which the first are known already, and the others are computed.
#[derive(Debug, Clone)]
pub struct Joined {
    known: usize,
    new: Rows,
    all: Rows,
}

impl Joined {
    /// `known` of `n_pos` positions, and not all of them.
    pub fn new(known: usize, n_pos: usize, device: &Device) -> Self {
        assert!(known < n_pos, "there is nothing to compute");
        let from = |first: usize| (0..n_pos).map(|pos| 0..usize::from(pos >= first)).collect();
        Self { known, new: Rows::new(from(known), device), all: Rows::new(from(0), device) }
    }

    /// How many positions are known.
    pub fn known(&self) -> usize {
        self.known
    }

    /// Rows of the positions that are computed.
    pub fn new_rows(&self, all: &Tensor<2>) -> Tensor<2> {
        let indices: Vec<u32> = (self.known as u32..self.all.len() as u32).collect();
        super::gather_rows(all, &indices)
    }

    /// Rows of all positions.
    ///
    /// # Shapes
    /// - `known`: `[at least the known, d]`, `new`: `[new, d]`
    pub fn join(&self, known: &Tensor<2>, new: &Tensor<2>) -> Tensor<2> {
        super::repack(new, &self.new, &self.all, Some(known))
    }
}

/// The directions of each position, of directions with these ascending positions.
pub fn own_positions(pos: &[u32], n_pos: usize) -> Vec<Range<usize>> {
    let before = |at: usize| pos.partition_point(|&p| (p as usize) < at);
    (0..n_pos).map(|at| before(at)..before(at + 1)).collect()
}

#[cfg(feature = "webgpu")]
fn table(directions: &[Range<usize>], base: &[i64], device: &Device) -> Tensor<1, Int> {
    let mut table: Vec<i32> = (directions.iter().zip(base))
        .flat_map(|(range, &base)| [range.start as i32, range.end as i32, base as i32])
        .collect();
    for (pos, range) in directions.iter().enumerate() {
        table.extend(std::iter::repeat_n(pos as i32, range.len()));
    }
    let n = table.len();
    Tensor::from_data(TensorData::new(table, [n]), device)
}
