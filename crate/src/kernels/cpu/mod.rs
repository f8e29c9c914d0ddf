//! The device's arithmetic in Rust, over the memory of burn-flex tensors.
//!
//! Formulas stand in the functions' docs; `webgpu` has the same in WGSL.

mod gemm;
mod lane;

use burn::backend::{Flex, flex::FlexTensor};
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::Result;

use super::{Attention, Normalized, Rows, count};
use gemm::{add_product, add_transposed_product, dot};

/// A tensor's memory. The tensors of this module are contiguous: they come from `upload`.
struct Host(FlexTensor);

impl Host {
    fn of(tensor: &Tensor<2>) -> Self {
        let tensor = tensor.clone().try_into_primitive::<Flex>();
        Self(tensor.expect("the CPU build has no other backend"))
    }

    fn values(&self) -> &[f32] {
        self.0.as_slice().expect("kernels read contiguous f32")
    }
}

/// Moves rows to the device.
///
/// # Shapes
/// - returns `[values.len() / columns, columns]`
pub fn upload(values: Vec<f32>, columns: usize, _: &Device) -> Tensor<2> {
    let rows = values.len() / columns;
    tensor(values, [rows, columns])
}

fn tensor(values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_primitive::<Flex>(FlexTensor::from_data(TensorData::new(values, shape)))
}

/// A matrix on its way to the device, piece by piece.
pub struct Upload {
    values: Vec<f32>,
    shape: [usize; 2],
}

impl Upload {
    /// # Shapes
    /// - `shape`: of the whole, neither side 0
    pub fn new(shape: [usize; 2], _: &Device) -> Self {
        Self { values: Vec::with_capacity(shape[0] * shape[1]), shape }
    }

    /// Sends the next values, in row-major order.
    pub fn push(&mut self, values: Vec<f32>) {
        self.values.extend(values);
    }

    /// The matrix, once all of it was pushed.
    pub fn finish(self) -> Tensor<2> {
        assert_eq!(self.values.len(), self.shape[0] * self.shape[1], "a part is missing");
        tensor(self.values, self.shape)
    }
}

/// Moves rows from the device, in row-major order.
///
/// # Errors
/// None here.
pub async fn download(tensor: Tensor<2>) -> Result<Vec<f32>> {
    Ok(Host::of(&tensor).values().to_vec())
}

/// `x w + bias + add`
///
/// # Shapes
/// - `x`: `[rows, inner]`, `w`: `[inner, columns]`, `bias`: `[1, columns]`, `add`:
///   `[rows, columns]`; returns `[rows, columns]`
pub fn matmul(
    x: &Tensor<2>,
    w: &Tensor<2>,
    bias: Option<&Tensor<2>>,
    add: Option<&Tensor<2>>,
) -> Tensor<2> {
    let ([rows, inner], [_, columns]) = (x.dims(), w.dims());
    count(rows, inner, columns);
    let mut out = sums_from(add, rows * columns);
    if let Some(bias) = bias {
        let bias = Host::of(bias);
        for row in out.chunks_exact_mut(columns) {
            row.iter_mut().zip(bias.values()).for_each(|(out, b)| *out += b);
        }
    }
    let (x_host, w_host) = (Host::of(x), Host::of(w));
    add_product(x_host.values(), w_host.values(), &mut out, [rows, inner, columns]);
    upload(out, columns, &x.device())
}

/// What products are added to.
fn sums_from(add: Option<&Tensor<2>>, n: usize) -> Vec<f32> {
    match add {
        Some(add) => Host::of(add).values().to_vec(),
        None => vec![0.0; n],
    }
}

/// `x wᵀ`
///
/// # Shapes
/// - `x`: `[rows, inner]`, `w`: `[columns, inner]`; returns `[rows, columns]`
pub fn matmul_transposed(x: &Tensor<2>, w: &Tensor<2>) -> Tensor<2> {
    let ([rows, _], [columns, _]) = (x.dims(), w.dims());
    products(x, w, &[(0..rows, 0..columns)], None).reshape([rows, columns])
}

