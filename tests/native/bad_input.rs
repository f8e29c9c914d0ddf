//! Everything that can be wrong with a request or a file: a typed error, and afterwards the same
//! session answers the next good request.

use sae_attribution::Error;
use sae_attribution::error::READER_CODES;
use safetensors::tensor::Dtype;
use serde_json::{Value, json};

use std::collections::BTreeMap;

use sae_attribution::request::Request;
use sae_attribution::source::LocalFuture;
use sae_attribution::watch::{Phase, Progress, Unwatched, Watch};

use crate::altered::{Altered, Raw, ask, changed, file, open};
use crate::common::requests::{
    latent_to_latent, latent_to_logit, logit_difference, resid, token_to_latent,
};

const SAE: &str = "saes/blocks.3.hook_resid_pre/sae_weights.safetensors";
const SAE_CFG: &str = "saes/blocks.3.hook_resid_pre/cfg.json";
const MODEL: &str = "model/model.safetensors";

fn good() -> Value {
    token_to_latent("The tower", 3)
}

/// A safetensors file of a header and 16 bytes of data.
fn with_header(header: &str) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0; 16]);
    bytes
}

fn tensor(name: &str, from: usize, to: usize) -> String {
    format!(r#""{name}":{{"dtype":"F32","shape":[2],"data_offsets":[{from},{to}]}}"#)
}

/// Damaged container files and what they are called.
fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let whole = file(SAE);
    let mut long_header = whole.clone();
    long_header[..8].copy_from_slice(&(whole.len() as u64 + 1).to_le_bytes());
    let mut huge_header = whole.clone();
    huge_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let two = |a: String, b: String| with_header(&format!("{{{a},{b}}}"));
    vec![
        ("empty", Vec::new()),
        ("seven bytes", vec![0; 7]),
        ("not safetensors", b"<!doctype html><title>Not found</title>".to_vec()),
        ("truncated in the header", whole[..100].to_vec()),
        ("truncated in the data", whole[..whole.len() - 1].to_vec()),
        ("longer than its header says", [&whole[..], &[0]].concat()),
        ("header longer than the file", long_header),
        ("header length beyond 64 bits of sense", huge_header),
        ("header not JSON", with_header("{{{{")),
        ("overlapping offsets", two(tensor("a", 0, 8), tensor("b", 4, 12))),
        ("offsets beyond the file", two(tensor("a", 0, 8), tensor("b", 800, 808))),
        ("a hole between tensors", two(tensor("a", 0, 8), tensor("b", 12, 20))),
        ("offsets backwards", with_header(&format!("{{{}}}", tensor("a", 8, 0)))),
        (
            "offsets that disagree with the shape",
            with_header(&format!("{{{}}}", tensor("a", 0, 16))),
        ),
    ]
}

#[test]
fn a_damaged_sae_file_is_an_error_and_harms_nothing() {
    let source = Altered::default();
    let session = open(&source).unwrap();
    for (what, bytes) in damaged() {
        source.replace(SAE, bytes);
        let error = ask(&session, good()).expect_err(what);
        assert_eq!(error.code(), "safetensors-invalid", "{what}: {error}");
        assert!(error.to_string().contains("sae_weights.safetensors"), "{error}");
    }
    source.restore();
    ask(&session, good()).unwrap();
}

#[test]
fn a_damaged_model_file_is_an_error_and_the_whole_one_opens() {
    let source = Altered::default();
    for (what, bytes) in damaged() {
        source.replace(MODEL, bytes);
        assert_eq!(open(&source).err().expect(what).code(), "safetensors-invalid", "{what}");
    }
    source.restore();
    ask(&open(&source).unwrap(), good()).unwrap();
}

