// A LayerNorm without gain and bias, and what its derivative needs. One workgroup a row.
struct Info { d: u32, epsilon: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> slopes: array<f32>;
@group(0) @binding(3) var<uniform> info: Info;

const LANES = 32u;
var<workgroup> partial: array<f32, LANES>;

fn total(lane: u32, value: f32) -> f32 {
    partial[lane] = value;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < LANES; i++) { sum += partial[i]; }
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = group.x * info.d;
    var sum = 0.0;
    for (var i = lane; i < info.d; i += LANES) { sum += x[first + i]; }
    let mean = total(lane, sum) / f32(info.d);
    sum = 0.0;
    for (var i = lane; i < info.d; i += LANES) {
        let centered = x[first + i] - mean;
        sum += centered * centered;
    }
    let variance = total(lane, sum) / f32(info.d);
    let scale = 1.0 / sqrt(variance + bitcast<f32>(info.epsilon));
    for (var i = lane; i < info.d; i += LANES) { y[first + i] = (x[first + i] - mean) * scale; }
    if lane == 0u {
        slopes[2u * group.x] = scale;
        slopes[2u * group.x + 1u] = scale / f32(info.d);
    }
}
