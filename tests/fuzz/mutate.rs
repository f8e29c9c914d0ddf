//! Input that is nearly right: bytes say which valid file is changed where and into what, so that a
//! fuzzer that changes those bytes changes files without breaking all of them at their first letter.

use arbitrary::Unstructured;
use serde_json::{Map, Value};

use crate::micro::{self, HOOKS, Tensor};

/// Bytes that say what to do; where they end, nothing more is done.
pub(crate) type Choices<'a> = Unstructured<'a>;

/// A number below `n`.
pub(crate) fn below(choices: &mut Choices<'_>, n: usize) -> usize {
    choices.int_in_range(0..=n.max(1) - 1).unwrap_or(0)
}

pub(crate) fn one_in(choices: &mut Choices<'_>, n: usize) -> bool {
    below(choices, n) == 1
}

pub(crate) fn pick<'v, T>(choices: &mut Choices<'_>, values: &'v [T]) -> &'v T {
    &values[below(choices, values.len())]
}

const NUMBERS: [&str; 30] = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "8",
    "9",
    "10",
    "15",
    "16",
    "255",
    "256",
    "4096",
    "65536",
    "16777216",
    "2147483647",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "1e400",
    "-1",
    "-0.0",
    "0.5",
    "1e-320",
    "1e38",
    "3.5e38",
    "-1e300",
    "1e-5",
    "12345678901234567890123",
];

const TEXTS: [&str; 28] = [
    "",
    " ",
    "a",
    "the",
    " the",
    "\u{0}",
    "\n",
    "😀",
    "\u{202e}x",
    "\u{fffd}",
    "İ",
    "ǅ",
    "####",
    "<|endoftext|>",
    "F32",
    "F16",
    "BF16",
    "F64",
    "topk",
    "gated",
    "jumprelu",
    "standard",
    "relu",
    "layer_norm",
    "constant_norm_rescale",
    "expected_average_only_in",
    "__proto__",
    "blocks.18446744073709551616.hook_resid_pre",
];

const KEYS: [&str; 20] = [
    "n_layer",
    "n_inner",
    "vocab_size",
    "bos_token_id",
    "d_in",
    "d_sae",
    "k",
    "architecture",
    "activation_fn_str",
    "normalize_activations",
    "norm_scaling_factor",
    "hook_head_index",
    "metadata",
    "hook_point",
    "dtype",
    "shape",
    "data_offsets",
    "byte_fallback",
    "dropout",
    "continuing_subword_prefix",
];

fn number(choices: &mut Choices<'_>) -> Value {
    // What is no number of JSON is its text.
    serde_json::from_str::<Value>(pick::<&str>(choices, &NUMBERS)).unwrap_or(Value::Null)
}

fn value(choices: &mut Choices<'_>) -> Value {
    match below(choices, 10) {
        0..4 => number(choices),
        4 | 5 => (*pick(choices, &TEXTS)).into(),
        6 => pick(choices, &[Value::Null, true.into(), false.into()]).clone(),
        7 => {
            let n = *pick(choices, &[0, 1, 2, 300]);
            Value::Array(vec![number(choices); n])
        }
        8 => "x".repeat(*pick(choices, &[100, 10_000])).into(),
        _ => {
            let mut nested = number(choices);
            for _ in 0..*pick(choices, &[1, 3, 200]) {
                nested = match nested {
                    Value::Array(_) => Value::Object(Map::from_iter([("a".into(), nested)])),
                    other => Value::Array(vec![other]),
                };
            }
            nested
        }
    }
}

/// Some place within a value.
fn place<'v>(choices: &mut Choices<'_>, value: &'v mut Value) -> &'v mut Value {
    let (n, is_here) = match &*value {
        Value::Array(items) => (items.len(), one_in(choices, 6)),
        Value::Object(items) => (items.len(), one_in(choices, 6)),
        _ => (0, true),
    };
    if is_here || n == 0 {
        return value;
    }
    let at = below(choices, n);
    match value {
        Value::Array(items) => place(choices, &mut items[at]),
        Value::Object(items) => place(choices, items.values_mut().nth(at).unwrap()),
        _ => unreachable!("it has items"),
    }
}

