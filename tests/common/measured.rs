//! What taking latents away, changing them and steering by them does, and other methods, beside the
//! reference of `scripts/oracle/measured.py`.

use std::fmt::Write;

use sae_attribution::Session;
use sae_attribution::curves::{Curve, CurveRequest};
use sae_attribution::generation::Generation;
use sae_attribution::intervention::Intervention;
use sae_attribution::request::{Method, Request};
use sae_attribution::result::{Attribution, Completeness, Nodes};
use sae_attribution::source::Source;
use sae_attribution::watch::Unwatched;
use serde_json::{Value, json};

use super::golden::{Check, Expected, json};

/// As in `golden`, but for the path of `odd`'s `integrated_difference`, halfway along which the
/// gradient is so ill-conditioned that TransformerLens in float32 is off by 2e-5.
pub(crate) const TOLERANCE: f64 = if cfg!(feature = "webgpu") { 5e-5 } else { 1e-5 };

/// Runs every case of a fixture. Returns a line a case with the largest errors seen; panics with all of
/// them if any exceeds [`TOLERANCE`], relative to the largest value of the array.
pub(crate) async fn check_measured(
    session: &Session,
    source: &dyn Source,
    fixture: &str,
) -> String {
    let names = json(source, &format!("{fixture}/measured/index.json")).await;
    let names: Vec<String> = serde_json::from_value(names).expect("a list of names");
    assert!(!names.is_empty(), "{fixture} has no cases");
    let (mut report, mut failures) = (String::new(), String::new());
    for name in names {
        let expected = Expected::read_some(source, &format!("{fixture}/measured/{name}")).await;
        let mut check = Check { tolerance: TOLERANCE, lines: Vec::new(), worst: Vec::new() };
        let kind = expected.json["kind"].as_str().expect("a kind").to_owned();
        let asked = expected.json["request"].clone();
        match &kind[..] {
            "intervention" => check.intervention(session, asked, &expected).await,
            "generation" => check.generation(session, asked, &expected).await,
            "curves" => check.curves(session, asked, &expected).await,
            _ => {
                check.credits(session, &kind, asked.clone(), &expected).await;
                check.gaps(session, asked, &expected).await;
            }
        }
        writeln!(report, "{name}: {}", check.worst.join(", ")).unwrap();
        for line in check.lines {
            writeln!(failures, "{name}: {line}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{fixture}\n{failures}largest errors:\n{report}");
    report
}

/// Numbers of the expectations, written out or in the tensors.
fn numbers(expected: &Expected, value: &Value) -> Vec<f64> {
    match value {
        Value::String(name) => expected.floats(&[name]).expect("a tensor of that name"),
        Value::Array(_) => serde_json::from_value(value.clone()).expect("numbers"),
        _ => vec![value.as_f64().expect("a number")],
    }
}

/// A request of these cases.
fn request(mut asked: Value, kind: &str) -> Request {
    let fields = asked.as_object_mut().expect("an object");
    let steps = fields.remove("steps");
    fields.remove("ns");
    let is_frozen = fields.remove("frozen").is_some_and(|frozen| frozen == json!(true));
    let method = fields.remove("method").and_then(|name| name.as_str().map(String::from));
    let mut request: Request = serde_json::from_value(asked).expect("a request");
    request.method = match steps.and_then(|steps| steps.as_u64()) {
        Some(steps) => Method::Integrated(steps as u32),
        None if is_frozen || kind == "frozen" || method.as_deref() == Some("frozen") => {
            Method::Frozen
        }
        None => Method::Gradient,
    };
    request.measure = matches!(kind, "ablations" | "completeness");
    request
}

impl Check {
    fn numbers(&mut self, what: &str, got: &[f32], expected: &Expected, key: &str) {
        let want = &expected.json["expected"][key];
        if want.is_null() {
            self.lines.push(format!("the expected results lack {key:?}"));
            return;
        }
        let want = numbers(expected, want);
        self.close(what, got, &want, self.tolerance);
    }

    fn nodes(&mut self, result: &Attribution, expected: &Value) {
        let Attribution { sources, targets, .. } = result;
        self.equal("source positions", &sources.pos, &expected["source_pos"]);
        if !sources.latent.is_empty() {
            self.equal("sources", &sources.latent, &expected["source_latent"]);
        }
        match expected.get("target_latent") {
            Some(latents) => self.equal("targets", &targets.latent, latents),
            None => {
                let pair = result.pair_logits.as_ref().map(|pair| &pair.token_id);
                let ids = pair.unwrap_or(&targets.token_id);
                self.equal("targets", ids, &expected["target_token"]);
            }
        }
    }

    async fn credits(&mut self, session: &Session, kind: &str, asked: Value, expected: &Expected) {
        let request = request(asked, kind);
        let result = session.attribute(&request, &Unwatched).await;
        let result = result.unwrap_or_else(|error| panic!("{error}"));
        let want = &expected.json["expected"];
        self.nodes(&result, want);
        if !self.lines.is_empty() {
            return;
        }
        let n = result.sources.len();
        // Differences of two activations have the errors of both.
        let exact = self.tolerance;
        self.tolerance *= if request.patch.is_some() { 2.0 } else { 1.0 };
        match kind {
            "ablations" => {
                self.numbers("ablations", &result.ablations, expected, "ablations");
                self.numbers("attributions", &result.attributions, expected, "attributions");
                let rows = result.targets.pos.iter().zip(result.ablations.chunks(n.max(1)));
                for (&target, row) in rows {
                    for (&source, &ablation) in result.sources.pos.iter().zip(row) {
                        if source > target && ablation != 0.0 {
                            let line = format!("{ablation} from {source} to earlier {target}");
                            self.lines.push(line);
                        }
                    }
                }
            }
            "frozen" => {
                self.numbers("gradients", &result.gradients, expected, "gradients");
                self.numbers("attributions", &result.attributions, expected, "attributions");
            }
            "integrated" => {
                self.numbers("attributions", &result.attributions, expected, "attributions");
                let completeness = result.completeness.expect("integrated gradients sum up");
                let error = completeness.error.unwrap_or_default();
                self.numbers("errors", &error, expected, "error_attribution");
                let sums = sums(&result.attributions, &error, completeness.total.len());
                let gap: Vec<f32> =
                    sums.iter().zip(&completeness.total).map(|(a, b)| a - b).collect();
                // A gap is a small difference of large sums.
                let want = numbers(expected, &want["gap"]);
                let scale =
                    completeness.total.iter().chain(&sums).fold(0f32, |a, b| a.max(b.abs()));
                let padded = |values: &[f32]| [values, &[scale]].concat();
                let want: Vec<f64> = want.into_iter().chain([f64::from(scale)]).collect();
                self.close("gap", &padded(&gap), &want, self.tolerance);
            }
            "completeness" => {
                let completeness = result.completeness.expect("it was measured");
                let error = completeness.error.unwrap_or_default();
                self.numbers("errors", &error, expected, "error");
                let sums = sums(&result.attributions, &error, completeness.total.len());
                let rest: Vec<f32> =
                    completeness.total.iter().zip(&sums).map(|(a, b)| a - b).collect();
                let scale =
                    completeness.total.iter().chain(&sums).fold(0f32, |a, b| a.max(b.abs()));
                let want = numbers(expected, &want["remainder"]);
                let want: Vec<f64> = want.into_iter().chain([f64::from(scale)]).collect();
                self.close("remainder", &[&rest[..], &[scale]].concat(), &want, self.tolerance);
            }
            other => panic!("no kind of case is called {other}"),
        }
        self.tolerance = exact;
    }

    async fn intervention(&mut self, session: &Session, mut asked: Value, expected: &Expected) {
        asked["top_logits"] = json!(session.config().vocab_size);
        let asked: Intervention = serde_json::from_value(asked).expect("an intervention");
        let found = session.intervene(&asked, &Unwatched).await;
        let found = found.unwrap_or_else(|error| panic!("{error}"));
        let mut order: Vec<usize> = (0..found.logits.token_id.len()).collect();
        order.sort_by_key(|&i| found.logits.token_id[i]);
        let by_id = |values: &[f32]| order.iter().map(|&i| values[i]).collect::<Vec<f32>>();
        self.numbers("before", &by_id(&found.logits.logit_before), expected, "logits_before");
        self.numbers("after", &by_id(&found.logits.logit_after), expected, "logits_after");
        let want = &expected.json["expected"];
        let kl = want["kl"].as_f64().expect("a divergence");
        if (found.kl - kl).abs() > 1e-4 * kl.max(1e-2) {
            self.lines.push(format!("the divergence is {}, expected {kl}", found.kl));
        }
        if found.edited.iter().all(|edit| edit.before == edit.after) && found.kl != 0.0 {
            self.lines.push(format!("a change of nothing changes something: {}", found.kl));
        }
        for (found, want) in found.observed.iter().zip(want["observed"].as_array().unwrap()) {
            let Nodes { pos, latent, activation, .. } = &found.latents;
            for (when, values) in [("before", activation), ("after", &found.after)] {
                let is = |i: &usize| values[*i] > 0.0;
                let active: Vec<usize> = (0..values.len()).filter(is).collect();
                let of = |column: &[u32]| active.iter().map(|&i| column[i]).collect::<Vec<u32>>();
                self.equal(&format!("positions {when}"), of(pos), &want[when]["pos"]);
                self.equal(&format!("latents {when}"), of(latent), &want[when]["latent"]);
                let values: Vec<f32> = active.iter().map(|&i| values[i]).collect();
                let want = numbers(expected, &want[when]["activation"]);
                self.close(&format!("latents {when}"), &values, &want, self.tolerance);
            }
        }
    }

    /// What integrated gradients lack to the whole for more and more steps, where the reference has
    /// it and it falls as 1 / steps: of logits, whose way is not broken by activations, and not where
    /// the way begins at a stream of almost no norm.
    async fn gaps(&mut self, session: &Session, asked: Value, expected: &Expected) {
        let Some(by_steps) = expected.json["checks"]["gap_by_steps"].as_object() else { return };
        let gap = |steps: &str| by_steps.get(steps).and_then(Value::as_f64).unwrap_or(f64::MAX);
        if gap("40") > gap("5") / 4.0 {
            return;
        }
        for (steps, want) in by_steps {
            let mut request = request(asked.clone(), "integrated");
            request.method = Method::Integrated(steps.parse().expect("a number"));
            let result = session.attribute(&request, &Unwatched).await;
            let result = result.unwrap_or_else(|error| panic!("{error}"));
            let Completeness { total, error } = result.completeness.expect("it sums up");
            let sums = sums(&result.attributions, &error.unwrap_or_default(), total.len());
            let most =
                |values: &mut dyn Iterator<Item = f32>| values.fold(0f32, |a, b| a.max(b.abs()));
            let gap = most(&mut sums.iter().zip(&total).map(|(sum, total)| sum - total));
            // A gap is a small difference of large sums.
            let scale = most(&mut sums.into_iter().chain(total));
            let want = [want.as_f64().expect("a number"), f64::from(scale)];
            self.close(
                &format!("gap of {steps} steps"),
                &[gap, scale],
                &want,
                2.0 * self.tolerance,
            );
        }
    }

    async fn curves(&mut self, session: &Session, asked: Value, expected: &Expected) {
        let want = &expected.json["expected"];
        let counts = serde_json::from_value(want["ns"].clone()).expect("numbers");
        let request = request(asked, "curves");
        let asked = CurveRequest { request, target: 0, counts: Some(counts) };
        let found = session.curves(&asked, &Unwatched).await;
        let found = found.unwrap_or_else(|error| panic!("{error}"));
        self.equal("order", &found.order, &want["order"]);
        let clean = want["f_clean"].as_f64().expect("a number");
        self.close("clean", &[found.clean], &[clean], self.tolerance);
        let curves: [(&str, &Curve); 2] =
            [("error_keep", &found.with_error), ("error_omit", &found.without_error)];
        // A difference of two logits that all but cancel has their errors.
        self.tolerance *= 5.0;
        for (key, curve) in curves {
            let of = |name: &str| numbers(expected, &want[key][name]);
            self.close(&format!("{key} keep"), &curve.keep, &of("f_keep"), self.tolerance);
            self.close(&format!("{key} remove"), &curve.remove, &of("f_remove"), self.tolerance);
            self.close(&format!("{key} empty"), &[curve.empty], &of("f_empty"), self.tolerance);
        }
        self.tolerance /= 5.0;
    }

    async fn generation(&mut self, session: &Session, mut asked: Value, expected: &Expected) {
        asked["top_logits"] = json!(session.config().vocab_size);
        let asked: Generation = serde_json::from_value(asked).expect("a generation");
        let found = session.generate(&asked, &Unwatched).await;
        let found = found.unwrap_or_else(|error| panic!("{error}"));
        let want = &expected.json["expected"];
        // The reference writes on behind the end of a text.
        let end = session.config().bos_token_id;
        let text = |key: &str| -> Value {
            let ids: Vec<u32> = serde_json::from_value(want[key].clone()).expect("tokens");
            let n = ids.iter().position(|&id| id == end).map_or(ids.len(), |at| at + 1);
            json!(ids[..n])
        };
        self.equal("tokens", &found.plain.token_id, &text("tokens"));
        if let Some(steered) = &found.steered {
            self.equal("steered tokens", &steered.token_id, &text("steered_tokens"));
        }
        let mut order: Vec<usize> = (0..found.logits.token_id.len()).collect();
        order.sort_by_key(|&i| found.logits.token_id[i]);
        let by_id = |values: &[f32]| order.iter().map(|&i| values[i]).collect::<Vec<f32>>();
        self.numbers("logits", &by_id(&found.logits.logit_before), expected, "logits");
        self.numbers("steered", &by_id(&found.logits.logit_after), expected, "steered_logits");
    }
}

/// Σ attributions + Σ errors of each target.
fn sums(attributions: &[f32], error: &[f32], n_targets: usize) -> Vec<f32> {
    let sum = |values: &[f32], target: usize| -> f64 {
        let n = values.len() / n_targets;
        values[target * n..][..n].iter().map(|&x| f64::from(x)).sum()
    };
    (0..n_targets).map(|target| (sum(attributions, target) + sum(error, target)) as f32).collect()
}
