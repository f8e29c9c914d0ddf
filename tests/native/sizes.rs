//! How much is read and computed at a time changes nothing.

use sae_attribution::weights::Reading;

use crate::altered::{Altered, changed, open_with};
use crate::common::requests::token_to_latent;
use crate::common::sizes::{TINY_SIZES, check_sizes};

#[test]
fn results_do_not_depend_on_sizes() {
    pollster::block_on(check_sizes(async |reading| {
        open_with(&Altered::default(), reading).unwrap()
    }));
}

#[test]
fn a_damaged_number_is_found_where_it_is_in_whichever_piece() {
    const MODEL: &str = "model/model.safetensors";
    let source = Altered::default();
    let index = 77 * 192 + 5;
    source.replace(
        MODEL,
        changed(MODEL, |tensors| {
            let weight = tensors.get_mut("h.1.mlp.c_proj.weight").unwrap();
            assert_eq!(weight.shape, [256, 64]);
            weight.change(|i, value| if i == index { f32::NEG_INFINITY } else { value });
        }),
    );
    let request = token_to_latent("The tower", 3);
    for sizes in [TINY_SIZES, sae_attribution::sizes::Sizes::default()] {
        let session = open_with(&source, Reading { sizes, is_private: false }).unwrap();
        let error = crate::altered::ask(&session, request.clone()).unwrap_err();
        assert_eq!(error.code(), "tensor-not-finite");
        assert!(error.to_string().contains(&format!("at element {index}")), "{error}");
    }
}
