//! What `scripts/bench --native` runs: times of the WebGPU build on what Vulkan finds, of a random model that it
//! makes itself. The binary needs no files.

#[cfg(not(target_arch = "wasm32"))]
mod ceiling;
#[cfg(not(target_arch = "wasm32"))]
mod measure;
#[cfg(not(target_arch = "wasm32"))]
mod model;

fn main() {
    #[cfg(not(target_arch = "wasm32"))]
    if let Err(message) = measure::run() {
        eprintln!("{message}");
        std::process::exit(1);
    }
}
