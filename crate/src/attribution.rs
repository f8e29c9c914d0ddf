//! The Jacobian: how much each source moves each target.
//!
//! Every analysis of this crate is one shape. A *source* adds a multiple of a fixed vector to the
//! residual stream at one position (a latent its decoder row, a token scale its embedding); a
//! *target* reads a fixed vector off the residual stream further on, or off the attention of the last
//! block there (a latent its encoder column, a logit its unembedding row, taken back through what lies
//! between that and the stream at its own position). What is wanted is Marks et al., "Sparse Feature
//! Circuits" (arXiv:2403.19647), without freezing anything. The blocks between come linearised at the
//! prompt ([`LinearBlock`]), so that what is left is linear algebra:
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

use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::gpt2::{Inner, LinearBlock};
use crate::kernels::{self, Rows, next_batch, own_positions};
use crate::sparse::read_back;
use crate::watch::Meter;

/// Vectors, each at one position.
#[derive(Debug, Clone)]
pub struct Directions {
    /// Position of each, ascending.
    pub pos: Vec<u32>,
    /// The vectors, a row each.
    pub rows: Vectors,
    /// What each row is to be multiplied with; empty for 1.
    pub scale: Vec<f32>,
}

/// Where vectors are: `n` rows of `d_model`.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a request has two of them")]
pub enum Vectors {
    /// In the residual stream.
    Stream(Tensor<2>),
    /// Behind the attention of the last block, whose MLP is not on the path. Targets only.
    Attention(Inner),
}

impl Vectors {
    fn gather(&self, batch: Range<usize>) -> Self {
        let indices: Vec<u32> = batch.map(|i| i as u32).collect();
        match self {
            Self::Stream(rows) => Self::Stream(kernels::gather_rows(rows, &indices)),
            Self::Attention(inner) => Self::Attention(inner.gather(&indices)),
        }
    }

    fn device(&self) -> Device {
        match self {
            Self::Stream(rows) => rows.device(),
            Self::Attention(inner) => inner.heads.device(),
        }
    }
}

