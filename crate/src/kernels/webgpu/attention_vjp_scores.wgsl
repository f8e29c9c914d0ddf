// Cotangents of the scores that a row's position has a part in: P_ij (g_i · v_j − g_i · mixed_i).
// One invocation a row, offset (see Attention::own_scores) and head.
struct Info { rows: u32, n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> from_rows: array<i32>;
@group(0) @binding(2) var<storage, read> to_rows: array<i32>;
@group(0) @binding(3) var<storage, read> value: array<f32>;
@group(0) @binding(4) var<storage, read> pattern: array<f32>;
@group(0) @binding(5) var<storage, read> mixed: array<f32>;
@group(0) @binding(6) var<storage, read_write> scores: array<f32>;
@group(0) @binding(7) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    let width = (info.n_pos + 1u) * info.n_head;
    if at >= info.rows * width { return; }
    let row = at / width;
    let head = at % info.n_head;
    let offset = (at % width) / info.n_head;
    let pos = u32(to_rows[3u * info.n_pos + row]);
    let direction = i32(row) - to_rows[3u * pos + 2u];
    let is_key = offset < info.n_pos - pos;
    let query = select(pos, pos + offset, is_key);
    let key = select(pos + offset - info.n_pos, pos, is_key);
    let from_row = row_in_from(query, direction);
    var sum = 0.0;
    if from_row >= 0 {
        let g = u32(from_row) * info.d + head * info.d_head;
        let v = key * info.d + head * info.d_head;
        let z = query * info.d + head * info.d_head;
        for (var i = 0u; i < info.d_head; i++) {
            sum += cotangent[g + i] * (value[v + i] - mixed[z + i]);
        }
        sum *= pattern[(head * info.n_pos + query) * info.n_pos + key];
    }
    scores[at] = sum;
}
