//! An SAE's file, as sae_lens saves it: [`ENCODER`] `[d_in, d_sae]`, [`DECODER`] `[d_sae, d_in]`, the biases
//! [`DECODER_BIAS`] and, of some transcoders, [`OUTPUT_BIAS`] (both `[d_in]`), and the [`vectors`] of its
//! architecture (`[d_sae]`).

use std::cell::RefCell;

use burn::tensor::Device;

use super::{Reading, Rows, to_device};
use crate::config::{ActivationNorm, Architecture, SaeConfig};
use crate::error::{Error, Result};
use crate::sae::{Activation, Sae};
use crate::safetensors::Safetensors;
use crate::source::{Part, Source};
use crate::watch::Meter;

const ENCODER: &str = "W_enc";
const DECODER: &str = "W_dec";
/// Added by the decoder, and subtracted from the input where the configuration says so.
const DECODER_BIAS: &str = "b_dec";
/// Added by the decoder in its place, where the configuration says so.
const OUTPUT_BIAS: &str = "b_dec_out";

/// Names of the vectors of `d_sae` that an architecture has.
fn vectors(architecture: Architecture) -> &'static [&'static str] {
    match architecture {
        Architecture::Standard | Architecture::TopK { .. } => &["b_enc"],
        Architecture::JumpRelu => &["b_enc", "threshold"],
        Architecture::Gated => &["b_gate", "b_mag", "r_mag"],
    }
}

/// An SAE's weights: the header is read, the tensors are on call.
pub struct SaeWeights {
    file: Safetensors,
    config: SaeConfig,
    /// ‖row‖ of each row of `W_dec`, where activations are rescaled by it.
    norms: RefCell<Vec<f32>>,
    decoder: Rows,
}

impl SaeWeights {
    /// Reads the header of an `sae_weights.safetensors`.
    ///
    /// # Errors
    /// Those of [`Safetensors::open`]; `tensor-missing`, `tensor-shape`, `tensor-dtype`.
    pub async fn open(
        source: &dyn Source,
        file: &str,
        config: SaeConfig,
        reading: Reading,
    ) -> Result<Self> {
        let file = Safetensors::open(source, file, &reading.sizes).await?;
        let decoder = Rows::new(DECODER.into(), [config.d_sae, config.d_in], reading.is_private);
        let opened = Self { file, config, norms: RefCell::default(), decoder };
        // A file without a decoder is refused before anything of it is fetched.
        opened.whole_decoder()?;
        opened.parts()?;
        Ok(opened)
    }

    fn is_rescaled(&self) -> bool {
        matches!(
            self.config.architecture,
            Architecture::TopK { rescale_acts_by_decoder_norm: true, .. }
        )
    }

    fn whole_decoder(&self) -> Result<Part> {
        self.file.part(&self.decoder.name, &self.decoder.shape, 0..self.config.d_sae)
    }

    /// What [`load`](Self::load) reads.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`.
    pub fn parts(&self) -> Result<Vec<Part>> {
        let SaeConfig { d_in, d_sae, architecture, .. } = self.config;
        let mut parts = vec![
            self.file.part(ENCODER, &[d_in, d_sae], 0..d_in)?,
            self.file.part(DECODER_BIAS, &[d_in], 0..d_in)?,
        ];
        if self.config.has_b_dec_out {
            parts.push(self.file.part(OUTPUT_BIAS, &[d_in], 0..d_in)?);
        }
        for name in vectors(architecture) {
            parts.push(self.file.part(name, &[d_sae], 0..d_sae)?);
        }
        if self.is_rescaled() {
            parts.push(self.whole_decoder()?);
        }
        parts.sort_by_key(|part| part.range.start);
        Ok(parts)
    }

