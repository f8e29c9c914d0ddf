//! File layouts: the only place that knows which tensor of which file means what.
//!
//! | here | GPT-2 on the hub (with or without `transformer.`) | shape |
//! |---|---|---|
//! | `W_E` | `wte.weight` | `[vocab_size, d_model]` |
//! | `W_pos` | `wpe.weight` | `[n_ctx, d_model]` |
//! | `query_key`, `value` | `h.{i}.attn.c_attn.{weight,bias}`, folded with `h.{i}.ln_1.*` | `[d_model, 2 d_model]`, `[d_model, d_model]` |
//! | `output` | `h.{i}.attn.c_proj.*`, centred | `[d_model, d_model]` |
//! | `mlp_in` | `h.{i}.mlp.c_fc.*`, folded with `h.{i}.ln_2.*` | `[d_model, d_mlp]` |
//! | `mlp_out` | `h.{i}.mlp.c_proj.*`, centred | `[d_mlp, d_model]` |
//! | `Unembed` | `wte.weight`, folded with `ln_f.*` | `[vocab_size, d_model]` |
//!
//! The weights are processed to the effect of TransformerLens' defaults: what writes to the
//! residual stream is centred (the SAEs were trained on centred residuals), LayerNorm gains and
//! biases move into the layers that read them. Centring the logits is left to where they are
//! used, and folding the value biases changes no number.
//!
//! SAEs: `W_enc [d_in, d_sae]`, `W_dec [d_sae, d_in]`, `b_enc`, `b_dec`, and `threshold`
//! (jumprelu) or `b_gate`, `r_mag`, `b_mag` (gated), as sae_lens saves them.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::iter;
use std::ops::Range;

use burn::tensor::{Device, Tensor};

use crate::config::{ActivationNorm, Architecture, Gpt2Config, SaeConfig};
use crate::error::{Error, Result};
use crate::gpt2::{Block, Linear, Unembed};
use crate::kernels::{Upload, upload};
use crate::sae::{Activation, Sae};
use crate::safetensors::Safetensors;
use crate::sizes::Sizes;
use crate::source::{Part, Source};
use crate::watch::Meter;

/// How weights are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// How much at a time.
    pub sizes: Sizes,
    /// Whether tables of rows (`wte`, `wpe`, `W_dec`) are read as a whole: which rows of them are read
    /// tells the server what the prompt is.
    pub is_private: bool,
}

/// Rows of a table, read when they are first needed and then kept.
struct Rows {
    name: String,
    shape: [usize; 2],
    is_private: bool,
    known: RefCell<HashMap<u32, Vec<f32>>>,
}

impl Rows {
    fn new(name: String, shape: [usize; 2], is_private: bool) -> Self {
        Self { name, shape, is_private, known: RefCell::default() }
    }

