//! One request on its way: the residual stream through the halves of the blocks, off it what latents
//! read, into it what they write. Weights are read where they are first needed, so that the device
//! computes while later ones arrive.

use std::rc::Rc;

use burn::tensor::Tensor;

use crate::attribution::{Directions, Path, Vectors, cheaper, jacobian, units};
use crate::error::Result;
use crate::gpt2::{LinearAttn, LinearMlp, Mlp, Unembed, scale_held};
use crate::kernels::{self, Joined, Normalized, Rows};
use crate::places::{Place, Site};
use crate::request::ErrorTerm;
use crate::result::{Nodes, Tokens, check_pairs};
use crate::sae::Sae;
use crate::sparse::read_back;
use crate::store::{Need, Store};
use crate::trace::{Encoded, Found, Half, Linear, Stream, Trace, Written};
use crate::watch::{Meter, Phase, Watch};

/// A request under way.
pub(crate) struct Run<'a> {
    pub(crate) store: &'a Store,
    pub(crate) tokens: &'a Tokens,
    pub(crate) watch: &'a dyn Watch,
    needs: Vec<Need>,
    load: Meter<'a>,
    /// The same prompt, or one that begins like it, run before.
    kept: Option<Rc<Trace>>,
    /// If it only begins like it: the positions that they have in common, and the others.
    joined: Option<Joined>,
    /// What is added to the stream on the way. A run that was kept was steered likewise.
    pub(crate) steering: Vec<Steering>,
    /// Whether attention patterns and scales of LayerNorms are held where it is differentiated.
    pub(crate) is_frozen: bool,
}

/// A vector that is added to the stream.
#[derive(Clone)]
pub(crate) struct Steering {
    /// Behind so many halves.
    pub(crate) halves: usize,
    /// At these positions, or at all.
    pub(crate) pos: Option<Vec<u32>>,
    /// `d_model` numbers.
    pub(crate) vector: Vec<f32>,
}

/// Columns of the result, and what each writes.
pub(crate) struct Sources {
    pub(crate) nodes: Nodes,
    pub(crate) directions: Directions,
    /// For latents: what they and their SAE's error are compared with.
    pub(crate) latents: Option<LatentSources>,
}

/// What latents that are sources are of.
pub(crate) struct LatentSources {
    pub(crate) place: Place,
    /// Of the prompt.
    pub(crate) encoded: Rc<Encoded>,
    pub(crate) written: Rc<Written>,
    /// Whether the SAE's error is part of the stream.
    pub(crate) error: ErrorTerm,
}

/// Rows of the result, wherever they are read.
pub(crate) struct Goal {
    pub(crate) nodes: Nodes,
    pub(crate) read: Read,
}

/// What is read.
pub(crate) enum Read {
    /// Latents.
    Latents(Rc<Encoded>),
    /// The end of the residual stream, normalised, by these rows of `d_model`; and what is added to each,
    /// a logit's bias.
    End(Vec<f32>, Vec<f32>),
}

impl Goal {
    /// Halves of blocks that lead to it.
    pub(crate) fn halves(&self, n_layer: usize) -> usize {
        match &self.read {
            Read::Latents(encoded) => encoded.place.halves(),
            Read::End(..) => 2 * n_layer,
        }
    }
}

impl<'a> Run<'a> {
    /// Plans a request; `needs` in the order of use.
    pub(crate) async fn start(
        store: &'a Store,
        tokens: &'a Tokens,
        needs: Vec<Need>,
        kept: Option<Rc<Trace>>,
        watch: &'a dyn Watch,
    ) -> Result<Self> {
        let bytes = store.plan(&tokens.token_id, &needs).await?;
        let load = Meter::start(watch, Phase::Load, bytes).await?;
        let ids = &tokens.token_id;
        let shared = kept.as_ref().map_or(0, |kept| kept.shares(ids));
        let kept = kept.filter(|_| shared > 0);
        let joined = kept.as_ref().filter(|kept| kept.token_id != *ids).map(|_| {
            // One position at least is computed: what is known may go on.
            Joined::new(shared.min(ids.len() - 1), ids.len(), store.device())
        });
        let steering = Vec::new();
        Ok(Self { store, tokens, watch, needs, load, kept, joined, steering, is_frozen: false })
    }

