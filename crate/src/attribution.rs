//! The Jacobian: how much each source moves each target.
//!
//! Every analysis of this crate is one shape. A *source* adds a multiple of a fixed vector to the
//! residual stream at one position (a latent its decoder row, a token scale its embedding); a
//! *target* reads a fixed vector off the (normalised) residual stream of a later layer at one
//! position (a latent its encoder column, a logit its unembedding row). What is wanted is Marks et
//! al., "Sparse Feature Circuits" (arXiv:2403.19647), without freezing anything. The blocks between
//! come linearised at the prompt ([`Linearized`]), so that what is left is linear algebra:
//!
//! 1. Sort sources and targets by position. Causality says where each is felt: a source from its
//!    position on, a target up to its own ([`Rows`]).
//! 2. Count the products of both ways: sources forward as tangents, or targets back as cotangents.
//!    Take the cheaper. Either starts with one row a direction, in its own position.
//! 3. Take a batch of directions that fits in memory through all blocks, keeping only rows that
//!    are not zero and, at the end, only positions where something is read.
//! 4. Multiply with the vectors of the other side, position by position, and read the batch back.
//!    Pairs against causality stay exactly 0.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::error::Result;
use crate::gpt2::Linearized;
use crate::kernels::{self, Normalized, Rows};
use crate::sparse::read_back;
use crate::watch::Meter;

/// Memory that one batch may take on the device, in bytes. Larger batches run no faster and hear
/// of a cancellation later.
const BATCH_BYTES: usize = 128 << 20;

/// Vectors in the residual stream, each at one position.
pub struct Directions {
    /// Position of each, ascending.
    pub pos: Vec<u32>,
    /// `[n, d_model]`
    pub rows: Tensor<2>,
    /// What each row is to be multiplied with; empty for 1.
    pub scale: Vec<f32>,
}

/// What to differentiate.
pub struct Path<'a> {
    /// The blocks between sources and targets, at the prompt.
    pub blocks: &'a [Linearized],
    /// The sources.
    pub sources: &'a Directions,
    /// The targets.
    pub targets: &'a Directions,
    /// What happens to the residual stream before targets are read off it.
    pub read: Option<&'a Normalized>,
    /// Positions of the prompt.
    pub n_pos: usize,
}

/// Which way the derivative goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Sources forward, as tangents.
    Forward,
    /// Targets back, as cotangents.
    Reverse,
}

/// d target / d source for all pairs, `[targets, sources]` in row-major order.
///
/// `meter` counts [`units`] of that mode.
///
/// # Errors
/// `result-not-finite`, `device-failed`, `cancelled`.
pub async fn jacobian(path: &Path<'_>, mode: Mode, meter: &mut Meter<'_>) -> Result<Vec<f32>> {
    let (n_targets, n_sources) = (path.targets.pos.len(), path.sources.pos.len());
    let mut gradients = vec![0f32; n_targets * n_sources];
    let (moving, fixed) = path.sides(mode);
    let mut start = 0;
    while start < moving.pos.len() && !fixed.pos.is_empty() {
        let batch = path.batch(mode, start);
        for (range, other, values) in path.batch_products(mode, batch.clone(), meter).await? {
            for (row, i) in values.chunks_exact(other.len().max(1)).zip(range) {
                for (&value, j) in row.iter().zip(other.clone()) {
                    let (target, source) = match mode {
                        Mode::Forward => (j, i),
                        Mode::Reverse => (i, j),
                    };
                    gradients[target * n_sources + source] = value;
                }
            }
        }
        start = batch.end;
    }
    path.scale(&mut gradients);
    Ok(gradients)
}

/// Units of work that [`jacobian`] reports: directions × blocks.
pub fn units(path: &Path<'_>, mode: Mode) -> u64 {
    (path.sides(mode).0.pos.len() * path.blocks.len().max(1)) as u64
}

/// The mode that takes fewer products.
pub fn cheaper(path: &Path<'_>) -> Mode {
    match path.products(Mode::Forward) <= path.products(Mode::Reverse) {
        true => Mode::Forward,
        false => Mode::Reverse,
    }
}

