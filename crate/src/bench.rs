//! What `scripts/bench` times: the parts of a request on their own, with random numbers.

use std::cell::Cell;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use wasm_bindgen::prelude::*;

use crate::attribution::{Directions, Mode, Path, Vectors, jacobian, units};
use crate::error::Result;
use crate::gpt2::{Attn, Linear, LinearBlock, Mlp};
use crate::kernels::{self, upload};
use crate::sizes::Sizes;
use crate::watch::{Meter, Phase, Unwatched};
use crate::web::{device, has_subgroups, js_error};

/// Numbers around 0 that keep a block's output of the size of its input.
fn noise(rows: usize, columns: usize, device: &Device) -> Tensor<2> {
    let scale = 1.0 / (columns as f32).sqrt();
    let values = (0..rows * columns).map(|i| (i % 1009 * 7919 % 1009) as f32 / 504.0 - 1.0);
    upload(values.map(|x| x * scale).collect(), columns, device)
}

thread_local! {
    static IS_TUNED: Cell<bool> = const { Cell::new(false) };
}

/// The device, with the shape of products that a session would choose.
async fn tuned() -> Result<Device> {
    let device = device().await?;
    if !IS_TUNED.replace(true) {
        kernels::tune(&device, None, has_subgroups()).await?;
    }
    Ok(device)
}

/// Matrices for a product of one shape.
#[wasm_bindgen]
pub struct ProductBench {
    x: Tensor<2>,
    w: Tensor<2>,
    transposed: bool,
}

#[wasm_bindgen]
impl ProductBench {
    /// A linear layer `[rows, inner] × [inner, columns]`, or with `transposed` the input gradient of
    /// one that is `[columns, inner]`.
    pub async fn create(
        rows: usize,
        inner: usize,
        columns: usize,
        transposed: bool,
    ) -> std::result::Result<Self, JsValue> {
        let device = tuned().await.map_err(js_error)?;
        let w = match transposed {
            true => noise(columns, inner, &device),
            false => noise(inner, columns, &device),
        };
        Ok(Self { x: noise(rows, inner, &device), w, transposed })
    }

    /// Computes the product `times` times and waits for the last.
    pub async fn run(&self, times: usize) -> std::result::Result<(), JsValue> {
        let run = || match self.transposed {
            true => kernels::matmul_transposed(&self.x, &self.w),
            false => kernels::matmul(&self.x, &self.w, None, None),
        };
        for _ in 1..times {
            run();
        }
        kernels::settle(&run()).await.map_err(js_error)
    }
}

/// A block of GPT-2 small's shape and some targets after it.
#[wasm_bindgen]
pub struct BlockBench {
    attn: Rc<Attn>,
    mlp: Rc<Mlp>,
    resid: Tensor<2>,
    sources: Directions,
    targets: Directions,
}

#[wasm_bindgen]
impl BlockBench {
    /// A prompt of `n_pos` tokens and `n_targets` targets spread over it.
    pub async fn create(n_pos: usize, n_targets: usize) -> std::result::Result<Self, JsValue> {
        const D: usize = 768;
        let device = tuned().await.map_err(js_error)?;
        let linear = |d_in, d_out| Linear {
            weight: noise(d_in, d_out, &device),
            bias: noise(1, d_out, &device),
        };
        let directions = |pos: Vec<u32>| Directions {
            rows: Vectors::Stream(noise(pos.len(), D, &device)),
            pos,
            scale: Vec::new(),
        };
        Ok(Self {
            attn: Rc::new(Attn {
                n_head: 12,
                layer_norm_epsilon: 1e-5,
                query_key: linear(D, 2 * D),
                value: noise(D, D, &device),
                output: linear(D, D),
            }),
            mlp: Rc::new(Mlp {
                layer_norm_epsilon: 1e-5,
                input: linear(D, 4 * D),
                output: linear(4 * D, D),
            }),
            resid: noise(n_pos, D, &device),
            sources: directions((0..n_pos as u32).collect()),
            targets: directions(
                (1..=n_targets).map(|t| (t * n_pos / n_targets - 1) as u32).collect(),
            ),
        })
    }

    fn run(&self) -> (Tensor<2>, LinearBlock) {
        let attn = self.attn.at(&self.resid);
        let resid = self.attn.out(attn.z(), Some(&self.resid));
        let (resid, mlp) = self.mlp.out(self.mlp.normalize(&resid), Some(&resid));
        (resid, LinearBlock { attn, mlp: Some(mlp) })
    }

    /// One forward pass.
    pub async fn forward(&self) -> std::result::Result<(), JsValue> {
        kernels::settle(&self.run().0).await.map_err(js_error)
    }

    /// One forward pass and the Jacobian's rows of all targets, projected on one source a position.
    pub async fn jacobian(&self) -> std::result::Result<(), JsValue> {
        let work = async || -> Result<()> {
            let (_, at) = self.run();
            let path = Path {
                blocks: &[at],
                sources: &self.sources,
                targets: &self.targets,
                n_pos: self.sources.pos.len(),
                batch_bytes: Sizes::default().batch,
            };
            let total = units(&path, Mode::Reverse);
            let mut meter = Meter::start(&Unwatched, Phase::Jacobian, total).await?;
            jacobian(&path, Mode::Reverse, &mut meter).await.map(drop)
        };
        work().await.map_err(js_error)
    }
}
