//! `config.json`, `cfg.json` of every generation, hook points.

use sae_attribution::Result;
use sae_attribution::config::{ActivationNorm, Architecture, Gpt2Config, HookPoint, SaeConfig};
use serde_json::Value;

#[test]
fn hook_points_have_transformer_lens_names() {
    for (name, layer) in [
        ("blocks.0.hook_resid_pre", 0),
        ("blocks.8.hook_resid_pre", 8),
        ("blocks.11.hook_resid_post", 12),
    ] {
        let hook: HookPoint = name.parse().unwrap();
        assert_eq!((hook.layer, hook.to_string().as_str()), (layer, name));
        assert_eq!(HookPoint::residual(layer, 12), hook);
    }
    for name in ["", "blocks.8.attn.hook_z", "blocks.-1.hook_resid_pre", "blocks.8.hook_mlp_out"] {
        assert!(name.parse::<HookPoint>().is_err(), "{name}");
    }
}

fn sae(extra: &str) -> Result<SaeConfig> {
    let json = format!(r#"{{"d_in": 8, "d_sae": 32, {extra}}}"#);
    SaeConfig::from_json("cfg.json", json.as_bytes())
}

#[test]
fn old_sae_config_has_the_defaults_of_sae_lens() {
    let config = sae(r#""hook_point": "blocks.8.hook_resid_pre", "hook_point_layer": 8"#).unwrap();
    assert_eq!(config.hook.layer, 8);
    assert_eq!(config.architecture, Architecture::Standard);
    assert!(config.apply_b_dec_to_input);
    assert_eq!(config.norm, ActivationNorm::None);
}

#[test]
fn newer_sae_configs_are_read() {
    let config = sae(r#""hook_name": "blocks.1.hook_resid_pre", "architecture": "standard",
           "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4},
           "apply_b_dec_to_input": false, "normalize_activations": "layer_norm""#)
    .unwrap();
    let topk = Architecture::TopK { k: 4, rescale_acts_by_decoder_norm: false };
    assert_eq!(config.architecture, topk);
    assert_eq!(config.norm, ActivationNorm::LayerNorm);
    assert!(!config.apply_b_dec_to_input);

    let config = sae(r#""architecture": "topk", "k": 4, "rescale_acts_by_decoder_norm": true,
           "metadata": {"hook_name": "blocks.2.hook_resid_pre"}"#)
    .unwrap();
    let topk = Architecture::TopK { k: 4, rescale_acts_by_decoder_norm: true };
    assert_eq!((config.architecture, config.hook.layer), (topk, 2));
}

#[test]
fn unknown_sae_variants_are_errors() {
    let hook = r#""hook_name": "blocks.1.hook_resid_pre""#;
    for (extra, code) in [
        (r#""architecture": "transcoder""#, "sae-architecture-unknown"),
        (r#""activation_fn_str": "tanh-relu""#, "sae-architecture-unknown"),
        (r#""architecture": "topk""#, "config-invalid"),
        (r#""architecture": "topk", "k": 33"#, "config-invalid"),
        (r#""normalize_activations": "expected_average_only_in""#, "config-invalid"),
        (r#""normalize_activations": "whitening""#, "config-invalid"),
        (r#""finetuning_scaling_factor": true"#, "config-invalid"),
        (r#""hook_head_index": 3"#, "config-invalid"),
    ] {
        assert_eq!(sae(&format!("{hook}, {extra}")).unwrap_err().code(), code, "{extra}");
    }
    assert_eq!(sae(r#""x": 1"#).unwrap_err().code(), "config-invalid");
}

#[test]
fn impossible_model_configs_are_errors() {
    let good = serde_json::json!({"n_layer": 2, "n_embd": 8, "n_head": 2, "n_ctx": 16,
        "vocab_size": 10, "bos_token_id": 9});
    let read = |config: &Value| Gpt2Config::from_json("config.json", config.to_string().as_bytes());
    assert_eq!(read(&good).unwrap().d_mlp, 32);
    for (key, value) in [
        ("n_layer", 0.into()),
        ("n_head", 3.into()),
        ("n_embd", 1_000_000.into()),
        ("bos_token_id", 10.into()),
        ("activation_function", "relu".into()),
        ("layer_norm_epsilon", Value::from(-1.0)),
        ("scale_attn_by_inverse_layer_idx", true.into()),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        assert_eq!(read(&bad).unwrap_err().code(), "config-invalid", "{key}");
    }
    assert_eq!(Gpt2Config::from_json("c", b"not json").unwrap_err().code(), "config-invalid");
}
