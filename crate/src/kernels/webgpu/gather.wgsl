// Rows of a matrix, or its columns as rows.
struct Info { indices: u32, d: u32, row_stride: u32, element_stride: u32 }
@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= info.indices * info.d { return; }
    let row = u32(index[at / info.d]);
    out[at] = w[row * info.row_stride + (at % info.d) * info.element_stride];
}
