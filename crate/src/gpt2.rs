//! GPT-2's forward pass, from any layer to any layer.
//!
//! Knows nothing of SAEs, files or gradients: it is plain tensor arithmetic, so whoever calls it
//! with an autodiff tensor gets a differentiable pass, attention patterns and LayerNorms included.

use burn::tensor::{Bool, Device, Tensor, TensorData, activation::softmax};

use crate::sparse::indices;

/// Added to masked attention scores in place of −∞, which WGSL cannot write; `exp` of it is 0.
const MASKED: f32 = -1e30;

/// A dense layer `x W + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[d_in, d_out]`, the layout of GPT-2's `Conv1D`.
    pub weight: Tensor<2>,
    /// `[1, d_out]`
    pub bias: Tensor<2>,
}

impl Linear {
    /// # Shapes
    /// - `x`: `[rows, d_in]`; returns `[rows, d_out]`
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.clone()) + self.bias.clone()
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
    /// `W_Q`, heads side by side: `[d_model, d_model]`.
    pub query: Linear,
    /// `W_K`, likewise.
    pub key: Linear,
    /// `W_V`, likewise.
    pub value: Linear,
    /// `W_O`: `[d_model, d_model]`.
    pub output: Linear,
    /// `W_in`: `[d_model, d_mlp]`.
    pub mlp_in: Linear,
    /// `W_out`: `[d_mlp, d_model]`.
    pub mlp_out: Linear,
}

impl Block {
    /// The residual stream after this block.
    ///
    /// # Shapes
    /// - `resid`: `[batch, pos, d_model]`, returned likewise
    pub fn forward(&self, resid: Tensor<3>) -> Tensor<3> {
        let [batch, pos, d_model] = resid.dims();
        let rows = resid.reshape([batch * pos, d_model]);
        let rows = rows.clone() + self.attention(rows, batch, pos);
        let rows = rows.clone() + self.mlp(rows);
        rows.reshape([batch, pos, d_model])
    }

    fn attention(&self, rows: Tensor<2>, batch: usize, pos: usize) -> Tensor<2> {
        let [_, d_model] = rows.dims();
        let d_head = d_model / self.n_head;
        let x = normalize(rows, self.layer_norm_epsilon);
        // [batch, head, pos, d_head]
        let heads = |layer: &Linear, x: Tensor<2>| {
            layer.forward(x).reshape([batch, pos, self.n_head, d_head]).swap_dims(1, 2)
        };
        let query = heads(&self.query, x.clone());
        let key = heads(&self.key, x.clone());
        let value = heads(&self.value, x);

        let scores = query.matmul(key.swap_dims(2, 3)) / (d_head as f64).sqrt();
        let scores = scores.mask_fill(later_positions(pos, &self.query.weight.device()), MASKED);
        let mixed = softmax(scores, 3).matmul(value);
        self.output.forward(mixed.swap_dims(1, 2).reshape([batch * pos, d_model]))
    }

    fn mlp(&self, rows: Tensor<2>) -> Tensor<2> {
        let x = normalize(rows, self.layer_norm_epsilon);
        self.mlp_out.forward(gelu_new(self.mlp_in.forward(x)))
    }
}

/// True where a query would look at a later key: `[1, 1, pos, pos]`.
fn later_positions(pos: usize, device: &Device) -> Tensor<4, Bool> {
    let mask: Vec<bool> = (0..pos * pos).map(|i| i % pos > i / pos).collect();
    Tensor::from_data(TensorData::new(mask, [1, 1, pos, pos]), device)
}

/// `(x − mean) / √(var + ε)` over the last axis: a LayerNorm without gain and bias.
///
/// # Shapes
/// - `rows`: `[rows, d]`, returned likewise
pub fn normalize(rows: Tensor<2>, epsilon: f64) -> Tensor<2> {
    let centered = rows.clone() - rows.mean_dim(1);
    let variance = (centered.clone() * centered.clone()).mean_dim(1);
    centered / (variance + epsilon).sqrt()
}

/// GPT-2's GELU: `x · σ(2u)` with `u = √(2/π) (x + 0.044715 x³)`, the same number as the usual
/// `x/2 (1 + tanh u)` without `tanh`, which overflows on some GPUs.
fn gelu_new(x: Tensor<2>) -> Tensor<2> {
    const TWICE_SQRT_2_OVER_PI: f64 = 1.595_769_121_605_730_7;
    let square = x.clone() * x.clone();
    let inner = x.clone() * (square * (0.044715 * TWICE_SQRT_2_OVER_PI) + TWICE_SQRT_2_OVER_PI);
    x * burn::tensor::activation::sigmoid(inner)
}

/// The way from the last residual stream to the logits, centred over the vocabulary
/// (TransformerLens' `center_unembed`).
#[derive(Debug, Clone)]
pub struct Unembed {
    /// Added to the variance in the final LayerNorm.
    pub layer_norm_epsilon: f64,
    /// `ln_f.weight`: `[1, d_model]`.
    pub gain: Tensor<2>,
    /// `ln_f.bias`: `[1, d_model]`.
    pub bias: Tensor<2>,
    /// `wte`, split by rows so that no part exceeds a storage binding: `[rows, d_model]` each.
    pub rows: Vec<Tensor<2>>,
    /// Mean of all rows: `[1, d_model]`.
    pub mean_row: Tensor<2>,
}

impl Unembed {
    /// Logits before centring, one part a tensor of `rows`.
    ///
    /// # Shapes
    /// - `last`: `[1, d_model]`, the residual stream at one position; returns `[rows, 1]` each
    pub fn logits(&self, last: Tensor<2>) -> Vec<Tensor<2>> {
        let x = normalize(last, self.layer_norm_epsilon) * self.gain.clone() + self.bias.clone();
        let x = x.transpose();
        self.rows.iter().map(|rows| rows.clone().matmul(x.clone())).collect()
    }

    /// What each centred logit reads from the normalised end of the residual stream.
    ///
    /// # Shapes
    /// - returns `[ids, d_model]`
    pub fn read_rows(&self, ids: &[u32]) -> Tensor<2> {
        let device = self.gain.device();
        let part_len = self.rows[0].dims()[0];
        let mut gathered = Vec::new();
        // Where each id's row comes to stand once the parts are joined.
        let mut place = vec![0; ids.len()];
        let mut n = 0;
        for (part, rows) in self.rows.iter().enumerate() {
            let mut here = Vec::new();
            for (&id, place) in ids.iter().zip(&mut place) {
                if id as usize / part_len == part {
                    *place = n;
                    n += 1;
                    here.push((id as usize % part_len) as u32);
                }
            }
            if !here.is_empty() {
                gathered.push(rows.clone().select(0, indices(&here, &device)));
            }
        }
        let rows = Tensor::cat(gathered, 0).select(0, indices(&place, &device));
        (rows - self.mean_row.clone()) * self.gain.clone()
    }
}
