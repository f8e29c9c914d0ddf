//! One attribution: sources and what they are compared with, targets, gradients by a method, and what
//! taking sources away does.

use std::rc::Rc;

use burn::tensor::Tensor;

use crate::ablation::Variants;
use crate::agreement::agreement;
use crate::attribution::{Directions, Vectors};
use crate::error::{Error, Result};
use crate::places::Place;
use crate::request::{ErrorTerm, Method, Request, Sources, Targets};
use crate::result::{Baseline, Completeness, Logits, Nodes, Parts, Tokens};
use crate::run;
use crate::run::{Goal, LatentSources, Run};
use crate::session::Session;
use crate::sparse::{Active, read_back};
use crate::store::Need;
use crate::trace::{Encoded, Stream, Written};
use crate::watch::Watch;

/// A prompt that sources are compared with, run up to where they stand.
pub(crate) struct Patch {
    tokens: Tokens,
    encoded: Rc<Encoded>,
    written: Rc<Written>,
}

/// Sources on the host, and what they and their SAE's error differ by from what they are compared with.
pub(crate) struct Compared {
    /// Where latents are written; `None` for tokens, which stand in the stream.
    place: Option<Place>,
    nodes: Nodes,
    /// What each source is there: 0 without a patch.
    baseline: Vec<f32>,
    /// What a unit of each source writes, `[sources, d_model]`.
    rows: Vec<f32>,
    /// What the SAE's error differs by, `[pos, d_model]`; `None` where it has no part in the run.
    error: Option<Vec<f32>>,
}

/// What a method finds.
struct Credits {
    /// `[targets, sources]`
    gradients: Vec<f32>,
    /// Gradient times what the SAE's error differs by at each position, `[targets, pos]`.
    error: Option<Vec<f32>>,
}

impl Session {
    pub(crate) async fn answer(
        &self,
        request: &Request,
        tokens: &Tokens,
        watch: &dyn Watch,
    ) -> Result<Parts> {
        let patch = match (&request.patch, request.from) {
            (Some(prompt), Sources::Place(place)) => {
                Some(self.patch(prompt, place, tokens, watch).await?)
            }
            _ => None,
        };
        let mut run = self.start(tokens, self.all_needs(request), watch).await?;
        run.is_frozen = request.method == Method::Frozen;
        let mut stream = run.embed().await?;
        let sources = match request.from {
            Sources::Tokens => run.token_sources(&mut stream),
            Sources::Place(place) => run.latent_sources(&mut stream, place, request.error).await?,
        };
        let sae_error_norm = sources.latents.as_ref().map_or_else(Vec::new, error_norm);
        let found = self.goal(&mut run, &mut stream, &request.to).await?;
        let (goal, top_logits, pair_logits) = found;
        let mut parts = Parts { sae_error_norm, top_logits, pair_logits, ..Parts::default() };
        parts.targets = Some(goal.nodes.clone());

        if patch.is_none() && !request.measure && !matches!(request.method, Method::Integrated(_)) {
            let targets = run.targets(&mut stream, &goal).await?;
            let directions = &sources.directions;
            parts.gradients = run.gradients(&stream, directions, &goal, &targets).await?;
            parts.sources = Some(sources.nodes);
        } else {
            let latents = sources.latents.as_ref();
            let compared = self.compare(&mut run, &stream, &sources, patch.as_ref()).await?;
            let base = match latents {
                Some(latents) => Some(self.base(&mut run, latents, patch.as_ref()).await?),
                None => None,
            };
            let credits = match (request.method, latents, &base) {
                (Method::Integrated(steps), Some(latents), Some(base)) => {
                    let path = Way { latents, base, steps };
                    self.integrated(&mut run, &stream, &compared, &goal, &path).await?
                }
                _ => self.credits(&mut run, &mut stream, &compared, &goal).await?,
            };
            let value = &goal.nodes.activation;
            let total = match (latents, &base) {
                // What the sums are to reach: the target itself, or what it differs by.
                (Some(latents), Some(base))
                    if patch.is_some() || matches!(request.method, Method::Integrated(_)) =>
                {
                    let mut there = stream.clone();
                    run.put(&mut there, latents.place.written(), base.clone()).await?;
                    there.from = stream.from;
                    let values = run.values(&mut there, &goal).await?;
                    value.iter().zip(values).map(|(here, there)| here - there).collect()
                }
                _ => value.clone(),
            };
            if request.measure {
                let changes = compared.changes(&mut run).await?;
                let variants = Variants { pos: &compared.nodes.pos, changes: &changes };
                let ablations = run.effects(&mut stream, &goal, &variants).await?;
                let attributions = compared.attributions(&credits.gradients);
                let n = compared.nodes.len();
                parts.agreement = Some(agreement(&attributions, &ablations, n));
                parts.ablations = ablations;
            }
            parts.completeness = Some(Completeness { total, error: credits.error });
            parts.gradients = credits.gradients;
            parts.baseline =
                patch.map(|patch| Baseline { tokens: patch.tokens, activation: compared.baseline });
            parts.sources = Some(compared.nodes);
        }
        self.keep(run.finish(stream));
        Ok(parts)
    }

