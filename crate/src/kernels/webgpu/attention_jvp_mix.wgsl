// Tangents of what the heads read, from tangents of scores and values. One invocation an element.
struct Info { rows: u32, n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> tangent: array<f32>;
@group(0) @binding(1) var<storage, read> from_rows: array<i32>;
@group(0) @binding(2) var<storage, read> to_rows: array<i32>;
@group(0) @binding(3) var<storage, read> qkv: array<f32>;
@group(0) @binding(4) var<storage, read> pattern: array<f32>;
@group(0) @binding(5) var<storage, read> mixed: array<f32>;
@group(0) @binding(6) var<storage, read> scores: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
@group(0) @binding(8) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= info.rows * info.d { return; }
    let row = at / info.d;
    let column = at % info.d;
    let head = column / info.d_head;
    let query = u32(to_rows[3u * info.n_pos + row]);
    let direction = i32(row) - to_rows[3u * query + 2u];
    let weights = (head * info.n_pos + query) * info.n_pos;
    let changes = (row * info.n_head + head) * info.n_pos;
    var sum = 0.0;
    var total = 0.0;
    for (var key = 0u; key <= query; key++) {
        let weight = pattern[weights + key];
        let change = weight * scores[changes + key];
        total += change;
        sum += change * qkv[(3u * key + 2u) * info.d + column];
        let other = row_in_from(key, direction);
        if other >= 0 { sum += weight * tangent[(3u * u32(other) + 2u) * info.d + column]; }
    }
    out[at] = sum - total * mixed[query * info.d + column];
}
