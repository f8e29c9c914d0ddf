//! Sparse autoencoders: encode, decode, error term, for every supported architecture.
//!
//! Each is an affine encoder, a rule that says which latents are active, and an affine decoder
//! (SAELens `saes/*.py`). The device does the products with `W_enc` and `W_dec`; the host does what
//! is small, a few rows of `d_in`, and the rule, which decides per number and is different for
//! every architecture. An active latent's activation is linear in the normalised input, so the
//! rule needs no derivative.
//!
//! Knows nothing of GPT-2.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::config::ActivationNorm;
use crate::error::{Error, Result};
use crate::kernels::{self, Normalized, upload};
use crate::sizes::{MAX_LATENTS, MAX_PROMPT_VALUES, Sizes};
use crate::sparse::{Active, read_back};
use crate::watch::Meter;

/// A sparse autoencoder on the device; of its decoder, only the rows of active latents are ever
/// needed, and they are passed in.
#[derive(Debug, Clone)]
pub struct Sae {
    /// TransformerLens' name of the place where it reads, for errors.
    pub hook_name: String,
    /// Number of latents.
    pub d_sae: usize,
    /// Normalisation around the SAE.
    pub norm: ActivationNorm,
    /// What is subtracted from the input, `d_in` numbers: the decoder bias, for most.
    pub b_in: Option<Vec<f32>>,
    /// `[d_in, d_sae]`
    pub w_enc: Tensor<2>,
    /// What the decoder adds, `d_in` numbers.
    pub b_dec: Vec<f32>,
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

    /// The activation of one latent, given its `p`; `None` where it depends on all of them.
    fn of(&self, latent: usize, p: f32) -> Option<f32> {
        let value = match self {
            Self::TopK { .. } => return None,
            Self::Relu { b_enc } => p + b_enc[latent],
            Self::JumpRelu { b_enc, threshold } => match p + b_enc[latent] {
                value if value > threshold[latent] => value,
                _ => 0.0,
            },
            Self::Gated { b_gate, b_mag, scale } => match p + b_gate[latent] > 0.0 {
                true => p * scale[latent] + b_mag[latent],
                false => 0.0,
            },
        };
        Some(value.max(0.0))
    }

    /// Whether an active latent is still active if its `p` changes by so much.
    fn stays(&self, latent: usize, activation: f32, by: f32) -> bool {
        match self {
            Self::Relu { .. } | Self::TopK { .. } => activation + by > 0.0,
            Self::JumpRelu { threshold, .. } => activation + by > threshold[latent].max(0.0),
            Self::Gated { b_gate, b_mag, scale } => {
                let p = (activation - b_mag[latent]) / scale[latent] + by;
                p + b_gate[latent] > 0.0 && activation + scale[latent] * by > 0.0
            }
        }
    }

    /// d activation / d `p` of an active latent.
    pub fn slope(&self, latent: u32) -> f32 {
        match self {
            Self::Gated { scale, .. } => scale[latent as usize],
            _ => 1.0,
        }
    }
}

impl Sae {
    /// The input normalisation of these rows, linearised there; `None` where there is none.
    ///
    /// # Shapes
    /// - `input`: `[pos, d_in]`
    pub fn normalize(&self, input: &[f32]) -> Option<Normalized> {
        let d_in = self.b_dec.len();
        let (mut y, mut slopes) = (Vec::with_capacity(input.len()), Vec::new());
        for row in input.chunks_exact(d_in) {
            let undo = self.undo(row)?;
            let freedom = if self.norm == ActivationNorm::LayerNorm { d_in - 1 } else { d_in };
            let (scale, coupling) = (1.0 / undo.divisor, 1.0 / (freedom as f64 * undo.scale));
            y.extend(row.iter().map(|&x| ((f64::from(x) - undo.shift) * scale) as f32));
            slopes.extend([scale as f32, coupling as f32]);
        }
        let device = self.w_enc.device();
        Some(Normalized {
            y: upload(y, d_in, &device),
            slopes: upload(slopes, 2, &device),
            centered: self.norm == ActivationNorm::LayerNorm,
        })
    }

    /// What undoes the normalisation of a row: `x = y · scale + shift`.
    fn undo<T: Copy + Into<f64>>(&self, row: &[T]) -> Option<Undo> {
        let n = row.len() as f64;
        let square = |shift: f64| row.iter().map(|&x| (x.into() - shift).powi(2)).sum::<f64>();
        match self.norm {
            // A constant scale is folded into the weights when they are read.
            ActivationNorm::None | ActivationNorm::Scale(_) => None,
            ActivationNorm::LayerNorm => {
                let shift = row.iter().map(|&x| x.into()).sum::<f64>() / n;
                let scale = (square(shift) / (n - 1.0)).sqrt();
                Some(Undo { scale, shift, divisor: scale + 1e-5 })
            }
            ActivationNorm::ConstantNormRescale => {
                let scale = (square(0.0) / n).sqrt();
                Some(Undo { scale, shift: 0.0, divisor: scale })
            }
        }
    }

