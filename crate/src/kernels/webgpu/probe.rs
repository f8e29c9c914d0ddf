//! Which shape of product this adapter is fast with, found by trying.

use std::cell::Cell;

use burn::tensor::{Device, Tensor};
use web_time::Instant;

use crate::error::Result;
use crate::kernels::upload;

use super::product::Shape;
use super::{matmul, settle};

/// Names that [`tune`] returns: shapes of products that some adapter is fast with.
pub const SHAPES: [&str; 4] = ["lanes-9", "tiles-4", "tiles-8", "lanes-14"];

const CANDIDATES: [Shape; 4] = [
    SMALL_LANES,
    Shape::Tiles { side: 4 },
    Shape::Tiles { side: 8 },
    Shape::Lanes { rows: 14, columns: 24, width: 8 },
];
/// Also for few rows where tiles are faster with many.
pub(super) const SMALL_LANES: Shape = Shape::Lanes { rows: 9, columns: 8, width: 32 };

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
/// winner of about 100 ms of trials. Returns its name, for the caller to keep with the adapter's.
///
/// # Errors
/// `device-failed`.
pub async fn tune(device: &Device, known: Option<&str>) -> Result<&'static str> {
    let found = known.and_then(|known| SHAPES.iter().position(|&name| name == known));
    let chosen = match found {
        Some(index) => index,
        None => fastest(device).await?,
    };
    CHOSEN.set(chosen);
    Ok(SHAPES[chosen])
}

async fn fastest(device: &Device) -> Result<usize> {
    const D: usize = 768;
    let w = upload(vec![0.5; D * D], D, device);
    let mut best = 0;
    // A slow adapter is measured on few rows, a fast one is not even awake then.
    for rows in [60, 504] {
        let x = upload(vec![0.5; rows * D], D, device);
        best = 0;
        let mut ms = [f64::MAX; CANDIDATES.len()];
        for _ in 0..TRIALS {
            for (index, candidate) in CANDIDATES.iter().enumerate() {
                CHOSEN.set(index);
                if ms[index] == f64::MAX {
                    // Large ones take long to compile, and where tiles lead they will not win.
                    let is_lanes = matches!(candidate, Shape::Lanes { .. });
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
