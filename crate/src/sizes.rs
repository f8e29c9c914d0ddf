//! How much is read, held and computed at a time.
//!
//! [`Sizes`] changes no result, only memory and speed: tests run with tiny ones, so that every loop
//! over parts goes round more than once. The limits are what a request or a file may ask for.

/// How much at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of the first read of a safetensors file: holds the whole header of every file that this
    /// crate knows.
    pub header: u64,
    /// Bytes of a tensor that are read at once, so that no file is held whole.
    pub piece: usize,
    /// Bytes of `wte` in one device tensor: WebGPU guarantees bindings of 128 MiB.
    pub unembed_part: usize,
    /// Latents whose pre-activations are computed at once, over all positions: bounds them while they
    /// are dense.
    pub encode: usize,
    /// Activations that are decoded at once, zeros of other positions' latents included.
    pub decode: usize,
    /// Bytes on the device of one batch of the Jacobian. Larger ones run no faster and hear of a
    /// cancellation later.
    pub batch: u64,
    /// Bytes that a run may take on the device to be kept for the next request on its prompt.
    pub trace: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            header: 64 << 10,
            piece: 4 << 20,
            unembed_part: 32 << 20,
            encode: 2 << 20,
            decode: 2 << 20,
            batch: 128 << 20,
            trace: 64 << 20,
        }
    }
}

/// The most bytes of a `config.json` or `cfg.json`: those of the hub have about a thousand.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// The most bytes of a `tokenizer.json`: GPT-2's has 1.4 million.
pub const MAX_TOKENIZER_BYTES: u64 = 16 << 20;
/// The most bytes of a safetensors header (the format's own limit is 100 MB): GPT-2's has 14,000.
pub const MAX_HEADER_BYTES: u64 = 4 << 20;
/// The most bytes of one tensor as f32; wasm has 4 GiB for everything.
pub const MAX_TENSOR_BYTES: u64 = 1 << 30;
/// The most bytes of a text that is cut into tokens.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// The most pairs of one result: two columns of this many floats are 128 MiB.
pub const MAX_PAIRS: usize = 16 << 20;
/// The most numbers of a matrix that grows with the prompt: attention patterns, a layer's hidden
/// values, decoder rows of its active latents.
pub const MAX_PROMPT_VALUES: usize = 1 << 26;
/// The most active latents of a prompt, whatever the width of the model.
pub const MAX_LATENTS: usize = 1 << 18;
