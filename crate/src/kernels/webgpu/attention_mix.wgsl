// What each head reads: the values, weighted by its pattern.
struct Info { n_pos: u32, d: u32, d_head: u32 }
@group(0) @binding(0) var<storage, read> value: array<f32>;
@group(0) @binding(1) var<storage, read> pattern: array<f32>;
@group(0) @binding(2) var<storage, read_write> mixed: array<f32>;
@group(0) @binding(3) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= info.n_pos * info.d { return; }
    let query = id.x / info.d;
    let column = id.x % info.d;
    let weights = ((column / info.d_head) * info.n_pos + query) * info.n_pos;
    var sum = 0.0;
    for (var key = 0u; key <= query; key++) {
        sum += pattern[weights + key] * value[key * info.d + column];
    }
    mixed[id.x] = sum;
}
