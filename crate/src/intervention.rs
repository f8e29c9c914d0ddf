//! The model run with some latents changed: what becomes of logits and of later latents.
//!
//! Nothing is linearised. What the SAEs miss stays in the stream, as SAELens' `use_error_term` keeps it: a
//! latent that is changed by so much adds so much of its row of `W_dec`.

use std::collections::HashSet;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{Error, Result};
use crate::kernels;
use crate::places::Place;
use crate::request::Sources;
use crate::result::{FORMAT_VERSION, ModelOrigin, Nodes, Runtime, Tokens};
use crate::run::Run;
use crate::session::{Session, largest};
use crate::sparse::read_back;
use crate::store::Need;
use crate::tokenizer::Tokenizer;
use crate::trace::{Encoded, Stream};
use crate::watch::Watch;

/// The most latents that one run changes.
const MAX_EDITS: usize = 1000;
/// Places whose latents are compared at most.
const MAX_OBSERVED: usize = 64;

/// A run with some latents changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Intervention {
    /// The text, without BOS.
    pub prompt: String,
    /// What is changed, at one place or several.
    pub edits: Vec<Edit>,
    /// Places whose latents are compared.
    #[serde(default)]
    #[ts(as = "Option<_>", optional)]
    pub observe: Vec<Place>,
    /// The largest logits before, and likewise after, that are compared.
    #[serde(default = "default_top_logits")]
    #[ts(as = "Option<_>", optional)]
    pub top_logits: usize,
}

pub(crate) fn default_top_logits() -> usize {
    10
}

/// A change of one latent at one position: `set` or `times`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Where its SAE reads.
    pub place: Place,
    /// Position in the prompt, BOS being 0.
    pub pos: u32,
    /// Index in the SAE.
    pub latent: u32,
    /// What its activation becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub set: Option<f32>,
    /// What its activation, as it is after the edits before it, is multiplied with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub times: Option<f32>,
}

/// What an [`Intervention`] does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Intervened {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What was asked.
    pub intervention: Intervention,
    /// What answered.
    pub runtime: Runtime,
    /// Which model it is of.
    pub model: ModelOrigin,
    /// The prompt's tokens, BOS first.
    pub tokens: Tokens,
    /// What each edited latent was, as the run came to it, and became; in the order of `edits`.
    pub edited: Vec<Edited>,
    /// Logits of the last position before and after.
    pub logits: LogitChanges,
    /// Kullback–Leibler divergence of what is predicted after from what was before, in nats.
    pub kl: f64,
    /// Latents of the observed places before and after.
    pub observed: Vec<Observed>,
}

/// What an edited latent was and became.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
pub struct Edited {
    /// As the run came to it.
    pub before: f32,
    /// As it was left.
    pub after: f32,
}

/// Logits of the last position, centred over the vocabulary, and probabilities, before and after: the
/// largest of either, by what they were before. Columns of one length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct LogitChanges {
    /// Token ids.
    pub token_id: Vec<u32>,
    /// What each reads as.
    pub string: Vec<String>,
    /// Logit before.
    pub logit_before: Vec<f32>,
    /// Logit after.
    pub logit_after: Vec<f32>,
    /// Probability before, in [0, 1].
    pub probability_before: Vec<f32>,
    /// Probability after, in [0, 1].
    pub probability_after: Vec<f32>,
}

impl LogitChanges {
    /// The `k` largest of either.
    pub(crate) fn new(before: &[f64], after: &[f64], k: usize, tokenizer: &Tokenizer) -> Self {
        let mut token_id = largest(before, k);
        let known: HashSet<u32> = token_id.iter().copied().collect();
        token_id.extend(largest(after, k).into_iter().filter(|id| !known.contains(id)));
        let of = |values: &[f64]| token_id.iter().map(|&id| values[id as usize] as f32).collect();
        let share = |values: &[f64]| {
            let of = probabilities(values);
            token_id.iter().map(|&id| of[id as usize][0] as f32).collect()
        };
        Self {
            string: token_id.iter().map(|&id| tokenizer.display(id)).collect(),
            logit_before: of(before),
            logit_after: of(after),
            probability_before: share(before),
            probability_after: share(after),
            token_id,
        }
    }
}

/// Latents of one place before and after: those active in either.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Observed {
    /// The latents, their activations before.
    pub latents: Nodes,
    /// Activation after of each; 0 where it vanished.
    pub after: Vec<f32>,
}

