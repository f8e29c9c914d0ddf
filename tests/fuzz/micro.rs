//! A model with everything in it and hardly any size: a session over it takes a fraction of a
//! millisecond, so that a hundred thousand can be tried.

use std::collections::HashMap;

use serde_json::{Value, json};

pub(crate) const D_MODEL: usize = 8;
pub(crate) const N_LAYER: usize = 2;
pub(crate) const N_HEAD: usize = 2;
pub(crate) const D_MLP: usize = 12;
pub(crate) const N_CTX: usize = 16;
pub(crate) const D_SAE: usize = 10;

/// Merges beyond the 256 bytes.
const MERGES: [&str; 6] = ["t h", "th e", "Ġ the", "i n", "Ġ in", "Ġ t"];
pub(crate) const VOCAB_SIZE: usize = 256 + MERGES.len() + 1;
pub(crate) const BOS: u32 = VOCAB_SIZE as u32 - 1;

pub(crate) const CONFIG: &str = "model/config.json";
pub(crate) const TOKENIZER: &str = "model/tokenizer.json";
pub(crate) const MODEL: &str = "model/model.safetensors";

/// Places with an SAE, of every architecture.
pub(crate) const HOOKS: [&str; 8] = [
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_pre",
    "blocks.1.hook_resid_post",
    "blocks.0.attn.hook_z",
    "blocks.0.hook_attn_out",
    "blocks.1.hook_resid_mid",
    "blocks.1.ln2.hook_normalized",
    "blocks.0.hook_mlp_out",
];

pub(crate) fn cfg_path(sae: usize) -> String {
    format!("saes/{}/cfg.json", HOOKS[sae])
}

pub(crate) fn sae_path(sae: usize) -> String {
    format!("saes/{}/sae_weights.safetensors", HOOKS[sae])
}

/// A tensor of a file: name, type, shape, bytes.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) bytes: Vec<u8>,
}

impl Tensor {
    fn floats(name: &str, shape: &[usize], state: &mut u32, scale: f32) -> Self {
        let n: usize = shape.iter().product();
        let mut next = || {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((*state >> 8) as f32 / (1u32 << 23) as f32 - 1.0) * scale
        };
        Self {
            name: name.into(),
            dtype: "F32".into(),
            shape: shape.iter().map(|&side| side as u64).collect(),
            bytes: (0..n).flat_map(|_| next().to_le_bytes()).collect(),
        }
    }
}

/// A safetensors header and the data behind it.
pub(crate) fn layout(tensors: &[Tensor]) -> (Value, Vec<u8>) {
    let mut header = serde_json::Map::new();
    let mut data: Vec<u8> = Vec::new();
    for Tensor { name, dtype, shape, bytes } in tensors {
        let range = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": range}));
        data.extend(bytes);
    }
    (header.into(), data)
}

pub(crate) fn container(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header, data].concat()
}

pub(crate) fn config() -> Value {
    json!({
        "n_layer": N_LAYER, "n_embd": D_MODEL, "n_head": N_HEAD, "n_inner": D_MLP, "n_ctx": N_CTX,
        "n_positions": N_CTX, "vocab_size": VOCAB_SIZE, "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new", "bos_token_id": BOS, "scale_attn_weights": true,
        "scale_attn_by_inverse_layer_idx": false, "model_type": "gpt2",
    })
}

pub(crate) fn tokenizer() -> Value {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = (0x100u32..).filter_map(char::from_u32);
    let chars = (0..=255u8).map(|byte| match printable(&byte) {
        true => char::from(byte),
        false => others.next().unwrap(),
    });
    let mut vocab = serde_json::Map::new();
    for (id, c) in chars.enumerate() {
        vocab.insert(c.to_string(), id.into());
    }
    for (i, merge) in MERGES.iter().enumerate() {
        vocab.insert(merge.replace(' ', ""), (256 + i).into());
    }
    vocab.insert("<|endoftext|>".into(), BOS.into());
    json!({
        "version": "1.0",
        "added_tokens": [{"id": BOS, "content": "<|endoftext|>", "special": true}],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "vocab": vocab, "merges": MERGES,
        },
    })
}

