//! Matrix products against sums.

use crate::common::device::{device, has_subgroups};
use crate::common::products::check_shapes;

#[test]
fn products_of_any_shape_equal_their_sums() {
    let cases = if cfg!(feature = "webgpu") { 12 } else { 60 };
    println!("{}", pollster::block_on(check_shapes(&device(), has_subgroups(), cases)));
}
