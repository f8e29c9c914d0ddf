// Cotangents of the scores: P_ij (g_i · v_j − g_i · mixed_i) / √d_head. One invocation a row, head
// and key.
struct Info { rows: u32, n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> from_rows: array<i32>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> pattern: array<f32>;
@group(0) @binding(4) var<storage, read> mixed: array<f32>;
@group(0) @binding(5) var<storage, read_write> scores: array<f32>;
@group(0) @binding(6) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    let width = info.n_head * info.n_pos;
    if at >= info.rows * width { return; }
    let row = at / width;
    let head = (at % width) / info.n_pos;
    let key = at % info.n_pos;
    let query = u32(from_rows[3u * info.n_pos + row]);
    if key > query { return; }
    let g = row * info.d + head * info.d_head;
    let v = (3u * key + 2u) * info.d + head * info.d_head;
    let z = query * info.d + head * info.d_head;
    var sum = 0.0;
    for (var i = 0u; i < info.d_head; i++) { sum += cotangent[g + i] * (qkv[v + i] - mixed[z + i]); }
    let weight = pattern[(head * info.n_pos + query) * info.n_pos + key];
    scores[at] = weight * sum / sqrt(f32(info.d_head));
}
