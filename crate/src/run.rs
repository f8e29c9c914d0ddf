//! One request on its way: the residual stream through the halves of the blocks, off it what latents
//! read, into it what they write. Weights are read where they are first needed, so that the device
//! computes while later ones arrive.

use std::rc::Rc;

use burn::tensor::Tensor;

use crate::attribution::{Directions, Path, Vectors, cheaper, jacobian, units};
use crate::error::Result;
use crate::gpt2::{LinearAttn, LinearBlock, LinearMlp, Unembed};
use crate::kernels::{self, Normalized, Rows};
use crate::places::{Place, Site};
use crate::request::ErrorTerm;
use crate::result::{Nodes, Tokens, check_pairs};
use crate::sae::Sae;
use crate::sparse::{Active, read_back};
use crate::store::{Need, Store};
use crate::watch::{Meter, Phase, Watch};

/// A request under way.
pub(crate) struct Run<'a> {
    store: &'a Store,
    tokens: &'a Tokens,
    needs: Vec<Need>,
    watch: &'a dyn Watch,
    load: Meter<'a>,
}

/// The residual stream on its way through the blocks.
pub(crate) struct Stream {
    /// `[pos, d_model]`
    resid: Tensor<2>,
    /// Halves gone through ([`Place::halves`]).
    halves: usize,
    /// `hook_attn_out` of the half gone through last, if a source's latents stand in it.
    attn_out: Option<Tensor<2>>,
    /// What was gone through since the sources, if it is to be differentiated.
    gone: Option<Gone>,
}

/// Halves that were gone through, linearised at the prompt.
#[derive(Default)]
struct Gone {
    /// The MLP that comes first, where sources stand behind an attention.
    lead: Option<LinearMlp>,
    blocks: Vec<LinearBlock>,
}

impl Gone {
    fn attn(&mut self, attn: LinearAttn) {
        self.blocks.push(LinearBlock { attn, mlp: None });
    }

    fn mlp(&mut self, mlp: LinearMlp) {
        match self.blocks.last_mut() {
            Some(block) => block.mlp = Some(mlp),
            None => self.lead = Some(mlp),
        }
    }
}

/// Rows or columns of the result, and what each writes or reads.
pub(crate) struct Ends {
    pub(crate) nodes: Nodes,
    pub(crate) directions: Directions,
}

/// Active latents of an SAE and what they were encoded from.
struct Encoded {
    place: Place,
    sae: Rc<Sae>,
    active: Active,
    nodes: Nodes,
    /// `[pos, d_model]`
    input: Vec<f32>,
}

impl<'a> Run<'a> {
    /// Plans a request; `needs` in the order of use.
    pub(crate) async fn start(
        store: &'a Store,
        tokens: &'a Tokens,
        needs: Vec<Need>,
        watch: &'a dyn Watch,
    ) -> Result<Self> {
        let bytes = store.plan(&tokens.token_id, &needs).await?;
        let load = Meter::start(watch, Phase::Load, bytes).await?;
        Ok(Self { store, tokens, needs, watch, load })
    }

    /// The prompt's `blocks.0.hook_resid_pre`.
    pub(crate) async fn embed(&mut self) -> Result<Stream> {
        let resid = self.store.embed(&self.tokens.token_id, &mut self.load).await?;
        Ok(Stream { resid, halves: 0, attn_out: None, gone: None })
    }

    /// The tokens' embeddings as sources.
    pub(crate) fn token_sources(&self, stream: &mut Stream) -> Ends {
        stream.gone = Some(Gone::default());
        let nodes = Nodes::tokens(self.tokens);
        let rows = Vectors::Stream(stream.resid.clone());
        Ends { directions: Directions { pos: nodes.pos.clone(), rows, scale: Vec::new() }, nodes }
    }

