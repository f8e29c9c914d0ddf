// What changes of a row change in its LayerNorm, however large they are. One workgroup a row.
struct Info { rows: u32, d: u32, n_pos: u32, epsilon: u32 }
@group(0) @binding(0) var<storage, read> change: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<i32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> slopes: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> info: Info;

const LANES = 32u;
var<workgroup> partial: array<vec2<f32>, LANES>;

fn total(lane: u32, value: vec2<f32>) -> vec2<f32> {
    partial[lane] = value;
    workgroupBarrier();
    var sum = vec2<f32>(0.0);
    for (var i = 0u; i < LANES; i++) { sum += partial[i]; }
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.x + group.y * groups.x;
    // The same for the whole workgroup, so the barriers below stay uniform.
    if row >= info.rows { return; }
    let pos = u32(table[3u * info.n_pos + row]);
    let first = row * info.d;
    let first_y = pos * info.d;
    var sums = vec2<f32>(0.0);
    for (var i = lane; i < info.d; i += LANES) { sums.x += change[first + i]; }
    let mean = total(lane, sums).x / f32(info.d);
    sums = vec2<f32>(0.0);
    let sigma = 1.0 / slopes[2u * pos];
    for (var i = lane; i < info.d; i += LANES) {
        let centred = change[first + i] - mean;
        let before = sigma * y[first_y + i];
        sums += vec2<f32>(centred * (2.0 * before + centred), (before + centred) * (before + centred));
    }
    sums = total(lane, sums) / f32(info.d);
    let grown = sums.x;
    let new_sigma = sqrt(sums.y + bitcast<f32>(info.epsilon));
    let shrunk = -grown / (new_sigma * (sigma + new_sigma));
    for (var i = lane; i < info.d; i += LANES) {
        out[first + i] = (change[first + i] - mean) / new_sigma + y[first_y + i] * shrunk;
    }
}