    /// Encodes what is read into its active latents.
    ///
    /// # Shapes
    /// - `input`: `[pos, d_in]`
    ///
    /// # Errors
    /// `too-many-latents`, `result-not-finite`, `device-failed`, `cancelled`.
    pub async fn encode(
        &self,
        input: &[f32],
        sizes: &Sizes,
        meter: &mut Meter<'_>,
    ) -> Result<Active> {
        let d_in = self.b_dec.len();
        let limit = MAX_LATENTS.min(MAX_PROMPT_VALUES / d_in);
        let mut active = Active::default();
        let mut pos = 0;
        for rows in input.chunks((sizes.encode / self.d_sae).max(1) * d_in) {
            let x = self.prepared(rows);
            let p = kernels::matmul(&x, &self.w_enc, None, None);
            let p = read_back(p, "latent pre-activations").await?;
            for row in p.chunks_exact(self.d_sae) {
                for (latent, activation) in self.activation.active(row) {
                    active.push(pos, latent, activation);
                }
                if active.len() > limit {
                    return Err(Error::TooManyLatents { hook_name: self.hook_name.clone(), limit });
                }
                pos += 1;
            }
            meter.add((rows.len() / d_in) as u64).await?;
        }
        Ok(active)
    }

    /// What the encoder's matrix reads: the input normalised, less its bias.
    fn prepared(&self, rows: &[f32]) -> Tensor<2> {
        let d_in = self.b_dec.len();
        let mut x = Vec::with_capacity(rows.len());
        for row in rows.chunks_exact(d_in) {
            let Undo { divisor, shift, .. } = self.undo(row).unwrap_or(Undo::NOTHING);
            let bias = |i: usize| self.b_in.as_ref().map_or(0.0, |b_in| b_in[i]);
            x.extend(
                (row.iter().enumerate())
                    .map(|(i, &x)| ((f64::from(x) - shift) / divisor - f64::from(bias(i))) as f32),
            );
        }
        upload(x, d_in, &self.w_enc.device())
    }

    /// Activations of chosen latents, 0 where they are not active: of each block its rows times its
    /// latents, row-major, one after the other.
    ///
    /// # Shapes
    /// - `input`: `[rows, d_in]`; ranges of `blocks` are of its rows and of `latents`
    ///
    /// # Errors
    /// `result-not-finite`, `device-failed`.
    pub async fn activations(
        &self,
        input: &[f32],
        latents: &[u32],
        blocks: &[(Range<usize>, Range<usize>)],
        sizes: &Sizes,
    ) -> Result<Vec<f32>> {
        let d_in = self.b_dec.len();
        if let Activation::TopK { .. } = self.activation {
            // Which are active depends on all latents of a row.
            let mut active = Vec::with_capacity(input.len() / d_in);
            for rows in input.chunks((sizes.encode / self.d_sae).max(1) * d_in) {
                let p = kernels::matmul(&self.prepared(rows), &self.w_enc, None, None);
                let p = read_back(p, "latent pre-activations").await?;
                active.extend(p.chunks_exact(self.d_sae).map(|row| self.activation.active(row)));
            }
            let of = |row: usize, latent: u32| {
                let found = active[row].binary_search_by_key(&latent, |&(latent, _)| latent);
                found.map_or(0.0, |at| active[row][at].1)
            };
            return Ok((blocks.iter())
                .flat_map(|(rows, of_block)| {
                    rows.clone().flat_map(move |row| of_block.clone().map(move |i| (row, i)))
                })
                .map(|(row, i)| of(row, latents[i]))
                .collect());
        }
        let columns = kernels::gather_columns(&self.w_enc, latents);
        let p = kernels::products(&self.prepared(input), &columns, blocks, None);
        let mut values = read_back(p, "latent pre-activations").await?;
        let chosen = blocks
            .iter()
            .flat_map(|(rows, of_block)| rows.clone().flat_map(move |_| of_block.clone()));
        for (value, i) in values.iter_mut().zip(chosen) {
            let activation = self.activation.of(latents[i] as usize, *value);
            *value = activation.expect("only TopK looks at all latents");
        }
        Ok(values)
    }

