//! Places: their names against the table that the page reads too, and the derivatives between all pairs
//! of them against burn's autodiff and central differences.

use std::collections::HashMap;
use std::rc::Rc;

use burn::tensor::{Tensor, TensorData};
use sae_attribution::config::{ActivationNorm, Gpt2Config, SaeConfig, SaeHints};
use sae_attribution::folder::Folder;
use sae_attribution::gpt2::{Attn, Mlp};
use sae_attribution::places::{Place, Site};
use sae_attribution::request::{ErrorTerm, Method, Request, Sources, Targets};
use sae_attribution::result::Nodes;
use sae_attribution::sae::Sae;
use sae_attribution::source::Source;
use sae_attribution::sparse::Active;
use sae_attribution::watch::{Meter, Phase, Unwatched};
use sae_attribution::weights::{Gpt2Weights, Reading, SaeWeights};
use sae_attribution::{Addresses, Attribution, SaeAddress, Session};
use serde::Deserialize;

use crate::common::device::device;
use crate::common::golden::{addresses, all_addresses};
use crate::gradients::values;
use crate::reference;

const PLACES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/places");
const PROMPT: &str = "the the the the tower tower the the the tower";

/// `tests/common/places.json`.
#[derive(Deserialize)]
struct Table {
    order: Vec<Names>,
    invalid: Vec<String>,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(Place),
    Two([Place; 2]),
}

impl Names {
    fn all(&self) -> &[Place] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Two(places) => places,
        }
    }
}

/// Where the SAE of a place is, of a list.
#[derive(Deserialize)]
struct Entry {
    saes: Vec<SaeAddress>,
    hook_name: String,
    address: Option<String>,
}

fn table() -> Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/common/places.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn places_come_in_the_order_of_computation() {
    let Table { order, invalid, .. } = table();
    assert!(order.len() > 10 && invalid.len() > 10, "a test of nothing");
    for (i, names) in order.iter().enumerate() {
        for (j, others) in order.iter().enumerate() {
            for (&name, &other) in
                names.all().iter().flat_map(|a| others.all().iter().map(move |b| (a, b)))
            {
                assert_eq!(name.is_before(other), i < j, "{name} before {other}");
                assert_eq!(name.is_same(other), i == j, "{name} is {other}");
            }
        }
        let mut all: Vec<String> = names.all()[0].names().map(|name| name.to_string()).collect();
        all.sort_unstable();
        let mut told: Vec<String> = names.all().iter().map(Place::to_string).collect();
        told.sort_unstable();
        assert_eq!(all, told);
    }
    for name in invalid {
        assert!(name.parse::<Place>().is_err(), "{name}");
    }
}

#[test]
fn the_sae_of_a_place_is_where_the_list_says() {
    let entries = table().entries;
    assert!(entries.len() > 5, "a test of nothing");
    for Entry { saes, hook_name, address } in entries {
        let addresses = Addresses { saes, ..addresses(PLACES) };
        let place: Option<Place> = hook_name.parse().ok();
        let first = place.and_then(|place| addresses.folders(place).next());
        assert_eq!(first.map(|(.., folder)| folder), address, "{hook_name}");
    }
}

/// The fixture with an SAE at every kind of place, in burn's operations.
struct World {
    attns: Vec<Rc<Attn>>,
    mlps: Vec<Rc<Mlp>>,
    saes: HashMap<Place, (Sae, SaeWeights)>,
    session: Session,
    weights: Gpt2Weights,
    epsilon: f64,
}

impl World {
    async fn open() -> Self {
        let device = device();
        let addresses = all_addresses(&Folder, PLACES).await;
        let mut meter = Meter::start(&Unwatched, Phase::Load, 0).await.unwrap();
        let path = format!("{PLACES}/model/config.json");
        let json = Folder.read_whole(&path, 1 << 20).await.unwrap();
        let config = Gpt2Config::from_json(&path, &json).unwrap();
        let (n_layer, epsilon) = (config.n_layer, config.layer_norm_epsilon);
        let path = format!("{PLACES}/model/model.safetensors");
        let weights = Gpt2Weights::open(&Folder, &path, config, Reading::default()).await.unwrap();
        let (mut attns, mut mlps) = (Vec::new(), Vec::new());
        for layer in 0..n_layer {
            attns.push(Rc::new(weights.attn(&Folder, layer, &device, &mut meter).await.unwrap()));
            mlps.push(Rc::new(weights.mlp(&Folder, layer, &device, &mut meter).await.unwrap()));
        }
        let mut saes = HashMap::new();
        for folder in std::fs::read_dir(format!("{PLACES}/saes")).unwrap() {
            let folder = folder.unwrap().path();
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let place: Place = name.parse().unwrap();
            let told = addresses.saes.iter().find(|sae| sae.hook_name == Some(place));
            let hints = told.map_or(SaeHints::default(), |sae| SaeHints {
                hook_name_out: sae.hook_name_out,
                norm_scaling_factor: sae.norm_scaling_factor,
            });
            let json = std::fs::read(folder.join("cfg.json")).unwrap();
            let config = SaeConfig::from_json(&name, &json, hints).unwrap();
            let file = folder.join("sae_weights.safetensors");
            let file = file.to_str().unwrap();
            let opened = SaeWeights::open(&Folder, file, config, Reading::default()).await.unwrap();
            let sae = opened.load(&Folder, &device, &mut meter).await.unwrap();
            saes.insert(place.canonical(), (sae, opened));
        }
        let session = Session::open(device, Box::new(Folder), addresses).await.unwrap();
        Self { attns, mlps, saes, session, weights, epsilon }
    }

