// What scores read off the residual stream at their keys, then at their queries. One invocation a
// head and column, for eight positions, two vectors of them.
struct Info { n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read> query_key: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> info: Info;

const FOUR = vec4<u32>(0u, 1u, 2u, 3u);

fn others(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(query_key[at.x], query_key[at.y], query_key[at.z], query_key[at.w]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    let column = at % info.d;
    let head = (at / info.d) % info.n_head;
    let side = (at / (info.d * info.n_head)) % 2u;
    let first_pos = at / (info.d * info.n_head * 2u) * 8u;
    if first_pos >= info.n_pos { return; }
    // What is read at the key comes of the query, and the other way round.
    let w = (2u * column + 1u - side) * info.d + head * info.d_head;
    // Beyond the last position, that one again.
    let last = vec4<u32>(info.n_pos - 1u);
    let other = side * info.d + head * info.d_head;
    let first = 2u * info.d * min(first_pos + FOUR, last) + other;
    let second = 2u * info.d * min(first_pos + 4u + FOUR, last) + other;
    var sums = array<vec4<f32>, 2>();
    for (var i = 0u; i < info.d_head; i++) {
        let factor = weight[w + i];
        sums[0] += factor * others(first + i);
        sums[1] += factor * others(second + i);
    }
    for (var p = 0u; p < min(8u, info.n_pos - first_pos); p++) {
        let row = (side * info.n_pos + first_pos + p) * info.n_head + head;
        out[row * info.d + column] = sums[p / 4u][p % 4u] / sqrt(f32(info.d_head));
    }
}