impl Session {
    /// Runs a prompt with some latents changed.
    ///
    /// # Errors
    /// `prompt-too-long`, `place-out-of-range`, `sae-missing`, `k-out-of-range`, `request-invalid` for the
    /// request; those of the files it needs; `result-not-finite`, `device-failed`, `cancelled`.
    pub async fn intervene(
        &self,
        intervention: &Intervention,
        watch: &dyn Watch,
    ) -> Result<Intervened> {
        let tokens = self.tokenize(&intervention.prompt)?;
        self.check_edits(intervention, tokens.token_id.len())?;
        let found = self.run_edited(intervention, &tokens, watch).await;
        self.store.release();
        found
    }

    fn check_edits(&self, asked: &Intervention, n_pos: usize) -> Result<()> {
        let invalid = |cause: String| Err(Error::RequestInvalid { cause });
        let Intervention { edits, observe, top_logits, .. } = asked;
        if edits.len() > MAX_EDITS || observe.len() > MAX_OBSERVED {
            return invalid(format!(
                "at most {MAX_EDITS} latents are changed and {MAX_OBSERVED} places observed"
            ));
        }
        for place in edits.iter().map(|edit| edit.place).chain(observe.iter().copied()) {
            self.check_place(place)?;
        }
        for (i, edit) in edits.iter().enumerate() {
            if edit.pos as usize >= n_pos {
                return invalid(format!(
                    "edits[{i}] is at position {}, but the prompt has {n_pos} tokens",
                    edit.pos
                ));
            }
            let value = match (edit.set, edit.times) {
                (Some(value), None) | (None, Some(value)) => value,
                _ => return invalid(format!("edits[{i}] must have either set or times")),
            };
            if !value.is_finite() {
                return invalid(format!("edits[{i}] is not a finite number"));
            }
        }
        self.check_count(*top_logits)
    }

    async fn run_edited(
        &self,
        asked: &Intervention,
        tokens: &Tokens,
        watch: &dyn Watch,
    ) -> Result<Intervened> {
        let halves = 2 * self.store.config.n_layer;
        let saes = asked.edits.iter().map(|edit| edit.place).chain(asked.observe.iter().copied());
        let mut needs = self.needs(Sources::Tokens, halves, Some(Need::Unembed));
        needs.extend(saes.map(Need::Sae));
        let mut run = self.start(tokens, needs, watch).await?;
        let mut clean = run.embed().await?;
        let seen = run.walk(&mut clean, asked, false).await?.seen;
        let before = self.last_logits(&mut run, &mut clean).await?;
        let mut stream = run.embed().await?;
        let walk = run.walk(&mut stream, asked, true).await?;
        let after = self.last_logits(&mut run, &mut stream).await?;
        let edited = walk.edited;
        let observed = seen.iter().zip(&walk.seen);
        let observed =
            observed.map(|(before, after)| side_by_side(before, after, tokens)).collect();
        self.keep(run.finish(clean));
        let kl = (probabilities(&before).iter().zip(probabilities(&after)))
            .map(|([p, log_p], [_, log_q])| p * (log_p - log_q))
            .sum::<f64>();
        let logits = LogitChanges::new(&before, &after, asked.top_logits, &self.tokenizer);
        Ok(Intervened {
            format_version: FORMAT_VERSION,
            intervention: asked.clone(),
            runtime: Runtime::this(),
            model: self.store.origin(),
            tokens: tokens.clone(),
            edited,
            logits,
            kl: kl.max(0.0),
            observed,
        })
    }

    /// All logits of the last position, centred.
    pub(crate) async fn last_logits(
        &self,
        run: &mut Run<'_>,
        stream: &mut Stream,
    ) -> Result<Vec<f64>> {
        let (unembed, read) = run.end(stream).await?;
        let last = run.tokens.token_id.len() as u32 - 1;
        unembed.logits(&kernels::gather_rows(&read.y, &[last])).await
    }
}

/// What is met on the way through a prompt.
struct Walked {
    /// Latents of the observed places.
    seen: Vec<Rc<Encoded>>,
    edited: Vec<Edited>,
}

