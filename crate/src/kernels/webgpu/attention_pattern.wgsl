// Causal softmax of scaled scores. One invocation a head and query.
struct Info { n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> query_key: array<f32>;
@group(0) @binding(1) var<storage, read_write> pattern: array<f32>;
@group(0) @binding(2) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= info.n_head * info.n_pos { return; }
    let head = id.x / info.n_pos;
    let query = id.x % info.n_pos;
    let first = id.x * info.n_pos;
    let q = 2u * query * info.d + head * info.d_head;
    var largest = -1e30;
    for (var key = 0u; key <= query; key++) {
        let k = (2u * key + 1u) * info.d + head * info.d_head;
        var score = 0.0;
        for (var i = 0u; i < info.d_head; i++) { score += query_key[q + i] * query_key[k + i]; }
        score /= sqrt(f32(info.d_head));
        pattern[first + key] = score;
        largest = max(largest, score);
    }
    var sum = 0.0;
    for (var key = 0u; key <= query; key++) {
        let weight = exp(pattern[first + key] - largest);
        pattern[first + key] = weight;
        sum += weight;
    }
    for (var key = 0u; key <= query; key++) { pattern[first + key] /= sum; }
}