/// What to differentiate.
pub struct Path<'a> {
    /// The blocks between sources and targets, at the prompt. The last one has no MLP if, and only if,
    /// the targets are behind its attention.
    pub blocks: &'a [LinearBlock],
    /// The sources, before the first block.
    pub sources: &'a Directions,
    /// The targets, behind the last block.
    pub targets: &'a Directions,
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
    let way = way(path, mode);
    let met = way.meet();
    let mut start = 0;
    while start < way.moving().pos.len() {
        let batch = way.batch(start);
        for part in way.products_of(batch.clone(), met.as_ref(), meter).await? {
            let rows = part.values.chunks_exact(part.fixed.len());
            for (row, moving) in rows.zip(part.moving) {
                for (&value, fixed) in row.iter().zip(part.fixed.clone()) {
                    let [target, source] = way.pair(moving, fixed);
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
    let way = way(path, mode);
    way.units(0..way.moving().pos.len())
}

/// The mode that takes fewer products.
pub fn cheaper(path: &Path<'_>) -> Mode {
    match Forward(path).products() <= Reverse(path).products() {
        true => Mode::Forward,
        false => Mode::Reverse,
    }
}

impl Path<'_> {
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

/// One of the two ways along a path: of the directions, some move and some wait at the other end.
trait Way {
    fn path(&self) -> &Path<'_>;
    /// The directions that move.
    fn moving(&self) -> &Directions;
    /// Those that wait at the other end.
    fn fixed(&self) -> &Directions;
    /// The blocks in the order in which they are gone through.
    fn blocks(&self) -> Vec<&LinearBlock>;

    /// Of moving directions at ascending positions, those that are felt at a position.
    fn felt(&self, pos: &[u32], at: usize) -> Range<usize>;
    /// Whether anything that is felt at a position can still reach a fixed direction.
    fn matters(&self, at: usize) -> bool;
    /// Rows that a moving direction takes, of all positions.
    fn rows_of(&self, pos: u32) -> u64;

    /// Moving directions to the attention of a block.
    fn enter(&self, block: &LinearBlock, rows: &Tensor<2>, at: &Rows) -> Inner;
    /// To its other side.
    fn cross(&self, block: &LinearBlock, inner: &Inner, from: &Rows, to: &Rows) -> Inner;
    /// To the other end of the block.
    fn leave(&self, block: &LinearBlock, inner: &Inner, at: &Rows) -> Tensor<2>;
    /// Fixed directions to where those that crossed the attention of the last block are.
    fn approach(&self, block: &LinearBlock, rows: &Tensor<2>, at: &Rows) -> Inner;

    /// Products of a row in [`enter`](Self::enter), and in [`leave`](Self::leave) or
    /// [`approach`](Self::approach).
    fn row_products(&self, block: &LinearBlock) -> [u64; 2];
    /// Products of a pair that meets at the attention.
    fn pair_products(&self, block: &LinearBlock) -> u64;

    /// Target and source of a moving direction and a fixed one.
    fn pair(&self, moving: usize, fixed: usize) -> [usize; 2];
}

/// Sources forward.
struct Forward<'a>(&'a Path<'a>);

/// Targets back.
struct Reverse<'a>(&'a Path<'a>);

fn way<'a>(path: &'a Path<'a>, mode: Mode) -> Box<dyn Way + 'a> {
    match mode {
        Mode::Forward => Box::new(Forward(path)),
        Mode::Reverse => Box::new(Reverse(path)),
    }
}

impl Way for Forward<'_> {
    fn path(&self) -> &Path<'_> {
        self.0
    }
    fn moving(&self) -> &Directions {
        self.0.sources
    }
    fn fixed(&self) -> &Directions {
        self.0.targets
    }
    fn blocks(&self) -> Vec<&LinearBlock> {
        self.0.blocks.iter().collect()
    }

    fn felt(&self, pos: &[u32], at: usize) -> Range<usize> {
        0..before(pos, at + 1)
    }
    fn matters(&self, at: usize) -> bool {
        self.fixed().pos.last().is_some_and(|&last| at <= last as usize)
    }
    fn rows_of(&self, pos: u32) -> u64 {
        self.0.n_pos as u64 - u64::from(pos)
    }

    fn enter(&self, block: &LinearBlock, rows: &Tensor<2>, at: &Rows) -> Inner {
        block.attn.jvp_in(rows, at)
    }
    fn cross(&self, block: &LinearBlock, inner: &Inner, from: &Rows, to: &Rows) -> Inner {
        block.attn.jvp_across(inner, from, to)
    }
    fn leave(&self, block: &LinearBlock, inner: &Inner, at: &Rows) -> Tensor<2> {
        block.jvp_out(inner, at)
    }
    fn approach(&self, block: &LinearBlock, rows: &Tensor<2>, at: &Rows) -> Inner {
        block.vjp_out(rows, at)
    }

    fn row_products(&self, block: &LinearBlock) -> [u64; 2] {
        [block.products_in(), block.products_out()]
    }
    fn pair_products(&self, block: &LinearBlock) -> u64 {
        block.products_of_pair(false)
    }

    fn pair(&self, moving: usize, fixed: usize) -> [usize; 2] {
        [fixed, moving]
    }
}

impl Way for Reverse<'_> {
    fn path(&self) -> &Path<'_> {
        self.0
    }
    fn moving(&self) -> &Directions {
        self.0.targets
    }
    fn fixed(&self) -> &Directions {
        self.0.sources
    }
    fn blocks(&self) -> Vec<&LinearBlock> {
        self.0.blocks.iter().rev().collect()
    }

    fn felt(&self, pos: &[u32], at: usize) -> Range<usize> {
        before(pos, at)..pos.len()
    }
    fn matters(&self, at: usize) -> bool {
        self.fixed().pos.first().is_some_and(|&first| at >= first as usize)
    }
    fn rows_of(&self, pos: u32) -> u64 {
        1 + u64::from(pos)
    }

    fn enter(&self, block: &LinearBlock, rows: &Tensor<2>, at: &Rows) -> Inner {
        block.vjp_out(rows, at)
    }
    fn cross(&self, block: &LinearBlock, inner: &Inner, from: &Rows, to: &Rows) -> Inner {
        block.attn.vjp_across(inner, from, to)
    }
    fn leave(&self, block: &LinearBlock, inner: &Inner, at: &Rows) -> Tensor<2> {
        block.attn.vjp_in(inner, at)
    }
    fn approach(&self, block: &LinearBlock, rows: &Tensor<2>, at: &Rows) -> Inner {
        block.attn.jvp_in(rows, at)
    }

    fn row_products(&self, block: &LinearBlock) -> [u64; 2] {
        [block.products_out(), block.products_in()]
    }
    fn pair_products(&self, block: &LinearBlock) -> u64 {
        block.products_of_pair(true)
    }

    fn pair(&self, moving: usize, fixed: usize) -> [usize; 2] {
        [moving, fixed]
    }
}

