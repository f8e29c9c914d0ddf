// Cotangents of queries, keys and values from those of scores and of what the heads read. One
// invocation four columns of a head, in all three: what rows there are is the same for them.
struct Info { rows: u32, n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> from_rows: array<i32>;
@group(0) @binding(2) var<storage, read> to_rows: array<i32>;
@group(0) @binding(3) var<storage, read> qkv: array<f32>;
@group(0) @binding(4) var<storage, read> pattern: array<f32>;
@group(0) @binding(5) var<storage, read> scores: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> info: Info;

// Of a row of qkv: neighbouring invocations load side by side.
fn columns_of(values: u32, column: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        qkv[values + column.x], qkv[values + column.y], qkv[values + column.z], qkv[values + column.w],
    );
}

fn store(first: u32, column: vec4<u32>, sum: vec4<f32>) {
    out[first + column.x] = sum.x;
    out[first + column.y] = sum.y;
    out[first + column.z] = sum.z;
    out[first + column.w] = sum.w;
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    let quarter = (info.d_head + 3u) / 4u;
    let width = info.n_head * quarter;
    if at >= info.rows * width { return; }
    let row = at / width;
    let head = (at % width) / quarter;
    // Beyond the head's last column, that one again.
    let within = vec4<u32>(0u, 1u, 2u, 3u) * quarter + at % quarter;
    let column = head * info.d_head + min(within, vec4<u32>(info.d_head - 1u));
    let pos = u32(to_rows[3u * info.n_pos + row]);
    let direction = i32(row) - to_rows[3u * pos + 2u];
    let own = row_in_from(pos, direction);
    var of_query = vec4<f32>(0.0);
    if own >= 0 {
        let changes = (u32(own) * info.n_head + head) * info.n_pos;
        for (var key = 0u; key <= pos; key++) {
            of_query += scores[changes + key] * columns_of((3u * key + 1u) * info.d, column);
        }
    }
    var of_key = vec4<f32>(0.0);
    var of_value = vec4<f32>(0.0);
    for (var query = pos; query < info.n_pos; query++) {
        let other = row_in_from(query, direction);
        if other < 0 { continue; }
        let change = scores[(u32(other) * info.n_head + head) * info.n_pos + pos];
        of_key += change * columns_of(3u * query * info.d, column);
        let weight = pattern[(head * info.n_pos + query) * info.n_pos + pos];
        let g = u32(other) * info.d + column;
        of_value += weight * vec4<f32>(cotangent[g.x], cotangent[g.y], cotangent[g.z], cotangent[g.w]);
    }
    let first = 3u * row * info.d;
    store(first, column, of_query);
    store(first + info.d, column, of_key);
    store(first + 2u * info.d, column, of_value);
}
