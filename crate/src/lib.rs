//! Gradient attribution between tokens, SAE latents and logits of GPT-2, in the browser.
//!
//! # Code map
//!
//! Data flows one way:
//!
//! ```text
//! source → safetensors → weights → gpt2, sae → attribution, ablation → sparse → result → web
//!                                     ╰──── kernels: the device ────╯
//! ```
//!
//! | module | subject |
//! |---|---|
//! | [`error`] | [`Error`], its stable codes |
//! | [`sizes`] | how much at a time, and how much at most |
//! | [`source`], `folder` | bytes of files, whole or by range |
//! | [`safetensors`] | checked tensors out of one file |
//! | [`places`] | places in GPT-2, by TransformerLens' names |
//! | [`config`] | `config.json`, `cfg.json` |
//! | [`tokenizer`] | text ↔ token ids, display strings |
//! | [`weights`] | file layouts and weight processing |
//! | [`kernels`] | the arithmetic on the device, in WGSL and in Rust |
//! | [`gpt2`] | halves of blocks: the forward pass and its linearisation |
//! | [`sae`] | encode, decode, architectures |
//! | [`attribution`] | the Jacobian, in numbered steps |
//! | `ablation` | what taking each source away does, not linearised |
//! | [`agreement`] | how well the one predicts the other |
//! | [`sparse`] | active latents; the one place that reads the device |
//! | [`request`], [`result`] | what is asked and what is answered |
//! | [`watch`] | progress and cancellation |
//! | `store` | what is loaded, read when first needed |
//! | `trace` | a run of a prompt as far as it has come, kept for the next request |
//! | `run` | one request, from embedding to Jacobian |
//! | `answer` | one attribution: methods, patches, ablations |
//! | [`intervention`] | the model run with some latents changed |
//! | [`curves`] | how few latents carry a target |
//! | [`generation`] | what the model writes, as it is and steered |
//! | [`session`] | requests and their answers |
//! | `web` | the JavaScript API (wasm only) |
//! | `native` | the device of the WebGPU build outside browsers |
//! | `bench` | what `scripts/bench` times (wasm only, feature `bench`) |
//!
//! # Invariants
//!
//! - `gpt2` does not know SAEs, `sae` does not know GPT-2; `run` and `session` bring them together.
//! - `web` acquires the `Device`, outside browsers `native` or who opens a session, and only `store` keeps it
//!   with a model. Only `kernels` knows which one this build is for, and computes on it.
//! - Only `sparse` reads from the device, and it refuses NaN and infinity.
//! - Only `weights` knows tensor names. Only `web`, and `bench` where it is built, know JavaScript.
//! - Files and requests are checked on entry and fail with an [`Error`]; panics are our bugs.
//! - Nothing dense in `d_sae × d_sae` exists, on the device or off it.

mod ablation;
pub mod agreement;
mod answer;
pub mod attribution;
#[cfg(all(target_arch = "wasm32", feature = "bench"))]
pub mod bench;
pub mod config;
pub mod curves;
pub mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod folder;
pub mod generation;
pub mod gpt2;
pub mod intervention;
pub mod kernels;
#[cfg(all(not(target_arch = "wasm32"), feature = "webgpu"))]
pub mod native;
pub mod places;
pub mod request;
pub mod result;
mod run;
pub mod sae;
pub mod safetensors;
pub mod session;
pub mod sizes;
pub mod source;
pub mod sparse;
mod store;
pub mod tokenizer;
mod trace;
pub mod watch;
#[cfg(target_arch = "wasm32")]
pub mod web;
pub mod weights;

pub use error::{Error, Result};
pub use request::Request;
pub use result::Attribution;
pub use session::Session;
pub use store::{Addresses, ModelAddress, SaeAddress};
