//! Answers requests over one model and its SAEs.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::rc::Rc;

use burn::tensor::Device;

use crate::config::Gpt2Config;
use crate::error::{Error, Result};
use crate::kernels;
use crate::places::Place;
use crate::request::{ErrorTerm, LogitTargets, Method, Request, Sources, Targets, TokenRef};
use crate::result::{Attribution, Logits, Nodes, Tokens};
use crate::run::{Goal, Read, Run};
use crate::sizes::{MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES};
use crate::source::Source;
use crate::store::{Addresses, Need, Store};
use crate::tokenizer::Tokenizer;
use crate::trace::{Stream, Trace};
use crate::watch::Watch;
use crate::weights::Reading;

/// Logits shown beside those that were asked for.
const SHOWN_LOGITS: usize = 10;
/// The most points at which gradients are integrated.
const MAX_STEPS: u32 = 300;
/// A prompt's and its counterfactual's.
const KEPT_RUNS: usize = 2;

/// A model on a device, ready for requests.
///
/// Weights are read when a request first needs them and then kept. A request that fails leaves
/// everything that was loaded in place.
pub struct Session {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) store: Store,
    /// Runs of the last prompts, the last first.
    kept: RefCell<Vec<Rc<Trace>>>,
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
        Ok(Self { tokenizer, store, kept: RefCell::default() })
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
    /// `prompt-too-long`, `patch-length`, `place-out-of-range`, `place-order`, `sae-missing`,
    /// `k-out-of-range`, `not-one-token`, `token-out-of-range`, `result-too-large`, `request-invalid` for
    /// the request; those of the files it needs; `result-not-finite`, `device-failed`, `cancelled`.
    pub async fn attribute(&self, request: &Request, watch: &dyn Watch) -> Result<Attribution> {
        let tokens = self.tokenize(&request.prompt)?;
        self.check(request)?;
        let parts = self.answer(request, &tokens, watch).await;
        self.store.release();
        Attribution::new(request.clone(), self.store.origin(), tokens, parts?)
    }

    /// Checks all that does not depend on files.
    fn check(&self, request: &Request) -> Result<()> {
        let invalid = |cause: &str| Error::RequestInvalid { cause: cause.into() };
        if !request.threshold.is_finite() {
            return Err(invalid("threshold is not a finite number"));
        }
        if let Method::Integrated(steps) = request.method
            && !(1..=MAX_STEPS).contains(&steps)
        {
            return Err(invalid("integrated gradients take 1 to 300 steps"));
        }
        if let Targets::Place(place) = request.to {
            self.check_place(place)?;
        }
        match (request.from, &request.to) {
            (Sources::Tokens, _) if request.error == ErrorTerm::Omit => {
                Err(invalid("tokens have no error that could be omitted"))
            }
            (Sources::Tokens, _) if request.patch.is_some() => {
                Err(invalid("tokens have no latents that could be compared with those of a patch"))
            }
            (Sources::Tokens, _) if matches!(request.method, Method::Integrated(_)) => {
                Err(invalid("tokens have no latents whose gradients could be integrated"))
            }
            (Sources::Tokens, _) => Ok(()),
            (Sources::Place(from), &Targets::Place(to)) => {
                self.check_place(from)?;
                let written = from.written();
                match written.is_before(to) {
                    true => Ok(()),
                    false => Err(Error::PlaceOrder { from, written, to }),
                }
            }
            (Sources::Place(from), Targets::Logits(_)) => self.check_place(from),
        }
    }

    /// Whether there are so many logits.
    pub(crate) fn check_count(&self, k: usize) -> Result<()> {
        let vocab_size = self.store.config.vocab_size;
        match (1..=vocab_size).contains(&k) {
            true => Ok(()),
            false => Err(Error::KOutOfRange { k, vocab_size }),
        }
    }

    pub(crate) fn check_place(&self, place: Place) -> Result<()> {
        let n_layer = self.store.config.n_layer;
        match place.halves() <= 2 * n_layer {
            true => Ok(()),
            false => Err(Error::PlaceOutOfRange { place, last: n_layer - 1 }),
        }
    }

    /// What a request reads, in the order of use: halves of blocks up to what `last` reads, and the SAE
    /// of the sources on the way.
    pub(crate) fn needs(&self, from: Sources, halves: usize, last: Option<Need>) -> Vec<Need> {
        let (at, sae) = match from {
            Sources::Tokens => (0, None),
            Sources::Place(place) => (place.written().halves(), Some(Need::Sae(place))),
        };
        let to_sources = (0..at).map(Need::Half).chain(sae);
        to_sources.chain((at..halves).map(Need::Half)).chain(last).collect()
    }

    /// A run of these tokens, from where it was kept.
    pub(crate) async fn start<'a>(
        &'a self,
        tokens: &'a Tokens,
        needs: Vec<Need>,
        watch: &'a dyn Watch,
    ) -> Result<Run<'a>> {
        let shared = |kept: &&Rc<Trace>| kept.shares(&tokens.token_id);
        // Of two that share as much, the shorter is the prompt itself or nearer to it.
        let nearest = |kept: &&Rc<Trace>| (shared(kept), Reverse(kept.token_id.len()));
        let kept = self.kept.borrow().iter().max_by_key(nearest).cloned();
        Run::start(&self.store, tokens, needs, kept, watch).await
    }

    /// Keeps a run for the next request on its prompt, and the one before for a comparison.
    pub(crate) fn keep(&self, trace: Option<Rc<Trace>>) {
        let Some(trace) = trace else { return };
        let mut kept = self.kept.borrow_mut();
        kept.retain(|other| other.token_id != trace.token_id);
        kept.insert(0, trace);
        kept.truncate(KEPT_RUNS);
    }

    /// Logits as targets, with the largest of all, and the two of a difference.
    pub(crate) async fn logit_goal(
        &self,
        run: &mut Run<'_>,
        stream: &mut Stream,
        wanted: &Wanted,
    ) -> Result<(Goal, Logits, Option<Logits>)> {
        let (unembed, read) = run.end(stream).await?;
        let last = run.tokens.token_id.len() - 1;
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
        let bias = match wanted {
            Wanted::Top(_) => unembed.biases(&top.token_id),
            Wanted::These(ids) => unembed.biases(ids),
            Wanted::Difference(ids) => {
                let of = unembed.biases(ids);
                vec![of[0] - of[1]]
            }
        };
        Ok((Goal { nodes, read: Read::End(rows, bias) }, top, pair_logits))
    }

    /// The tokens that are asked for, checked.
    pub(crate) fn wanted(&self, to: &LogitTargets) -> Result<Wanted> {
        Ok(match to {
            LogitTargets::TopLogits(k) => {
                self.check_count(*k)?;
                Wanted::Top(*k)
            }
            LogitTargets::Logits(tokens) => {
                self.check_count(tokens.len())?;
                let ids: Result<_> = tokens.iter().map(|token| self.token(token)).collect();
                Wanted::These(ids?)
            }
            LogitTargets::LogitDifference([positive, negative]) => {
                Wanted::Difference([self.token(positive)?, self.token(negative)?])
            }
        })
    }

    pub(crate) fn token(&self, token: &TokenRef) -> Result<u32> {
        match token {
            TokenRef::Id(id) => self.tokenizer.check(*id),
            TokenRef::Text(text) => self.tokenizer.single(text),
        }
    }

    pub(crate) fn chosen_logits(&self, logits: &[f64], token_id: &[u32]) -> Logits {
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
pub(crate) enum Wanted {
    /// The largest.
    Top(usize),
    /// Those of these tokens.
    These(Vec<u32>),
    /// That of the first token minus that of the second.
    Difference([u32; 2]),
}

/// Ids of the `k` largest values, largest first.
pub(crate) fn largest(values: &[f64], k: usize) -> Vec<u32> {
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
