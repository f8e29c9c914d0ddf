// Each row times the factors of its position.
struct Info { rows: u32, d: u32, n_pos: u32 }
@group(0) @binding(0) var<storage, read> tangent: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<i32>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= info.rows * info.d { return; }
    let pos = u32(table[3u * info.n_pos + at / info.d]);
    out[at] = tangent[at] * factors[pos * info.d + at % info.d];
}
