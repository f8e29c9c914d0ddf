//! What stands beside gradients: counts, norms, labels, logits, the work that was done. Computed again
//! here from the result's own columns.

use std::cell::Cell;

use sae_attribution::source::LocalFuture;
use sae_attribution::watch::{Progress, Unwatched, Watch};
use sae_attribution::{Attribution, Request};
use serde_json::Value;

use crate::altered::{Altered, ask, changed, file, open};
use crate::common::requests::{
    latent_to_latent, latent_to_logit, logit_difference, token_to_latent,
};

const PROMPT: &str = "The Eiffel tower is in Paris";
const SAE: &str = "saes/blocks.0.hook_resid_pre/sae_weights.safetensors";
const SAE_CFG: &str = "saes/blocks.0.hook_resid_pre/cfg.json";
const MODEL: &str = "model/model.safetensors";
const D_SAE: u64 = 512;
/// Latents of the smaller SAE that these tests put at layer 0.
const FEWER: usize = 300;

fn latents() -> Value {
    latent_to_latent(PROMPT, 0, 3)
}

fn difference() -> Value {
    logit_difference(PROMPT, 3, " tennis", " golf")
}

/// The tiny fixture with an SAE of fewer latents at layer 0.
fn with_fewer_latents() -> Altered {
    let source = Altered::default();
    let mut cfg: Value = serde_json::from_slice(&file(SAE_CFG)).unwrap();
    cfg["d_sae"] = FEWER.into();
    source.replace(SAE_CFG, cfg.to_string());
    source.replace(
        SAE,
        changed(SAE, |tensors| {
            for (name, raw) in tensors.iter_mut() {
                match name.as_str() {
                    "b_enc" => raw.bytes.truncate(4 * FEWER),
                    "W_dec" => raw.bytes.truncate(4 * FEWER * raw.shape[1]),
                    "W_enc" => {
                        let row = 4 * raw.shape[1];
                        let rows = raw.bytes.chunks_exact(row).map(|row| &row[..4 * FEWER]);
                        raw.bytes = rows.flatten().copied().collect();
                    }
                    _ => continue,
                }
                let axis = usize::from(name == "W_enc");
                raw.shape[axis] = FEWER;
            }
        }),
    );
    source
}

fn l1(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value.abs())).sum()
}

#[test]
fn counts_and_norms_are_those_of_the_columns() {
    let session = open(&with_fewer_latents()).unwrap();
    let result = ask(&session, latents()).unwrap();
    let (n, m) = (result.sources.len() as u64, result.targets.len() as u64);
    let positions = result.tokens.token_id.len() as u64;
    let s = &result.statistics;
    assert_eq!((result.sources.d_sae, result.targets.d_sae), (Some(FEWER), Some(D_SAE as usize)));
    // The notebook divides by latents² of the later SAE.
    assert_eq!((s.sparsity.nonzero, s.sparsity.total), (n * m, (D_SAE * D_SAE) as f64));
    let all = (positions * FEWER as u64 * positions * D_SAE) as f64;
    assert_eq!((s.sparsity_over_positions.nonzero, s.sparsity_over_positions.total), (n * m, all));
    assert_eq!(s.sparsity_over_positions.ratio, (n * m) as f64 / all);
    assert_eq!(s.gradient_l1, l1(&result.gradients));
    assert_eq!(s.attribution_l1, l1(&result.attributions));
    assert_eq!(s.source_l1, l1(&result.sources.activation));
    assert!(s.gradient_l1 > 0.0 && s.gradient_l1 != s.attribution_l1);
    for (counts, pos) in [
        (&s.sources_per_position, &result.sources.pos),
        (&s.targets_per_position, &result.targets.pos),
    ] {
        for (at, &count) in counts.iter().enumerate() {
            assert_eq!(count as usize, pos.iter().filter(|&&pos| pos as usize == at).count());
        }
    }

    let tokens = token_to_latent(PROMPT, 0);
    let s = ask(&session, tokens).unwrap().statistics;
    let possible = (positions * FEWER as u64) as f64;
    assert_eq!((s.sparsity.total, s.sparsity_over_positions.total), (possible, 9.0 * possible));
    let logits = latent_to_logit(PROMPT, 0, 7);
    let s = ask(&session, logits).unwrap().statistics;
    assert_eq!(s.sparsity.total, (7 * FEWER) as f64);
    assert_eq!(s.sparsity_over_positions.total, 7.0 * possible);
}

