//! A GPT-2 checkpoint.
//!
//! | here | GPT-2 on the hub (with or without `transformer.`) | shape |
//! |---|---|---|
//! | `W_E` | `wte.weight` | `[vocab_size, d_model]` |
//! | `W_pos` | `wpe.weight` | `[n_ctx, d_model]` |
//! | `Attn::query_key`, `value` | `h.{i}.attn.c_attn.{weight,bias}`, folded with `h.{i}.ln_1.*` | `[d_model, 2 d_model]`, `[d_model, d_model]` |
//! | `Attn::output` | `h.{i}.attn.c_proj.*`, centred | `[d_model, d_model]` |
//! | `Mlp::input` | `h.{i}.mlp.c_fc.*`, folded with `h.{i}.ln_2.*` | `[d_model, d_mlp]` |
//! | `Mlp::output` | `h.{i}.mlp.c_proj.*`, centred | `[d_mlp, d_model]` |
//! | `Unembed` | `wte.weight`, folded with `ln_f.*` | `[vocab_size, d_model]` |
//!
//! The weights are processed to the effect of TransformerLens' defaults: what writes to the
//! residual stream is centred (the SAEs were trained on centred residuals), LayerNorm gains and
//! biases move into the layers that read them, and `b_V` into the bias of `W_O`: `hook_z` is without it.
//! Centring the logits is left to where they are used.

use burn::tensor::Device;
use burn::tensor::Tensor;

use super::{Reading, Rows, to_device};
use crate::config::Gpt2Config;
use crate::error::Result;
use crate::gpt2::{Attn, Linear, Mlp, Unembed};
use crate::kernels::{Upload, upload};
use crate::safetensors::Safetensors;
use crate::source::{Part, Source};
use crate::watch::Meter;

/// A dense layer of a block: its tensors are `{name}.weight` and `{name}.bias`.
struct Dense {
    name: String,
    /// Name of the LayerNorm that it reads, if it reads one; likewise two tensors.
    layer_norm: Option<String>,
    d_in: usize,
    d_out: usize,
}

impl Dense {
    fn named(
        layer: usize,
        name: &str,
        layer_norm: Option<&str>,
        d_in: usize,
        d_out: usize,
    ) -> Self {
        let full = |name: &str| format!("h.{layer}.{name}");
        Self { name: full(name), layer_norm: layer_norm.map(full), d_in, d_out }
    }
}