/// For each block, `x[rows of x] · w[rows of w]ᵀ`, one after the other, plus `add`.
///
/// # Shapes
/// - `x`, `w`: `[_, inner]`; returns `[1, Σ rows of x · rows of w]`, and `add` likewise
pub fn products(
    x: &Tensor<2>,
    w: &Tensor<2>,
    blocks: &[(std::ops::Range<usize>, std::ops::Range<usize>)],
    add: Option<&Tensor<2>>,
) -> Tensor<2> {
    let [_, inner] = x.dims();
    let (x_host, w_host) = (Host::of(x), Host::of(w));
    let mut out = sums_from(add, blocks.iter().map(|(x, w)| x.len() * w.len()).sum());
    let mut rest = &mut out[..];
    for (x_rows, w_rows) in blocks {
        let (block, after) = rest.split_at_mut(x_rows.len() * w_rows.len());
        rest = after;
        count(x_rows.len(), inner, w_rows.len());
        add_transposed_product(
            &x_host.values()[x_rows.start * inner..x_rows.end * inner],
            &w_host.values()[w_rows.start * inner..w_rows.end * inner],
            block,
            [x_rows.len(), inner, w_rows.len()],
        );
    }
    let n = out.len();
    upload(out, n, &x.device())
}

/// For each block, `x[rows of x] · w[rows of w]`, one below the other, plus `add`.
///
/// # Shapes
/// - `x`: `[Σ rows of x, inner]`, `w`: `[_, columns]`; returns `[Σ rows of x, columns]`, and `add`
///   likewise
pub fn row_products(
    x: &Tensor<2>,
    w: &Tensor<2>,
    blocks: &[(std::ops::Range<usize>, std::ops::Range<usize>)],
    add: Option<&Tensor<2>>,
) -> Tensor<2> {
    let ([rows, inner], [_, columns]) = (x.dims(), w.dims());
    let (x_host, w_host) = (Host::of(x), Host::of(w));
    let mut out = sums_from(add, rows * columns);
    for (x_rows, w_rows) in blocks {
        count(x_rows.len(), inner, columns);
        add_product(
            &x_host.values()[x_rows.start * inner..x_rows.end * inner],
            &w_host.values()[w_rows.start * columns..w_rows.end * columns],
            &mut out[x_rows.start * columns..x_rows.end * columns],
            [x_rows.len(), inner, columns],
        );
    }
    upload(out, columns, &x.device())
}

/// Rows of a matrix.
///
/// # Shapes
/// - `w`: `[_, d]`; returns `[indices, d]`
pub fn gather_rows(w: &Tensor<2>, indices: &[u32]) -> Tensor<2> {
    let [_, d] = w.dims();
    let host = Host::of(w);
    let row = |&i: &u32| &host.values()[i as usize * d..][..d];
    upload(indices.iter().flat_map(row).copied().collect(), d, &w.device())
}

/// Columns of a matrix, as rows.
///
/// # Shapes
/// - `w`: `[d, columns]`; returns `[indices, d]`
pub fn gather_columns(w: &Tensor<2>, indices: &[u32]) -> Tensor<2> {
    let [d, columns] = w.dims();
    let host = Host::of(w);
    let mut out = vec![0.0; indices.len() * d];
    for (k, row) in host.values().chunks_exact(columns).enumerate() {
        for (i, &index) in indices.iter().enumerate() {
            out[i * d + k] = row[index as usize];
        }
    }
    upload(out, d, &w.device())
}

/// `(x − mean) / √(var + ε)` of each row: a LayerNorm without gain and bias.
///
/// # Shapes
/// - `x`: `[pos, d]`
pub fn layer_norm(x: &Tensor<2>, epsilon: f32) -> Normalized {
    let [_, d] = x.dims();
    let host = Host::of(x);
    let mut y = Vec::with_capacity(host.values().len());
    let mut slopes = Vec::new();
    for row in host.values().chunks_exact(d) {
        let mean = row.iter().sum::<f32>() / d as f32;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / d as f32;
        let scale = 1.0 / (variance + epsilon).sqrt();
        y.extend(row.iter().map(|x| (x - mean) * scale));
        slopes.extend([scale, scale / d as f32]);
    }
    let device = x.device();
    Normalized { y: upload(y, d, &device), slopes: upload(slopes, 2, &device), centered: true }
}

