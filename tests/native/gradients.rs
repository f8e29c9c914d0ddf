//! The Jacobian against burn's autodiff, finite differences, sums that must come out, and causality.

use std::rc::Rc;

use burn::tensor::{Tensor, TensorData};
use sae_attribution::attribution::{Directions, Mode, Path, Vectors, cheaper, jacobian, units};
use sae_attribution::config::ActivationNorm;
use sae_attribution::gpt2::{Attn, Linear, LinearBlock, Mlp};
use sae_attribution::kernels::{self, Normalized, Rows};
use sae_attribution::sae::{Activation, Sae};
use sae_attribution::source::LocalFuture;
use sae_attribution::watch::{Meter, Phase, Progress, Unwatched, Watch};

use crate::common::device::device;
use crate::reference::{self, Read};

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
        let attn = Attn {
            n_head: 3,
            layer_norm_epsilon: 1e-5,
            query_key: self.linear(D, 2 * D, 0.5),
            value: self.tensor([D, D], 0.5),
            output: self.linear(D, D, 0.4),
        };
        let mlp = Mlp {
            layer_norm_epsilon: 1e-5,
            input: self.linear(D, 4 * D, 0.4),
            output: self.linear(4 * D, D, 0.3),
        };
        Block { attn: Rc::new(attn), mlp: Rc::new(mlp) }
    }

    /// `N` directions, several at every position, with scales.
    fn directions(&mut self) -> Directions {
        let pos = (0..N).map(|i| (i * POS / N) as u32).collect();
        let rows = Vectors::Stream(self.tensor([N, D], 1.0));
        Directions { pos, rows, scale: self.values(N, 2.0) }
    }
}

fn tensor(values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), &device())
}

pub(crate) fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Directions in the residual stream.
pub(crate) fn stream(directions: &Directions) -> &Tensor<2> {
    let Vectors::Stream(rows) = &directions.rows else { panic!("they are in the stream") };
    rows
}

/// Both halves.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) attn: Rc<Attn>,
    pub(crate) mlp: Rc<Mlp>,
}

impl Block {
    pub(crate) fn forward(&self, resid: &Tensor<2>) -> (Tensor<2>, LinearBlock) {
        let attn = self.attn.at(resid);
        let resid = self.attn.out(attn.z(), Some(resid));
        let (resid, mlp) = self.mlp.out(self.mlp.normalize(&resid), Some(&resid));
        (resid, LinearBlock { attn, mlp: Some(mlp) })
    }
}

/// A model of random blocks, and what is to be differentiated in it.
struct Model {
    resid: Tensor<2>,
    blocks: Vec<Block>,
    sources: Directions,
    targets: Directions,
}

impl Model {
    fn random(seed: u64, blocks: usize) -> Self {
        let mut random = Random::new(seed);
        Self {
            blocks: (0..blocks).map(|_| random.block()).collect(),
            sources: random.directions(),
            targets: random.directions(),
            resid: random.tensor([POS, D], 2.0),
        }
    }

    /// The model run on a residual stream: linearised there, and its end.
    fn run(&self, mut resid: Tensor<2>) -> (Vec<LinearBlock>, Tensor<2>) {
        let mut linearized = Vec::new();
        for block in &self.blocks {
            let (after, at) = block.forward(&resid);
            resid = after;
            linearized.push(at);
        }
        (linearized, resid)
    }

    fn gradients(&self, reader: &Reader, mode: Mode) -> Vec<f32> {
        let (blocks, end) = self.run(self.resid.clone());
        let mut targets = self.targets.clone();
        if let Some(read) = (reader.at)(&end) {
            let own = Rows::own(&targets.pos, POS, &device());
            let rows = kernels::normalize_jvp(stream(&targets), &own, &read, None);
            targets.rows = Vectors::Stream(rows);
        }
        let path = Path {
            blocks: &blocks,
            sources: &self.sources,
            targets: &targets,
            n_pos: POS,
            batch_bytes: 128 << 20,
        };
        let heard = Heard::default();
        let found = pollster::block_on(async {
            let mut meter = Meter::start(&heard, Phase::Jacobian, units(&path, mode)).await?;
            jacobian(&path, mode, &mut meter).await
        })
        .unwrap();
        let last = heard.0.borrow().unwrap();
        assert_eq!(last.done, last.total, "all that was announced was done");
        found
    }

