//! GPT-2's blocks: the forward pass, and its linearisation at the prompt that was run.
//!
//! A block's forward pass leaves behind what its derivative needs: attention patterns, LayerNorm
//! scales, GELU slopes. They are the same for every target and every source, so they are computed
//! once; then tangents go forward and cotangents go back through fixed linear maps. Knows nothing
//! of SAEs or files.

use std::ops::Range;
use std::rc::Rc;

use burn::tensor::Tensor;

use crate::error::Result;
use crate::kernels::{self, Attention, Normalized, Rows};
use crate::sparse::read_back;

/// A dense layer `x W + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[d_in, d_out]`, the layout of GPT-2's `Conv1D`.
    pub weight: Tensor<2>,
    /// `[1, d_out]`
    pub bias: Tensor<2>,
}

impl Linear {
    fn forward(&self, x: &Tensor<2>, add: Option<&Tensor<2>>) -> Tensor<2> {
        kernels::matmul(x, &self.weight, Some(&self.bias), add)
    }

    fn jvp(&self, tangent: &Tensor<2>, add: Option<&Tensor<2>>) -> Tensor<2> {
        kernels::matmul(tangent, &self.weight, None, add)
    }

    fn vjp(&self, cotangent: &Tensor<2>) -> Tensor<2> {
        kernels::matmul_transposed(cotangent, &self.weight)
    }

    /// Products that a row takes.
    fn products(&self) -> u64 {
        self.weight.dims().iter().map(|&side| side as u64).product()
    }
}

/// One transformer block. The LayerNorms' gains and biases are folded into the layers that read
/// them, so that only the normalisation itself is left (TransformerLens' `fold_ln`).
#[derive(Debug, Clone)]
pub struct Block {
    /// Attention heads.
    pub n_head: usize,
    /// Added to the variance in both LayerNorms.
    pub layer_norm_epsilon: f64,
    /// `W_Q` and `W_K` side by side, each with its heads side by side: `[d_model, 2 d_model]`.
    pub query_key: Linear,
    /// `W_V`, heads side by side: `[d_model, d_model]`.
    pub value: Linear,
    /// `W_O`: `[d_model, d_model]`.
    pub output: Linear,
    /// `W_in`: `[d_model, d_mlp]`.
    pub mlp_in: Linear,
    /// `W_out`: `[d_mlp, d_model]`.
    pub mlp_out: Linear,
}

/// A block at the residual stream it was run on.
#[derive(Debug, Clone)]
pub struct Linearized {
    block: Rc<Block>,
    before_attention: Normalized,
    attention: Attention,
    before_mlp: Normalized,
    gelu_slope: Tensor<2>,
}

impl Block {
    /// The residual stream after this block, and the block's derivative there.
    ///
    /// # Shapes
    /// - `resid`: `[pos, d_model]`, returned likewise
    pub fn forward(self: &Rc<Self>, resid: &Tensor<2>) -> (Tensor<2>, Linearized) {
        let epsilon = self.layer_norm_epsilon as f32;
        let before_attention = kernels::layer_norm(resid, epsilon);
        let [query_key, value] =
            [&self.query_key, &self.value].map(|layer| layer.forward(&before_attention.y, None));
        let attention = kernels::attention(query_key, value, self.n_head);
        let resid = self.output.forward(&attention.mixed, Some(resid));
        let before_mlp = kernels::layer_norm(&resid, epsilon);
        let (hidden, gelu_slope) = kernels::gelu(&self.mlp_in.forward(&before_mlp.y, None));
        let resid = self.mlp_out.forward(&hidden, Some(&resid));
        let linearized =
            Linearized { block: self.clone(), before_attention, attention, before_mlp, gelu_slope };
        (resid, linearized)
    }
}

/// Tangents or cotangents within a block, on either side of its attention.
#[derive(Debug, Clone)]
pub struct Inner {
    /// Of the residual stream beside the attention: `[rows, d_model]`.
    pub beside: Tensor<2>,
    /// Of values before it, of what its heads read after it: `[rows, d_model]`.
    pub heads: Tensor<2>,
    /// Of the scores that the row's position has a part in, before it ([`Attention::own_scores`]).
    pub scores: Option<Tensor<2>>,
}

