//! Compares a session's answers with what TransformerLens and SAELens gave.
//!
//! Expectations are made by `scripts/oracle` from a fixture's own model and SAEs; its README
//! describes every array. Cases have the form of a request, or the form of the first fixtures, one of four
//! kinds between layers of the residual stream. Comparisons are with the float64 arrays where there are any: the
//! reference's own float32 error is about 1e-6 of the largest value.

use std::fmt::Write;

use sae_attribution::request::{LogitTargets, Request, Sources, Targets};
use sae_attribution::result::{Attribution, Nodes};
use sae_attribution::source::Source;
use sae_attribution::watch::Unwatched;
use sae_attribution::{Addresses, ModelAddress, SaeAddress, Session};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::common::requests::{
    latent_to_latent, latent_to_logit, logit_difference, token_to_latent,
};

/// Largest error relative to the largest value of an array.
pub(crate) const TOLERANCE: f64 = if cfg!(feature = "webgpu") { 2e-5 } else { 1e-5 };

/// Where a fixture's model is, and its SAEs if they lie as usual.
pub(crate) fn addresses(fixture: &str) -> Addresses {
    let saes = SaeAddress { address: format!("{fixture}/saes"), ..SaeAddress::default() };
    let model = ModelAddress { address: format!("{fixture}/model"), name: None };
    Addresses { model, saes: vec![saes] }
}

/// Likewise where `saes.json` may say more of the SAEs.
pub(crate) async fn all_addresses(source: &dyn Source, fixture: &str) -> Addresses {
    let usual = addresses(fixture);
    let Ok(list) = source.read_whole(&format!("{fixture}/saes.json"), 1 << 20).await else {
        return usual;
    };
    let mut saes: Vec<SaeAddress> = serde_json::from_slice(&list).expect("a list of SAEs");
    saes.iter_mut().for_each(|sae| sae.address = format!("{fixture}/{}", sae.address));
    Addresses { saes, ..usual }
}

/// A case as a request.
fn request_of(case: &Value) -> Request {
    let layer = |key: &str| case[key].as_u64().expect("a layer");
    let prompt = case["prompt"].as_str().expect("a prompt");
    let request = match case["kind"].as_str() {
        Some("token_to_latent") => token_to_latent(prompt, layer("layer")),
        Some("latent_to_latent") => {
            latent_to_latent(prompt, layer("layer_from"), layer("layer_to"))
        }
        Some("latent_to_logit") => latent_to_logit(prompt, layer("layer"), layer("k")),
        Some("logit_difference") => {
            let [positive, negative] = ["positive", "negative"].map(|key| case[key].clone());
            logit_difference(prompt, layer("layer"), positive, negative)
        }
        Some(other) => panic!("no kind of case is called {other}"),
        None => {
            let mut request = case.clone();
            request.as_object_mut().expect("an object").remove("name");
            request
        }
    };
    serde_json::from_value(request).expect("a request")
}

