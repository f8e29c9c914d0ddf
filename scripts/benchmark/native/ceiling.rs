//! What hand-written WGSL reaches on this adapter: f32 matrix products with no framework around them, as in
//! `../ceiling.js`. Independent of the crate's kernels.

use burn::backend::wgpu::wgpu;
use wgpu::util::DeviceExt;

use crate::measure::best;

/// A way to multiply `[m, k] × [k, n]`.
struct Kernel {
    name: String,
    /// Rows and columns of the result that a workgroup sums.
    block: [usize; 2],
    code: String,
}

fn times(n: usize, text: impl Fn(usize) -> String) -> String {
    (0..n).map(text).collect()
}

fn block(rows: usize, columns: usize, text: impl Fn(usize, usize) -> String) -> String {
    times(rows, |i| times(columns, |j| text(i, j)))
}

fn bindings(x: &str, w: &str) -> String {
    format!(
        "struct Info {{ rows: u32, inner: u32, columns: u32 }}
@group(0) @binding(0) var<storage, read> x: array<{x}>;
@group(0) @binding(1) var<storage, read> w: array<{w}>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> info: Info;\n"
    )
}

/// Registers only, columns in fours, as many invocations a workgroup. With `shared`, four of a subgroup load
/// one number of a row each and give it to the others.
fn vectors(rows: usize, fours: usize, width: usize, shared: bool) -> Kernel {
    let (member, x, first, inner) = match shared {
        true => (
            ", @builtin(subgroup_invocation_id) member: u32",
            "f32",
            " + member % 4u",
            "info.inner",
        ),
        false => ("", "vec4<f32>", "", "info.inner / 4u"),
    };
    let step = if shared { 4 } else { 1 };
    let starts =
        times(rows, |i| format!("var x{i} = min(row + {i}u, info.rows - 1u) * inner{first};\n"))
            + &times(fours, |j| {
                format!("var w{j} = min(column + {}u, columns - 1u);\n", width * j)
            })
            + &block(rows, fours, |i, j| format!("var s{i}_{j} = vec4<f32>(0.0);\n"));
    let loads = times(fours, |j| {
        times(4, |q| format!("let b{j}_{q} = w[w{j} + {q}u * columns]; "))
            + &format!("w{j} += 4u * columns;\n")
    });
    let sums = times(rows, |i| {
        let part = |q: usize| match shared {
            true => format!("a{i}_{q}"),
            false => format!("a{i}[{q}]"),
        };
        let given = match shared {
            true => times(4, |q| format!("let a{i}_{q} = subgroupBroadcast(a{i}, {q}u); ")),
            false => String::new(),
        };
        format!("let a{i} = x[x{i}]; x{i} += {step}u; {given}\n")
            + &times(fours, |j| {
                times(4, |q| {
                    format!("s{i}_{j} = fma(vec4<f32>({}), b{j}_{q}, s{i}_{j});\n", part(q))
                })
            })
    });
    let stores = block(rows, fours, |i, j| {
        let column = format!("column + {}u", width * j);
        let at = format!("(row + {i}u) * info.columns + 4u * ({column})");
        format!("if row + {i}u < info.rows && {column} < columns {{\n")
            + &times(4, |q| format!("out[{at} + {q}u] = s{i}_{j}[{q}];\n"))
            + "}\n"
    });
    Kernel {
        name: format!("{} {rows}×{}", if shared { "subgroups" } else { "vectors" }, 4 * fours),
        block: [rows, 4 * width * fours],
        code: format!(
            "{}@compute @workgroup_size({width})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32{member}) {{
let inner = {inner}; let columns = info.columns / 4u;
let row = group.y * {rows}u; let column = group.x * {}u + lane;
{starts}for (var k = 0u; k < info.inner; k += 4u) {{\n{loads}{sums}}}\n{stores}}}",
            bindings(x, "vec4<f32>"),
            width * fours,
        ),
    }
}

