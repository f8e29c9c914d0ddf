//! GPT-2's blocks: the forward pass, and its linearisation at the prompt that was run.
//!
//! A block is two halves, [`Attn`] and [`Mlp`]. A half's forward pass leaves behind what its derivative
//! needs: attention patterns, LayerNorm scales, GELU slopes. They are the same for every target and every
//! source, so they are computed once; then tangents go forward and cotangents go back through fixed linear
//! maps. Knows nothing of SAEs or files.

use std::ops::Range;
use std::rc::Rc;

use burn::tensor::Tensor;

use crate::error::Result;
use crate::kernels::{self, Attention, Joined, Normalized, Rows};
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
}

/// Products that a row takes through a matrix.
fn products(weight: &Tensor<2>) -> u64 {
    weight.dims().iter().map(|&side| side as u64).product()
}

/// The attention of a block. Its LayerNorm's gain and bias are folded into the layers that read it, and
/// `b_V` into `W_O`'s bias (TransformerLens' `fold_ln`, `fold_value_biases`).
#[derive(Debug, Clone)]
pub struct Attn {
    /// Attention heads.
    pub n_head: usize,
    /// Added to the variance in the LayerNorm.
    pub layer_norm_epsilon: f64,
    /// `W_Q` and `W_K` side by side, each with its heads side by side: `[d_model, 2 d_model]`.
    pub query_key: Linear,
    /// `W_V`, heads side by side: `[d_model, d_model]`.
    pub value: Tensor<2>,
    /// `W_O`: `[d_model, d_model]`.
    pub output: Linear,
}

/// The MLP of a block. Its LayerNorm's gain and bias are folded into `input`.
#[derive(Debug, Clone)]
pub struct Mlp {
    /// Added to the variance in the LayerNorm.
    pub layer_norm_epsilon: f64,
    /// `W_in`: `[d_model, d_mlp]`.
    pub input: Linear,
    /// `W_out`: `[d_mlp, d_model]`.
    pub output: Linear,
}

impl Attn {
    /// The attention at `hook_resid_pre`, linearised there.
    ///
    /// # Shapes
    /// - `resid`: `[pos, d_model]`
    pub fn at(self: &Rc<Self>, resid: &Tensor<2>) -> LinearAttn {
        let normalized = kernels::layer_norm(resid, self.layer_norm_epsilon as f32);
        let query_key = self.query_key.forward(&normalized.y, None);
        let value = kernels::matmul(&normalized.y, &self.value, None, None);
        let attention = kernels::attention(query_key, value, self.n_head);
        LinearAttn { attn: self.clone(), normalized, attention, is_frozen: false }
    }

    /// [`at`](Self::at) of a run whose first positions are those of another.
    ///
    /// # Shapes
    /// - `resid`: `[new positions, d_model]`
    pub fn join(self: &Rc<Self>, known: &LinearAttn, resid: &Tensor<2>, at: &Joined) -> LinearAttn {
        let normalized = kernels::layer_norm(resid, self.layer_norm_epsilon as f32);
        let query_key = self.query_key.forward(&normalized.y, None);
        let value = kernels::matmul(&normalized.y, &self.value, None, None);
        let query_key = at.join(&known.attention.query_key, &query_key);
        let value = at.join(&known.attention.value, &value);
        let attention = kernels::attention(query_key, value, self.n_head);
        let normalized = joined(&known.normalized, &normalized, at);
        LinearAttn { attn: self.clone(), normalized, attention, is_frozen: false }
    }

    /// `hook_attn_out` of `hook_z`, added to what is given.
    ///
    /// # Shapes
    /// - `z`, `add`: `[pos, d_model]`, returned likewise
    pub fn out(&self, z: &Tensor<2>, add: Option<&Tensor<2>>) -> Tensor<2> {
        self.output.forward(z, add)
    }

    /// A change of `hook_z` as one of `hook_attn_out`.
    ///
    /// # Shapes
    /// - `tangent`: `[rows, d_model]`, returned likewise
    pub fn out_jvp(&self, tangent: &Tensor<2>) -> Tensor<2> {
        self.output.jvp(tangent, None)
    }
}