    /// What a request reads, in the order of use.
    pub(crate) fn all_needs(&self, request: &Request) -> Vec<Need> {
        let (halves, last) = match request.to {
            // Of the MLP in front of its input, only the LayerNorm is needed, which has no weights left.
            Targets::Place(to) => (to.halves(), Need::Sae(to)),
            Targets::Logits(_) => (2 * self.store.config.n_layer, Need::Unembed),
        };
        self.needs(request.from, halves, Some(last))
    }

    /// Targets; to logits also the largest of all, and the two of a difference.
    pub(crate) async fn goal(
        &self,
        run: &mut Run<'_>,
        stream: &mut Stream,
        to: &Targets,
    ) -> Result<(Goal, Option<Logits>, Option<Logits>)> {
        match to {
            &Targets::Place(place) => Ok((run.latent_goal(stream, place).await?, None, None)),
            Targets::Logits(to) => {
                let wanted = self.wanted(to)?;
                let (goal, top, pair) = self.logit_goal(run, stream, &wanted).await?;
                Ok((goal, Some(top), pair))
            }
        }
    }

    /// Runs the prompt that sources are compared with.
    pub(crate) async fn patch(
        &self,
        prompt: &str,
        place: Place,
        of: &Tokens,
        watch: &dyn Watch,
    ) -> Result<Patch> {
        let tokens = self.tokenize(prompt)?;
        let (n, n_patch) = (of.token_id.len(), tokens.token_id.len());
        if n != n_patch {
            return Err(Error::PatchLength { tokens: n, patch: n_patch });
        }
        let needs = self.needs(Sources::Place(place), place.written().halves(), None);
        let mut run = self.start(&tokens, needs, watch).await?;
        let mut stream = run.embed().await?;
        let encoded = run.latents(&mut stream, place).await?;
        let written = run.written(&mut stream, &encoded).await?;
        let trace = run.finish(stream);
        self.keep(trace);
        Ok(Patch { tokens, encoded, written })
    }

    /// Sources beside what they are compared with: those active here or there.
    pub(crate) async fn compare(
        &self,
        run: &mut Run<'_>,
        stream: &Stream,
        sources: &run::Sources,
        patch: Option<&Patch>,
    ) -> Result<Compared> {
        let d_model = self.store.config.d_model;
        let Some(LatentSources { place, encoded, written, error }) = &sources.latents else {
            let rows = read_back(stream.at(0).clone(), "embeddings").await?;
            let (nodes, baseline) = (sources.nodes.clone(), vec![0.0; sources.nodes.len()]);
            return Ok(Compared { place: None, nodes, baseline, rows, error: None });
        };
        let mut differs = written.error();
        let (active, baseline) = match patch {
            None => (encoded.active.clone(), vec![0.0; encoded.active.len()]),
            Some(patch) => {
                let there = patch.written.error();
                differs.iter_mut().zip(there).for_each(|(error, there)| *error -= there);
                encoded.active.union(&patch.encoded.active)
            }
        };
        let decoder = match patch {
            None => written.rows.clone(),
            Some(_) => run.decoder_rows(*place, &active.latent).await?,
        };
        let mut rows = read_back(decoder, "decoder rows").await?;
        let scale = encoded.sae.decoder_scale(&active, &encoded.input);
        for (row, scale) in rows.chunks_exact_mut(d_model).zip(scale) {
            row.iter_mut().for_each(|x| *x *= scale);
        }
        let error = (*error == ErrorTerm::Keep).then_some(differs);
        let nodes = match patch {
            None => encoded.nodes.clone(),
            Some(_) => encoded.nodes.with(&active, run.tokens),
        };
        Ok(Compared { place: Some(*place), nodes, baseline, rows, error })
    }

