//! What taking each source away does: the model run on without it, not linearised.
//!
//! Each source is a run of its own that differs from the clean one from the source's position on. What it
//! differs by is carried, not what it is: through LayerNorm, attention and GELU exactly, by formulas in
//! which small differences keep their digits. Such runs are packed as tangents are ([`Rows`]): a run has a
//! row where it differs, many go through a half at once, keys and values of earlier positions are the
//! clean run's, and behind the last attention only positions where something is read are left.

use std::ops::Range;

use crate::error::Result;
use crate::kernels::{self, Rows, next_batch, own_positions};
use crate::places::{Place, Site};
use crate::result::check_pairs;
use crate::run::{Goal, Read, Run};
use crate::sparse::read_back;
use crate::trace::{Linear, Stream};
use crate::watch::{Meter, Phase};

/// Floating-point operations given to the device at once: a tenth of a second of a processor.
const MAX_FLOP: usize = 4_000_000_000;

/// Runs that differ from a stream, each by a vector at one position where its sources stand.
pub(crate) struct Variants<'a> {
    /// Ascending.
    pub(crate) pos: &'a [u32],
    /// Added to the stream, `[variants, d_model]`.
    pub(crate) changes: &'a [f32],
}

/// What runs of one batch differ by where the targets read.
struct Reached {
    /// `[rows, d_in]`
    changes: Vec<f32>,
    rows: Rows,
}

