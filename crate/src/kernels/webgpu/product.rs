//! WGSL of matrix products, written out for a register block.
//!
//! An adapter is fast with one of a few shapes, and no name says which: a GPU wants tiles in
//! workgroup memory, an emulation on the CPU wants no workgroup memory at all, only many products
//! a load. `super::probe` tries them at the start.

use std::fmt::Write;

/// How a product is spread over invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// Each of `width` invocations sums `rows × columns` of the result, neighbours side by side,
    /// so that they load side by side. No workgroup memory. With `broadcast`, four of a subgroup
    /// load one number of a row each and give it to the others.
    Lanes { rows: usize, columns: usize, width: usize, broadcast: bool },
    /// A workgroup sums 64 × 64 of the result, each invocation `side × side`, from tiles of both
    /// matrices in workgroup memory.
    Tiles { side: usize },
}

/// Side of the result that a workgroup of [`Shape::Tiles`] sums.
pub(super) const TILE: usize = 64;
/// Products between two barriers of [`Shape::Tiles`].
const DEPTH: usize = 16;
const XYZW: [&str; 4] = ["x", "y", "z", "w"];

/// A product `x w` or `x wᵀ`, plus a row and a matrix where asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Product {
    pub(super) shape: Shape,
    /// Whether `w` is `[columns, inner]`.
    pub(super) transposed: bool,
    /// Whether [`Shape::Lanes`] loads both matrices in vectors of four, along their rows.
    pub(super) fours: bool,
    pub(super) bias: bool,
    pub(super) add: bool,
}

impl Product {
    /// Bindings: `x`, `w`, `bias` and `add` where asked for, `out`, and `rows, inner, columns` with
    /// the first rows of `x` and `w` and the first element of `out`.
    pub(super) fn wgsl(self) -> String {
        let mut text = String::new();
        let source = &mut text;
        // Outside browsers wgpu has the functions, but not this word for them
        // (https://github.com/gfx-rs/wgpu/issues/5555).
        if self.broadcasts() && cfg!(target_arch = "wasm32") {
            line(source, "enable subgroups;");
        }
        let info =
            "rows: u32, inner: u32, columns: u32, x_first: u32, w_first: u32, out_first: u32";
        line(source, format!("struct Info {{ {info} }}"));
        let matrix = if self.fours { "vec4<f32>" } else { "f32" };
        let result = if self.is_packed() { "vec4<f32>" } else { "f32" };
        let mut inputs = vec![("x", if self.broadcasts() { "f32" } else { matrix }), ("w", matrix)];
        inputs.extend(self.bias.then_some(("bias", result)));
        inputs.extend(self.add.then_some(("added", result)));
        for (i, (name, element)) in inputs.iter().enumerate() {
            let binding = format!("@group(0) @binding({i}) var<storage, read>");
            line(source, format!("{binding} {name}: array<{element}>;"));
        }
        let n = inputs.len();
        let out = format!("var<storage, read_write> out: array<{result}>");
        line(source, format!("@group(0) @binding({n}) {out};"));
        line(source, format!("@group(0) @binding({}) var<uniform> info: Info;", n + 1));
        match self.shape {
            Shape::Lanes { rows, columns, width, .. } => self.lanes(source, [rows, columns], width),
            Shape::Tiles { side } => self.tiles(source, side),
        }
        text
    }

    /// Whether four neighbours of the result are one sum of vectors.
    fn is_packed(self) -> bool {
        self.fours && !self.transposed
    }

    /// Whether numbers of `x` are loaded once a subgroup.
    fn broadcasts(self) -> bool {
        self.fours && matches!(self.shape, Shape::Lanes { broadcast: true, .. })
    }

