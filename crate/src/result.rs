//! The one reply to a request: everything a page draws, as columns.

use serde::{Deserialize, Serialize, Serializer};
use ts_rs::TS;

use crate::agreement::Agreement;
use crate::error::{Error, Result};
use crate::kernels::{DEVICE_KIND, DeviceKind};
use crate::places::Place;
use crate::request::Request;
use crate::safetensors::first_not_finite;
use crate::sizes::MAX_PAIRS;
use crate::sparse::Active;

/// Version of the JSON form. Raised when a reader of the old form would misread the new one.
pub const FORMAT_VERSION: u32 = 2;

/// Refuses a result that would not fit in memory.
///
/// # Errors
/// `result-too-large` beyond [`MAX_PAIRS`].
pub fn check_pairs(n_targets: usize, n_sources: usize) -> Result<()> {
    match n_targets.saturating_mul(n_sources) <= MAX_PAIRS {
        true => Ok(()),
        false => Err(Error::ResultTooLarge { n_targets, n_sources, limit: MAX_PAIRS }),
    }
}

/// Gradients and attributions between all sources and all targets of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Attribution {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What was asked.
    pub request: Request,
    /// What answered.
    pub runtime: Runtime,
    /// Which model it is of.
    pub model: ModelOrigin,
    /// The prompt's tokens, BOS first.
    pub tokens: Tokens,
    /// Columns of the matrices below.
    pub sources: Nodes,
    /// Rows of the matrices below.
    pub targets: Nodes,
    /// d target / d source, `[targets, sources]` row-major.
    #[ts(type = "Float32Array")]
    pub gradients: Vec<f32>,
    /// Gradient × source activation (1 for a token's scale), or × what it differs by from the patch,
    /// `[targets, sources]` row-major.
    #[ts(type = "Float32Array")]
    pub attributions: Vec<f32>,
    /// What each target loses if each source is taken away: set to 0, or to what it is in the patch, the
    /// rest of the model run on. `[targets, sources]` row-major; empty where it was not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(type = "Float32Array", optional)]
    pub ablations: Vec<f32>,
    /// How well attributions predict ablations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub agreement: Option<Agreement>,
    /// What attributions are to sum to, and what the SAE's error adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub completeness: Option<Completeness>,
    /// What the sources are compared with, if not with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub baseline: Option<Baseline>,
    /// Latent → latent: pairs at different positions over the request's threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub off_staircase: Option<OffStaircase>,
    /// To logits: the largest logits of the last position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub top_logits: Option<Logits>,
    /// Logit difference: the two tokens, positive first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub pair_logits: Option<Logits>,
    /// Counts and norms.
    pub statistics: Statistics,
}

/// What attributions sum to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Completeness {
    /// What each target's attributions and errors are to sum to: the target itself for a gradient, what
    /// it differs by from the baseline for integrated gradients or with a patch. What lacks is the part
    /// of biases, or what the method misses.
    pub total: Vec<f32>,
    /// What the source SAE's error at each position adds to each target, as attributions are:
    /// `[targets, pos]` row-major. Not there where the error has no part in the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub error: Option<Vec<f32>>,
}

/// A prompt that sources are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Baseline {
    /// Its tokens, as many as the prompt's.
    pub tokens: Tokens,
    /// What each source is there; sources are those active here or there.
    pub activation: Vec<f32>,
}

/// What a result was computed with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Runtime {
    /// Version of this crate.
    pub version: String,
    /// The device that it computed on.
    pub device: DeviceKind,
}

impl Runtime {
    /// This build.
    pub fn this() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").into(), device: DEVICE_KIND }
    }
}

/// Where a model is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ModelOrigin {
    /// Where its files are.
    pub address: String,
    /// What whoever opened it calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    /// The revision that the address names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub revision: Option<String>,
}

/// Where an SAE is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SaeOrigin {
    /// Where its files are.
    pub address: String,
    /// What whoever opened it calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    /// The revision that the address names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub revision: Option<String>,
    /// Where its decoder writes, if not where it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hook_name_out: Option<Place>,
}

/// Tokens of a prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Tokens {
    /// Token ids.
    pub token_id: Vec<u32>,
    /// What each reads as.
    pub string: Vec<String>,
}

