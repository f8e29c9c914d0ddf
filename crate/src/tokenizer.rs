//! Text to token ids and back to display strings.
//!
//! The merges are the `tokenizers` library's. What comes before them in GPT-2, cutting text into
//! words, is written out here: the library does it with regular expressions, which with their
//! Unicode tables would be half of the CPU build (0.58 MB as sent, 0.22 without).

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokenizers::Model as _;
use tokenizers::models::bpe::{BPE, Vocab};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::error::{Error, Result, short};
use crate::sizes::MAX_TEXT_BYTES;

/// GPT-2's byte-level BPE, from the hub's `tokenizer.json`.
pub struct Tokenizer {
    bpe: BPE,
    /// Tokens that are found in a text before it is cut: `<|endoftext|>`.
    added: Vec<(String, u32)>,
    /// The byte that each character of a token stands for.
    bytes: HashMap<char, u8>,
    /// The character that stands for each byte.
    chars: Vec<char>,
    bos_token_id: u32,
    vocab_size: usize,
    /// What each token reads as, sorted; made when it is first needed.
    readings: OnceCell<Vec<(String, u32)>>,
}

/// What is read of a `tokenizer.json`.
#[derive(Deserialize)]
struct File {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Option<IgnoredAny>,
    pre_tokenizer: PreTokenizer,
}

/// The fields of a BPE model. The library's own reading of them takes what it then panics on, so they
/// are read and checked here.
#[derive(Deserialize)]
struct Model {
    r#type: Option<String>,
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
    dropout: Option<f32>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
}

/// Two tokens that are merged: `"a b"`, or `["a", "b"]` in newer files.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Joined(String),
    Pair(String, String),
}

impl Merge {
    fn pair(self) -> Option<(String, String)> {
        match self {
            Self::Pair(first, second) => Some((first, second)),
            Self::Joined(both) => {
                let (first, second) = both.split_once(' ')?;
                (!second.contains(' ')).then(|| (first.into(), second.into()))
            }
        }
    }
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

#[derive(Deserialize)]
struct PreTokenizer {
    r#type: String,
    #[serde(default)]
    add_prefix_space: bool,
    #[serde(default = "yes")]
    use_regex: bool,
}

fn yes() -> bool {
    true
}

impl Tokenizer {
    /// Reads a `tokenizer.json`; `file` names it in errors.
    ///
    /// `bos_token_id` is prepended to every prompt, as TransformerLens does for GPT-2.
    ///
    /// # Errors
    /// `tokenizer-invalid` for what is malformed, what is not GPT-2's kind of byte-level BPE, and
    /// a vocabulary that does not fit the model's `vocab_size`.
    pub fn from_json(
        file: &str,
        json: &[u8],
        bos_token_id: u32,
        vocab_size: usize,
    ) -> Result<Self> {
        let invalid = |cause: String| Error::TokenizerInvalid { file: file.into(), cause };
        // Of a vocabulary and its merges there are at most three to a token; more is not built.
        if json.iter().filter(|&&byte| byte == b',').count() > 4 * vocab_size + 1000 {
            return Err(invalid(format!("it holds far more than {vocab_size} tokens")));
        }
        let read: File = serde_json::from_slice(json).map_err(|error| invalid(short(error)))?;
        let PreTokenizer { r#type, add_prefix_space, use_regex } = read.pre_tokenizer;
        if r#type != "ByteLevel" || add_prefix_space || !use_regex || read.normalizer.is_some() {
            return Err(invalid("only GPT-2's byte-level BPE is supported".into()));
        }
        if let Some(token) =
            read.added_tokens.iter().find(|t| t.single_word || t.lstrip || t.rstrip)
        {
            let cause = format!("the added token {:?} has options", short(&token.content));
            return Err(invalid(format!("{cause}, which are not supported")));
        }
        let added: Vec<(String, u32)> = (read.added_tokens.into_iter())
            .filter(|token| !token.content.is_empty())
            .map(|token| (token.content, token.id))
            .collect();
        let bpe = bpe(read.model, &added, vocab_size).map_err(&invalid)?;
        let chars = byte_chars();
        Ok(Self {
            bpe,
            added,
            bytes: chars.iter().copied().zip(0..=255).collect(),
            chars,
            bos_token_id,
            vocab_size,
            readings: OnceCell::new(),
        })
    }

