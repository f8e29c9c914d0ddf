//! What can go wrong, with a stable code and a sentence for the person who reads it.

use std::fmt;

use crate::places::Place;

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that input, files or the device can do wrong.
///
/// [`Error::code`] is the stable word that pages and programs match on; the `Display` text says
/// what happened, where, and the numbers involved. Our own bugs are panics, never an `Error`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request that does not have the documented form.
    #[error("The request is not understood: {cause}.")]
    RequestInvalid {
        /// What the parser or the check said.
        cause: String,
    },
    /// More tokens (with the beginning-of-sequence token) than the model has positions.
    #[error(
        "The prompt has {tokens} tokens with the BOS token, but the model reads at most {n_ctx}. Shorten the prompt."
    )]
    PromptTooLong {
        /// Tokens of the prompt, BOS included.
        tokens: usize,
        /// Positions of the model.
        n_ctx: usize,
    },
    /// A counterfactual prompt of another length.
    #[error(
        "The prompt has {tokens} tokens with the BOS token, but the patch has {patch}. Positions are compared one by one: both must have the same number."
    )]
    PatchLength {
        /// Tokens of the prompt, BOS included.
        tokens: usize,
        /// Tokens of the patch, BOS included.
        patch: usize,
    },
    /// A place that the model does not have.
    #[error("{place} does not exist: this model has blocks 0 to {last}.")]
    PlaceOutOfRange {
        /// Name of the place asked for.
        place: Place,
        /// The last block.
        last: usize,
    },
    /// The source's latents are not written before the target is read.
    #[error(
        "Latents at {to} do not depend on those at {from}, which are written at {written}: the target must come after that."
    )]
    PlaceOrder {
        /// Where the sources are read.
        from: Place,
        /// Where they are written.
        written: Place,
        /// Where the targets are read.
        to: Place,
    },
    /// None of the SAEs that were opened is at this place.
    #[error("There is no SAE for {place} among those of this model. Choose another place.")]
    SaeMissing {
        /// Name of the place asked for.
        place: Place,
    },
    /// `k` is 0 or larger than the vocabulary.
    #[error("k must be between 1 and {vocab_size} (the vocabulary), not {k}.")]
    KOutOfRange {
        /// Logits asked for.
        k: usize,
        /// Tokens of the vocabulary.
        vocab_size: usize,
    },
    /// A target given as text that is not exactly one token.
    #[error(
        "{text:?} is {tokens} tokens, but a target must be exactly one. Most words need their leading space, as in \" tennis\"."
    )]
    NotOneToken {
        /// The text asked for.
        text: String,
        /// How many tokens it is.
        tokens: usize,
    },
    /// A token id outside the vocabulary.
    #[error("Token id {id} is outside the vocabulary of {vocab_size} tokens.")]
    TokenOutOfRange {
        /// The id asked for.
        id: u32,
        /// Tokens of the vocabulary.
        vocab_size: usize,
    },
    /// More pairs than one result may hold.
    #[error(
        "The result would have {n_targets} × {n_sources} pairs, more than the {limit} that fit in memory. Use a shorter prompt or fewer logits."
    )]
    ResultTooLarge {
        /// Rows of the result.
        n_targets: usize,
        /// Columns of the result.
        n_sources: usize,
        /// The most pairs a result may have.
        limit: usize,
    },
    /// More active latents than can be held.
    #[error(
        "At {hook_name}, more than {limit} latents are active on this prompt, which is all that fit in memory. Use a shorter prompt."
    )]
    TooManyLatents {
        /// Where the SAE reads.
        hook_name: String,
        /// The most there may be.
        limit: usize,
    },
    /// The server or folder has no such file.
    #[error("{file} was not found. Check the addresses of the model and its SAEs.")]
    FileNotFound {
        /// Address or path of the file.
        file: String,
    },
    /// A file could not be read or fetched.
    #[error("{file} could not be read: {cause}.")]
    FetchFailed {
        /// Address or path of the file.
        file: String,
        /// What the browser, server or operating system said.
        cause: String,
    },
    /// A file that is read as a whole is larger than such a file ever is.
    #[error(
        "{file} has more than {most} bytes, far more than such a file holds. Check the address."
    )]
    FileTooLarge {
        /// Address or path of the file.
        file: String,
        /// The most it may have.
        most: u64,
    },
    /// What reads files failed, and says why in words of its own.
    #[error("{message}")]
    Reader {
        /// Address of the file.
        file: String,
        /// One of [`READER_CODES`].
        code: &'static str,
        /// A whole sentence that names the file.
        message: String,
    },
    /// The file is not the one it was when it was first read.
    #[error("{file} changed while it was read. Run again to start with the new version.")]
    FileChanged {
        /// Address or path of the file.
        file: String,
    },
    /// A config.json or cfg.json that cannot be used.
    #[error("{file} cannot be used: {cause}.")]
    ConfigInvalid {
        /// Address or path of the file.
        file: String,
        /// Which key is wrong and why.
        cause: String,
    },
    /// An SAE architecture or activation function this crate does not implement.
    #[error(
        "{file} describes an SAE of architecture {architecture:?}, which is not supported (standard, topk, jumprelu, gated, transcoder and jumprelu_transcoder are)."
    )]
    SaeArchitectureUnknown {
        /// Address or path of the file.
        file: String,
        /// The architecture or activation function named there.
        architecture: String,
    },
    /// A tokenizer.json that cannot be used.
    #[error("{file} is not a usable tokenizer: {cause}.")]
    TokenizerInvalid {
        /// Address or path of the file.
        file: String,
        /// What the parser said.
        cause: String,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("{file} is not a valid safetensors file: {cause}.")]
    SafetensorsInvalid {
        /// Address or path of the file.
        file: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A tensor that no device of today holds.
    #[error(
        "Tensor {tensor:?} of {file} takes {bytes} bytes as 32-bit floats, more than the {limit} that can be computed with here."
    )]
    TensorTooLarge {
        /// Address or path of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Bytes as f32.
        bytes: u64,
        /// The most there may be.
        limit: u64,
    },
    /// A tensor that the layout requires is not in the file.
    #[error("{file} has no tensor {tensor:?}.")]
    TensorMissing {
        /// Address or path of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
    },
    /// A tensor of another shape than the configuration implies.
    #[error(
        "Tensor {tensor:?} of {file} has shape {actual:?}, but the configuration implies {expected:?}."
    )]
    TensorShape {
        /// Address or path of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Shape implied by the configuration.
        expected: Vec<usize>,
        /// Shape in the file.
        actual: Vec<u64>,
    },
    /// A tensor of a type other than F32, F16 or BF16.
    #[error("Tensor {tensor:?} of {file} has type {dtype}; F32, F16 and BF16 can be read.")]
    TensorDtype {
        /// Address or path of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Type named in the file.
        dtype: String,
    },
    /// A weight that is NaN or infinite.
    #[error(
        "Tensor {tensor:?} of {file} holds a value that is not finite at element {index}. The file is damaged."
    )]
    TensorNotFinite {
        /// Address or path of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Flat index of the first such element.
        index: u64,
    },
    /// The device computed NaN or infinity from finite weights.
    #[error(
        "The {stage} came out as NaN or infinity. The weights are outside the range this model can compute with in 32-bit floats."
    )]
    ResultNotFinite {
        /// What was being computed.
        stage: &'static str,
    },
    /// The browser has no WebGPU adapter for us.
    #[error(
        "No WebGPU adapter is available ({cause}). Use a browser with WebGPU, or run on the CPU."
    )]
    WebgpuUnavailable {
        /// What the browser said.
        cause: String,
    },
    /// The device failed or was lost while computing.
    #[error("The device failed while computing: {cause}.")]
    DeviceFailed {
        /// What the device said.
        cause: String,
    },
    /// The reader pressed Cancel.
    #[error("Cancelled.")]
    Cancelled,
}

