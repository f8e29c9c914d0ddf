// Cotangents of queries, keys and values from those of scores and of what the heads read. One
// invocation an element.
struct Info { rows: u32, n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> from_rows: array<i32>;
@group(0) @binding(2) var<storage, read> to_rows: array<i32>;
@group(0) @binding(3) var<storage, read> qkv: array<f32>;
@group(0) @binding(4) var<storage, read> pattern: array<f32>;
@group(0) @binding(5) var<storage, read> scores: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    let width = 3u * info.d;
    if at >= info.rows * width { return; }
    let row = at / width;
    let part = (at % width) / info.d;
    let column = at % info.d;
    let head = column / info.d_head;
    let pos = u32(to_rows[3u * info.n_pos + row]);
    let direction = i32(row) - to_rows[3u * pos + 2u];
    var sum = 0.0;
    if part == 0u {
        let own = row_in_from(pos, direction);
        if own >= 0 {
            let changes = (u32(own) * info.n_head + head) * info.n_pos;
            for (var key = 0u; key <= pos; key++) {
                sum += scores[changes + key] * qkv[(3u * key + 1u) * info.d + column];
            }
        }
    } else {
        for (var query = pos; query < info.n_pos; query++) {
            let other = row_in_from(query, direction);
            if other < 0 { continue; }
            if part == 1u {
                let change = scores[(u32(other) * info.n_head + head) * info.n_pos + pos];
                sum += change * qkv[3u * query * info.d + column];
            } else {
                let weight = pattern[(head * info.n_pos + query) * info.n_pos + pos];
                sum += weight * cotangent[u32(other) * info.d + column];
            }
        }
    }
    out[at] = sum;
}
