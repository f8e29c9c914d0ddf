// Tangents (or cotangents) through a row-wise normalisation. One workgroup a row.
struct Info { rows: u32, d: u32, n_pos: u32, centered: u32, add: u32 }
@group(0) @binding(0) var<storage, read> tangent: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<i32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> slopes: array<f32>;
@group(0) @binding(4) var<storage, read> added: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> info: Info;

const LANES = 32u;
var<workgroup> partial: array<vec2<f32>, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.x + group.y * groups.x;
    // The same for the whole workgroup, so the barrier below stays uniform.
    if row >= info.rows { return; }
    let pos = u32(table[3u * info.n_pos + row]);
    let first = row * info.d;
    let first_y = pos * info.d;
    var sums = vec2<f32>(0.0);
    for (var i = lane; i < info.d; i += LANES) {
        let t = tangent[first + i];
        sums += vec2<f32>(t, t * y[first_y + i]);
    }
    partial[lane] = sums;
    workgroupBarrier();
    sums = vec2<f32>(0.0);
    for (var i = 0u; i < LANES; i++) { sums += partial[i]; }
    let mean = select(0.0, sums.x / f32(info.d), info.centered == 1u);
    let scale = slopes[2u * pos];
    let along = slopes[2u * pos + 1u] * sums.y;
    for (var i = lane; i < info.d; i += LANES) {
        var value = scale * (tangent[first + i] - mean) - along * y[first_y + i];
        if info.add == 1u { value += added[first + i]; }
        out[first + i] = value;
    }
}
