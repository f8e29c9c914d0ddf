//! How few latents carry a target: faithfulness and completeness curves of Marks et al., "Sparse Feature
//! Circuits" (arXiv:2403.19647).
//!
//! Latents are ranked by |attribution|. For each n the model runs on with the n largest kept and all
//! others taken away, and with the n largest taken away and all others kept. With F what the target is,
//! F(M) in the model and F(∅) with all latents taken away, a run's figure is
//! (F − F(∅)) / (F(M) − F(∅)).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::answer::Compared;
use crate::error::{Error, Result};
use crate::places::Place;
use crate::request::{ErrorTerm, Request, Sources};
use crate::result::{FORMAT_VERSION, ModelOrigin, Runtime};
use crate::run::{Goal, LatentSources, Run};
use crate::session::Session;
use crate::trace::Stream;
use crate::watch::{Meter, Phase, Watch};

/// Steps of a curve at most.
const MAX_STEPS: usize = 200;

/// Curves of one target of an attribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct CurveRequest {
    /// Whose attributions rank the latents.
    pub request: Request,
    /// Which target: its row.
    #[serde(default)]
    #[ts(as = "Option<_>", optional)]
    pub target: usize,
    /// How many latents; if not given, about a dozen numbers up to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub counts: Option<Vec<usize>>,
}

/// What a [`CurveRequest`] finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Curves {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What was asked.
    pub asked: CurveRequest,
    /// What answered.
    pub runtime: Runtime,
    /// Which model it is of.
    pub model: ModelOrigin,
    /// How a person reads the target.
    pub target_label: String,
    /// Sources of the request, the largest |attribution| to the target first.
    pub order: Vec<u32>,
    /// How many latents, ascending.
    pub counts: Vec<usize>,
    /// The target in the model as it is, F(M).
    pub clean: f32,
    /// With the SAE's error kept in every run.
    pub with_error: Curve,
    /// With the SAE's error taken away, too, in every run but the model's.
    pub without_error: Curve,
}

/// What the target is in each run. Columns are as long as `counts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Curve {
    /// With all latents taken away, F(∅).
    pub empty: f32,
    /// With the largest kept, all others taken away.
    pub keep: Vec<f32>,
    /// With the largest taken away, all others kept.
    pub remove: Vec<f32>,
    /// Share of F(M) − F(∅) that the largest carry: 1 is all of it. Not there where that is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub faithfulness: Option<Vec<f32>>,
    /// Share that all others carry: 0 if the largest lack nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub completeness: Option<Vec<f32>>,
}

