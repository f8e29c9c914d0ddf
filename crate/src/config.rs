//! What `config.json` (GPT-2) and `cfg.json` (SAE) say, checked.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result, short};
use crate::places::{Place, Site};
use crate::sizes::MAX_PROMPT_VALUES;

fn parse<T: DeserializeOwned>(file: &str, json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| invalid(file, error))
}

fn invalid(file: &str, cause: impl fmt::Display) -> Error {
    Error::ConfigInvalid { file: file.into(), cause: short(cause) }
}

/// Shape of a GPT-2 model, from the hub's `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpt2Config {
    /// Transformer blocks.
    pub n_layer: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads a block.
    pub n_head: usize,
    /// Width of the MLP.
    pub d_mlp: usize,
    /// Positions the model can read.
    pub n_ctx: usize,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_epsilon: f64,
    /// The token prepended to every prompt.
    pub bos_token_id: u32,
}

#[derive(Deserialize)]
struct HubGpt2Config {
    n_layer: usize,
    n_embd: usize,
    n_head: usize,
    n_inner: Option<usize>,
    n_ctx: Option<usize>,
    n_positions: Option<usize>,
    vocab_size: usize,
    layer_norm_epsilon: Option<f64>,
    activation_function: Option<String>,
    bos_token_id: Option<u32>,
    scale_attn_weights: Option<bool>,
    scale_attn_by_inverse_layer_idx: Option<bool>,
}

impl Gpt2Config {
    /// Reads a `config.json`; `file` names it in errors.
    ///
    /// # Errors
    /// `config-invalid` for JSON that is not such a file, impossible sizes, or a variant of the
    /// architecture that is computed differently.
    pub fn from_json(file: &str, json: &[u8]) -> Result<Self> {
        let hub: HubGpt2Config = parse(file, json)?;
        let config = Self {
            n_layer: hub.n_layer,
            d_model: hub.n_embd,
            n_head: hub.n_head,
            d_mlp: hub.n_inner.unwrap_or(hub.n_embd.saturating_mul(4)),
            n_ctx: hub
                .n_ctx
                .or(hub.n_positions)
                .ok_or_else(|| invalid(file, "neither n_ctx nor n_positions is given"))?,
            vocab_size: hub.vocab_size,
            layer_norm_epsilon: hub.layer_norm_epsilon.unwrap_or(1e-5),
            bos_token_id: hub.bos_token_id.unwrap_or(50256),
        };
        // Each bound is far above any GPT-2.
        for (key, value, most) in [
            ("n_layer", config.n_layer, 1 << 10),
            ("n_embd", config.d_model, 1 << 16),
            ("n_head", config.n_head, 1 << 10),
            ("n_inner", config.d_mlp, 1 << 18),
            ("n_ctx", config.n_ctx, 1 << 20),
            ("vocab_size", config.vocab_size, 1 << 18),
        ] {
            if value == 0 || value > most {
                return Err(invalid(file, format!("{key} is {value}, not within 1 to {most}")));
            }
        }
        if !config.d_model.is_multiple_of(config.n_head) {
            return Err(invalid(
                file,
                format!("n_embd {} is not divisible by n_head {}", config.d_model, config.n_head),
            ));
        }
        // As float32, which it is computed with.
        if !(config.layer_norm_epsilon as f32 > 0.0 && config.layer_norm_epsilon < 1.0) {
            return Err(invalid(file, "layer_norm_epsilon is not between 0 and 1"));
        }
        if config.bos_token_id as usize >= config.vocab_size {
            return Err(invalid(file, "bos_token_id is outside the vocabulary"));
        }
        let activation = hub.activation_function.as_deref().unwrap_or("gelu_new");
        if activation != "gelu_new" {
            return Err(invalid(
                file,
                format!("activation_function {:?} is not gelu_new", short(activation)),
            ));
        }
        if hub.scale_attn_weights == Some(false)
            || hub.scale_attn_by_inverse_layer_idx == Some(true)
        {
            return Err(invalid(
                file,
                "attention scores must be divided by √d_head and nothing else",
            ));
        }
        Ok(config)
    }