/// A whole number in JSON, as long as there is one.
#[test]
fn large_counts_are_numbers_of_json() {
    let session = open(&Altered::default()).unwrap();
    let mut result = ask(&session, latents()).unwrap();
    for (total, written) in [(603_979_776.0, "603979776"), (2f64.powi(60), "1.152921504606847e+18")]
    {
        result.statistics.sparsity.total = total;
        let json = serde_json::to_string(&result).unwrap();
        assert!(json.contains(&format!("\"total\":{written},")), "{written}");
        let again: Attribution = serde_json::from_str(&json).unwrap();
        assert_eq!(again, result);
    }
}

#[test]
fn a_pair_at_the_threshold_is_not_over_it() {
    let session = open(&Altered::default()).unwrap();
    let result = ask(&session, latents()).unwrap();
    let apart = |i: usize| {
        let (row, column) = (i / result.sources.len(), i % result.sources.len());
        result.sources.pos[column] != result.targets.pos[row]
    };
    let among = (0..result.attributions.len()).filter(|&i| apart(i));
    let most = among.max_by(|&a, &b| result.attributions[a].total_cmp(&result.attributions[b]));
    let most = result.attributions[most.unwrap()];
    assert!(result.off_staircase(most).target.is_empty());
    assert_eq!(result.off_staircase(most.next_down()).target.len(), 1);
}

#[test]
fn the_threshold_is_the_notebooks_unless_given() {
    let request: Request = serde_json::from_value(latents()).unwrap();
    assert_eq!(request.threshold, 2.0);
    let session = open(&Altered::default()).unwrap();
    for threshold in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let request = Request { threshold, ..request.clone() };
        let error = pollster::block_on(session.attribute(&request, &Unwatched)).unwrap_err();
        assert_eq!(error.code(), "request-invalid");
    }
}

#[test]
fn beside_a_difference_stand_its_logits_and_the_largest() {
    let session = open(&Altered::default()).unwrap();
    let result = ask(&session, difference()).unwrap();
    assert_eq!(result.targets.label, ["' tennis' − ' golf'"]);
    let pair = result.pair_logits.unwrap();
    assert_eq!(pair.string, [" tennis", " golf"]);
    assert_eq!(result.targets.activation, [pair.logit[0] - pair.logit[1]]);
    let top = result.top_logits.unwrap();
    assert_eq!(top.logit.len(), 10);
    assert!(top.logit.is_sorted_by(|a, b| a >= b));
    let all = latent_to_logit(PROMPT, 3, 3001);
    let all = ask(&session, all).unwrap().top_logits.unwrap();
    assert_eq!(all.token_id[..10], top.token_id);
    let total: f32 = all.probability.iter().sum();
    assert!((total - 1.0).abs() < 1e-4, "{total}");
}

/// Of equal logits the first token comes first.
#[test]
fn equal_logits_are_in_the_order_of_their_tokens() {
    let source = Altered::default();
    source.replace(
        MODEL,
        changed(MODEL, |tensors| {
            let wte = &mut tensors.get_mut("wte.weight").unwrap().bytes;
            let row = wte[4 * 64 * 700..][..4 * 64].to_vec();
            for id in [20, 2900, 31] {
                wte[4 * 64 * id..][..4 * 64].copy_from_slice(&row);
            }
        }),
    );
    let all = latent_to_logit(PROMPT, 3, 3001);
    let top = ask(&open(&source).unwrap(), all).unwrap().top_logits.unwrap();
    let equal = |id: &&u32| [20, 31, 700, 2900].contains(*id);
    assert_eq!(top.token_id.iter().filter(equal).copied().collect::<Vec<_>>(), [20, 31, 700, 2900]);
    let rank = top.token_id.iter().position(|&id| id == 20).unwrap();
    assert!(top.logit[rank..rank + 4].iter().all(|&logit| logit == top.logit[rank]));
}

