//! What is loaded: weights on the device, read when a request first needs them and then kept.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::config::{Gpt2Config, SaeConfig, SaeHints};
use crate::error::{Error, Result};
use crate::gpt2::{Attn, Mlp, Unembed};
use crate::kernels::upload;
use crate::places::Place;
use crate::result::{ModelOrigin, SaeOrigin};
use crate::sae::Sae;
use crate::sizes::MAX_CONFIG_BYTES;
use crate::source::{Part, Source};
use crate::watch::Meter;
use crate::weights::{Gpt2Weights, Reading, SaeWeights};

/// Where a model and its SAEs are, in the hub's layout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// The model.
    pub model: ModelAddress,
    /// Its SAEs.
    pub saes: Vec<SaeAddress>,
}

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ModelAddress {
    /// Holds `config.json`, `tokenizer.json`, `model.safetensors`.
    pub address: String,
    /// What its user calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
}

/// Where an SAE is, or a folder of SAEs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SaeAddress {
    /// Holds `cfg.json` and `sae_weights.safetensors`; without `hook_name`, a folder of such for each
    /// place, called by the place's name.
    pub address: String,
    /// The place that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hook_name: Option<Place>,
    /// Where its decoder writes, if its `cfg.json` does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hook_name_out: Option<Place>,
    /// The constant that its input is multiplied with, if its `cfg.json` asks for one and does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub norm_scaling_factor: Option<f64>,
    /// What its user calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
}

impl Addresses {
    /// Folders in which the SAE of a place may be, in the order in which they are tried: those that stand
    /// for the place, then folders of all places under each of its names.
    pub fn folders(&self, place: Place) -> impl Iterator<Item = (&SaeAddress, Place, String)> {
        let named = self.saes.iter().filter_map(move |sae| {
            let name = sae.hook_name.filter(|name| name.is_same(place))?;
            Some((sae, name, sae.address.clone()))
        });
        let folders = self.saes.iter().filter(|sae| sae.hook_name.is_none());
        named.chain(folders.flat_map(move |sae| {
            place.names().map(move |name| (sae, name, format!("{}/{name}", sae.address)))
        }))
    }
}

/// Weights that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A half of a block: 2 L is the attention of block L, 2 L + 1 its MLP.
    Half(usize),
    /// The SAE of a place, without its decoder.
    Sae(Place),
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
    attns: Vec<OnceCell<Rc<Attn>>>,
    mlps: Vec<OnceCell<Rc<Mlp>>>,
    unembed: OnceCell<Rc<Unembed>>,
    /// By the canonical name of their place.
    saes: RefCell<HashMap<Place, Rc<StoredSae>>>,
}

struct StoredSae {
    weights: SaeWeights,
    origin: SaeOrigin,
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
        let path = format!("{}/model.safetensors", addresses.model.address);
        let weights = Gpt2Weights::open(&*source, &path, config.clone(), reading).await?;
        Ok(Self {
            reading,
            device,
            source,
            addresses,
            weights,
            attns: vec![OnceCell::new(); config.n_layer],
            mlps: vec![OnceCell::new(); config.n_layer],
            unembed: OnceCell::new(),
            saes: RefCell::default(),
            config,
        })
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Moves rows of `d_model` to the device.
    pub(crate) fn upload(&self, rows: Vec<f32>) -> Tensor<2> {
        upload(rows, self.config.d_model, &self.device)
    }

