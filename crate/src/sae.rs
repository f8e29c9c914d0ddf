//! Sparse autoencoders: encode, decode, error term, for every supported architecture.
//!
//! Each is an affine encoder, a rule that says which latents are active, and an affine decoder
//! (SAELens `saes/*.py`). The device does the products; the rule, which decides per number and is
//! different for every architecture, runs on the host over the pre-activations. An active
//! latent's activation is linear in the normalised input, so the rule needs no derivative.
//!
//! Knows nothing of GPT-2.

use burn::tensor::{Tensor, TensorData};

use crate::config::ActivationNorm;
use crate::error::Result;
use crate::sparse::{Active, indices, read_back};
use crate::watch::Meter;

/// Positions encoded at a time: bounds the dense pre-activations to this × `d_sae`.
const ENCODE_POSITIONS: usize = 64;

/// A sparse autoencoder on the device.
#[derive(Debug, Clone)]
pub struct Sae {
    /// Number of latents.
    pub d_sae: usize,
    /// Normalisation around the SAE.
    pub norm: ActivationNorm,
    /// Whether `b_dec` is subtracted from the input.
    pub apply_b_dec_to_input: bool,
    /// `[d_in, d_sae]`
    pub w_enc: Tensor<2>,
    /// `[d_sae, d_in]`
    pub w_dec: Tensor<2>,
    /// `[1, d_in]`
    pub b_dec: Tensor<2>,
    /// Which latents are active.
    pub activation: Activation,
}

/// The rule from `p = x̃ W_enc` to activations. All vectors have `d_sae` elements.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// `relu(p + b_enc)`
    Relu {
        /// Encoder bias.
        b_enc: Vec<f32>,
    },
    /// `relu` of the `k` largest `p + b_enc`
    TopK {
        /// Encoder bias.
        b_enc: Vec<f32>,
        /// Latents kept.
        k: usize,
    },
    /// `relu(p + b_enc)` where that exceeds the threshold
    JumpRelu {
        /// Encoder bias.
        b_enc: Vec<f32>,
        /// Threshold of each latent.
        threshold: Vec<f32>,
    },
    /// `relu(scale · p + b_mag)` where `p + b_gate` is positive
    Gated {
        /// Bias of the gate.
        b_gate: Vec<f32>,
        /// Bias of the magnitude.
        b_mag: Vec<f32>,
        /// `exp(r_mag)`.
        scale: Vec<f32>,
    },
}

impl Activation {
    /// The active latents of one position, given its `p`, in ascending order.
    fn active(&self, p: &[f32]) -> Vec<(u32, f32)> {
        let positive = |values: &mut dyn Iterator<Item = f32>| {
            (0..).zip(values).filter(|&(_, value)| value > 0.0).collect::<Vec<(u32, f32)>>()
        };
        let biased = |bias: &[f32]| p.iter().zip(bias).map(|(p, b)| p + b).collect::<Vec<f32>>();
        match self {
            Self::Relu { b_enc } => positive(&mut biased(b_enc).into_iter()),
            Self::TopK { b_enc, k } => {
                let mut found = positive(&mut biased(b_enc).into_iter());
                if found.len() > *k {
                    found.select_nth_unstable_by(*k - 1, |a, b| b.1.total_cmp(&a.1));
                    found.truncate(*k);
                    found.sort_unstable_by_key(|&(latent, _)| latent);
                }
                found
            }
            Self::JumpRelu { b_enc, threshold } => positive(
                &mut biased(b_enc)
                    .into_iter()
                    .zip(threshold)
                    .map(|(value, &threshold)| if value > threshold { value } else { 0.0 }),
            ),
            Self::Gated { b_gate, b_mag, scale } => {
                positive(&mut (0..p.len()).map(|i| match p[i] + b_gate[i] > 0.0 {
                    true => p[i] * scale[i] + b_mag[i],
                    false => 0.0,
                }))
            }
        }
    }

    /// d activation / d `p` of an active latent.
    fn slope(&self, latent: u32) -> f32 {
        match self {
            Self::Gated { scale, .. } => scale[latent as usize],
            _ => 1.0,
        }
    }
}

impl Sae {
    /// The input normalisation; differentiable.
    ///
    /// # Shapes
    /// - `resid`: `[rows, d_in]`, returned likewise
    pub fn normalize(&self, resid: Tensor<2>) -> Tensor<2> {
        match self.undo(resid.clone()) {
            Some((scale, Some(shift))) => (resid - shift) / (scale + 1e-5),
            Some((scale, None)) => resid / scale,
            None => resid,
        }
    }