/// Tangents through a normalisation, and cotangents likewise: the Jacobian is symmetric.
///
/// # Shapes
/// - `tangent`: `[rows, d]`; `add`, added to the outcome, and the outcome likewise
pub fn normalize_jvp(
    tangent: &Tensor<2>,
    rows: &Rows,
    at: &Normalized,
    add: Option<&Tensor<2>>,
) -> Tensor<2> {
    let [_, d] = tangent.dims();
    let (y, slopes) = (Host::of(&at.y), Host::of(&at.slopes));
    let mut out = Host::of(tangent).values().to_vec();
    for pos in 0..rows.n_pos() {
        let y = &y.values()[pos * d..][..d];
        let [scale, coupling] = [0, 1].map(|i| slopes.values()[2 * pos + i]);
        let range = rows.range(pos);
        for row in out[range.start * d..range.end * d].chunks_exact_mut(d) {
            let mean = if at.centered { row.iter().sum::<f32>() / d as f32 } else { 0.0 };
            let along = coupling * dot(row, y);
            for (t, y) in row.iter_mut().zip(y) {
                *t = scale * (*t - mean) - along * y;
            }
        }
    }
    if let Some(add) = add {
        out.iter_mut().zip(Host::of(add).values()).for_each(|(out, add)| *out += add);
    }
    upload(out, d, &tangent.device())
}

/// What changes of a row change in its LayerNorm, however large they are: small ones lose no digits, nor
/// do those that leave little of the row.
///
/// # Shapes
/// - `change`: `[rows, d]`, returned likewise
pub fn layer_norm_change(
    change: &Tensor<2>,
    rows: &Rows,
    at: &Normalized,
    epsilon: f32,
) -> Tensor<2> {
    let [_, d] = change.dims();
    let (host, y, slopes) = (Host::of(change), Host::of(&at.y), Host::of(&at.slopes));
    let mut out = vec![0f32; rows.len() * d];
    for pos in 0..rows.n_pos() {
        let y = &y.values()[pos * d..][..d];
        let sigma = 1.0 / f64::from(slopes.values()[2 * pos]);
        for row in rows.range(pos) {
            let change = &host.values()[row * d..][..d];
            let mean = change.iter().map(|&x| f64::from(x)).sum::<f64>() / d as f64;
            let centred = |x: f32| f64::from(x) - mean;
            let (mut grown, mut square) = (0.0, 0.0);
            for (&x, &y) in change.iter().zip(y) {
                let (x, before) = (centred(x), sigma * f64::from(y));
                grown += x * (2.0 * before + x);
                square += (before + x).powi(2);
            }
            // σ'² − σ² and σ', each so that it loses no digits; of them σ/σ' − 1.
            let grown = grown / d as f64;
            let new = (square / d as f64 + f64::from(epsilon)).sqrt();
            let shrunk = -grown / (new * (sigma + new));
            for ((out, &x), &y) in out[row * d..][..d].iter_mut().zip(change).zip(y) {
                *out = (centred(x) / new + f64::from(y) * shrunk) as f32;
            }
        }
    }
    upload(out, d, &change.device())
}

/// `x σ(2u)` with `u = √(2/π) (x + 0.044715 x³)`, GPT-2's GELU, and its derivative.
///
/// # Shapes
/// - `x`: `[pos, d]`, both results likewise
pub fn gelu(x: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769;
    let [_, d] = x.dims();
    let (y, slope) = (Host::of(x).values().iter())
        .map(|&x| {
            let inner = TWICE_SQRT_2_OVER_PI * x * (1.0 + 0.044715 * x * x);
            let gate = 1.0 / (1.0 + (-inner).exp());
            let inner_slope = TWICE_SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * x * x);
            (x * gate, gate + x * gate * (1.0 - gate) * inner_slope)
        })
        .unzip();
    let device = x.device();
    (upload(y, d, &device), upload(slope, d, &device))
}

