// exp(x) − 1 without losing the digits of a small x.
fn exp_m1(x: f32) -> f32 {
    if abs(x) > 0.5 { return exp(x) - 1.0; }
    var sum = 1.0;
    for (var i = 9.0; i > 1.0; i -= 1.0) { sum = 1.0 + x / i * sum; }
    return x * sum;
}
