//! Between dense device tensors and the few rows that matter: the only place that reads the device.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{Error, Result};

/// Reads a tensor, in row-major order.
///
/// `stage` names what it holds in the error.
///
/// # Errors
/// `device-failed`, or `result-not-finite` if any value is NaN or infinite.
pub async fn read_back<const D: usize>(tensor: Tensor<D>, stage: &'static str) -> Result<Vec<f32>> {
    let failed = |cause: String| Error::DeviceFailed { cause };
    let data = tensor.into_data_async().await.map_err(|error| failed(error.to_string()))?;
    let values: Vec<f32> = data.try_into_vec().map_err(|error| failed(format!("{error:?}")))?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Error::ResultNotFinite { stage });
    }
    Ok(values)
}

/// Indices for gathering rows or columns on a device.
pub fn indices(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let n = values.len();
    let values: Vec<i32> = values.iter().map(|&i| i as i32).collect();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

/// The active latents of a prompt, by position and then by latent: SAELens' `argwhere(acts > 0)`.
///
/// The columns are of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Active {
    /// Position of each.
    pub pos: Vec<u32>,
    /// Index of each in the SAE, below `d_sae`.
    pub latent: Vec<u32>,
    /// Activation of each, positive.
    pub activation: Vec<f32>,
}

impl Active {
    /// How many there are, over all positions.
    pub fn len(&self) -> usize {
        self.latent.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.latent.is_empty()
    }

    /// Appends one.
    pub fn push(&mut self, pos: u32, latent: u32, activation: f32) {
        self.pos.push(pos);
        self.latent.push(latent);
        self.activation.push(activation);
    }
}