/// What changes of its argument change in GELU, however large they are. Small ones lose no digits.
///
/// # Shapes
/// - `change`: `[rows, d]`, `at`: `[pos, d]`, the arguments; returns `[rows, d]`
pub fn gelu_change(change: &Tensor<2>, rows: &Rows, at: &Tensor<2>) -> Tensor<2> {
    let [_, d] = change.dims();
    let (host, at) = (Host::of(change), Host::of(at));
    let mut out = vec![0f32; rows.len() * d];
    for pos in 0..rows.n_pos() {
        let at = &at.values()[pos * d..][..d];
        for row in rows.range(pos) {
            let changes = &host.values()[row * d..][..d];
            for ((out, &by), &x) in out[row * d..][..d].iter_mut().zip(changes).zip(at) {
                let (x, by) = (f64::from(x), f64::from(by));
                let root = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
                let now = root * (x + 0.044715 * x * x * x);
                let further = root * by * (1.0 + 0.044715 * (3.0 * x * (x + by) + by * by));
                let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
                let new = sigmoid(now + further);
                let grown = match further < 0.0 {
                    true => sigmoid(now) * sigmoid(-now - further) * further.exp_m1(),
                    false => -new * sigmoid(-now) * (-further).exp_m1(),
                };
                *out = (by * new + x * grown) as f32;
            }
        }
    }
    upload(out, d, &change.device())
}

/// Each row times the factors of its position.
///
/// # Shapes
/// - `tangent`: `[rows, d]`, `factors`: `[pos, d]`; returns `[rows, d]`
pub fn scale_rows(tangent: Tensor<2>, rows: &Rows, factors: &Tensor<2>) -> Tensor<2> {
    let [_, d] = tangent.dims();
    let factors = Host::of(factors);
    let mut out = Host::of(&tangent).values().to_vec();
    for pos in 0..rows.n_pos() {
        let factors = &factors.values()[pos * d..][..d];
        let range = rows.range(pos);
        for row in out[range.start * d..range.end * d].chunks_exact_mut(d) {
            row.iter_mut().zip(factors).for_each(|(t, factor)| *t *= factor);
        }
    }
    upload(out, d, &tangent.device())
}

/// The same rows, some left out; those that were not there are taken from what is at their position
/// otherwise, or are zero.
///
/// # Shapes
/// - `x`: `[rows of from, d]`, `otherwise`: `[pos, d]`; returns `[rows of to, d]`
pub fn repack(x: &Tensor<2>, from: &Rows, to: &Rows, otherwise: Option<&Tensor<2>>) -> Tensor<2> {
    let [_, d] = x.dims();
    let (host, otherwise) = (Host::of(x), otherwise.map(Host::of));
    let mut out = vec![0.0; to.len() * d];
    for pos in 0..to.n_pos() {
        for (row, direction) in to.range(pos).zip(to.directions(pos)) {
            let found = match (row_of(from, pos, direction), &otherwise) {
                (Some(row), _) => &host.values()[row * d..][..d],
                (None, Some(otherwise)) => &otherwise.values()[pos * d..][..d],
                (None, None) => continue,
            };
            out[row * d..][..d].copy_from_slice(found);
        }
    }
    upload(out, d, &x.device())
}

/// Causal softmax attention, heads side by side.
///
/// # Shapes
/// - `query_key`: `[pos, 2 d]`, `value`: `[pos, d]`
pub fn attention(query_key: Tensor<2>, value: Tensor<2>, n_head: usize) -> Attention {
    let [n_pos, d] = value.dims();
    let d_head = d / n_head;
    let scale = 1.0 / (d_head as f32).sqrt();
    let (scored, read) = (Host::of(&query_key), Host::of(&value));
    let part = |pos: usize, part: usize, head: usize| {
        &scored.values()[(2 * pos + part) * d + head * d_head..][..d_head]
    };
    let mut pattern = vec![0f32; n_head * n_pos * n_pos];
    let mut mixed = vec![0f32; n_pos * d];
    for head in 0..n_head {
        for query in 0..n_pos {
            let row = &mut pattern[(head * n_pos + query) * n_pos..][..=query];
            for (key, score) in row.iter_mut().enumerate() {
                *score = scale * dot(part(query, 0, head), part(key, 1, head));
            }
            let max = row.iter().copied().fold(f32::MIN, f32::max);
            row.iter_mut().for_each(|score| *score = (*score - max).exp());
            let sum: f32 = row.iter().sum();
            let out = &mut mixed[query * d + head * d_head..][..d_head];
            for (key, weight) in row.iter_mut().enumerate() {
                *weight /= sum;
                add_scaled(out, *weight, &read.values()[key * d + head * d_head..][..d_head]);
            }
        }
    }
    let device = value.device();
    Attention {
        n_head,
        pattern: upload(pattern, n_pos, &device),
        mixed: upload(mixed, d, &device),
        query_key,
        value,
    }
}

