//! The device's arithmetic in WGSL, launched through burn-wgpu.
//!
//! Each `.wgsl` file is one kernel; its first line says what it computes, `cpu` has the formulas
//! in full. Products are written by `product`, for the shape that this adapter is fast with.
//! Bindings are the inputs, then the outputs, then the numbers in `Info`.

mod compile;
mod probe;
mod product;

use std::cell::Cell;
use std::ops::Range;

use burn::backend::Wgpu;
use burn::backend::wgpu::{CubeDim, CubeTensor, KernelSource, SourceKernel, SourceTemplate};
use burn::tensor::{Bytes, DType, Device, Int, Tensor, TensorData};
use cubecl::prelude::KernelId;
use cubecl::server::{Handle, KernelArguments};
use cubecl::{CubeCount, MemoryScope};

use crate::error::{Error, Result};

use super::{Attention, Normalized, Rows, count};
pub use compile::compile;
pub use probe::{SHAPES, tune};
use product::{Product, Shape, TILE};

/// Invocations of a workgroup in kernels that have one an element.
const GROUP: usize = 64;
/// Most workgroups in one dimension of a dispatch that WebGPU guarantees.
const MAX_GROUPS: usize = 65_535;
/// Rows up to which tiles would be mostly empty.
const FEW_ROWS: usize = 16;
/// What a register block costs beside its rows, in rows: it loads columns.
const LOADS_IN_ROWS: usize = 8;
/// Workgroups below which smaller ones are better.
const FEW_GROUPS: usize = 4;
/// Most sums of an invocation without workgroup memory: more take longer to compile and run
/// hardly faster.
const MOST_SUMS: usize = 384;

/// Where a kernel's text comes from; also its name in the cache of compiled ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    /// Text of this folder, in parts.
    Files(&'static [&'static str]),
    /// A matrix product.
    Product(Product),
}

impl KernelSource for Source {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(match self {
            Self::Files(parts) => parts.concat(),
            Self::Product(product) => product.wgsl(),
        })
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(*self)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// A tensor's buffer.
fn handle(tensor: &Tensor<2>) -> CubeTensor {
    tensor.clone().try_into_primitive::<Wgpu>().expect("the WebGPU build has no other backend")
}

fn table(tensor: &Tensor<1, Int>) -> Handle {
    let tensor = tensor.clone().try_into_primitive::<Wgpu>();
    tensor.expect("the WebGPU build has no other backend").handle
}

/// One dispatch in the making.
struct Launch<'a> {
    /// Any tensor of the device.
    near: &'a CubeTensor,
    inputs: Vec<Handle>,
    outputs: Vec<CubeTensor>,
}

impl<'a> Launch<'a> {
    fn on(near: &'a CubeTensor) -> Self {
        Self { near, inputs: Vec::new(), outputs: Vec::new() }
    }

    fn input(mut self, tensor: &Tensor<2>) -> Self {
        self.inputs.push(handle(tensor).handle);
        self
    }

    fn rows(mut self, rows: &Rows) -> Self {
        self.inputs.push(table(&rows.table));
        self
    }

    fn output(mut self, shape: [usize; 2]) -> Self {
        let CubeTensor { client, device, .. } = self.near;
        let handle = client.empty(4 * shape[0] * shape[1]);
        let (client, device) = (client.clone(), device.clone());
        let out = CubeTensor::new_contiguous(client, device, shape.into(), handle, DType::F32);
        self.outputs.push(out);
        self
    }

    fn run(self, source: Source, groups: [usize; 2], info: &[usize]) -> Vec<Tensor<2>> {
        let words: Vec<u32> = info.iter().map(|&word| word as u32).collect();
        let packed = (words.chunks(2))
            .map(|pair| u64::from(pair[0]) | u64::from(*pair.get(1).unwrap_or(&0)) << 32)
            .collect();
        let mut arguments = KernelArguments::new();
        for handle in self.inputs {
            arguments = arguments.with_buffer(handle.binding());
        }
        for out in &self.outputs {
            arguments = arguments.with_buffer(out.handle.clone().binding());
        }
        arguments.info = cubecl::server::MetadataBindingInfo::custom(packed);
        let kernel = SourceKernel::new(source, CubeDim::new_single());
        let count = CubeCount::Static(groups[0] as u32, groups[1] as u32, 1);
        self.near.client.launch(Box::new(kernel), count, arguments);
        self.outputs.into_iter().map(Tensor::from_primitive::<Wgpu>).collect()
    }