    /// The prompt's `blocks.0.hook_resid_pre`.
    pub(crate) async fn embed(&mut self) -> Result<Stream> {
        let n_pos = self.tokens.token_id.len();
        let keeps = Trace::bytes(&self.store.config, n_pos) <= self.store.reading.sizes.trace;
        let same = self.kept.as_ref().filter(|_| self.joined.is_none());
        let (known, found) = match same {
            Some(kept) => (kept.resid(0).cloned(), kept.found.clone()),
            None => (None, Found::default()),
        };
        let resid = match known {
            Some(resid) => resid,
            None => {
                let resid = self.store.embed(&self.tokens.token_id, &mut self.load).await?;
                self.steered(resid, 0, 0).await?
            }
        };
        Ok(Stream::new(resid, keeps, found))
    }

    /// The tokens' embeddings as sources.
    pub(crate) fn token_sources(&self, stream: &mut Stream) -> Sources {
        stream.from = Some(0);
        let nodes = Nodes::tokens(self.tokens);
        let rows = Vectors::Stream(stream.resid.clone());
        let directions = Directions { pos: nodes.pos.clone(), rows, scale: Vec::new() };
        Sources { nodes, directions, latents: None }
    }

    /// Runs on until so many halves are gone through.
    pub(crate) async fn go(&mut self, stream: &mut Stream, halves: usize) -> Result<()> {
        let left = halves.saturating_sub(stream.halves) as u64;
        let mut meter = Meter::start(self.watch, Phase::Forward, left).await?;
        while stream.halves < halves {
            let kept = self.kept.clone().filter(|_| stream.is_untouched());
            let known = kept.as_ref().and_then(|kept| kept.half(stream.halves));
            let (half, behind) = match (known, self.joined.clone()) {
                (Some((half, behind)), None) => (half.clone(), behind.clone()),
                (Some(known), Some(joined)) => self.half_joined(stream, known, &joined).await?,
                (None, _) => self.half(stream).await?,
            };
            stream.push(half, behind);
            kernels::pace(&stream.resid).await?;
            meter.add(1).await?;
        }
        Ok(())
    }

    /// The next half, and the stream behind it.
    async fn half(&mut self, stream: &Stream) -> Result<(Half, Tensor<2>)> {
        let (layer, before) = (stream.halves / 2, stream.resid.clone());
        let (at, behind) = match stream.halves.is_multiple_of(2) {
            true => {
                let attn = self.store.attn(layer, &mut self.load).await?;
                let at = attn.at(&before);
                let behind = attn.out(at.z(), Some(&before));
                (Linear::Attn(at), behind)
            }
            false => {
                let mlp = self.store.mlp(layer, &mut self.load).await?;
                let (behind, at) = mlp.out(mlp.normalize(&before), Some(&before));
                (Linear::Mlp(at), behind)
            }
        };
        let behind = self.steered(behind, stream.halves + 1, 0).await?;
        Ok((Half { before, at }, behind))
    }

    /// Likewise of a run that begins like another: what was computed there is not computed again.
    async fn half_joined(
        &mut self,
        stream: &Stream,
        (known, known_behind): (&Half, &Tensor<2>),
        joined: &Joined,
    ) -> Result<(Half, Tensor<2>)> {
        let before = joined.new_rows(&stream.resid);
        let (at, behind) = match &known.at {
            Linear::Attn(known) => {
                let at = known.attn().join(known, &before, joined);
                let behind = known.attn().out(&joined.new_rows(at.z()), Some(&before));
                (Linear::Attn(at), behind)
            }
            Linear::Mlp(known) => {
                let (behind, at) = known.mlp().join(known, &before, joined);
                (Linear::Mlp(at), behind)
            }
        };
        let behind = self.steered(behind, stream.halves + 1, joined.known()).await?;
        let behind = joined.join(known_behind, &behind);
        Ok((Half { before: stream.resid.clone(), at }, behind))
    }