impl Run<'_> {
    /// Goes through a prompt in the order of computation, so that nothing behind is needed again: observes
    /// and, if it is to, edits. What is observed where it is edited is seen as it was left.
    async fn walk(
        &mut self,
        stream: &mut Stream,
        asked: &Intervention,
        edits: bool,
    ) -> Result<Walked> {
        let order = |place: Place| (place.block, place.site);
        // Edits of one place together, where its latents write; then who looks.
        let mut stops: Vec<(Place, Option<usize>, Vec<usize>)> = Vec::new();
        for (i, edit) in asked.edits.iter().enumerate().filter(|_| edits) {
            let known =
                stops.iter_mut().find(|(_, _, of)| asked.edits[of[0]].place.is_same(edit.place));
            match known {
                Some((_, _, of)) => of.push(i),
                None => stops.push((edit.place.written(), None, vec![i])),
            }
        }
        let observe = asked.observe.iter().enumerate();
        stops.extend(observe.map(|(i, &place)| (place, Some(i), Vec::new())));
        stops.sort_by_key(|(place, observed, _)| (order(place.canonical()), observed.is_some()));
        let mut seen: Vec<Option<Rc<Encoded>>> = vec![None; asked.observe.len()];
        let mut edited = vec![Edited { before: 0.0, after: 0.0 }; asked.edits.len()];
        for (place, observed, of_place) in stops {
            match observed {
                Some(i) => seen[i] = Some(self.latents(stream, place).await?),
                None => {
                    let changed = self.edit(stream, asked, &of_place).await?;
                    changed.into_iter().for_each(|(i, change)| edited[i] = change);
                }
            }
        }
        Ok(Walked { seen: seen.into_iter().flatten().collect(), edited })
    }

    /// Changes latents of one place. A change of nothing leaves the stream as it is, to the last bit.
    async fn edit(
        &mut self,
        stream: &mut Stream,
        asked: &Intervention,
        edits: &[usize],
    ) -> Result<Vec<(usize, Edited)>> {
        let place = asked.edits[edits[0]].place;
        let encoded = self.latents(stream, place).await?;
        let d_sae = encoded.sae.d_sae;
        let mut now: Vec<((u32, u32), f32)> = Vec::new();
        let mut found = Vec::with_capacity(edits.len());
        for &i in edits {
            let Edit { pos, latent, set, times, .. } = asked.edits[i];
            if latent as usize >= d_sae {
                return Err(Error::RequestInvalid {
                    cause: format!(
                        "edits[{i}] is of latent {latent}, but the SAE at {place} has {d_sae}"
                    ),
                });
            }
            let key = (pos, latent);
            let before = now.iter().rev().find(|(edited, _)| *edited == key);
            let before = before.map_or_else(|| activation_of(&encoded, key), |(_, value)| *value);
            let after = set.unwrap_or_else(|| before * times.unwrap_or(1.0));
            now.push((key, after));
            found.push((i, Edited { before, after }));
        }
        let changed: Vec<_> = found.iter().filter(|(_, edit)| edit.before != edit.after).collect();
        if changed.is_empty() {
            return Ok(found);
        }
        let latents: Vec<u32> = changed.iter().map(|(i, _)| asked.edits[*i].latent).collect();
        let rows = self.decoder_rows(place, &latents).await?;
        let rows = read_back(rows, "decoder rows").await?;
        let active = crate::sparse::Active {
            pos: changed.iter().map(|(i, _)| asked.edits[*i].pos).collect(),
            activation: vec![0.0; latents.len()],
            latent: latents,
        };
        let scale = encoded.sae.decoder_scale(&active, &encoded.input);
        let written = self.at(stream, place.written()).await?;
        let d_in = written.dims()[1];
        let mut values = read_back(written, "what latents write").await?;
        for ((row, scale), (i, edit)) in rows.chunks_exact(d_in).zip(scale).zip(&changed) {
            let pos = asked.edits[*i].pos as usize;
            let by = scale * (edit.after - edit.before);
            values[pos * d_in..][..d_in].iter_mut().zip(row).for_each(|(x, row)| *x += by * row);
        }
        self.put(stream, place.written(), values).await?;
        Ok(found)
    }
}

fn activation_of(encoded: &Encoded, key: (u32, u32)) -> f32 {
    let active = &encoded.active;
    let same = |i: &usize| (active.pos[*i], active.latent[*i]) == key;
    (0..active.len()).find(same).map_or(0.0, |i| active.activation[i])
}

/// Latents active before or after.
fn side_by_side(before: &Encoded, after: &Encoded, tokens: &Tokens) -> Observed {
    let (active, after) = before.active.union(&after.active);
    Observed { latents: before.nodes.with(&active, tokens), after }
}

/// Probability and its logarithm of each.
pub(crate) fn probabilities(logits: &[f64]) -> Vec<[f64; 2]> {
    let max = logits.iter().copied().fold(f64::MIN, f64::max);
    let log_sum = logits.iter().map(|logit| (logit - max).exp()).sum::<f64>().ln();
    let log = |logit: &f64| logit - max - log_sum;
    logits.iter().map(|logit| [log(logit).exp(), log(logit)]).collect()
}
