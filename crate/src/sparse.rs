//! Between dense device tensors and the few rows that matter: the only place that reads the device.

use burn::tensor::Tensor;

use crate::error::{Error, Result};
use crate::kernels;
use crate::safetensors::first_not_finite;

/// Reads a tensor, in row-major order.
///
/// `stage` names what it holds in the error.
///
/// # Errors
/// `device-failed`, or `result-not-finite` if any value is NaN or infinite.
pub async fn read_back(tensor: Tensor<2>, stage: &'static str) -> Result<Vec<f32>> {
    let values = kernels::download(tensor).await?;
    match first_not_finite(&values) {
        None => Ok(values),
        Some(_) => Err(Error::ResultNotFinite { stage }),
    }
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

    /// Latents active in either of two runs of one length: their activations here, and beside them there.
    pub(crate) fn union(&self, there: &Self) -> (Self, Vec<f32>) {
        let key =
            |active: &Self, i: usize| (i < active.len()).then(|| (active.pos[i], active.latent[i]));
        let (mut all, mut other) = (Self::default(), Vec::new());
        let (mut i, mut j) = (0, 0);
        loop {
            let (a, b) = (key(self, i), key(there, j));
            let next = match (a, b) {
                (None, None) => return (all, other),
                (Some(a), Some(b)) => a.min(b),
                (Some(one), None) | (None, Some(one)) => one,
            };
            let (mut activation, mut baseline) = (0.0, 0.0);
            if a == Some(next) {
                activation = self.activation[i];
                i += 1;
            }
            if b == Some(next) {
                baseline = there.activation[j];
                j += 1;
            }
            all.push(next.0, next.1, activation);
            other.push(baseline);
        }
    }
}