/// What scores read off the normalised residual stream, by position and head: at their keys
/// `W_K q_i / √d_head` for the query of each position, then at their queries `W_Q k_j / √d_head`
/// for the key of each.
///
/// # Shapes
/// - `weight`: `[d, 2 d]`, `W_Q` and `W_K` side by side; returns `[2 · pos · n_head, d]`
pub fn score_reads(weight: &Tensor<2>, at: &Attention) -> Tensor<2> {
    let [n_pos, d] = at.value.dims();
    let d_head = d / at.n_head;
    let scale = 1.0 / (d_head as f32).sqrt();
    let (weight, scored) = (Host::of(weight), Host::of(&at.query_key));
    let mut out = vec![0f32; 2 * n_pos * at.n_head * d];
    for (row, out) in out.chunks_exact_mut(d).enumerate() {
        let (pos, head) = (row / at.n_head % n_pos, row % at.n_head);
        // What is read at the key comes of the query, and the other way round.
        let [ours, theirs] = if row / at.n_head < n_pos { [1, 0] } else { [0, 1] };
        let theirs = &scored.values()[(2 * pos + theirs) * d + head * d_head..][..d_head];
        for (out, weight) in out.iter_mut().zip(weight.values().chunks_exact(2 * d)) {
            *out = scale * dot(&weight[ours * d + head * d_head..][..d_head], theirs);
        }
    }
    upload(out, d, &at.value.device())
}

fn add_scaled(out: &mut [f32], factor: f32, values: &[f32]) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out += factor * value);
}

/// Tangents of values and scores to tangents of what the heads read:
/// `dmixed_i = Σ_j P_ij (dS_ij v_j + dv_j) − mixed_i Σ_j P_ij dS_ij`, with `dS_ij` the sum of what
/// is there of it at its query and at its key.
///
/// # Shapes
/// - `value`: `[rows of from, d]`, `scores`: `[rows of from, own scores]`
///   ([`Attention::own_scores`]); returns `[rows of to, d]`
pub fn attention_jvp(
    value: &Tensor<2>,
    scores: &Tensor<2>,
    from: &Rows,
    to: &Rows,
    at: &Attention,
) -> Tensor<2> {
    let view = View::of(at);
    let (value_host, scores) = (Host::of(value), Host::of(scores));
    let (d, d_head) = (view.d, view.d_head);
    let mut out = vec![0f32; to.len() * d];
    for query in 0..to.n_pos() {
        for direction in to.directions(query) {
            let own = row_of(from, query, direction);
            let out = &mut out[(to.base[query] + direction as i64) as usize * d..][..d];
            for (head, out) in out.chunks_exact_mut(d_head).enumerate() {
                let mut total = 0.0;
                for key in 0..=query {
                    let other = row_of(from, key, direction);
                    if own.is_none() && other.is_none() {
                        continue;
                    }
                    let weight = view.weight(head, query, key);
                    let mut score = 0.0;
                    if let Some(own) = own {
                        score += scores.values()[view.score_at_query(own, query, key, head)];
                    }
                    if let Some(other) = other {
                        score += scores.values()[view.score_at_key(other, query, key, head)];
                        add_scaled(out, weight, &value_host.values()[other * d..][view.head(head)]);
                    }
                    let change = weight * score;
                    total += change;
                    add_scaled(out, change, &view.value.values()[key * d..][view.head(head)]);
                }
                add_scaled(out, -total, &view.mixed.values()[query * d..][view.head(head)]);
            }
        }
    }
    upload(out, d, &value.device())
}

