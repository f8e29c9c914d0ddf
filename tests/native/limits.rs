//! Input that is hostile rather than wrong: what it claims is bounded before anything is made of it,
//! and what cannot be computed with is an error, never a number.

use sae_attribution::Error;
use sae_attribution::config::{Gpt2Config, SaeConfig, SaeHints};
use sae_attribution::kernels::upload;
use sae_attribution::safetensors::Safetensors;
use sae_attribution::sizes::{MAX_CONFIG_BYTES, MAX_HEADER_BYTES, MAX_TOKENIZER_BYTES, Sizes};
use sae_attribution::sparse::read_back;
use sae_attribution::tokenizer::Tokenizer;
use sae_attribution::watch::{Meter, Phase, Unwatched};
use safetensors::tensor::Dtype;
use serde_json::{Value, json};

use crate::altered::{Altered, Raw, TINY, ask, changed, file, open};
use crate::common::requests::{
    latent_to_latent, latent_to_logit, logit_difference, token_to_latent,
};

const SAE: &str = "saes/blocks.3.hook_resid_pre/sae_weights.safetensors";
const SAE_CFG: &str = "saes/blocks.3.hook_resid_pre/cfg.json";
const MODEL: &str = "model/model.safetensors";
const TOKENIZER: &str = "model/tokenizer.json";
const CONFIG: &str = "model/config.json";

fn good() -> Value {
    token_to_latent("The tower", 3)
}

/// A JSON file of the fixture with one place changed.
fn with(name: &str, pointer: &str, value: Value) -> String {
    let mut json: Value = serde_json::from_slice(&file(name)).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap()[key] = value;
    json.to_string()
}

/// Asks of a fresh session, and then of the same files mended.
fn code_of(source: &Altered, request: Value) -> (&'static str, String) {
    let error = match open(source) {
        Ok(session) => ask(&session, request).map(drop).expect_err("nothing usable"),
        Err(error) => error,
    };
    source.restore();
    ask(&open(source).unwrap(), good()).unwrap();
    (error.code(), error.to_string())
}

#[test]
fn token_ids_outside_the_model_are_refused() {
    // 2^32 bytes of wte lie before row 16,777,216: on wasm the product is 0.
    for id in [3001u32, 3500, 16_777_216, u32::MAX] {
        for pointer in ["/model/vocab/The", "/model/vocab/newcomer", "/added_tokens/0/id"] {
            let source = Altered::default();
            source.replace(TOKENIZER, with(TOKENIZER, pointer, id.into()));
            let (code, said) = code_of(&source, good());
            assert_eq!(code, "tokenizer-invalid", "{pointer} {id}: {said}");
            assert!(said.contains(&id.to_string()), "{said}");
        }
    }
    // Two tokens of one id, and one token of two.
    let known: Value = serde_json::from_slice(&file(TOKENIZER)).unwrap();
    let the = known["model"]["vocab"]["The"].clone();
    for (pointer, id) in [("/model/vocab/newcomer", the.clone()), ("/added_tokens/0/id", the)] {
        let source = Altered::default();
        source.replace(TOKENIZER, with(TOKENIZER, pointer, id));
        assert_eq!(code_of(&source, good()).0, "tokenizer-invalid", "{pointer}");
    }
}

#[test]
fn a_vocabulary_is_as_large_as_its_table() {
    for vocab_size in [3002, 200_000] {
        let source = Altered::default();
        source.replace(CONFIG, with(CONFIG, "/vocab_size", vocab_size.into()));
        assert_eq!(code_of(&source, good()).0, "tensor-shape");
    }
    // More tokens than the model has.
    let json = file(TOKENIZER);
    let error = Tokenizer::from_json("t.json", &json, 0, 2_000).err().unwrap();
    assert_eq!(error.code(), "tokenizer-invalid");
    let error = Tokenizer::from_json("t.json", &json, 0, 100).err().unwrap();
    assert!(error.to_string().contains("far more than 100 tokens"), "{error}");
}