    /// Runs on until so many halves are gone through.
    async fn go(&mut self, stream: &mut Stream, halves: usize) -> Result<()> {
        stream.attn_out = stream.attn_out.take().filter(|_| halves <= stream.halves);
        let left = halves.saturating_sub(stream.halves) as u64;
        let mut meter = Meter::start(self.watch, Phase::Forward, left).await?;
        while stream.halves < halves {
            let layer = stream.halves / 2;
            if stream.halves.is_multiple_of(2) {
                let attn = self.store.attn(layer, &mut self.load).await?;
                let at = attn.at(&stream.resid);
                stream.resid = attn.out(at.z(), Some(&stream.resid));
                stream.gone.iter_mut().for_each(|gone| gone.attn(at.clone()));
            } else {
                let mlp = self.store.mlp(layer, &mut self.load).await?;
                let normalized = mlp.normalize(&stream.resid);
                let (resid, at) = mlp.out(normalized, Some(&stream.resid));
                stream.resid = resid;
                stream.gone.iter_mut().for_each(|gone| gone.mlp(at.clone()));
            }
            stream.halves += 1;
            kernels::pace(&stream.resid).await?;
            meter.add(1).await?;
        }
        Ok(())
    }

    /// Latents active at a place as sources: from there on the stream is what they decode to and, if
    /// it is kept, what they miss. Returns ‖error‖ at each position, too.
    pub(crate) async fn latent_sources(
        &mut self,
        stream: &mut Stream,
        place: Place,
        error: ErrorTerm,
    ) -> Result<(Ends, Vec<f32>)> {
        let layer = place.block;
        let (encoded, spliced) = match place.site {
            Site::ResidPre | Site::ResidMid | Site::ResidPost => {
                self.go(stream, place.halves()).await?;
                let encoded = self.encode(place, stream.resid.clone()).await?;
                let spliced = self.splice(&encoded, &encoded.input, error).await?;
                stream.resid = self.store.upload(spliced.values.clone());
                (encoded, spliced)
            }
            Site::Z => {
                self.go(stream, place.halves() - 1).await?;
                let attn = self.store.attn(layer, &mut self.load).await?;
                let encoded = self.encode(place, attn.at(&stream.resid).z().clone()).await?;
                let spliced = self.splice(&encoded, &encoded.input, error).await?;
                let z = self.store.upload(spliced.values.clone());
                stream.resid = attn.out(&z, Some(&stream.resid));
                stream.attn_out = Some(attn.out(&z, None));
                // From here on it is the stream that they write into.
                let rows = attn.out_jvp(&spliced.rows);
                (encoded, Spliced { rows, ..spliced })
            }
            Site::AttnOut => {
                self.go(stream, place.halves() - 1).await?;
                let attn = self.store.attn(layer, &mut self.load).await?;
                let out = attn.out(attn.at(&stream.resid).z(), None);
                let encoded = self.encode(place, out).await?;
                let spliced = self.splice(&encoded, &encoded.input, error).await?;
                self.add(stream, &spliced.values).await?;
                (encoded, spliced)
            }
            Site::MlpOut => {
                self.go(stream, place.halves() - 1).await?;
                let mlp = self.store.mlp(layer, &mut self.load).await?;
                let (out, _) = mlp.out(mlp.normalize(&stream.resid), None);
                let encoded = self.encode(place, out).await?;
                let spliced = self.splice(&encoded, &encoded.input, error).await?;
                self.add(stream, &spliced.values).await?;
                (encoded, spliced)
            }
            Site::Ln2Normalized => {
                self.go(stream, place.halves()).await?;
                let mlp = self.store.mlp(layer, &mut self.load).await?;
                let normalized = mlp.normalize(&stream.resid);
                let encoded = self.encode(place, normalized.y.clone()).await?;
                let out = read_back(mlp.out(normalized, None).0, "MLP output").await?;
                let spliced = self.splice(&encoded, &out, error).await?;
                self.add(stream, &spliced.values).await?;
                (encoded, spliced)
            }
        };
        stream.halves = place.written().halves();
        stream.gone = Some(Gone::default());
        let directions = Directions {
            pos: encoded.active.pos.clone(),
            scale: encoded.sae.decoder_scale(&encoded.active, &encoded.input),
            rows: Vectors::Stream(spliced.rows),
        };
        Ok((Ends { nodes: encoded.nodes, directions }, spliced.error_norm))
    }

