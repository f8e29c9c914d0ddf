//! What the linearised blocks are compared with: the same model in burn's tensor operations, one
//! target at a time through burn's autodiff.

use burn::tensor::activation::{gelu_approximate, softmax};
use burn::tensor::{Bool, Tensor, TensorData};
use sae_attribution::attribution::Directions;
use sae_attribution::config::ActivationNorm;
use sae_attribution::gpt2::{Attn, Linear, Mlp};

use crate::gradients::{Block, stream};

/// A differentiable way from the last residual stream to what targets read.
pub(crate) type Read = dyn Fn(Tensor<2>) -> Tensor<2>;

/// A block's forward pass.
///
/// # Shapes
/// - `resid`: `[pos, d_model]`, returned likewise
pub(crate) fn forward(block: &Block, resid: Tensor<2>) -> Tensor<2> {
    let resid = resid.clone() + attn_out(&block.attn, z(&block.attn, resid));
    let normalized = layer_norm(resid.clone(), block.mlp.layer_norm_epsilon);
    resid + mlp_out(&block.mlp, normalized)
}

fn dense(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    x.matmul(layer.weight.clone()) + layer.bias.clone()
}

/// `hook_z` of `hook_resid_pre`, heads side by side.
pub(crate) fn z(attn: &Attn, resid: Tensor<2>) -> Tensor<2> {
    let [n_pos, d_model] = resid.dims();
    let normalized = layer_norm(resid, attn.layer_norm_epsilon);
    let query_key = dense(&attn.query_key, normalized.clone());
    let part = |i: usize| query_key.clone().slice([0..n_pos, i * d_model..(i + 1) * d_model]);
    let [query, key, value] = [part(0), part(1), normalized.matmul(attn.value.clone())]
        .map(|part| part.reshape([n_pos, attn.n_head, d_model / attn.n_head]).swap_dims(0, 1));
    let scores = query.matmul(key.swap_dims(1, 2)) / ((d_model / attn.n_head) as f64).sqrt();
    let later: Vec<bool> = (0..n_pos * n_pos).map(|i| i % n_pos > i / n_pos).collect();
    let later: Tensor<3, Bool> =
        Tensor::from_data(TensorData::new(later, [1, n_pos, n_pos]), &scores.device());
    let mixed = softmax(scores.mask_fill(later, f32::NEG_INFINITY), 2).matmul(value);
    mixed.swap_dims(0, 1).reshape([n_pos, d_model])
}

/// `hook_attn_out` of `hook_z`.
pub(crate) fn attn_out(attn: &Attn, z: Tensor<2>) -> Tensor<2> {
    dense(&attn.output, z)
}

/// `hook_mlp_out` of `ln2.hook_normalized`.
pub(crate) fn mlp_out(mlp: &Mlp, normalized: Tensor<2>) -> Tensor<2> {
    dense(&mlp.output, gelu_approximate(dense(&mlp.input, normalized)))
}

/// A LayerNorm without gain and bias.
pub(crate) fn layer_norm(rows: Tensor<2>, epsilon: f64) -> Tensor<2> {
    let centered = rows.clone() - rows.mean_dim(1);
    let variance = (centered.clone() * centered.clone()).mean_dim(1);
    centered / (variance + epsilon).sqrt()
}

/// The normalisation in front of an SAE, if there is one (SAELens).
pub(crate) fn normalize(norm: ActivationNorm, rows: Tensor<2>) -> Tensor<2> {
    let d = rows.dims()[1] as f64;
    let square = |x: Tensor<2>| (x.clone() * x).sum_dim(1);
    match norm {
        ActivationNorm::LayerNorm => {
            let centered = rows.clone() - rows.mean_dim(1);
            let std = (square(centered.clone()) / (d - 1.0)).sqrt();
            centered / (std + 1e-5)
        }
        ActivationNorm::ConstantNormRescale => {
            let norm = square(rows.clone()).sqrt();
            rows * d.sqrt() / norm
        }
        _ => rows,
    }
}

/// d target / d source for all pairs, `[targets, sources]` in row-major order.
pub(crate) fn jacobian(
    resid: &Tensor<2>,
    blocks: &[Block],
    read: &Read,
    sources: &Directions,
    targets: &Directions,
) -> Vec<f32> {
    let d_model = resid.dims()[1];
    let source_rows: Vec<f32> = stream(sources).to_data().try_into_vec().unwrap();
    let mut found = Vec::new();
    for (target, &at) in targets.pos.iter().enumerate() {
        let leaf = resid.clone().autodiff().require_grad();
        let end = blocks.iter().fold(leaf.clone(), |resid, block| forward(block, resid));
        let at = at as usize;
        let row = read(end).slice([at..at + 1, 0..d_model]);
        let value = (row * stream(targets).clone().slice([target..target + 1, 0..d_model])).sum();
        let gradient = leaf.grad(&value.backward()).expect("the leaf requires a gradient");
        let gradient: Vec<f32> = gradient.into_data().try_into_vec().unwrap();
        for (&pos, row) in sources.pos.iter().zip(source_rows.chunks_exact(d_model)) {
            let gradient = &gradient[pos as usize * d_model..][..d_model];
            found.push(gradient.iter().zip(row).map(|(g, v)| g * v).sum());
        }
    }
    found
}