    async fn embed(&self, ids: &[u32]) -> Tensor<2> {
        let mut meter = Meter::start(&Unwatched, Phase::Load, 0).await.unwrap();
        self.weights.embed(&Folder, ids, &device(), &mut meter).await.unwrap()
    }

    /// What is at a place when `change` was made to everything on the way.
    fn at(
        &self,
        to: Place,
        embed: Tensor<2>,
        change: &dyn Fn(Place, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let mut resid = change(Place::resid_pre(0), embed);
        for (block, (attn, mlp)) in self.attns.iter().zip(&self.mlps).enumerate() {
            let place = |site| Place { block, site };
            if to.is_same(Place::resid_pre(block)) {
                return resid;
            }
            let z = change(place(Site::Z), reference::z(attn, resid.clone()));
            if to == place(Site::Z) {
                return z;
            }
            let out = change(place(Site::AttnOut), reference::attn_out(attn, z));
            if to == place(Site::AttnOut) {
                return out;
            }
            resid = change(place(Site::ResidMid), resid + out);
            if to == place(Site::ResidMid) {
                return resid;
            }
            let normalized = reference::layer_norm(resid.clone(), self.epsilon);
            if to == place(Site::Ln2Normalized) {
                return normalized;
            }
            let out = change(place(Site::MlpOut), reference::mlp_out(mlp, normalized));
            if to == place(Site::MlpOut) {
                return out;
            }
            resid = change(Place::resid_pre(block + 1), resid + out);
        }
        resid
    }

    /// What some targets read, at a place: one number each, up to a constant.
    fn read(&self, place: Place, targets: &Nodes, which: &[usize], x: Tensor<2>) -> Tensor<2> {
        let (sae, _) = &self.saes[&place.canonical()];
        let x = match sae.norm {
            // A constant factor stands in the weights.
            ActivationNorm::None | ActivationNorm::Scale(_) => x,
            norm => reference::normalize(norm, x),
        };
        let [_, d_sae] = sae.w_enc.dims();
        let encoded = x.matmul(sae.w_enc.clone());
        let n_pos = encoded.dims()[0];
        // One row a target with a single entry.
        let mut chosen = vec![0f32; which.len() * n_pos * d_sae];
        for (row, &target) in which.iter().enumerate() {
            let (pos, latent) = (targets.pos[target] as usize, targets.latent[target]);
            let slope = sae.activation.slope(latent);
            chosen[(row * n_pos + pos) * d_sae + latent as usize] = slope;
        }
        let chosen = tensor(chosen, [which.len(), n_pos * d_sae]);
        chosen.matmul(encoded.reshape([n_pos * d_sae, 1]))
    }

    /// What a change of each source by one is where it is written: `[sources, d_model]`.
    async fn written(&self, from: Sources, result: &Attribution, embed: &Tensor<2>) -> Vec<f32> {
        let place = match from {
            Sources::Tokens => return values(embed.clone()),
            Sources::Place(place) => place,
        };
        let (sae, weights) = &self.saes[&place.canonical()];
        let mut meter = Meter::start(&Unwatched, Phase::Load, 0).await.unwrap();
        let sources = &result.sources;
        let rows = weights.decoder_rows(&Folder, &sources.latent, &mut meter).await.unwrap();
        let active = Active {
            pos: sources.pos.clone(),
            latent: sources.latent.clone(),
            activation: sources.activation.clone(),
        };
        let input = values(self.at(place, embed.clone(), &|_, x| x));
        let scale = sae.decoder_scale(&active, &input);
        let d = sae.b_dec.len();
        rows.chunks_exact(d)
            .zip(scale)
            .flat_map(|(row, s)| row.iter().map(move |x| x * s))
            .collect()
    }
}

fn tensor(values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), &device())
}