impl Session {
    /// Curves of one target.
    ///
    /// # Errors
    /// Those of [`attribute`](Self::attribute); `request-invalid` where sources are tokens, their error is
    /// omitted, or there is no such target.
    pub async fn curves(&self, asked: &CurveRequest, watch: &dyn Watch) -> Result<Curves> {
        let invalid = |cause: String| Err(Error::RequestInvalid { cause });
        let CurveRequest { request, target, counts } = asked;
        let Sources::Place(place) = request.from else {
            return invalid("curves are of latents: from must be a place".into());
        };
        if request.error == ErrorTerm::Omit {
            return invalid("curves are drawn with the error and without it: keep it".into());
        }
        if counts.as_ref().is_some_and(|counts| counts.len() > MAX_STEPS) {
            return invalid(format!("a curve has at most {MAX_STEPS} steps"));
        }
        let attribution = self.attribute(request, watch).await?;
        if *target >= attribution.targets.len() {
            return invalid(format!(
                "there is no target {target}: this request has {}",
                attribution.targets.len()
            ));
        }
        let n = attribution.sources.len();
        let mut counts = match counts {
            Some(counts) => counts.iter().map(|&count| count.min(n)).collect(),
            None => round_numbers(n),
        };
        counts.sort_unstable();
        counts.dedup();
        let row = &attribution.attributions[target * n..][..n];
        let mut order: Vec<u32> = (0..n as u32).collect();
        let size = |i: u32| row[i as usize].abs();
        order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));

        let drawn = self.draw(request, place, *target, &order, &counts, watch).await;
        self.store.release();
        let (clean, [with_error, without_error]) = drawn?;
        Ok(Curves {
            format_version: FORMAT_VERSION,
            asked: asked.clone(),
            runtime: Runtime::this(),
            model: self.store.origin(),
            target_label: attribution.targets.label[*target].clone(),
            order,
            counts,
            clean,
            with_error,
            without_error,
        })
    }

    /// What the target is in the model, and its curves with the SAE's error and without.
    async fn draw(
        &self,
        request: &Request,
        place: Place,
        target: usize,
        order: &[u32],
        counts: &[usize],
        watch: &dyn Watch,
    ) -> Result<(f32, [Curve; 2])> {
        let tokens = self.tokenize(&request.prompt)?;
        let patch = match &request.patch {
            Some(prompt) => Some(self.patch(prompt, place, &tokens, watch).await?),
            None => None,
        };
        let mut run = self.start(&tokens, self.all_needs(request), watch).await?;
        let mut stream = run.embed().await?;
        let sources = run.latent_sources(&mut stream, place, ErrorTerm::Keep).await?;
        let goal = self.goal(&mut run, &mut stream, &request.to).await?.0;
        let compared = self.compare(&mut run, &stream, &sources, patch.as_ref()).await?;
        let latents = sources.latents.as_ref().expect("sources are latents");
        let clean = run.values(&mut stream, &goal).await?[target];
        let runs = 2 * (2 * counts.len() + 1) as u64;
        let mut meter = Meter::start(watch, Phase::Ablate, runs).await?;
        let mut curves = Vec::with_capacity(2);
        for with_error in [true, false] {
            let mut walk = Walk {
                run: &mut run,
                stream: &stream,
                goal: &goal,
                target,
                compared: &compared,
                latents,
                with_error,
                meter: &mut meter,
            };
            let empty = walk.without(order).await?;
            let (mut keep, mut remove) = (Vec::new(), Vec::new());
            for &count in counts {
                keep.push(walk.without(&order[count..]).await?);
                remove.push(walk.without(&order[..count]).await?);
            }
            let whole = f64::from(clean) - f64::from(empty);
            let shares = |of: &[f32]| {
                let share = |&value: &f32| ((f64::from(value) - f64::from(empty)) / whole) as f32;
                (whole != 0.0).then(|| of.iter().map(share).collect())
            };
            let (faithfulness, completeness) = (shares(&keep), shares(&remove));
            curves.push(Curve { empty, keep, remove, faithfulness, completeness });
        }
        self.keep(run.finish(stream));
        let curves = curves.try_into().unwrap_or_else(|_| unreachable!("there are two"));
        Ok((clean, curves))
    }
}

/// Runs of one curve.
struct Walk<'a, 'r> {
    run: &'a mut Run<'r>,
    stream: &'a Stream,
    goal: &'a Goal,
    target: usize,
    compared: &'a Compared,
    latents: &'a LatentSources,
    with_error: bool,
    meter: &'a mut Meter<'r>,
}

impl Walk<'_, '_> {
    /// The target where these latents are taken away.
    async fn without(&mut self, taken: &[u32]) -> Result<f32> {
        let LatentSources { place, written, .. } = self.latents;
        let mut values: Vec<f64> = written.values.iter().map(|&x| f64::from(x)).collect();
        self.compared.take(&mut values, taken, !self.with_error);
        let values = values.into_iter().map(|x| x as f32).collect();
        let mut there = self.stream.clone();
        self.run.put(&mut there, place.written(), values).await?;
        let found = self.run.values(&mut there, self.goal).await?[self.target];
        self.meter.add(1).await?;
        Ok(found)
    }
}

/// 1, 2, 3, 5, 7, 10, 20, … up to `n`, and 0.
fn round_numbers(n: usize) -> Vec<usize> {
    let tens = (0..).map(|power| 10usize.pow(power)).take_while(|&ten| ten <= n);
    let rounded = tens.flat_map(|ten| [1, 2, 3, 5, 7].map(|digit| digit * ten));
    [0].into_iter().chain(rounded.filter(|&count| count < n)).chain([n]).collect()
}
