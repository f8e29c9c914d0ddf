//! The Jacobian: how much each source moves each target.
//!
//! Every analysis of this crate is one shape. A *source* adds a multiple of a fixed vector to the
//! residual stream at one position (a latent its decoder row, a token scale its embedding); a
//! *target* reads a fixed vector off the (normalised) residual stream of a later layer at one
//! position (a latent its encoder column, a logit its unembedding row). Then, after
//! Marks et al., "Sparse Feature Circuits" (arXiv:2403.19647), without freezing anything:
//!
//! 1. Take a batch of targets, sorted by position, and the residual stream up to the last of
//!    their positions: causality makes every later position irrelevant.
//! 2. Copy that residual stream once for each target of the batch, as a leaf of autodiff, and run
//!    the blocks on all copies at once.
//! 3. Read each target off its own copy and add all of them up. As copies do not touch, the
//!    gradient of the sum holds in each copy the gradient of its own target.
//! 4. One backward pass for the batch; at each position, project the gradient on the vectors of
//!    the sources there.
//! 5. Read the batch back. Sources after a target's position stay exactly 0.

use std::ops::Range;
use std::rc::Rc;

use burn::tensor::{Tensor, TensorData};

use crate::error::Result;
use crate::gpt2::Block;
use crate::sparse::read_back;
use crate::watch::Meter;

/// Memory that one batch may take on the device, in bytes. Larger batches run no faster on a CPU
/// and hear of a cancellation later.
const BATCH_BYTES: usize = 128 << 20;

/// Vectors in the residual stream, each at one position.
pub struct Directions {
    /// Position of each, ascending.
    pub pos: Vec<u32>,
    /// `[n, d_model]`
    pub rows: Tensor<2>,
}

/// What to differentiate.
pub struct Path<'a> {
    /// The residual stream that the sources add to: `[pos, d_model]`.
    pub resid: Tensor<2>,
    /// The blocks between sources and targets.
    pub blocks: &'a [Rc<Block>],
    /// The sources.
    pub sources: &'a Directions,
    /// The targets.
    pub targets: &'a Directions,
    /// What happens to the residual stream, row by row, before targets are read off it.
    pub normalize: &'a dyn Fn(Tensor<2>) -> Tensor<2>,
}

/// d target / d source for all pairs, `[targets, sources]` in row-major order.
///
/// `meter` counts targets.
///
/// # Errors
/// `result-not-finite`, `device-failed`, `cancelled`.
pub async fn jacobian(path: &Path<'_>, meter: &mut Meter<'_>) -> Result<Vec<f32>> {
    let (n_targets, n_sources) = (path.targets.pos.len(), path.sources.pos.len());
    let mut gradients = vec![0f32; n_targets * n_sources];
    let mut start = 0;
    while start < n_targets && n_sources > 0 {
        let batch = path.batch(start);
        let n_pos = 1 + path.targets.pos[batch.end - 1] as usize;
        let reached = path.sources.pos.partition_point(|&pos| (pos as usize) < n_pos);
        if reached > 0 {
            let values = read_back(path.batch_gradients(batch.clone(), n_pos), "gradients").await?;
            for (target, row) in batch.clone().zip(values.chunks_exact(reached)) {
                gradients[target * n_sources..][..reached].copy_from_slice(row);
            }
        }
        meter.add(batch.len() as u64).await?;
        start = batch.end;
    }
    Ok(gradients)
}

impl Path<'_> {
    /// The next targets, as many as fit in memory together.
    fn batch(&self, start: usize) -> Range<usize> {
        let targets = &self.targets.pos;
        let fits = |end: usize| {
            let n_pos = 1 + targets[end - 1] as usize;
            (end - start) * n_pos * self.row_bytes(n_pos) <= BATCH_BYTES
        };
        let mut end = start + 1;
        while end < targets.len() && fits(end + 1) {
            end += 1;
        }
        start..end
    }

    /// Bytes that autodiff keeps for one position of one copy, counted from the operations of
    /// [`Block::forward`].
    fn row_bytes(&self, n_pos: usize) -> usize {
        let d_model = self.resid.dims()[1];
        let block = self.blocks.first().map_or(0, |block| {
            let d_mlp = block.mlp_in.weight.dims()[1];
            24 * d_model + 8 * d_mlp + 5 * block.n_head * n_pos
        });
        4 * (self.blocks.len() * block + 8 * d_model)
    }

    /// `[targets of the batch, sources before n_pos]`
    fn batch_gradients(&self, batch: Range<usize>, n_pos: usize) -> Tensor<2> {
        let [_, d_model] = self.resid.dims();
        let n = batch.len();
        let leaf = self
            .resid
            .clone()
            .slice(0..n_pos)
            .unsqueeze::<3>()
            .repeat_dim(0, n)
            .autodiff()
            .require_grad();
        let resid = self.blocks.iter().fold(leaf.clone(), |resid, block| block.forward(resid));
        let rows = (self.normalize)(resid.reshape([n * n_pos, d_model]));

        // Row (copy, pos) of the readout holds the copy's target vector at the target's position.
        let mut at = vec![0f32; n * n_pos];
        for (copy, target) in batch.clone().enumerate() {
            at[copy * n_pos + self.targets.pos[target] as usize] = 1.0;
        }
        let device = self.resid.device();
        let at = Tensor::<3>::from_data(TensorData::new(at, [n, n_pos, 1]), &device);
        let readout = at * self.targets.rows.clone().slice(batch).unsqueeze_dim::<3>(1);
        let total = (rows * readout.reshape([n * n_pos, d_model])).sum();

        let mut gradients = total.backward();
        let gradient = leaf
            .grad_remove(&mut gradients)
            .expect("the leaf requires a gradient and the total depends on it");
        self.project(gradient)
    }

    /// Projects the residual stream's gradient on the sources at each position.
    ///
    /// # Shapes
    /// - `gradient`: `[n, pos, d_model]`; returns `[n, sources at these positions]`
    fn project(&self, gradient: Tensor<3>) -> Tensor<2> {
        let [n, n_pos, d_model] = gradient.dims();
        let sources = &self.sources.pos;
        let projected = (0..n_pos as u32)
            .filter_map(|pos| {
                let here =
                    sources.partition_point(|&p| p < pos)..sources.partition_point(|&p| p <= pos);
                (!here.is_empty()).then(|| {
                    let pos = pos as usize;
                    let gradient = gradient
                        .clone()
                        .slice([0..n, pos..pos + 1, 0..d_model])
                        .reshape([n, d_model]);
                    gradient.matmul(self.sources.rows.clone().slice(here).transpose())
                })
            })
            .collect();
        Tensor::cat(projected, 1)
    }
}