    /// Width of one attention head.
    pub fn d_head(&self) -> usize {
        self.d_model / self.n_head
    }

    /// The most tokens of a prompt: as many as the model has positions, or fewer where what grows with
    /// them, `n_head · n_pos²` of attention and `n_pos · d_mlp` of a layer, would not fit in memory.
    pub fn max_positions(&self) -> usize {
        let of_patterns = (MAX_PROMPT_VALUES / self.n_head).isqrt();
        let of_layers = MAX_PROMPT_VALUES / self.d_mlp.max(3 * self.d_model);
        self.n_ctx.min(of_patterns).min(of_layers)
    }
}

/// Which latents count as active, and what their activations are (SAELens `saes/*.py`).
///
/// In all of them an active latent's activation is linear in the encoder's input, which is what
/// attribution differentiates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Architecture {
    /// `relu(p)`.
    Standard,
    /// `relu` of the `k` largest `p`.
    TopK {
        /// Latents kept a position.
        k: usize,
        /// Whether `p` is multiplied, and the decoder divided, by the decoder rows' norms.
        rescale_acts_by_decoder_norm: bool,
    },
    /// `relu(p)` where `p` exceeds the latent's threshold.
    JumpRelu,
    /// `relu` of a rescaled `p` where a second affine form of `p` is positive.
    Gated,
}

/// What is done to the residual before encoding, and undone after decoding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ActivationNorm {
    /// Nothing.
    None,
    /// `(x − μ) / (std + 1e-5)` with the unbiased standard deviation.
    LayerNorm,
    /// `x · √d_in / ‖x‖`.
    ConstantNormRescale,
    /// `x · factor`, a constant of the training set.
    Scale(f64),
}

/// What an SAE's `cfg.json` says, and what is told of it elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct SaeConfig {
    /// Where the SAE reads. It writes at [`Place::written`].
    pub place: Place,
    /// Width of its input and output, the model's `d_model`.
    pub d_in: usize,
    /// Number of latents.
    pub d_sae: usize,
    /// Activation rule.
    pub architecture: Architecture,
    /// Whether `b_dec` is subtracted from the input.
    pub apply_b_dec_to_input: bool,
    /// Whether the decoder adds `b_dec_out` instead of `b_dec`.
    pub has_b_dec_out: bool,
    /// Normalisation around the SAE.
    pub norm: ActivationNorm,
}

/// What a list of SAEs tells of one where its `cfg.json` does not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SaeHints {
    /// Where its decoder writes.
    pub hook_name_out: Option<Place>,
    /// The constant of the training set that its input is to be multiplied with.
    pub norm_scaling_factor: Option<f64>,
}

/// Keys of all the `cfg.json` generations: the hub's first files (`hook_point`), sae_lens 3–5
/// (`hook_name`, `activation_fn_str`), sae_lens 6 (`metadata`, `activation_fn`).
#[derive(Deserialize)]
struct HubSaeConfig {
    d_in: usize,
    d_out: Option<usize>,
    d_sae: usize,
    architecture: Option<String>,
    activation_fn_str: Option<String>,
    activation_fn: Option<String>,
    activation_fn_kwargs: Option<Value>,
    k: Option<usize>,
    rescale_acts_by_decoder_norm: Option<bool>,
    #[serde(flatten)]
    hook: HubHook,
    metadata: Option<HubHook>,
    apply_b_dec_to_input: Option<bool>,
    use_b_dec_out: Option<bool>,
    normalize_activations: Option<Value>,
    norm_scaling_factor: Option<f64>,
    reshape_activations: Option<String>,
    finetuning_scaling_factor: Option<bool>,
}