impl Mlp {
    /// `ln2.hook_normalized` at `hook_resid_mid`, linearised there.
    ///
    /// # Shapes
    /// - `resid`: `[pos, d_model]`
    pub fn normalize(&self, resid: &Tensor<2>) -> Normalized {
        kernels::layer_norm(resid, self.layer_norm_epsilon as f32)
    }

    /// `hook_mlp_out` of `ln2.hook_normalized`, added to what is given, and the MLP linearised there.
    ///
    /// # Shapes
    /// - `add`: `[pos, d_model]`, returned likewise
    pub fn out(
        self: &Rc<Self>,
        normalized: Normalized,
        add: Option<&Tensor<2>>,
    ) -> (Tensor<2>, LinearMlp) {
        let (hidden, gelu_slope) = kernels::gelu(&self.input.forward(&normalized.y, None));
        let out = self.output.forward(&hidden, add);
        (out, LinearMlp { mlp: self.clone(), normalized, gelu_slope })
    }

    /// The MLP of a run whose first positions are those of another, and the stream behind it at the others.
    ///
    /// # Shapes
    /// - `resid`: `[new positions, d_model]`, returned likewise
    pub fn join(
        self: &Rc<Self>,
        known: &LinearMlp,
        resid: &Tensor<2>,
        at: &Joined,
    ) -> (Tensor<2>, LinearMlp) {
        let (behind, new) = self.out(self.normalize(resid), Some(resid));
        let normalized = joined(&known.normalized, &new.normalized, at);
        let gelu_slope = at.join(&known.gelu_slope, &new.gelu_slope);
        (behind, LinearMlp { mlp: self.clone(), normalized, gelu_slope })
    }
}

fn joined(known: &Normalized, new: &Normalized, at: &Joined) -> Normalized {
    let y = at.join(&known.y, &new.y);
    Normalized { y, slopes: at.join(&known.slopes, &new.slopes), centered: new.centered }
}

/// Tangents or cotangents on either side of an attention.
#[derive(Debug, Clone)]
pub struct Inner {
    /// Of the residual stream beside the attention: `[rows, d_model]`; `None` where they are zero.
    pub beside: Option<Tensor<2>>,
    /// Of values before it, of `hook_z` after it: `[rows, d_model]`.
    pub heads: Tensor<2>,
    /// Of the scores that the row's position has a part in, before it ([`Attention::own_scores`]).
    pub scores: Option<Tensor<2>>,
}

impl Inner {
    /// For each block of rows, those of this times those of the other side, one after the other.
    pub fn products(&self, other: &Self, blocks: &[(Range<usize>, Range<usize>)]) -> Tensor<2> {
        let parts = [
            self.beside.as_ref().zip(other.beside.as_ref()),
            Some((&self.heads, &other.heads)),
            self.scores.as_ref().zip(other.scores.as_ref()),
        ];
        let add = |sum: Option<Tensor<2>>, (ours, theirs)| {
            Some(kernels::products(ours, theirs, blocks, sum.as_ref()))
        };
        parts.into_iter().flatten().fold(None, add).expect("there are heads")
    }

    /// Some of its rows, in this order.
    pub fn gather(&self, indices: &[u32]) -> Self {
        let gather = |rows: &Tensor<2>| kernels::gather_rows(rows, indices);
        Self {
            beside: self.beside.as_ref().map(gather),
            heads: gather(&self.heads),
            scores: self.scores.as_ref().map(gather),
        }
    }
}

/// An attention at the residual stream it was run on.
///
/// Its derivative is three linear maps: into the attention and out of it position by position, and the
/// attention across positions.
///
/// Queries and keys never appear: at a prompt, a score is linear in the residual stream at its
/// query and at its key, and a position has a part in no more than `n_pos + 1` scores of a head,
/// where its query and key are `2 d_head` numbers.
#[derive(Debug, Clone)]
pub struct LinearAttn {
    attn: Rc<Attn>,
    normalized: Normalized,
    attention: Attention,
    /// Whether patterns are held.
    is_frozen: bool,
}