    fn lanes(self, source: &mut String, [rows, columns]: [usize; 2], lanes: usize) {
        let step = if self.fours { 4 } else { 1 };
        let width = if self.is_packed() { 4 } else { 1 };
        let sums = columns / width;
        let broadcasts = self.broadcasts();
        let (row_len, member, row_step) = match broadcasts {
            true => ("info.inner", " + member % 4u", 4),
            false => ("inner", "", 1),
        };

        line(source, format!("@compute @workgroup_size({lanes})"));
        main(
            source,
            if broadcasts { ", @builtin(subgroup_invocation_id) member: u32" } else { "" },
        );
        line(source, format!("let first_row = group.y * {rows}u;"));
        line(source, format!("let first_column = group.x * {}u + lane;", lanes * sums));
        line(source, format!("let inner = info.inner / {step}u;"));
        line(source, format!("let columns = info.columns / {width}u;"));
        // Beyond the edge, the last row and column are summed and stored again: to tell the two
        // apart at every sum takes longer to compile than all the rest.
        for i in 0..rows {
            line(source, format!("let r{i} = min(first_row + {i}u, info.rows - 1u);"));
            line(source, format!("var x{i} = (info.x_first + r{i}) * {row_len}{member};"));
        }
        for j in 0..sums {
            let column = format!("first_column + {}u", j * lanes);
            line(source, format!("let c{j} = min({column}, columns - 1u);"));
            let start = match self.transposed {
                true => format!("(info.w_first + c{j}) * inner"),
                false => format!("info.w_first * columns + c{j}"),
            };
            line(source, format!("var w{j} = {start};"));
        }
        declare_sums(source, rows, sums, if self.is_packed() { "vec4<f32>(0.0)" } else { "0.0" });
        line(source, "for (var k = 0u; k < inner; k++) {");
        for j in 0..sums {
            match self.transposed {
                true => line(source, format!("let b{j} = w[w{j}]; w{j}++;")),
                false => {
                    for k in 0..step {
                        line(source, format!("let b{j}_{k} = w[w{j} + {k}u * columns];"));
                    }
                    line(source, format!("w{j} += {step}u * columns;"));
                }
            }
        }
        for i in 0..rows {
            line(source, format!("let a{i} = x[x{i}]; x{i} += {row_step}u;"));
            if broadcasts {
                for k in 0..4 {
                    line(source, format!("let a{i}_{k} = subgroupBroadcast(a{i}, {k}u);"));
                }
            }
            for j in 0..sums {
                let product = match (self.transposed, self.fours) {
                    (_, true) => self.four_products(i, j),
                    (true, false) => format!("a{i} * b{j}"),
                    (false, false) => format!("a{i} * b{j}_0"),
                };
                line(source, format!("s{i}_{j} += {product};"));
            }
        }
        line(source, "}");
        for i in 0..rows {
            line(source, format!("let o{i} = info.out_first / {width}u + r{i} * columns;"));
            for j in 0..sums {
                let bias = if self.bias { format!(" + bias[c{j}]") } else { String::new() };
                let add = if self.add { format!(" + added[o{i} + c{j}]") } else { String::new() };
                line(source, format!("out[o{i} + c{j}] = s{i}_{j}{bias}{add};"));
            }
        }
        line(source, "}");
    }

    /// Four products of a row and a column (or four columns): one expression, so that an emulation
    /// touches the sum in memory once.
    fn four_products(self, i: usize, j: usize) -> String {
        let a = |k: usize| match self.broadcasts() {
            true => format!("a{i}_{k}"),
            false => format!("a{i}.{}", XYZW[k]),
        };
        let (b, wide): (fn(usize, usize) -> String, _) = match self.transposed {
            true => (|j, k| format!("b{j}.{}", XYZW[k]), ""),
            false => (|j, k| format!("b{j}_{k}"), "vec4<f32>"),
        };
        let first = format!("{} * {}", a(0), b(j, 0));
        (1..4).fold(first, |sum, k| format!("fma({wide}({}), {}, {sum})", a(k), b(j, k)))
    }