    /// Adds what the stream is steered with behind so many halves; `rows` begin at position `first`.
    async fn steered(&self, rows: Tensor<2>, halves: usize, first: usize) -> Result<Tensor<2>> {
        let here: Vec<_> = self.steering.iter().filter(|of| of.halves == halves).collect();
        if here.is_empty() {
            return Ok(rows);
        }
        let mut values = read_back(rows, "residual stream").await?;
        for Steering { pos, vector, .. } in here {
            for (row, at) in values.chunks_exact_mut(vector.len()).zip(first as u32..) {
                if pos.as_ref().is_none_or(|pos| pos.contains(&at)) {
                    row.iter_mut().zip(vector).for_each(|(x, by)| *x += by);
                }
            }
        }
        Ok(self.store.upload(values))
    }

    /// What is at a place: `[pos, d_model]`.
    pub(crate) async fn at(&mut self, stream: &mut Stream, place: Place) -> Result<Tensor<2>> {
        let (layer, halves) = (place.block, place.halves());
        if let Some(put) = stream.put.get(&place) {
            return Ok(put.clone());
        }
        Ok(match place.site {
            Site::ResidPre | Site::ResidMid | Site::ResidPost => {
                self.go(stream, halves).await?;
                stream.at(halves).clone()
            }
            Site::Z => {
                self.go(stream, halves).await?;
                stream.attn(layer).z().clone()
            }
            Site::AttnOut => {
                self.go(stream, halves).await?;
                stream.attn(layer).out()
            }
            Site::Ln2Normalized => {
                self.go(stream, halves).await?;
                self.normalized(stream, halves).y
            }
            Site::MlpOut => {
                self.go(stream, halves - 1).await?;
                let mlp = self.store.mlp(layer, &mut self.load).await?;
                mlp.out(self.normalized(stream, halves - 1), None).0
            }
        })
    }

    pub(crate) fn normalized(&self, stream: &Stream, halves: usize) -> Normalized {
        kernels::layer_norm(stream.at(halves), self.store.config.layer_norm_epsilon as f32)
    }

    /// The MLP behind so many halves, linearised.
    pub(crate) async fn linear_mlp(&mut self, stream: &Stream, halves: usize) -> Result<LinearMlp> {
        let mlp = self.mlp(halves / 2).await?;
        Ok(mlp.out(self.normalized(stream, halves), None).1)
    }

    /// Puts values in the place of what is at one: `[pos, d_model]`.
    pub(crate) async fn put(
        &mut self,
        stream: &mut Stream,
        place: Place,
        values: Vec<f32>,
    ) -> Result<()> {
        let halves = place.halves();
        self.go(stream, halves).await?;
        match place.site {
            Site::ResidPre | Site::ResidMid | Site::ResidPost => {
                stream.replace(halves, self.store.upload(values), halves);
            }
            Site::Z => {
                let attn = stream.attn(place.block).attn().clone();
                let z = self.store.upload(values);
                let resid = attn.out(&z, Some(stream.at(halves - 1)));
                stream.replace(halves, resid, halves - 1);
                let attn_out = Place { site: Site::AttnOut, ..place };
                stream.put.insert(attn_out, attn.out(&z, None));
                stream.put.insert(place, z);
            }
            Site::AttnOut | Site::MlpOut => {
                let before = read_back(stream.at(halves - 1).clone(), "residual stream").await?;
                let sum = before.iter().zip(&values).map(|(x, y)| x + y).collect();
                stream.replace(halves, self.store.upload(sum), halves - 1);
                stream.put.insert(place, self.store.upload(values));
            }
            Site::Ln2Normalized => unreachable!("latents that read there write elsewhere"),
        }
        Ok(())
    }