impl Run<'_> {
    /// For each target and variant, what the target loses: its value in the stream less that in the
    /// variant. `[targets, variants]`; exactly 0 where the variant comes behind the target.
    pub(crate) async fn effects(
        &mut self,
        stream: &mut Stream,
        goal: &Goal,
        variants: &Variants<'_>,
    ) -> Result<Vec<f32>> {
        let (n_targets, n) = (goal.nodes.len(), variants.pos.len());
        check_pairs(n_targets, n)?;
        let mut effects = vec![0f32; n_targets * n];
        if effects.is_empty() {
            return Ok(effects);
        }
        let n_pos = self.tokens.token_id.len();
        let clean = self.read_at(stream, goal).await?;
        let read = own_positions(&goal.nodes.pos, n_pos);
        let from = stream.from.expect("variants are of sources");
        let work = (n * (goal.halves(self.store.config.n_layer) - from).max(1)) as u64;
        let mut meter = Meter::start(self.watch, Phase::Ablate, work).await?;
        let mut start = 0;
        while start < n {
            let batch = self.batch(variants.pos, start);
            let here = Variants {
                pos: &variants.pos[batch.clone()],
                changes: &variants.changes[batch.start * self.store.config.d_model..],
            };
            let reached = self.vary(stream, goal, &here, &mut meter).await?;
            for (target, variant, value) in self.compare(goal, &reached, &read, &clean).await? {
                effects[target * n + batch.start + variant] = value;
            }
            start = batch.end;
        }
        Ok(effects)
    }

    /// What the targets read, in the stream as it is: `[pos, d_in]`.
    async fn read_at(&mut self, stream: &mut Stream, goal: &Goal) -> Result<Vec<f32>> {
        let read = match &goal.read {
            Read::Latents(encoded) => self.at(stream, encoded.place).await?,
            Read::End(..) => self.end(stream).await?.1.y,
        };
        read_back(read, "what targets read").await
    }

    /// The next variants, as many as fit in memory together.
    fn batch(&self, pos: &[u32], start: usize) -> Range<usize> {
        let config = &self.store.config;
        let n_pos = self.tokens.token_id.len();
        let row_bytes = 4 * (2 * 4 * config.d_model + 8 * config.d_model + config.n_head * n_pos);
        // An MLP is the most that is not interrupted.
        let row_flop = 2 * 8 * config.d_model.pow(2);
        let most = (self.store.reading.sizes.batch as usize / row_bytes).min(MAX_FLOP / row_flop);
        next_batch(start, pos.len(), most as u64, |at| n_pos as u64 - u64::from(pos[at]))
    }

    /// Takes variants from their sources to what the targets read.
    async fn vary(
        &mut self,
        stream: &mut Stream,
        goal: &Goal,
        variants: &Variants<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<Reached> {
        let n_pos = self.tokens.token_id.len();
        let from = stream.from.expect("variants are of sources");
        let place = match &goal.read {
            Read::Latents(encoded) => Some(encoded.place),
            Read::End(..) => None,
        };
        let until = match place {
            Some(Place { site: Site::MlpOut, .. }) => goal.halves(0) - 1,
            _ => goal.halves(self.store.config.n_layer),
        };
        let device = stream.resid.device();
        let attentions = (from..until).filter(|half| half.is_multiple_of(2)).count();
        let mut layouts = layouts(variants.pos, &goal.nodes.pos, n_pos, attentions)
            .into_iter()
            .map(|layout| Rows::new(layout, &device));
        let mut at = layouts.next().expect("there is one more than there are attentions");

        let d_model = self.store.config.d_model;
        let changes = variants.changes[..variants.pos.len() * d_model].to_vec();
        let mut x = self.store.upload(changes);
        let mut z = None;
        for half in from..until {
            match &stream.half(half).at {
                Linear::Attn(attn) => {
                    let to = layouts.next().expect("there is one for each attention");
                    if to.is_empty() {
                        return Ok(Reached { changes: Vec::new(), rows: to });
                    }
                    let [heads, mid] = attn.change(&x, &at, &to);
                    (x, z, at) = (mid, Some(heads), to);
                }
                Linear::Mlp(mlp) => x = mlp.change(&x, &at, Some(&x)),
            }
            kernels::pace(&x).await?;
            meter.add(variants.pos.len() as u64).await?;
        }
        if from == until {
            meter.add(variants.pos.len() as u64).await?;
        }
        let epsilon = self.store.config.layer_norm_epsilon as f32;
        let read = match (place.map(|place| place.site), z) {
            (None, _) => {
                let read = self.end(stream).await?.1;
                kernels::layer_norm_change(&x, &at, &read, epsilon)
            }
            (Some(Site::ResidPre | Site::ResidMid | Site::ResidPost), _) => x,
            (Some(Site::Z), z) => z.expect("sources come before it"),
            // Sources at hook_z of this block change what the attention writes.
            (Some(Site::AttnOut), None) => x,
            (Some(Site::AttnOut), Some(z)) => stream.attn(until / 2).attn().out_jvp(&z),
            (Some(Site::Ln2Normalized), _) => {
                kernels::layer_norm_change(&x, &at, &self.normalized(stream, until), epsilon)
            }
            (Some(Site::MlpOut), _) => self.linear_mlp(stream, until).await?.change(&x, &at, None),
        };
        let changes = read_back(read, "changes of what targets read").await?;
        Ok(Reached { changes, rows: at })
    }

    /// (target, variant, what the target loses) wherever there are both.
    async fn compare(
        &mut self,
        goal: &Goal,
        reached: &Reached,
        read: &[Range<usize>],
        clean: &[f32],
    ) -> Result<Vec<(usize, usize, f32)>> {
        let d = clean.len() / read.len();
        let (mut changes, mut input) = (Vec::new(), Vec::new());
        let (mut blocks, mut variants) = (Vec::new(), Vec::new());
        for (pos, targets) in read.iter().enumerate() {
            let here = reached.rows.directions(pos);
            if targets.is_empty() || here.is_empty() {
                continue;
            }
            let first = changes.len() / d;
            let rows = reached.rows.range(pos);
            changes.extend_from_slice(&reached.changes[rows.start * d..rows.end * d]);
            here.clone().for_each(|_| input.extend_from_slice(&clean[pos * d..][..d]));
            blocks.push((first..first + here.len(), targets.clone()));
            variants.push(here);
        }
        if blocks.is_empty() {
            return Ok(Vec::new());
        }
        let losses = match &goal.read {
            Read::Latents(encoded) => {
                let sizes = &self.store.reading.sizes;
                encoded.sae.losses(&input, &changes, &encoded.active, &blocks, sizes).await?
            }
            Read::End(rows, _) => {
                let (x, rows) = (self.store.upload(changes), self.store.upload(rows.clone()));
                let grown =
                    read_back(kernels::products(&x, &rows, &blocks, None), "logits").await?;
                grown.into_iter().map(|by| -by).collect()
            }
        };
        let mut found = Vec::with_capacity(losses.len());
        let mut rest = &losses[..];
        for ((_, targets), variants) in blocks.iter().zip(variants) {
            let (here, after) = rest.split_at(variants.len() * targets.len());
            rest = after;
            for (row, variant) in here.chunks_exact(targets.len()).zip(variants) {
                for (&loss, target) in row.iter().zip(targets.clone()) {
                    found.push((target, variant, loss));
                }
            }
        }
        Ok(found)
    }
}

/// For each number of attentions gone through, the variants that have a row at each position.
fn layouts(pos: &[u32], read: &[u32], n_pos: usize, attentions: usize) -> Vec<Vec<Range<usize>>> {
    let felt = |at: usize| 0..pos.partition_point(|&p| p as usize <= at);
    let last = read.last().map_or(0, |&last| last as usize + 1);
    let is_read = |at: usize| read.binary_search(&(at as u32)).is_ok();
    let mut layouts = vec![own_positions(pos, n_pos)];
    for gone in 1..=attentions {
        let kept = |at: usize| if gone == attentions { is_read(at) } else { at < last };
        layouts.push((0..n_pos).map(|at| if kept(at) { felt(at) } else { 0..0 }).collect());
    }
    layouts
}
