//! Text to token ids and back to display strings.

use tokenizers::Tokenizer as HubTokenizer;

use crate::error::{Error, Result};

/// GPT-2's byte-level BPE, from the hub's `tokenizer.json`.
pub struct Tokenizer {
    inner: HubTokenizer,
    bos_token_id: u32,
    vocab_size: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`; `file` names it in errors.
    ///
    /// `bos_token_id` is prepended to every prompt, as TransformerLens does for GPT-2.
    ///
    /// # Errors
    /// `tokenizer-invalid` for anything the `tokenizers` library refuses, and for a vocabulary
    /// that does not fit the model's `vocab_size`.
    pub fn from_json(
        file: &str,
        json: &[u8],
        bos_token_id: u32,
        vocab_size: usize,
    ) -> Result<Self> {
        let invalid = |cause: String| Error::TokenizerInvalid { file: file.into(), cause };
        let inner = HubTokenizer::from_bytes(json).map_err(|error| invalid(error.to_string()))?;
        let found = inner.get_vocab_size(true);
        if found > vocab_size {
            return Err(invalid(format!("it has {found} tokens, the model {vocab_size}")));
        }
        Ok(Self { inner, bos_token_id, vocab_size })
    }

    /// Token ids of a text, without BOS. `<|endoftext|>` in the text is that one token.
    ///
    /// # Errors
    /// `request-invalid` if the library cannot encode the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|error| Error::RequestInvalid { cause: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
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
        self.inner.decode(&[id], false).unwrap_or_default()
    }

    /// The id of a text that is exactly one token.
    ///
    /// # Errors
    /// `not-one-token` with the number of tokens it is.
    pub fn single(&self, text: &str) -> Result<u32> {
        match self.encode(text)?[..] {
            [id] => Ok(id),
            ref ids => Err(Error::NotOneToken { text: text.into(), tokens: ids.len() }),
        }
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
