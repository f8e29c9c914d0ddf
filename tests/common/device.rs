//! The device that native tests compute on: that of the build, as in the browser.

use burn::tensor::Device;

/// The processor, or with the feature `webgpu` what Vulkan finds.
pub(crate) fn device() -> Device {
    #[cfg(feature = "webgpu")]
    return Device::wgpu(Default::default());
    #[cfg(not(feature = "webgpu"))]
    Device::flex()
}