    fn run_one(self, source: Source, groups: [usize; 2], info: &[usize]) -> Tensor<2> {
        self.run(source, groups, info).remove(0)
    }
}

/// A kernel of this folder: the file, after those it begins with.
macro_rules! kernel {
    ($name:literal $(, $part:literal)*) => {
        Source::Files(&[
            $(include_str!(concat!($part, ".wgsl")),)*
            include_str!(concat!($name, ".wgsl")),
        ])
    };
}

/// Workgroups for `n` invocations in groups of `size`, over two dimensions where one is too short.
fn groups_of(n: usize, size: usize) -> [usize; 2] {
    let groups = n.div_ceil(size);
    let rows = groups.div_ceil(MAX_GROUPS);
    [groups.div_ceil(rows), rows]
}

/// Moves rows to the device.
///
/// # Shapes
/// - returns `[values.len() / columns, columns]`
pub fn upload(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / columns;
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// A matrix on its way to the device, piece by piece, so that it is never whole in wasm memory.
pub struct Upload {
    out: CubeTensor,
    /// Bytes there.
    len: u64,
    /// Bytes of the whole.
    total: u64,
}

impl Upload {
    /// # Shapes
    /// - `shape`: of the whole, neither side 0
    pub fn new(shape: [usize; 2], device: &Device) -> Self {
        let near = handle(&Tensor::empty([1, 1], device));
        let out = Launch::on(&near).output(shape).outputs.remove(0);
        Self { out, len: 0, total: 4 * (shape[0] * shape[1]) as u64 }
    }

    /// Sends the next values, in row-major order.
    pub fn push(&mut self, values: Vec<f32>) {
        let end = self.len + 4 * values.len() as u64;
        let piece = self.out.handle.clone().offset_start(self.len).offset_end(self.total - end);
        self.out.client.write(&piece, Bytes::from_elems(values));
        // Otherwise it would wait in wasm memory for the next launch; a failure waits for the next read.
        let _ = self.out.client.flush();
        self.len = end;
    }

    /// The matrix, once all of it was pushed.
    pub fn finish(self) -> Tensor<2> {
        assert_eq!(self.len, self.total, "a part of the matrix is missing");
        Tensor::from_primitive::<Wgpu>(self.out)
    }
}

/// Moves rows from the device, in row-major order.
///
/// # Errors
/// `device-failed`.
pub async fn download(tensor: Tensor<2>) -> Result<Vec<f32>> {
    let failed = |cause: String| Error::DeviceFailed { cause };
    note_memory(&tensor);
    let data = tensor.into_data_async().await.map_err(|error| failed(error.to_string()))?;
    data.try_into_vec().map_err(|error| failed(format!("{error:?}")))
}

/// `x w + bias + add`
///
/// # Shapes
/// - `x`: `[rows, inner]`, `w`: `[inner, columns]`, `bias`: `[1, columns]`, `add`:
///   `[rows, columns]`; returns `[rows, columns]`
pub fn matmul(
    x: &Tensor<2>,
    w: &Tensor<2>,
    bias: Option<&Tensor<2>>,
    add: Option<&Tensor<2>>,
) -> Tensor<2> {
    let ([rows, inner], [_, columns]) = (x.dims(), w.dims());
    product(x, w, bias, add, false, &[(0..rows, 0..inner)]).reshape([rows, columns])
}

/// `x wᵀ`
///
/// # Shapes
/// - `x`: `[rows, inner]`, `w`: `[columns, inner]`; returns `[rows, columns]`
pub fn matmul_transposed(x: &Tensor<2>, w: &Tensor<2>) -> Tensor<2> {
    let ([rows, _], [columns, _]) = (x.dims(), w.dims());
    products(x, w, &[(0..rows, 0..columns)], None).reshape([rows, columns])
}

/// For each block, `x[rows of x] · w[rows of w]ᵀ`, one after the other, plus `add`.
///
/// # Shapes
/// - `x`, `w`: `[_, inner]`; returns `[1, Σ rows of x · rows of w]`, and `add` likewise
pub fn products(
    x: &Tensor<2>,
    w: &Tensor<2>,
    blocks: &[(Range<usize>, Range<usize>)],
    add: Option<&Tensor<2>>,
) -> Tensor<2> {
    product(x, w, None, add, true, blocks)
}

/// For each block, `x[rows of x] · w[rows of w]`, one below the other, plus `add`.
///
/// # Shapes
/// - `x`: `[Σ rows of x, inner]`, `w`: `[_, columns]`; returns `[Σ rows of x, columns]`, and `add`
///   likewise
pub fn row_products(
    x: &Tensor<2>,
    w: &Tensor<2>,
    blocks: &[(Range<usize>, Range<usize>)],
    add: Option<&Tensor<2>>,
) -> Tensor<2> {
    let ([rows, _], [_, columns]) = (x.dims(), w.dims());
    product(x, w, None, add, false, blocks).reshape([rows, columns])
}

/// Products of rows of `x` with rows of `w`, or with rows of it that are its columns where `transposed`.
fn product(
    x: &Tensor<2>,
    w: &Tensor<2>,
    bias: Option<&Tensor<2>>,
    add: Option<&Tensor<2>>,
    transposed: bool,
    blocks: &[(Range<usize>, Range<usize>)],
) -> Tensor<2> {
    let ([_, inner], [_, w_columns]) = (x.dims(), w.dims());
    let columns = |w_rows: &Range<usize>| if transposed { w_rows.len() } else { w_columns };
    let near = handle(x);
    let n = blocks.iter().map(|(x_rows, w_rows)| x_rows.len() * columns(w_rows)).sum();
    let out = Launch::on(&near).output([1, n]).outputs.remove(0);
    // One shape for all blocks: each takes long to compile.
    let most_rows = blocks.iter().map(|(x_rows, _)| x_rows.len()).max().unwrap_or(0);
    let most_columns = blocks.iter().map(|(_, w_rows)| columns(w_rows)).max().unwrap_or(0);
    let fours = inner % 4 == 0 && (transposed || w_columns % 4 == 0);
    let shape = shape([most_rows, most_columns], fours, transposed);
    let fours = fours && matches!(shape, Shape::Lanes { .. });
    let mut first = 0;
    for (x_rows, w_rows) in blocks {
        let (rows, columns) = (x_rows.len(), columns(w_rows));
        count(rows, inner, columns);
        let groups = match shape {
            Shape::Lanes { rows: r, columns: c, width, .. } => {
                [columns.div_ceil(width * c), rows.div_ceil(r)]
            }
            Shape::Tiles { .. } => [columns.div_ceil(TILE), rows.div_ceil(TILE)],
        };
        let (bias_, add_) = (bias.is_some(), add.is_some());
        let kernel = Product { shape, transposed, fours, bias: bias_, add: add_ };
        let mut launch = Launch::on(&near).input(x).input(w);
        for tensor in [bias, add].into_iter().flatten() {
            launch = launch.input(tensor);
        }
        launch.outputs.push(out.clone());
        let info = [rows, inner, columns, x_rows.start, w_rows.start, first];
        launch.run(Source::Product(kernel), groups, &info);
        first += rows * columns;
    }
    Tensor::from_primitive::<Wgpu>(out)
}

/// How this adapter spreads a product of that size.
fn shape([rows, columns]: [usize; 2], fours: bool, transposed: bool) -> Shape {
    match probe::shape() {
        Shape::Tiles { side } if rows > FEW_ROWS => Shape::Tiles { side },
        Shape::Tiles { .. } => lanes(probe::SMALL_LANES, [rows, columns], fours, transposed),
        most => lanes(most, [rows, columns], fours, transposed),
    }
}

/// Lanes with as many columns as leave work for all, and rows spread so that little is summed
/// twice: 14 are 7 and 7. Many rows have a choice of few heights, as each takes long to compile.
fn lanes(most: Shape, [rows, columns]: [usize; 2], fours: bool, transposed: bool) -> Shape {
    let Shape::Lanes { rows: most_rows, columns: most_columns, width, broadcast } = most else {
        unreachable!("tiles are no lanes")
    };
    let block = (1..=most_rows)
        .filter(|height| *height <= FEW_ROWS || height % 8 == 0)
        .min_by_key(|height| rows.div_ceil(*height) * (height + LOADS_IN_ROWS))
        .expect("there is a height");
    let sizes: &[usize] = match (fours, transposed) {
        (true, false) => &[24, 16, 12, 8, 4],
        (true, true) => &[24, 16, 12, 8, 4, 2, 1],
        (false, _) => &[2, 1],
    };
    let fits = |&&size: &&usize| {
        let groups = rows.div_ceil(block) * columns.div_ceil(size * width);
        let is_used = size * width < 2 * columns;
        size <= most_columns && block * size <= MOST_SUMS && groups >= FEW_GROUPS && is_used
    };
    let columns = *sizes.iter().find(fits).or(sizes.last()).expect("there are sizes");
    Shape::Lanes { rows: block, columns, width, broadcast }
}

/// Rows of a matrix.
///
/// # Shapes
/// - `w`: `[_, d]`; returns `[indices, d]`
pub fn gather_rows(w: &Tensor<2>, indices: &[u32]) -> Tensor<2> {
    let [_, d] = w.dims();
    gather(w, indices, d, [d, 1])
}

/// Columns of a matrix, as rows.
///
/// # Shapes
/// - `w`: `[d, columns]`; returns `[indices, d]`
pub fn gather_columns(w: &Tensor<2>, indices: &[u32]) -> Tensor<2> {
    let [d, columns] = w.dims();
    gather(w, indices, d, [1, columns])
}

fn gather(w: &Tensor<2>, indices: &[u32], d: usize, strides: [usize; 2]) -> Tensor<2> {
    let n = indices.len();
    let indices: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [n]), &w.device());
    let near = handle(w);
    let mut launch = Launch::on(&near).input(w);
    launch.inputs.push(table(&indices));
    let info = [n, d, strides[0], strides[1]];
    launch.output([n, d]).run_one(kernel!("gather"), groups_of(n * d, GROUP), &info)
}

