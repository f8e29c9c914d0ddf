//! Answers requests over one model and its SAEs.

use burn::tensor::Device;

use crate::config::Gpt2Config;
use crate::error::{Error, Result};
use crate::kernels;
use crate::places::Place;
use crate::request::{ErrorTerm, LogitTargets, Request, Sources, Targets, TokenRef};
use crate::result::{Attribution, Logits, Nodes, Parts, Tokens};
use crate::run::{Ends, Run, Stream};
use crate::sizes::{MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES};
use crate::source::Source;
use crate::store::{Addresses, Need, Store};
use crate::tokenizer::Tokenizer;
use crate::watch::Watch;
use crate::weights::Reading;

/// Logits shown beside those that were asked for.
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
        let file = |name: &str| format!("{}/{name}", addresses.model.address);
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
    /// `prompt-too-long`, `place-out-of-range`, `place-order`, `sae-missing`, `k-out-of-range`,
    /// `not-one-token`, `token-out-of-range`, `result-too-large`, `request-invalid` for the request;
    /// those of the files it needs; `result-not-finite`, `device-failed`, `cancelled`.
    pub async fn attribute(&self, request: &Request, watch: &dyn Watch) -> Result<Attribution> {
        let tokens = self.tokenize(&request.prompt)?;
        self.check(request)?;
        let parts = match &request.to {
            &Targets::Place(to) => self.to_latents(request, to, &tokens, watch).await,
            Targets::Logits(to) => {
                let wanted = self.wanted(to)?;
                self.to_logits(request, &wanted, &tokens, watch).await
            }
        };
        self.store.release();
        Attribution::new(request.clone(), self.store.origin(), tokens, parts?)
    }

    /// Checks all that does not depend on files.
    fn check(&self, request: &Request) -> Result<()> {
        let invalid = |cause: &str| Error::RequestInvalid { cause: cause.into() };
        if !request.threshold.is_finite() {
            return Err(invalid("threshold is not a finite number"));
        }
        let n_layer = self.store.config.n_layer;
        let exists = |place: Place| match place.halves() <= 2 * n_layer {
            true => Ok(()),
            false => Err(Error::PlaceOutOfRange { place, last: n_layer - 1 }),
        };
        if let Targets::Place(place) = request.to {
            exists(place)?;
        }
        match (request.from, &request.to) {
            (Sources::Tokens, _) if request.error == ErrorTerm::Omit => {
                Err(invalid("tokens have no error that could be omitted"))
            }
            (Sources::Tokens, _) => Ok(()),
            (Sources::Place(from), &Targets::Place(to)) => {
                exists(from)?;
                let written = from.written();
                match written.is_before(to) {
                    true => Ok(()),
                    false => Err(Error::PlaceOrder { from, written, to }),
                }
            }
            (Sources::Place(from), Targets::Logits(_)) => exists(from),
        }
    }

    async fn to_latents(
        &self,
        request: &Request,
        to: Place,
        tokens: &Tokens,
        watch: &dyn Watch,
    ) -> Result<Parts> {
        // Of the MLP in front of its input, only the LayerNorm is needed, which has no weights left.
        let needs = self.needs(request.from, to.halves(), Need::Sae(to));
        let mut run = Run::start(&self.store, tokens, needs, watch).await?;
        let (mut stream, sources, sae_error_norm) = self.sources(&mut run, request).await?;
        let targets = run.latent_targets(&mut stream, to).await?;
        let gradients = run.gradients(stream, sources.directions, &targets.directions).await?;
        let parts = Parts::new(sources.nodes, targets.nodes, gradients);
        Ok(Parts { sae_error_norm, ..parts })
    }

    async fn to_logits(
        &self,
        request: &Request,
        wanted: &Wanted,
        tokens: &Tokens,
        watch: &dyn Watch,
    ) -> Result<Parts> {
        let needs = self.needs(request.from, 2 * self.store.config.n_layer, Need::Unembed);
        let mut run = Run::start(&self.store, tokens, needs, watch).await?;
        let (mut stream, sources, sae_error_norm) = self.sources(&mut run, request).await?;
        let (unembed, read) = run.end(&mut stream).await?;
        let last = tokens.token_id.len() - 1;
        let logits = unembed.logits(&kernels::gather_rows(&read.y, &[last as u32])).await?;

        let shown = match wanted {
            Wanted::Top(k) => *k,
            _ => SHOWN_LOGITS.min(self.store.config.vocab_size),
        };
        let top = self.chosen_logits(&logits, &largest(&logits, shown));
        let mut pair_logits = None;
        let (nodes, rows) = match wanted {
            Wanted::Top(_) => (Nodes::logits(&top, last), unembed.read_rows(&top.token_id).await?),
            Wanted::These(ids) => {
                let chosen = self.chosen_logits(&logits, ids);
                (Nodes::logits(&chosen, last), unembed.read_rows(ids).await?)
            }
            Wanted::Difference(ids) => {
                let pair = self.chosen_logits(&logits, ids);
                let rows = unembed.read_rows(ids).await?;
                let (positive, negative) = rows.split_at(rows.len() / 2);
                let difference = positive.iter().zip(negative).map(|(a, b)| a - b).collect();
                (Nodes::logit_difference(pair_logits.insert(pair), last), difference)
            }
        };
        let targets = run.end_targets(nodes, rows, &read);
        let gradients = run.gradients(stream, sources.directions, &targets.directions).await?;
        let parts = Parts::new(sources.nodes, targets.nodes, gradients);
        Ok(Parts { sae_error_norm, top_logits: Some(top), pair_logits, ..parts })
    }

    /// What a request reads, in the order of use: halves of blocks up to what `last` reads, and the SAE
    /// of the sources on the way.
    fn needs(&self, from: Sources, halves: usize, last: Need) -> Vec<Need> {
        let (at, sae) = match from {
            Sources::Tokens => (0, None),
            Sources::Place(place) => (place.written().halves(), Some(Need::Sae(place))),
        };
        let to_sources = (0..at).map(Need::Half).chain(sae);
        to_sources.chain((at..halves).map(Need::Half)).chain([last]).collect()
    }

    /// The sources, the stream behind them, and the norms of what their SAE misses.
    async fn sources(
        &self,
        run: &mut Run<'_>,
        request: &Request,
    ) -> Result<(Stream, Ends, Vec<f32>)> {
        let mut stream = run.embed().await?;
        match request.from {
            Sources::Tokens => {
                let sources = run.token_sources(&mut stream);
                Ok((stream, sources, Vec::new()))
            }
            Sources::Place(place) => {
                let found = run.latent_sources(&mut stream, place, request.error).await?;
                Ok((stream, found.0, found.1))
            }
        }
    }

    /// The tokens that are asked for, checked.
    fn wanted(&self, to: &LogitTargets) -> Result<Wanted> {
        let vocab_size = self.store.config.vocab_size;
        let counted = |k: usize| match (1..=vocab_size).contains(&k) {
            true => Ok(k),
            false => Err(Error::KOutOfRange { k, vocab_size }),
        };
        Ok(match to {
            LogitTargets::TopLogits(k) => Wanted::Top(counted(*k)?),
            LogitTargets::Logits(tokens) => {
                counted(tokens.len())?;
                let ids: Result<_> = tokens.iter().map(|token| self.token(token)).collect();
                Wanted::These(ids?)
            }
            LogitTargets::LogitDifference([positive, negative]) => {
                Wanted::Difference([self.token(positive)?, self.token(negative)?])
            }
        })
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

/// Logits that are asked for.
enum Wanted {
    /// The largest.
    Top(usize),
    /// Those of these tokens.
    These(Vec<u32>),
    /// That of the first token minus that of the second.
    Difference([u32; 2]),
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