/// Hears how much work was done.
struct Work(Cell<f64>);

impl Watch for Work {
    fn report(&self, progress: Progress) -> LocalFuture<'_, sae_attribution::Result<()>> {
        self.0.set(progress.flop);
        Unwatched.report(progress)
    }
}

/// Counted work is a promise too: another way through the blocks, another place to meet or other rows
/// take more. What the Jacobian takes is as it was measured; the rest is told by the shapes.
#[test]
fn work_is_what_the_shapes_say() {
    let logits = latent_to_logit(PROMPT, 3, 25);
    let tokens = token_to_latent(PROMPT, 3);
    let (positions, d) = (9.0, 64.0);
    for (request, blocks, encodes, jacobian) in [
        (tokens, 3.0, 1.0, 11_271_168.0),
        (latents(), 3.0, 2.0, 83_513_600.0),
        (logits, 4.0, 1.0, 5_411_072.0),
        (difference(), 4.0, 1.0, 193_536.0),
    ] {
        // One that has run the prompt already would not run it again.
        let session = open(&Altered::default()).unwrap();
        let asked: Request = serde_json::from_value(request.clone()).unwrap();
        let before = sae_attribution::kernels::flop() as f64;
        let work = Work(Cell::new(before));
        let result = pollster::block_on(session.attribute(&asked, &work)).unwrap();
        // Scores and mixing of attention are not counted: of a block, 12 d² products a token.
        let forward = 2.0 * positions * 12.0 * d * d * blocks;
        let encode = 2.0 * positions * d * D_SAE as f64 * encodes;
        let decoded = result.sources.latent.len() as f64;
        let decode = 2.0 * positions * decoded * d;
        let unembed = if blocks > 3.0 { 2.0 * d * 3001.0 } else { 0.0 };
        let rest = work.0.get() - before - forward - encode - decode - unembed;
        assert_eq!(rest, jacobian, "{request}");
    }
}

/// The run of a prompt is kept: asked again, or asked of another place or target on the way, nothing of the
/// model is run a second time; of a prompt that begins like the one before, only the rest is.
#[test]
fn a_prompt_is_run_once() {
    let session = open(&Altered::default()).unwrap();
    let (d, unembed) = (64.0, 2.0 * 64.0 * 3001.0);
    let work = |request: serde_json::Value| {
        let asked: Request = serde_json::from_value(request).unwrap();
        let before = sae_attribution::kernels::flop() as f64;
        let result = pollster::block_on(session.attribute(&asked, &Unwatched)).unwrap();
        (sae_attribution::kernels::flop() as f64 - before, result)
    };
    let (first, result) = work(difference());
    let (second, again) = work(difference());
    assert_eq!(result, again);
    // What is left is the Jacobian, its last product included, and the logits.
    let jacobian = 193_536.0 + 2.0 * d * result.sources.latent.len() as f64;
    assert_eq!(second, jacobian + unembed, "the first took {first}");

    let longer = latent_to_logit(&format!("{PROMPT} and"), 3, 25);
    let (joined, result) = work(longer.clone());
    let fresh = open(&Altered::default()).unwrap();
    let asked: Request = serde_json::from_value(longer).unwrap();
    let expected = pollster::block_on(fresh.attribute(&asked, &Unwatched)).unwrap();
    assert_eq!(result, expected, "what is joined is the same to the last bit");
    // One position of four blocks; encoding, decoding, Jacobian and logits are those of any prompt.
    let positions = result.tokens.token_id.len() as f64;
    let decoded = result.sources.latent.len() as f64;
    let rest = 2.0 * positions * d * (D_SAE as f64 + decoded) + unembed;
    let jacobian = joined - rest - 2.0 * 12.0 * d * d * 4.0;
    assert!(jacobian > 0.0 && jacobian < 7e6, "{jacobian} of {joined}");
}