    /// What is written where the sources stand if they are what they are compared with: `[pos, d_model]`.
    async fn base(
        &self,
        run: &mut Run<'_>,
        latents: &LatentSources,
        patch: Option<&Patch>,
    ) -> Result<Vec<f32>> {
        let LatentSources { place, encoded, error, .. } = latents;
        let none = Active::default();
        let active = patch.map_or(&none, |patch| &patch.encoded.active);
        // Normalised as the prompt is: the scale is no part of what is compared.
        let rows = match patch {
            Some(patch) => patch.written.rows.clone(),
            None => run.decoder_rows(*place, &[]).await?,
        };
        let sizes = &self.store.reading.sizes;
        let mut base = encoded.sae.decode(active, &rows, &encoded.input, sizes).await?;
        if let (ErrorTerm::Keep, Some(patch)) = (error, patch) {
            base.iter_mut().zip(patch.written.error()).for_each(|(x, error)| *x += error);
        }
        Ok(base)
    }

    /// Gradients of the stream as it is.
    async fn credits(
        &self,
        run: &mut Run<'_>,
        stream: &mut Stream,
        compared: &Compared,
        goal: &Goal,
    ) -> Result<Credits> {
        let targets = run.targets(stream, goal).await?;
        let (directions, columns) = compared.directions(run).await?;
        let gradients = run.gradients(stream, &directions, goal, &targets).await?;
        Ok(compared.split(&gradients, &columns, goal.nodes.len()))
    }

    /// Means of gradients on the way from what the sources are compared with.
    async fn integrated(
        &self,
        run: &mut Run<'_>,
        stream: &Stream,
        compared: &Compared,
        goal: &Goal,
        way: &Way<'_>,
    ) -> Result<Credits> {
        let LatentSources { place, written, error, .. } = way.latents;
        let end = match error {
            ErrorTerm::Keep => &written.values,
            ErrorTerm::Omit => &written.decoded,
        };
        let n_error = if compared.error.is_some() { run.tokens.token_id.len() } else { 0 };
        let mut gradients = vec![0f64; goal.nodes.len() * compared.nodes.len()];
        let mut errors = vec![0f64; goal.nodes.len() * n_error];
        for step in 0..way.steps {
            let share = f64::from(step) / f64::from(way.steps);
            let between = way.base.iter().zip(end).map(|(&base, &end)| {
                (f64::from(base) + share * (f64::from(end) - f64::from(base))) as f32
            });
            let mut there = stream.clone();
            run.put(&mut there, place.written(), between.collect()).await?;
            let found = self.credits(run, &mut there, compared, goal).await?;
            let add = |sum: &mut [f64], found: &[f32]| {
                let weight = 1.0 / f64::from(way.steps);
                let found = found.iter().map(|&x| weight * f64::from(x));
                sum.iter_mut().zip(found).for_each(|(sum, x)| *sum += x);
            };
            add(&mut gradients, &found.gradients);
            add(&mut errors, found.error.as_deref().unwrap_or_default());
        }
        let narrow = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect();
        Ok(Credits {
            gradients: narrow(gradients),
            error: compared.error.is_some().then(|| narrow(errors)),
        })
    }
}

/// From what sources are compared with to what they are.
struct Way<'a> {
    latents: &'a LatentSources,
    /// [`Session::base`]
    base: &'a [f32],
    steps: u32,
}