#[test]
fn tensors_that_do_not_fit_are_errors_that_name_them() {
    let source = Altered::default();
    let session = open(&source).unwrap();
    type Change = fn(&mut BTreeMap<String, Raw>);
    let changes: [(&str, &str, Change); 5] = [
        ("tensor-missing", "W_dec", |t| drop(t.remove("W_dec"))),
        ("tensor-shape", "W_enc", |t| t.get_mut("W_enc").unwrap().shape.swap(0, 1)),
        ("tensor-dtype", "b_enc", |t| t.get_mut("b_enc").unwrap().dtype = Dtype::I32),
        ("tensor-not-finite", "b_dec", |t| {
            t.get_mut("b_dec").unwrap().bytes[20..24].copy_from_slice(&f32::NAN.to_le_bytes());
        }),
        ("tensor-not-finite", "W_enc", |t| {
            t.get_mut("W_enc").unwrap().bytes[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        }),
    ];
    for (code, name, change) in changes {
        source.replace(SAE, changed(SAE, change));
        // The header was read by an earlier request of this session, or is read now.
        let fresh = open(&source).unwrap();
        let error = ask(&fresh, good()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(name), "{error}");
        source.restore();
        ask(&session, good()).unwrap();
    }
}

#[test]
fn bad_model_tensors_are_errors_until_they_are_mended() {
    let source = Altered::default();
    let session = open(&source).unwrap();
    // In place, so that the header read before still describes the file.
    let mut nan = file(MODEL);
    let data = {
        let tensors = safetensors::SafeTensors::deserialize(&nan).unwrap();
        let data = tensors.tensor("h.2.mlp.c_fc.weight").unwrap().data().as_ptr();
        data as usize - nan.as_ptr() as usize
    };
    nan[data + 40..data + 44].copy_from_slice(&f32::NAN.to_le_bytes());
    source.replace(MODEL, nan);
    let error = ask(&session, good()).unwrap_err();
    let Error::TensorNotFinite { tensor, index, .. } = &error else { panic!("{error}") };
    assert_eq!((tensor.as_str(), *index), ("h.2.mlp.c_fc.weight", 10));
    source.restore();
    ask(&session, good()).unwrap();

    let without = changed(MODEL, |t| drop(t.remove("h.1.ln_1.bias")));
    source.replace(MODEL, without);
    let error = ask(&open(&source).unwrap(), good()).unwrap_err();
    assert_eq!(error.code(), "tensor-missing", "{error}");
}

#[test]
fn weights_too_large_for_float32_are_an_error_not_a_nan() {
    let source = Altered::default();
    let huge = changed(SAE, |t| {
        for value in t.get_mut("W_enc").unwrap().bytes.chunks_exact_mut(4) {
            value.copy_from_slice(&3e38f32.to_le_bytes());
        }
    });
    source.replace(SAE, huge);
    let session = open(&source).unwrap();
    assert_eq!(ask(&session, good()).unwrap_err().code(), "result-not-finite");
    let other = token_to_latent("The tower", 2);
    ask(&session, other).unwrap();
}

#[test]
fn half_precision_and_prefixed_names_are_read() {
    let source = Altered::default();
    let plain = ask(&open(&source).unwrap(), good()).unwrap();
    source.replace(
        MODEL,
        changed(MODEL, |t| {
            *t = std::mem::take(t)
                .into_iter()
                .map(|(k, v)| (format!("transformer.{k}"), v))
                .collect();
        }),
    );
    assert_eq!(ask(&open(&source).unwrap(), good()).unwrap(), plain);

    type Convert = fn(f32) -> [u8; 2];
    let halves: [(Dtype, Convert, f32); 2] = [
        (Dtype::F16, |x| half::f16::from_f32(x).to_le_bytes(), 0.02),
        (Dtype::BF16, |x| half::bf16::from_f32(x).to_le_bytes(), 0.1),
    ];
    for (dtype, convert, tolerance) in halves {
        let converted = changed(SAE, |tensors| {
            for raw in tensors.values_mut() {
                let values =
                    raw.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                raw.bytes = values.flat_map(convert).collect();
                raw.dtype = dtype;
            }
        });
        source.replace(SAE, converted);
        let rounded = ask(&open(&source).unwrap(), good()).unwrap();
        let sum = |r: &sae_attribution::Attribution| r.statistics.target_l1 as f32;
        assert!((sum(&rounded) / sum(&plain) - 1.0).abs() < tolerance, "{dtype:?}");
    }
}

#[test]
fn unusable_configurations_are_errors() {
    let source = Altered::default();
    let session = open(&source).unwrap();
    let cfg: Value = serde_json::from_slice(&file(SAE_CFG)).unwrap();
    let with = |key: &str, value: Value| {
        let mut cfg = cfg.clone();
        cfg[key] = value;
        cfg.to_string()
    };
    for (bytes, code) in [
        (with("architecture", "skip_transcoder".into()), "sae-architecture-unknown"),
        (with("activation_fn_str", "tanh-relu".into()), "sae-architecture-unknown"),
        (with("hook_name", "blocks.2.hook_resid_pre".into()), "config-invalid"),
        (with("hook_name", "blocks.3.hook_mlp_out".into()), "config-invalid"),
        (with("d_in", 65.into()), "config-invalid"),
        (with("d_sae", 513.into()), "tensor-shape"),
        ("[]".into(), "config-invalid"),
    ] {
        source.replace(SAE_CFG, bytes.clone());
        assert_eq!(ask(&open(&source).unwrap(), good()).unwrap_err().code(), code, "{bytes}");
        source.restore();
        ask(&session, good()).unwrap();
    }
    for (name, bytes, code) in [
        ("model/config.json", "{}", "config-invalid"),
        ("model/tokenizer.json", "{}", "tokenizer-invalid"),
        ("model/tokenizer.json", "\u{0}", "tokenizer-invalid"),
    ] {
        source.replace(name, bytes);
        assert_eq!(open(&source).err().unwrap().code(), code, "{name}");
        source.restore();
    }
}

#[test]
fn bad_requests_are_errors_that_name_what_is_wrong() {
    let session = open(&Altered::default()).unwrap();
    let p = "The tower";
    let difference = |positive: Value| logit_difference(p, 3, positive, " golf");
    let latents = |from: u64, to: u64| latent_to_latent(p, from, to);
    let logits = |layer: u64, k: u64| latent_to_logit(p, layer, k);
    for (request, code) in [
        (token_to_latent(p, 5), "place-out-of-range"),
        (latents(0, 9), "place-out-of-range"),
        (latents(3, 3), "place-order"),
        (latents(3, 1), "place-order"),
        (logits(3, 0), "k-out-of-range"),
        (logits(3, 3002), "k-out-of-range"),
        (logits(77, 1), "place-out-of-range"),
        (difference(" Barcelona!".into()), "not-one-token"),
        (difference("".into()), "not-one-token"),
        (difference(3001.into()), "token-out-of-range"),
        // The fixture has no SAE at the end of its last block.
        (token_to_latent(p, 4), "file-not-found"),
    ] {
        let error = ask(&session, request.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{request}: {error}");
        ask(&session, good()).unwrap();
    }
    let between = |from: &str, to: &str| json!({"prompt": p, "from": from, "to": to});
    let omit = json!({"prompt": p, "from": "tokens", "to": resid(3), "error": "omit"});
    for (request, code) in [
        (omit, "request-invalid"),
        (between("blocks.1.hook_mlp_out", "blocks.1.hook_resid_mid"), "place-order"),
        (between("blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out"), "place-order"),
        (between("blocks.2.hook_resid_pre", "blocks.1.hook_resid_post"), "place-order"),
        (between("blocks.4.hook_mlp_out", "blocks.3.hook_resid_pre"), "place-out-of-range"),
        (between("tokens", "blocks.3.hook_mlp_out"), "file-not-found"),
        (json!({"prompt": p, "from": resid(3), "to": {"logits": []}}), "k-out-of-range"),
        (
            json!({"prompt": p, "from": resid(3), "to": {"logits": [" golf", 3001]}}),
            "token-out-of-range",
        ),
    ] {
        let error = ask(&session, request.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{request}: {error}");
        ask(&session, good()).unwrap();
    }
    let with = |more: Value| {
        let mut asked = latents(0, 3);
        let more = more.as_object().unwrap().clone();
        asked.as_object_mut().unwrap().extend(more);
        asked
    };
    let tokens = |more: Value| {
        let mut asked = with(more);
        asked["from"] = "tokens".into();
        asked
    };
    for (request, code) in [
        (with(json!({"patch": "The towers are tall"})), "patch-length"),
        (with(json!({"method": {"integrated": 0}})), "request-invalid"),
        (with(json!({"method": {"integrated": 301}})), "request-invalid"),
        (tokens(json!({"patch": "A tower"})), "request-invalid"),
        (tokens(json!({"method": {"integrated": 5}})), "request-invalid"),
    ] {
        let error = ask(&session, request.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{request}: {error}");
        ask(&session, good()).unwrap();
    }
    // What has not the form of a request is none.
    for request in [
        between("blocks.1.hook_x", "blocks.3.hook_resid_pre"),
        between("tokens", "tokens"),
        json!({"prompt": p, "from": "tokens", "to": {"top_logits": 1, "logits": [1]}}),
        json!({"prompt": p, "from": "tokens", "to": {"logit_difference": [1]}}),
        json!({"prompt": p, "from": "tokens", "to": resid(3), "error": "half"}),
        json!({"prompt": p, "from": "tokens", "to": resid(3), "layer": 3}),
    ] {
        assert!(serde_json::from_value::<Request>(request.clone()).is_err(), "{request}");
    }
    // The whole vocabulary is the most that can be asked for.
    assert_eq!(ask(&session, logits(3, 3001)).unwrap().targets.len(), 3001);
}

#[test]
fn bad_interventions_continuations_and_curves_are_errors_that_name_what_is_wrong() {
    let session = open(&Altered::default()).unwrap();
    let p = "The tower";
    let edit = |more: Value| {
        let mut edit = json!({"place": resid(1), "pos": 1, "latent": 3});
        edit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"prompt": p, "edits": [edit]})
    };
    for (asked, code) in [
        (edit(json!({})), "request-invalid"),
        (edit(json!({"set": 1, "times": 2})), "request-invalid"),
        (edit(json!({"set": 1, "pos": 3})), "request-invalid"),
        (edit(json!({"set": 1, "latent": 512})), "request-invalid"),
        (edit(json!({"set": 1, "place": "blocks.7.hook_mlp_out"})), "place-out-of-range"),
        (edit(json!({"set": 1, "place": "blocks.1.hook_mlp_out"})), "file-not-found"),
        (json!({"prompt": p, "edits": [], "top_logits": 0}), "k-out-of-range"),
    ] {
        let intervention = serde_json::from_value(asked.clone()).unwrap();
        let found = pollster::block_on(session.intervene(&intervention, &Unwatched));
        assert_eq!(found.unwrap_err().code(), code, "{asked}");
    }
    let steer = |latent: u64| json!([{"place": resid(1), "latent": latent, "factor": 2}]);
    for (asked, code) in [
        (json!({"prompt": p, "max_tokens": 0}), "request-invalid"),
        (json!({"prompt": p, "max_tokens": 51}), "request-invalid"),
        (json!({"prompt": p, "max_tokens": 2, "temperature": -1}), "request-invalid"),
        (json!({"prompt": p, "max_tokens": 2, "steer": steer(512)}), "request-invalid"),
        (json!({"prompt": "x ".repeat(400), "max_tokens": 2}), "prompt-too-long"),
    ] {
        let generation = serde_json::from_value(asked.clone()).unwrap();
        let found = pollster::block_on(session.generate(&generation, &Unwatched));
        assert_eq!(found.unwrap_err().code(), code, "{asked}");
    }
    let curves = |request: Value, target: u64| json!({"request": request, "target": target});
    let omitted = json!({"prompt": p, "from": resid(1), "to": {"top_logits": 2}, "error": "omit"});
    for (asked, code) in [
        (curves(token_to_latent(p, 3), 0), "request-invalid"),
        (curves(omitted, 0), "request-invalid"),
        (curves(latent_to_logit(p, 1, 2), 2), "request-invalid"),
        (curves(latent_to_logit(p, 9, 2), 0), "place-out-of-range"),
    ] {
        let request = serde_json::from_value(asked.clone()).unwrap();
        let found = pollster::block_on(session.curves(&request, &Unwatched));
        assert_eq!(found.unwrap_err().code(), code, "{asked}");
    }
    ask(&session, good()).unwrap();
}

/// Ends the work when a phase is reached.
struct Until(Phase);

impl Watch for Until {
    fn report(&self, progress: Progress) -> LocalFuture<'_, sae_attribution::Result<()>> {
        let end = progress.phase == self.0;
        Box::pin(std::future::ready(if end { Err(Error::Cancelled) } else { Ok(()) }))
    }
}

#[test]
fn cancelling_in_any_phase_leaves_the_session_usable() {
    let mut request: Request = serde_json::from_value(latent_to_logit("The tower", 1, 3)).unwrap();
    request.measure = true;
    for phase in [Phase::Load, Phase::Forward, Phase::Encode, Phase::Jacobian, Phase::Ablate] {
        let session = open(&Altered::default()).unwrap();
        let watch = Until(phase);
        let error = pollster::block_on(session.attribute(&request, &watch)).unwrap_err();
        assert_eq!(error, Error::Cancelled, "{phase:?}");
        ask(&session, serde_json::to_value(&request).unwrap()).unwrap();
    }
}

#[test]
fn a_file_that_changes_under_its_header_is_an_error() {
    let source = Altered::default();
    let session = open(&source).unwrap();
    source.replace(MODEL, changed(MODEL, |t| drop(t.remove("ln_f.bias"))));
    let error = ask(&session, good()).unwrap_err();
    assert_eq!(error.code(), "file-changed", "{error}");
    assert!(error.to_string().contains("changed"), "{error}");
    source.restore();
    ask(&session, good()).unwrap();
}

#[test]
fn a_result_beyond_memory_is_refused_before_it_is_computed() {
    use sae_attribution::result::check_pairs;
    use sae_attribution::sizes::MAX_PAIRS;
    check_pairs(MAX_PAIRS, 1).unwrap();
    for (n_targets, n_sources) in [(MAX_PAIRS + 1, 1), (usize::MAX, usize::MAX)] {
        assert_eq!(check_pairs(n_targets, n_sources).unwrap_err().code(), "result-too-large");
    }
}

#[test]
fn every_code_is_in_the_documentation() {
    let read = |path: &str| {
        std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    let (errors, readme) = (read("src/error.rs"), read("../www/runtime/README.md"));
    let codes: Vec<&str> = (errors.lines())
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split('"').nth(1))
        .chain(READER_CODES)
        .collect();
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        assert!(readme.contains(&format!("`{code}`")), "www/runtime/README.md lacks {code}");
    }
}
