//! What is loaded: weights on the device, read when a request first needs them and then kept.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};

use crate::config::{Gpt2Config, HookPoint, SaeConfig};
use crate::error::{Error, Result};
use crate::gpt2::{Block, Unembed};
use crate::kernels::upload;
use crate::sae::Sae;
use crate::sizes::MAX_CONFIG_BYTES;
use crate::source::{Part, Source};
use crate::watch::Meter;
use crate::weights::{Gpt2Weights, Reading, SaeWeights};

/// Where a model and its SAEs are, in the hub's layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Holds `config.json`, `tokenizer.json`, `model.safetensors`.
    pub model: String,
    /// Holds `blocks.{L}.hook_resid_pre/{cfg.json,sae_weights.safetensors}`; where folders are named
    /// otherwise, the folder itself with `{hook}` for the hook's name or `{block}` for the number of
    /// the block behind which it is.
    pub saes: String,
}

/// Weights that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Block(usize),
    /// The SAE of a layer, without its decoder.
    Sae(usize),
    Unembed,
}

/// The weights of one model and its SAEs.
pub(crate) struct Store {
    pub(crate) config: Gpt2Config,
    pub(crate) reading: Reading,
    device: Device,
    source: Box<dyn Source>,
    addresses: Addresses,
    weights: Gpt2Weights,
    blocks: Vec<OnceCell<Rc<Block>>>,
    unembed: OnceCell<Rc<Unembed>>,
    saes: RefCell<HashMap<usize, Rc<StoredSae>>>,
}

struct StoredSae {
    weights: SaeWeights,
    loaded: OnceCell<Rc<Sae>>,
}

impl Store {
    /// Reads the header of the checkpoint.
    pub(crate) async fn open(
        device: Device,
        source: Box<dyn Source>,
        addresses: Addresses,
        config: Gpt2Config,
        reading: Reading,
    ) -> Result<Self> {
        let path = format!("{}/model.safetensors", addresses.model);
        let weights = Gpt2Weights::open(&*source, &path, config.clone(), reading).await?;
        Ok(Self {
            reading,
            device,
            source,
            addresses,
            weights,
            blocks: vec![OnceCell::new(); config.n_layer],
            unembed: OnceCell::new(),
            saes: RefCell::default(),
            config,
        })
    }

    /// Moves rows of `d_model` to the device.
    pub(crate) fn upload(&self, rows: Vec<f32>) -> Tensor<2> {
        upload(rows, self.config.d_model, &self.device)
    }

    /// Opens the SAEs that a request needs and tells the source what it will read, in order.
    /// Returns the bytes of it: without decoder rows, which are known when the SAE has encoded.
    pub(crate) async fn plan(&self, ids: &[u32], needs: &[Need]) -> Result<u64> {
        for need in needs {
            if let Need::Sae(layer) = need {
                self.stored(*layer).await?;
            }
        }
        let mut parts = self.weights.embed_parts(ids)?;
        parts.extend(self.missing(needs)?);
        self.source.expect(&parts);
        Ok(Part::total(&parts))
    }

