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
//! 4. The other side waits at the end, or comes to meet them at the attention of the last block:
//!    until there it, too, has one row a direction, where those that move have one a position.
//! 5. Multiply the two, position by position, and read the batch back. Pairs against causality
//!    stay exactly 0.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::error::Result;
use crate::gpt2::{Inner, Linearized};
use crate::kernels::{self, Normalized, Rows};
use crate::sparse::read_back;
use crate::watch::Meter;

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
    /// Bytes that one batch may take on the device.
    pub batch_bytes: u64,
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
    if gradients.is_empty() {
        return Ok(gradients);
    }
    let vectors = path.vectors(mode);
    let met = path.meet(mode, &vectors.fixed);
    let n_moving = path.sides(mode).0.pos.len();
    let mut start = 0;
    while start < n_moving {
        let batch = path.batch(mode, start);
        let found = path.batch_products(mode, batch.clone(), &vectors, met.as_ref(), meter);
        for (range, other, values) in found.await? {
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
    path.sides(mode).0.pos.len() as u64 * path.blocks.len().max(1) as u64
}

/// The mode that takes fewer products.
pub fn cheaper(path: &Path<'_>) -> Mode {
    match path.products(Mode::Forward) <= path.products(Mode::Reverse) {
        true => Mode::Forward,
        false => Mode::Reverse,
    }
}

/// Vectors of the residual stream, `[n, d_model]` each.
struct Vectors {
    moving: Tensor<2>,
    fixed: Tensor<2>,
}

impl Path<'_> {
    /// The directions that move and those that wait at the other end.
    fn sides(&self, mode: Mode) -> (&Directions, &Directions) {
        match mode {
            Mode::Forward => (self.sources, self.targets),
            Mode::Reverse => (self.targets, self.sources),
        }
    }

    /// The block on which the way ends.
    fn last_block(&self, mode: Mode) -> Option<&Linearized> {
        match mode {
            Mode::Forward => self.blocks.last(),
            Mode::Reverse => self.blocks.first(),
        }
    }

    /// Both sides' vectors, those of the targets taken back through the normalisation that they
    /// are read behind.
    fn vectors(&self, mode: Mode) -> Vectors {
        let (sources, targets) = (self.sources.rows.clone(), self.targets.rows.clone());
        let targets = match self.read {
            Some(read) => {
                kernels::normalize_jvp(&targets, &self.own_rows(self.targets), read, None)
            }
            None => targets,
        };
        match mode {
            Mode::Forward => Vectors { moving: sources, fixed: targets },
            Mode::Reverse => Vectors { moving: targets, fixed: sources },
        }
    }

    /// One row for each direction, in its position.
    fn own_rows(&self, directions: &Directions) -> Rows {
        Rows::new(own_positions(&directions.pos, self.n_pos), &directions.rows.device())
    }

    /// The fixed directions at the attention of the last block on the way, if meeting there saves
    /// products and all of them can be taken there at once.
    fn meet(&self, mode: Mode, fixed: &Tensor<2>) -> Option<Inner> {
        let directions = self.sides(mode).1;
        let block = self.last_block(mode)?;
        let [behind, at_attention] = self.last_products(mode, block);
        let fits = directions.pos.len() as u64 * block.row_bytes() <= self.batch_bytes;
        let rows = self.own_rows(directions);
        (at_attention < behind && fits).then(|| match mode {
            Mode::Forward => block.vjp_out(fixed, &rows),
            Mode::Reverse => block.jvp_in(fixed, &rows),
        })
    }

    /// Products from the attention of the last block on: meeting behind the block, and there.
    fn last_products(&self, mode: Mode, block: &Linearized) -> [u64; 2] {
        let (moving, fixed) = self.sides(mode);
        let layouts = self.layouts(mode, &(0..moving.pos.len()));
        let end = layouts.last().expect("there is one more than there are blocks");
        let rows: u64 = end.iter().map(|range| range.len() as u64).sum();
        let own = own_positions(&fixed.pos, self.n_pos);
        let pairs: u64 = end.iter().zip(&own).map(|(a, b)| a.len() as u64 * b.len() as u64).sum();
        let (a_row, a_pair) = match mode {
            Mode::Forward => (block.products_out(), block.products_of_pair(false)),
            Mode::Reverse => (block.products_in(), block.products_of_pair(true)),
        };
        let behind = rows * a_row + pairs * block.d_model() as u64;
        [behind, fixed.pos.len() as u64 * a_row + pairs * a_pair]
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
        let cone = |at: usize| match mode {
            Mode::Forward => 0..before(at + 1),
            Mode::Reverse => before(at)..pos.len(),
        };
        let kept = |at: usize, keep: bool| if keep { cone(at) } else { 0..0 };
        let mut layouts = vec![own_positions(pos, self.n_pos)];
        for gone in 1..=self.blocks.len() {
            let last = gone == self.blocks.len();
            layouts.push(
                (0..self.n_pos)
                    .map(|at| kept(at, if last { read(at) } else { matters(at) }))
                    .collect(),
            );
        }
        layouts
    }

    fn products(&self, mode: Mode) -> u64 {
        let all = 0..self.sides(mode).0.pos.len();
        let rows: Vec<u64> = (self.layouts(mode, &all).iter())
            .map(|layout| layout.iter().map(|range| range.len() as u64).sum())
            .collect();
        let Some(last) = self.last_block(mode) else { return 0 };
        let whole: u64 = (rows.windows(2).enumerate())
            .map(|(i, step)| match mode {
                Mode::Forward => {
                    let block = &self.blocks[i];
                    step[0] * block.products_in() + step[1] * block.products_out()
                }
                Mode::Reverse => {
                    let block = &self.blocks[self.blocks.len() - 1 - i];
                    step[0] * block.products_out() + step[1] * block.products_in()
                }
            })
            .sum();
        let [behind, at_attention] = self.last_products(mode, last);
        whole - behind.saturating_sub(at_attention)
    }

    /// The next directions, as many as fit in memory together.
    fn batch(&self, mode: Mode, start: usize) -> Range<usize> {
        let pos = &self.sides(mode).0.pos;
        let row_bytes = self.blocks.first().map_or(1, Linearized::row_bytes);
        let mut rows = 0;
        let mut end = start;
        while end < pos.len() {
            rows += match mode {
                Mode::Forward => self.n_pos as u64 - u64::from(pos[end]),
                Mode::Reverse => 1 + u64::from(pos[end]),
            };
            if end > start && rows * row_bytes > self.batch_bytes {
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
        Vectors { moving, fixed }: &Vectors,
        met: Option<&Inner>,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<(Range<usize>, Range<usize>, Vec<f32>)>> {
        let device = moving.device();
        let layouts: Vec<Rows> = (self.layouts(mode, &batch).into_iter())
            .map(|layout| Rows::new(layout, &device))
            .collect();
        let units = batch.len() as u64 * self.blocks.len().max(1) as u64;
        if layouts.iter().any(Rows::is_empty) {
            meter.add(units).await?;
            return Ok(Vec::new());
        }
        let end = layouts.last().expect("there is one more than there are blocks");
        let pairs = self.pairs(mode, end);
        if pairs.is_empty() {
            meter.add(units).await?;
            return Ok(Vec::new());
        }
        let blocks: Vec<_> =
            pairs.iter().map(|(_, rows, other)| (rows.clone(), other.clone())).collect();

        let mut rows = match batch.len() == moving.dims()[0] {
            true => moving.clone(),
            false => {
                let indices: Vec<u32> = batch.clone().map(|i| i as u32).collect();
                kernels::gather_rows(moving, &indices)
            }
        };
        let mut values = None;
        for (i, step) in layouts.windows(2).enumerate() {
            let [from, to] = [&step[0], &step[1]];
            let is_last = i + 1 == self.blocks.len();
            let (block, inner) = match mode {
                Mode::Forward => {
                    let block = &self.blocks[i];
                    (block, block.jvp_across(&block.jvp_in(&rows, from), from, to))
                }
                Mode::Reverse => {
                    let block = &self.blocks[self.blocks.len() - 1 - i];
                    (block, block.vjp_across(&block.vjp_out(&rows, from), from, to))
                }
            };
            match (met, mode) {
                (Some(fixed), _) if is_last => {
                    values = Some(inner.products(fixed, &blocks));
                }
                (_, Mode::Forward) => rows = block.jvp_out(&inner, to),
                (_, Mode::Reverse) => rows = block.vjp_in(&inner, to),
            }
            kernels::pace(values.as_ref().unwrap_or(&rows)).await?;
            meter.add(batch.len() as u64).await?;
        }
        if self.blocks.is_empty() {
            meter.add(units).await?;
        }
        let values = values.unwrap_or_else(|| kernels::products(&rows, fixed, &blocks, None));
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

    /// At each position where there are both: moving directions, their rows, and fixed directions.
    fn pairs(&self, mode: Mode, end: &Rows) -> Vec<(Range<usize>, Range<usize>, Range<usize>)> {
        let fixed = own_positions(&self.sides(mode).1.pos, self.n_pos);
        (fixed.into_iter().enumerate())
            .map(|(pos, other)| (end.directions(pos), end.range(pos), other))
            .filter(|(here, _, other)| !here.is_empty() && !other.is_empty())
            .collect()
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

/// The directions of each position, of directions with these positions.
fn own_positions(pos: &[u32], n_pos: usize) -> Vec<Range<usize>> {
    let before = |at: usize| pos.partition_point(|&p| (p as usize) < at);
    (0..n_pos).map(|at| before(at)..before(at + 1)).collect()
}
