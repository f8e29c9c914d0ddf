//! The device of the WebGPU build outside browsers, for tests and `scripts/bench --native`: what Vulkan finds.

use std::sync::OnceLock;

use burn::backend::wgpu::{WgpuBackend, WgpuInitError, WgpuSetup, wgpu};
use burn::tensor::Device;

/// A device and what Vulkan says of it.
#[derive(Debug)]
pub struct Native {
    /// What to compute on.
    pub device: Device,
    /// The same without burn.
    pub setup: WgpuSetup,
}

impl Native {
    /// The device, acquired once.
    ///
    /// # Errors
    /// A sentence for who runs this where there is no adapter.
    pub fn get() -> Result<&'static Self, &'static str> {
        static NATIVE: OnceLock<Result<Native, String>> = OnceLock::new();
        let acquire = || {
            let options = Device::wgpu_options().graphics_api(WgpuBackend::Vulkan);
            let (device, setup) = options.init_with_setup().map_err(|error| match error {
                WgpuInitError::AdapterUnavailable { .. } => {
                    "No Vulkan adapter was found: install the GPU's driver, or mesa-vulkan-drivers, \
                     which needs no GPU."
                        .to_owned()
                }
                error => format!("The Vulkan adapter could not be opened: {error}."),
            })?;
            Ok(Self { device, setup })
        };
        NATIVE.get_or_init(acquire).as_ref().map_err(|sentence| &sentence[..])
    }

    /// What the adapter is called, and the version of its driver.
    pub fn name(&self) -> String {
        let info = self.setup.adapter.get_info();
        match info.driver_info.is_empty() {
            true => info.name,
            false => format!("{}, {}", info.name, info.driver_info),
        }
    }

    /// Whether shaders may use subgroups, of four or more.
    pub fn has_subgroups(&self) -> bool {
        self.setup.device.features().contains(wgpu::Features::SUBGROUP)
            && self.setup.adapter.get_info().subgroup_min_size >= 4
    }
}
