// What changes of its argument change in GELU, however large they are.
struct Info { rows: u32, d: u32, n_pos: u32 }
@group(0) @binding(0) var<storage, read> change: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<i32>;
@group(0) @binding(2) var<storage, read> argument: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> info: Info;

const TWICE_SQRT_2_OVER_PI = 1.5957691216057308;

fn gate(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(clamp(-x, -80.0, 80.0)));
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= info.rows * info.d { return; }
    let pos = u32(table[3u * info.n_pos + at / info.d]);
    let x = argument[pos * info.d + at % info.d];
    let by = change[at];
    let now = TWICE_SQRT_2_OVER_PI * x * (1.0 + 0.044715 * x * x);
    let further = TWICE_SQRT_2_OVER_PI * by * (1.0 + 0.044715 * (3.0 * x * (x + by) + by * by));
    let new_gate = gate(now + further);
    // Of two ways to say it, the one whose exponential cannot overflow.
    var grown = -new_gate * gate(-now) * exp_m1(-further);
    if further < 0.0 { grown = gate(now) * gate(-now - further) * exp_m1(further); }
    out[at] = by * new_gate + x * grown;
}