async fn whole(source: &dyn Source, path: &str) -> Vec<u8> {
    source.read_whole(path, 1 << 30).await.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn json(source: &dyn Source, path: &str) -> Value {
    let bytes = whole(source, path).await;
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs every case of a fixture. Returns a line a case with the largest errors seen; panics with
/// all of them if any exceeds `tolerance`, relative to the largest value of the array.
pub(crate) async fn check_fixture(
    session: &Session,
    source: &dyn Source,
    fixture: &str,
    tolerance: f64,
) -> String {
    let cases = json(source, &format!("{fixture}/cases.json")).await;
    let mut report = String::new();
    let mut failures = String::new();
    let cases = cases.as_array().expect("a list of cases");
    assert!(!cases.is_empty(), "{fixture} has no cases");
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let request = request_of(case);
        let expected = Expected::read(source, &format!("{fixture}/expected/{name}")).await;
        let result = session
            .attribute(&request, &Unwatched)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut check = Check { tolerance, lines: Vec::new(), worst: Vec::new() };
        check.result(&result, &expected);
        writeln!(report, "{name}: {}", check.worst.join(", ")).unwrap();
        for line in check.lines {
            writeln!(failures, "{name}: {line}").unwrap();
        }
    }
    check_tokenizer(session, source, fixture, &mut report, &mut failures).await;
    assert!(failures.is_empty(), "{fixture}\n{failures}largest errors:\n{report}");
    report
}

/// Compares tokens of every string of the fixture's `tokenizer_vectors.json`, and says so where it
/// has none.
async fn check_tokenizer(
    session: &Session,
    source: &dyn Source,
    fixture: &str,
    report: &mut String,
    failures: &mut String,
) {
    let path = format!("{fixture}/expected/tokenizer_vectors.json");
    let Ok(vectors) = source.read_whole(&path, 1 << 30).await else {
        return writeln!(report, "tokenizer: no vectors").unwrap();
    };
    let vectors: Vec<Value> = serde_json::from_slice(&vectors).expect("a list of vectors");
    for vector in &vectors {
        let text = vector["text"].as_str().expect("a text");
        let tokens = session.tokenize(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        // The vectors are without BOS.
        let found = serde_json::json!([tokens.token_id[1..], tokens.string[1..]]);
        if found != serde_json::json!([vector["ids"], vector["str_tokens"]]) {
            writeln!(failures, "tokens of {text:?} are {found}").unwrap();
        }
    }
    writeln!(report, "tokenizer: {} strings", vectors.len()).unwrap();
}

/// Expected results of one case.
pub(crate) struct Expected {
    pub(crate) json: Value,
    tensors: Vec<u8>,
}

impl Expected {
    pub(crate) async fn read(source: &dyn Source, path: &str) -> Self {
        let tensors = format!("{path}.safetensors");
        Self {
            json: json(source, &format!("{path}.json")).await,
            tensors: whole(source, &tensors).await,
        }
    }

    /// Likewise where there may be no tensors.
    pub(crate) async fn read_some(source: &dyn Source, path: &str) -> Self {
        let tensors = source.read_whole(&format!("{path}.safetensors"), 1 << 30).await;
        let json = json(source, &format!("{path}.json")).await;
        Self { json, tensors: tensors.unwrap_or_default() }
    }

    /// A tensor as f64, by the first of these names that is there.
    pub(crate) fn floats(&self, names: &[&str]) -> Option<Vec<f64>> {
        let tensors = SafeTensors::deserialize(&self.tensors).expect("a safetensors file");
        let view = names.iter().find_map(|name| tensors.tensor(name).ok())?;
        let bytes = view.data();
        Some(match view.dtype() {
            Dtype::F32 => bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()).into())
                .collect(),
            Dtype::F64 => {
                bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
            }
            Dtype::I64 => bytes
                .chunks_exact(8)
                .map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64)
                .collect(),
            other => panic!("{other:?}"),
        })
    }
}

/// What the reference says of every case, by what its sources and targets are.
fn keys_of(request: &Request) -> Vec<&'static str> {
    let from: &[&str] = match request.from {
        Sources::Tokens => &[],
        Sources::Place(_) => {
            &["from", "attributions", "attribution_l1", "sae_error_norm_per_position"]
        }
    };
    let to: &[&str] = match (&request.from, &request.to) {
        (Sources::Tokens, Targets::Place(_)) => &["to", "sparsity"],
        (Sources::Place(_), Targets::Place(_)) => &["to", "sparsity", "off_staircase"],
        (_, Targets::Logits(LogitTargets::LogitDifference(_))) => {
            &["token_ids", "logits", "logit_difference"]
        }
        (_, Targets::Logits(_)) => &["token_ids", "logits", "sparsity"],
    };
    from.iter().chain(to).copied().collect()
}