    /// Reads the SAE onto the device, all but the decoder.
    ///
    /// # Errors
    /// Those of [`Safetensors::read`].
    pub async fn load(
        &self,
        source: &dyn Source,
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<Sae> {
        let SaeConfig { place, d_in, d_sae, architecture, norm, .. } = self.config;
        let mut norms = Vec::new();
        if self.is_rescaled() {
            let take = |_, rows: Vec<f32>| norms.extend(rows.chunks_exact(d_in).map(norm_of));
            let shape = [d_sae, d_in];
            self.file.read_pieces(source, DECODER, &shape, 0..d_sae, meter, take).await?;
        }
        // A constant scale of the input is an SAE of the unscaled input with other weights, and
        // p·‖W_dec‖ with f/‖W_dec‖ likewise.
        let factor = self.factor();
        let rescale = |_, row: &mut [f32]| {
            row.iter_mut().for_each(|w| *w *= factor);
            row.iter_mut().zip(&norms).for_each(|(w, norm)| *w *= norm);
        };
        let shape = (d_in, [d_sae]);
        let [w_enc] = to_device(&self.file, source, ENCODER, shape, rescale, device, meter).await?;
        let mut b_dec = self.file.read(source, DECODER_BIAS, &[d_in], meter).await?;
        b_dec.iter_mut().for_each(|b| *b /= factor);
        let b_in = self.config.apply_b_dec_to_input.then(|| b_dec.clone());
        if self.config.has_b_dec_out {
            b_dec = self.file.read(source, OUTPUT_BIAS, &[d_in], meter).await?;
        }
        let mut read = Vec::new();
        for name in vectors(architecture) {
            read.push(self.file.read(source, name, &[d_sae], meter).await?);
        }
        let activation = match architecture {
            Architecture::Standard => {
                let [b_enc] = named(read);
                Activation::Relu { b_enc }
            }
            Architecture::TopK { k, .. } => {
                let [mut b_enc] = named(read);
                b_enc.iter_mut().zip(&norms).for_each(|(b, norm)| *b *= norm);
                Activation::TopK { b_enc, k }
            }
            Architecture::JumpRelu => {
                let [b_enc, threshold] = named(read);
                Activation::JumpRelu { b_enc, threshold }
            }
            Architecture::Gated => {
                let [b_gate, b_mag, r_mag] = named(read);
                Activation::Gated { b_gate, b_mag, scale: exponentials(r_mag)? }
            }
        };
        *self.norms.borrow_mut() = norms;
        Ok(Sae { hook_name: place.to_string(), d_sae, norm, b_in, w_enc, b_dec, activation })
    }

    /// The constant that the input is multiplied with.
    fn factor(&self) -> f32 {
        match self.config.norm {
            ActivationNorm::Scale(factor) => factor as f32,
            _ => 1.0,
        }
    }

    /// What [`decoder_rows`](Self::decoder_rows) has yet to read for these latents.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`.
    pub fn decoder_parts(&self, latents: &[u32]) -> Result<Vec<Part>> {
        self.decoder.parts(&self.file, latents.iter().copied())
    }

    /// Rows of the decoder of an SAE that was [loaded](Self::load): `latents.len()` rows of `d_in`.
    ///
    /// # Errors
    /// Those of [`Safetensors::read`].
    pub async fn decoder_rows(
        &self,
        source: &dyn Source,
        latents: &[u32],
        meter: &mut Meter<'_>,
    ) -> Result<Vec<f32>> {
        // A latent whose row has norm 0 is never active, so that nobody asks for it.
        let undo = |latent: usize, row: &mut [f32]| {
            let norm = self.norms.borrow().get(latent).copied().unwrap_or(1.0);
            let scale = self.factor() * norm;
            row.iter_mut().for_each(|w| *w /= scale);
        };
        let wanted = latents.iter().copied();
        self.decoder.read(&self.file, source, wanted.clone(), undo, meter).await?;
        Ok(self.decoder.get(wanted))
    }
}

/// As many vectors as [`vectors`] names.
fn named<const N: usize>(read: Vec<Vec<f32>>) -> [Vec<f32>; N] {
    read.try_into().expect("an architecture has the vectors that it names")
}

/// An infinite scale times 0 is no number: its latent would be inactive without a word.
fn exponentials(values: Vec<f32>) -> Result<Vec<f32>> {
    let found: Vec<f32> = values.into_iter().map(f32::exp).collect();
    match found.iter().all(|value| value.is_finite()) {
        true => Ok(found),
        false => Err(Error::ResultNotFinite { stage: "scale exp(r_mag) of a gated SAE" }),
    }
}

fn norm_of(row: &[f32]) -> f32 {
    row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt() as f32
}
