//! Owns the device, the model and the SAEs: loads what a request needs and answers it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};

use crate::attribution::{Directions, Path, cheaper, jacobian, units};
use crate::config::{Gpt2Config, HookPoint, SaeConfig};
use crate::error::{Error, Result};
use crate::gpt2::{Block, Linearized, Unembed};
use crate::kernels::{self, upload};
use crate::request::{Request, TokenRef};
use crate::result::{Attribution, Logits, Nodes, Parts, Tokens, check_pairs};
use crate::sae::Sae;
use crate::source::Source;
use crate::sparse::{Active, read_back};
use crate::tokenizer::Tokenizer;
use crate::watch::{Meter, Phase, Watch};
use crate::weights::{Gpt2Weights, SaeWeights};

/// Logits shown beside a logit difference.
const SHOWN_LOGITS: usize = 10;

/// Where a model and its SAEs are, in the hub's layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Holds `config.json`, `tokenizer.json`, `model.safetensors`.
    pub model: String,
    /// Holds `blocks.{L}.hook_resid_pre/{cfg.json,sae_weights.safetensors}`.
    pub saes: String,
}

/// A model on a device, ready for requests.
///
/// Weights are read when a request first needs them and then kept. A request that fails leaves
/// everything that was loaded in place.
pub struct Session {
    device: Device,
    source: Box<dyn Source>,
    addresses: Addresses,
    config: Gpt2Config,
    tokenizer: Tokenizer,
    weights: Gpt2Weights,
    blocks: RefCell<Vec<Option<Rc<Block>>>>,
    unembed: RefCell<Option<Rc<Unembed>>>,
    sae_weights: RefCell<HashMap<usize, Rc<SaeWeights>>>,
    saes: RefCell<HashMap<usize, Rc<Sae>>>,
}

/// Weights that a request needs.
struct Need {
    blocks: Range<usize>,
    saes: Vec<usize>,
    unembed: bool,
}

/// Active latents of an SAE and what they were encoded from.
struct Encoded {
    sae: Rc<Sae>,
    active: Active,
    /// `[pos, d_model]`
    resid: Vec<f32>,
}

impl Session {
    /// Reads a model's configuration, tokenizer and checkpoint header.
    ///
    /// # Errors
    /// Those of [`Gpt2Config::from_json`], [`Tokenizer::from_json`],
    /// [`Safetensors::open`](crate::safetensors::Safetensors::open) and of the source.
    pub async fn open(
        device: Device,
        source: Box<dyn Source>,
        addresses: Addresses,
    ) -> Result<Self> {
        let file = |name: &str| format!("{}/{name}", addresses.model);
        let path = file("config.json");
        let config = Gpt2Config::from_json(&path, &source.read(&path, None).await?.bytes)?;
        let path = file("tokenizer.json");
        let json = source.read(&path, None).await?.bytes;
        let tokenizer = Tokenizer::from_json(&path, &json, config.bos_token_id, config.vocab_size)?;
        let path = file("model.safetensors");
        let weights = Gpt2Weights::open(&*source, &path, config.clone()).await?;
        Ok(Self {
            device,
            source,
            addresses,
            tokenizer,
            weights,
            blocks: RefCell::new(vec![None; config.n_layer]),
            unembed: RefCell::default(),
            sae_weights: RefCell::default(),
            saes: RefCell::default(),
            config,
        })
    }

    /// The model's shape.
    pub fn config(&self) -> &Gpt2Config {
        &self.config
    }

    /// The tokens of a prompt, BOS first.
    ///
    /// # Errors
    /// `prompt-too-long`.
    pub fn tokenize(&self, prompt: &str) -> Result<Tokens> {
        let token_id = self.tokenizer.prompt(prompt)?;
        if token_id.len() > self.config.n_ctx {
            return Err(Error::PromptTooLong { tokens: token_id.len(), n_ctx: self.config.n_ctx });
        }
        let string = token_id.iter().map(|&id| self.tokenizer.display(id)).collect();
        Ok(Tokens { token_id, string })
    }

