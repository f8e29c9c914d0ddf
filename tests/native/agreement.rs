//! Figures that say how well attributions predict ablations.

use sae_attribution::agreement::{Fit, Lacks, agreement};

fn fit(attributions: &[f32], ablations: &[f32]) -> Fit {
    agreement(attributions, ablations, attributions.len()).all
}

#[test]
fn a_line_is_a_line_and_its_ranks_are_its_ranks() {
    let attributions = [1.0, 2.0, 4.0, -3.0, 0.0];
    let ablations = attributions.map(|a| if a == 0.0 { 0.0 } else { 2.0 * a + 1.0 });
    let found = fit(&attributions, &ablations);
    assert_eq!(found.pairs, 4);
    assert!((found.pearson.unwrap() - 1.0).abs() < 1e-12);
    assert!((found.slope.unwrap() - 2.0).abs() < 1e-12);
    assert!((found.spearman.unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(found.same_sign, Some(1.0));
}

#[test]
fn correlations_are_those_of_scipy() {
    // scipy.stats.pearsonr, spearmanr and linregress of the same numbers.
    let found = fit(&[3.0, 1.0, 3.0, 2.0, -1.0], &[2.0, 2.0, 5.0, -1.0, 0.5]);
    assert!((found.pearson.unwrap() - 0.463_348_204_314_594_5).abs() < 1e-9, "{found:?}");
    assert!((found.spearman.unwrap() - 0.552_631_578_947_368_6).abs() < 1e-9, "{found:?}");
    assert!((found.slope.unwrap() - 0.616_071_428_571_428_6).abs() < 1e-9, "{found:?}");
    assert_eq!(found.same_sign, Some(0.6));
}

#[test]
fn each_target_is_told_by_itself() {
    let found = agreement(&[1.0, 2.0, 3.0, 1.0, 2.0, 4.0], &[1.0, 2.0, 3.0, -1.0, -2.0, -4.0], 3);
    let pearson: Vec<f64> = found.targets.iter().map(|fit| fit.pearson.unwrap()).collect();
    assert!((pearson[0] - 1.0).abs() < 1e-12 && (pearson[1] + 1.0).abs() < 1e-12);
    assert_eq!(found.targets[1].same_sign, Some(0.0));
}

#[test]
fn what_says_nothing_says_why() {
    assert_eq!(fit(&[0.0; 4], &[0.0; 4]).lacks, Some(Lacks::AllZero));
    assert_eq!(fit(&[1.0, 0.0], &[1.0, 0.0]).lacks, Some(Lacks::TooFew));
    assert_eq!(fit(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]).lacks, Some(Lacks::Constant));
    assert_eq!(fit(&[1.0, 2.0, 3.0], &[-1.0, 2.0, 0.0]).same_sign, Some(1.0 / 3.0));
}
