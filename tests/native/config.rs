//! `config.json`, and `cfg.json` of every generation.

use sae_attribution::Result;
use sae_attribution::config::{ActivationNorm, Architecture, Gpt2Config, SaeConfig, SaeHints};
use sae_attribution::places::Place;
use serde_json::Value;

fn sae(extra: &str) -> Result<SaeConfig> {
    let json = format!(r#"{{"d_in": 8, "d_sae": 32, {extra}}}"#);
    SaeConfig::from_json("cfg.json", json.as_bytes(), SaeHints::default())
}

#[test]
fn old_sae_config_has_the_defaults_of_sae_lens() {
    let config = sae(r#""hook_point": "blocks.8.hook_resid_pre", "hook_point_layer": 8"#).unwrap();
    assert_eq!(config.place, Place::resid_pre(8));
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
    assert_eq!((config.architecture, config.place), (topk, Place::resid_pre(2)));
}

/// As sae_lens 6 writes it.
fn version_6(rest: &str, metadata: &str) -> Result<SaeConfig> {
    sae(&format!(
        r#"{rest}, "device": "cpu", "dtype": "float32", "normalize_activations": "none",
           "metadata": {{"sae_lens_version": "6.5.0", "hook_head_index": null, {metadata}}}"#
    ))
}

const LN2: &str = r#""hook_name": "blocks.1.ln2.hook_normalized""#;
const MLP_OUT: &str = r#""hook_name_out": "blocks.1.hook_mlp_out""#;

#[test]
fn a_transcoder_reads_the_mlps_input_and_writes_its_output() {
    let place: Place = "blocks.1.ln2.hook_normalized".parse().unwrap();
    let both = format!("{LN2}, {MLP_OUT}");
    for (architecture, rule) in
        [("transcoder", Architecture::Standard), ("jumprelu_transcoder", Architecture::JumpRelu)]
    {
        let config =
            version_6(&format!(r#""architecture": "{architecture}", "d_out": 8"#), &both).unwrap();
        assert_eq!((config.place, config.architecture), (place, rule));
        assert!(!config.apply_b_dec_to_input, "that class subtracts nothing");
    }
    // Saved as an SAE, it is computed as one, and a list says where it writes.
    let old = format!(r#"{LN2}, "use_b_dec_out": true, "normalize_activations": false"#);
    assert_eq!(sae(&old).unwrap_err().code(), "config-invalid");
    let json = format!(r#"{{"d_in": 8, "d_sae": 32, {old}}}"#);
    let hints = SaeHints { hook_name_out: Some(place.written()), ..SaeHints::default() };
    let config = SaeConfig::from_json("cfg.json", json.as_bytes(), hints).unwrap();
    assert!(config.apply_b_dec_to_input && config.has_b_dec_out);

    for (rest, metadata) in [
        (r#""architecture": "transcoder""#, LN2),
        (r#""architecture": "transcoder", "d_out": 9"#, &both),
        (r#""architecture": "transcoder", "apply_b_dec_to_input": true"#, &both),
        (r#""architecture": "transcoder""#, r#""hook_name": "blocks.1.hook_mlp_out""#),
        (
            r#""architecture": "transcoder""#,
            r#""hook_name": "blocks.1.ln2.hook_normalized", "hook_name_out": "blocks.2.hook_mlp_out""#,
        ),
        (
            r#""architecture": "standard""#,
            r#""hook_name": "blocks.1.hook_resid_pre", "hook_name_out": "blocks.2.hook_resid_pre""#,
        ),
        (
            r#""architecture": "standard", "use_b_dec_out": true"#,
            r#""hook_name": "blocks.1.hook_mlp_out""#,
        ),
    ] {
        let error = version_6(rest, metadata).unwrap_err();
        assert_eq!(error.code(), "config-invalid", "{rest}, {metadata}: {error}");
    }
    let normalized = format!(r#"{both}, "normalize_activations": "layer_norm""#);
    assert_eq!(sae(&normalized).unwrap_err().code(), "config-invalid");
}

#[test]
fn what_heads_read_is_flat_or_said_to_be_flattened() {
    let read = |reshape: &str, hook: &str| {
        version_6(
            &format!(r#""architecture": "standard", "reshape_activations": "{reshape}""#),
            &format!(r#""hook_name": "{hook}""#),
        )
    };
    let z: Place = "blocks.1.attn.hook_z".parse().unwrap();
    assert_eq!(read("hook_z", "blocks.1.attn.hook_z").unwrap().place, z);
    assert_eq!(read("none", "blocks.1.attn.hook_z").unwrap().place, z);
    for (reshape, hook) in
        [("hook_z", "blocks.1.hook_resid_pre"), ("hook_q", "blocks.1.attn.hook_z")]
    {
        assert_eq!(read(reshape, hook).unwrap_err().code(), "config-invalid", "{reshape}, {hook}");
    }
}

#[test]
fn a_constant_scale_is_that_of_the_list_or_of_the_file() {
    let read = |norm: &str, told: Option<f64>| {
        let json = format!(
            r#"{{"d_in": 8, "d_sae": 32, "hook_point": "blocks.1.hook_mlp_out",
               "norm_scaling_factor": 2.5, "normalize_activations": {norm}}}"#
        );
        let hints = SaeHints { norm_scaling_factor: told, ..SaeHints::default() };
        SaeConfig::from_json("cfg.json", json.as_bytes(), hints).map(|config| config.norm)
    };
    // The first releases wrote true.
    for norm in ["true", r#""expected_average_only_in""#] {
        assert_eq!(read(norm, None), Ok(ActivationNorm::Scale(2.5)));
        assert_eq!(read(norm, Some(1.5)), Ok(ActivationNorm::Scale(1.5)));
    }
    assert_eq!(read("false", Some(1.5)), Ok(ActivationNorm::None), "nobody asks for it");
    for told in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-60] {
        assert_eq!(read("true", Some(told)).unwrap_err().code(), "config-invalid");
    }
}

#[test]
fn unknown_sae_variants_are_errors() {
    let hook = r#""hook_name": "blocks.1.hook_resid_pre""#;
    for (extra, code) in [
        (r#""architecture": "skip_transcoder""#, "sae-architecture-unknown"),
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