impl LinearAttn {
    /// `hook_z`: `[pos, d_model]`.
    pub fn z(&self) -> &Tensor<2> {
        &self.attention.mixed
    }

    /// `hook_attn_out`: `[pos, d_model]`.
    pub fn out(&self) -> Tensor<2> {
        self.attn.out(self.z(), None)
    }

    /// The attention that was linearised.
    pub fn attn(&self) -> &Rc<Attn> {
        &self.attn
    }

    /// With its pattern and the scale of its LayerNorm held.
    ///
    /// # Errors
    /// `result-not-finite`, `device-failed`.
    pub async fn frozen(&self) -> Result<Self> {
        let normalized = scale_held(&self.normalized).await?;
        Ok(Self { normalized, is_frozen: true, ..self.clone() })
    }

    /// What changes of `hook_resid_pre` change in `hook_z` and in `hook_resid_mid`: `[rows of to, d_model]`
    /// both. Not linearised.
    ///
    /// # Shapes
    /// - `change`: `[rows of from, d_model]`
    pub fn change(&self, change: &Tensor<2>, from: &Rows, to: &Rows) -> [Tensor<2>; 2] {
        let Attn { query_key, value, .. } = &*self.attn;
        let epsilon = self.attn.layer_norm_epsilon as f32;
        let x = kernels::layer_norm_change(change, from, &self.normalized, epsilon);
        let value = kernels::matmul(&x, value, None, None);
        let query_key = query_key.jvp(&x, None);
        let z = kernels::attention_change(&query_key, &value, from, to, &self.attention);
        let beside = kernels::repack(change, from, to, None);
        let mid = self.attn.output.jvp(&z, Some(&beside));
        [z, mid]
    }

    /// Tangents of `hook_resid_pre` to those before the attention.
    pub fn jvp_in(&self, tangent: &Tensor<2>, rows: &Rows) -> Inner {
        let x = kernels::normalize_jvp(tangent, rows, &self.normalized, None);
        let own = self.attention.own_scores();
        let scores = match self.is_frozen {
            true => kernels::upload(vec![0.0; rows.len() * own], own, &tangent.device()),
            false => {
                let windows = self.attention.score_windows(rows);
                kernels::products(&x, &self.score_reads(), &windows, None)
                    .reshape([rows.len(), own])
            }
        };
        Inner {
            beside: Some(tangent.clone()),
            heads: kernels::matmul(&x, &self.attn.value, None, None),
            scores: Some(scores),
        }
    }

    /// Tangents before the attention to those after it.
    pub fn jvp_across(&self, tangent: &Inner, from: &Rows, to: &Rows) -> Inner {
        let scores = tangent.scores.as_ref().expect("it is before the attention");
        let heads = kernels::attention_jvp(&tangent.heads, scores, from, to, &self.attention);
        Inner { beside: repacked(tangent, from, to), heads, scores: None }
    }

    /// Tangents after the attention to those of `hook_resid_mid`.
    pub fn jvp_out(&self, tangent: &Inner) -> Tensor<2> {
        self.attn.output.jvp(&tangent.heads, tangent.beside.as_ref())
    }

    /// Cotangents of `hook_resid_mid` to those after the attention.
    pub fn vjp_out(&self, cotangent: &Tensor<2>) -> Inner {
        Inner { beside: Some(cotangent.clone()), ..self.branch_vjp_out(cotangent) }
    }

    /// Cotangents of `hook_attn_out` to those after the attention: nothing is beside it.
    pub fn branch_vjp_out(&self, cotangent: &Tensor<2>) -> Inner {
        Self::z_vjp(self.attn.output.vjp(cotangent))
    }

    /// Cotangents of `hook_z` as those after the attention.
    pub fn z_vjp(heads: Tensor<2>) -> Inner {
        Inner { beside: None, heads, scores: None }
    }