/// At one position: directions of a batch, their rows, and the fixed directions that they meet.
struct Meeting {
    moving: Range<usize>,
    rows: Range<usize>,
    fixed: Range<usize>,
}

/// A rectangle of the Jacobian: moving directions × fixed ones, row-major.
struct Part {
    moving: Range<usize>,
    fixed: Range<usize>,
    values: Vec<f32>,
}

impl<'a> dyn Way + 'a {
    /// The fixed directions at the attention of the last block, if they are there, or if meeting there
    /// saves products and all of them can be taken there at once.
    fn meet(&self) -> Option<Inner> {
        let rows = match &self.fixed().rows {
            Vectors::Attention(inner) => return Some(inner.clone()),
            Vectors::Stream(rows) => rows,
        };
        let block = *self.blocks().last()?;
        let [behind, at_attention] = self.last_products(block);
        let fits = self.fixed().pos.len() as u64 * block.row_bytes() <= self.path().batch_bytes;
        let own = Rows::own(&self.fixed().pos, self.path().n_pos, &rows.device());
        (at_attention < behind && fits).then(|| self.approach(block, rows, &own))
    }

    fn units(&self, batch: Range<usize>) -> u64 {
        batch.len() as u64 * self.path().blocks.len().max(1) as u64
    }

    /// The next directions, as many as fit in memory together.
    fn batch(&self, start: usize) -> Range<usize> {
        let pos = &self.moving().pos;
        let row_bytes = self.path().blocks.first().map_or(1, LinearBlock::row_bytes);
        let most = self.path().batch_bytes / row_bytes;
        next_batch(start, pos.len(), most, |at| self.rows_of(pos[at]))
    }