impl Inner {
    /// For each block, rows of this times rows of the other side, one after the other.
    pub fn products(&self, other: &Self, blocks: &[(Range<usize>, Range<usize>)]) -> Tensor<2> {
        let beside = kernels::products(&self.beside, &other.beside, blocks, None);
        let both = kernels::products(&self.heads, &other.heads, blocks, Some(&beside));
        match (&self.scores, &other.scores) {
            (Some(ours), Some(theirs)) => kernels::products(ours, theirs, blocks, Some(&both)),
            _ => both,
        }
    }
}

/// A block's derivative is three linear maps: into the attention and out of it position by
/// position, and the attention across positions.
///
/// Queries and keys never appear: at a prompt, a score is linear in the residual stream at its
/// query and at its key, and a position has a part in no more than `n_pos + 1` scores of a head,
/// where its query and key are `2 d_head` numbers.
impl Linearized {
    /// Tangents of the residual stream before the block to those before the attention.
    pub fn jvp_in(&self, tangent: &Tensor<2>, rows: &Rows) -> Inner {
        let x = kernels::normalize_jvp(tangent, rows, &self.before_attention, None);
        let windows = self.attention.score_windows(rows);
        let scores = kernels::products(&x, &self.score_reads(), &windows, None);
        Inner {
            beside: tangent.clone(),
            heads: self.block.value.jvp(&x, None),
            scores: Some(scores.reshape([rows.len(), self.attention.own_scores()])),
        }
    }

    /// Tangents before the attention to those after it.
    pub fn jvp_across(&self, tangent: &Inner, from: &Rows, to: &Rows) -> Inner {
        let scores = tangent.scores.as_ref().expect("it is before the attention");
        let heads = kernels::attention_jvp(&tangent.heads, scores, from, to, &self.attention);
        Inner { beside: kernels::repack(&tangent.beside, from, to), heads, scores: None }
    }

    /// Tangents after the attention to those of the residual stream after the block.
    pub fn jvp_out(&self, tangent: &Inner, rows: &Rows) -> Tensor<2> {
        let Block { output, mlp_in, mlp_out, .. } = &*self.block;
        let tangent = output.jvp(&tangent.heads, Some(&tangent.beside));
        let x = kernels::normalize_jvp(&tangent, rows, &self.before_mlp, None);
        let hidden = kernels::scale_rows(mlp_in.jvp(&x, None), rows, &self.gelu_slope);
        mlp_out.jvp(&hidden, Some(&tangent))
    }

    /// Cotangents of the residual stream after the block to those after the attention.
    pub fn vjp_out(&self, cotangent: &Tensor<2>, rows: &Rows) -> Inner {
        let Block { output, mlp_in, mlp_out, .. } = &*self.block;
        let hidden = kernels::scale_rows(mlp_out.vjp(cotangent), rows, &self.gelu_slope);
        let x = mlp_in.vjp(&hidden);
        let beside = kernels::normalize_jvp(&x, rows, &self.before_mlp, Some(cotangent));
        Inner { heads: output.vjp(&beside), beside, scores: None }
    }

    /// Cotangents after the attention to those before it.
    pub fn vjp_across(&self, cotangent: &Inner, from: &Rows, to: &Rows) -> Inner {
        let (heads, scores) = kernels::attention_vjp(&cotangent.heads, from, to, &self.attention);
        let beside = kernels::repack(&cotangent.beside, from, to);
        Inner { beside, heads, scores: Some(scores) }
    }

    /// Cotangents before the attention to those of the residual stream before the block.
    pub fn vjp_in(&self, cotangent: &Inner, rows: &Rows) -> Tensor<2> {
        let scores = cotangent.scores.as_ref().expect("it is before the attention");
        let windows = self.attention.score_windows(rows);
        let x = self.block.value.vjp(&cotangent.heads);
        let x = kernels::row_products(scores, &self.score_reads(), &windows, Some(&x));
        kernels::normalize_jvp(&x, rows, &self.before_attention, Some(&cotangent.beside))
    }