#[test]
fn options_that_gpt2s_merges_have_not_are_refused() {
    for (key, value) in [
        ("continuing_subword_prefix", json!("####")),
        ("end_of_word_suffix", json!("</w>")),
        ("unk_token", json!("The")),
        ("dropout", json!(0.5)),
        ("fuse_unk", json!(true)),
        ("byte_fallback", json!(true)),
        ("ignore_merges", json!(true)),
        ("type", json!("Unigram")),
        ("merges", json!(["a b c"])),
        ("merges", json!([["T"]])),
        ("merges", json!(["T \u{e000}"])),
    ] {
        let source = Altered::default();
        source.replace(TOKENIZER, with(TOKENIZER, &format!("/model/{key}"), value));
        assert_eq!(code_of(&source, good()).0, "tokenizer-invalid", "{key}");
    }
    // Those of newer files, as pairs, are the same merges.
    let mut json: Value = serde_json::from_slice(&file(TOKENIZER)).unwrap();
    for merge in json["model"]["merges"].as_array_mut().unwrap() {
        *merge = merge.as_str().unwrap().split(' ').collect::<Vec<_>>().into();
    }
    let read = |json: &[u8]| {
        Tokenizer::from_json("t.json", json, 3000, 3001)
            .unwrap()
            .encode("The Eiffel tower")
            .unwrap()
    };
    assert_eq!(read(json.to_string().as_bytes()), read(&file(TOKENIZER)));
}

#[test]
fn the_longest_added_token_is_found_first() {
    let mut json: Value = serde_json::from_slice(&file(TOKENIZER)).unwrap();
    let added = |id: u32, content: &str| json!({"id": id, "content": content});
    let vocab = json["model"]["vocab"].as_object_mut().unwrap();
    let [short, long] = ["The", "tower"].map(|text| vocab.remove(text).map(|id| id.as_u64()));
    let short = short.flatten().expect("a token of the fixture") as u32;
    let long = long.flatten().unwrap_or(3000) as u32;
    json["added_tokens"] = json!([added(short, "<|x|>"), added(long, "<|x|>y")]);
    json["model"]["merges"] = json!([]);
    let vocab = json["model"]["vocab"].as_object_mut().unwrap();
    vocab.retain(|_, id| id.as_u64() != Some(long.into()));
    let read = Tokenizer::from_json("t.json", json.to_string().as_bytes(), 0, 3001).unwrap();
    assert_eq!(read.encode("<|x|>y<|x|>").unwrap(), [long, short]);
}

#[test]
fn texts_of_any_length_are_answered() {
    let session = open(&Altered::default()).unwrap();
    let long = "The ".repeat(300_000);
    assert_eq!(session.tokenize(&long).unwrap_err().code(), "request-invalid");
    assert_eq!(session.tokenize(&long[..900_000]).unwrap_err().code(), "prompt-too-long");
    let target = logit_difference("a", 3, long, 1);
    let error = ask(&session, target).unwrap_err();
    assert_eq!(error.code(), "request-invalid");
    assert!(error.to_string().len() < 300, "{error}");
}

#[test]
fn whole_files_are_bounded() {
    for (name, most) in
        [(CONFIG, MAX_CONFIG_BYTES), (SAE_CFG, MAX_CONFIG_BYTES), (TOKENIZER, MAX_TOKENIZER_BYTES)]
    {
        let source = Altered::default();
        let mut padded = file(name);
        padded.resize(most as usize, b' ');
        source.replace(name, padded.clone());
        ask(&open(&source).unwrap(), good()).unwrap();
        padded.push(b' ');
        source.replace(name, padded);
        let (code, said) = code_of(&source, good());
        assert_eq!(code, "file-too-large", "{name}: {said}");
        assert!(said.contains(name.rsplit('/').next().unwrap()), "{said}");
    }
    // On the disk, too.
    use sae_attribution::source::Source;
    let read = |most| {
        let path = format!("{TINY}/{CONFIG}");
        pollster::block_on(sae_attribution::folder::Folder.read_whole(&path, most))
    };
    let length = file(CONFIG).len() as u64;
    assert_eq!(read(length).unwrap(), file(CONFIG));
    assert_eq!(read(length - 1).unwrap_err().code(), "file-too-large");
}

