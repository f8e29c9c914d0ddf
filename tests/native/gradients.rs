//! The Jacobian against finite differences, against sums that must come out, and against causality.

use std::rc::Rc;

use burn::tensor::{Device, Tensor, TensorData};
use sae_attribution::attribution::{Directions, Path, jacobian};
use sae_attribution::config::ActivationNorm;
use sae_attribution::gpt2::{self, Block, Linear};
use sae_attribution::sae::{Activation, Sae};
use sae_attribution::watch::{Meter, Phase, Unwatched};

const D: usize = 24;
const POS: usize = 6;
const N: usize = 40;

/// Numbers in (−1, 1), the same every time.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> f32 {
        // Knuth's MMIX linear congruential generator.
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub(crate) fn values(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| scale * self.next()).collect()
    }

    fn tensor(&mut self, shape: [usize; 2], scale: f32) -> Tensor<2> {
        tensor(self.values(shape[0] * shape[1], scale), shape)
    }

    fn linear(&mut self, d_in: usize, d_out: usize, scale: f32) -> Linear {
        Linear { weight: self.tensor([d_in, d_out], scale), bias: self.tensor([1, d_out], 0.2) }
    }

    fn block(&mut self) -> Block {
        Block {
            n_head: 3,
            layer_norm_epsilon: 1e-5,
            query: self.linear(D, D, 0.5),
            key: self.linear(D, D, 0.5),
            value: self.linear(D, D, 0.5),
            output: self.linear(D, D, 0.4),
            mlp_in: self.linear(D, 4 * D, 0.4),
            mlp_out: self.linear(4 * D, D, 0.3),
        }
    }

    /// `N` directions, several at every position.
    fn directions(&mut self) -> Directions {
        let pos = (0..N).map(|i| (i * POS / N) as u32).collect();
        Directions { pos, rows: self.tensor([N, D], 1.0) }
    }
}

