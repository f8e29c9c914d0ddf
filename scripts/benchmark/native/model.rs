//! A model of random numbers that is nowhere: its files are written as they are read.

use std::collections::HashMap;
use std::ops::Range;

use sae_attribution::source::{Chunk, LocalFuture, Source};
use sae_attribution::{Addresses, Error, ModelAddress, Result, SaeAddress};
use serde_json::{Map, Value, json};

/// Sizes of a model, and the layers that the analyses are between.
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) n_layer: usize,
    pub(crate) d_model: usize,
    pub(crate) n_head: usize,
    pub(crate) vocab_size: usize,
    pub(crate) d_sae: usize,
    /// Rows of the products that are measured.
    pub(crate) rows: &'static [usize],
    /// The last layer with an SAE that is differentiated to, and the one that logits are from.
    pub(crate) layers: [usize; 2],
}

pub(crate) const SIZES: [Size; 2] = [
    Size {
        name: "gpt2-small",
        n_layer: 12,
        d_model: 768,
        n_head: 12,
        vocab_size: 50_257,
        d_sae: 24_576,
        rows: &[9, 64, 512, 2048],
        layers: [3, 9],
    },
    Size {
        name: "tiny",
        n_layer: 4,
        d_model: 64,
        n_head: 4,
        vocab_size: 3_001,
        d_sae: 512,
        rows: &[9, 64],
        layers: [3, 2],
    },
];

/// Latents that are active at a position: over nine tokens 99, 180 and 522, about as many as the prompts of
/// the notebook have in the SAEs of layers 0, 3 and 9.
fn active(layer: usize) -> usize {
    match layer {
        0 => 11,
        9.. => 58,
        _ => 20,
    }
}

/// A file as it would lie on a disk.
enum File {
    Text(Vec<u8>),
    Tensors(Vec<u8>, Vec<Tensor>),
}

/// Numbers of a file.
struct Tensor {
    /// By how many of the file's numbers it begins and ends.
    range: Range<u64>,
    /// What its numbers are around, and how far from it at most.
    around: f32,
    spread: f32,
}