    /// Latents active at a place.
    pub(crate) async fn latents(
        &mut self,
        stream: &mut Stream,
        place: Place,
    ) -> Result<Rc<Encoded>> {
        let known = stream.found.encoded.get(&place).filter(|_| stream.is_untouched());
        if let Some(encoded) = known {
            return Ok(encoded.clone());
        }
        let input = self.at(stream, place).await?;
        let (sae, origin) = self.store.sae(place, &mut self.load).await?;
        let mut meter = Meter::start(self.watch, Phase::Encode, input.dims()[0] as u64).await?;
        let input = read_back(input, "SAE input").await?;
        let active = sae.encode(&input, &self.store.reading.sizes, &mut meter).await?;
        let nodes = Nodes::latents(&active, self.tokens, place, sae.d_sae, origin);
        let encoded = Rc::new(Encoded { place, sae, active, nodes, input });
        if stream.is_untouched() {
            stream.found.encoded.insert(place, encoded.clone());
        }
        Ok(encoded)
    }

    /// The SAE of a place.
    pub(crate) async fn sae(&mut self, place: Place) -> Result<Rc<Sae>> {
        Ok(self.store.sae(place, &mut self.load).await?.0)
    }

    /// The MLP of a block.
    pub(crate) async fn mlp(&mut self, layer: usize) -> Result<Rc<Mlp>> {
        self.store.mlp(layer, &mut self.load).await
    }

    /// Rows of `W_dec`, `[latents, d_model]`.
    pub(crate) async fn decoder_rows(
        &mut self,
        place: Place,
        latents: &[u32],
    ) -> Result<Tensor<2>> {
        self.store.decoder_rows(place, or_first(latents), &self.needs, &mut self.load).await
    }

    /// What active latents write.
    pub(crate) async fn written(
        &mut self,
        stream: &mut Stream,
        encoded: &Encoded,
    ) -> Result<Rc<Written>> {
        let Encoded { place, sae, active, input, .. } = encoded;
        let known = stream.found.written.get(place).filter(|_| stream.is_untouched());
        if let Some(written) = known {
            return Ok(written.clone());
        }
        let rows = self.decoder_rows(*place, &active.latent).await?;
        let decoded = sae.decode(active, &rows, input, &self.store.reading.sizes).await?;
        let values = match place.written() == *place {
            true => input.clone(),
            false => read_back(self.at(stream, place.written()).await?, "MLP output").await?,
        };
        let written = Rc::new(Written { rows, values, decoded });
        if stream.is_untouched() {
            stream.found.written.insert(*place, written.clone());
        }
        Ok(written)
    }

    /// Latents active at a place as sources: what comes behind is differentiated. If their SAE's error is
    /// omitted, the stream is from there on what they decode to.
    pub(crate) async fn latent_sources(
        &mut self,
        stream: &mut Stream,
        place: Place,
        error: ErrorTerm,
    ) -> Result<Sources> {
        let encoded = self.latents(stream, place).await?;
        let written = self.written(stream, &encoded).await?;
        let halves = place.written().halves();
        self.go(stream, halves).await?;
        if error == ErrorTerm::Omit {
            self.put(stream, place.written(), written.decoded.clone()).await?;
        }
        stream.from = Some(halves);
        let directions = Directions {
            pos: encoded.active.pos.clone(),
            scale: encoded.sae.decoder_scale(&encoded.active, &encoded.input),
            rows: Vectors::Stream(self.as_change(place, &written.rows).await?),
        };
        let nodes = encoded.nodes.clone();
        let latents = Some(LatentSources { place, encoded, written, error });
        Ok(Sources { nodes, directions, latents })
    }

    /// What is written at a place as a change of the stream: `[rows, d_model]`.
    pub(crate) async fn as_change(&mut self, place: Place, rows: &Tensor<2>) -> Result<Tensor<2>> {
        Ok(match place.site {
            Site::Z => self.store.attn(place.block, &mut self.load).await?.out_jvp(rows),
            _ => rows.clone(),
        })
    }

    /// Latents active at a place as targets.
    pub(crate) async fn latent_goal(&mut self, stream: &mut Stream, place: Place) -> Result<Goal> {
        let encoded = self.latents(stream, place).await?;
        Ok(Goal { nodes: encoded.nodes.clone(), read: Read::Latents(encoded) })
    }