    /// Token ids of a text, without BOS. `<|endoftext|>` in the text is that one token.
    ///
    /// # Errors
    /// `request-invalid` if the vocabulary cannot spell the text, or it is longer than any prompt.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        if text.len() > MAX_TEXT_BYTES {
            let cause =
                format!("a text has {} bytes, at most {MAX_TEXT_BYTES} are read", text.len());
            return Err(Error::RequestInvalid { cause });
        }
        let mut ids = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let next = (self.added.iter())
                .filter_map(|(content, id)| Some((rest.find(content)?, content.len(), *id)))
                .min_by_key(|&(at, len, _)| (at, std::cmp::Reverse(len)));
            let (at, len) = next.map_or((rest.len(), 0), |(at, len, _)| (at, len));
            for word in words(&rest[..at]) {
                let spelt: String = word.bytes().map(|b| self.chars[usize::from(b)]).collect();
                let tokens = self
                    .bpe
                    .tokenize(&spelt)
                    .map_err(|error| Error::RequestInvalid { cause: short(error) })?;
                let n: usize = tokens.iter().map(|token| token.value.len()).sum();
                if n != spelt.len() {
                    let cause = format!("the vocabulary cannot spell {:?}", short(word));
                    return Err(Error::RequestInvalid { cause });
                }
                ids.extend(tokens.iter().map(|token| token.id));
            }
            ids.extend(next.map(|(.., id)| id));
            rest = &rest[at + len..];
        }
        Ok(ids)
    }

    /// Token ids of a prompt, BOS first: TransformerLens' `to_tokens`.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = vec![self.bos_token_id];
        ids.extend(self.encode(text)?);
        Ok(ids)
    }

    /// What one token reads as: TransformerLens' `to_str_tokens`.
    ///
    /// Bytes that are not whole characters, as in an emoji split over several tokens, read as
    /// U+FFFD. An id that the vocabulary lacks reads as the empty string.
    pub fn display(&self, id: u32) -> String {
        if let Some((content, _)) = self.added.iter().find(|&&(_, added)| added == id) {
            return content.clone();
        }
        let Some(token) = self.bpe.id_to_token(id) else { return String::new() };
        let bytes: Option<Vec<u8>> = token.chars().map(|c| self.bytes.get(&c).copied()).collect();
        match bytes {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => token,
        }
    }

    /// The id of a text that is exactly one token.
    ///
    /// # Errors
    /// `not-one-token` with the number of tokens it is.
    pub fn single(&self, text: &str) -> Result<u32> {
        match self.encode(text)?[..] {
            [id] => Ok(id),
            ref ids => Err(Error::NotOneToken { text: short(text), tokens: ids.len() }),
        }
    }

    /// Tokens whose text begins with this one: that text itself, if it is a token, then those that
    /// were merged first, which are the commonest. What [`single`](Self::single) would refuse, such
    /// as parts of characters, is left out.
    pub fn complete(&self, text: &str, limit: usize) -> Vec<u32> {
        let readings = self.readings.get_or_init(|| {
            let all = (0..self.vocab_size as u32).map(|id| (self.display(id), id));
            let mut all: Vec<_> =
                all.filter(|(text, _)| !text.is_empty() && !text.contains('\u{fffd}')).collect();
            all.sort_unstable();
            all
        });
        let first = readings.partition_point(|(reading, _)| reading.as_str() < text);
        let rest = readings[first..].iter().take_while(|(reading, _)| reading.starts_with(text));
        let mut found: Vec<(bool, u32)> =
            rest.map(|(reading, id)| (reading.len() > text.len(), *id)).collect();
        found.sort_unstable();
        let is_single = |&id: &u32| self.single(&self.display(id)) == Ok(id);
        found.into_iter().map(|(_, id)| id).filter(is_single).take(limit).collect()
    }

    /// Checks an id given by number.
    ///
    /// # Errors
    /// `token-out-of-range`.
    pub fn check(&self, id: u32) -> Result<u32> {
        if (id as usize) < self.vocab_size {
            Ok(id)
        } else {
            Err(Error::TokenOutOfRange { id, vocab_size: self.vocab_size })
        }
    }
}