/// `(x − mean) / √(var + ε)` of each row: a LayerNorm without gain and bias.
///
/// # Shapes
/// - `x`: `[pos, d]`
pub fn layer_norm(x: &Tensor<2>, epsilon: f32) -> Normalized {
    let [n_pos, d] = x.dims();
    let near = handle(x);
    let launch = Launch::on(&near).input(x).output([n_pos, d]).output([n_pos, 2]);
    let info = [d, epsilon.to_bits() as usize];
    let mut found = launch.run(kernel!("layer_norm"), [n_pos, 1], &info);
    let slopes = found.remove(1);
    Normalized { y: found.remove(0), slopes, centered: true }
}

/// Tangents through a normalisation, and cotangents likewise: the Jacobian is symmetric.
///
/// # Shapes
/// - `tangent`: `[rows, d]`; `add`, added to the outcome, and the outcome likewise
pub fn normalize_jvp(
    tangent: &Tensor<2>,
    rows: &Rows,
    at: &Normalized,
    add: Option<&Tensor<2>>,
) -> Tensor<2> {
    let [n, d] = tangent.dims();
    let near = handle(tangent);
    // Something must be bound where nothing is added.
    let added = add.unwrap_or(tangent);
    let launch = Launch::on(&near).input(tangent).rows(rows).input(&at.y).input(&at.slopes);
    let info = [n, d, rows.n_pos(), at.centered.into(), add.is_some().into()];
    launch.input(added).output([n, d]).run_one(kernel!("normalize_jvp"), groups_of(n, 1), &info)
}

