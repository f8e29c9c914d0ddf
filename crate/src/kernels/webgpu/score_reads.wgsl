// What scores read off the residual stream at their keys, then at their queries. One invocation a
// head and column, for eight positions.
struct Info { n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read> query_key: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> info: Info;

const MANY = 8u;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    let column = at % info.d;
    let head = (at / info.d) % info.n_head;
    let side = (at / (info.d * info.n_head)) % 2u;
    let first_pos = at / (info.d * info.n_head * 2u) * MANY;
    if first_pos >= info.n_pos { return; }
    // What is read at the key comes of the query, and the other way round.
    let w = (2u * column + 1u - side) * info.d + head * info.d_head;
    let other = side * info.d + head * info.d_head;
    var sums = array<f32, MANY>();
    for (var i = 0u; i < info.d_head; i++) {
        let factor = weight[w + i];
        for (var p = 0u; p < MANY; p++) {
            let pos = min(first_pos + p, info.n_pos - 1u);
            sums[p] += factor * query_key[2u * pos * info.d + other + i];
        }
    }
    for (var p = 0u; p < MANY; p++) {
        let pos = first_pos + p;
        if pos >= info.n_pos { return; }
        let row = (side * info.n_pos + pos) * info.n_head + head;
        out[row * info.d + column] = sums[p] / sqrt(f32(info.d_head));
    }
}
