//! File layouts: the only place that knows which tensor of which file means what.
//!
//! | here | GPT-2 on the hub (with or without `transformer.`) | shape |
//! |---|---|---|
//! | `W_E` | `wte.weight` | `[vocab_size, d_model]` |
//! | `W_pos` | `wpe.weight` | `[n_ctx, d_model]` |
//! | `qkv` | `h.{i}.attn.c_attn.{weight,bias}`, folded with `h.{i}.ln_1.*` | `[d_model, 3 d_model]` |
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
use std::collections::{HashMap, HashSet};

use burn::tensor::{Device, Tensor};

use crate::config::{ActivationNorm, Architecture, Gpt2Config, SaeConfig};
use crate::error::Result;
use crate::gpt2::{Block, Linear, Unembed};
use crate::kernels::upload;
use crate::sae::{Activation, Sae};
use crate::safetensors::Safetensors;
use crate::source::Source;
use crate::watch::Meter;

/// Bytes of `wte` in one device tensor: WebGPU guarantees bindings of 128 MiB.
const UNEMBED_PART: usize = 32 << 20;

/// The model's checkpoint: its header is read, its tensors are on call.
pub struct Gpt2Weights {
    file: Safetensors,
    prefix: &'static str,
    config: Gpt2Config,
    /// Rows of `wte` already read, by token id.
    token_rows: RefCell<HashMap<u32, Vec<f32>>>,
}

impl Gpt2Weights {
    /// Reads the header of a `model.safetensors`.
    ///
    /// # Errors
    /// Those of [`Safetensors::open`].
    pub async fn open(source: &dyn Source, file: &str, config: Gpt2Config) -> Result<Self> {
        let file = Safetensors::open(source, file).await?;
        let prefixed = file.contains("transformer.wte.weight");
        Ok(Self {
            file,
            prefix: if prefixed { "transformer." } else { "" },
            config,
            token_rows: RefCell::default(),
        })
    }

    fn name(&self, tensor: &str) -> String {
        format!("{}{tensor}", self.prefix)
    }

    async fn read(
        &self,
        source: &dyn Source,
        tensor: &str,
        shape: &[usize],
        meter: &mut Meter<'_>,
    ) -> Result<Vec<f32>> {
        self.file.read(source, &self.name(tensor), shape, meter).await
    }

    /// Bytes of a block in the file.
    pub fn block_len(&self, layer: usize) -> u64 {
        BLOCK_TENSORS
            .iter()
            .map(|tensor| self.file.byte_len(&self.name(&format!("h.{layer}.{tensor}"))))
            .sum()
    }

    /// Bytes that `token_rows` has yet to read for these tokens.
    fn token_rows_len(&self, ids: &[u32]) -> u64 {
        let known = self.token_rows.borrow();
        let missing: HashSet<u32> =
            ids.iter().copied().filter(|id| !known.contains_key(id)).collect();
        let wte = self.file.byte_len(&self.name("wte.weight"));
        missing.len() as u64 * (wte / self.config.vocab_size as u64)
    }

    /// Bytes that [`embed`](Self::embed) has yet to read for these tokens.
    pub fn embed_len(&self, ids: &[u32]) -> u64 {
        let wpe = self.file.byte_len(&self.name("wpe.weight"));
        self.token_rows_len(ids) + ids.len() as u64 * (wpe / self.config.n_ctx as u64)
    }

    /// Bytes of the unembedding in the file.
    pub fn unembed_len(&self) -> u64 {
        ["wte.weight", "ln_f.weight", "ln_f.bias"]
            .iter()
            .map(|tensor| self.file.byte_len(&self.name(tensor)))
            .sum()
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
        let Gpt2Config { d_model, d_mlp, .. } = self.config;
        let at = |tensor: &str| format!("h.{layer}.{tensor}");
        let qkv = self
            .linear(source, &at("attn.c_attn"), d_model, 3 * d_model, meter)
            .await?
            .fold_layer_norm(
                &self.read(source, &at("ln_1.weight"), &[d_model], meter).await?,
                &self.read(source, &at("ln_1.bias"), &[d_model], meter).await?,
            )
            .into_device(device);
        let output = self
            .linear(source, &at("attn.c_proj"), d_model, d_model, meter)
            .await?
            .center()
            .into_device(device);
        let mlp_in = self
            .linear(source, &at("mlp.c_fc"), d_model, d_mlp, meter)
            .await?
            .fold_layer_norm(
                &self.read(source, &at("ln_2.weight"), &[d_model], meter).await?,
                &self.read(source, &at("ln_2.bias"), &[d_model], meter).await?,
            )
            .into_device(device);
        let mlp_out = self
            .linear(source, &at("mlp.c_proj"), d_mlp, d_model, meter)
            .await?
            .center()
            .into_device(device);
        Ok(Block {
            n_head: self.config.n_head,
            layer_norm_epsilon: self.config.layer_norm_epsilon,
            qkv,
            output,
            mlp_in,
            mlp_out,
        })
    }