/// What a row or column of the matrices is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// The scale of a token's embedding (token + position).
    Token,
    /// An active SAE latent.
    Latent,
    /// A logit of the last position, centred over the vocabulary.
    Logit,
    /// The difference of two logits of the last position.
    LogitDifference,
}

/// Rows or columns of the matrices. The columns are of one length, but for `latent` and
/// `token_id`, of which the one that does not apply is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Nodes {
    /// What each node is.
    pub kind: NodeKind,
    /// The place, as it was asked for, for latents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hook_name: Option<Place>,
    /// Which SAE they are of, for latents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub sae: Option<SaeOrigin>,
    /// Number of latents of the SAE, for latents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub d_sae: Option<usize>,
    /// Position in the prompt, BOS being 0.
    #[ts(type = "Uint32Array")]
    pub pos: Vec<u32>,
    /// Index in the SAE, for latents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(type = "Uint32Array", optional = false)]
    pub latent: Vec<u32>,
    /// Token id, for tokens and logits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(type = "Uint32Array", optional = false)]
    pub token_id: Vec<u32>,
    /// Activation, logit or difference of logits; 1 for a token's scale.
    #[ts(type = "Float32Array")]
    pub activation: Vec<f32>,
    /// How a person reads it: `F3.15266, ' E' (2)`.
    pub label: Vec<String>,
}

impl Nodes {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.pos.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pos.is_empty()
    }

    /// Nodes of a prompt's tokens.
    pub(crate) fn tokens(tokens: &Tokens) -> Self {
        let n = tokens.token_id.len();
        Self {
            kind: NodeKind::Token,
            hook_name: None,
            sae: None,
            d_sae: None,
            pos: (0..n as u32).collect(),
            latent: Vec::new(),
            token_id: tokens.token_id.clone(),
            activation: vec![1.0; n],
            label: (0..n).map(|pos| tokens.label(pos)).collect(),
        }
    }

    /// Nodes of active latents of the SAE at a place.
    pub(crate) fn latents(
        active: &Active,
        tokens: &Tokens,
        place: Place,
        d_sae: usize,
        origin: SaeOrigin,
    ) -> Self {
        let begin = place.label();
        let label = |(&pos, &latent): (&u32, &u32)| {
            format!("{begin}{latent}, {}", tokens.label(pos as usize))
        };
        Self {
            kind: NodeKind::Latent,
            hook_name: Some(place),
            sae: Some(origin),
            d_sae: Some(d_sae),
            label: active.pos.iter().zip(&active.latent).map(label).collect(),
            pos: active.pos.clone(),
            latent: active.latent.clone(),
            token_id: Vec::new(),
            activation: active.activation.clone(),
        }
    }

    /// Other latents of the same SAE in the same prompt.
    pub(crate) fn with(&self, active: &Active, tokens: &Tokens) -> Self {
        let (Some(place), Some(sae), Some(d_sae)) = (self.hook_name, self.sae.clone(), self.d_sae)
        else {
            unreachable!("they are latents")
        };
        Self::latents(active, tokens, place, d_sae, sae)
    }

    /// Nodes of logits at the last position.
    pub(crate) fn logits(logits: &Logits, last: usize) -> Self {
        let n = logits.token_id.len();
        Self {
            kind: NodeKind::Logit,
            hook_name: None,
            sae: None,
            d_sae: None,
            pos: vec![last as u32; n],
            latent: Vec::new(),
            token_id: logits.token_id.clone(),
            activation: logits.logit.clone(),
            label: logits.string.iter().map(|string| quoted(string)).collect(),
        }
    }

    /// The one node of a difference of two logits.
    pub(crate) fn logit_difference(pair: &Logits, last: usize) -> Self {
        Self {
            kind: NodeKind::LogitDifference,
            hook_name: None,
            sae: None,
            d_sae: None,
            pos: vec![last as u32],
            latent: Vec::new(),
            token_id: Vec::new(),
            activation: vec![pair.logit[0] - pair.logit[1]],
            label: vec![format!("{} − {}", quoted(&pair.string[0]), quoted(&pair.string[1]))],
        }
    }

    fn per_position(&self, n_pos: usize) -> Vec<u32> {
        let mut counts = vec![0; n_pos];
        self.pos.iter().for_each(|&pos| counts[pos as usize] += 1);
        counts
    }
}