    /// Scale and shift that undo the normalisation of these rows, each `[rows, 1]`; `None` for
    /// none.
    fn undo(&self, resid: Tensor<2>) -> Option<(Tensor<2>, Option<Tensor<2>>)> {
        let d_in = resid.dims()[1] as f64;
        let norm = |x: Tensor<2>| (x.clone() * x).sum_dim(1);
        match self.norm {
            // A constant scale is folded into the weights when they are read.
            ActivationNorm::None | ActivationNorm::Scale(_) => None,
            ActivationNorm::LayerNorm => {
                let mean = resid.clone().mean_dim(1);
                let std = (norm(resid - mean.clone()) / (d_in - 1.0)).sqrt();
                Some((std, Some(mean)))
            }
            ActivationNorm::ConstantNormRescale => Some(((norm(resid) / d_in).sqrt(), None)),
        }
    }

    /// Encodes the residual stream into its active latents.
    ///
    /// # Shapes
    /// - `resid`: `[pos, d_in]`
    ///
    /// # Errors
    /// `result-not-finite`, `device-failed`, `cancelled`.
    pub async fn encode(&self, resid: Tensor<2>, meter: &mut Meter<'_>) -> Result<Active> {
        let [n_pos, _] = resid.dims();
        let mut active = Active::default();
        for start in (0..n_pos).step_by(ENCODE_POSITIONS) {
            let end = n_pos.min(start + ENCODE_POSITIONS);
            let mut x = self.normalize(resid.clone().slice(start..end));
            if self.apply_b_dec_to_input {
                x = x - self.b_dec.clone();
            }
            let p = read_back(x.matmul(self.w_enc.clone()), "latent pre-activations").await?;
            for (pos, row) in (start as u32..).zip(p.chunks_exact(self.d_sae)) {
                for (latent, activation) in self.activation.active(row) {
                    active.push(pos, latent, activation);
                }
            }
            meter.add((end - start) as u64).await?;
        }
        Ok(active)
    }

    /// What each latent reads from the normalised input: d activation / d input.
    ///
    /// # Shapes
    /// - returns `[latents, d_in]`
    pub fn encoder_rows(&self, latents: &[u32]) -> Tensor<2> {
        let device = self.w_enc.device();
        let rows = self.w_enc.clone().select(1, indices(latents, &device)).transpose();
        let slopes: Vec<f32> = latents.iter().map(|&i| self.activation.slope(i)).collect();
        rows * Tensor::from_data(TensorData::new(slopes, [latents.len(), 1]), &device)
    }

    /// What each active latent writes to the residual stream: d residual / d activation.
    ///
    /// With a normalisation this depends on the residual that was encoded, held constant as
    /// SAELens does.
    ///
    /// # Shapes
    /// - `resid`: `[pos, d_in]`, as encoded; returns `[active, d_in]`
    pub fn decoder_rows(&self, active: &Active, resid: Tensor<2>) -> Tensor<2> {
        let device = self.w_dec.device();
        let rows = self.w_dec.clone().select(0, indices(&active.latent, &device));
        match self.undo(resid) {
            Some((scale, _)) => rows * scale.select(0, indices(&active.pos, &device)),
            None => rows,
        }
    }

    /// Decodes active latents: `f W_dec + b_dec`, denormalised as `resid` was normalised.
    ///
    /// # Shapes
    /// - `decoder_rows`: `[active, d_in]`, from [`decoder_rows`](Self::decoder_rows)
    /// - `resid`: `[pos, d_in]`, as encoded; returned likewise
    pub fn decode(&self, active: &Active, decoder_rows: Tensor<2>, resid: Tensor<2>) -> Tensor<2> {
        let [n_pos, d_in] = resid.dims();
        let device = resid.device();
        let bias = match self.undo(resid) {
            Some((scale, Some(shift))) => self.b_dec.clone() * scale + shift,
            Some((scale, None)) => self.b_dec.clone() * scale,
            None => self.b_dec.clone().expand([n_pos, d_in]),
        };
        if active.is_empty() {
            return bias;
        }
        let n = active.len();
        let mut placed = vec![0f32; n_pos * n];
        for (i, (&pos, &activation)) in active.pos.iter().zip(&active.activation).enumerate() {
            placed[pos as usize * n + i] = activation;
        }
        let placed: Tensor<2> = Tensor::from_data(TensorData::new(placed, [n_pos, n]), &device);
        placed.matmul(decoder_rows) + bias
    }
}