    /// Every target at a residual stream.
    fn targets_at(&self, reader: &Reader, resid: Tensor<2>) -> Vec<f64> {
        let end = values((reader.read)(self.run(resid).1));
        let rows = values(stream(&self.targets).clone());
        (self.targets.pos.iter().zip(rows.chunks_exact(D)).zip(&self.targets.scale))
            .map(|((&pos, row), &scale)| {
                let at = &end[pos as usize * D..][..D];
                let sum: f64 = at.iter().zip(row).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                sum * f64::from(scale)
            })
            .collect()
    }

    /// A residual stream with `amount` of one source added.
    fn moved(&self, resid: &Tensor<2>, source: usize, amount: f32) -> Tensor<2> {
        let mut resid = values(resid.clone());
        let row = &values(stream(&self.sources).clone())[source * D..][..D];
        let amount = amount * self.sources.scale[source];
        let at = &mut resid[self.sources.pos[source] as usize * D..][..D];
        at.iter_mut().zip(row).for_each(|(x, v)| *x += amount * v);
        tensor(resid, [POS, D])
    }
}

/// Hears the last report.
#[derive(Default)]
struct Heard(std::cell::RefCell<Option<Progress>>);

impl Watch for Heard {
    fn report(&self, progress: Progress) -> LocalFuture<'_, sae_attribution::Result<()>> {
        *self.0.borrow_mut() = Some(progress);
        Unwatched.report(progress)
    }
}

/// A normalisation linearised at the end of the residual stream.
type Linearize = dyn Fn(&Tensor<2>) -> Option<Normalized>;

/// A normalisation before targets are read: as the product linearises it, and in burn's operations.
struct Reader {
    name: String,
    at: Box<Linearize>,
    read: Box<Read>,
}

impl Reader {
    fn none() -> Self {
        Self { name: "none".into(), at: Box::new(|_| None), read: Box::new(|rows| rows) }
    }

    fn final_layer_norm() -> Self {
        Self {
            name: "final LayerNorm".into(),
            at: Box::new(|end| Some(kernels::layer_norm(end, 1e-5))),
            read: Box::new(|rows| reference::layer_norm(rows, 1e-5)),
        }
    }

    fn sae(norm: ActivationNorm) -> Self {
        let mut random = Random::new(9);
        let sae = Sae {
            hook_name: "blocks.0.hook_resid_pre".into(),
            d_sae: 8,
            norm,
            b_in: None,
            w_enc: random.tensor([D, 8], 0.5),
            b_dec: random.values(D, 0.1),
            activation: Activation::Relu { b_enc: vec![0.0; 8] },
        };
        Self {
            name: format!("{norm:?}"),
            at: Box::new(move |end| sae.normalize(&values(end.clone()))),
            read: Box::new(move |rows| reference::normalize(norm, rows)),
        }
    }

    fn all() -> [Self; 4] {
        [
            Self::final_layer_norm(),
            Self::sae(ActivationNorm::None),
            Self::sae(ActivationNorm::LayerNorm),
            Self::sae(ActivationNorm::ConstantNormRescale),
        ]
    }
}