/// Where an SAE is: at the top of the file, or in sae_lens 6's `metadata`.
#[derive(Deserialize, Default)]
struct HubHook {
    hook_name: Option<String>,
    hook_point: Option<String>,
    hook_name_out: Option<String>,
    hook_head_index: Option<usize>,
    hook_point_head_index: Option<usize>,
    hook_head_index_out: Option<usize>,
}

impl HubHook {
    fn is_of_a_head(&self) -> bool {
        [self.hook_head_index, self.hook_point_head_index, self.hook_head_index_out] != [None; 3]
    }
}

impl SaeConfig {
    /// Reads a `cfg.json` of any generation; `file` names it in errors.
    ///
    /// Keys that the hub's first files lack have the values that sae_lens gives them: a standard
    /// ReLU SAE that subtracts `b_dec` from its input and normalises nothing.
    ///
    /// # Errors
    /// `sae-architecture-unknown` for an architecture or activation function this crate does not
    /// compute; `config-invalid` for everything else.
    pub fn from_json(file: &str, json: &[u8], hints: SaeHints) -> Result<Self> {
        let hub: HubSaeConfig = parse(file, json)?;
        for (key, value, most) in [("d_in", hub.d_in, 1 << 16), ("d_sae", hub.d_sae, 1 << 20)] {
            if value == 0 || value > most {
                return Err(invalid(file, format!("{key} is {value}, not within 1 to {most}")));
            }
        }
        if hub.d_out.is_some_and(|d_out| d_out != hub.d_in) {
            return Err(invalid(file, "d_out is not d_in"));
        }
        if hub.finetuning_scaling_factor == Some(true) {
            return Err(invalid(file, "a finetuning_scaling_factor is not supported"));
        }
        let place = hub.place(file, hints.hook_name_out)?;
        let is_transcoder = place.written() != place;
        // sae_lens' class of transcoders subtracts nothing; those saved as SAEs are computed as SAEs.
        let (architecture, subtracts) = hub.architecture(file)?;
        if !is_transcoder && !subtracts {
            return Err(invalid(
                file,
                format!(
                    "it is a transcoder, but not one that reads at {} of a block",
                    Site::Ln2Normalized.name()
                ),
            ));
        }
        let norm = hub.norm(file, hints.norm_scaling_factor)?;
        // What is normalised is not what is written, so that nothing could be undone.
        if is_transcoder && norm != ActivationNorm::None {
            return Err(invalid(file, "normalize_activations of a transcoder is not supported"));
        }
        let has_b_dec_out = hub.use_b_dec_out.unwrap_or(false);
        if has_b_dec_out && !is_transcoder {
            return Err(invalid(file, "use_b_dec_out, but it is no transcoder"));
        }
        let apply_b_dec_to_input = hub.apply_b_dec_to_input.unwrap_or(subtracts);
        if apply_b_dec_to_input && !subtracts {
            return Err(invalid(file, "apply_b_dec_to_input, which its architecture rules out"));
        }
        Ok(Self {
            place,
            d_in: hub.d_in,
            d_sae: hub.d_sae,
            architecture,
            apply_b_dec_to_input,
            has_b_dec_out,
            norm,
        })
    }
}

impl HubSaeConfig {
    /// Where it reads, if it writes where latents that read there do.
    fn place(&self, file: &str, told: Option<Place>) -> Result<Place> {
        let none = HubHook::default();
        let hooks = [&self.hook, self.metadata.as_ref().unwrap_or(&none)];
        if hooks.iter().any(|hook| hook.is_of_a_head()) {
            return Err(invalid(file, "SAEs of single attention heads are not supported"));
        }
        let parse = |name: Option<&String>| match name {
            Some(name) => name.parse().map(Some).map_err(|cause: String| invalid(file, cause)),
            None => Ok(None),
        };
        let name =
            hooks.iter().find_map(|hook| hook.hook_name.as_ref().or(hook.hook_point.as_ref()));
        let place: Place = parse(name)?.ok_or_else(|| invalid(file, "no hook_name is given"))?;
        let named = parse(hooks.iter().find_map(|hook| hook.hook_name_out.as_ref()))?;
        let is_transcoder = place.written() != place;
        match named.or(told) {
            None if is_transcoder => {
                return Err(invalid(
                    file,
                    format!(
                        "it reads at {place}, but nothing says where it writes (hook_name_out)"
                    ),
                ));
            }
            Some(out) if !out.is_same(place.written()) => {
                return Err(invalid(
                    file,
                    format!("it reads at {place} and writes at {out}, which is not supported"),
                ));
            }
            _ => {}
        }
        match self.reshape_activations.as_deref() {
            None | Some("none") => Ok(place),
            Some("hook_z") if place.site == Site::Z => Ok(place),
            Some(other) => Err(invalid(
                file,
                format!("reshape_activations {:?} at {place} is not supported", short(other)),
            )),
        }
    }

