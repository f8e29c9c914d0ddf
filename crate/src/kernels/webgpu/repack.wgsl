// The same rows, some left out; those that were not there are what is at their position otherwise, or zero.
struct Info { rows: u32, d: u32, n_pos: u32, has_otherwise: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> from_rows: array<i32>;
@group(0) @binding(2) var<storage, read> to_rows: array<i32>;
@group(0) @binding(3) var<storage, read> otherwise: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= info.rows * info.d { return; }
    let row = at / info.d;
    let column = at % info.d;
    let pos = u32(to_rows[3u * info.n_pos + row]);
    let from_row = row_in_from(pos, i32(row) - to_rows[3u * pos + 2u]);
    var value = 0.0;
    if from_row >= 0 {
        value = x[u32(from_row) * info.d + column];
    } else if info.has_otherwise == 1u {
        value = otherwise[pos * info.d + column];
    }
    out[at] = value;
}