impl Path<'_> {
    /// The directions that move and those that wait at the other end.
    fn sides(&self, mode: Mode) -> (&Directions, &Directions) {
        match mode {
            Mode::Forward => (self.sources, self.targets),
            Mode::Reverse => (self.targets, self.sources),
        }
    }

    /// For each number of blocks gone through, the directions of a batch that have a row at each
    /// position, numbered from the start of the batch.
    fn layouts(&self, mode: Mode, batch: &Range<usize>) -> Vec<Vec<Range<usize>>> {
        let (moving, fixed) = self.sides(mode);
        let pos = &moving.pos[batch.clone()];
        let before = |at: usize| pos.partition_point(|&p| (p as usize) < at);
        // Beyond the last (or before the first) position that is read, nothing matters.
        let read = |at: usize| fixed.pos.binary_search(&(at as u32)).is_ok();
        let matters = |at: usize| match mode {
            Mode::Forward => fixed.pos.last().is_some_and(|&last| at <= last as usize),
            Mode::Reverse => fixed.pos.first().is_some_and(|&first| at >= first as usize),
        };
        let positions = 0..self.n_pos;
        let start = positions.clone().map(|at| before(at)..before(at + 1)).collect();
        let cone = |at: usize| match mode {
            Mode::Forward => 0..before(at + 1),
            Mode::Reverse => before(at)..pos.len(),
        };
        let kept = |at: usize, keep: bool| if keep { cone(at) } else { 0..0 };
        let mut layouts = vec![start];
        for gone in 1..=self.blocks.len() {
            let last = gone == self.blocks.len();
            layouts.push(
                (positions.clone())
                    .map(|at| kept(at, if last { read(at) } else { matters(at) }))
                    .collect(),
            );
        }
        layouts
    }

    fn products(&self, mode: Mode) -> u64 {
        let all = 0..self.sides(mode).0.pos.len();
        let rows: Vec<usize> = (self.layouts(mode, &all).iter())
            .map(|layout| layout.iter().map(Range::len).sum())
            .collect();
        let steps = rows.windows(2);
        match mode {
            Mode::Forward => steps.zip(self.blocks).map(|(w, b)| b.jvp_products(w[0], w[1])).sum(),
            Mode::Reverse => {
                steps.zip(self.blocks.iter().rev()).map(|(w, b)| b.vjp_products(w[0], w[1])).sum()
            }
        }
    }

    /// The next directions, as many as fit in memory together.
    fn batch(&self, mode: Mode, start: usize) -> Range<usize> {
        let pos = &self.sides(mode).0.pos;
        let row_bytes = self.blocks.first().map_or(1, Linearized::row_bytes);
        let mut rows = 0;
        let mut end = start;
        while end < pos.len() {
            rows += match mode {
                Mode::Forward => self.n_pos - pos[end] as usize,
                Mode::Reverse => 1 + pos[end] as usize,
            };
            if end > start && rows * row_bytes > BATCH_BYTES {
                break;
            }
            end += 1;
        }
        start..end
    }

    /// A batch's part of the Jacobian, in blocks: moving directions, fixed ones, and their products
    /// in row-major order.
    async fn batch_products(
        &self,
        mode: Mode,
        batch: Range<usize>,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<(Range<usize>, Range<usize>, Vec<f32>)>> {
        let (moving, fixed) = self.sides(mode);
        let device = moving.rows.device();
        let layouts: Vec<Rows> = (self.layouts(mode, &batch).into_iter())
            .map(|layout| Rows::new(layout, &device))
            .collect();
        let units = (batch.len() * self.blocks.len().max(1)) as u64;
        if layouts.iter().any(Rows::is_empty) {
            meter.add(units).await?;
            return Ok(Vec::new());
        }
        let mut rows = match batch.len() == moving.pos.len() {
            true => moving.rows.clone(),
            false => {
                let indices: Vec<u32> = batch.clone().map(|i| i as u32).collect();
                kernels::gather_rows(&moving.rows, &indices)
            }
        };
        let through_read = |rows: Tensor<2>, layout: &Rows| match self.read {
            Some(read) => kernels::normalize_jvp(&rows, layout, read, None),
            None => rows,
        };
        if mode == Mode::Reverse {
            rows = through_read(rows, &layouts[0]);
        }
        for (i, step) in layouts.windows(2).enumerate() {
            rows = match mode {
                Mode::Forward => self.blocks[i].jvp(&rows, &step[0], &step[1]),
                Mode::Reverse => {
                    self.blocks[self.blocks.len() - 1 - i].vjp(&rows, &step[0], &step[1])
                }
            };
            kernels::pace(&rows).await?;
            meter.add(batch.len() as u64).await?;
        }
        if self.blocks.is_empty() {
            meter.add(units).await?;
        }
        let end = layouts.last().expect("there is one more than there are blocks");
        if mode == Mode::Forward {
            rows = through_read(rows, end);
        }

        let mut pairs = Vec::new();
        for pos in 0..self.n_pos {
            let at = |p: usize| fixed.pos.partition_point(|&q| (q as usize) < p);
            let (here, other) = (end.directions(pos), at(pos)..at(pos + 1));
            if !here.is_empty() && !other.is_empty() {
                pairs.push((here, end.range(pos), other));
            }
        }
        let blocks: Vec<_> =
            pairs.iter().map(|(_, rows, other)| (rows.clone(), other.clone())).collect();
        if blocks.is_empty() {
            return Ok(Vec::new());
        }
        let values = kernels::products(&rows, &fixed.rows, &blocks);
        let values = read_back(values, "gradients").await?;
        let mut rest = &values[..];
        Ok(pairs
            .into_iter()
            .map(|(here, _, other)| {
                let (block, after) = rest.split_at(here.len() * other.len());
                rest = after;
                let here = here.start + batch.start..here.end + batch.start;
                (here, other, block.to_vec())
            })
            .collect())
    }

    /// Applies the directions' scales.
    fn scale(&self, gradients: &mut [f32]) {
        let n_sources = self.sources.pos.len().max(1);
        for (target, row) in gradients.chunks_exact_mut(n_sources).enumerate() {
            let of_target = self.targets.scale.get(target).copied().unwrap_or(1.0);
            for (source, value) in row.iter_mut().enumerate() {
                *value *= of_target * self.sources.scale.get(source).copied().unwrap_or(1.0);
            }
        }
    }
}