/// Tiles of both matrices in workgroup memory; each invocation sums `side × side` of the tile.
fn tiles(tile: usize, side: usize) -> Kernel {
    let across = tile / side;
    let (threads, held) = (across * across, 16 * tile);
    let zeros = block(side, side, |i, j| format!("var s{i}_{j} = 0.0;\n"));
    let sums = times(side, |j| format!("let b{j} = ws[k * {tile}u + column + {j}u];\n"))
        + &times(side, |i| {
            format!("let a{i} = xs[k * {tile}u + row + {i}u];\n")
                + &times(side, |j| format!("s{i}_{j} = fma(a{i}, b{j}, s{i}_{j});\n"))
        });
    let stores = block(side, side, |i, j| {
        format!(
            "if r + {i}u < info.rows && c + {j}u < info.columns {{
out[(r + {i}u) * info.columns + c + {j}u] = s{i}_{j}; }}\n"
        )
    });
    Kernel {
        name: format!("tiles of {tile}, {side}×{side}"),
        block: [tile, tile],
        code: format!(
            "{}var<workgroup> xs: array<f32, {held}>;
var<workgroup> ws: array<f32, {held}>;
@compute @workgroup_size({threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
let row = lane / {across}u * {side}u; let column = lane % {across}u * {side}u;
{zeros}for (var first = 0u; first < info.inner; first += 16u) {{
for (var i = lane; i < {held}u; i += {threads}u) {{
let r = min(group.y * {tile}u + i / 16u, info.rows - 1u);
let c = min(group.x * {tile}u + i % {tile}u, info.columns - 1u);
xs[i % 16u * {tile}u + i / 16u] = x[r * info.inner + first + i % 16u];
ws[i] = w[(first + i / {tile}u) * info.columns + c];
}}
workgroupBarrier();
for (var k = 0u; k < 16u; k++) {{\n{sums}}}
workgroupBarrier();
}}
let r = group.y * {tile}u + row; let c = group.x * {tile}u + column;\n{stores}}}",
            bindings("f32", "f32"),
        ),
    }
}

/// GFLOP/s of each kernel on `[m, k] × [k, n]`, where `k` is a multiple of 16 and `n` of 4.
pub(crate) fn ceiling(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    subgroups: bool,
    [m, k, n]: [usize; 3],
    repeats: usize,
) -> Vec<(String, f64)> {
    let mut kernels = vec![vectors(8, 2, 32, false), vectors(12, 2, 32, false)];
    if subgroups {
        let blocks = [(8, 4), (16, 4), (24, 4), (24, 6)];
        kernels.extend(blocks.map(|(rows, fours)| vectors(rows, fours, 8, true)));
    }
    kernels.extend([tiles(64, 4), tiles(64, 8), tiles(128, 8)]);

    let numbers = |n: usize| (0..n).map(|i| (i % 7) as f32 / 7.0 - 0.4).collect::<Vec<f32>>();
    let buffer = |contents: &[u8], usage| {
        let label = None;
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label, contents, usage })
    };
    let storage = |n| buffer(bytemuck::cast_slice(&numbers(n)), wgpu::BufferUsages::STORAGE);
    let info = [m as u32, k as u32, n as u32, 0];
    let info = buffer(bytemuck::cast_slice(&info), wgpu::BufferUsages::UNIFORM);
    let buffers = [storage(m * k), storage(k * n), storage(m * n), info];

    let rate = |Kernel { name, block, code }: Kernel| {
        let source = wgpu::ShaderSource::Wgsl(code.into());
        let module =
            device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entries: Vec<_> = (buffers.iter().zip(0..))
            .map(|(buffer, binding)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let seconds = best(repeats, |times| {
            let mut encoder = device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            for _ in 0..times {
                pass.dispatch_workgroups(
                    n.div_ceil(block[1]) as u32,
                    m.div_ceil(block[0]) as u32,
                    1,
                );
            }
            drop(pass);
            queue.submit([encoder.finish()]);
            device.poll(wgpu::PollType::wait_indefinitely()).expect("the device computes");
        });
        (name, 2e-9 * (m * k * n) as f64 / seconds)
    };
    kernels.into_iter().map(rate).collect()
}
