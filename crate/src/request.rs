//! What a reader can ask for.

use serde::{Deserialize, Serialize};

/// One analysis of one prompt. In JSON, `kind` says which.
///
/// Layers count the blocks before a place in the residual stream: 0 is the embedding, `n_layer`
/// the end of the last block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How the scale of each token's embedding moves each active latent.
    TokenToLatent {
        /// The text, without BOS.
        prompt: String,
        /// Layer of the SAE.
        layer: usize,
    },
    /// How each active latent moves each active latent of a later layer.
    LatentToLatent {
        /// The text, without BOS.
        prompt: String,
        /// Layer of the earlier SAE.
        layer_from: usize,
        /// Layer of the later SAE.
        layer_to: usize,
        /// Attribution above which a pair across positions is listed.
        #[serde(default = "default_threshold")]
        threshold: f32,
    },
    /// How each active latent moves the `k` largest logits of the last position.
    LatentToLogit {
        /// The text, without BOS.
        prompt: String,
        /// Layer of the SAE.
        layer: usize,
        /// Logits to explain.
        k: usize,
    },
    /// How each active latent moves the difference of two logits of the last position.
    LogitDifference {
        /// The text, without BOS.
        prompt: String,
        /// Layer of the SAE.
        layer: usize,
        /// The token whose logit counts positively.
        positive: TokenRef,
        /// The token whose logit is subtracted.
        negative: TokenRef,
    },
}

/// The notebook's threshold for pairs across positions.
fn default_threshold() -> f32 {
    2.0
}

/// A token by its id, or by a text that is exactly that token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TokenRef {
    /// By id.
    Id(u32),
    /// By text, its leading space included.
    Text(String),
}

impl Request {
    /// The text, without BOS.
    pub fn prompt(&self) -> &str {
        match self {
            Self::TokenToLatent { prompt, .. }
            | Self::LatentToLatent { prompt, .. }
            | Self::LatentToLogit { prompt, .. }
            | Self::LogitDifference { prompt, .. } => prompt,
        }
    }
}