/// The merges, and a vocabulary of which each id is one token of the model.
fn bpe(
    model: Model,
    added: &[(String, u32)],
    vocab_size: usize,
) -> std::result::Result<BPE, String> {
    let Model { r#type, vocab, merges, .. } = model;
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if r#type.is_some_and(|name| name != "BPE")
        || model.dropout.is_some_and(|part| part != 0.0)
        || [&model.unk_token, &model.continuing_subword_prefix, &model.end_of_word_suffix]
            .into_iter()
            .any(given)
        || model.fuse_unk
        || model.byte_fallback
        || model.ignore_merges
    {
        return Err("its BPE has options that GPT-2's has not".into());
    }
    let mut ids = HashSet::with_capacity(vocab.len());
    let new = added.iter().filter(|(text, _)| !vocab.contains_key(text));
    for (text, &id) in vocab.iter().chain(new.map(|(text, id)| (text, id))) {
        if id as usize >= vocab_size {
            let text = short(text);
            return Err(format!("token {text:?} has id {id}, but the model's end at {vocab_size}"));
        }
        if !ids.insert(id) {
            return Err(format!("two tokens have the id {id}"));
        }
    }
    if let Some((text, id)) =
        added.iter().find(|(text, id)| vocab.get(text).is_some_and(|known| known != id))
    {
        return Err(format!("the added token {:?} has the id {id} and another", short(text)));
    }
    let vocab: Vocab = vocab.into_iter().collect();
    let merges: Option<Vec<_>> = merges.into_iter().map(Merge::pair).collect();
    let merges = merges.ok_or("a merge is not of two tokens")?;
    BPE::builder().vocab_and_merges(vocab, merges).build().map_err(short)
}

/// GPT-2's printable stand-ins for bytes: those that print in Latin-1 stand for themselves, the
/// others for the characters from U+0100 on.
fn byte_chars() -> Vec<char> {
    let mut others = (0x100..).filter_map(char::from_u32);
    (0..=255u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
            _ => others.next().expect("there are more characters than bytes"),
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

fn class(c: char) -> Class {
    match c.general_category_group() {
        GeneralCategoryGroup::Letter => Class::Letter,
        GeneralCategoryGroup::Number => Class::Number,
        _ if c.is_whitespace() => Class::Space,
        _ => Class::Other,
    }
}

/// Cuts a text as GPT-2's expression does:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (word, after) = rest.split_at(word_len(rest)?);
        rest = after;
        Some(word)
    })
}

/// Bytes of the first word.
fn word_len(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if let Some(ending) =
        ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].iter().find(|e| text.starts_with(**e))
    {
        return Some(ending.len());
    }
    // A space belongs to the word after it.
    let start = usize::from(first == ' ');
    if let Some(kind) = text[start..].chars().next().map(class).filter(|&k| k != Class::Space) {
        let end = text[start..].find(|c| class(c) != kind);
        return Some(end.map_or(text.len(), |end| start + end));
    }
    // Of several spaces before a word, the last is the word's.
    let Some(end) = text.find(|c| class(c) != Class::Space) else { return Some(text.len()) };
    let last = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    Some(if last > 0 { last } else { end })
}
