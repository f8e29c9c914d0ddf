//! Answers requests: the four analyses over one model and its SAEs.

use std::ops::Range;

use burn::tensor::Device;

use crate::attribution::{Directions, Path};
use crate::config::Gpt2Config;
use crate::error::{Error, Result};
use crate::kernels;
use crate::request::{Request, TokenRef};
use crate::result::{Attribution, Logits, Nodes, Parts, Tokens};
use crate::run::Run;
use crate::sizes::{MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES};
use crate::source::Source;
use crate::store::{Addresses, Need, Store};
use crate::tokenizer::Tokenizer;
use crate::watch::Watch;
use crate::weights::Reading;

/// Logits shown beside a logit difference.
const SHOWN_LOGITS: usize = 10;

/// A model on a device, ready for requests.
///
/// Weights are read when a request first needs them and then kept. A request that fails leaves
/// everything that was loaded in place.
pub struct Session {
    tokenizer: Tokenizer,
    store: Store,
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
        Self::open_with(device, source, addresses, Reading::default()).await
    }

    /// [`open`](Self::open) with a say in how weights are read.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub async fn open_with(
        device: Device,
        source: Box<dyn Source>,
        addresses: Addresses,
        reading: Reading,
    ) -> Result<Self> {
        let file = |name: &str| format!("{}/{name}", addresses.model);
        let path = file("config.json");
        let json = source.read_whole(&path, MAX_CONFIG_BYTES).await?;
        let config = Gpt2Config::from_json(&path, &json)?;
        let path = file("tokenizer.json");
        let json = source.read_whole(&path, MAX_TOKENIZER_BYTES).await?;
        let (bos_token_id, vocab_size) = (config.bos_token_id, config.vocab_size);
        // The checkpoint first: it tells whether the vocabulary is as large as the configuration says.
        let store = Store::open(device, source, addresses, config, reading).await?;
        let tokenizer = Tokenizer::from_json(&path, &json, bos_token_id, vocab_size)?;
        Ok(Self { tokenizer, store })
    }

    /// The model's shape.
    pub fn config(&self) -> &Gpt2Config {
        &self.store.config
    }

    /// The tokens of a prompt, BOS first.
    ///
    /// # Errors
    /// `prompt-too-long`.
    pub fn tokenize(&self, prompt: &str) -> Result<Tokens> {
        let token_id = self.tokenizer.prompt(prompt)?;
        let n_ctx = self.store.config.max_positions();
        if token_id.len() > n_ctx {
            return Err(Error::PromptTooLong { tokens: token_id.len(), n_ctx });
        }
        Ok(self.named(token_id))
    }

    /// At most `limit` tokens whose text begins with this one, for choosing a target.
    pub fn complete(&self, text: &str, limit: usize) -> Tokens {
        self.named(self.tokenizer.complete(text, limit))
    }

    fn named(&self, token_id: Vec<u32>) -> Tokens {
        let string = token_id.iter().map(|&id| self.tokenizer.display(id)).collect();
        Tokens { token_id, string }
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
                let vocab_size = self.store.config.vocab_size;
                if k == 0 || k > vocab_size {
                    return Err(Error::KOutOfRange { k, vocab_size });
                }
                self.latent_to_logit(&tokens, layer, k, None, watch).await
            }
            Request::LogitDifference { layer, positive, negative, .. } => {
                self.check_layer(*layer)?;
                let pair = [self.token(positive)?, self.token(negative)?];
                let k = SHOWN_LOGITS.min(self.store.config.vocab_size);
                self.latent_to_logit(&tokens, *layer, k, Some(pair), watch).await
            }
        };
        self.store.release();
        Attribution::new(request.clone(), tokens, parts?)
    }

    async fn token_to_latent(
        &self,
        tokens: &Tokens,
        layer: usize,
        watch: &dyn Watch,
    ) -> Result<Parts> {
        let needs = blocks(0..layer).chain([Need::Sae(layer)]).collect();
        let mut run = Run::start(&self.store, tokens, needs, watch).await?;
        let embed = run.embed().await?;
        let (blocks, resid) = run.linearize(0..layer, embed.clone()).await?;
        let to = run.encode(layer, resid).await?;

        let sources = Nodes::tokens(tokens);
        let read = to.sae.normalize(&to.resid);
        let path = Path {
            blocks: &blocks,
            sources: &Directions { pos: sources.pos.clone(), rows: embed, scale: Vec::new() },
            targets: &to.read_directions(),
            read: read.as_ref(),
            n_pos: tokens.token_id.len(),
            batch_bytes: self.store.reading.sizes.batch,
        };
        let gradients = run.gradients(&path).await?;
        Ok(Parts::new(sources, run.nodes(&to), gradients))
    }

    async fn latent_to_latent(
        &self,
        tokens: &Tokens,
        layers: Range<usize>,
        watch: &dyn Watch,
    ) -> Result<Parts> {
        let needs = blocks(0..layers.start)
            .chain([Need::Sae(layers.start)])
            .chain(blocks(layers.clone()))
            .chain([Need::Sae(layers.end)]);
        let mut run = Run::start(&self.store, tokens, needs.collect(), watch).await?;
        let embed = run.embed().await?;
        let before = run.forward(0..layers.start, embed).await?;
        let from = run.encode(layers.start, before).await?;
        let spliced = run.splice(&from).await?;
        let (blocks, after) = run.linearize(layers.clone(), spliced.resid).await?;
        let to = run.encode(layers.end, after).await?;

        let read = to.sae.normalize(&to.resid);
        let path = Path {
            blocks: &blocks,
            sources: &spliced.sources,
            targets: &to.read_directions(),
            read: read.as_ref(),
            n_pos: tokens.token_id.len(),
            batch_bytes: self.store.reading.sizes.batch,
        };
        let gradients = run.gradients(&path).await?;
        let parts = Parts::new(run.nodes(&from), run.nodes(&to), gradients);
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
        let n_layer = self.store.config.n_layer;
        let needs = blocks(0..layer)
            .chain([Need::Sae(layer)])
            .chain(blocks(layer..n_layer))
            .chain([Need::Unembed]);
        let mut run = Run::start(&self.store, tokens, needs.collect(), watch).await?;
        let embed = run.embed().await?;
        let before = run.forward(0..layer, embed).await?;
        let from = run.encode(layer, before).await?;
        let spliced = run.splice(&from).await?;
        let (blocks, end) = run.linearize(layer..n_layer, spliced.resid).await?;
        let unembed = run.unembed().await?;
        let last = tokens.token_id.len() - 1;
        let read = kernels::layer_norm(&end, unembed.layer_norm_epsilon as f32);
        let logits = unembed.logits(&kernels::gather_rows(&read.y, &[last as u32])).await?;

        let top = self.chosen_logits(&logits, &largest(&logits, k));
        let pair = pair.map(|pair| self.chosen_logits(&logits, &pair));
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
                rows: self.store.upload(rows),
                scale: Vec::new(),
            },
            read: Some(&read),
            n_pos: tokens.token_id.len(),
            batch_bytes: self.store.reading.sizes.batch,
        };
        let gradients = run.gradients(&path).await?;
        Ok(Parts {
            sae_error_norm: spliced.error_norm,
            top_logits: Some(top),
            pair_logits: pair,
            ..Parts::new(run.nodes(&from), targets, gradients)
        })
    }

    fn check_layer(&self, layer: usize) -> Result<()> {
        match layer <= self.store.config.n_layer {
            true => Ok(()),
            false => Err(Error::LayerOutOfRange { layer, last: self.store.config.n_layer }),
        }
    }

    fn token(&self, token: &TokenRef) -> Result<u32> {
        match token {
            TokenRef::Id(id) => self.tokenizer.check(*id),
            TokenRef::Text(text) => self.tokenizer.single(text),
        }
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

fn blocks(layers: Range<usize>) -> impl Iterator<Item = Need> {
    layers.map(Need::Block)
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