/// Changes a few places of a JSON value.
pub(crate) fn json(choices: &mut Choices<'_>, whole: &mut Value) {
    for _ in 0..below(choices, 4) {
        let with = value(choices);
        let kind = below(choices, 8);
        let at = place(choices, whole);
        match (kind, at) {
            (0, Value::Object(items)) => {
                let key = items.keys().nth(below(choices, items.len().max(1))).cloned();
                key.and_then(|key| items.remove(&key));
            }
            (0, Value::Array(items)) => drop(items.pop()),
            (1, Value::Object(items)) => {
                let key =
                    if one_in(choices, 2) { *pick(choices, &KEYS) } else { *pick(choices, &TEXTS) };
                items.insert(key.into(), with);
            }
            (1, Value::Array(items)) => items.push(with),
            (2, at) if at.is_u64() => {
                let before = at.as_u64().unwrap();
                let near =
                    [before.wrapping_add(1), before.wrapping_sub(1), before << 1, before >> 1];
                *at = (*pick(choices, &near)).into();
            }
            (_, at) => *at = with,
        }
    }
}

/// Changes a few bytes.
pub(crate) fn bytes(choices: &mut Choices<'_>, bytes: &mut Vec<u8>) {
    for _ in 0..below(choices, 4) {
        let at = below(choices, bytes.len() + 1);
        match below(choices, 6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, below(choices, 256) as u8),
            2 if at < bytes.len() => bytes[at] ^= 1 << below(choices, 8),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            4 => {
                let end = (at + below(choices, 20)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.extend(std::iter::repeat_n(b' ', below(choices, 100))),
        }
    }
}

/// JSON text, changed as a value and then, at times, as bytes.
pub(crate) fn json_text(choices: &mut Choices<'_>, mut value: Value) -> Vec<u8> {
    json(choices, &mut value);
    let mut text = value.to_string().into_bytes();
    if one_in(choices, 4) {
        bytes(choices, &mut text);
    }
    text
}

/// Numbers that are no good in weights, and some that are.
const FLOATS: [f32; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1e-45,
    1e-30,
    1e5,
    1e18,
    1e30,
    3.4e38,
    -3.4e38,
    88.0,
    f32::NAN,
    f32::INFINITY,
];

fn tensor(choices: &mut Choices<'_>, tensor: &mut Tensor) {
    match below(choices, 9) {
        0 => {
            let at = below(choices, tensor.bytes.len() / 4);
            let float = pick(choices, &FLOATS).to_le_bytes();
            if let Some(to) = tensor.bytes.get_mut(4 * at..4 * at + 4) {
                to.copy_from_slice(&float);
            }
        }
        1 | 6 => {
            let float = pick(choices, &FLOATS).to_le_bytes();
            tensor.bytes.chunks_exact_mut(4).for_each(|to| to.copy_from_slice(&float));
        }
        2 | 7 | 8 => {
            let factor = *pick(choices, &FLOATS);
            for to in tensor.bytes.chunks_exact_mut(4) {
                let old = f32::from_le_bytes(to.try_into().unwrap());
                to.copy_from_slice(&(old * factor).to_le_bytes());
            }
        }
        3 => {
            // The same bytes, as twice as many numbers.
            tensor.dtype = (*pick(choices, &["F16", "BF16", "I32", "F8_E4M3", "BOOL"])).into();
            if let (Some(last), true) = (tensor.shape.last_mut(), one_in(choices, 2)) {
                *last *= 2;
            }
        }
        4 => tensor.shape.reverse(),
        _ => tensor.name.push('x'),
    }
}

/// A safetensors file: its tensors, its header and its bytes, each changed at times.
pub(crate) fn safetensors(choices: &mut Choices<'_>, mut tensors: Vec<Tensor>) -> Vec<u8> {
    for _ in 0..below(choices, 3) {
        let at = below(choices, tensors.len());
        if one_in(choices, 8) {
            tensors.remove(at);
        } else {
            tensor(choices, &mut tensors[at]);
        }
        if tensors.is_empty() {
            break;
        }
    }
    let (header, mut data) = micro::layout(&tensors);
    let header = match one_in(choices, 2) {
        true => json_text(choices, header),
        false => header.to_string().into_bytes(),
    };
    if one_in(choices, 6) {
        bytes(choices, &mut data);
    }
    let mut file = micro::container(&header, &data);
    if one_in(choices, 8) {
        let length = number(choices).as_u64().unwrap_or(u64::MAX);
        file[..8].copy_from_slice(&length.to_le_bytes());
    }
    if one_in(choices, 8) {
        bytes(choices, &mut file);
    }
    file
}

const PROMPTS: [&str; 12] = [
    "",
    "the",
    "in the inn",
    " the\nthe",
    "<|endoftext|>",
    "<|endoftext|><|endoftext|>the",
    "😀é",
    "the the the the the the the the the the the the the the",
    "\u{0}",
    "a\u{301}",
    "\u{202e}",
    "x",
];

/// A request, whose form is right or nearly so.
pub(crate) fn request(choices: &mut Choices<'_>) -> Value {
    let strange = ["blocks.2.hook_resid_pre", "blocks.9.hook_mlp_out", "tokens", "blocks.1.hook_x"];
    let mut place = || match below(choices, 8) {
        0 => *pick(choices, &strange),
        _ => *pick(choices, &HOOKS),
    };
    let [a, b] = [place(), place()];
    let prompt = *pick(choices, &PROMPTS);
    let mut token = || match below(choices, 4) {
        0 => number(choices),
        _ => (*pick(choices, &["the", " the", "in", "x", "", "zz"])).into(),
    };
    let [positive, negative] = [token(), token()];
    let from = if one_in(choices, 4) { "tokens" } else { a };
    let to = match below(choices, 5) {
        0 => serde_json::json!({"top_logits": number(choices)}),
        1 => serde_json::json!({"logits": [positive, negative]}),
        2 => serde_json::json!({"logit_difference": [positive, negative]}),
        _ => b.into(),
    };
    let mut request = serde_json::json!({"prompt": prompt, "from": from, "to": to});
    if one_in(choices, 3) {
        request["error"] = (*pick(choices, &["keep", "omit", "half"])).into();
    }
    if one_in(choices, 3) {
        request["threshold"] = number(choices);
    }
    if one_in(choices, 3) {
        request["method"] = match below(choices, 4) {
            0 => "frozen".into(),
            1 => "gradient".into(),
            2 => serde_json::json!({"integrated": number(choices)}),
            _ => serde_json::json!({"integrated": below(choices, 4)}),
        };
    }
    if one_in(choices, 3) {
        request["patch"] = (*pick(choices, &PROMPTS)).into();
    }
    if one_in(choices, 3) {
        request["measure"] = true.into();
    }
    if one_in(choices, 4) {
        json(choices, &mut request);
    }
    request
}

/// A run with latents changed, a continuation or curves, by `kind`: good or not.
pub(crate) fn other_request(choices: &mut Choices<'_>, kind: usize) -> Value {
    let mut index = |most: usize| match below(choices, 6) {
        0 => number(choices),
        _ => below(choices, most).into(),
    };
    let (pos, latent, count) = (index(4), index(8), index(6));
    let (place, prompt) = (*pick(choices, &HOOKS), *pick(choices, &PROMPTS));
    let value = if one_in(choices, 2) { number(choices) } else { 2.5.into() };
    let mut asked = match kind {
        0 => {
            let how = *pick(choices, &["set", "times", "set", "by"]);
            let edit =
                serde_json::json!({"place": place, "pos": pos, "latent": latent, how: value});
            serde_json::json!({"prompt": prompt, "edits": [edit], "observe": [place]})
        }
        1 => {
            let steer = serde_json::json!([{"place": place, "latent": latent, "factor": value}]);
            serde_json::json!({"prompt": prompt, "steer": steer, "max_tokens": count,
                "temperature": if one_in(choices, 2) { value } else { 0.into() }})
        }
        _ => {
            let request = request(choices);
            serde_json::json!({"request": request, "target": pos, "counts": [0, count]})
        }
    };
    if one_in(choices, 4) {
        json(choices, &mut asked);
    }
    asked
}
