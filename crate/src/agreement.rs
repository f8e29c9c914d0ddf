//! How well attributions predict what taking sources away does.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Pairs below which a correlation says nothing.
const FEW: usize = 3;
/// The largest pairs whose signs are compared.
const LARGEST: usize = 50;
/// Pairs above which ranks are not compared: sorting would take seconds.
const MOST_RANKED: usize = 4 << 20;

/// How well attributions predict ablations, over all pairs and for each target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Agreement {
    /// Over all pairs.
    pub all: Fit,
    /// Over the pairs of each target.
    pub targets: Vec<Fit>,
}

/// Attributions beside ablations, over pairs of which at least one of both is not 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Fit {
    /// How many pairs.
    pub pairs: usize,
    /// Why there are no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub lacks: Option<Lacks>,
    /// Pearson's correlation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub pearson: Option<f64>,
    /// Spearman's: that of ranks, ties sharing theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub spearman: Option<f64>,
    /// Ablation per attribution, by least squares with an intercept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub slope: Option<f64>,
    /// Share of the pairs with the largest |attribution|, 50 at most, whose ablation has its sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub same_sign: Option<f64>,
}

/// Why a [`Fit`] has no figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Lacks {
    /// All attributions and ablations are 0.
    AllZero,
    /// Fewer than three pairs.
    TooFew,
    /// All attributions, or all ablations, are equal.
    Constant,
}

/// Compares `[targets, sources]` matrices.
pub fn agreement(attributions: &[f32], ablations: &[f32], n_sources: usize) -> Agreement {
    let n = n_sources.max(1);
    let of = |range: Range<usize>| fit(&attributions[range.clone()], &ablations[range]);
    let targets = (0..attributions.len() / n).map(|target| of(target * n..(target + 1) * n));
    Agreement { targets: targets.collect(), all: of(0..attributions.len()) }
}

fn fit(attributions: &[f32], ablations: &[f32]) -> Fit {
    let pairs: Vec<[f64; 2]> = (attributions.iter().zip(ablations))
        .filter(|(a, b)| **a != 0.0 || **b != 0.0)
        .map(|(&a, &b)| [f64::from(a), f64::from(b)])
        .collect();
    let none = Fit {
        pairs: pairs.len(),
        lacks: None,
        pearson: None,
        spearman: None,
        slope: None,
        same_sign: None,
    };
    let lacks = |lacks| Fit { lacks: Some(lacks), ..none.clone() };
    if pairs.is_empty() {
        return lacks(Lacks::AllZero);
    }
    if pairs.len() < FEW {
        return lacks(Lacks::TooFew);
    }
    let [aa, ab, bb] = moments(&pairs);
    if aa == 0.0 || bb == 0.0 {
        return lacks(Lacks::Constant);
    }
    let spearman = (pairs.len() <= MOST_RANKED).then(|| {
        let [a, b] = [0, 1].map(|side| ranks(pairs.iter().map(|pair| pair[side]).collect()));
        let [aa, ab, bb] = moments(&a.into_iter().zip(b).map(|(a, b)| [a, b]).collect::<Vec<_>>());
        ab / (aa * bb).sqrt()
    });
    Fit {
        pearson: Some(ab / (aa * bb).sqrt()),
        spearman,
        slope: Some(ab / aa),
        same_sign: Some(same_sign(pairs)),
        ..none
    }
}

/// Central second moments.
fn moments(pairs: &[[f64; 2]]) -> [f64; 3] {
    let n = pairs.len() as f64;
    let mean = |side: usize| pairs.iter().map(|pair| pair[side]).sum::<f64>() / n;
    let means = [mean(0), mean(1)];
    pairs.iter().fold([0.0; 3], |[aa, ab, bb], pair| {
        let [a, b] = [pair[0] - means[0], pair[1] - means[1]];
        [aa + a * a, ab + a * b, bb + b * b]
    })
}

/// The rank of each value; of equal ones, the mean of theirs.
fn ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&i| ranks[i] = rank);
        before += equal.len();
    }
    ranks
}

fn same_sign(mut pairs: Vec<[f64; 2]>) -> f64 {
    let n = pairs.len().min(LARGEST);
    pairs.select_nth_unstable_by(n - 1, |a, b| b[0].abs().total_cmp(&a[0].abs()));
    let same = pairs[..n].iter().filter(|[a, b]| a.signum() == b.signum() && *b != 0.0).count();
    same as f64 / n as f64
}
