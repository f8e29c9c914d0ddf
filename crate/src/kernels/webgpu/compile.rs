//! Kernels compiled before a request needs them, while its weights arrive.

use burn::tensor::Device;

use super::product::{Product, Shape};
use super::{
    Launch, Rows, Source, attention, attention_jvp, attention_vjp, gather_rows, gelu, handle,
    layer_norm, normalize_jvp, repack, scale_rows, score_reads, shape, upload,
};

/// Rows and columns of products where the time goes: full register blocks.
const MANY: usize = 14 * 9 * 32;

/// Launches each kernel once on next to nothing; the browser compiles them beside whatever else
/// happens. Products come in as many shapes as there are numbers of rows: those of many rows are
/// compiled, where the time goes.
pub fn compile(device: &Device) {
    const D: usize = 4;
    let zeros = |rows: usize, columns: usize| upload(vec![0.0; rows * columns], columns, device);
    let (x, rows) = (zeros(1, D), Rows::new(std::iter::once(0..1).collect(), device));
    let normalized = layer_norm(&x, 1.0);
    normalize_jvp(&x, &rows, &normalized, None);
    scale_rows(gelu(&x).0, &rows, &x);
    repack(&gather_rows(&x, &[0]), &rows, &rows, None);
    let attention = attention(zeros(1, 2 * D), x.clone(), 1);
    score_reads(&zeros(D, 2 * D), &attention);
    attention_jvp(&x, &zeros(1, attention.own_scores()), &rows, &rows, &attention);
    attention_vjp(&x, &rows, &rows, &attention);

    // Forward, forward into the residual stream, tangents, tangents into it, cotangents.
    let uses = [(false, true, false), (false, true, true), (false, false, false)];
    for (transposed, bias, add) in
        uses.into_iter().chain([(false, false, true), (true, false, false)])
    {
        let (x, w) = (zeros(1, D), zeros(D, D));
        let near = handle(&x);
        let mut launch = Launch::on(&near).input(&x).input(&w);
        for _ in 0..usize::from(bias) + usize::from(add) {
            launch = launch.input(&x);
        }
        let shape = shape([MANY, MANY], true, transposed);
        let fours = matches!(shape, Shape::Lanes { .. });
        let kernel = Product { shape, transposed, fours, bias, add };
        launch.output([1, D]).run(Source::Product(kernel), [1, 1], &[1, D, D, 0, 0, 0]);
    }
}
