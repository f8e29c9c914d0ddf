// Cotangents of values, from those of what the heads read. One invocation four columns of a head:
// what rows there are is the same for them.
struct Info { rows: u32, n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> from_rows: array<i32>;
@group(0) @binding(2) var<storage, read> to_rows: array<i32>;
@group(0) @binding(3) var<storage, read> pattern: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= info.rows * invocations_of_row() { return; }
    let row = at / invocations_of_row();
    let head = head_of(at);
    let column = columns_of(at);
    let key = u32(to_rows[3u * info.n_pos + row]);
    let direction = i32(row) - to_rows[3u * key + 2u];
    var sum = vec4<f32>(0.0);
    for (var query = key; query < info.n_pos; query++) {
        let other = row_in_from(query, direction);
        if other < 0 { continue; }
        let weight = pattern[(head * info.n_pos + query) * info.n_pos + key];
        let g = u32(other) * info.d + column;
        sum += weight * vec4<f32>(cotangent[g.x], cotangent[g.y], cotangent[g.z], cotangent[g.w]);
    }
    let first = row * info.d + column;
    out[first.x] = sum.x;
    out[first.y] = sum.y;
    out[first.z] = sum.z;
    out[first.w] = sum.w;
}
