//! Tests on the CPU of this machine, `Device::flex()`.
#![cfg(not(target_arch = "wasm32"))]

#[path = "../common/mod.rs"]
mod common;
mod golden;