/// A safetensors file of a header, padded, and data.
fn with_header(header: &str, length: usize, data: usize) -> Vec<u8> {
    let mut bytes = (length as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(8 + length, b' ');
    bytes.resize(8 + length + data, 0);
    bytes
}

fn open_file(bytes: Vec<u8>) -> Result<Safetensors, Error> {
    let source = Altered::default();
    source.replace(SAE, bytes);
    pollster::block_on(Safetensors::open(&source, &format!("{TINY}/{SAE}"), &Sizes::default()))
}

#[test]
fn headers_are_bounded_and_describe_each_byte_once() {
    let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let most = MAX_HEADER_BYTES as usize;
    open_file(with_header(header, most, 8)).unwrap();
    let refused = |bytes: Vec<u8>| {
        let error = open_file(bytes).err().expect("refused");
        assert_eq!(error.code(), "safetensors-invalid", "{error}");
        error.to_string()
    };
    refused(with_header(header, most + 1, 8));
    let tensor = |name: &str, rest: &str| format!(r#""{name}":{{"dtype":"F32",{rest}}}"#);
    for (tensors, says) in [
        // Beyond 64 bits, beyond what JavaScript counts, and one tensor twice.
        (
            tensor("a", r#""shape":[4294967296,4294967296],"data_offsets":[0,0]"#),
            "impossible shape",
        ),
        (
            tensor("a", r#""shape":[2251799813685248],"data_offsets":[0,9007199254740992]"#),
            "no file",
        ),
        (tensor("a", r#""shape":[2],"data_offsets":[18446744073709551615,7]"#), "behind the one"),
        (
            [
                tensor("a", r#""shape":[1],"data_offsets":[0,4]"#),
                tensor("a", r#""shape":[1],"data_offsets":[4,8]"#),
            ]
            .join(","),
            "twice",
        ),
        (tensor("a", r#""shape":[-2],"data_offsets":[0,8]"#), "invalid value"),
        (tensor("a", r#""shape":[2.5],"data_offsets":[0,10]"#), "invalid type"),
        (r#""a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}"#.into(), "unknown type"),
        (r#""a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}"#.into(), "unknown type"),
    ] {
        let header = format!("{{{tensors}}}");
        let said = refused(with_header(&header, header.len(), 8));
        assert!(said.contains(says), "{said}");
    }
    // Whatever a name holds, a message stays short.
    let name = "x".repeat(1_000_000);
    let long = format!("{{{}}}", tensor(&name, r#""shape":[3],"data_offsets":[0,8]"#));
    assert!(refused(with_header(&long, long.len(), 8)).len() < 500);
}

/// Files of more than 4 GiB and tensors of more than 2^32 bits are as good as any other; a tensor that
/// would not fit in memory says so.
#[test]
fn large_files_are_read_and_large_tensors_named() {
    let giant = r#"{"a":{"dtype":"F16","shape":[4000000,1024],"data_offsets":[0,8192000000]},
        "b":{"dtype":"F32","shape":[2],"data_offsets":[8192000000,8192000008]}}"#;
    let source = Altered::default();
    source.hide_length();
    source.replace(SAE, with_header(giant, giant.len(), 0));
    let path = format!("{TINY}/{SAE}");
    let file = pollster::block_on(Safetensors::open(&source, &path, &Sizes::default())).unwrap();
    let start = 8 + giant.len() as u64;
    let row = file.part("a", &[4_000_000, 1024], 3_999_999..4_000_000).unwrap();
    assert_eq!(row.range, start + 8_191_997_952..start + 8_192_000_000);
    assert_eq!(file.part("b", &[2], 0..2).unwrap().range.start, start + 8_192_000_000);
    let error = file.part("a", &[4_000_000, 1024], 0..4_000_000).unwrap_err();
    assert_eq!(error.code(), "tensor-too-large");
    assert!(error.to_string().contains("16384000000 bytes"), "{error}");
    // What is promised and not there is an error, as soon as it is asked for.
    let error = pollster::block_on(async {
        let mut meter = Meter::start(&Unwatched, Phase::Load, 0).await?;
        file.read_rows(&source, "a", &[4_000_000, 1024], 0..200_000, &mut meter).await
    });
    let error = error.unwrap_err();
    assert_eq!(error.code(), "fetch-failed");
    assert!(error.to_string().contains("0 bytes came"), "{error}");
}

#[test]
fn a_file_cut_short_where_nobody_tells_its_length_is_an_error() {
    let source = Altered::default();
    source.hide_length();
    let plain = ask(&open(&source).unwrap(), good()).unwrap();
    for (name, cut) in [(SAE, 40), (MODEL, 4)] {
        let mut bytes = file(name);
        bytes.truncate(bytes.len() - cut);
        source.replace(name, bytes);
    }
    // The last tensor of either file is among those that this reads.
    let logits = latent_to_logit("The tower", 3, 3);
    let error = ask(&open(&source).unwrap(), logits).unwrap_err();
    assert_eq!(error.code(), "fetch-failed", "{error}");
    source.restore();
    assert_eq!(ask(&open(&source).unwrap(), good()).unwrap(), plain);
}

/// An SAE at layer 3 with these latents, all of them active everywhere.
fn all_active(d_sae: usize) -> Altered {
    let source = Altered::default();
    source.replace(SAE_CFG, with(SAE_CFG, "/d_sae", d_sae.into()));
    source.replace(
        SAE,
        changed(SAE, |tensors| {
            tensors.insert("W_enc".into(), Raw::floats(&[64, d_sae], |i| (i % 5) as f32 * 1e-6));
            tensors.insert("W_dec".into(), Raw::floats(&[d_sae, 64], |i| (i % 3) as f32 * 1e-6));
            tensors.insert("b_enc".into(), Raw::floats(&[d_sae], |_| 1.0));
        }),
    );
    source
}

#[test]
fn results_beyond_memory_are_refused_before_they_are_computed() {
    let prompt = " the".repeat(127);
    // 128 × 512 latents twice: 4.3 thousand million pairs.
    let source = all_active(512);
    for name in ["cfg.json", "sae_weights.safetensors"] {
        let [later, earlier] =
            [3, 2].map(|layer| format!("saes/blocks.{layer}.hook_resid_pre/{name}"));
        let mut bytes = if name == "cfg.json" {
            with(SAE_CFG, "/hook_name", "blocks.2.hook_resid_pre".into()).into_bytes()
        } else {
            source.get(&later)
        };
        if name == "cfg.json" {
            let mut cfg: Value = serde_json::from_slice(&bytes).unwrap();
            cfg["hook_layer"] = 2.into();
            bytes = cfg.to_string().into_bytes();
        }
        source.replace(&earlier, bytes);
    }
    let pairs = latent_to_latent(&prompt, 2, 3);
    let (code, said) = code_of(&source, pairs);
    assert_eq!(code, "result-too-large");
    assert!(said.contains("65536 × 65536"), "{said}");
    // 128 × 4,096 latents at one place.
    let one = latent_to_logit(&prompt, 3, 1);
    let (code, said) = code_of(&all_active(4096), one);
    assert_eq!(code, "too-many-latents");
    assert!(said.contains("blocks.3.hook_resid_pre"), "{said}");
}

#[test]
fn prompts_beyond_memory_are_refused_before_they_are_computed() {
    let config = |key: &str, value: u32| {
        let json = with(CONFIG, &format!("/{key}"), value.into());
        Gpt2Config::from_json("config.json", json.as_bytes())
    };
    assert_eq!(config("n_ctx", 1024).unwrap().max_positions(), 1024);
    let heads = config("n_ctx", 1 << 20).unwrap();
    let n = heads.max_positions();
    assert!(heads.n_head * n * n <= 1 << 26 && heads.n_head * (n + 1) * (n + 1) > 1 << 26, "{n}");
    assert_eq!(config("n_inner", 1 << 18).unwrap().max_positions(), 128);
    for (key, value) in
        [("n_ctx", 1 << 21), ("n_embd", 1 << 30), ("vocab_size", 1 << 19), ("n_layer", u32::MAX)]
    {
        assert_eq!(config(key, value).unwrap_err().code(), "config-invalid", "{key}");
    }
    // Four times as much would not fit in 32 bits.
    let json = with(CONFIG, "/n_embd", (1u64 << 62).into());
    let mut json: Value = serde_json::from_str(&json).unwrap();
    json.as_object_mut().unwrap().remove("n_inner");
    let error = Gpt2Config::from_json("config.json", json.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.code(), "config-invalid");
}

#[test]
fn messages_hold_little_of_what_a_file_says() {
    let long = "x".repeat(500_000);
    for (pointer, value) in [
        ("/hook_name", json!(long)),
        ("/architecture", json!(long)),
        ("/activation_fn_str", json!(long)),
        ("/normalize_activations", json!(long)),
        ("/normalize_activations", json!([long])),
        ("/d_in", json!(long)),
    ] {
        let json = with(SAE_CFG, pointer, value);
        let error =
            SaeConfig::from_json("cfg.json", json.as_bytes(), SaeHints::default()).unwrap_err();
        assert!(error.to_string().len() < 500, "{pointer}: {}", error.to_string().len());
    }
}

#[test]
fn numbers_that_are_none_are_errors_wherever_they_arise() {
    let infinities = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    for value in infinities {
        let tensor = upload(vec![1.0, value], 2, &crate::common::device::device());
        let error = pollster::block_on(read_back(tensor, "numbers")).unwrap_err();
        assert_eq!(error, Error::ResultNotFinite { stage: "numbers" });
    }
    let gated = |r_mag: f32, b_mag: f32| {
        let source = Altered::default();
        source.replace(SAE_CFG, with(SAE_CFG, "/architecture", "gated".into()));
        source.replace(
            SAE,
            changed(SAE, |tensors| {
                let b_enc = tensors.remove("b_enc").unwrap();
                tensors.insert("b_gate".into(), b_enc.clone());
                tensors.insert("b_mag".into(), Raw::floats(&[512], |_| b_mag));
                tensors.insert("r_mag".into(), Raw::floats(&[512], |_| r_mag));
            }),
        );
        source
    };
    ask(&open(&gated(0.5, 0.1)).unwrap(), good()).unwrap();
    // exp(100) is no float32; exp(88) is, but what it is multiplied with becomes none; and what a
    // large activation writes is none.
    let logits = latent_to_logit("The tower", 3, 3);
    for (r_mag, b_mag, request) in [
        (100.0, 0.0, good()),
        (100.0, 0.0, logits.clone()),
        (88.0, 0.0, good()),
        (88.0, 0.0, logits.clone()),
        (0.0, f32::MAX, logits),
    ] {
        let (code, said) = code_of(&gated(r_mag, b_mag), request);
        assert_eq!(code, "result-not-finite", "{r_mag} {b_mag}: {said}");
    }
    // A factor that float32 cannot hold.
    for factor in [1e-60, 1e60, 0.0, -1.0] {
        let source = Altered::default();
        let mut cfg: Value = serde_json::from_slice(&file(SAE_CFG)).unwrap();
        cfg["normalize_activations"] = "expected_average_only_in".into();
        cfg["norm_scaling_factor"] = factor.into();
        source.replace(SAE_CFG, cfg.to_string());
        assert_eq!(code_of(&source, good()).0, "config-invalid", "{factor}");
    }
    let source = Altered::default();
    source.replace(CONFIG, with(CONFIG, "/layer_norm_epsilon", 1e-60.into()));
    assert_eq!(code_of(&source, good()).0, "config-invalid");
}

/// A latent is active over its threshold, not at it.
#[test]
fn jumprelu_latents_at_their_threshold_are_inactive() {
    let active = |threshold: f32| {
        let source = Altered::default();
        source.replace(SAE_CFG, with(SAE_CFG, "/architecture", "jumprelu".into()));
        source.replace(
            SAE,
            changed(SAE, |tensors| {
                tensors.get_mut("W_enc").unwrap().change(|_, _| 0.0);
                tensors.get_mut("b_enc").unwrap().change(|i, _| if i == 7 { 0.5 } else { -1.0 });
                tensors.insert("threshold".into(), Raw::floats(&[512], |_| threshold));
            }),
        );
        ask(&open(&source).unwrap(), good()).unwrap().targets.latent
    };
    assert_eq!(active(0.5), [0u32; 0]);
    assert_eq!(active(0.5f32.next_down()), [7; 3]);
}

#[test]
fn types_that_are_not_computed_with_are_named() {
    let source = Altered::default();
    source
        .replace(SAE, changed(SAE, |tensors| tensors.get_mut("b_enc").unwrap().dtype = Dtype::U32));
    let (code, said) = code_of(&source, good());
    assert_eq!(code, "tensor-dtype");
    assert!(said.contains("\"b_enc\"") && said.contains("U32"), "{said}");
}
