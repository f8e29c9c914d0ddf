//! The four analyses in the residual stream, as requests.

use sae_attribution::places::Place;
use serde_json::{Value, json};

/// `blocks.{layer}.hook_resid_pre`.
pub(crate) fn resid(layer: u64) -> String {
    Place::resid_pre(layer as usize).to_string()
}

pub(crate) fn token_to_latent(prompt: &str, layer: u64) -> Value {
    json!({"prompt": prompt, "from": "tokens", "to": resid(layer)})
}

pub(crate) fn latent_to_latent(prompt: &str, from: u64, to: u64) -> Value {
    json!({"prompt": prompt, "from": resid(from), "to": resid(to)})
}

pub(crate) fn latent_to_logit(prompt: &str, layer: u64, k: u64) -> Value {
    json!({"prompt": prompt, "from": resid(layer), "to": {"top_logits": k}})
}

pub(crate) fn logit_difference(
    prompt: &str,
    layer: u64,
    positive: impl Into<Value>,
    negative: impl Into<Value>,
) -> Value {
    let pair = [positive.into(), negative.into()];
    json!({"prompt": prompt, "from": resid(layer), "to": {"logit_difference": pair}})
}
