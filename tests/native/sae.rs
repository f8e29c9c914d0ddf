//! Every SAE architecture and normalisation against its formula, written out number by number.

use sae_attribution::config::{ActivationNorm, Architecture, SaeConfig};
use sae_attribution::folder::Folder;
use sae_attribution::kernels;
use sae_attribution::places::Place;
use sae_attribution::sae::Sae;
use sae_attribution::sizes::Sizes;
use sae_attribution::sparse::Active;
use sae_attribution::watch::{Meter, Phase, Unwatched};
use sae_attribution::weights::{Reading, SaeWeights};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::common::device::device;
use crate::gradients::{Random, values};

const D: usize = 12;
const D_SAE: usize = 30;
const POS: usize = 5;

struct Case {
    architecture: Architecture,
    norm: ActivationNorm,
    apply_b_dec_to_input: bool,
}

/// Named tensors of an SAE.
struct Weights(Vec<(&'static str, Vec<usize>, Vec<f32>)>);

impl Weights {
    fn random(random: &mut Random) -> Self {
        let mut make = |name, shape: &[usize], scale| {
            let values = random.values(shape.iter().product(), scale);
            (name, shape.to_vec(), values)
        };
        let mut all = vec![
            make("W_enc", &[D, D_SAE], 0.8),
            make("W_dec", &[D_SAE, D], 0.8),
            make("b_enc", &[D_SAE], 0.3),
            make("b_dec", &[D], 0.3),
            make("threshold", &[D_SAE], 0.5),
            make("b_gate", &[D_SAE], 0.3),
            make("r_mag", &[D_SAE], 0.5),
            make("b_mag", &[D_SAE], 0.3),
        ];
        all[4].2.iter_mut().for_each(|x| *x = x.abs());
        Self(all)
    }

    fn get(&self, name: &str) -> Vec<f64> {
        let (.., values) = self.0.iter().find(|(n, ..)| *n == name).unwrap();
        values.iter().map(|&x| x.into()).collect()
    }

    /// The SAE, and the decoder row of each latent.
    async fn load(&self, case: &Case) -> (Sae, Vec<f32>) {
        let bytes: Vec<Vec<u8>> =
            self.0.iter().map(|(.., v)| v.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let views = (self.0.iter().zip(&bytes)).map(|((name, shape, _), b)| {
            (*name, TensorView::new(Dtype::F32, shape.clone(), b).unwrap())
        });
        let path = std::env::temp_dir()
            .join(format!("sae-attribution-{}.safetensors", std::process::id()));
        std::fs::write(&path, serialize(views, None).unwrap()).unwrap();
        let config = SaeConfig {
            place: Place::resid_pre(0),
            d_in: D,
            d_sae: D_SAE,
            architecture: case.architecture,
            apply_b_dec_to_input: case.apply_b_dec_to_input,
            has_b_dec_out: false,
            norm: case.norm,
        };
        let weights = SaeWeights::open(&Folder, path.to_str().unwrap(), config, Reading::default())
            .await
            .unwrap();
        let mut meter = Meter::start(&Unwatched, Phase::Load, 0).await.unwrap();
        let sae = weights.load(&Folder, &device(), &mut meter).await.unwrap();
        let latents: Vec<u32> = (0..D_SAE as u32).collect();
        let rows = weights.decoder_rows(&Folder, &latents, &mut meter).await.unwrap();
        std::fs::remove_file(path).unwrap();
        (sae, rows)
    }
}

/// Scale and shift that undo the normalisation of `x`.
fn undo(norm: ActivationNorm, x: &[f64]) -> (f64, f64) {
    let d = x.len() as f64;
    match norm {
        ActivationNorm::None => (1.0, 0.0),
        ActivationNorm::Scale(factor) => (1.0 / factor, 0.0),
        ActivationNorm::LayerNorm => {
            let mean = x.iter().sum::<f64>() / d;
            let var = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (d - 1.0);
            (var.sqrt(), mean)
        }
        ActivationNorm::ConstantNormRescale => {
            (x.iter().map(|x| x * x).sum::<f64>().sqrt() / d.sqrt(), 0.0)
        }
    }
}

/// Activations and reconstruction of one position, by the formulas of SAELens.
fn by_formula(w: &Weights, case: &Case, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (scale, shift) = undo(case.norm, x);
    let epsilon = if case.norm == ActivationNorm::LayerNorm { 1e-5 } else { 0.0 };
    let (w_enc, w_dec, b_dec) = (w.get("W_enc"), w.get("W_dec"), w.get("b_dec"));
    let input: Vec<f64> = (0..D)
        .map(|i| {
            (x[i] - shift) / (scale + epsilon)
                - if case.apply_b_dec_to_input { b_dec[i] } else { 0.0 }
        })
        .collect();
    let product = |j: usize, factor: f64| -> f64 {
        (0..D).map(|i| input[i] * w_enc[i * D_SAE + j] * factor).sum()
    };
    let pre: Vec<f64> = (0..D_SAE).map(|j| product(j, 1.0) + w.get("b_enc")[j]).collect();
    let norm_of = |j: usize| (0..D).map(|i| w_dec[j * D + i].powi(2)).sum::<f64>().sqrt();
    let mut decoder_scale = vec![1.0; D_SAE];
    let acts: Vec<f64> = match case.architecture {
        Architecture::Standard => pre.iter().map(|p| p.max(0.0)).collect(),
        Architecture::JumpRelu => {
            let threshold = w.get("threshold");
            (0..D_SAE).map(|j| if pre[j] > threshold[j] { pre[j].max(0.0) } else { 0.0 }).collect()
        }
        Architecture::Gated => (0..D_SAE)
            .map(|j| {
                let gate = product(j, 1.0) + w.get("b_gate")[j] > 0.0;
                let magnitude = product(j, w.get("r_mag")[j].exp()) + w.get("b_mag")[j];
                if gate { magnitude.max(0.0) } else { 0.0 }
            })
            .collect(),
        Architecture::TopK { k, rescale_acts_by_decoder_norm } => {
            let mut scaled = pre.clone();
            if rescale_acts_by_decoder_norm {
                for j in 0..D_SAE {
                    scaled[j] *= norm_of(j);
                    decoder_scale[j] = 1.0 / norm_of(j);
                }
            }
            let mut order: Vec<usize> = (0..D_SAE).collect();
            order.sort_by(|&a, &b| scaled[b].total_cmp(&scaled[a]));
            let mut kept = vec![0.0; D_SAE];
            order[..k].iter().for_each(|&j| kept[j] = scaled[j].max(0.0));
            kept
        }
    };
    let decoded = (0..D)
        .map(|i| {
            let sum: f64 = (0..D_SAE).map(|j| acts[j] * decoder_scale[j] * w_dec[j * D + i]).sum();
            (sum + b_dec[i]) * scale + shift
        })
        .collect();
    (acts, decoded)
}

#[test]
fn every_architecture_and_normalisation_equals_its_formula() {
    let topk =
        |k, rescale_acts_by_decoder_norm| Architecture::TopK { k, rescale_acts_by_decoder_norm };
    let mut random = Random::new(7);
    for architecture in [
        Architecture::Standard,
        topk(4, false),
        topk(4, true),
        topk(D_SAE, false),
        Architecture::JumpRelu,
        Architecture::Gated,
    ] {
        for norm in [
            ActivationNorm::None,
            ActivationNorm::LayerNorm,
            ActivationNorm::ConstantNormRescale,
            ActivationNorm::Scale(0.4),
        ] {
            for apply_b_dec_to_input in [true, false] {
                let case = Case { architecture, norm, apply_b_dec_to_input };
                let weights = Weights::random(&mut random);
                pollster::block_on(check(&case, &weights, &mut random));
            }
        }
    }
}

async fn check(case: &Case, weights: &Weights, random: &mut Random) {
    let what = format!("{:?}, {:?}", case.architecture, case.norm);
    let (sae, decoder) = weights.load(case).await;
    let x = random.values(POS * D, 2.0);
    let mut meter = Meter::start(&Unwatched, Phase::Encode, 0).await.unwrap();
    let active = sae.encode(&x, &Sizes::default(), &mut meter).await.unwrap();
    let decoder = kernels::upload(decoder, D, &device());
    let rows = kernels::gather_rows(&decoder, &active.latent);
    let decoded = sae.decode(&active, &rows, &x, &Sizes::default()).await.unwrap();

    let mut expected = Active::default();
    for (pos, x) in x.chunks_exact(D).enumerate() {
        let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
        let (acts, reconstruction) = by_formula(weights, case, &x);
        for (latent, &value) in acts.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            expected.push(pos as u32, latent as u32, value as f32);
        }
        for (got, want) in decoded[pos * D..].iter().zip(&reconstruction) {
            assert!(
                (f64::from(*got) - want).abs() < 1e-4,
                "{what}: decoded {got}, expected {want}"
            );
        }
    }
    assert!(!expected.is_empty(), "{what}: a test of nothing");
    assert_eq!((&active.pos, &active.latent), (&expected.pos, &expected.latent), "{what}");
    for (got, want) in active.activation.iter().zip(&expected.activation) {
        assert!((got - want).abs() < 1e-4, "{what}: activation {got}, expected {want}");
    }
    check_slopes(&sae, &active, &x, &what).await;
}

/// An active latent's activation changes by its encoder row times the change of its input.
async fn check_slopes(sae: &Sae, active: &Active, x: &[f32], what: &str) {
    let moved: Vec<f32> = x.iter().zip(0..).map(|(x, i)| x + 1e-3 * (i % 7 - 3) as f32).collect();
    let mut meter = Meter::start(&Unwatched, Phase::Encode, 0).await.unwrap();
    let after = sae.encode(&moved, &Sizes::default(), &mut meter).await.unwrap();
    let normalized = |x: &[f32]| match sae.normalize(x) {
        Some(normalized) => values(normalized.y),
        None => x.to_vec(),
    };
    let change: Vec<f32> = normalized(&moved)
        .iter()
        .zip(normalized(x))
        .map(|(after, before)| after - before)
        .collect();
    let rows = values(kernels::gather_columns(&sae.w_enc, &active.latent));
    let mut checked = 0;
    for i in 0..active.len() {
        let same =
            |j: &usize| (after.pos[*j], after.latent[*j]) == (active.pos[i], active.latent[i]);
        let Some(j) = (0..after.len()).find(same) else { continue };
        let change = &change[active.pos[i] as usize * D..][..D];
        let slope = sae.activation.slope(active.latent[i]);
        let predicted: f32 = change.iter().zip(&rows[i * D..]).map(|(c, r)| slope * c * r).sum();
        let found = after.activation[j] - active.activation[i];
        assert!((found - predicted).abs() < 1e-5, "{what}: changed by {found}, not {predicted}");
        checked += 1;
    }
    assert!(checked > 0, "{what}: a test of nothing");
}
