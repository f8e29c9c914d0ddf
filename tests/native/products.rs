//! Matrix products against sums.

use crate::common::device::device;
use crate::common::products::check_products;

#[test]
fn products_of_any_shape_equal_their_sums() {
    let worst = pollster::block_on(check_products(&device(), 60));
    println!("largest error {worst:.1e} of the sum of absolute products");
}