/// What changes of a row change in its LayerNorm, however large they are.
///
/// # Shapes
/// - `change`: `[rows, d]`, returned likewise
pub fn layer_norm_change(
    change: &Tensor<2>,
    rows: &Rows,
    at: &Normalized,
    epsilon: f32,
) -> Tensor<2> {
    let [n, d] = change.dims();
    let near = handle(change);
    let launch = Launch::on(&near).input(change).rows(rows).input(&at.y).input(&at.slopes);
    let info = [n, d, rows.n_pos(), epsilon.to_bits() as usize];
    launch.output([n, d]).run_one(kernel!("layer_norm_change"), groups_of(n, 1), &info)
}

/// `x σ(2u)` with `u = √(2/π) (x + 0.044715 x³)`, GPT-2's GELU, and its derivative.
///
/// # Shapes
/// - `x`: `[pos, d]`, both results likewise
pub fn gelu(x: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let [n_pos, d] = x.dims();
    let near = handle(x);
    let launch = Launch::on(&near).input(x).output([n_pos, d]).output([n_pos, d]);
    let n = n_pos * d;
    let mut found = launch.run(kernel!("gelu"), groups_of(n, GROUP), &[n]);
    let slope = found.remove(1);
    (found.remove(0), slope)
}

/// What changes of its argument change in GELU, however large they are.
///
/// # Shapes
/// - `change`: `[rows, d]`, `at`: `[pos, d]`, the arguments; returns `[rows, d]`
pub fn gelu_change(change: &Tensor<2>, rows: &Rows, at: &Tensor<2>) -> Tensor<2> {
    let [n, d] = change.dims();
    let near = handle(change);
    let launch = Launch::on(&near).input(change).rows(rows).input(at).output([n, d]);
    let info = [n, d, rows.n_pos()];
    launch.run_one(kernel!("gelu_change", "exp_m1"), groups_of(n * d, GROUP), &info)
}