impl Error {
    /// The stable word for this kind of error, the same in Rust, JavaScript and the documentation.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RequestInvalid { .. } => "request-invalid",
            Self::PromptTooLong { .. } => "prompt-too-long",
            Self::PlaceOutOfRange { .. } => "place-out-of-range",
            Self::PatchLength { .. } => "patch-length",
            Self::PlaceOrder { .. } => "place-order",
            Self::SaeMissing { .. } => "sae-missing",
            Self::KOutOfRange { .. } => "k-out-of-range",
            Self::NotOneToken { .. } => "not-one-token",
            Self::TokenOutOfRange { .. } => "token-out-of-range",
            Self::ResultTooLarge { .. } => "result-too-large",
            Self::TooManyLatents { .. } => "too-many-latents",
            Self::FileNotFound { .. } => "file-not-found",
            Self::FetchFailed { .. } => "fetch-failed",
            Self::FileChanged { .. } => "file-changed",
            Self::FileTooLarge { .. } => "file-too-large",
            Self::Reader { code, .. } => code,
            Self::ConfigInvalid { .. } => "config-invalid",
            Self::SaeArchitectureUnknown { .. } => "sae-architecture-unknown",
            Self::TokenizerInvalid { .. } => "tokenizer-invalid",
            Self::SafetensorsInvalid { .. } => "safetensors-invalid",
            Self::TensorTooLarge { .. } => "tensor-too-large",
            Self::TensorMissing { .. } => "tensor-missing",
            Self::TensorShape { .. } => "tensor-shape",
            Self::TensorDtype { .. } => "tensor-dtype",
            Self::TensorNotFinite { .. } => "tensor-not-finite",
            Self::ResultNotFinite { .. } => "result-not-finite",
            Self::WebgpuUnavailable { .. } => "webgpu-unavailable",
            Self::DeviceFailed { .. } => "device-failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The file that the error is about.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::FileNotFound { file }
            | Self::FetchFailed { file, .. }
            | Self::FileChanged { file }
            | Self::FileTooLarge { file, .. }
            | Self::Reader { file, .. }
            | Self::ConfigInvalid { file, .. }
            | Self::SaeArchitectureUnknown { file, .. }
            | Self::TokenizerInvalid { file, .. }
            | Self::SafetensorsInvalid { file, .. }
            | Self::TensorTooLarge { file, .. }
            | Self::TensorMissing { file, .. }
            | Self::TensorShape { file, .. }
            | Self::TensorDtype { file, .. }
            | Self::TensorNotFinite { file, .. } => Some(file),
            _ => None,
        }
    }
}

/// What can go wrong with reading beside what has a variant of its own; anything else that a reader
/// says is `fetch-failed`.
pub const READER_CODES: [&str; 8] = [
    "file-not-found",
    "fetch-failed",
    "access-denied",
    "rate-limited",
    "file-changed",
    "file-too-large",
    "offline",
    "cancelled",
];

/// What a file or a library said, short enough for a sentence: a hostile file fills no page.
pub(crate) fn short(text: impl fmt::Display) -> String {
    let text = text.to_string();
    match text.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Characters of others' words in a message.
const SHORT: usize = 160;