    /// Latents active at a place as targets.
    pub(crate) async fn latent_targets(
        &mut self,
        stream: &mut Stream,
        place: Place,
    ) -> Result<Ends> {
        let layer = place.block;
        let (encoded, rows) = match place.site {
            Site::ResidPre | Site::ResidMid | Site::ResidPost => {
                self.go(stream, place.halves()).await?;
                let encoded = self.encode(place, stream.resid.clone()).await?;
                let rows = stream.ending(self.read_rows(&encoded));
                (encoded, rows)
            }
            // Latents at hook_z of this block stand in what the attention wrote.
            Site::AttnOut if stream.attn_out.is_some() && stream.halves == place.halves() => {
                let out = stream.attn_out.clone().expect("it is there");
                let encoded = self.encode(place, out).await?;
                let rows = Vectors::Stream(self.read_rows(&encoded));
                (encoded, rows)
            }
            Site::Z | Site::AttnOut => {
                self.go(stream, place.halves() - 1).await?;
                let attn = self.store.attn(layer, &mut self.load).await?;
                let at = attn.at(&stream.resid);
                let input = match place.site {
                    Site::Z => at.z().clone(),
                    _ => attn.out(at.z(), None),
                };
                let encoded = self.encode(place, input).await?;
                let rows = self.read_rows(&encoded);
                let inner = match place.site {
                    Site::Z => LinearAttn::z_vjp(rows),
                    _ => at.branch_vjp_out(&rows),
                };
                stream.gone.iter_mut().for_each(|gone| gone.attn(at.clone()));
                (encoded, Vectors::Attention(inner))
            }
            Site::Ln2Normalized => {
                self.go(stream, place.halves()).await?;
                let epsilon = self.store.config.layer_norm_epsilon;
                let normalized = kernels::layer_norm(&stream.resid, epsilon as f32);
                let encoded = self.encode(place, normalized.y.clone()).await?;
                let rows = self.read_rows(&encoded);
                let rows = self.normalize_vjp(&rows, &encoded.active.pos, &normalized);
                (encoded, stream.ending(rows))
            }
            Site::MlpOut => {
                self.go(stream, place.halves() - 1).await?;
                let mlp = self.store.mlp(layer, &mut self.load).await?;
                let (out, at) = mlp.out(mlp.normalize(&stream.resid), None);
                let encoded = self.encode(place, out).await?;
                let rows = self.read_rows(&encoded);
                let rows = at.branch_vjp(&rows, &self.own_rows(&encoded.active.pos, &rows));
                (encoded, stream.ending(rows))
            }
        };
        let slope = |&latent: &u32| encoded.sae.activation.slope(latent);
        let scale = encoded.active.latent.iter().map(slope).collect();
        let directions = Directions { pos: encoded.active.pos, rows, scale };
        Ok(Ends { nodes: encoded.nodes, directions })
    }

    /// The end of the residual stream, normalised.
    pub(crate) async fn end(&mut self, stream: &mut Stream) -> Result<(Rc<Unembed>, Normalized)> {
        self.go(stream, 2 * self.store.config.n_layer).await?;
        let unembed = self.store.unembed(&mut self.load).await?;
        let read = kernels::layer_norm(&stream.resid, unembed.layer_norm_epsilon as f32);
        Ok((unembed, read))
    }

    /// What is read off the normalised end of the residual stream as targets.
    pub(crate) fn end_targets(&self, nodes: Nodes, rows: Vec<f32>, read: &Normalized) -> Ends {
        let rows = self.store.upload(rows);
        let rows = Vectors::Stream(self.normalize_vjp(&rows, &nodes.pos, read));
        Ends { directions: Directions { pos: nodes.pos.clone(), rows, scale: Vec::new() }, nodes }
    }

    /// d target / d source, `[targets, sources]`.
    pub(crate) async fn gradients(
        &self,
        stream: Stream,
        sources: Directions,
        targets: &Directions,
    ) -> Result<Vec<f32>> {
        check_pairs(targets.pos.len(), sources.pos.len())?;
        let Gone { lead, blocks } = stream.gone.unwrap_or_default();
        let rows = match (sources.rows, lead) {
            (Vectors::Stream(rows), Some(mlp)) => {
                Vectors::Stream(mlp.jvp(&rows, &self.own_rows(&sources.pos, &rows)))
            }
            (rows, _) => rows,
        };
        let path = Path {
            blocks: &blocks,
            sources: &Directions { rows, ..sources },
            targets,
            n_pos: self.tokens.token_id.len(),
            batch_bytes: self.store.reading.sizes.batch,
        };
        let mode = cheaper(&path);
        let mut meter = Meter::start(self.watch, Phase::Jacobian, units(&path, mode)).await?;
        jacobian(&path, mode, &mut meter).await
    }

