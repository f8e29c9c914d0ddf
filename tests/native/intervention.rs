//! Attributions say what an intervention does: on the trained demo model, taking away the latent
//! that is credited most with the right answer's logit lowers that logit.

use std::rc::Rc;

use burn::tensor::Tensor;
use sae_attribution::Session;
use sae_attribution::config::{Gpt2Config, SaeConfig, SaeHints};
use sae_attribution::folder::Folder;
use sae_attribution::kernels::{self, upload};
use sae_attribution::source::Source;
use sae_attribution::watch::{Meter, Phase, Unwatched};
use sae_attribution::weights::{Gpt2Weights, Reading, SaeWeights};

use crate::common::device::device;
use crate::common::golden::addresses;
use crate::common::requests::latent_to_logit;
use crate::gradients::values;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../www/models/demo");

/// Logits of the last position with `without`, rows at each position, taken from the residual
/// stream before a layer. Everything else that stands there, the SAE's error too, is kept.
async fn logits(ids: &[u32], layer: usize, without: &[f32]) -> Vec<f64> {
    let (source, device) = (Folder, device());
    let mut meter = Meter::start(&Unwatched, Phase::Load, 0).await.unwrap();
    let file = |name: &str| format!("{DEMO}/model/{name}");
    let json = source.read_whole(&file("config.json"), 1 << 20).await.unwrap();
    let config = Gpt2Config::from_json("config.json", &json).unwrap();
    let path = file("model.safetensors");
    let weights =
        Gpt2Weights::open(&source, &path, config.clone(), Reading::default()).await.unwrap();
    let mut resid: Tensor<2> = weights.embed(&source, ids, &device, &mut meter).await.unwrap();
    for i in 0..config.n_layer {
        if i == layer {
            let changed = values(resid).iter().zip(without).map(|(x, y)| x - y).collect();
            resid = upload(changed, config.d_model, &device);
        }
        let attn = Rc::new(weights.attn(&source, i, &device, &mut meter).await.unwrap());
        let mlp = Rc::new(weights.mlp(&source, i, &device, &mut meter).await.unwrap());
        resid = attn.out(attn.at(&resid).z(), Some(&resid));
        resid = mlp.out(mlp.normalize(&resid), Some(&resid)).0;
    }
    let unembed = weights.unembed(&source, &device, &mut meter).await.unwrap();
    let end = kernels::layer_norm(&resid, unembed.layer_norm_epsilon as f32);
    unembed.logits(&kernels::gather_rows(&end.y, &[ids.len() as u32 - 1])).await.unwrap()
}

async fn decoder_row(layer: usize, latent: u32) -> Vec<f32> {
    let folder = format!("{DEMO}/saes/blocks.{layer}.hook_resid_pre");
    let path = format!("{folder}/cfg.json");
    let json = Folder.read_whole(&path, 1 << 20).await.unwrap();
    let config = SaeConfig::from_json(&path, &json, SaeHints::default()).unwrap();
    let file = format!("{folder}/sae_weights.safetensors");
    let weights = SaeWeights::open(&Folder, &file, config, Reading::default()).await.unwrap();
    let mut meter = Meter::start(&Unwatched, Phase::Load, 0).await.unwrap();
    weights.decoder_rows(&Folder, &[latent], &mut meter).await.unwrap()
}

async fn ablate_the_most_credited(prompt: &str, answer: &str, layer: usize) {
    let source = Box::new(Folder);
    let session = Session::open(device(), source, addresses(DEMO)).await.unwrap();
    let request = serde_json::from_value(latent_to_logit(prompt, layer as u64, 5)).unwrap();
    let result = session.attribute(&request, &Unwatched).await.unwrap();
    let top = result.top_logits.as_ref().unwrap();
    assert_eq!(top.string[0], answer, "the model knows this fact");

    let of_answer = &result.attributions[..result.sources.pos.len()];
    let most = (0..of_answer.len()).max_by(|&a, &b| of_answer[a].total_cmp(&of_answer[b])).unwrap();
    let (pos, latent) = (result.sources.pos[most] as usize, result.sources.latent[most]);
    let ids = &result.tokens.token_id;
    let id = top.token_id[0] as usize;
    // The answer's logit with one of the sources taken away.
    let logit_without = async |source: Option<usize>| {
        let d_model = decoder_row(layer, 0).await.len();
        let mut without = vec![0.0; ids.len() * d_model];
        if let Some(source) = source {
            let row = decoder_row(layer, result.sources.latent[source]).await;
            let at = result.sources.pos[source] as usize * d_model;
            for (to, from) in without[at..].iter_mut().zip(&row) {
                *to = from * result.sources.activation[source];
            }
        }
        logits(ids, layer, &without).await[id]
    };
    let plain = logit_without(None).await;
    assert!((plain - f64::from(top.logit[0])).abs() < 1e-4, "the same model as the session's");
    let fall = plain - logit_without(Some(most)).await;
    println!(
        "{prompt:?}, layer {layer}: latent {latent} at {pos}, attribution {:.2}: {answer:?} falls by {fall:.2}",
        of_answer[most]
    );
    assert!(fall > 0.5, "taking latent {latent} away lowers {answer:?} by {fall}");
    // And it does so far more than the latent that is credited with the least.
    let least =
        (0..of_answer.len()).min_by(|&a, &b| of_answer[a].abs().total_cmp(&of_answer[b].abs()));
    let change = (plain - logit_without(least).await).abs();
    assert!(change < 0.1 * fall, "taking away {} changes it by {change}", least.unwrap());
}

#[test]
fn the_most_credited_latent_carries_the_answer() {
    let cases = [
        ("The Eiffel tower is in the city of", " Paris", 2),
        ("The Eiffel tower is in the city of", " Paris", 3),
        ("Fact: Serena Williams plays the sport of", " tennis", 3),
    ];
    for (prompt, answer, layer) in cases {
        pollster::block_on(ablate_the_most_credited(prompt, answer, layer));
    }
}