impl Compared {
    /// Sources and errors as directions in the order of their positions; and for each which it is, errors
    /// counted behind the sources.
    async fn directions(&self, run: &mut Run<'_>) -> Result<(Directions, Vec<usize>)> {
        let d_model = run.store.config.d_model;
        let n = self.nodes.len();
        let errors = self.error.as_deref().unwrap_or_default();
        let n_errors = errors.len() / d_model;
        let pos_of = |i: usize| match i < n {
            true => self.nodes.pos[i],
            false => (i - n) as u32,
        };
        let mut columns: Vec<usize> = (0..n + n_errors).collect();
        columns.sort_by_key(|&i| pos_of(i));
        let rows = columns.iter().flat_map(|&i| match i < n {
            true => &self.rows[i * d_model..][..d_model],
            false => &errors[(i - n) * d_model..][..d_model],
        });
        let rows: Vec<f32> = rows.copied().collect();
        // Devices have no empty tensors.
        let rows = if rows.is_empty() { vec![0.0; d_model] } else { rows };
        let rows = Vectors::Stream(self.as_change(run, rows).await?);
        let pos = columns.iter().map(|&i| pos_of(i)).collect();
        Ok((Directions { pos, rows, scale: Vec::new() }, columns))
    }

    /// What is written as changes of the stream.
    async fn as_change(&self, run: &mut Run<'_>, rows: Vec<f32>) -> Result<Tensor<2>> {
        let rows = run.store.upload(rows);
        match self.place {
            Some(place) => run.as_change(place, &rows).await,
            None => Ok(rows),
        }
    }

    /// Takes gradients of [`directions`](Self::directions) apart.
    fn split(&self, gradients: &[f32], columns: &[usize], n_targets: usize) -> Credits {
        let n = self.nodes.len();
        let n_errors = columns.len() - n;
        let mut of_sources = vec![0f32; n_targets * n];
        let mut of_errors = vec![0f32; n_targets * n_errors];
        for (target, row) in gradients.chunks_exact(columns.len().max(1)).enumerate() {
            for (&value, &column) in row.iter().zip(columns) {
                match column < n {
                    true => of_sources[target * n + column] = value,
                    false => of_errors[target * n_errors + column - n] = value,
                }
            }
        }
        let error = self.error.is_some().then_some(of_errors);
        Credits { gradients: of_sources, error }
    }

    /// What each source differs by from what it is compared with.
    fn differences(&self) -> impl Iterator<Item = f32> + Clone {
        self.nodes.activation.iter().zip(&self.baseline).map(|(here, there)| here - there)
    }

    /// What taking each source away adds to the stream, `[sources, d_model]`.
    async fn changes(&self, run: &mut Run<'_>) -> Result<Vec<f32>> {
        let rows = self.rows.chunks_exact(run.store.config.d_model).zip(self.differences());
        let changes: Vec<f32> =
            rows.flat_map(|(row, differs)| row.iter().map(move |x| -differs * x)).collect();
        match changes.is_empty() {
            true => Ok(changes),
            false => read_back(self.as_change(run, changes).await?, "decoder rows").await,
        }
    }

    /// Takes sources away from what is written, `[pos, d_model]`, and the error if it is to be.
    pub(crate) fn take(&self, values: &mut [f64], sources: &[u32], error: bool) {
        let d_model = self.rows.len() / self.nodes.len().max(1);
        let differences: Vec<f32> = self.differences().collect();
        for &i in sources {
            let by = f64::from(differences[i as usize]);
            let row = &self.rows[i as usize * d_model..][..d_model];
            let at = self.nodes.pos[i as usize] as usize * d_model;
            let values = values[at..][..d_model].iter_mut();
            values.zip(row).for_each(|(x, row)| *x -= by * f64::from(*row));
        }
        if let (true, Some(differs)) = (error, &self.error) {
            values.iter_mut().zip(differs).for_each(|(x, e)| *x -= f64::from(*e));
        }
    }

    fn attributions(&self, gradients: &[f32]) -> Vec<f32> {
        let rows = gradients.chunks_exact(self.nodes.len().max(1));
        rows.flat_map(|row| row.iter().zip(self.differences()).map(|(g, a)| g * a)).collect()
    }
}

/// ‖error‖ at each position.
fn error_norm(latents: &LatentSources) -> Vec<f32> {
    let error = latents.written.error();
    let norm = |row: &[f32]| row.iter().map(|&e| f64::from(e).powi(2)).sum::<f64>().sqrt();
    let d_in = latents.encoded.sae.b_dec.len();
    error.chunks_exact(d_in).map(|row| norm(row) as f32).collect()
}
