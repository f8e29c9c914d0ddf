// Four columns of a head to an invocation, so that neighbours load side by side.
fn invocations_of_head() -> u32 {
    return (info.d_head + 3u) / 4u;
}
fn invocations_of_row() -> u32 {
    return info.n_head * invocations_of_head();
}
fn head_of(at: u32) -> u32 {
    return (at % invocations_of_row()) / invocations_of_head();
}
// Beyond the head's last column, that one again.
fn columns_of(at: u32) -> vec4<u32> {
    let step = invocations_of_head();
    let within = vec4<u32>(0u, 1u, 2u, 3u) * step + at % step;
    return head_of(at) * info.d_head + min(within, vec4<u32>(info.d_head - 1u));
}
