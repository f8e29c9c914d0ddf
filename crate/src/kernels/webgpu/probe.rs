//! Which shape of product this adapter is fast with, found by trying.

use std::cell::Cell;

use burn::tensor::{Device, Tensor};
use web_time::Instant;

use crate::error::Result;
use crate::kernels::upload;

use super::product::Shape;
use super::{matmul, settle};

/// Names that [`tune`] returns: shapes of products that some adapter is fast with.
pub const SHAPES: [&str; 5] = ["lanes-9", "tiles-4", "tiles-8", "lanes-14", "broadcast-24"];

const CANDIDATES: [Shape; SHAPES.len()] = [
    SMALL_LANES,
    Shape::Tiles { side: 4 },
    Shape::Tiles { side: 8 },
    LARGE_LANES,
    Shape::Lanes { rows: 24, columns: 24, width: 8, broadcast: true },
];
/// Also for few rows where tiles are faster with many.
pub(super) const SMALL_LANES: Shape =
    Shape::Lanes { rows: 9, columns: 8, width: 32, broadcast: false };

const LARGE_LANES: Shape = Shape::Lanes { rows: 14, columns: 16, width: 8, broadcast: false };

/// Where one run takes this long, it is measurement enough.
const ENOUGH_MS: f64 = 8.0;
/// Runs of each candidate, in turns, of which the fastest counts: other work of the machine, such
/// as weights that arrive meanwhile, makes a run slower, never faster.
const TRIALS: usize = 3;

thread_local! {
    static CHOSEN: Cell<usize> = const { Cell::new(0) };
}

/// The shape in use.
pub(super) fn shape() -> Shape {
    CANDIDATES[CHOSEN.get()]
}

/// Chooses the fastest shape of product: the one named `known` if there is such, otherwise the
/// winner of about 100 ms of trials. `subgroups`: whether the device has them. Returns its name,
/// for the caller to keep with the adapter's.
///
/// # Errors
/// `device-failed`.
pub async fn tune(device: &Device, known: Option<&str>, subgroups: bool) -> Result<&'static str> {
    let can = |index: &usize| {
        subgroups || !matches!(CANDIDATES[*index], Shape::Lanes { broadcast: true, .. })
    };
    let found = known.and_then(|known| SHAPES.iter().position(|&name| name == known));
    // Whoever does well with large lanes does better where they share what they load.
    let worth = |index: &usize| can(index) && !(subgroups && CANDIDATES[*index] == LARGE_LANES);
    let chosen = match found.filter(can) {
        Some(index) => index,
        None => fastest(device, worth).await?,
    };
    CHOSEN.set(chosen);
    Ok(SHAPES[chosen])
}

async fn fastest(device: &Device, worth: impl Fn(&usize) -> bool) -> Result<usize> {
    const D: usize = 768;
    let w = upload(vec![0.5; D * D], D, device);
    let mut best = 0;
    // A slow adapter is measured on few rows, a fast one is not even awake then.
    for rows in [60, 504] {
        let x = upload(vec![0.5; rows * D], D, device);
        best = 0;
        let mut ms = [f64::MAX; CANDIDATES.len()];
        for _ in 0..TRIALS {
            for index in (0..CANDIDATES.len()).filter(&worth) {
                CHOSEN.set(index);
                if ms[index] == f64::MAX {
                    // Large ones take long to compile, and where tiles lead they will not win.
                    let is_lanes = matches!(CANDIDATES[index], Shape::Lanes { .. });
                    if is_lanes && matches!(CANDIDATES[best], Shape::Tiles { .. }) {
                        continue;
                    }
                    run(&x, &w, 1).await?;
                }
                ms[index] = ms[index].min(trial(&x, &w).await?);
                if ms[index] < ms[best] {
                    best = index;
                }
            }
        }
        if ms[best] > ENOUGH_MS / 2.0 {
            break;
        }
    }
    Ok(best)
}

/// Milliseconds that a product takes, over as many as are measurement enough.
async fn trial(x: &Tensor<2>, w: &Tensor<2>) -> Result<f64> {
    let mut times = 1;
    loop {
        let ms = run(x, w, times).await?;
        if ms >= ENOUGH_MS {
            return Ok(ms / times as f64);
        }
        times *= 4;
    }
}

/// Milliseconds that a number of products takes.
async fn run(x: &Tensor<2>, w: &Tensor<2>, times: usize) -> Result<f64> {
    let start = Instant::now();
    for _ in 1..times {
        matmul(x, w, None, None);
    }
    settle(&matmul(x, w, None, None)).await?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