    /// What active latents lose where their input changes: of each block its rows times its latents,
    /// row-major, one after the other. A change loses no digits, and all of an activation is lost where
    /// its latent is not active any more.
    ///
    /// # Shapes
    /// - `input`, `change`: `[rows, d_in]`; ranges of `blocks` are of its rows and of `active`
    ///
    /// # Errors
    /// `result-not-finite`, `device-failed`.
    pub async fn losses(
        &self,
        input: &[f32],
        change: &[f32],
        active: &Active,
        blocks: &[(Range<usize>, Range<usize>)],
        sizes: &Sizes,
    ) -> Result<Vec<f32>> {
        let d_in = self.b_dec.len();
        let mut x = Vec::with_capacity(change.len());
        for (row, change) in input.chunks_exact(d_in).zip(change.chunks_exact(d_in)) {
            let new: Vec<f64> =
                row.iter().zip(change).map(|(&x, &by)| f64::from(x) + f64::from(by)).collect();
            let (now, then) = (self.undo(row), self.undo(&new));
            match now.zip(then) {
                None => x.extend_from_slice(change),
                Some((now, then)) => x.extend((row.iter().zip(&new)).map(|(&x, new)| {
                    let before = (f64::from(x) - now.shift) / now.divisor;
                    ((new - then.shift) / then.divisor - before) as f32
                })),
            }
        }
        let x = upload(x, d_in, &self.w_enc.device());
        let columns = kernels::gather_columns(&self.w_enc, &active.latent);
        let changes = read_back(kernels::products(&x, &columns, blocks, None), "latents").await?;
        let kept = match self.activation {
            // Which are active depends on all latents of a row.
            Activation::TopK { .. } => {
                let new: Vec<f32> = input.iter().zip(change).map(|(x, by)| x + by).collect();
                Some(self.activations(&new, &active.latent, blocks, sizes).await?)
            }
            _ => None,
        };
        let chosen = (blocks.iter())
            .flat_map(|(rows, of_block)| rows.clone().flat_map(move |_| of_block.clone()));
        let lost = changes.into_iter().zip(chosen).enumerate().map(|(at, (by, i))| {
            let (latent, activation) = (active.latent[i], active.activation[i]);
            let grown = self.activation.slope(latent) * by;
            let is_active = match &kept {
                Some(kept) => kept[at] > 0.0,
                None => self.activation.stays(latent as usize, activation, by),
            };
            if is_active { -grown } else { activation }
        });
        Ok(lost.collect())
    }

    /// What each active latent writes per unit of its activation is its row
    /// of `W_dec` times this: with a normalisation it depends on the row that was encoded,
    /// held constant as SAELens does.
    ///
    /// # Shapes
    /// - `input`: `[pos, d_in]`, as encoded
    pub fn decoder_scale(&self, active: &Active, input: &[f32]) -> Vec<f32> {
        let d_in = self.b_dec.len();
        let scale = |&pos: &u32| {
            let row = &input[pos as usize * d_in..][..d_in];
            self.undo(row).map_or(1.0, |undo| undo.scale as f32)
        };
        active.pos.iter().map(scale).collect()
    }

    /// Decodes active latents: `f W_dec + b_dec`, denormalised as `input` was normalised.
    ///
    /// # Shapes
    /// - `rows`: `[active, d_in]`, the latents' rows of `W_dec`
    /// - `input`: `[pos, d_in]`, as encoded; returned likewise
    ///
    /// # Errors
    /// `result-not-finite`, `device-failed`.
    pub async fn decode(
        &self,
        active: &Active,
        rows: &Tensor<2>,
        input: &[f32],
        sizes: &Sizes,
    ) -> Result<Vec<f32>> {
        let d_in = self.b_dec.len();
        let n_pos = input.len() / d_in;
        let mut decoded = vec![0f32; input.len()];
        // Activations are laid out densely, a column for each latent, for some positions at a time.
        let before = |pos: usize| active.pos.partition_point(|&p| (p as usize) < pos);
        let mut start = 0;
        while start < n_pos {
            let fits = |end: usize| (end - start) * (before(end) - before(start)) <= sizes.decode;
            let mut end = start + 1;
            while end < n_pos && fits(end + 1) {
                end += 1;
            }
            let latents = before(start)..before(end);
            if !latents.is_empty() {
                let n = latents.len();
                let mut placed = vec![0f32; (end - start) * n];
                for (i, at) in latents.clone().enumerate() {
                    placed[(active.pos[at] as usize - start) * n + i] = active.activation[at];
                }
                let indices: Vec<u32> = latents.map(|at| at as u32).collect();
                let here = match n == active.len() {
                    true => rows.clone(),
                    false => kernels::gather_rows(rows, &indices),
                };
                let placed = upload(placed, n, &rows.device());
                let part = read_back(kernels::matmul(&placed, &here, None, None), "SAE output");
                decoded[start * d_in..end * d_in].copy_from_slice(&part.await?);
            }
            start = end;
        }
        for (decoded, row) in decoded.chunks_exact_mut(d_in).zip(input.chunks_exact(d_in)) {
            let undo = self.undo(row).unwrap_or(Undo::NOTHING);
            for (x, &bias) in decoded.iter_mut().zip(&self.b_dec) {
                *x = (f64::from(*x + bias) * undo.scale + undo.shift) as f32;
            }
        }
        Ok(decoded)
    }
}

/// `x = y · scale + shift`, and `y = (x − shift) / divisor`.
struct Undo {
    scale: f64,
    shift: f64,
    divisor: f64,
}

impl Undo {
    /// Where there is no normalisation.
    const NOTHING: Self = Self { scale: 1.0, shift: 0.0, divisor: 1.0 };
}