    /// Ranges of rows that are yet to be read for these, in order.
    fn missing(&self, wanted: impl Iterator<Item = u32>) -> Vec<Range<usize>> {
        let known = self.known.borrow();
        let missing: BTreeSet<u32> = wanted.filter(|row| !known.contains_key(row)).collect();
        if self.is_private && !missing.is_empty() {
            return iter::once(0..self.shape[0]).collect();
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for row in missing.into_iter().map(|row| row as usize) {
            match ranges.last_mut() {
                Some(last) if last.end == row => last.end += 1,
                _ => ranges.push(row..row + 1),
            }
        }
        ranges
    }

    fn parts(&self, file: &Safetensors, wanted: impl Iterator<Item = u32>) -> Result<Vec<Part>> {
        let missing = self.missing(wanted).into_iter();
        missing.map(|rows| file.part(&self.name, &self.shape, rows)).collect()
    }

    /// Reads what is missing of these rows; `change` gets each row's index and the row.
    async fn read(
        &self,
        file: &Safetensors,
        source: &dyn Source,
        wanted: impl Iterator<Item = u32>,
        mut change: impl FnMut(usize, &mut [f32]),
        meter: &mut Meter<'_>,
    ) -> Result<()> {
        for rows in self.missing(wanted) {
            let take = |first: usize, mut values: Vec<f32>| {
                for (i, row) in (first..).zip(values.chunks_exact_mut(self.shape[1])) {
                    change(i, row);
                    self.known.borrow_mut().insert(i as u32, row.to_vec());
                }
            };
            file.read_pieces(source, &self.name, &self.shape, rows, meter, take).await?;
        }
        Ok(())
    }

    /// These rows, one after the other. They must have been [read](Self::read).
    fn get(&self, wanted: impl Iterator<Item = u32>) -> Vec<f32> {
        let known = self.known.borrow();
        wanted.flat_map(|row| known[&row].iter().copied()).collect()
    }
}

/// The model's checkpoint: its header is read, its tensors are on call.
pub struct Gpt2Weights {
    file: Safetensors,
    prefix: &'static str,
    config: Gpt2Config,
    reading: Reading,
    wte: Rows,
    wpe: Rows,
}

impl Gpt2Weights {
    /// Reads the header of a `model.safetensors`.
    ///
    /// # Errors
    /// Those of [`Safetensors::open`]; `tensor-missing`, `tensor-shape`, `tensor-dtype` of `wte` and
    /// `wpe`.
    pub async fn open(
        source: &dyn Source,
        file: &str,
        config: Gpt2Config,
        reading: Reading,
    ) -> Result<Self> {
        let file = Safetensors::open(source, file, &reading.sizes).await?;
        let prefixed = file.contains("transformer.wte.weight");
        let prefix = if prefixed { "transformer." } else { "" };
        let table = |name: &str, rows: usize| {
            Rows::new(format!("{prefix}{name}"), [rows, config.d_model], reading.is_private)
        };
        let (wte, wpe) =
            (table("wte.weight", config.vocab_size), table("wpe.weight", config.n_ctx));
        // A vocabulary is as large as its table, whatever else is said.
        for table in [&wte, &wpe] {
            file.part(&table.name, &table.shape, 0..1)?;
        }
        Ok(Self { file, prefix, config, reading, wte, wpe })
    }

    fn name(&self, tensor: &str) -> String {
        format!("{}{tensor}", self.prefix)
    }

    fn part(&self, tensor: &str, shape: &[usize]) -> Result<Part> {
        self.file.part(&self.name(tensor), shape, 0..shape[0])
    }