    async fn linear(
        &self,
        source: &dyn Source,
        layer: &str,
        d_in: usize,
        d_out: usize,
        meter: &mut Meter<'_>,
    ) -> Result<HostLinear> {
        Ok(HostLinear {
            d_out,
            weight: self.read(source, &format!("{layer}.weight"), &[d_in, d_out], meter).await?,
            bias: self.read(source, &format!("{layer}.bias"), &[d_out], meter).await?,
        })
    }

    /// Rows of `wte`, as they are in the file: one `d_model` vector a token.
    ///
    /// # Errors
    /// Those of [`Safetensors::read`].
    async fn token_rows(
        &self,
        source: &dyn Source,
        ids: &[u32],
        meter: &mut Meter<'_>,
    ) -> Result<Vec<Vec<f32>>> {
        let mut rows = Vec::with_capacity(ids.len());
        for &id in ids {
            let known = self.token_rows.borrow().get(&id).cloned();
            let row = match known {
                Some(row) => row,
                None => {
                    let at = id as usize;
                    let shape = [self.config.vocab_size, self.config.d_model];
                    let name = self.name("wte.weight");
                    let row = self.file.read_rows(source, &name, &shape, at..at + 1, meter).await?;
                    self.token_rows.borrow_mut().insert(id, row.clone());
                    row
                }
            };
            rows.push(row);
        }
        Ok(rows)
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
        let Gpt2Config { d_model, n_ctx, .. } = self.config;
        let tokens = self.token_rows(source, ids, meter).await?;
        let shape = [n_ctx, d_model];
        let name = self.name("wpe.weight");
        let positions = self.file.read_rows(source, &name, &shape, 0..ids.len(), meter).await?;
        let mut sum = Vec::with_capacity(positions.len());
        for (mut token, position) in tokens.into_iter().zip(positions.chunks_exact(d_model)) {
            let mut position = position.to_vec();
            center_row(&mut token);
            center_row(&mut position);
            sum.extend(token.iter().zip(&position).map(|(a, b)| a + b));
        }
        Ok(upload(sum, d_model, device))
    }

    /// Reads the unembedding and the final LayerNorm.
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
        let gain = self.read(source, "ln_f.weight", &[d_model], meter).await?;
        let bias = self.read(source, "ln_f.bias", &[d_model], meter).await?;
        let shape = [vocab_size, d_model];
        let name = self.name("wte.weight");
        let part = (UNEMBED_PART / (4 * d_model)).max(1);
        let mut rows = Vec::new();
        let mut sums = vec![0f64; d_model];
        let mut logit_bias = Vec::with_capacity(vocab_size);
        for start in (0..vocab_size).step_by(part) {
            let range = start..vocab_size.min(start + part);
            let mut values = self.file.read_rows(source, &name, &shape, range, meter).await?;
            for row in values.chunks_exact_mut(d_model) {
                let add = |sum: f64, (&w, &b): (&f32, &f32)| sum + f64::from(w) * f64::from(b);
                logit_bias.push(row.iter().zip(&bias).fold(0.0, add) as f32);
                for ((value, gain), sum) in row.iter_mut().zip(&gain).zip(&mut sums) {
                    *value *= gain;
                    *sum += f64::from(*value);
                }
            }
            rows.push(upload(values, d_model, device));
        }
        Ok(Unembed {
            layer_norm_epsilon: self.config.layer_norm_epsilon,
            rows,
            mean_row: sums.iter().map(|sum| (sum / vocab_size as f64) as f32).collect(),
            bias: logit_bias,
        })
    }
}

const BLOCK_TENSORS: [&str; 12] = [
    "ln_1.weight",
    "ln_1.bias",
    "attn.c_attn.weight",
    "attn.c_attn.bias",
    "attn.c_proj.weight",
    "attn.c_proj.bias",
    "ln_2.weight",
    "ln_2.bias",
    "mlp.c_fc.weight",
    "mlp.c_fc.bias",
    "mlp.c_proj.weight",
    "mlp.c_proj.bias",
];