pub(crate) struct Check {
    pub(crate) tolerance: f64,
    /// What is wrong.
    pub(crate) lines: Vec<String>,
    /// Largest error of each array.
    pub(crate) worst: Vec<String>,
}

impl Check {
    /// Equality of anything that has a JSON form.
    pub(crate) fn equal(&mut self, what: &str, got: impl serde::Serialize, want: &Value) {
        let got = serde_json::to_value(got).unwrap();
        if got != *want {
            self.lines.push(format!("{what} is {got}, expected {want}"));
        }
    }

    /// Closeness of arrays, relative to the largest expected value.
    pub(crate) fn close(&mut self, what: &str, got: &[f32], want: &[f64], tolerance: f64) {
        if got.len() != want.len() {
            self.lines.push(format!("{what} has {} values, expected {}", got.len(), want.len()));
            return;
        }
        if got.iter().any(|x| !x.is_finite()) {
            self.lines.push(format!("{what} has values that are not finite"));
            return;
        }
        let largest = want.iter().fold(0f64, |max, x| max.max(x.abs()));
        let (mut index, mut worst) = (0, 0f64);
        for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
            let error = (f64::from(got) - want).abs();
            if error > worst {
                (index, worst) = (i, error);
            }
        }
        let relative = if largest > 0.0 { worst / largest } else { worst };
        self.worst.push(format!("{what} {relative:.1e}"));
        if relative > tolerance {
            self.lines.push(format!(
                "{what}: error {relative:.2e} of the largest value {largest}, at {index}: {} instead of {}",
                got[index], want[index]
            ));
        }
    }

    fn number(&mut self, what: &str, got: f64, want: &Value, tolerance: f64) {
        let want = want.as_f64().unwrap_or_else(|| panic!("{what}: no number expected"));
        let error = (got - want).abs() / want.abs().max(1e-30);
        if error > tolerance {
            self.lines.push(format!("{what} is {got}, expected {want}"));
        }
    }

    fn result(&mut self, result: &Attribution, expected: &Expected) {
        let json = &expected.json;
        self.equal("tokens", &result.tokens.token_id, &json["tokens"]);
        self.equal("strings", &result.tokens.string, &json["str_tokens"]);
        for (side, nodes) in [("from", &result.sources), ("to", &result.targets)] {
            if json.get(side).is_some() {
                self.latents(side, nodes, expected);
            }
        }

        for key in keys_of(&result.request) {
            if json.get(key).is_none() && expected.floats(&[key]).is_none() {
                self.lines.push(format!("the expected results lack {key:?}"));
            }
        }
        // The first fixtures lay token → latent out as [1, pos, latents].
        let (rows, columns) = (result.targets.len(), result.sources.len());
        let as_expected: Vec<f32> = match json["case"]["kind"].as_str() {
            Some("token_to_latent") => (0..rows * columns)
                .map(|i| result.gradients[i % rows * columns + i / rows])
                .collect(),
            _ => result.gradients.clone(),
        };
        let gradients = expected.floats(&["gradients_f64", "gradients"]).expect("gradients");
        self.close("gradients", &as_expected, &gradients, self.tolerance);
        if let Some(attributions) = expected.floats(&["attributions"]) {
            self.close("attributions", &result.attributions, &attributions, self.tolerance);
        }
        for (i, (&target, row)) in
            result.targets.pos.iter().zip(result.gradients.chunks(columns.max(1))).enumerate()
        {
            for (&source, &gradient) in result.sources.pos.iter().zip(row) {
                if source > target && gradient != 0.0 {
                    self.lines.push(format!(
                        "gradient {gradient} from {source} to earlier {target}, row {i}"
                    ));
                }
            }
        }

        if let Some(logits) = expected.floats(&["logits_f64", "logits"]) {
            for (what, found) in
                [("top logits", &result.top_logits), ("pair logits", &result.pair_logits)]
            {
                let Some(found) = found else { continue };
                let want: Vec<f64> = found.token_id.iter().map(|&id| logits[id as usize]).collect();
                self.close(what, &found.logit, &want, self.tolerance);
                let max = logits.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = logits.iter().map(|logit| (logit - max).exp()).sum();
                let want: Vec<f64> = want.iter().map(|logit| (logit - max).exp() / sum).collect();
                self.close(&format!("{what}' probabilities"), &found.probability, &want, 1e-4);
            }
        }
        if let Some(want) = json.get("token_ids") {
            let pair = result.pair_logits.as_ref().map(|pair| &pair.token_id);
            self.equal("token ids", pair.unwrap_or(&result.targets.token_id), want);
            let found = result.pair_logits.as_ref().or(result.top_logits.as_ref());
            let found = found.expect("logits");
            if found.token_id.len() == want.as_array().map_or(0, Vec::len) {
                self.equal("token strings", &found.string, &json["token_strings"]);
            }
        }
        if let Some(want) = json.get("logit_difference") {
            self.number("logit difference", result.targets.activation[0].into(), want, 1e-4);
        }
        self.statistics(result, json);
    }

    fn latents(&mut self, side: &str, nodes: &Nodes, expected: &Expected) {
        let indices = expected.floats(&[&format!("{side}_indices")]).expect("indices");
        let column = |i: usize| indices.iter().skip(i).step_by(3).map(|&x| x as u32);
        if !nodes.pos.iter().copied().eq(column(1)) || !nodes.latent.iter().copied().eq(column(2)) {
            self.lines.push(format!("active latents ({side}) differ from the reference"));
            return;
        }
        let names = [&format!("{side}_acts_f64")[..], &format!("{side}_acts")];
        let acts = expected.floats(&names).expect("activations");
        self.close(&format!("{side} activations"), &nodes.activation, &acts, self.tolerance);
        self.equal(&format!("{side} d_sae"), nodes.d_sae, &expected.json[side]["d_sae"]);
    }

    fn statistics(&mut self, result: &Attribution, json: &Value) {
        let statistics = &result.statistics;
        if let Some(want) = json.get("sparsity") {
            self.equal("sparsity", statistics.sparsity, want);
        }
        for (side, count, l1) in [
            ("from", &statistics.sources_per_position, statistics.source_l1),
            ("to", &statistics.targets_per_position, statistics.target_l1),
        ] {
            if let Some(want) = json.get(side) {
                self.equal(&format!("{side} per position"), count, &want["n_active_per_position"]);
                self.number(&format!("{side} L1"), l1, &want["l1"], 1e-5);
            }
        }
        if let Some(want) = json.get("attribution_l1") {
            self.number("attribution L1", statistics.attribution_l1, want, 1e-4);
        }
        if let Some(want) = json.get("sae_error_norm_per_position") {
            let want: Vec<f64> = serde_json::from_value(want.clone()).unwrap();
            // x − x̂ cancels: its rounding is that of x, whose size the largest activation gives.
            let x = result.sources.activation.iter().copied().fold(0f32, f32::max);
            let largest = want.iter().copied().fold(0f64, f64::max);
            let tolerance = self.tolerance * f64::max(1.0, f64::from(x) / largest);
            self.close("SAE error", &statistics.sae_error_norm, &want, tolerance);
        }
        for want in json.get("off_staircase").and_then(Value::as_array).into_iter().flatten() {
            let threshold = want["threshold"].as_f64().unwrap() as f32;
            let found = result.off_staircase(threshold);
            let end = |nodes: &Nodes, i: u32| (nodes.pos[i as usize], nodes.latent[i as usize]);
            let pairs: Vec<_> = (found.source.iter().zip(&found.target))
                .map(|(&s, &t)| (end(&result.sources, s), end(&result.targets, t)))
                .collect();
            self.equal(&format!("pairs over {threshold}"), pairs, &want["pairs"]);
        }
    }
}