    /// A batch's part of the Jacobian.
    async fn products_of(
        &self,
        batch: Range<usize>,
        met: Option<&Inner>,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<Part>> {
        let moving = &self.moving().rows;
        let device = moving.device();
        let layouts: Vec<Rows> =
            (self.layouts(&batch).into_iter()).map(|layout| Rows::new(layout, &device)).collect();
        let end = layouts.last().expect("there is one more than there are blocks");
        let meetings = self.meetings(end);
        if meetings.is_empty() || layouts.iter().any(Rows::is_empty) {
            meter.add(self.units(batch)).await?;
            return Ok(Vec::new());
        }
        let pairs: Vec<_> =
            meetings.iter().map(|met| (met.rows.clone(), met.fixed.clone())).collect();

        let mut rows = match batch.len() == self.moving().pos.len() {
            true => moving.clone(),
            false => moving.gather(batch.clone()),
        };
        let mut values = None;
        let blocks = self.blocks();
        for (i, (step, block)) in layouts.windows(2).zip(&blocks).enumerate() {
            let [from, to] = [&step[0], &step[1]];
            let inner = match rows {
                Vectors::Stream(rows) => self.enter(block, &rows, from),
                Vectors::Attention(inner) => inner,
            };
            // A block of many directions takes a tenth of a second and more.
            meter.pause().await?;
            let inner = self.cross(block, &inner, from, to);
            meter.pause().await?;
            match met {
                Some(fixed) if i + 1 == blocks.len() => {
                    let found = inner.products(fixed, &pairs);
                    kernels::pace(&found).await?;
                    values = Some(found);
                    rows = Vectors::Attention(inner);
                }
                _ => {
                    let left = self.leave(block, &inner, to);
                    kernels::pace(&left).await?;
                    rows = Vectors::Stream(left);
                }
            }
            meter.add(batch.len() as u64).await?;
        }
        if blocks.is_empty() {
            meter.add(self.units(batch.clone())).await?;
        }
        let values = match (values, rows, &self.fixed().rows) {
            (Some(values), ..) => values,
            (None, Vectors::Stream(rows), Vectors::Stream(fixed)) => {
                kernels::products(&rows, fixed, &pairs, None)
            }
            _ => unreachable!("directions behind an attention are met there"),
        };
        let values = read_back(values, "gradients").await?;
        let mut rest = &values[..];
        let part = |Meeting { moving, fixed, .. }: Meeting| {
            let (values, after) = rest.split_at(moving.len() * fixed.len());
            rest = after;
            let moving = moving.start + batch.start..moving.end + batch.start;
            Part { moving, fixed, values: values.to_vec() }
        };
        Ok(meetings.into_iter().map(part).collect())
    }

    /// Each position where there are both.
    fn meetings(&self, end: &Rows) -> Vec<Meeting> {
        let fixed = own_positions(&self.fixed().pos, self.path().n_pos).into_iter();
        (fixed.enumerate())
            .map(|(pos, fixed)| Meeting {
                moving: end.directions(pos),
                rows: end.range(pos),
                fixed,
            })
            .filter(|met| !met.moving.is_empty() && !met.fixed.is_empty())
            .collect()
    }
}

/// Counts, which need no device.
trait Counts: Way {
    /// For each number of blocks gone through, the directions of a batch that have a row at each
    /// position, numbered from the start of the batch.
    fn layouts(&self, batch: &Range<usize>) -> Vec<Vec<Range<usize>>> {
        let Path { blocks, n_pos, .. } = *self.path();
        let pos = &self.moving().pos[batch.clone()];
        // Beyond the last (or before the first) position that is read, nothing matters.
        let read = |at: usize| self.fixed().pos.binary_search(&(at as u32)).is_ok();
        let mut layouts = vec![own_positions(pos, n_pos)];
        for gone in 1..=blocks.len() {
            let kept = |at| if gone == blocks.len() { read(at) } else { self.matters(at) };
            let layout = (0..n_pos).map(|at| if kept(at) { self.felt(pos, at) } else { 0..0 });
            layouts.push(layout.collect());
        }
        layouts
    }

    /// Products from the attention of the last block on: meeting behind the block, and there.
    fn last_products(&self, block: &LinearBlock) -> [u64; 2] {
        let layouts = self.layouts(&(0..self.moving().pos.len()));
        let end = layouts.last().expect("there is one more than there are blocks");
        let rows: u64 = end.iter().map(|range| range.len() as u64).sum();
        let own = own_positions(&self.fixed().pos, self.path().n_pos);
        let pairs: u64 = end.iter().zip(&own).map(|(a, b)| a.len() as u64 * b.len() as u64).sum();
        let [_, a_row] = self.row_products(block);
        let behind = rows * a_row + pairs * block.d_model() as u64;
        let met = pairs * self.pair_products(block);
        match self.fixed().rows {
            Vectors::Stream(_) => [behind, self.fixed().pos.len() as u64 * a_row + met],
            Vectors::Attention(_) => [met; 2],
        }
    }

    /// Products of all directions together.
    fn products(&self) -> u64 {
        let layouts = self.layouts(&(0..self.moving().pos.len()));
        let rows: Vec<u64> = (layouts.iter())
            .map(|layout| layout.iter().map(|range| range.len() as u64).sum())
            .collect();
        let blocks = self.blocks();
        let mut sum = 0;
        for (i, (step, block)) in rows.windows(2).zip(&blocks).enumerate() {
            let [enter, leave] = self.row_products(block);
            let is_there = i == 0 && matches!(self.moving().rows, Vectors::Attention(_));
            sum += if is_there { 0 } else { step[0] * enter };
            sum += match i + 1 == blocks.len() {
                true => self.last_products(block).into_iter().min().unwrap_or(0),
                false => step[1] * leave,
            };
        }
        sum
    }
}

impl<W: Way + ?Sized> Counts for W {}

/// How many of these ascending positions are before one.
fn before(pos: &[u32], at: usize) -> usize {
    pos.partition_point(|&p| (p as usize) < at)
}