    /// The rule of activation, and whether `b_dec` may be subtracted from the input.
    fn architecture(&self, file: &str) -> Result<(Architecture, bool)> {
        let unknown = |name: &str| Error::SaeArchitectureUnknown {
            file: file.into(),
            architecture: short(name),
        };
        let activation = self.activation_fn_str.as_deref().or(self.activation_fn.as_deref());
        let named = self.architecture.as_deref().unwrap_or("standard");
        Ok(match (named, activation) {
            ("standard", None | Some("relu")) => (Architecture::Standard, true),
            ("topk", _) | ("standard", Some("topk")) => {
                let in_kwargs = self
                    .activation_fn_kwargs
                    .as_ref()
                    .and_then(|kwargs| usize::try_from(kwargs.get("k")?.as_u64()?).ok());
                let k = self.k.or(in_kwargs).ok_or_else(|| invalid(file, "topk without k"))?;
                if k == 0 || k > self.d_sae {
                    return Err(invalid(file, format!("k is {k} of {} latents", self.d_sae)));
                }
                let rescale_acts_by_decoder_norm =
                    self.rescale_acts_by_decoder_norm.unwrap_or(false);
                (Architecture::TopK { k, rescale_acts_by_decoder_norm }, true)
            }
            ("jumprelu", None | Some("relu")) => (Architecture::JumpRelu, true),
            ("gated", None | Some("relu")) => (Architecture::Gated, true),
            ("transcoder", None | Some("relu")) => (Architecture::Standard, false),
            ("jumprelu_transcoder", None | Some("relu")) => (Architecture::JumpRelu, false),
            (
                "standard" | "jumprelu" | "gated" | "transcoder" | "jumprelu_transcoder",
                Some(activation),
            ) => return Err(unknown(activation)),
            (other, _) => return Err(unknown(other)),
        })
    }

    /// sae_lens writes the name of a normalisation; its first releases wrote true or false.
    fn norm(&self, file: &str, told: Option<f64>) -> Result<ActivationNorm> {
        let name = match &self.normalize_activations {
            None | Some(Value::Null | Value::Bool(false)) => "none",
            Some(Value::Bool(true)) => "expected_average_only_in",
            Some(Value::String(name)) => name,
            Some(other) => {
                return Err(invalid(
                    file,
                    format!("normalize_activations {} is unknown", short(other)),
                ));
            }
        };
        Ok(match name {
            "none" => ActivationNorm::None,
            "layer_norm" => ActivationNorm::LayerNorm,
            "constant_norm_rescale" => ActivationNorm::ConstantNormRescale,
            "expected_average_only_in" => match told.or(self.norm_scaling_factor) {
                Some(factor) if (factor as f32).is_normal() && factor > 0.0 => {
                    ActivationNorm::Scale(factor)
                }
                _ => {
                    return Err(invalid(
                        file,
                        "normalize_activations is expected_average_only_in, but norm_scaling_factor is not given",
                    ));
                }
            },
            other => {
                return Err(invalid(
                    file,
                    format!("normalize_activations {:?} is unknown", short(other)),
                ));
            }
        })
    }
}