/// A dense layer in host memory, on its way to the device.
struct HostLinear {
    d_out: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl HostLinear {
    /// Absorbs the gain and bias of the LayerNorm that feeds this layer:
    /// `(x g + h) W + b = x (g W) + (h W + b)`.
    fn fold_layer_norm(mut self, gain: &[f32], bias: &[f32]) -> Self {
        let mut folded: Vec<f64> = self.bias.iter().map(|&b| b.into()).collect();
        for ((row, &gain), &bias) in self.weight.chunks_exact_mut(self.d_out).zip(gain).zip(bias) {
            for (weight, sum) in row.iter_mut().zip(&mut folded) {
                *sum += f64::from(bias) * f64::from(*weight);
                *weight *= gain;
            }
        }
        self.bias = folded.into_iter().map(|b| b as f32).collect();
        self
    }

    /// Makes everything this layer writes have mean 0 (TransformerLens' `center_writing_weights`).
    fn center(mut self) -> Self {
        self.weight.chunks_exact_mut(self.d_out).for_each(center_row);
        center_row(&mut self.bias);
        self
    }

    fn into_device(self, device: &Device) -> Linear {
        Linear {
            weight: upload(self.weight, self.d_out, device),
            bias: upload(self.bias, self.d_out, device),
        }
    }
}

fn center_row(row: &mut [f32]) {
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / row.len() as f64;
    row.iter_mut().for_each(|x| *x = (f64::from(*x) - mean) as f32);
}

/// An SAE's weights: the header is read, the tensors are on call.
pub struct SaeWeights {
    file: Safetensors,
    config: SaeConfig,
}

impl SaeWeights {
    /// Reads the header of an `sae_weights.safetensors`.
    ///
    /// # Errors
    /// Those of [`Safetensors::open`].
    pub async fn open(source: &dyn Source, file: &str, config: SaeConfig) -> Result<Self> {
        Ok(Self { file: Safetensors::open(source, file).await?, config })
    }

    /// Bytes of the tensors that [`load`](Self::load) reads.
    pub fn byte_len(&self) -> u64 {
        ["W_enc", "W_dec", "b_enc", "b_dec", "threshold", "b_gate", "r_mag", "b_mag"]
            .iter()
            .map(|tensor| self.file.byte_len(tensor))
            .sum()
    }

    /// Reads the SAE onto the device.
    ///
    /// # Errors
    /// Those of [`Safetensors::read`].
    pub async fn load(
        &self,
        source: &dyn Source,
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<Sae> {
        let SaeConfig { d_in, d_sae, architecture, apply_b_dec_to_input, norm, .. } = self.config;
        let mut w_enc = self.file.read(source, "W_enc", &[d_in, d_sae], meter).await?;
        let mut w_dec = self.file.read(source, "W_dec", &[d_sae, d_in], meter).await?;
        let mut b_dec = self.file.read(source, "b_dec", &[d_in], meter).await?;
        let mut activation = match architecture {
            Architecture::Gated => Activation::Gated {
                b_gate: self.file.read(source, "b_gate", &[d_sae], meter).await?,
                b_mag: self.file.read(source, "b_mag", &[d_sae], meter).await?,
                scale: (self.file.read(source, "r_mag", &[d_sae], meter).await?)
                    .into_iter()
                    .map(f32::exp)
                    .collect(),
            },
            architecture => {
                let b_enc = self.file.read(source, "b_enc", &[d_sae], meter).await?;
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

        // p·‖W_dec‖ and f/‖W_dec‖ are the same SAE with other weights.
        if let Architecture::TopK { rescale_acts_by_decoder_norm: true, .. } = architecture {
            let norms: Vec<f32> = w_dec.chunks_exact(d_in).map(norm_of).collect();
            for row in w_enc.chunks_exact_mut(d_sae) {
                row.iter_mut().zip(&norms).for_each(|(w, norm)| *w *= norm);
            }
            for (row, norm) in w_dec.chunks_exact_mut(d_in).zip(&norms) {
                row.iter_mut().for_each(|w| *w /= norm.max(f32::MIN_POSITIVE));
            }
            if let Activation::TopK { b_enc, .. } = &mut activation {
                b_enc.iter_mut().zip(&norms).for_each(|(b, norm)| *b *= norm);
            }
        }
        // A constant scale of the input is an SAE of the unscaled input with other weights.
        if let ActivationNorm::Scale(factor) = norm {
            let factor = factor as f32;
            w_enc.iter_mut().for_each(|w| *w *= factor);
            w_dec.iter_mut().chain(&mut b_dec).for_each(|w| *w /= factor);
        }

        Ok(Sae {
            d_sae,
            norm,
            apply_b_dec_to_input,
            w_enc: upload(w_enc, d_sae, device),
            w_dec: upload(w_dec, d_in, device),
            b_dec,
            activation,
        })
    }
}

fn norm_of(row: &[f32]) -> f32 {
    row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt() as f32
}
