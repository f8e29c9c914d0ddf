// GPT-2's GELU and its derivative. exp(−x) overflows to infinity only where the gate is 0.
struct Info { n: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> slope: array<f32>;
@group(0) @binding(3) var<uniform> info: Info;

const TWICE_SQRT_2_OVER_PI = 1.5957691216057308;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= info.n { return; }
    let value = x[at];
    let inner = TWICE_SQRT_2_OVER_PI * value * (1.0 + 0.044715 * value * value);
    let gate = 1.0 / (1.0 + exp(clamp(-inner, -80.0, 80.0)));
    let inner_slope = TWICE_SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * value * value);
    y[at] = value * gate;
    slope[at] = gate + value * gate * (1.0 - gate) * inner_slope;
}
