//! Progress out, cancellation in.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::Result;
use crate::kernels;
use crate::source::LocalFuture;

/// What the session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Fetching and preparing weights; counted in bytes.
    Load,
    /// Running the model forward; counted in blocks.
    Forward,
    /// Encoding residuals into latents; counted in positions.
    Encode,
    /// Differentiating; counted in sources or targets, whichever move, times blocks.
    Jacobian,
    /// Running the model without a source; counted in sources times halves of blocks.
    Ablate,
    /// Writing tokens; counted in tokens.
    Generate,
}

/// How far a phase has come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// Units done.
    pub done: u64,
    /// Units there are.
    pub total: u64,
    /// Floating-point operations of all matrix products given to the device since it was opened, a
    /// float: in a long session there are more than JavaScript counts exactly.
    pub flop: f64,
}

/// Hears of progress, and may end the work.
pub trait Watch {
    /// Called between pieces of work.
    ///
    /// # Errors
    /// `cancelled` to end the request; what is already loaded stays loaded.
    fn report(&self, progress: Progress) -> LocalFuture<'_, Result<()>>;
}

/// Hears everything, ends nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn report(&self, _: Progress) -> LocalFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Watches work that is a part of one unit of another: hears nothing of its own, and ends it with that.
pub struct Within<'a>(pub &'a Meter<'a>);

impl Watch for Within<'_> {
    fn report(&self, _: Progress) -> LocalFuture<'_, Result<()>> {
        Box::pin(self.0.pause())
    }
}

/// Counts the work of one phase and reports each step of it.
pub struct Meter<'a> {
    watch: &'a dyn Watch,
    progress: Progress,
}

impl<'a> Meter<'a> {
    /// Starts a phase of `total` units; says so at once.
    ///
    /// # Errors
    /// `cancelled`.
    pub async fn start(watch: &'a dyn Watch, phase: Phase, total: u64) -> Result<Self> {
        let progress = Progress { phase, done: 0, total, flop: kernels::flop() as f64 };
        watch.report(progress).await?;
        Ok(Self { watch, progress })
    }

    /// There are `units` more than was known at the start.
    pub fn extend(&mut self, units: u64) {
        self.progress.total += units;
    }

    /// Lets who watches end the work between two parts of one unit.
    ///
    /// # Errors
    /// `cancelled`.
    pub async fn pause(&self) -> Result<()> {
        self.watch.report(self.progress).await
    }

    /// Counts `units` more as done.
    ///
    /// # Errors
    /// `cancelled`.
    pub async fn add(&mut self, units: u64) -> Result<()> {
        self.progress.done += units;
        self.progress.flop = kernels::flop() as f64;
        self.watch.report(self.progress).await
    }
}
