//! Which shape of product this adapter is fast with, found by trying.

use std::cell::Cell;

use burn::tensor::{Device, Tensor};
use web_time::Instant;

use crate::error::Result;
use crate::kernels::upload;

use super::product::Shape;
use super::{BLOCK_ROWS, matmul, settle};

/// Names that [`tune`] returns: shapes of products that some adapter is fast with.
pub const SHAPES: [&str; 3] = ["lanes", "tiles-4", "tiles-8"];

const CANDIDATES: [Shape; 3] = [
    Shape::Lanes { rows: BLOCK_ROWS, columns: 8 },
    Shape::Tiles { side: 4 },
    Shape::Tiles { side: 8 },
];

/// Where one run takes this long, it is measurement enough.
const ENOUGH_MS: f64 = 8.0;

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
    let mut best = (f64::MAX, 0);
    // A slow adapter is measured on few rows, a fast one is not even awake then.
    for rows in [60, 504] {
        let x = upload(vec![0.5; rows * D], D, device);
        best = (f64::MAX, 0);
        for index in 0..CANDIDATES.len() {
            CHOSEN.set(index);
            // The first run compiles.
            run(&x, &w, 1).await?;
            let mut times = 1;
            let ms = loop {
                let ms = run(&x, &w, times).await?;
                if ms >= ENOUGH_MS {
                    break ms / times as f64;
                }
                times *= 4;
            };
            if ms < best.0 {
                best = (ms, index);
            }
        }
        if best.0 > ENOUGH_MS / 2.0 {
            break;
        }
    }
    Ok(best.1)
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