pub(crate) fn cfg(sae: usize) -> Value {
    let mut cfg = json!({
        "d_in": D_MODEL, "d_sae": D_SAE, "hook_name": HOOKS[sae], "hook_layer": 1,
        "dtype": "float32", "apply_b_dec_to_input": true, "normalize_activations": "none",
        "prepend_bos": true, "context_size": 16,
    });
    match sae {
        0 | 4 => cfg["architecture"] = "standard".into(),
        3 => {
            cfg["architecture"] = "jumprelu".into();
            cfg["reshape_activations"] = "hook_z".into();
        }
        6 => {
            // As sae_lens 6 writes it.
            cfg = json!({
                "architecture": "transcoder", "d_in": D_MODEL, "d_out": D_MODEL, "d_sae": D_SAE,
                "dtype": "float32", "apply_b_dec_to_input": false,
                "normalize_activations": "none", "reshape_activations": "none",
                "metadata": {
                    "hook_name": HOOKS[sae], "hook_name_out": "blocks.1.hook_mlp_out",
                    "hook_head_index": null, "prepend_bos": true, "sae_lens_version": "6.1.0",
                },
            });
        }
        7 => {
            cfg["normalize_activations"] = "expected_average_only_in".into();
            cfg["norm_scaling_factor"] = 1.5.into();
        }
        1 | 5 => {
            cfg["architecture"] = "gated".into();
            cfg["normalize_activations"] = "layer_norm".into();
        }
        _ => {
            cfg["architecture"] = "topk".into();
            cfg["activation_fn_kwargs"] = json!({"k": 4});
            cfg["rescale_acts_by_decoder_norm"] = true.into();
        }
    }
    cfg
}

pub(crate) fn model_tensors() -> Vec<Tensor> {
    let mut state = 1;
    let d = D_MODEL;
    let mut all = vec![
        Tensor::floats("wte.weight", &[VOCAB_SIZE, d], &mut state, 1.0),
        Tensor::floats("wpe.weight", &[N_CTX, d], &mut state, 0.3),
        Tensor::floats("ln_f.weight", &[d], &mut state, 1.0),
        Tensor::floats("ln_f.bias", &[d], &mut state, 0.2),
    ];
    for layer in 0..N_LAYER {
        for (name, shape) in [
            ("ln_1.weight", vec![d]),
            ("ln_1.bias", vec![d]),
            ("attn.c_attn.weight", vec![d, 3 * d]),
            ("attn.c_attn.bias", vec![3 * d]),
            ("attn.c_proj.weight", vec![d, d]),
            ("attn.c_proj.bias", vec![d]),
            ("ln_2.weight", vec![d]),
            ("ln_2.bias", vec![d]),
            ("mlp.c_fc.weight", vec![d, D_MLP]),
            ("mlp.c_fc.bias", vec![D_MLP]),
            ("mlp.c_proj.weight", vec![D_MLP, d]),
            ("mlp.c_proj.bias", vec![d]),
        ] {
            all.push(Tensor::floats(&format!("h.{layer}.{name}"), &shape, &mut state, 0.6));
        }
    }
    all
}

pub(crate) fn sae_tensors(sae: usize) -> Vec<Tensor> {
    let mut state = 100 + sae as u32;
    let mut make = |name: &str, shape: &[usize]| Tensor::floats(name, shape, &mut state, 0.8);
    let mut all = vec![
        make("W_enc", &[D_MODEL, D_SAE]),
        make("W_dec", &[D_SAE, D_MODEL]),
        make("b_dec", &[D_MODEL]),
        make("b_dec_out", &[D_MODEL]),
    ];
    // What every architecture reads, so that another one in cfg.json is one that can be loaded.
    for name in ["b_enc", "b_gate", "b_mag", "r_mag", "threshold"] {
        all.push(make(name, &[D_SAE]));
    }
    all
}

fn file(tensors: &[Tensor]) -> Vec<u8> {
    let (header, data) = layout(tensors);
    container(header.to_string().as_bytes(), &data)
}

/// All files of the model, by path.
pub(crate) fn files() -> HashMap<String, Vec<u8>> {
    let mut files = HashMap::from([
        (CONFIG.into(), config().to_string().into_bytes()),
        (TOKENIZER.into(), tokenizer().to_string().into_bytes()),
        (MODEL.into(), file(&model_tensors())),
    ]);
    for sae in 0..HOOKS.len() {
        files.insert(cfg_path(sae), cfg(sae).to_string().into_bytes());
        files.insert(sae_path(sae), file(&sae_tensors(sae)));
    }
    files
}