    /// Cotangents after the attention to those before it.
    pub fn vjp_across(&self, cotangent: &Inner, from: &Rows, to: &Rows) -> Inner {
        let (heads, scores) = kernels::attention_vjp(&cotangent.heads, from, to, &self.attention);
        Inner { beside: repacked(cotangent, from, to), heads, scores: Some(scores) }
    }

    /// Cotangents before the attention to those of `hook_resid_pre`.
    pub fn vjp_in(&self, cotangent: &Inner, rows: &Rows) -> Tensor<2> {
        let mut x = kernels::matmul_transposed(&cotangent.heads, &self.attn.value);
        if !self.is_frozen {
            let scores = cotangent.scores.as_ref().expect("it is before the attention");
            let windows = self.attention.score_windows(rows);
            x = kernels::row_products(scores, &self.score_reads(), &windows, Some(&x));
        }
        kernels::normalize_jvp(&x, rows, &self.normalized, cotangent.beside.as_ref())
    }

    /// Computed for each batch: it takes as long as some ten rows, and of a long prompt much memory.
    fn score_reads(&self) -> Tensor<2> {
        kernels::score_reads(&self.attn.query_key.weight, &self.attention)
    }

    fn d_model(&self) -> usize {
        self.attn.value.dims()[0]
    }
}

/// A normalisation whose scale is held, so that only the mean is taken out.
pub(crate) async fn scale_held(at: &Normalized) -> Result<Normalized> {
    let mut slopes = read_back(at.slopes.clone(), "LayerNorm scales").await?;
    slopes.chunks_exact_mut(2).for_each(|of_row| of_row[1] = 0.0);
    let slopes = kernels::upload(slopes, 2, &at.y.device());
    Ok(Normalized { slopes, ..at.clone() })
}

fn repacked(rows: &Inner, from: &Rows, to: &Rows) -> Option<Tensor<2>> {
    rows.beside.as_ref().map(|beside| kernels::repack(beside, from, to, None))
}

/// An MLP at the residual stream it was run on; its derivative is a linear map position by position.
#[derive(Debug, Clone)]
pub struct LinearMlp {
    mlp: Rc<Mlp>,
    normalized: Normalized,
    gelu_slope: Tensor<2>,
}

impl LinearMlp {
    /// The MLP that was linearised.
    pub fn mlp(&self) -> &Rc<Mlp> {
        &self.mlp
    }

    /// What changes of `hook_resid_mid` change in `hook_mlp_out`, added to what is given. Not linearised.
    ///
    /// # Shapes
    /// - `change`, `add`: `[rows, d_model]`, returned likewise
    pub fn change(&self, change: &Tensor<2>, rows: &Rows, add: Option<&Tensor<2>>) -> Tensor<2> {
        let Mlp { input, output, .. } = &*self.mlp;
        // Computed for each batch: it takes as long as a row a position, and kept would be much memory.
        let argument = input.forward(&self.normalized.y, None);
        let epsilon = self.mlp.layer_norm_epsilon as f32;
        let x = kernels::layer_norm_change(change, rows, &self.normalized, epsilon);
        let hidden = kernels::gelu_change(&input.jvp(&x, None), rows, &argument);
        output.jvp(&hidden, add)
    }

    /// With the scale of its LayerNorm held.
    ///
    /// # Errors
    /// `result-not-finite`, `device-failed`.
    pub async fn frozen(&self) -> Result<Self> {
        Ok(Self { normalized: scale_held(&self.normalized).await?, ..self.clone() })
    }

    /// Tangents of `hook_resid_mid` to those of `hook_resid_post`.
    pub fn jvp(&self, tangent: &Tensor<2>, rows: &Rows) -> Tensor<2> {
        let x = kernels::normalize_jvp(tangent, rows, &self.normalized, None);
        let hidden = kernels::scale_rows(self.mlp.input.jvp(&x, None), rows, &self.gelu_slope);
        self.mlp.output.jvp(&hidden, Some(tangent))
    }