    /// The end of the residual stream, normalised.
    pub(crate) async fn end(&mut self, stream: &mut Stream) -> Result<(Rc<Unembed>, Normalized)> {
        let halves = 2 * self.store.config.n_layer;
        self.go(stream, halves).await?;
        let unembed = self.store.unembed(&mut self.load).await?;
        let read = kernels::layer_norm(stream.at(halves), unembed.layer_norm_epsilon as f32);
        Ok((unembed, read))
    }

    /// What targets read off a stream, linearised there.
    pub(crate) async fn targets(&mut self, stream: &mut Stream, goal: &Goal) -> Result<Directions> {
        let encoded = match &goal.read {
            Read::Latents(encoded) => encoded,
            Read::End(rows, _) => {
                let read = self.end(stream).await?.1;
                let read = self.held(read).await?;
                let rows = self.store.upload(rows.clone());
                let rows = Vectors::Stream(self.normalize_vjp(&rows, &goal.nodes.pos, &read));
                return Ok(Directions { pos: goal.nodes.pos.clone(), rows, scale: Vec::new() });
            }
        };
        let Encoded { place, sae, active, .. } = &**encoded;
        let slope = |latent: u32| sae.activation.slope(latent);
        let (input, scale) = match stream.is_untouched() {
            true => (encoded.input.clone(), active.latent.iter().map(|&at| slope(at)).collect()),
            false => {
                let input = read_back(self.at(stream, *place).await?, "SAE input").await?;
                let values = self.activations(sae, &input, encoded).await?;
                // Elsewhere it may not be active.
                let of =
                    |(value, &latent): (f32, &u32)| if value > 0.0 { slope(latent) } else { 0.0 };
                (input, values.into_iter().zip(&active.latent).map(of).collect())
            }
        };
        let rows = kernels::gather_columns(&sae.w_enc, or_first(&active.latent));
        let rows = match sae.normalize(&input) {
            Some(read) => self.normalize_vjp(&rows, &active.pos, &read),
            None => rows,
        };
        let halves = place.halves();
        self.go(stream, if place.site == Site::MlpOut { halves - 1 } else { halves }).await?;
        let rows = match place.site {
            Site::ResidPre | Site::ResidMid | Site::ResidPost => ending(stream, rows, halves),
            // Latents at hook_z of this block are sources: what they write is behind the attention.
            Site::AttnOut if stream.from == Some(halves) => Vectors::Stream(rows),
            Site::Z => Vectors::Attention(LinearAttn::z_vjp(rows)),
            Site::AttnOut => Vectors::Attention(stream.attn(place.block).branch_vjp_out(&rows)),
            Site::Ln2Normalized => {
                let read = self.held(self.normalized(stream, halves)).await?;
                let rows = self.normalize_vjp(&rows, &active.pos, &read);
                ending(stream, rows, halves)
            }
            Site::MlpOut => {
                let mut at = self.linear_mlp(stream, halves - 1).await?;
                if self.is_frozen {
                    at = at.frozen().await?;
                }
                let rows = at.branch_vjp(&rows, &self.own_rows(&active.pos, &rows));
                ending(stream, rows, halves - 1)
            }
        };
        Ok(Directions { pos: active.pos.clone(), rows, scale })
    }

    /// What targets are at a stream.
    pub(crate) async fn values(&mut self, stream: &mut Stream, goal: &Goal) -> Result<Vec<f32>> {
        match &goal.read {
            Read::Latents(encoded) => {
                let input = self.at(stream, encoded.place).await?;
                let input = read_back(input, "SAE input").await?;
                self.activations(&encoded.sae, &input, encoded).await
            }
            Read::End(rows, bias) => {
                let (_, read) = self.end(stream).await?;
                let last = kernels::gather_rows(&read.y, &[self.tokens.token_id.len() as u32 - 1]);
                let last = read_back(last, "residual stream").await?;
                // A few rows, summed in f64: logits that all but cancel keep the digits that are there.
                let logit = |(row, &bias): (&[f32], &f32)| {
                    let products =
                        row.iter().zip(&last).map(|(&w, &x)| f64::from(w) * f64::from(x));
                    (products.sum::<f64>() + f64::from(bias)) as f32
                };
                Ok(rows.chunks_exact(last.len()).zip(bias).map(logit).collect())
            }
        }
    }