    /// Opens the SAEs that a request needs and tells the source what it will read, in order.
    /// Returns the bytes of it: without decoder rows, which are known when the SAE has encoded.
    pub(crate) async fn plan(&self, ids: &[u32], needs: &[Need]) -> Result<u64> {
        for need in needs {
            if let Need::Sae(place) = need {
                self.stored(*place).await?;
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
                Need::Half(half) if half % 2 == 0 && self.attns[half / 2].get().is_none() => {
                    parts.extend(self.weights.attn_parts(half / 2)?);
                }
                Need::Half(half) if half % 2 == 1 && self.mlps[half / 2].get().is_none() => {
                    parts.extend(self.weights.mlp_parts(half / 2)?);
                }
                Need::Sae(place) => {
                    let stored = self.saes.borrow()[&place.canonical()].clone();
                    if stored.loaded.get().is_none() {
                        parts.extend(stored.weights.parts()?);
                    }
                }
                Need::Unembed if self.unembed.get().is_none() => {
                    parts.extend(self.weights.unembed_parts()?);
                }
                Need::Half(_) | Need::Unembed => {}
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

    /// The attention of a block.
    pub(crate) async fn attn(&self, layer: usize, meter: &mut Meter<'_>) -> Result<Rc<Attn>> {
        if let Some(attn) = self.attns[layer].get() {
            return Ok(attn.clone());
        }
        let attn = self.weights.attn(&*self.source, layer, &self.device, meter).await?;
        Ok(self.attns[layer].get_or_init(|| Rc::new(attn)).clone())
    }

    /// The MLP of a block.
    pub(crate) async fn mlp(&self, layer: usize, meter: &mut Meter<'_>) -> Result<Rc<Mlp>> {
        if let Some(mlp) = self.mlps[layer].get() {
            return Ok(mlp.clone());
        }
        let mlp = self.weights.mlp(&*self.source, layer, &self.device, meter).await?;
        Ok(self.mlps[layer].get_or_init(|| Rc::new(mlp)).clone())
    }

    pub(crate) async fn unembed(&self, meter: &mut Meter<'_>) -> Result<Rc<Unembed>> {
        if let Some(unembed) = self.unembed.get() {
            return Ok(unembed.clone());
        }
        let unembed = self.weights.unembed(&*self.source, &self.device, meter).await?;
        Ok(self.unembed.get_or_init(|| Rc::new(unembed)).clone())
    }

    /// The SAE of a place, and where it is from.
    pub(crate) async fn sae(
        &self,
        place: Place,
        meter: &mut Meter<'_>,
    ) -> Result<(Rc<Sae>, SaeOrigin)> {
        let stored = self.stored(place).await?;
        if let Some(sae) = stored.loaded.get() {
            return Ok((sae.clone(), stored.origin.clone()));
        }
        let sae = stored.weights.load(&*self.source, &self.device, meter).await?;
        Ok((stored.loaded.get_or_init(|| Rc::new(sae)).clone(), stored.origin.clone()))
    }

    /// Rows of `W_dec` of these latents, `[latents, d_model]`, ahead of what else the request
    /// needs. The SAE must be loaded.
    pub(crate) async fn decoder_rows(
        &self,
        place: Place,
        latents: &[u32],
        needs: &[Need],
        meter: &mut Meter<'_>,
    ) -> Result<Tensor<2>> {
        let stored = self.stored(place).await?;
        let mut parts = stored.weights.decoder_parts(latents)?;
        meter.extend(Part::total(&parts));
        parts.extend(self.missing(needs)?);
        self.source.expect(&parts);
        let rows = stored.weights.decoder_rows(&*self.source, latents, meter).await?;
        Ok(self.upload(rows))
    }

    async fn stored(&self, place: Place) -> Result<Rc<StoredSae>> {
        let place = place.canonical();
        if let Some(stored) = self.saes.borrow().get(&place) {
            return Ok(stored.clone());
        }
        let stored = Rc::new(self.open_sae(place).await?);
        self.saes.borrow_mut().insert(place, stored.clone());
        Ok(stored)
    }

    /// Opens the first SAE that stands for a place.
    async fn open_sae(&self, place: Place) -> Result<StoredSae> {
        let mut missing = Error::SaeMissing { place };
        for (entry, named, folder) in self.addresses.folders(place) {
            let file = format!("{folder}/cfg.json");
            match self.source.read_whole(&file, MAX_CONFIG_BYTES).await {
                Ok(json) => return self.open_sae_at(named, folder, &json, entry).await,
                // A folder may lack a place, or have it under its other name.
                Err(error) if error.code() == NOT_FOUND => missing = error,
                Err(error) => return Err(error),
            }
        }
        Err(missing)
    }

    async fn open_sae_at(
        &self,
        place: Place,
        folder: String,
        json: &[u8],
        entry: &SaeAddress,
    ) -> Result<StoredSae> {
        let file = format!("{folder}/cfg.json");
        let &SaeAddress { hook_name_out, norm_scaling_factor, .. } = entry;
        let hints = SaeHints { hook_name_out, norm_scaling_factor };
        let config = SaeConfig::from_json(&file, json, hints)?;
        let invalid = |cause: String| Error::ConfigInvalid { file: file.clone(), cause };
        if !config.place.is_same(place) {
            return Err(invalid(format!("it is for {} but stands under {place}", config.place)));
        }
        if config.d_in != self.config.d_model {
            return Err(invalid(format!(
                "its d_in is {} but the model's d_model is {}",
                config.d_in, self.config.d_model
            )));
        }
        let written = config.place.written();
        let origin = SaeOrigin {
            hook_name_out: (written != config.place).then_some(written),
            name: entry.name.clone(),
            revision: revision(&folder),
            address: folder,
        };
        let file = format!("{}/sae_weights.safetensors", origin.address);
        let weights = SaeWeights::open(&*self.source, &file, config, self.reading).await?;
        Ok(StoredSae { weights, origin, loaded: OnceCell::new() })
    }

    /// Where the model is from.
    pub(crate) fn origin(&self) -> ModelOrigin {
        let ModelAddress { address, name } = self.addresses.model.clone();
        ModelOrigin { revision: revision(&address), address, name }
    }
}

/// Code of the errors that say so, whoever words them.
const NOT_FOUND: &str = "file-not-found";

/// The revision that an address of a hub names.
fn revision(address: &str) -> Option<String> {
    let (_, behind) = address.split_once("/resolve/")?;
    behind.split('/').next().filter(|revision| !revision.is_empty()).map(String::from)
}