/// Cotangents of what the heads read to cotangents of values, `gv_j = Σ_i P_ij g_i`, and of scores,
/// `gS_ij = P_ij (g_i · v_j − g_i · mixed_i)`, these both at their query and at their key.
///
/// # Shapes
/// - `cotangent`: `[rows of from, d]`; returns `[rows of to, d]` and `[rows of to, own scores]`
pub fn attention_vjp(
    cotangent: &Tensor<2>,
    from: &Rows,
    to: &Rows,
    at: &Attention,
) -> (Tensor<2>, Tensor<2>) {
    let view = View::of(at);
    let host = Host::of(cotangent);
    let d = view.d;
    let mut value = vec![0f32; to.len() * d];
    let mut scores = vec![0f32; to.len() * view.own_scores];
    for query in 0..from.n_pos() {
        for direction in from.directions(query) {
            let row = (from.base[query] + direction as i64) as usize;
            let own = row_of(to, query, direction);
            for head in 0..at.n_head {
                let g = &host.values()[row * d..][view.head(head)];
                let along = dot(g, &view.mixed.values()[query * d..][view.head(head)]);
                for key in 0..=query {
                    let weight = view.weight(head, query, key);
                    let v = &view.value.values()[key * d..][view.head(head)];
                    let change = weight * (dot(g, v) - along);
                    if let Some(own) = own {
                        scores[view.score_at_query(own, query, key, head)] = change;
                    }
                    if let Some(other) = row_of(to, key, direction) {
                        scores[view.score_at_key(other, query, key, head)] = change;
                        add_scaled(&mut value[other * d..][view.head(head)], weight, g);
                    }
                }
            }
        }
    }
    let device = cotangent.device();
    (upload(value, d, &device), upload(scores, view.own_scores, &device))
}

/// What changes of queries, keys and values change in what the heads read, however large they are:
/// `dmixed_i = Σ_j (P'_ij − P_ij) (v_j − mixed_i) + P'_ij dv_j`. Small changes lose no digits.
///
/// # Shapes
/// - `query_key`: `[rows of from, 2 d]`, `value`: `[rows of from, d]`; returns `[rows of to, d]`
pub fn attention_change(
    query_key: &Tensor<2>,
    value: &Tensor<2>,
    from: &Rows,
    to: &Rows,
    at: &Attention,
) -> Tensor<2> {
    let view = View::of(at);
    let (d, d_head) = (view.d, view.d_head);
    let scale = 1.0 / f64::from(d_head as u32).sqrt();
    let (change, value_change) = (Host::of(query_key), Host::of(value));
    let scored = Host::of(&at.query_key);
    let part = |row: usize, part: usize, head: usize| {
        let first = (2 * row + part) * d + head * d_head;
        first..first + d_head
    };
    let mut out = vec![0f32; to.len() * d];
    let mut keys = Vec::with_capacity(to.n_pos());
    let mut changes = Vec::with_capacity(to.n_pos());
    for query in 0..to.n_pos() {
        for direction in to.directions(query) {
            keys.clear();
            keys.extend((0..=query).map(|key| row_of(from, key, direction)));
            let out = &mut out[(to.base[query] + direction as i64) as usize * d..][..d];
            for (head, out) in out.chunks_exact_mut(d_head).enumerate() {
                let q = &scored.values()[part(query, 0, head)];
                let dq = keys[query].map(|row| &change.values()[part(row, 0, head)]);
                changes.clear();
                changes.extend(keys.iter().enumerate().map(|(key, &row)| {
                    let k = &scored.values()[part(key, 1, head)];
                    let dk = row.map(|row| &change.values()[part(row, 1, head)]);
                    let by_query = dq.map_or(0.0, |dq| dot(dq, k));
                    let by_key = dk.map_or(0.0, |dk| dot(q, dk));
                    let by_both = dq.zip(dk).map_or(0.0, |(dq, dk)| dot(dq, dk));
                    scale * f64::from(by_query + by_key + by_both)
                }));
                let weight = |key: usize| f64::from(view.weight(head, query, key));
                let largest = changes.iter().copied().fold(0.0, f64::max);
                let total: f64 =
                    changes.iter().enumerate().map(|(key, ds)| weight(key) * ds.exp_m1()).sum();
                if largest > LARGE_SCORE_CHANGE || total < MOST_LOST {
                    // Weights that were rounded, to 0 even, may have become large.
                    let score = |key: usize| {
                        scale * f64::from(dot(q, &scored.values()[part(key, 1, head)]))
                    };
                    let new: Vec<f64> = (0..=query).map(|key| score(key) + changes[key]).collect();
                    let max = new.iter().copied().fold(f64::MIN, f64::max);
                    let sum: f64 = new.iter().map(|score| (score - max).exp()).sum();
                    for (key, score) in new.into_iter().enumerate() {
                        changes[key] = (score - max).exp() / sum - weight(key);
                    }
                } else {
                    for (key, ds) in changes.iter_mut().enumerate() {
                        *ds = weight(key) * (ds.exp_m1() - total) / (1.0 + total);
                    }
                }
                let mixed = &view.mixed.values()[query * d..][view.head(head)];
                for (key, &dp) in changes.iter().enumerate() {
                    let v = &view.value.values()[key * d..][view.head(head)];
                    for ((out, v), mixed) in out.iter_mut().zip(v).zip(mixed) {
                        *out += dp as f32 * (v - mixed);
                    }
                    if let Some(row) = keys[key] {
                        let dv = &value_change.values()[row * d..][view.head(head)];
                        add_scaled(out, (weight(key) + dp) as f32, dv);
                    }
                }
            }
        }
    }
    upload(out, d, &value.device())
}