    /// Answers one request.
    ///
    /// # Errors
    /// `prompt-too-long`, `layer-out-of-range`, `layer-order`, `k-out-of-range`, `not-one-token`,
    /// `token-out-of-range`, `result-too-large` for the request; those of the files it needs;
    /// `result-not-finite`, `device-failed`, `cancelled`.
    pub async fn attribute(&self, request: &Request, watch: &dyn Watch) -> Result<Attribution> {
        let tokens = self.tokenize(request.prompt())?;
        let parts = match request {
            &Request::TokenToLatent { layer, .. } => {
                self.check_layer(layer)?;
                self.token_to_latent(&tokens, layer, watch).await
            }
            &Request::LatentToLatent { layer_from, layer_to, threshold, .. } => {
                self.check_layer(layer_from)?;
                self.check_layer(layer_to)?;
                if layer_from >= layer_to {
                    return Err(Error::LayerOrder { layer_from, layer_to });
                }
                if !threshold.is_finite() {
                    let cause = "threshold is not a finite number".into();
                    return Err(Error::RequestInvalid { cause });
                }
                self.latent_to_latent(&tokens, layer_from..layer_to, watch).await
            }
            &Request::LatentToLogit { layer, k, .. } => {
                self.check_layer(layer)?;
                let vocab_size = self.config.vocab_size;
                if k == 0 || k > vocab_size {
                    return Err(Error::KOutOfRange { k, vocab_size });
                }
                self.latent_to_logit(&tokens, layer, k, None, watch).await
            }
            Request::LogitDifference { layer, positive, negative, .. } => {
                self.check_layer(*layer)?;
                let pair = [self.token(positive)?, self.token(negative)?];
                let k = SHOWN_LOGITS.min(self.config.vocab_size);
                self.latent_to_logit(&tokens, *layer, k, Some(pair), watch).await
            }
        };
        // Buffers of one analysis rarely fit the next; the device's pool would keep both.
        self.device.memory_cleanup();
        Ok(Attribution::new(request.clone(), tokens, parts?))
    }

    async fn token_to_latent(
        &self,
        tokens: &Tokens,
        layer: usize,
        watch: &dyn Watch,
    ) -> Result<Parts> {
        let need = Need { blocks: 0..layer, saes: vec![layer], unembed: false };
        let embed = self.prepare(&need, tokens, watch).await?;
        let (blocks, resid) = self.forward(0..layer, embed.clone(), watch).await?;
        let to = self.encode(layer, resid, watch).await?;

        let sources = Nodes::tokens(tokens);
        let targets = self.latent_nodes(&to, tokens, layer);
        let read = to.sae.normalize(&to.resid);
        let path = Path {
            blocks: &blocks,
            sources: &Directions { pos: sources.pos.clone(), rows: embed, scale: Vec::new() },
            targets: &to.read_directions(),
            read: read.as_ref(),
            n_pos: tokens.token_id.len(),
        };
        let gradients = self.gradients(&path, watch).await?;
        Ok(Parts::new(sources, targets, gradients))
    }

    async fn latent_to_latent(
        &self,
        tokens: &Tokens,
        layers: Range<usize>,
        watch: &dyn Watch,
    ) -> Result<Parts> {
        let need =
            Need { blocks: 0..layers.end, saes: vec![layers.start, layers.end], unembed: false };
        let embed = self.prepare(&need, tokens, watch).await?;
        let (_, before) = self.forward(0..layers.start, embed, watch).await?;
        let from = self.encode(layers.start, before, watch).await?;
        let spliced = from.splice().await?;
        let (blocks, after) = self.forward(layers.clone(), spliced.resid, watch).await?;
        let to = self.encode(layers.end, after, watch).await?;

        let sources = self.latent_nodes(&from, tokens, layers.start);
        let targets = self.latent_nodes(&to, tokens, layers.end);
        let read = to.sae.normalize(&to.resid);
        let path = Path {
            blocks: &blocks,
            sources: &spliced.sources,
            targets: &to.read_directions(),
            read: read.as_ref(),
            n_pos: tokens.token_id.len(),
        };
        let gradients = self.gradients(&path, watch).await?;
        let parts = Parts::new(sources, targets, gradients);
        Ok(Parts { sae_error_norm: spliced.error_norm, ..parts })
    }

    /// To the `k` largest logits, or to the difference of the two logits of `pair`.
    async fn latent_to_logit(
        &self,
        tokens: &Tokens,
        layer: usize,
        k: usize,
        pair: Option<[u32; 2]>,
        watch: &dyn Watch,
    ) -> Result<Parts> {
        let n_layer = self.config.n_layer;
        let need = Need { blocks: 0..n_layer, saes: vec![layer], unembed: true };
        let embed = self.prepare(&need, tokens, watch).await?;
        let unembed = self.unembed.borrow().clone().expect("prepared");
        let (_, before) = self.forward(0..layer, embed, watch).await?;
        let from = self.encode(layer, before, watch).await?;
        let spliced = from.splice().await?;
        let (blocks, end) = self.forward(layer..n_layer, spliced.resid, watch).await?;
        let last = tokens.token_id.len() - 1;
        let read = kernels::layer_norm(&end, unembed.layer_norm_epsilon as f32);
        let logits = unembed.logits(&kernels::gather_rows(&read.y, &[last as u32])).await?;

        let top = self.chosen_logits(&logits, &largest(&logits, k));
        let pair = pair.map(|pair| self.chosen_logits(&logits, &pair));
        let sources = self.latent_nodes(&from, tokens, layer);
        let (targets, rows) = match &pair {
            None => (Nodes::logits(&top, last), unembed.read_rows(&top.token_id).await?),
            Some(pair) => {
                let rows = unembed.read_rows(&pair.token_id).await?;
                let (positive, negative) = rows.split_at(rows.len() / 2);
                let difference = positive.iter().zip(negative).map(|(a, b)| a - b).collect();
                (Nodes::logit_difference(pair, last), difference)
            }
        };
        let path = Path {
            blocks: &blocks,
            sources: &spliced.sources,
            targets: &Directions {
                pos: targets.pos.clone(),
                rows: upload(rows, self.config.d_model, &self.device),
                scale: Vec::new(),
            },
            read: Some(&read),
            n_pos: tokens.token_id.len(),
        };
        let gradients = self.gradients(&path, watch).await?;
        Ok(Parts {
            sae_error_norm: spliced.error_norm,
            top_logits: Some(top),
            pair_logits: pair,
            ..Parts::new(sources, targets, gradients)
        })
    }