    /// What is still to be read, in order.
    fn missing(&self, needs: &[Need]) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for need in needs {
            match *need {
                Need::Block(layer) if self.blocks[layer].get().is_none() => {
                    parts.extend(self.weights.block_parts(layer)?);
                }
                Need::Sae(layer) => {
                    let stored = self.saes.borrow()[&layer].clone();
                    if stored.loaded.get().is_none() {
                        parts.extend(stored.weights.parts()?);
                    }
                }
                Need::Unembed if self.unembed.get().is_none() => {
                    parts.extend(self.weights.unembed_parts()?);
                }
                Need::Block(_) | Need::Unembed => {}
            }
        }
        Ok(parts)
    }

    /// Ends what [`plan`](Self::plan) began: nothing more is fetched ahead. Buffers of one request
    /// rarely fit the next; the device's pool would keep both.
    pub(crate) fn release(&self) {
        self.source.expect(&[]);
        self.device.memory_cleanup();
    }

    /// The prompt's `blocks.0.hook_resid_pre`, `[pos, d_model]`.
    pub(crate) async fn embed(&self, ids: &[u32], meter: &mut Meter<'_>) -> Result<Tensor<2>> {
        self.weights.embed(&*self.source, ids, &self.device, meter).await
    }

    pub(crate) async fn block(&self, layer: usize, meter: &mut Meter<'_>) -> Result<Rc<Block>> {
        if let Some(block) = self.blocks[layer].get() {
            return Ok(block.clone());
        }
        let block = self.weights.block(&*self.source, layer, &self.device, meter).await?;
        Ok(self.blocks[layer].get_or_init(|| Rc::new(block)).clone())
    }

    pub(crate) async fn unembed(&self, meter: &mut Meter<'_>) -> Result<Rc<Unembed>> {
        if let Some(unembed) = self.unembed.get() {
            return Ok(unembed.clone());
        }
        let unembed = self.weights.unembed(&*self.source, &self.device, meter).await?;
        Ok(self.unembed.get_or_init(|| Rc::new(unembed)).clone())
    }

    pub(crate) async fn sae(&self, layer: usize, meter: &mut Meter<'_>) -> Result<Rc<Sae>> {
        let stored = self.stored(layer).await?;
        if let Some(sae) = stored.loaded.get() {
            return Ok(sae.clone());
        }
        let sae = stored.weights.load(&*self.source, &self.device, meter).await?;
        Ok(stored.loaded.get_or_init(|| Rc::new(sae)).clone())
    }

    /// Rows of `W_dec` of these latents, `[latents, d_model]`, ahead of what else the request
    /// needs. The SAE must be loaded.
    pub(crate) async fn decoder_rows(
        &self,
        layer: usize,
        latents: &[u32],
        needs: &[Need],
        meter: &mut Meter<'_>,
    ) -> Result<Tensor<2>> {
        let stored = self.stored(layer).await?;
        let mut parts = stored.weights.decoder_parts(latents)?;
        meter.extend(Part::total(&parts));
        parts.extend(self.missing(needs)?);
        self.source.expect(&parts);
        let rows = stored.weights.decoder_rows(&*self.source, latents, meter).await?;
        Ok(self.upload(rows))
    }

    async fn stored(&self, layer: usize) -> Result<Rc<StoredSae>> {
        if let Some(stored) = self.saes.borrow().get(&layer) {
            return Ok(stored.clone());
        }
        let weights = self.open_sae(layer).await?;
        let stored = Rc::new(StoredSae { weights, loaded: OnceCell::new() });
        self.saes.borrow_mut().insert(layer, stored.clone());
        Ok(stored)
    }

    async fn open_sae(&self, layer: usize) -> Result<SaeWeights> {
        let hook = HookPoint::residual(layer, self.config.n_layer);
        let saes = &self.addresses.saes;
        let named = (saes.replace("{hook}", &hook.to_string()))
            .replace("{block}", &layer.saturating_sub(1).to_string());
        let folder = if named == *saes { format!("{saes}/{hook}") } else { named };
        let file = format!("{folder}/cfg.json");
        let json = self.source.read_whole(&file, MAX_CONFIG_BYTES).await?;
        let config = SaeConfig::from_json(&file, &json)?;
        let invalid = |cause: String| Error::ConfigInvalid { file: file.clone(), cause };
        if config.hook.layer != layer {
            return Err(invalid(format!("it is for {} but stands under {hook}", config.hook)));
        }
        if config.d_in != self.config.d_model {
            return Err(invalid(format!(
                "its d_in is {} but the model's d_model is {}",
                config.d_in, self.config.d_model
            )));
        }
        let file = format!("{folder}/sae_weights.safetensors");
        SaeWeights::open(&*self.source, &file, config, self.reading).await
    }
}