/// A change of scores above which weights are computed anew.
const LARGE_SCORE_CHANGE: f64 = 20.0;
/// What all weights together lose before they are normalised anew, beyond which they are computed anew.
const MOST_LOST: f64 = -0.5;

fn row_of(rows: &Rows, pos: usize, direction: usize) -> Option<usize> {
    let here = rows.directions.get(pos)?.contains(&direction);
    here.then(|| (rows.base[pos] + direction as i64) as usize)
}

/// An [`Attention`] in host memory.
struct View {
    d: usize,
    d_head: usize,
    n_head: usize,
    n_pos: usize,
    own_scores: usize,
    value: Host,
    pattern: Host,
    mixed: Host,
}

impl View {
    fn of(at: &Attention) -> Self {
        let [n_pos, d] = at.value.dims();
        Self {
            d,
            d_head: d / at.n_head,
            n_head: at.n_head,
            n_pos,
            own_scores: at.own_scores(),
            value: Host::of(&at.value),
            pattern: Host::of(&at.pattern),
            mixed: Host::of(&at.mixed),
        }
    }

    /// Columns of a head.
    fn head(&self, head: usize) -> std::ops::Range<usize> {
        head * self.d_head..(head + 1) * self.d_head
    }

    fn weight(&self, head: usize, query: usize, key: usize) -> f32 {
        self.pattern.values()[(head * self.n_pos + query) * self.n_pos + key]
    }

    /// Where a score is among those of a row at its key.
    fn score_at_key(&self, row: usize, query: usize, key: usize, head: usize) -> usize {
        row * self.own_scores + (query - key) * self.n_head + head
    }

    /// Where a score is among those of a row at its query.
    fn score_at_query(&self, row: usize, query: usize, key: usize, head: usize) -> usize {
        row * self.own_scores + (self.n_pos - query + key) * self.n_head + head
    }
}

/// Waits until the device has computed a tensor. The CPU already has.
///
/// # Errors
/// None here.
pub async fn settle(_: &Tensor<2>) -> Result<()> {
    Ok(())
}

/// Names that [`tune`] returns.
pub const SHAPES: [&str; 1] = ["cpu"];

/// There is one way here, so there is nothing to choose. Returns its name.
///
/// # Errors
/// None here.
pub async fn tune(_: &Device, _: Option<&str>, _: bool) -> Result<&'static str> {
    Ok(SHAPES[0])
}

/// Most bytes that the device has taken beside this program's own memory.
pub fn peak_memory() -> u64 {
    0
}

/// Nothing is compiled here.
pub fn compile(_: &Device) {}
