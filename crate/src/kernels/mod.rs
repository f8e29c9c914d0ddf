//! The arithmetic that runs on the device: every operation once in WGSL for WebGPU (`webgpu`) and
//! once in Rust for the CPU (`cpu`), with the same names and shapes. burn holds the tensors.
//!
//! Why our own: burn's matrix product without autotune runs at a thirtieth of what the adapter
//! reaches, and burn's autodiff repeats for every target what is the same for all. The operations
//! here are what a linearised transformer block needs and nothing else; each `_jvp` pushes
//! tangents forward, each `_vjp` pulls cotangents back. Tangents and cotangents of many
//! directions are packed: see [`Rows`].
//!
//! All tensors are f32 and row-major. Knows nothing of GPT-2 beyond the shape of its parts.

use std::cell::Cell;
use std::ops::Range;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::Result;

mod rows;

#[cfg(not(feature = "webgpu"))]
#[path = "cpu/mod.rs"]
mod device;
#[cfg(feature = "webgpu")]
#[path = "webgpu/mod.rs"]
mod device;

pub use device::*;
pub use rows::{Joined, Rows, next_batch, own_positions};

/// A device to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The graphics processor.
    Webgpu,
    /// The processor.
    Cpu,
}

/// The device of this build.
pub const DEVICE_KIND: DeviceKind =
    if cfg!(feature = "webgpu") { DeviceKind::Webgpu } else { DeviceKind::Cpu };

/// A row-wise normalisation at the point it was linearised at:
/// `dy = scale · (dx − mean(dx)) − coupling · y · Σ (y ∘ dx)`, the mean only where `centered`.
/// The Jacobian is symmetric, so that `jvp` and `vjp` are one.
#[derive(Debug, Clone)]
pub struct Normalized {
    /// The normalised rows: `[pos, d]`.
    pub y: Tensor<2>,
    /// `scale` and `coupling` of each row: `[pos, 2]`.
    pub slopes: Tensor<2>,
    /// Whether the mean is taken out.
    pub centered: bool,
}

/// Causal self-attention at the point it was linearised at.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Number of heads.
    pub n_head: usize,
    /// Queries and keys side by side, each with its heads side by side: `[pos, 2 d]`.
    pub query_key: Tensor<2>,
    /// Values, heads side by side: `[pos, d]`.
    pub value: Tensor<2>,
    /// Attention patterns, `[n_head · pos, pos]`; only keys up to the query are meaningful.
    pub pattern: Tensor<2>,
    /// What the heads read, before `W_O`: `[pos, d]`.
    pub mixed: Tensor<2>,
}

impl Attention {
    /// Positions of the prompt.
    pub fn n_pos(&self) -> usize {
        self.mixed.dims()[0]
    }

    /// Scores that what is at one position has a part in: as the key of its own and all later
    /// queries, and as the query of all earlier keys and its own.
    ///
    /// They are numbered key first, `offset · n_head + head` with `offset = query − position` for
    /// queries and then `offset = n_pos − position + key` for keys, so that the rows of
    /// [`score_reads`] that belong to a position lie side by side.
    pub fn own_scores(&self) -> usize {
        (self.n_pos() + 1) * self.n_head
    }

    /// For each position with rows, these and the rows of [`score_reads`] that they meet.
    pub fn score_windows(&self, rows: &Rows) -> Vec<(Range<usize>, Range<usize>)> {
        (0..self.n_pos())
            .map(|pos| (rows.range(pos), pos * self.n_head))
            .filter(|(rows, _)| !rows.is_empty())
            .map(|(rows, first)| (rows, first..first + self.own_scores()))
            .collect()
    }
}

thread_local! {
    static FLOP: Cell<u64> = const { Cell::new(0) };
    /// [`flop`] at the last wait.
    static PACED: Cell<u64> = const { Cell::new(0) };
}

/// Floating-point operations of all matrix products since the start.
pub fn flop() -> u64 {
    FLOP.get()
}

/// Work given to the device between two waits for it: enough to keep it busy, little enough for
/// progress and cancellation to mean something.
const PACE_FLOP: u64 = 1_000_000_000;

/// Waits for a tensor if much work was given to the device since the last wait.
///
/// # Errors
/// `device-failed`.
pub async fn pace(tensor: &Tensor<2>) -> Result<()> {
    if flop() - PACED.get() > PACE_FLOP {
        PACED.set(flop());
        settle(tensor).await?;
    }
    Ok(())
}

fn count(rows: usize, inner: usize, columns: usize) {
    FLOP.set(FLOP.get() + 2 * rows as u64 * inner as u64 * columns as u64);
}