    fn check_layer(&self, layer: usize) -> Result<()> {
        match layer <= self.config.n_layer {
            true => Ok(()),
            false => Err(Error::LayerOutOfRange { layer, last: self.config.n_layer }),
        }
    }

    fn token(&self, token: &TokenRef) -> Result<u32> {
        match token {
            TokenRef::Id(id) => self.tokenizer.check(*id),
            TokenRef::Text(text) => self.tokenizer.single(text),
        }
    }

    /// Loads what is missing; returns the prompt's `blocks.0.hook_resid_pre`, `[pos, d_model]`.
    async fn prepare(&self, need: &Need, tokens: &Tokens, watch: &dyn Watch) -> Result<Tensor<2>> {
        let source = &*self.source;
        for &layer in &need.saes {
            if !self.sae_weights.borrow().contains_key(&layer) {
                let opened = Rc::new(self.open_sae(layer).await?);
                self.sae_weights.borrow_mut().insert(layer, opened);
            }
        }
        let blocks: Vec<usize> =
            need.blocks.clone().filter(|&i| self.blocks.borrow()[i].is_none()).collect();
        let saes: Vec<(usize, Rc<SaeWeights>)> = need
            .saes
            .iter()
            .filter(|layer| !self.saes.borrow().contains_key(layer))
            .map(|&layer| (layer, self.sae_weights.borrow()[&layer].clone()))
            .collect();
        let unembed = need.unembed && self.unembed.borrow().is_none();
        let total = self.weights.embed_len(&tokens.token_id)
            + blocks.iter().map(|&layer| self.weights.block_len(layer)).sum::<u64>()
            + saes.iter().map(|(_, sae)| sae.byte_len()).sum::<u64>()
            + if unembed { self.weights.unembed_len() } else { 0 };

        let mut meter = Meter::start(watch, Phase::Load, total).await?;
        let embed = self.weights.embed(source, &tokens.token_id, &self.device, &mut meter).await?;
        for layer in blocks {
            let block = self.weights.block(source, layer, &self.device, &mut meter).await?;
            self.blocks.borrow_mut()[layer] = Some(Rc::new(block));
        }
        for (layer, weights) in saes {
            let sae = weights.load(source, &self.device, &mut meter).await?;
            self.saes.borrow_mut().insert(layer, Rc::new(sae));
        }
        if unembed {
            let unembed = self.weights.unembed(source, &self.device, &mut meter).await?;
            *self.unembed.borrow_mut() = Some(Rc::new(unembed));
        }
        Ok(embed)
    }

    async fn open_sae(&self, layer: usize) -> Result<SaeWeights> {
        let hook = HookPoint::residual(layer, self.config.n_layer);
        let folder = format!("{}/{hook}", self.addresses.saes);
        let file = format!("{folder}/cfg.json");
        let json = self.source.read(&file, None).await?.bytes;
        let config = SaeConfig::from_json(&file, &json)?;
        let invalid = |cause: String| Error::ConfigInvalid { file: file.clone(), cause };
        if config.hook.layer != layer {
            return Err(invalid(format!("it is for {} but stands under {hook}", config.hook)));
        }
        if config.d_in != self.config.d_model {
            return Err(invalid(format!(
                "its d_in is {} but the model's d_model is {}",
                config.d_in, self.config.d_model
            )));
        }
        SaeWeights::open(&*self.source, &format!("{folder}/sae_weights.safetensors"), config).await
    }