    fn tiles(self, source: &mut String, side: usize) {
        let across = TILE / side;
        let threads = across * across;
        // Tiles are stored with the inner axis outermost, so that a step reads side by side; the
        // odd stride spreads the stores over the banks.
        let stride = TILE + 1;
        for name in ["xs", "ws"] {
            line(source, format!("var<workgroup> {name}: array<f32, {}>;", DEPTH * stride));
        }
        line(source, format!("@compute @workgroup_size({threads})"));
        main(source, "");
        line(source, format!("let first_row = group.y * {TILE}u;"));
        line(source, format!("let first_column = group.x * {TILE}u;"));
        line(source, format!("let row = lane / {across}u * {side}u;"));
        line(source, format!("let column = lane % {across}u;"));
        declare_sums(source, side, side, "0.0");
        line(source, format!("for (var first = 0u; first < info.inner; first += {DEPTH}u) {{"));
        line(source, format!("for (var i = lane; i < {}u; i += {threads}u) {{", DEPTH * TILE));
        line(source, format!("let r = first_row + i / {DEPTH}u; let k = first + i % {DEPTH}u;"));
        line(source, "var value = 0.0;");
        line(source, "if r < info.rows && k < info.inner {");
        line(source, "value = x[(info.x_first + r) * info.inner + k]; }");
        line(source, format!("xs[i % {DEPTH}u * {stride}u + i / {DEPTH}u] = value;"));
        let (c, l, at) = match self.transposed {
            true => (
                format!("i / {DEPTH}u"),
                format!("i % {DEPTH}u"),
                "(info.w_first + first_column + c) * info.inner + first + l",
            ),
            false => (
                format!("i % {TILE}u"),
                format!("i / {TILE}u"),
                "(info.w_first + first + l) * info.columns + first_column + c",
            ),
        };
        line(source, format!("let c = {c}; let l = {l};"));
        line(source, "value = 0.0;");
        line(source, "if first_column + c < info.columns && first + l < info.inner {");
        line(source, format!("value = w[{at}]; }}"));
        line(source, format!("ws[l * {stride}u + c] = value;"));
        line(source, "}");
        line(source, "workgroupBarrier();");
        line(source, format!("for (var k = 0u; k < {DEPTH}u; k++) {{"));
        for j in 0..side {
            let at = format!("k * {stride}u + column + {}u", j * across);
            line(source, format!("let b{j} = ws[{at}];"));
        }
        for i in 0..side {
            line(source, format!("let a{i} = xs[k * {stride}u + row + {i}u];"));
            for j in 0..side {
                line(source, format!("s{i}_{j} += a{i} * b{j};"));
            }
        }
        line(source, "}");
        line(source, "workgroupBarrier();");
        line(source, "}");
        let bias = if self.bias { " + bias[c]" } else { "" };
        let add = if self.add { " + added[at]" } else { "" };
        for i in 0..side {
            for j in 0..side {
                line(source, format!("{{ let r = first_row + row + {i}u;"));
                line(source, format!("let c = first_column + column + {}u;", j * across));
                line(source, "if r < info.rows && c < info.columns {");
                line(source, "let at = info.out_first + r * info.columns + c;");
                line(source, format!("out[at] = s{i}_{j}{bias}{add};"));
                line(source, "} }");
            }
        }
        line(source, "}");
    }
}

fn main(source: &mut String, more: &str) {
    line(source, "fn main(@builtin(workgroup_id) group: vec3<u32>,");
    line(source, format!("@builtin(local_invocation_index) lane: u32{more}) {{"));
}

fn declare_sums(source: &mut String, rows: usize, columns: usize, zero: &str) {
    for i in 0..rows {
        for j in 0..columns {
            line(source, format!("var s{i}_{j} = {zero};"));
        }
    }
}

fn line(source: &mut String, text: impl AsRef<str>) {
    writeln!(source, "{}", text.as_ref()).expect("a string takes all text");
}
