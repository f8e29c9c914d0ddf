// Tangents of the scores: (dq_i · k_j + q_i · dk_j) / √d_head. One invocation a row, head and key.
struct Info { rows: u32, n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> tangent: array<f32>;
@group(0) @binding(1) var<storage, read> from_rows: array<i32>;
@group(0) @binding(2) var<storage, read> to_rows: array<i32>;
@group(0) @binding(3) var<storage, read> qkv: array<f32>;
@group(0) @binding(4) var<storage, read_write> scores: array<f32>;
@group(0) @binding(5) var<uniform> info: Info;

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
    let query = u32(to_rows[3u * info.n_pos + row]);
    if key > query { return; }
    let direction = i32(row) - to_rows[3u * query + 2u];
    let offset = head * info.d_head;
    var score = 0.0;
    let own = row_in_from(query, direction);
    if own >= 0 {
        let dq = 3u * u32(own) * info.d + offset;
        let k = (3u * key + 1u) * info.d + offset;
        for (var i = 0u; i < info.d_head; i++) { score += tangent[dq + i] * qkv[k + i]; }
    }
    let other = row_in_from(key, direction);
    if other >= 0 {
        let q = 3u * query * info.d + offset;
        let dk = (3u * u32(other) + 1u) * info.d + offset;
        for (var i = 0u; i < info.d_head; i++) { score += qkv[q + i] * tangent[dk + i]; }
    }
    scores[at] = score / sqrt(f32(info.d_head));
}
