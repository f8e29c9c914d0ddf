//! The device that native tests compute on: that of the build, as in the browser.

use burn::tensor::Device;

/// The processor.
#[cfg(not(feature = "webgpu"))]
pub(crate) fn device() -> Device {
    Device::flex()
}

/// What Vulkan finds. Without an adapter no test can be run: all end, with one sentence.
#[cfg(feature = "webgpu")]
pub(crate) fn device() -> Device {
    use std::io::Write;

    match sae_attribution::native::Native::get() {
        Ok(native) => native.device.clone(),
        Err(sentence) => {
            // Past the harness, which keeps what a test prints until that test ends.
            let _ = writeln!(std::io::stderr(), "{sentence}");
            std::process::exit(1)
        }
    }
}

/// Whether shaders may use subgroups on it.
pub(crate) fn has_subgroups() -> bool {
    #[cfg(feature = "webgpu")]
    return sae_attribution::native::Native::get().is_ok_and(|native| native.has_subgroups());
    #[cfg(not(feature = "webgpu"))]
    false
}