    async fn read(
        &self,
        source: &dyn Source,
        tensor: &str,
        length: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<f32>> {
        self.file.read(source, &self.name(tensor), &[length], meter).await
    }

    /// What [`block`](Self::block) reads, in the order of the file.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`.
    pub fn block_parts(&self, layer: usize) -> Result<Vec<Part>> {
        let Gpt2Config { d_model: d, d_mlp, .. } = self.config;
        let linears = [
            ("attn.c_attn", d, 3 * d),
            ("attn.c_proj", d, d),
            ("mlp.c_fc", d, d_mlp),
            ("mlp.c_proj", d_mlp, d),
        ];
        let mut parts = Vec::new();
        for (name, d_in, d_out) in linears {
            parts.push(self.part(&format!("h.{layer}.{name}.weight"), &[d_in, d_out])?);
            parts.push(self.part(&format!("h.{layer}.{name}.bias"), &[d_out])?);
        }
        for name in ["ln_1", "ln_2"] {
            parts.push(self.part(&format!("h.{layer}.{name}.weight"), &[d])?);
            parts.push(self.part(&format!("h.{layer}.{name}.bias"), &[d])?);
        }
        parts.sort_by_key(|part| part.range.start);
        Ok(parts)
    }

    /// What [`embed`](Self::embed) has yet to read for these tokens.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`.
    pub fn embed_parts(&self, ids: &[u32]) -> Result<Vec<Part>> {
        let mut parts = self.wte.parts(&self.file, ids.iter().copied())?;
        parts.extend(self.wpe.parts(&self.file, 0..ids.len() as u32)?);
        Ok(parts)
    }

    /// What [`unembed`](Self::unembed) reads.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`.
    pub fn unembed_parts(&self) -> Result<Vec<Part>> {
        let d_model = self.config.d_model;
        let [gain, bias] = ["ln_f.weight", "ln_f.bias"].map(|name| self.part(name, &[d_model]));
        let mut parts = vec![gain?, bias?];
        // All of it is there already where the prompt's rows are not to be told from the others.
        if !self.reading.is_private {
            parts.push(self.file.part(&self.wte.name, &self.wte.shape, 0..self.wte.shape[0])?);
        }
        Ok(parts)
    }

    /// Reads and processes one block.
    ///
    /// # Errors
    /// Those of [`Safetensors::read`].
    pub async fn block(
        &self,
        source: &dyn Source,
        layer: usize,
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<Block> {
        let Gpt2Config { d_model: d, d_mlp, .. } = self.config;
        let at = |tensor: &str| format!("h.{layer}.{tensor}");
        let (ln_1, ln_2) = (at("ln_1"), at("ln_2"));
        let [c_attn, c_proj] = [at("attn.c_attn"), at("attn.c_proj")];
        let [fc, proj] = [at("mlp.c_fc"), at("mlp.c_proj")];
        let [query_key, value] =
            self.reading(source, &c_attn, &ln_1, (d, [2 * d, d]), device, meter).await?;
        let output = self.writing(source, &c_proj, [d, d], device, meter).await?;
        let [mlp_in] = self.reading(source, &fc, &ln_2, (d, [d_mlp]), device, meter).await?;
        Ok(Block {
            n_head: self.config.n_head,
            layer_norm_epsilon: self.config.layer_norm_epsilon,
            query_key,
            value,
            output,
            mlp_in,
            mlp_out: self.writing(source, &proj, [d_mlp, d], device, meter).await?,
        })
    }

    /// Reads layers that read a LayerNorm and lie side by side in one matrix, and folds that one's
    /// gain and bias into them: `(x g + h) W + b = x (g W) + (h W + b)`.
    async fn reading<const N: usize>(
        &self,
        source: &dyn Source,
        layer: &str,
        layer_norm: &str,
        (d_in, widths): (usize, [usize; N]),
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<[Linear; N]> {
        let d_out = widths.iter().sum();
        let gain = self.read(source, &format!("{layer_norm}.weight"), d_in, meter).await?;
        let shift = self.read(source, &format!("{layer_norm}.bias"), d_in, meter).await?;
        let bias = self.read(source, &format!("{layer}.bias"), d_out, meter).await?;
        let mut folded: Vec<f64> = bias.into_iter().map(f64::from).collect();
        let fold = |i: usize, row: &mut [f32]| {
            let (gain, shift) = (gain[i], f64::from(shift[i]));
            for (weight, sum) in row.iter_mut().zip(&mut folded) {
                *sum += shift * f64::from(*weight);
                *weight *= gain;
            }
        };
        let weight = self.name(&format!("{layer}.weight"));
        let shape = (d_in, widths);
        let weights = to_device(&self.file, source, &weight, shape, fold, device, meter).await?;
        let mut rest = folded.into_iter().map(|b| b as f32);
        Ok(weights.map(|weight| {
            let d_out = weight.dims()[1];
            Linear { weight, bias: upload(rest.by_ref().take(d_out).collect(), d_out, device) }
        }))
    }

    /// Reads a layer that writes to the residual stream, and makes all that it writes have mean 0
    /// (TransformerLens' `center_writing_weights`).
    async fn writing(
        &self,
        source: &dyn Source,
        layer: &str,
        [d_in, d_out]: [usize; 2],
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<Linear> {
        let mut bias = self.read(source, &format!("{layer}.bias"), d_out, meter).await?;
        center_row(&mut bias);
        let center = |_, row: &mut [f32]| center_row(row);
        let weight = self.name(&format!("{layer}.weight"));
        let [weight] =
            to_device(&self.file, source, &weight, (d_in, [d_out]), center, device, meter).await?;
        Ok(Linear { weight, bias: upload(bias, d_out, device) })
    }

    /// `W_E` of each token plus `W_pos`, both centred: `blocks.0.hook_resid_pre`.
    ///
    /// # Shapes
    /// - returns `[pos, d_model]`
    ///
    /// # Errors
    /// Those of [`Safetensors::read`].
    pub async fn embed(
        &self,
        source: &dyn Source,
        ids: &[u32],
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<Tensor<2>> {
        let d_model = self.config.d_model;
        let (tokens, positions) = (ids.iter().copied(), 0..ids.len() as u32);
        self.wte.read(&self.file, source, tokens.clone(), |_, _| (), meter).await?;
        self.wpe.read(&self.file, source, positions.clone(), |_, _| (), meter).await?;
        let (mut tokens, mut positions) = (self.wte.get(tokens), self.wpe.get(positions));
        tokens.chunks_exact_mut(d_model).for_each(center_row);
        positions.chunks_exact_mut(d_model).for_each(center_row);
        tokens.iter_mut().zip(&positions).for_each(|(sum, position)| *sum += position);
        Ok(upload(tokens, d_model, device))
    }

    /// Reads the unembedding and the final LayerNorm, after the prompt was [embedded](Self::embed).
    ///
    /// # Errors
    /// Those of [`Safetensors::read`].
    pub async fn unembed(
        &self,
        source: &dyn Source,
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<Unembed> {
        let Gpt2Config { d_model, vocab_size, .. } = self.config;
        let gain = self.read(source, "ln_f.weight", d_model, meter).await?;
        let bias = self.read(source, "ln_f.bias", d_model, meter).await?;
        let Rows { name, shape, .. } = &self.wte;
        let part = (self.reading.sizes.unembed_part / (4 * d_model)).max(1);
        let mut parts = Vec::new();
        let mut sums = vec![0f64; d_model];
        let mut logit_bias = Vec::with_capacity(vocab_size);
        for start in (0..vocab_size).step_by(part) {
            let rows = start..vocab_size.min(start + part);
            let mut upload = None;
            let shape_of_part = [rows.len(), d_model];
            let mut take = |_, mut values: Vec<f32>| {
                for row in values.chunks_exact_mut(d_model) {
                    let add = |sum: f64, (&w, &b): (&f32, &f32)| sum + f64::from(w) * f64::from(b);
                    logit_bias.push(row.iter().zip(&bias).fold(0.0, add) as f32);
                    for ((value, gain), sum) in row.iter_mut().zip(&gain).zip(&mut sums) {
                        *value *= gain;
                        *sum += f64::from(*value);
                    }
                }
                upload.get_or_insert_with(|| Upload::new(shape_of_part, device)).push(values);
            };
            match self.reading.is_private {
                true => take(start, self.wte.get(rows.start as u32..rows.end as u32)),
                false => self.file.read_pieces(source, name, shape, rows, meter, take).await?,
            }
            parts.push(upload.expect("a part has rows").finish());
        }
        Ok(Unembed {
            layer_norm_epsilon: self.config.layer_norm_epsilon,
            rows: parts,
            mean_row: sums.iter().map(|sum| (sum / vocab_size as f64) as f32).collect(),
            bias: logit_bias,
        })
    }
}

/// Reads a matrix onto the device piece by piece, as one tensor for each of `widths` columns;
/// `change` gets each row's index and the row.
async fn to_device<const N: usize>(
    file: &Safetensors,
    source: &dyn Source,
    tensor: &str,
    (rows, widths): (usize, [usize; N]),
    mut change: impl FnMut(usize, &mut [f32]),
    device: &Device,
    meter: &mut Meter<'_>,
) -> Result<[Tensor<2>; N]> {
    let columns = widths.iter().sum();
    let mut uploads = None;
    let take = |first: usize, mut values: Vec<f32>| {
        // Room is made when something has come: a file may promise more than there is.
        let uploads =
            uploads.get_or_insert_with(|| widths.map(|width| Upload::new([rows, width], device)));
        for (row, i) in values.chunks_exact_mut(columns).zip(first..) {
            change(i, row);
        }
        if let [upload] = &mut uploads[..] {
            return upload.push(values);
        }
        let mut start = 0;
        for (upload, width) in uploads.iter_mut().zip(widths) {
            let rows = values.chunks_exact(columns);
            upload.push(rows.flat_map(|row| &row[start..start + width]).copied().collect());
            start += width;
        }
    };
    file.read_pieces(source, tensor, &[rows, columns], 0..rows, meter, take).await?;
    Ok(uploads.expect("a tensor has rows").map(Upload::finish))
}

fn center_row(row: &mut [f32]) {
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / row.len() as f64;
    row.iter_mut().for_each(|x| *x = (f64::from(*x) - mean) as f32);
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
        let decoder = Rows::new("W_dec".into(), [config.d_sae, config.d_in], reading.is_private);
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
            self.file.part("W_enc", &[d_in, d_sae], 0..d_in)?,
            self.file.part("b_dec", &[d_in], 0..d_in)?,
        ];
        let vectors: &[&str] = match architecture {
            Architecture::Gated => &["b_gate", "b_mag", "r_mag"],
            Architecture::JumpRelu => &["b_enc", "threshold"],
            Architecture::Standard | Architecture::TopK { .. } => &["b_enc"],
        };
        for name in vectors {
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
        let SaeConfig { hook, d_in, d_sae, architecture, apply_b_dec_to_input, norm } = self.config;
        let mut norms = Vec::new();
        if self.is_rescaled() {
            let take = |_, rows: Vec<f32>| norms.extend(rows.chunks_exact(d_in).map(norm_of));
            let shape = [d_sae, d_in];
            self.file.read_pieces(source, "W_dec", &shape, 0..d_sae, meter, take).await?;
        }
        // A constant scale of the input is an SAE of the unscaled input with other weights, and
        // p·‖W_dec‖ with f/‖W_dec‖ likewise.
        let factor = self.factor();
        let rescale = |_, row: &mut [f32]| {
            row.iter_mut().for_each(|w| *w *= factor);
            row.iter_mut().zip(&norms).for_each(|(w, norm)| *w *= norm);
        };
        let shape = (d_in, [d_sae]);
        let [w_enc] = to_device(&self.file, source, "W_enc", shape, rescale, device, meter).await?;
        let mut b_dec = self.file.read(source, "b_dec", &[d_in], meter).await?;
        b_dec.iter_mut().for_each(|b| *b /= factor);
        let activation = match architecture {
            Architecture::Gated => Activation::Gated {
                b_gate: self.file.read(source, "b_gate", &[d_sae], meter).await?,
                b_mag: self.file.read(source, "b_mag", &[d_sae], meter).await?,
                scale: exponentials(self.file.read(source, "r_mag", &[d_sae], meter).await?)?,
            },
            architecture => {
                let mut b_enc = self.file.read(source, "b_enc", &[d_sae], meter).await?;
                b_enc.iter_mut().zip(&norms).for_each(|(b, norm)| *b *= norm);
                match architecture {
                    Architecture::TopK { k, .. } => Activation::TopK { b_enc, k },
                    Architecture::JumpRelu => Activation::JumpRelu {
                        b_enc,
                        threshold: self.file.read(source, "threshold", &[d_sae], meter).await?,
                    },
                    Architecture::Standard | Architecture::Gated => Activation::Relu { b_enc },
                }
            }
        };
        *self.norms.borrow_mut() = norms;
        let hook_name = hook.to_string();
        Ok(Sae { hook_name, d_sae, norm, apply_b_dec_to_input, w_enc, b_dec, activation })
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
