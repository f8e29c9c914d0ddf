// What changes of queries and keys change in attention patterns. One invocation a row and head.
struct Info { rows: u32, n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> change: array<f32>;
@group(0) @binding(1) var<storage, read> query_key: array<f32>;
@group(0) @binding(2) var<storage, read> pattern: array<f32>;
@group(0) @binding(3) var<storage, read> from_rows: array<i32>;
@group(0) @binding(4) var<storage, read> to_rows: array<i32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> info: Info;

// Weights that were rounded, to 0 even, may become large where a score grows by more than this, or where all
// weights together lose more than this: they are computed anew.
const LARGE_SCORE_CHANGE = 20.0;
const MOST_LOST = -0.5;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= info.rows * info.n_head { return; }
    let row = at / info.n_head;
    let head = at % info.n_head;
    let column = head * info.d_head;
    let query = u32(to_rows[3u * info.n_pos + row]);
    let direction = i32(row) - to_rows[3u * query + 2u];
    let first = at * info.n_pos;
    let weights = (head * info.n_pos + query) * info.n_pos;
    let own = row_in_from(query, direction);
    let q = 2u * query * info.d + column;
    let dq = 2u * u32(max(own, 0)) * info.d + column;
    var largest = 0.0;
    for (var key = 0u; key <= query; key++) {
        let other = row_in_from(key, direction);
        let k = (2u * key + 1u) * info.d + column;
        let dk = (2u * u32(max(other, 0)) + 1u) * info.d + column;
        var score = 0.0;
        if own >= 0 {
            for (var i = 0u; i < info.d_head; i++) { score += change[dq + i] * query_key[k + i]; }
        }
        if other >= 0 {
            for (var i = 0u; i < info.d_head; i++) { score += query_key[q + i] * change[dk + i]; }
        }
        if own >= 0 && other >= 0 {
            for (var i = 0u; i < info.d_head; i++) { score += change[dq + i] * change[dk + i]; }
        }
        score /= sqrt(f32(info.d_head));
        out[first + key] = score;
        largest = max(largest, score);
    }
    var total = 0.0;
    if largest <= LARGE_SCORE_CHANGE {
        for (var key = 0u; key <= query; key++) {
            total += pattern[weights + key] * exp_m1(out[first + key]);
        }
    }
    if largest <= LARGE_SCORE_CHANGE && total >= MOST_LOST {
        for (var key = 0u; key <= query; key++) {
            let grown = exp_m1(out[first + key]) - total;
            out[first + key] = pattern[weights + key] * grown / (1.0 + total);
        }
        return;
    }
    largest = -1e30;
    for (var key = 0u; key <= query; key++) {
        let k = (2u * key + 1u) * info.d + column;
        var score = 0.0;
        for (var i = 0u; i < info.d_head; i++) { score += query_key[q + i] * query_key[k + i]; }
        out[first + key] += score / sqrt(f32(info.d_head));
        largest = max(largest, out[first + key]);
    }
    var sum = 0.0;
    for (var key = 0u; key <= query; key++) {
        let weight = exp(out[first + key] - largest);
        out[first + key] = weight;
        sum += weight;
    }
    for (var key = 0u; key <= query; key++) {
        out[first + key] = out[first + key] / sum - pattern[weights + key];
    }
}