    /// Activations of the latents that were active in a run, at another input: `[pos, d_model]`.
    async fn activations(&self, sae: &Sae, input: &[f32], encoded: &Encoded) -> Result<Vec<f32>> {
        let Encoded { active, .. } = encoded;
        if active.is_empty() {
            return Ok(Vec::new());
        }
        let of = kernels::own_positions(&active.pos, self.tokens.token_id.len());
        let blocks: Vec<_> = (of.into_iter().enumerate())
            .filter(|(_, of)| !of.is_empty())
            .map(|(pos, of)| (pos..pos + 1, of))
            .collect();
        sae.activations(input, &active.latent, &blocks, &self.store.reading.sizes).await
    }

    /// d target / d source, `[targets, sources]`.
    pub(crate) async fn gradients(
        &self,
        stream: &Stream,
        sources: &Directions,
        goal: &Goal,
        targets: &Directions,
    ) -> Result<Vec<f32>> {
        check_pairs(targets.pos.len(), sources.pos.len())?;
        let until = match &goal.read {
            // The MLP itself is part of what its output's latents read.
            Read::Latents(encoded) if encoded.place.site == Site::MlpOut => {
                encoded.place.halves() - 1
            }
            _ => goal.halves(self.store.config.n_layer),
        };
        let (mut lead, mut blocks) = stream.blocks(until);
        if self.is_frozen {
            for block in &mut blocks {
                *block = block.frozen().await?;
            }
            if let Some(mlp) = &mut lead {
                *mlp = mlp.frozen().await?;
            }
        }
        let rows = match (&sources.rows, lead) {
            (Vectors::Stream(rows), Some(mlp)) => {
                Vectors::Stream(mlp.jvp(rows, &self.own_rows(&sources.pos, rows)))
            }
            (rows, _) => rows.clone(),
        };
        let path = Path {
            blocks: &blocks,
            sources: &Directions { rows, ..sources.clone() },
            targets,
            n_pos: self.tokens.token_id.len(),
            batch_bytes: self.store.reading.sizes.batch,
        };
        let mode = cheaper(&path);
        let mut meter = Meter::start(self.watch, Phase::Jacobian, units(&path, mode)).await?;
        jacobian(&path, mode, &mut meter).await
    }

    /// A normalisation, its scale held if the method holds it.
    async fn held(&self, read: Normalized) -> Result<Normalized> {
        if self.is_frozen { scale_held(&read).await } else { Ok(read) }
    }

    /// Rows read off a normalisation as rows read before it.
    fn normalize_vjp(&self, rows: &Tensor<2>, pos: &[u32], read: &Normalized) -> Tensor<2> {
        kernels::normalize_jvp(rows, &self.own_rows(pos, rows), read, None)
    }

    /// One row for each direction, in its position.
    fn own_rows(&self, pos: &[u32], rows: &Tensor<2>) -> Rows {
        Rows::own(or_first(pos), self.tokens.token_id.len(), &rows.device())
    }

    /// Keeps the run for the next request on the same prompt.
    pub(crate) fn finish(self, stream: Stream) -> Option<Rc<Trace>> {
        let trace = stream.trace(&self.tokens.token_id)?;
        // A request may need less of it than the one before.
        match self.kept {
            Some(kept) if self.joined.is_none() && kept.len() > trace.len() => {
                Some(Rc::new(kept.with(trace.found)))
            }
            _ => Some(Rc::new(trace)),
        }
    }
}

/// Rows read off a stream behind so many halves.
fn ending(stream: &Stream, rows: Tensor<2>, halves: usize) -> Vectors {
    // A path that ends behind an attention ends in it.
    match stream.from.is_some_and(|from| from < halves) && halves % 2 == 1 {
        true => Vectors::Attention(stream.attn(halves / 2).vjp_out(&rows)),
        false => Vectors::Stream(rows),
    }
}

/// Some index where there are none, as devices have no empty tensors.
pub(crate) fn or_first(indices: &[u32]) -> &[u32] {
    if indices.is_empty() { &[0] } else { indices }
}
