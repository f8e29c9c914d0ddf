//! Matrix products of the device against sums on the host.

use burn::tensor::{Device, Tensor};
use sae_attribution::kernels::{self, upload};

/// A random number generator that is the same everywhere (Knuth's MMIX linear congruential).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    /// A side of a matrix: every size of 1 … 4096 may come, small and odd ones often.
    fn side(&mut self) -> usize {
        let most = 1u64 << (self.next() % 13);
        1 + (self.next() % most) as usize
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(|_| self.next() as f32 / (1u64 << 30) as f32 - 1.0).collect()
    }
}

/// Most products of one case: a second on the slowest adapter.
const MOST: usize = 60_000_000;

/// Checks products of `cases` random shapes and of the shapes at the edges; returns the largest
/// error relative to the sum of absolute products.
pub(crate) async fn check_products(device: &Device, cases: usize) -> f64 {
    let mut random = Random(11);
    let mut shapes = vec![
        [1, 1, 1],
        [1, 4096, 1],
        [4096, 1, 3],
        [3, 1, 4096],
        [9, 768, 768],
        [64, 65, 63],
        [65, 64, 257],
        [17, 4096, 33],
    ];
    while shapes.len() < cases + 8 {
        let shape = [random.side(), random.side(), random.side()];
        if shape.iter().product::<usize>() <= MOST {
            shapes.push(shape);
        }
    }
    let mut worst = 0f64;
    for (i, [rows, inner, columns]) in shapes.into_iter().enumerate() {
        let (x, w) = (random.matrix(rows, inner), random.matrix(inner, columns));
        let (bias, add) = (random.matrix(1, columns), random.matrix(rows, columns));
        let transposed: Vec<f32> =
            (0..columns * inner).map(|at| w[at % inner * columns + at / inner]).collect();
        let on_device = |values: &[f32], columns| upload(values.to_vec(), columns, device);
        let (x_, w_) = (on_device(&x, inner), on_device(&w, columns));
        let (bias_, add_) = (on_device(&bias, columns), on_device(&add, columns));
        let with_bias = (i % 2 == 0).then_some(&bias_);
        let with_add = (i % 3 == 0).then_some(&add_);
        let plain = read(kernels::matmul(&x_, &w_, with_bias, with_add)).await;
        let by_rows = read(kernels::matmul_transposed(&x_, &on_device(&transposed, inner))).await;
        assert_eq!((plain.len(), by_rows.len()), (rows * columns, rows * columns));
        // On the CPU a row is the same alone, as in a continuation, and among others.
        if !cfg!(feature = "webgpu") {
            let last = rows - 1;
            let add_last = on_device(&add[last * columns..], columns);
            let alone = on_device(&x[last * inner..], inner);
            let alone = kernels::matmul(&alone, &w_, with_bias, with_add.map(|_| &add_last));
            assert_eq!(read(alone).await, plain[last * columns..], "{rows} × {inner} × {columns}");
        }
        // All of a small result; of a large one its edges and every so many.
        let stride = (rows * columns * inner / 4_000_000).max(1);
        for at in 0..rows * columns {
            let (r, c) = (at / columns, at % columns);
            let edge = r + 1 == rows && c + 1 == columns || at == 0;
            if !(edge || at % stride == 0) {
                continue;
            }
            let (mut sum, mut size) = (0f64, 1e-30);
            for k in 0..inner {
                let product = f64::from(x[r * inner + k]) * f64::from(w[k * columns + c]);
                sum += product;
                size += product.abs();
            }
            let mut check = |found: f32, expected: f64, what: &str| {
                let error = (f64::from(found) - expected).abs() / size.max(1.0);
                let shape = format!("[{rows}, {inner}] × [{inner}, {columns}]");
                assert!(error < 1e-5, "{what} of {shape} at ({r}, {c}): {found}, not {expected}");
                worst = worst.max(error);
            };
            let biased = with_bias.map_or(0.0, |_| f64::from(bias[c]));
            let added = with_add.map_or(0.0, |_| f64::from(add[at]));
            check(plain[at], sum + biased + added, "product");
            check(by_rows[at], sum, "product with the transposed");
        }
    }
    worst
}

/// Checks them with each shape of product that some adapter is fast with, and that subgroups are not used
/// where there are none. Returns a line a shape.
pub(crate) async fn check_shapes(device: &Device, subgroups: bool, cases: usize) -> String {
    let choose = async |known: Option<&str>, subgroups: bool| {
        let chosen = kernels::tune(device, known, subgroups).await;
        chosen.unwrap_or_else(|error| panic!("{error}"))
    };
    let mut report = String::new();
    for shape in kernels::SHAPES {
        if shape.starts_with("broadcast") {
            // A browser may have had subgroups when the shape was remembered, and have them no more.
            let chosen = choose(Some(shape), false).await;
            assert!(!chosen.starts_with("broadcast"), "{chosen} needs subgroups");
            if !subgroups {
                continue;
            }
        }
        assert_eq!(choose(Some(shape), subgroups).await, shape);
        let worst = check_products(device, cases).await;
        let of = "of the sum of absolute products";
        report += &format!("{shape}: largest error {worst:.1e} {of}\n");
    }
    report + "this adapter's choice: " + choose(None, subgroups).await
}

async fn read(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data_async().await.unwrap().try_into_vec().unwrap()
}