    /// Cotangents of `hook_resid_post` to those of `hook_resid_mid`.
    pub fn vjp(&self, cotangent: &Tensor<2>, rows: &Rows) -> Tensor<2> {
        self.back(cotangent, rows, Some(cotangent))
    }

    /// Cotangents of `hook_mlp_out` to those of `hook_resid_mid`: nothing is beside it.
    pub fn branch_vjp(&self, cotangent: &Tensor<2>, rows: &Rows) -> Tensor<2> {
        self.back(cotangent, rows, None)
    }

    fn back(&self, cotangent: &Tensor<2>, rows: &Rows, beside: Option<&Tensor<2>>) -> Tensor<2> {
        let hidden = self.mlp.output.vjp(cotangent);
        let hidden = kernels::scale_rows(hidden, rows, &self.gelu_slope);
        kernels::normalize_jvp(&self.mlp.input.vjp(&hidden), rows, &self.normalized, beside)
    }
}

/// A block at the residual stream it was run on. Without its MLP it ends behind its attention.
#[derive(Debug, Clone)]
pub struct LinearBlock {
    /// The first half.
    pub attn: LinearAttn,
    /// The second half.
    pub mlp: Option<LinearMlp>,
}

impl LinearBlock {
    /// With its attention pattern and the scales of its LayerNorms held.
    ///
    /// # Errors
    /// `result-not-finite`, `device-failed`.
    pub async fn frozen(&self) -> Result<Self> {
        let mlp = match &self.mlp {
            Some(mlp) => Some(mlp.frozen().await?),
            None => None,
        };
        Ok(Self { attn: self.attn.frozen().await?, mlp })
    }

    /// Tangents after the attention to those of the residual stream after the block.
    pub fn jvp_out(&self, tangent: &Inner, rows: &Rows) -> Tensor<2> {
        let tangent = self.attn.jvp_out(tangent);
        match &self.mlp {
            Some(mlp) => mlp.jvp(&tangent, rows),
            None => tangent,
        }
    }

    /// Cotangents of the residual stream after the block to those after the attention.
    pub fn vjp_out(&self, cotangent: &Tensor<2>, rows: &Rows) -> Inner {
        match &self.mlp {
            Some(mlp) => self.attn.vjp_out(&mlp.vjp(cotangent, rows)),
            None => self.attn.vjp_out(cotangent),
        }
    }

    /// Products that a row takes into the attention.
    pub fn products_in(&self) -> u64 {
        let LinearAttn { attn, attention, .. } = &self.attn;
        products(&attn.value) + attention.own_scores() as u64 * self.d_model() as u64
    }

    /// Products that a row takes out of it.
    pub fn products_out(&self) -> u64 {
        let of_mlp = self.mlp.as_ref().map_or(0, |LinearMlp { mlp, .. }| {
            products(&mlp.input.weight) + products(&mlp.output.weight)
        });
        products(&self.attn.attn.output.weight) + of_mlp
    }

    /// Width of the residual stream.
    pub fn d_model(&self) -> usize {
        self.attn.d_model()
    }

    /// Products of a pair that meets before the attention, or after it.
    pub fn products_of_pair(&self, is_before: bool) -> u64 {
        let scores = if is_before { self.attn.attention.own_scores() } else { 0 };
        (2 * self.d_model() + scores) as u64
    }

    /// Bytes on the device that a row of tangents takes on its way.
    pub fn row_bytes(&self) -> u64 {
        let d_mlp = self.mlp.as_ref().map_or(0, |linear| linear.mlp.input.weight.dims()[1]);
        4 * (2 * d_mlp + 5 * self.d_model() + self.attn.attention.own_scores()) as u64
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

    /// What is added to each centred logit, whatever is read.
    pub fn biases(&self, ids: &[u32]) -> Vec<f32> {
        let mean =
            self.bias.iter().map(|&bias| f64::from(bias)).sum::<f64>() / self.bias.len() as f64;
        ids.iter().map(|&id| (f64::from(self.bias[id as usize]) - mean) as f32).collect()
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