fn linear(weight: Tensor<2>, bias: Vec<f64>, device: &Device) -> Linear {
    let d_out = bias.len();
    Linear { weight, bias: upload(bias.into_iter().map(|b| b as f32).collect(), d_out, device) }
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

    /// The dense layers of a block's attention, in the order in which they are applied.
    fn attn_dense(&self, layer: usize) -> [Dense; 2] {
        let d = self.config.d_model;
        [
            Dense::named(layer, "attn.c_attn", Some("ln_1"), d, 3 * d),
            Dense::named(layer, "attn.c_proj", None, d, d),
        ]
    }

    /// Likewise of its MLP.
    fn mlp_dense(&self, layer: usize) -> [Dense; 2] {
        let Gpt2Config { d_model: d, d_mlp, .. } = self.config;
        [
            Dense::named(layer, "mlp.c_fc", Some("ln_2"), d, d_mlp),
            Dense::named(layer, "mlp.c_proj", None, d_mlp, d),
        ]
    }

    /// What [`attn`](Self::attn) reads, in the order of the file.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`.
    pub fn attn_parts(&self, layer: usize) -> Result<Vec<Part>> {
        self.dense_parts(self.attn_dense(layer))
    }

    /// What [`mlp`](Self::mlp) reads, in the order of the file.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`.
    pub fn mlp_parts(&self, layer: usize) -> Result<Vec<Part>> {
        self.dense_parts(self.mlp_dense(layer))
    }

    fn dense_parts(&self, layers: [Dense; 2]) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for Dense { name, layer_norm, d_in, d_out } in layers {
            parts.push(self.part(&format!("{name}.weight"), &[d_in, d_out])?);
            parts.push(self.part(&format!("{name}.bias"), &[d_out])?);
            if let Some(name) = layer_norm {
                parts.push(self.part(&format!("{name}.weight"), &[d_in])?);
                parts.push(self.part(&format!("{name}.bias"), &[d_in])?);
            }
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

    /// Reads and processes the attention of a block.
    ///
    /// # Errors
    /// Those of [`Safetensors::read`].
    pub async fn attn(
        &self,
        source: &dyn Source,
        layer: usize,
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<Attn> {
        let [input, output] = self.attn_dense(layer);
        let d = self.config.d_model;
        let ([query_key, value], mut biases) =
            self.reading(source, &input, [2 * d, d], device, meter).await?;
        let b_v = biases.split_off(2 * d);
        Ok(Attn {
            n_head: self.config.n_head,
            layer_norm_epsilon: self.config.layer_norm_epsilon,
            query_key: linear(query_key, biases, device),
            value,
            output: self.writing(source, &output, &b_v, device, meter).await?,
        })
    }

    /// Reads and processes the MLP of a block.
    ///
    /// # Errors
    /// Those of [`Safetensors::read`].
    pub async fn mlp(
        &self,
        source: &dyn Source,
        layer: usize,
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<Mlp> {
        let [input, output] = self.mlp_dense(layer);
        let ([w_in], b_in) = self.reading(source, &input, [input.d_out], device, meter).await?;
        Ok(Mlp {
            layer_norm_epsilon: self.config.layer_norm_epsilon,
            input: linear(w_in, b_in, device),
            output: self.writing(source, &output, &[], device, meter).await?,
        })
    }

    /// Reads layers that read a LayerNorm and lie side by side in one matrix, and folds that one's
    /// gain and bias into them: `(x g + h) W + b = x (g W) + (h W + b)`. Returns `g W` of each, and
    /// `h W + b` of all.
    async fn reading<const N: usize>(
        &self,
        source: &dyn Source,
        Dense { name, layer_norm, d_in, d_out }: &Dense,
        widths: [usize; N],
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<([Tensor<2>; N], Vec<f64>)> {
        let layer_norm = layer_norm.as_deref().expect("only layers that read one are read so");
        let gain = self.read(source, &format!("{layer_norm}.weight"), *d_in, meter).await?;
        let shift = self.read(source, &format!("{layer_norm}.bias"), *d_in, meter).await?;
        let bias = self.read(source, &format!("{name}.bias"), *d_out, meter).await?;
        let mut folded: Vec<f64> = bias.into_iter().map(f64::from).collect();
        let fold = |i: usize, row: &mut [f32]| {
            let (gain, shift) = (gain[i], f64::from(shift[i]));
            for (weight, sum) in row.iter_mut().zip(&mut folded) {
                *sum += shift * f64::from(*weight);
                *weight *= gain;
            }
        };
        let weight = self.name(&format!("{name}.weight"));
        let shape = (*d_in, widths);
        let weights = to_device(&self.file, source, &weight, shape, fold, device, meter).await?;
        Ok((weights, folded))
    }

    /// Reads a layer that writes to the residual stream, and makes all that it writes have mean 0
    /// (TransformerLens' `center_writing_weights`). `constant` is what is always added to its input; it
    /// moves into its bias.
    async fn writing(
        &self,
        source: &dyn Source,
        Dense { name, d_in, d_out, .. }: &Dense,
        constant: &[f64],
        device: &Device,
        meter: &mut Meter<'_>,
    ) -> Result<Linear> {
        let mut bias = self.read(source, &format!("{name}.bias"), *d_out, meter).await?;
        center_row(&mut bias);
        let mut folded: Vec<f64> = bias.into_iter().map(f64::from).collect();
        let center = |i: usize, row: &mut [f32]| {
            center_row(row);
            if let Some(constant) = constant.get(i) {
                folded.iter_mut().zip(row).for_each(|(sum, w)| *sum += constant * f64::from(*w));
            }
        };
        let weight = self.name(&format!("{name}.weight"));
        let shape = (*d_in, [*d_out]);
        let [weight] = to_device(&self.file, source, &weight, shape, center, device, meter).await?;
        Ok(linear(weight, folded, device))
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

fn center_row(row: &mut [f32]) {
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / row.len() as f64;
    row.iter_mut().for_each(|x| *x = (f64::from(*x) - mean) as f32);
}
