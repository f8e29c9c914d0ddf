// What changes of patterns and values change in what the heads read. One invocation four columns of a head.
struct Info { rows: u32, n_pos: u32, d: u32, d_head: u32, n_head: u32 }
@group(0) @binding(0) var<storage, read> change: array<f32>;
@group(0) @binding(1) var<storage, read> value: array<f32>;
@group(0) @binding(2) var<storage, read> pattern: array<f32>;
@group(0) @binding(3) var<storage, read> pattern_change: array<f32>;
@group(0) @binding(4) var<storage, read> mixed: array<f32>;
@group(0) @binding(5) var<storage, read> from_rows: array<i32>;
@group(0) @binding(6) var<storage, read> to_rows: array<i32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
@group(0) @binding(8) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= info.rows * invocations_of_row() { return; }
    let row = at / invocations_of_row();
    let head = head_of(at);
    let column = columns_of(at);
    let query = u32(to_rows[3u * info.n_pos + row]);
    let direction = i32(row) - to_rows[3u * query + 2u];
    let weights = (head * info.n_pos + query) * info.n_pos;
    let changes = (row * info.n_head + head) * info.n_pos;
    let z = query * info.d + column;
    let read = vec4<f32>(mixed[z.x], mixed[z.y], mixed[z.z], mixed[z.w]);
    var sum = vec4<f32>(0.0);
    for (var key = 0u; key <= query; key++) {
        let grown = pattern_change[changes + key];
        let v = key * info.d + column;
        // The changes of a pattern sum up to 0.
        sum += grown * (vec4<f32>(value[v.x], value[v.y], value[v.z], value[v.w]) - read);
        let other = row_in_from(key, direction);
        if other >= 0 {
            let t = u32(other) * info.d + column;
            let weight = pattern[weights + key] + grown;
            sum += weight * vec4<f32>(change[t.x], change[t.y], change[t.z], change[t.w]);
        }
    }
    let first = row * info.d + column;
    out[first.x] = sum.x;
    out[first.y] = sum.y;
    out[first.z] = sum.z;
    out[first.w] = sum.w;
}