impl Tensor {
    /// The same number at the same place of a file every time: SplitMix64.
    fn value(&self, at: u64) -> f32 {
        let z = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.around + self.spread * ((z >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    }
}

/// A safetensors file of these tensors: name, shape, middle and spread of the numbers.
fn tensors(of: &[(String, Vec<usize>, f32, f32)]) -> File {
    let (mut described, mut found, mut end) = (Map::new(), Vec::new(), 0);
    for (name, shape, around, spread) in of {
        let start = end;
        end += shape.iter().product::<usize>() as u64;
        let offsets = [4 * start, 4 * end];
        let tensor = json!({"dtype": "F32", "shape": shape, "data_offsets": offsets});
        described.insert(name.clone(), tensor);
        found.push(Tensor { range: start..end, around: *around, spread: *spread });
    }
    let mut text = Value::Object(described).to_string();
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    let header = [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    File::Tensors(header, found)
}

impl File {
    fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Tensors(header, of) => {
                header.len() as u64 + 4 * of.last().map_or(0, |tensor| tensor.range.end)
            }
        }
    }

    fn read(&self, range: Range<u64>) -> Vec<u8> {
        let (start, end) = (range.start.min(self.len()), range.end.min(self.len()));
        let (head, of) = match self {
            Self::Text(text) => (text, &[][..]),
            Self::Tensors(header, tensors) => (header, &tensors[..]),
        };
        let n = head.len() as u64;
        let mut bytes = head[start.min(n) as usize..end.min(n) as usize].to_vec();
        // Numbers are written whole, and what was not asked for of the first and the last is cut off.
        let numbers = (start.max(n) - n) / 4..(end.max(n) - n).div_ceil(4);
        let skipped = (start.max(n) - n) % 4;
        let first = bytes.len();
        for tensor in of {
            let within = numbers.start.max(tensor.range.start)..numbers.end.min(tensor.range.end);
            bytes.extend(within.flat_map(|at| tensor.value(at).to_le_bytes()));
        }
        bytes.drain(first..first + skipped as usize);
        bytes.truncate((end - start) as usize);
        bytes
    }
}

/// A model of this size and SAEs of its residual stream.
pub(crate) struct Random(HashMap<String, File>);

impl Random {
    pub(crate) fn new(size: &Size) -> Self {
        let &Size { n_layer, d_model: d, n_head, vocab_size, d_sae, layers, .. } = size;
        let end = vocab_size - 1;
        let config = json!({
            "n_layer": n_layer, "n_embd": d, "n_head": n_head, "n_ctx": 1024,
            "vocab_size": vocab_size, "bos_token_id": end,
        });
        // One token a character; the others are never met.
        let characters = ('!'..='~').chain(['Ġ']);
        let mut vocab: Map<String, Value> =
            characters.zip(0u32..).map(|(c, id)| (c.into(), id.into())).collect();
        vocab.insert("<|endoftext|>".into(), end.into());
        let tokenizer = json!({
            "model": {"type": "BPE", "vocab": vocab, "merges": []},
            "added_tokens": [{"id": end, "content": "<|endoftext|>"}],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        });
        let mut files = HashMap::new();
        let mut add = |name: &str, file| files.insert(name.to_owned(), file);
        let text = |value: Value| File::Text(value.to_string().into_bytes());
        add("model/config.json", text(config));
        add("model/tokenizer.json", text(tokenizer));

        // As GPT-2 begins: a standard deviation of 0.02, gains of 1, biases of 0.
        let spread = 0.035;
        let mut of = vec![
            ("wte.weight".to_owned(), vec![vocab_size, d], 0.0, spread),
            ("wpe.weight".to_owned(), vec![1024, d], 0.0, spread / 2.0),
        ];
        let norm = |of: &mut Vec<_>, name: String| {
            of.push((format!("{name}.weight"), vec![d], 1.0, 0.1));
            of.push((format!("{name}.bias"), vec![d], 0.0, spread));
        };
        for layer in 0..n_layer {
            let dense = |of: &mut Vec<_>, name, d_in, d_out| {
                of.push((format!("h.{layer}.{name}.weight"), vec![d_in, d_out], 0.0, spread));
                of.push((format!("h.{layer}.{name}.bias"), vec![d_out], 0.0, spread));
            };
            norm(&mut of, format!("h.{layer}.ln_1"));
            dense(&mut of, "attn.c_attn", d, 3 * d);
            dense(&mut of, "attn.c_proj", d, d);
            norm(&mut of, format!("h.{layer}.ln_2"));
            dense(&mut of, "mlp.c_fc", d, 4 * d);
            dense(&mut of, "mlp.c_proj", 4 * d, d);
        }
        norm(&mut of, "ln_f".into());
        add("model/model.safetensors", tensors(&of));

        for layer in [0, layers[0], layers[1]] {
            let place = format!("blocks.{layer}.hook_resid_pre");
            let config = json!({
                "architecture": "topk", "k": active(layer), "d_in": d, "d_sae": d_sae,
                "apply_b_dec_to_input": true, "hook_name": place,
            });
            add(&format!("saes/{place}/cfg.json"), text(config));
            let spread = 1.0 / (d as f32).sqrt();
            let file = tensors(&[
                ("W_enc".into(), vec![d, d_sae], 0.0, spread),
                ("W_dec".into(), vec![d_sae, d], 0.0, spread),
                ("b_enc".into(), vec![d_sae], 0.0, spread),
                ("b_dec".into(), vec![d], 0.0, spread),
            ]);
            add(&format!("saes/{place}/sae_weights.safetensors"), file);
        }
        Self(files)
    }

    pub(crate) fn addresses() -> Addresses {
        let model = ModelAddress { address: "model".into(), name: None };
        let saes = SaeAddress { address: "saes".into(), ..SaeAddress::default() };
        Addresses { model, saes: vec![saes] }
    }

    fn file(&self, path: &str) -> Result<&File> {
        self.0.get(path).ok_or_else(|| Error::FileNotFound { file: path.into() })
    }
}

impl Source for Random {
    fn read<'a>(&'a self, path: &'a str, range: Range<u64>) -> LocalFuture<'a, Result<Chunk>> {
        Box::pin(async move {
            let file = self.file(path)?;
            Ok(Chunk { bytes: file.read(range), file_len: Some(file.len()) })
        })
    }

    fn read_whole<'a>(&'a self, path: &'a str, most: u64) -> LocalFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move {
            let file = self.file(path)?;
            match file.len() <= most {
                true => Ok(file.read(0..most)),
                false => Err(Error::FileTooLarge { file: path.into(), most }),
            }
        })
    }
}
