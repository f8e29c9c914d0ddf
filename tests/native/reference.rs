//! What the linearised blocks are compared with: the same model in burn's tensor operations, one
//! target at a time through burn's autodiff.

use burn::tensor::activation::{gelu_approximate, softmax};
use burn::tensor::{Bool, Tensor, TensorData};
use sae_attribution::attribution::Directions;
use sae_attribution::gpt2::{Block, Linear};

/// A differentiable way from the last residual stream to what targets read.
pub(crate) type Read = dyn Fn(Tensor<2>) -> Tensor<2>;

/// A block's forward pass.
///
/// # Shapes
/// - `resid`: `[pos, d_model]`, returned likewise
pub(crate) fn forward(block: &Block, resid: Tensor<2>) -> Tensor<2> {
    let [n_pos, d_model] = resid.dims();
    let dense = |layer: &Linear, x: Tensor<2>| x.matmul(layer.weight.clone()) + layer.bias.clone();
    let normalized = layer_norm(resid.clone(), block.layer_norm_epsilon);
    let query_key = dense(&block.query_key, normalized.clone());
    let part = |i: usize| query_key.clone().slice([0..n_pos, i * d_model..(i + 1) * d_model]);
    let [query, key, value] = [part(0), part(1), dense(&block.value, normalized)]
        .map(|part| part.reshape([n_pos, block.n_head, d_model / block.n_head]).swap_dims(0, 1));
    let scores = query.matmul(key.swap_dims(1, 2)) / ((d_model / block.n_head) as f64).sqrt();
    let later: Vec<bool> = (0..n_pos * n_pos).map(|i| i % n_pos > i / n_pos).collect();
    let later: Tensor<3, Bool> =
        Tensor::from_data(TensorData::new(later, [1, n_pos, n_pos]), &resid.device());
    let mixed = softmax(scores.mask_fill(later, f32::NEG_INFINITY), 2).matmul(value);
    let resid = resid + dense(&block.output, mixed.swap_dims(0, 1).reshape([n_pos, d_model]));
    let hidden = dense(&block.mlp_in, layer_norm(resid.clone(), block.layer_norm_epsilon));
    resid + dense(&block.mlp_out, gelu_approximate(hidden))
}

/// A LayerNorm without gain and bias.
pub(crate) fn layer_norm(rows: Tensor<2>, epsilon: f64) -> Tensor<2> {
    let centered = rows.clone() - rows.mean_dim(1);
    let variance = (centered.clone() * centered.clone()).mean_dim(1);
    centered / (variance + epsilon).sqrt()
}

/// d target / d source for all pairs, `[targets, sources]` in row-major order.
pub(crate) fn jacobian(
    resid: &Tensor<2>,
    blocks: &[std::rc::Rc<Block>],
    read: &Read,
    sources: &Directions,
    targets: &Directions,
) -> Vec<f32> {
    let d_model = resid.dims()[1];
    let source_rows: Vec<f32> = sources.rows.to_data().try_into_vec().unwrap();
    let mut found = Vec::new();
    for (target, &at) in targets.pos.iter().enumerate() {
        let leaf = resid.clone().autodiff().require_grad();
        let end = blocks.iter().fold(leaf.clone(), |resid, block| forward(block, resid));
        let at = at as usize;
        let row = read(end).slice([at..at + 1, 0..d_model]);
        let value = (row * targets.rows.clone().slice([target..target + 1, 0..d_model])).sum();
        let gradient = leaf.grad(&value.backward()).expect("the leaf requires a gradient");
        let gradient: Vec<f32> = gradient.into_data().try_into_vec().unwrap();
        for (&pos, row) in sources.pos.iter().zip(source_rows.chunks_exact(d_model)) {
            let gradient = &gradient[pos as usize * d_model..][..d_model];
            found.push(gradient.iter().zip(row).map(|(g, v)| g * v).sum());
        }
    }
    found
}