/// Largest difference, relative to the largest value of the second.
fn error_of(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    assert!(largest > 0.1, "a test of nothing");
    found.iter().zip(expected).fold(0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

#[test]
fn gradients_equal_burns_autodiff() {
    for blocks in 0..4 {
        let model = Model::random(4 + blocks as u64, blocks);
        let plain = model.blocks.iter().fold(model.resid.clone(), |x, b| reference::forward(b, x));
        let error = error_of(&values(model.run(model.resid.clone()).1), &values(plain));
        assert!(error < 2e-6, "{blocks} blocks forward: {error:.1e}");
        for reader in Reader::all() {
            let mut expected = reference::jacobian(
                &model.resid,
                &model.blocks,
                &*reader.read,
                &model.sources,
                &model.targets,
            );
            for (row, of_target) in expected.chunks_exact_mut(N).zip(&model.targets.scale) {
                let scales = row.iter_mut().zip(&model.sources.scale);
                scales.for_each(|(value, of_source)| *value *= of_target * of_source);
            }
            for mode in [Mode::Forward, Mode::Reverse] {
                let error = error_of(&model.gradients(&reader, mode), &expected);
                let case = format!("{blocks} blocks, {}, {mode:?}", reader.name);
                println!("{case}: {error:.1e} of the largest gradient");
                assert!(error < 1e-5, "{case}: {error:.1e}");
            }
        }
    }
}

#[test]
fn gradients_equal_central_differences() {
    for blocks in 0..3 {
        let model = Model::random(1, blocks);
        for reader in Reader::all() {
            let step = 4e-3f32;
            let mut numeric = vec![0f32; N * N];
            for source in 0..N {
                let at = |step| model.targets_at(&reader, model.moved(&model.resid, source, step));
                for (target, (above, below)) in at(step).iter().zip(at(-step)).enumerate() {
                    numeric[target * N + source] =
                        ((above - below) / (2.0 * f64::from(step))) as f32;
                }
            }
            for mode in [Mode::Forward, Mode::Reverse] {
                let error = error_of(&model.gradients(&reader, mode), &numeric);
                assert!(error < 2e-3, "{blocks} blocks, {}, {mode:?}: {error:.1e}", reader.name);
            }
        }
    }
}

#[test]
fn a_later_position_never_moves_an_earlier_one() {
    let model = Model::random(2, 2);
    for mode in [Mode::Forward, Mode::Reverse] {
        let found = model.gradients(&Reader::final_layer_norm(), mode);
        let mut earlier = 0;
        for (target, &at) in model.targets.pos.iter().enumerate() {
            for (source, &from) in model.sources.pos.iter().enumerate() {
                let gradient = found[target * N + source];
                assert_eq!(gradient == 0.0, from > at, "{from} to {at}: {gradient}");
                earlier += usize::from(from < at);
            }
        }
        assert!(earlier > N, "pairs across positions are part of the test");
    }
}

/// Sources and targets at a few positions only, and none that reach each other.
#[test]
fn positions_without_sources_or_targets_are_left_out() {
    let mut model = Model::random(6, 2);
    let reader = Reader::none();
    for (sources, targets) in [(1, 4), (4, 4), (0, 5), (4, 1)] {
        model.sources.pos = vec![sources; N];
        model.targets.pos = vec![targets; N];
        let [forward, reverse] =
            [Mode::Forward, Mode::Reverse].map(|mode| model.gradients(&reader, mode));
        if sources > targets {
            assert!(forward.iter().chain(&reverse).all(|&gradient| gradient == 0.0));
        } else {
            assert!(error_of(&forward, &reverse) < 1e-5);
        }
    }
}

#[test]
fn the_mode_with_fewer_products_is_chosen() {
    let mut model = Model::random(7, 2);
    let one = |directions: &Directions, at: usize| Directions {
        pos: directions.pos[at..=at].to_vec(),
        rows: Vectors::Stream(stream(directions).clone().slice([at..at + 1, 0..D])),
        scale: Vec::new(),
    };
    let (blocks, _) = model.run(model.resid.clone());
    let mode = |model: &Model| {
        let (sources, targets) = (&model.sources, &model.targets);
        cheaper(&Path { blocks: &blocks, sources, targets, n_pos: POS, batch_bytes: 128 << 20 })
    };
    model.targets = one(&model.targets, N - 1);
    assert_eq!(mode(&model), Mode::Reverse);
    model = Model { sources: one(&model.sources, 0), ..Model::random(7, 2) };
    assert_eq!(mode(&model), Mode::Forward);
}

/// With uniform attention, no MLP, and a LayerNorm whose ε dwarfs the variance, a block is linear
/// (to 1e-6), so attributions must add up to what the sources add together.
#[test]
fn attributions_of_a_linear_model_are_complete() {
    let mut model = Model::random(3, 1);
    let mut attn = (*model.blocks[0].attn).clone();
    attn.layer_norm_epsilon = 1e6;
    attn.query_key.weight = attn.query_key.weight * 0.0;
    attn.query_key.bias = attn.query_key.bias * 0.0;
    attn.output.weight = attn.output.weight * 1e3;
    let mut mlp = (*model.blocks[0].mlp).clone();
    mlp.output.weight = mlp.output.weight * 0.0;
    model.blocks = vec![Block { attn: Rc::new(attn), mlp: Rc::new(mlp) }];
    let activations = Random::new(5).values(N, 1.0);
    let reader = Reader::none();

    let mut sum = model.resid.clone();
    for (source, &activation) in activations.iter().enumerate() {
        sum = model.moved(&sum, source, activation);
    }
    let with = model.targets_at(&reader, sum.clone());
    let without = model.targets_at(&reader, model.resid.clone());
    model.resid = sum;
    let found = model.gradients(&reader, Mode::Reverse);
    let largest = with.iter().zip(&without).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    for (target, row) in found.chunks_exact(N).enumerate() {
        let total: f64 = row.iter().zip(&activations).map(|(g, a)| f64::from(g * a)).sum();
        let change = with[target] - without[target];
        assert!((total - change).abs() < 1e-4 * largest, "target {target}: {total} of {change}");
    }
}