/// Every pair of places with an SAE of which the first is written before the second is read, and tokens
/// to each.
fn pairs(world: &World) -> Vec<(Sources, Place)> {
    let mut places: Vec<Place> = world.saes.keys().copied().collect();
    places.sort_unstable_by_key(|place| (place.block, place.site));
    let sources = places.iter().map(|&place| Sources::Place(place)).chain([Sources::Tokens]);
    sources
        .flat_map(|from| {
            let follows = move |to: &&Place| match from {
                // A LayerNorm takes the scale of an embedding out again.
                Sources::Tokens => to.block > 0,
                Sources::Place(from) => from.written().is_before(**to),
            };
            places.iter().filter(follows).map(move |&to| (from, to)).collect::<Vec<_>>()
        })
        .collect()
}

/// Every so many of these.
fn some(n: usize, most: usize) -> Vec<usize> {
    (0..n).step_by(n.div_ceil(most).max(1)).collect()
}

#[test]
fn derivatives_between_all_places_equal_autodiff_and_differences() {
    pollster::block_on(async {
        let world = World::open().await;
        let pairs = pairs(&world);
        let kinds = |site| pairs.iter().filter(|(_, to)| to.site == site).count();
        let sites = [Site::Z, Site::AttnOut, Site::ResidMid, Site::Ln2Normalized, Site::MlpOut];
        assert!(sites.into_iter().all(|site| kinds(site) > 0), "a kind of place is missing");
        let mut worst = [0f64; 2];
        for (from, to) in pairs {
            let found = check_pair(&world, from, to).await;
            worst = [0, 1].map(|i| worst[i].max(found[i]));
        }
        println!("largest error: {:.1e} of autodiff, {:.1e} of differences", worst[0], worst[1]);
    });
}

/// Largest errors relative to the largest gradient: of autodiff, and of central differences.
async fn check_pair(world: &World, from: Sources, to: Place) -> [f64; 2] {
    let request = Request {
        prompt: PROMPT.into(),
        from,
        to: Targets::Place(to),
        error: ErrorTerm::Keep,
        method: Method::Gradient,
        patch: None,
        measure: false,
        threshold: 2.0,
    };
    let name = format!("{} to {to}", String::from(from));
    let result = world.session.attribute(&request, &Unwatched).await;
    let result = result.unwrap_or_else(|error| panic!("{name}: {error}"));
    let (n_sources, n_pos) = (result.sources.len(), result.tokens.token_id.len());
    assert!(n_sources > 1 && result.targets.len() > 1, "{name}: a test of nothing");
    let embed = world.embed(&result.tokens.token_id).await;
    let written = world.written(from, &result, &embed).await;
    let written = tensor(written, [n_sources, embed.dims()[1]]);
    let mut placed = vec![0f32; n_pos * n_sources];
    for (source, &pos) in result.sources.pos.iter().enumerate() {
        placed[pos as usize * n_sources + source] = 1.0;
    }
    let placed = tensor(placed, [n_pos, n_sources]);
    let target_place = match from {
        Sources::Tokens => Place::resid_pre(0),
        Sources::Place(place) => place.written(),
    };
    let which = some(result.targets.len(), 12);
    let read = |amounts: Tensor<2>| {
        let moved = placed.clone().matmul(written.clone() * amounts);
        let change = |place: Place, x: Tensor<2>| match place.is_same(target_place) {
            true => x + moved.clone(),
            false => x,
        };
        world.read(to, &result.targets, &which, world.at(to, embed.clone(), &change))
    };
    let found =
        |row: usize, source: usize| f64::from(result.gradients[which[row] * n_sources + source]);
    let largest = result.gradients.iter().fold(0f32, |most, g| most.max(g.abs()));
    assert!(largest > 1e-4, "{name}: a test of nothing");

    let mut errors = [0f64; 2];
    for row in 0..which.len() {
        let leaf = tensor(vec![0.0; n_sources], [n_sources, 1]).autodiff().require_grad();
        let one = read(leaf.clone()).slice([row..row + 1, 0..1]).sum();
        let gradient = values(leaf.grad(&one.backward()).expect("the leaf is differentiated"));
        for (source, expected) in gradient.into_iter().enumerate() {
            errors[0] = errors[0].max((found(row, source) - f64::from(expected)).abs());
        }
    }
    for source in some(n_sources, 6) {
        // A change of what is written by about a hundredth of its size.
        let step = 0.02;
        let at = |amount: f32| {
            let mut amounts = vec![0f32; n_sources];
            amounts[source] = amount;
            values(read(tensor(amounts, [n_sources, 1])))
        };
        let (above, below) = (at(step), at(-step));
        for row in 0..which.len() {
            let slope = f64::from(above[row] - below[row]) / (2.0 * f64::from(step));
            errors[1] = errors[1].max((found(row, source) - slope).abs());
        }
    }
    let errors = errors.map(|error| error / f64::from(largest));
    assert!(errors[0] < 2e-5, "{name}: {:.1e} of autodiff", errors[0]);
    assert!(errors[1] < 5e-3, "{name}: {:.1e} of differences", errors[1]);
    errors
}
