//! Tests on this machine: on its processor, or with the feature `webgpu` on Vulkan.
#![cfg(not(target_arch = "wasm32"))]

#[path = "../common/mod.rs"]
mod common;

mod agreement;
mod altered;
mod bad_input;
mod config;
mod golden;
mod gradients;
mod intervention;
mod limits;
mod loading;
mod measured;
mod places;
mod products;
mod prompts;
mod reference;
mod sae;
mod sizes;
mod statistics;
mod tokenizer;
mod types;
