//! One request on its way: what the analyses have in common, from the prompt's embedding to the
//! Jacobian. Weights are read where they are first needed, so that the device computes while later
//! ones arrive.

use std::ops::Range;
use std::rc::Rc;

use burn::tensor::Tensor;

use crate::attribution::{Directions, Path, cheaper, jacobian, units};
use crate::config::HookPoint;
use crate::error::Result;
use crate::gpt2::{Linearized, Unembed};
use crate::kernels;
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

/// Active latents of an SAE and what they were encoded from.
pub(crate) struct Encoded {
    pub(crate) layer: usize,
    pub(crate) sae: Rc<Sae>,
    pub(crate) active: Active,
    /// `[pos, d_model]`
    pub(crate) resid: Vec<f32>,
}

/// The residual stream as decoded latents plus what they miss.
pub(crate) struct Spliced {
    /// `x̂ + (x − x̂)`: `[pos, d_model]`.
    pub(crate) resid: Tensor<2>,
    /// What the active latents write.
    pub(crate) sources: Directions,
    /// ‖x − x̂‖ at each position.
    pub(crate) error_norm: Vec<f32>,
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

    /// The prompt's `blocks.0.hook_resid_pre`, `[pos, d_model]`.
    pub(crate) async fn embed(&mut self) -> Result<Tensor<2>> {
        self.store.embed(&self.tokens.token_id, &mut self.load).await
    }

    /// Runs blocks over the prompt. Returns them linearised there, and the residual stream after.
    ///
    /// # Shapes
    /// - `resid`: `[pos, d_model]`, returned likewise
    pub(crate) async fn linearize(
        &mut self,
        layers: Range<usize>,
        resid: Tensor<2>,
    ) -> Result<(Vec<Linearized>, Tensor<2>)> {
        let mut linearized = Vec::with_capacity(layers.len());
        let resid = self.pass(layers, resid, |block| linearized.push(block)).await?;
        Ok((linearized, resid))
    }

    /// Runs blocks over the prompt of which no derivative is wanted.
    ///
    /// # Shapes
    /// - `resid`: `[pos, d_model]`, returned likewise
    pub(crate) async fn forward(
        &mut self,
        layers: Range<usize>,
        resid: Tensor<2>,
    ) -> Result<Tensor<2>> {
        self.pass(layers, resid, drop).await
    }

    async fn pass(
        &mut self,
        layers: Range<usize>,
        mut resid: Tensor<2>,
        mut take: impl FnMut(Linearized),
    ) -> Result<Tensor<2>> {
        let mut meter = Meter::start(self.watch, Phase::Forward, layers.len() as u64).await?;
        for layer in layers {
            let block = self.store.block(layer, &mut self.load).await?;
            let (after, linearized) = block.forward(&resid);
            resid = after;
            take(linearized);
            kernels::pace(&resid).await?;
            meter.add(1).await?;
        }
        Ok(resid)
    }

    /// Encodes the residual stream with the SAE of a layer.
    ///
    /// # Shapes
    /// - `resid`: `[pos, d_model]`
    pub(crate) async fn encode(&mut self, layer: usize, resid: Tensor<2>) -> Result<Encoded> {
        let sae = self.store.sae(layer, &mut self.load).await?;
        let mut meter = Meter::start(self.watch, Phase::Encode, resid.dims()[0] as u64).await?;
        let resid = read_back(resid, "residual stream").await?;
        let active = sae.encode(&resid, &self.store.reading.sizes, &mut meter).await?;
        Ok(Encoded { layer, sae, active, resid })
    }

    /// Replaces the residual stream by what the SAE makes of it, and adds what that misses.
    pub(crate) async fn splice(&mut self, encoded: &Encoded) -> Result<Spliced> {
        let Encoded { layer, sae, active, resid } = encoded;
        let latents = or_first(&active.latent);
        let rows = self.store.decoder_rows(*layer, latents, &self.needs, &mut self.load).await?;
        let decoded = sae.decode(active, &rows, resid, &self.store.reading.sizes).await?;
        let error: Vec<f32> = resid.iter().zip(&decoded).map(|(x, d)| x - d).collect();
        let norm = |row: &[f32]| row.iter().map(|&e| f64::from(e).powi(2)).sum::<f64>().sqrt();
        let d_model = sae.b_dec.len();
        let spliced = decoded.iter().zip(&error).map(|(d, e)| d + e).collect();
        Ok(Spliced {
            resid: self.store.upload(spliced),
            sources: Directions {
                pos: active.pos.clone(),
                scale: sae.decoder_scale(active, resid),
                rows,
            },
            error_norm: error.chunks_exact(d_model).map(|row| norm(row) as f32).collect(),
        })
    }

    pub(crate) async fn unembed(&mut self) -> Result<Rc<Unembed>> {
        self.store.unembed(&mut self.load).await
    }

    /// Active latents as rows or columns of the result.
    pub(crate) fn nodes(&self, encoded: &Encoded) -> Nodes {
        let Encoded { layer, sae, active, .. } = encoded;
        let hook_name = HookPoint::residual(*layer, self.store.config.n_layer).to_string();
        Nodes::latents(active, self.tokens, *layer, hook_name, sae.d_sae)
    }

    /// d target / d source, `[targets, sources]`.
    pub(crate) async fn gradients(&self, path: &Path<'_>) -> Result<Vec<f32>> {
        check_pairs(path.targets.pos.len(), path.sources.pos.len())?;
        let mode = cheaper(path);
        let mut meter = Meter::start(self.watch, Phase::Jacobian, units(path, mode)).await?;
        jacobian(path, mode, &mut meter).await
    }
}

impl Encoded {
    /// What the active latents read.
    pub(crate) fn read_directions(&self) -> Directions {
        let slope = |&latent: &u32| self.sae.activation.slope(latent);
        Directions {
            pos: self.active.pos.clone(),
            rows: kernels::gather_columns(&self.sae.w_enc, or_first(&self.active.latent)),
            scale: self.active.latent.iter().map(slope).collect(),
        }
    }
}

/// Some latent where there are none, as devices have no empty tensors.
fn or_first(latents: &[u32]) -> &[u32] {
    if latents.is_empty() { &[0] } else { latents }
}