impl Tokens {
    /// `' E' (2)`: the token at a position, and the position.
    fn label(&self, pos: usize) -> String {
        format!("{} ({pos})", quoted(&self.string[pos]))
    }
}

/// A token in quotes, on one line.
fn quoted(token: &str) -> String {
    let mut shown = String::from("'");
    for c in token.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown.push('\'');
    shown
}

/// Logits of the last position, centred over the vocabulary, and their probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Logits {
    /// Token ids.
    pub token_id: Vec<u32>,
    /// What each reads as.
    pub string: Vec<String>,
    /// Logit of each.
    pub logit: Vec<f32>,
    /// Probability of each, in [0, 1].
    pub probability: Vec<f32>,
}

/// Pairs at different positions with an attribution over a threshold, by target and then source:
/// off the "staircase" that a position's own latents form in the heatmap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct OffStaircase {
    /// The threshold.
    pub threshold: f32,
    /// Row of each pair.
    #[ts(type = "Uint32Array")]
    pub target: Vec<u32>,
    /// Column of each pair.
    #[ts(type = "Uint32Array")]
    pub source: Vec<u32>,
}

/// A part of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
pub struct Ratio {
    /// Pairs in the result.
    pub nonzero: u64,
    /// Pairs there could have been. Beyond 2^53 there are none but rounded ones, in JavaScript too.
    #[serde(serialize_with = "whole")]
    pub total: f64,
    /// The quotient; 0 of none.
    pub ratio: f64,
}

impl Ratio {
    fn new(nonzero: usize, total: f64) -> Self {
        let ratio = if total > 0.0 { nonzero as f64 / total } else { 0.0 };
        Self { nonzero: nonzero as u64, total, ratio }
    }
}

/// Writes a count without a decimal point as long as it is exact.
fn whole<S: Serializer>(count: &f64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    match *count <= (1u64 << 53) as f64 {
        true => serializer.serialize_u64(*count as u64),
        false => serializer.serialize_f64(*count),
    }
}

/// Counts and norms of a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Statistics {
    /// Pairs over what the notebook divides by, which leaves the positions out: latents² of the
    /// later SAE, positions × latents, logits × latents, or logits × tokens.
    pub sparsity: Ratio,
    /// Pairs over all pairs that positions, latents and logits allow.
    pub sparsity_over_positions: Ratio,
    /// Σ |activation| of the sources.
    pub source_l1: f64,
    /// Σ |activation| of the targets.
    pub target_l1: f64,
    /// Σ |gradient|.
    pub gradient_l1: f64,
    /// Σ |attribution|.
    pub attribution_l1: f64,
    /// Sources at each position.
    pub sources_per_position: Vec<u32>,
    /// Targets at each position.
    pub targets_per_position: Vec<u32>,
    /// ‖x − x̂‖ of the source SAE at each position; empty when the sources are tokens.
    pub sae_error_norm: Vec<f32>,
}

/// What a request finds; the rest of a result is derived from it.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) sources: Option<Nodes>,
    pub(crate) targets: Option<Nodes>,
    pub(crate) gradients: Vec<f32>,
    pub(crate) ablations: Vec<f32>,
    pub(crate) agreement: Option<Agreement>,
    pub(crate) completeness: Option<Completeness>,
    pub(crate) baseline: Option<Baseline>,
    pub(crate) top_logits: Option<Logits>,
    pub(crate) pair_logits: Option<Logits>,
    pub(crate) sae_error_norm: Vec<f32>,
}