/// Each row times the factors of its position.
///
/// # Shapes
/// - `tangent`: `[rows, d]`, `factors`: `[pos, d]`; returns `[rows, d]`
pub fn scale_rows(tangent: Tensor<2>, rows: &Rows, factors: &Tensor<2>) -> Tensor<2> {
    let [n, d] = tangent.dims();
    let near = handle(&tangent);
    let launch = Launch::on(&near).input(&tangent).rows(rows).input(factors).output([n, d]);
    launch.run_one(kernel!("scale_rows"), groups_of(n * d, GROUP), &[n, d, rows.n_pos()])
}

/// The same rows, some left out; those that were not there are taken from what is at their position
/// otherwise, or are zero.
///
/// # Shapes
/// - `x`: `[rows of from, d]`, `otherwise`: `[pos, d]`; returns `[rows of to, d]`
pub fn repack(x: &Tensor<2>, from: &Rows, to: &Rows, otherwise: Option<&Tensor<2>>) -> Tensor<2> {
    let [_, d] = x.dims();
    let n = to.len();
    let near = handle(x);
    // Something must be bound where they are zero.
    let bound = otherwise.unwrap_or(x);
    let launch = Launch::on(&near).input(x).rows(from).rows(to).input(bound).output([n, d]);
    let info = [n, d, to.n_pos(), otherwise.is_some().into()];
    launch.run_one(kernel!("repack", "rows"), groups_of(n * d, GROUP), &info)
}

/// Causal softmax attention, heads side by side.
///
/// # Shapes
/// - `query_key`: `[pos, 2 d]`, `value`: `[pos, d]`
pub fn attention(query_key: Tensor<2>, value: Tensor<2>, n_head: usize) -> Attention {
    let [n_pos, d] = value.dims();
    let near = handle(&value);
    let n = n_head * n_pos;
    let launch = Launch::on(&near).input(&query_key).output([n, n_pos]);
    let info = [n_pos, d, d / n_head, n_head];
    let pattern = launch.run_one(kernel!("attention_pattern"), groups_of(n, GROUP), &info);
    let launch = Launch::on(&near).input(&value).input(&pattern).output([n_pos, d]);
    let groups = groups_of(n_pos * d, GROUP);
    let mixed = launch.run_one(kernel!("attention_mix"), groups, &info[..3]);
    Attention { n_head, query_key, value, pattern, mixed }
}

/// What scores read off the normalised residual stream, by position and head: at their keys
/// `W_K q_i / √d_head` for the query of each position, then at their queries `W_Q k_j / √d_head`
/// for the key of each.
///
/// # Shapes
/// - `weight`: `[d, 2 d]`, `W_Q` and `W_K` side by side; returns `[2 · pos · n_head, d]`
pub fn score_reads(weight: &Tensor<2>, at: &Attention) -> Tensor<2> {
    const POSITIONS: usize = 8;
    let [n_pos, d] = at.value.dims();
    let near = handle(weight);
    let launch = Launch::on(&near).input(weight).input(&at.query_key);
    let invocations = n_pos.div_ceil(POSITIONS) * 2 * at.n_head * d;
    launch.output([2 * n_pos * at.n_head, d]).run_one(
        kernel!("score_reads"),
        groups_of(invocations, GROUP),
        &[n_pos, d, d / at.n_head, at.n_head],
    )
}