fn tensor(values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn gradients(path: &Path<'_>) -> Vec<f32> {
    pollster::block_on(async {
        let mut meter = Meter::start(&Unwatched, Phase::Jacobian, 0).await?;
        jacobian(path, &mut meter).await
    })
    .unwrap()
}

/// Every target at a residual stream.
fn targets_at(path: &Path<'_>, resid: Tensor<2>) -> Vec<f64> {
    let end = path.blocks.iter().fold(resid.unsqueeze::<3>(), |resid, block| block.forward(resid));
    let end = values((path.normalize)(end.squeeze_dim::<2>(0)));
    let rows = values(path.targets.rows.clone());
    (path.targets.pos.iter().zip(rows.chunks_exact(D)))
        .map(|(&pos, row)| {
            let at = &end[pos as usize * D..][..D];
            at.iter().zip(row).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        })
        .collect()
}

/// The residual stream with `amount` of one source added.
fn moved(path: &Path<'_>, source: usize, amount: f32) -> Tensor<2> {
    let mut resid = values(path.resid.clone());
    let row = &values(path.sources.rows.clone())[source * D..][..D];
    let at = &mut resid[path.sources.pos[source] as usize * D..][..D];
    at.iter_mut().zip(row).for_each(|(x, v)| *x += amount * v);
    tensor(resid, [POS, D])
}

/// Largest difference of the Jacobian from central differences, relative to its largest value.
fn error_of(path: &Path<'_>) -> f64 {
    let found = gradients(path);
    let step = 4e-3f32;
    let (mut worst, mut largest) = (0f64, 0f64);
    for source in 0..N {
        let above = targets_at(path, moved(path, source, step));
        let below = targets_at(path, moved(path, source, -step));
        for target in 0..N {
            let numeric = (above[target] - below[target]) / (2.0 * f64::from(step));
            let gradient = f64::from(found[target * N + source]);
            worst = worst.max((gradient - numeric).abs());
            largest = largest.max(gradient.abs());
        }
    }
    assert!(largest > 0.1, "a test of nothing");
    worst / largest
}

fn sae(random: &mut Random, norm: ActivationNorm) -> Sae {
    Sae {
        d_sae: 8,
        norm,
        apply_b_dec_to_input: true,
        w_enc: random.tensor([D, 8], 0.5),
        w_dec: random.tensor([8, D], 0.5),
        b_dec: random.tensor([1, D], 0.1),
        activation: Activation::Relu { b_enc: vec![0.0; 8] },
    }
}

#[test]
fn gradients_equal_central_differences() {
    let mut random = Random::new(1);
    let blocks: Vec<Rc<Block>> = (0..2).map(|_| Rc::new(random.block())).collect();
    let (sources, targets) = (random.directions(), random.directions());
    let resid = random.tensor([POS, D], 2.0);
    let final_layer_norm = |rows| gpt2::normalize(rows, 1e-5);
    let by_norm =
        [ActivationNorm::None, ActivationNorm::LayerNorm, ActivationNorm::ConstantNormRescale]
            .map(|norm| (norm, sae(&mut random, norm)));
    type Reader = Box<dyn Fn(Tensor<2>) -> Tensor<2>>;
    let mut readers: Vec<(String, Reader)> =
        vec![("final LayerNorm".into(), Box::new(final_layer_norm))];
    for (norm, sae) in by_norm {
        readers.push((format!("{norm:?}"), Box::new(move |rows| sae.normalize(rows))));
    }
    for blocks in [&blocks[..], &blocks[..1], &[]] {
        for (name, normalize) in &readers {
            let path = Path {
                resid: resid.clone(),
                blocks,
                sources: &sources,
                targets: &targets,
                normalize,
            };
            let error = error_of(&path);
            println!("{} blocks, {name}: {error:.1e} of the largest gradient", blocks.len());
            assert!(error < 2e-3, "{} blocks, {name}: {error}", blocks.len());
        }
    }
}

#[test]
fn a_later_position_never_moves_an_earlier_one() {
    let mut random = Random::new(2);
    let blocks = [Rc::new(random.block()), Rc::new(random.block())];
    let (sources, targets) = (random.directions(), random.directions());
    let resid = random.tensor([POS, D], 2.0);
    let normalize = |rows| gpt2::normalize(rows, 1e-5);
    let path = Path {
        resid,
        blocks: &blocks,
        sources: &sources,
        targets: &targets,
        normalize: &normalize,
    };
    let found = gradients(&path);
    let mut earlier = 0;
    for (target, &at) in targets.pos.iter().enumerate() {
        for (source, &from) in sources.pos.iter().enumerate() {
            let gradient = found[target * N + source];
            assert_eq!(gradient == 0.0, from > at, "{from} to {at}: {gradient}");
            earlier += usize::from(from < at);
        }
    }
    assert!(earlier > N, "pairs across positions are part of the test");
}

/// With uniform attention, no MLP, and a LayerNorm whose ε dwarfs the variance, a block is linear
/// (to 1e-6), so attributions must add up to what the sources add together.
#[test]
fn attributions_of_a_linear_model_are_complete() {
    let mut random = Random::new(3);
    let mut block = random.block();
    block.layer_norm_epsilon = 1e6;
    block.query =
        Linear { weight: tensor(vec![0.0; D * D], [D, D]), bias: tensor(vec![0.0; D], [1, D]) };
    block.output.weight = block.output.weight * 1e3;
    block.mlp_out.weight = block.mlp_out.weight * 0.0;
    let blocks = [Rc::new(block)];
    let (sources, targets) = (random.directions(), random.directions());
    let activations = random.values(N, 1.0);
    let normalize = |rows| rows;

    let base = random.tensor([POS, D], 1.0);
    let path = |resid| Path {
        resid,
        blocks: &blocks,
        sources: &sources,
        targets: &targets,
        normalize: &normalize,
    };
    let mut sum = base.clone();
    for (source, &activation) in activations.iter().enumerate() {
        sum = moved(&path(sum), source, activation);
    }
    let with = targets_at(&path(sum.clone()), sum.clone());
    let without = targets_at(&path(base.clone()), base);
    let found = gradients(&path(sum));
    let largest = with.iter().zip(&without).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    for (target, row) in found.chunks_exact(N).enumerate() {
        let total: f64 = row.iter().zip(&activations).map(|(g, a)| f64::from(g * a)).sum();
        let change = with[target] - without[target];
        assert!((total - change).abs() < 1e-4 * largest, "target {target}: {total} of {change}");
    }
}