impl Attribution {
    /// Derives attributions and statistics from gradients.
    ///
    /// # Errors
    /// `result-not-finite` if any number of the result is NaN or infinite.
    pub(crate) fn new(
        request: Request,
        model: ModelOrigin,
        tokens: Tokens,
        parts: Parts,
    ) -> Result<Self> {
        let Parts { gradients, ablations, agreement, completeness, baseline, .. } = parts;
        let Parts { top_logits, pair_logits, sae_error_norm, .. } = parts;
        let [sources, targets] =
            [parts.sources, parts.targets].map(|nodes| nodes.expect("every request has both"));
        let differs: Vec<f32> = match &baseline {
            None => sources.activation.clone(),
            Some(there) => {
                sources.activation.iter().zip(&there.activation).map(|(a, b)| a - b).collect()
            }
        };
        let attributions: Vec<f32> = match sources.len() {
            0 => Vec::new(),
            n => gradients
                .chunks_exact(n)
                .flat_map(|row| row.iter().zip(&differs).map(|(g, a)| g * a))
                .collect(),
        };
        let n_pos = tokens.token_id.len();
        let statistics = Statistics {
            sparsity: notebook_sparsity(&sources, &targets, n_pos),
            sparsity_over_positions: Ratio::new(
                gradients.len(),
                possible(&sources, n_pos) * possible(&targets, n_pos),
            ),
            source_l1: l1(&sources.activation),
            target_l1: l1(&targets.activation),
            gradient_l1: l1(&gradients),
            attribution_l1: l1(&attributions),
            sources_per_position: sources.per_position(n_pos),
            targets_per_position: targets.per_position(n_pos),
            sae_error_norm,
        };
        let mut result = Self {
            format_version: FORMAT_VERSION,
            request,
            runtime: Runtime::this(),
            model,
            tokens,
            sources,
            targets,
            gradients,
            attributions,
            ablations,
            agreement,
            completeness,
            baseline,
            off_staircase: None,
            top_logits,
            pair_logits,
            statistics,
        };
        if [result.sources.kind, result.targets.kind] == [NodeKind::Latent; 2] {
            result.off_staircase = Some(result.off_staircase(result.request.threshold));
        }
        result.check_finite()?;
        Ok(result)
    }

    /// What was read from the device was finite; scales and products since may not be.
    fn check_finite(&self) -> Result<()> {
        let logits = [&self.top_logits, &self.pair_logits].into_iter().flatten();
        let columns = [
            ("source activations", &self.sources.activation),
            ("target activations", &self.targets.activation),
            ("gradients", &self.gradients),
            ("attributions", &self.attributions),
            ("SAE error", &self.statistics.sae_error_norm),
        ];
        let of_logits = logits.flat_map(|l| [("logits", &l.logit), ("logits", &l.probability)]);
        let measured = [("ablations", &self.ablations)].into_iter().chain(
            self.completeness.iter().flat_map(|of| [("totals", &of.total)]).chain(
                self.completeness.iter().flat_map(|of| Some(("errors", of.error.as_ref()?))),
            ),
        );
        for (stage, values) in columns.into_iter().chain(of_logits).chain(measured) {
            if first_not_finite(values).is_some() {
                return Err(Error::ResultNotFinite { stage });
            }
        }
        Ok(())
    }

    /// Pairs at different positions with an attribution over `threshold`.
    pub fn off_staircase(&self, threshold: f32) -> OffStaircase {
        let mut found = OffStaircase { threshold, target: Vec::new(), source: Vec::new() };
        for target in 0..self.targets.len() {
            let row = &self.attributions[target * self.sources.len()..][..self.sources.len()];
            for (source, &attribution) in row.iter().enumerate() {
                let apart = self.sources.pos[source] != self.targets.pos[target];
                if apart && attribution > threshold {
                    found.target.push(target as u32);
                    found.source.push(source as u32);
                }
            }
        }
        found
    }
}

fn l1(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value.abs())).sum()
}

/// How many such nodes a prompt of `n_pos` tokens could have.
fn possible(nodes: &Nodes, n_pos: usize) -> f64 {
    match nodes.kind {
        NodeKind::Latent => n_pos as f64 * nodes.d_sae.unwrap_or(0) as f64,
        NodeKind::Token | NodeKind::Logit | NodeKind::LogitDifference => nodes.len() as f64,
    }
}

fn notebook_sparsity(sources: &Nodes, targets: &Nodes, n_pos: usize) -> Ratio {
    let d_sae = |nodes: &Nodes| nodes.d_sae.unwrap_or(0) as f64;
    let total = match (sources.kind, targets.kind) {
        (NodeKind::Latent, NodeKind::Latent) => d_sae(targets) * d_sae(targets),
        (_, NodeKind::Latent) => n_pos as f64 * d_sae(targets),
        (NodeKind::Latent, _) => targets.len() as f64 * d_sae(sources),
        _ => targets.len() as f64 * sources.len() as f64,
    };
    Ratio::new(sources.len() * targets.len(), total)
}