    /// Runs blocks over one prompt. Returns them linearised there, and the residual stream after.
    ///
    /// # Shapes
    /// - `resid`: `[pos, d_model]`, returned likewise
    async fn forward(
        &self,
        layers: Range<usize>,
        mut resid: Tensor<2>,
        watch: &dyn Watch,
    ) -> Result<(Vec<Linearized>, Tensor<2>)> {
        let mut meter = Meter::start(watch, Phase::Forward, layers.len() as u64).await?;
        let mut linearized = Vec::with_capacity(layers.len());
        for layer in layers {
            let block = self.blocks.borrow()[layer].clone().expect("prepared");
            let (after, at) = block.forward(&resid);
            resid = after;
            linearized.push(at);
            kernels::pace(&resid).await?;
            meter.add(1).await?;
        }
        Ok((linearized, resid))
    }

    async fn encode(&self, layer: usize, resid: Tensor<2>, watch: &dyn Watch) -> Result<Encoded> {
        let sae = self.saes.borrow()[&layer].clone();
        let mut meter = Meter::start(watch, Phase::Encode, resid.dims()[0] as u64).await?;
        let resid = read_back(resid, "residual stream").await?;
        let active = sae.encode(&resid, &mut meter).await?;
        Ok(Encoded { sae, active, resid })
    }

    fn latent_nodes(&self, encoded: &Encoded, tokens: &Tokens, layer: usize) -> Nodes {
        let hook_name = HookPoint::residual(layer, self.config.n_layer).to_string();
        Nodes::latents(&encoded.active, tokens, layer, hook_name, encoded.sae.d_sae)
    }

    async fn gradients(&self, path: &Path<'_>, watch: &dyn Watch) -> Result<Vec<f32>> {
        check_pairs(path.targets.pos.len(), path.sources.pos.len())?;
        let mode = cheaper(path);
        let mut meter = Meter::start(watch, Phase::Jacobian, units(path, mode)).await?;
        jacobian(path, mode, &mut meter).await
    }

    fn chosen_logits(&self, logits: &[f64], token_id: &[u32]) -> Logits {
        let max = logits.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = logits.iter().map(|logit| (logit - max).exp()).sum();
        let chosen = || token_id.iter().map(|&id| logits[id as usize]);
        Logits {
            token_id: token_id.to_vec(),
            string: token_id.iter().map(|&id| self.tokenizer.display(id)).collect(),
            logit: chosen().map(|logit| logit as f32).collect(),
            probability: chosen().map(|logit| ((logit - max).exp() / sum) as f32).collect(),
        }
    }
}

/// Ids of the `k` largest values, largest first.
fn largest(values: &[f64], k: usize) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..values.len() as u32).collect();
    let order =
        |a: &u32, b: &u32| values[*b as usize].total_cmp(&values[*a as usize]).then(a.cmp(b));
    if k < ids.len() {
        ids.select_nth_unstable_by(k, order);
        ids.truncate(k);
    }
    ids.sort_unstable_by(order);
    ids
}

/// The residual stream as decoded latents plus what they miss.
struct Spliced {
    /// `x̂ + (x − x̂)`: `[pos, d_model]`.
    resid: Tensor<2>,
    /// What the active latents write.
    sources: Directions,
    /// ‖x − x̂‖ at each position.
    error_norm: Vec<f32>,
}

impl Encoded {
    /// What the active latents read.
    fn read_directions(&self) -> Directions {
        let slope = |&latent: &u32| self.sae.activation.slope(latent);
        Directions {
            pos: self.active.pos.clone(),
            rows: self.rows(|latents| kernels::gather_columns(&self.sae.w_enc, latents)),
            scale: self.active.latent.iter().map(slope).collect(),
        }
    }

    /// Rows of the active latents; a row of anything where there are none, as devices have no
    /// empty tensors.
    fn rows(&self, gather: impl Fn(&[u32]) -> Tensor<2>) -> Tensor<2> {
        if self.active.is_empty() { gather(&[0]) } else { gather(&self.active.latent) }
    }

    async fn splice(&self) -> Result<Spliced> {
        let d_model = self.sae.b_dec.len();
        let rows = self.rows(|latents| kernels::gather_rows(&self.sae.w_dec, latents));
        let decoded = self.sae.decode(&self.active, &rows, &self.resid).await?;
        let error: Vec<f32> = self.resid.iter().zip(&decoded).map(|(x, d)| x - d).collect();
        let norm = |row: &[f32]| row.iter().map(|&e| f64::from(e).powi(2)).sum::<f64>().sqrt();
        let resid = decoded.iter().zip(&error).map(|(d, e)| d + e).collect();
        Ok(Spliced {
            resid: upload(resid, d_model, &rows.device()),
            sources: Directions {
                pos: self.active.pos.clone(),
                scale: self.sae.decoder_scale(&self.active, &self.resid),
                rows,
            },
            error_norm: error.chunks_exact(d_model).map(|row| norm(row) as f32).collect(),
        })
    }
}