    /// Encodes what is read at a place with the SAE there.
    ///
    /// # Shapes
    /// - `input`: `[pos, d_model]`
    async fn encode(&mut self, place: Place, input: Tensor<2>) -> Result<Encoded> {
        let (sae, origin) = self.store.sae(place, &mut self.load).await?;
        let mut meter = Meter::start(self.watch, Phase::Encode, input.dims()[0] as u64).await?;
        let input = read_back(input, "SAE input").await?;
        let active = sae.encode(&input, &self.store.reading.sizes, &mut meter).await?;
        let nodes = Nodes::latents(&active, self.tokens, place, sae.d_sae, origin);
        Ok(Encoded { place, sae, active, nodes, input })
    }

    /// What latents decode to, in the place of what is written.
    async fn splice(
        &mut self,
        encoded: &Encoded,
        written: &[f32],
        error: ErrorTerm,
    ) -> Result<Spliced> {
        let Encoded { place, sae, active, input, .. } = encoded;
        let latents = or_first(&active.latent);
        let rows = self.store.decoder_rows(*place, latents, &self.needs, &mut self.load).await?;
        let decoded = sae.decode(active, &rows, input, &self.store.reading.sizes).await?;
        let missed: Vec<f32> = written.iter().zip(&decoded).map(|(x, d)| x - d).collect();
        let norm = |row: &[f32]| row.iter().map(|&e| f64::from(e).powi(2)).sum::<f64>().sqrt();
        let d_model = self.store.config.d_model;
        let error_norm = missed.chunks_exact(d_model).map(|row| norm(row) as f32).collect();
        let values = match error {
            ErrorTerm::Keep => decoded.iter().zip(&missed).map(|(d, e)| d + e).collect(),
            ErrorTerm::Omit => decoded,
        };
        Ok(Spliced { values, rows, error_norm })
    }

    /// Adds a branch to the stream.
    async fn add(&self, stream: &mut Stream, branch: &[f32]) -> Result<()> {
        let resid = read_back(stream.resid.clone(), "residual stream").await?;
        let sum = resid.iter().zip(branch).map(|(x, y)| x + y).collect();
        stream.resid = self.store.upload(sum);
        Ok(())
    }

    /// What active latents read, a row each.
    fn read_rows(&self, encoded: &Encoded) -> Tensor<2> {
        let Encoded { sae, active, input, .. } = encoded;
        let rows = kernels::gather_columns(&sae.w_enc, or_first(&active.latent));
        match sae.normalize(input) {
            Some(read) => self.normalize_vjp(&rows, &active.pos, &read),
            None => rows,
        }
    }

    /// Rows read off a normalisation as rows read before it.
    fn normalize_vjp(&self, rows: &Tensor<2>, pos: &[u32], read: &Normalized) -> Tensor<2> {
        kernels::normalize_jvp(rows, &self.own_rows(pos, rows), read, None)
    }

    /// One row for each direction, in its position.
    fn own_rows(&self, pos: &[u32], rows: &Tensor<2>) -> Rows {
        Rows::own(or_first(pos), self.tokens.token_id.len(), &rows.device())
    }
}

/// What is written in the place of an activation.
struct Spliced {
    /// `[pos, d_model]`
    values: Vec<f32>,
    /// What each active latent writes there: `[active, d_model]`.
    rows: Tensor<2>,
    /// ‖error‖ at each position.
    error_norm: Vec<f32>,
}

impl Stream {
    /// Rows read off the stream where it is now.
    fn ending(&self, rows: Tensor<2>) -> Vectors {
        match self.gone.as_ref().and_then(|gone| gone.blocks.last()) {
            Some(LinearBlock { attn, mlp: None }) => Vectors::Attention(attn.vjp_out(&rows)),
            _ => Vectors::Stream(rows),
        }
    }
}

/// Some index where there are none, as devices have no empty tensors.
fn or_first(indices: &[u32]) -> &[u32] {
    if indices.is_empty() { &[0] } else { indices }
}