/// Tangents of values and scores to tangents of what the heads read.
///
/// # Shapes
/// - `value`: `[rows of from, d]`, `scores`: `[rows of from, own scores]`
///   ([`Attention::own_scores`]); returns `[rows of to, d]`
pub fn attention_jvp(
    value: &Tensor<2>,
    scores: &Tensor<2>,
    from: &Rows,
    to: &Rows,
    at: &Attention,
) -> Tensor<2> {
    let [n_pos, d] = at.value.dims();
    let n = to.len();
    let near = handle(value);
    let launch = Launch::on(&near).input(value).input(scores).rows(from).rows(to);
    let launch = launch.input(&at.value).input(&at.pattern).input(&at.mixed);
    launch.output([n, d]).run_one(
        kernel!("attention_jvp", "rows", "heads", "scores"),
        groups_of(n * quarters(at), GROUP),
        &[n, n_pos, d, d / at.n_head, at.n_head],
    )
}

/// Cotangents of what the heads read to cotangents of values and of scores, these both at their
/// query and at their key.
///
/// # Shapes
/// - `cotangent`: `[rows of from, d]`; returns `[rows of to, d]` and `[rows of to, own scores]`
pub fn attention_vjp(
    cotangent: &Tensor<2>,
    from: &Rows,
    to: &Rows,
    at: &Attention,
) -> (Tensor<2>, Tensor<2>) {
    let [n_pos, d] = at.value.dims();
    let n = to.len();
    let near = handle(cotangent);
    let info = [n, n_pos, d, d / at.n_head, at.n_head];
    let launch = || Launch::on(&near).input(cotangent).rows(from).rows(to);
    let value = launch().input(&at.pattern).output([n, d]).run_one(
        kernel!("attention_vjp_value", "rows", "heads"),
        groups_of(n * quarters(at), GROUP),
        &info,
    );
    let launch = launch().input(&at.value).input(&at.pattern).input(&at.mixed);
    let width = at.own_scores();
    let scores = launch.output([n, width]).run_one(
        kernel!("attention_vjp_scores", "rows"),
        groups_of(n * width, GROUP),
        &info,
    );
    (value, scores)
}

/// What changes of queries, keys and values change in what the heads read, however large they are.
///
/// # Shapes
/// - `query_key`: `[rows of from, 2 d]`, `value`: `[rows of from, d]`; returns `[rows of to, d]`
pub fn attention_change(
    query_key: &Tensor<2>,
    value: &Tensor<2>,
    from: &Rows,
    to: &Rows,
    at: &Attention,
) -> Tensor<2> {
    let [n_pos, d] = at.value.dims();
    let n = to.len();
    let near = handle(value);
    let info = [n, n_pos, d, d / at.n_head, at.n_head];
    let launch = Launch::on(&near).input(query_key).input(&at.query_key).input(&at.pattern);
    let launch = launch.rows(from).rows(to).output([n * at.n_head, n_pos]);
    let pattern = launch.run_one(
        kernel!("attention_change_pattern", "rows", "exp_m1"),
        groups_of(n * at.n_head, GROUP),
        &info,
    );
    let launch = Launch::on(&near).input(value).input(&at.value).input(&at.pattern);
    let launch = launch.input(&pattern).input(&at.mixed).rows(from).rows(to);
    launch.output([n, d]).run_one(
        kernel!("attention_change_mix", "rows", "heads"),
        groups_of(n * quarters(at), GROUP),
        &info,
    )
}

/// Fours of columns of all heads.
fn quarters(at: &Attention) -> usize {
    at.n_head * (at.mixed.dims()[1] / at.n_head).div_ceil(4)
}

/// Waits until the device has computed a tensor.
///
/// # Errors
/// `device-failed`.
pub async fn settle(tensor: &Tensor<2>) -> Result<()> {
    note_memory(tensor);
    let synced = handle(tensor).client.sync().await;
    synced.map_err(|error| Error::DeviceFailed { cause: error.to_string() })
}

thread_local! {
    static PEAK_MEMORY: Cell<u64> = const { Cell::new(0) };
}

/// Most bytes that the device's buffers have taken so far, seen whenever it is waited for: what is
/// given back between two waits is given back to the pool, not to the device.
pub fn peak_memory() -> u64 {
    PEAK_MEMORY.get()
}

fn note_memory(near: &Tensor<2>) {
    let report = handle(near).client.memory_report(MemoryScope::Device);
    PEAK_MEMORY.set(PEAK_MEMORY.get().max(report.usage().bytes_reserved));
}