    /// Computed for each batch: it takes as long as some ten rows, and of a long prompt much memory.
    fn score_reads(&self) -> Tensor<2> {
        kernels::score_reads(&self.block.query_key.weight, &self.attention)
    }

    /// Products that a row takes into the attention.
    pub fn products_in(&self) -> u64 {
        self.block.value.products() + self.attention.own_scores() as u64 * self.d_model() as u64
    }

    /// Products that a row takes out of it.
    pub fn products_out(&self) -> u64 {
        let Block { output, mlp_in, mlp_out, .. } = &*self.block;
        output.products() + mlp_in.products() + mlp_out.products()
    }

    /// Width of the residual stream.
    pub fn d_model(&self) -> usize {
        self.block.output.weight.dims()[0]
    }

    /// Products of a pair that meets before the attention, or after it.
    pub fn products_of_pair(&self, is_before: bool) -> u64 {
        let scores = if is_before { self.attention.own_scores() } else { 0 };
        (2 * self.d_model() + scores) as u64
    }

    /// Bytes on the device that a row of tangents takes on its way.
    pub fn row_bytes(&self) -> u64 {
        let [d_model, d_mlp] = self.block.mlp_in.weight.dims();
        4 * (2 * d_mlp + 5 * d_model + self.attention.own_scores()) as u64
    }
}

/// The way from the last residual stream to the logits, centred over the vocabulary
/// (TransformerLens' `center_unembed`).
#[derive(Debug, Clone)]
pub struct Unembed {
    /// Added to the variance in the final LayerNorm.
    pub layer_norm_epsilon: f64,
    /// `wte` with the final LayerNorm's gain folded in, split by rows so that no part exceeds a
    /// storage binding: `[rows, d_model]` each.
    pub rows: Vec<Tensor<2>>,
    /// Mean of all rows, `d_model` numbers.
    pub mean_row: Vec<f32>,
    /// What the final LayerNorm's bias adds to each logit, `vocab_size` numbers.
    pub bias: Vec<f32>,
}

impl Unembed {
    /// All logits of one position, centred over the vocabulary.
    ///
    /// # Shapes
    /// - `last`: `[1, d_model]`, the normalised residual stream
    ///
    /// # Errors
    /// `result-not-finite`, `device-failed`.
    pub async fn logits(&self, last: &Tensor<2>) -> Result<Vec<f64>> {
        let mut logits = Vec::with_capacity(self.bias.len());
        for rows in &self.rows {
            let part = read_back(kernels::matmul_transposed(last, rows), "logits").await?;
            logits.extend(part.into_iter().map(f64::from));
        }
        logits.iter_mut().zip(&self.bias).for_each(|(logit, &bias)| *logit += f64::from(bias));
        let mean = logits.iter().sum::<f64>() / logits.len() as f64;
        logits.iter_mut().for_each(|logit| *logit -= mean);
        Ok(logits)
    }

    /// What each centred logit reads from the normalised end of the residual stream:
    /// `ids.len()` rows of `d_model`.
    ///
    /// # Errors
    /// `result-not-finite`, `device-failed`.
    pub async fn read_rows(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let d_model = self.mean_row.len();
        let part_len = self.rows[0].dims()[0];
        let mut gathered = vec![0f32; ids.len() * d_model];
        for (part, rows) in self.rows.iter().enumerate() {
            let here: Vec<usize> =
                (0..ids.len()).filter(|&i| ids[i] as usize / part_len == part).collect();
            if here.is_empty() {
                continue;
            }
            let within: Vec<u32> =
                here.iter().map(|&i| (ids[i] as usize % part_len) as u32).collect();
            let values = read_back(kernels::gather_rows(rows, &within), "unembedding").await?;
            for (&i, row) in here.iter().zip(values.chunks_exact(d_model)) {
                let to = gathered[i * d_model..].iter_mut();
                to.zip(row.iter().zip(&self.mean_row)).for_each(|(to, (x, mean))| *to = x - mean);
            }
        }
        Ok(gathered)
    }
}
