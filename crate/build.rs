//! Keeps the linker from running all static constructors at every call from JavaScript.
//!
//! Constructors (burn-wgpu's compiler registers thousands of operations that way) make wasm-ld wrap
//! each export in a function that runs them first, unless someone else may call them: an export of
//! `__wasm_call_ctors` says so. The wrapped exports took 70 % of a request on WebGPU.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg=--export-if-defined=__wasm_call_ctors");
    }
}
