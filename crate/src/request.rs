//! What a reader can ask for.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::places::Place;

/// One question about one prompt: how the sources at one place move the targets at another.
///
/// The four analyses of the notebook are cases of it: tokens → place, place → place, place → the largest
/// logits, place → the difference of two logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The text, without BOS.
    pub prompt: String,
    /// What the derivatives are with respect to.
    pub from: Sources,
    /// What is differentiated.
    pub to: Targets,
    /// Whether what the source's SAE misses stays in the forward pass.
    #[serde(default)]
    #[ts(as = "Option<_>", optional)]
    pub error: ErrorTerm,
    /// How sources are credited.
    #[serde(default, skip_serializing_if = "Method::is_default")]
    #[ts(as = "Option<_>", optional)]
    pub method: Method,
    /// A prompt of as many tokens: sources are compared with what they are there, not with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub patch: Option<String>,
    /// Whether each source is also taken away, and what that does is put beside its attribution.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<_>", optional)]
    pub measure: bool,
    /// Attribution above which a pair of latents at different positions is listed.
    #[serde(default = "default_threshold")]
    #[ts(as = "Option<_>", optional)]
    pub threshold: f32,
}

/// The notebook's threshold for pairs across positions.
fn default_threshold() -> f32 {
    2.0
}

/// Sources. In JSON `"tokens"` or the name of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(into = "String", try_from = "String")]
#[ts(type = "string")]
pub enum Sources {
    /// The scale of each token's embedding.
    Tokens,
    /// The active latents of the SAE that reads at this place.
    Place(Place),
}

impl From<Sources> for String {
    fn from(sources: Sources) -> Self {
        match sources {
            Sources::Tokens => "tokens".into(),
            Sources::Place(place) => place.to_string(),
        }
    }
}

impl TryFrom<String> for Sources {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match &name[..] {
            "tokens" => Ok(Self::Tokens),
            _ => name.parse().map(Self::Place),
        }
    }
}

/// Targets. In JSON the name of a place, or an object of one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(untagged)]
#[serde(expecting = "to is neither a place's name nor top_logits, logits or logit_difference")]
pub enum Targets {
    /// The active latents of the SAE that reads at this place.
    Place(Place),
    /// Logits of the last position.
    Logits(LogitTargets),
}

/// Which logits of the last position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LogitTargets {
    /// The `k` largest.
    TopLogits(usize),
    /// Those of these tokens.
    Logits(Vec<TokenRef>),
    /// The first minus the second, as one target.
    LogitDifference([TokenRef; 2]),
}

/// What becomes of the part of an activation that an SAE does not reconstruct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorTerm {
    /// It is added to the reconstruction as a constant, so that the forward pass is exact.
    #[default]
    Keep,
    /// It is left out: the rest of the model runs on the reconstruction.
    Omit,
}

/// What an attribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Gradient at the prompt × activation.
    #[default]
    Gradient,
    /// The same with attention patterns and the scales of the model's LayerNorms held, as circuit-tracer
    /// does.
    Frozen,
    /// The mean gradient at this many points on the way to the prompt × activation: integrated gradients
    /// as Marks et al. (arXiv:2403.19647) take them, the SAE's error on the way, too.
    Integrated(u32),
}

impl Method {
    fn is_default(&self) -> bool {
        *self == Self::Gradient
    }
}

/// A token by its id, or by a text that is exactly that token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(untagged)]
#[serde(expecting = "a token is neither a text nor an id")]
pub enum TokenRef {
    /// By id.
    Id(u32),
    /// By text, its leading space included.
    Text(String),
}
