//! What a request reads: only what it needs, once, announced before it is read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use sae_attribution::folder::Folder;
use sae_attribution::result::Nodes;
use sae_attribution::source::{Chunk, LocalFuture, Part, Source};
use sae_attribution::watch::{Phase, Progress, Unwatched, Watch};
use sae_attribution::{Attribution, Result, Session};

use serde_json::json;

use crate::altered::TINY;
use crate::common::device::device;
use crate::common::golden::{addresses, all_addresses};
use crate::common::requests::latent_to_latent;

const D_MODEL: u64 = 64;
const ROW: u64 = 4 * D_MODEL;

/// A folder that remembers what was announced and what was read.
#[derive(Clone, Default)]
struct Watched(Rc<RefCell<Log>>);

#[derive(Default)]
struct Log {
    expected: Vec<Part>,
    announced: Vec<Part>,
    read: Vec<Part>,
}

impl Source for Watched {
    fn read<'a>(&'a self, path: &'a str, range: Range<u64>) -> LocalFuture<'a, Result<Chunk>> {
        // Headers are read from the start.
        if range.start > 0 {
            self.0.borrow_mut().read.push(Part { path: path.into(), range: range.clone() });
        }
        Folder.read(path, range)
    }

    fn read_whole<'a>(&'a self, path: &'a str, most: u64) -> LocalFuture<'a, Result<Vec<u8>>> {
        Folder.read_whole(path, most)
    }

    fn expect(&self, parts: &[Part]) {
        let mut log = self.0.borrow_mut();
        log.announced.extend_from_slice(parts);
        log.expected = parts.to_vec();
    }
}

impl Watched {
    fn take(&self) -> Log {
        std::mem::take(&mut *self.0.borrow_mut())
    }
}

impl Log {
    /// Bytes read of files whose name ends so.
    fn bytes(&self, file: &str) -> u64 {
        let of_file = |part: &&Part| part.path.ends_with(file);
        self.read.iter().filter(of_file).map(|part| part.range.end - part.range.start).sum()
    }
}

/// Remembers progress.
#[derive(Default)]
struct Heard(RefCell<Vec<Progress>>);

impl Watch for Heard {
    fn report(&self, progress: Progress) -> LocalFuture<'_, Result<()>> {
        self.0.borrow_mut().push(progress);
        Unwatched.report(progress)
    }
}

fn ask(session: &Session, prompt: &str, watch: &dyn Watch) -> Attribution {
    let request = serde_json::from_value(latent_to_latent(prompt, 1, 3)).unwrap();
    pollster::block_on(session.attribute(&request, watch)).unwrap()
}

fn rows(values: impl IntoIterator<Item = u32>) -> u64 {
    ROW * values.into_iter().collect::<BTreeSet<u32>>().len() as u64
}

#[test]
fn only_what_is_needed_is_read_and_only_once() {
    let source = Watched::default();
    let open = Session::open(device(), Box::new(source.clone()), addresses(TINY));
    let session = pollster::block_on(open).unwrap();
    source.take();

    let heard = Heard::default();
    let first = ask(&session, "The Eiffel tower is in Paris", &heard);
    let log = source.take();
    // 12 d² + 13 d numbers a block, three blocks.
    let blocks = 3 * 4 * (12 * D_MODEL * D_MODEL + 13 * D_MODEL);
    let n_pos = first.tokens.token_id.len() as u64;
    let embed = rows(first.tokens.token_id.iter().copied()) + n_pos * ROW;
    assert_eq!(log.bytes("model.safetensors"), blocks + embed);
    let d_sae = first.sources.d_sae.unwrap() as u64;
    let encoder = d_sae * ROW + ROW + 4 * d_sae;
    let decoder = rows(first.sources.latent.iter().copied());
    assert_eq!(log.bytes("blocks.1.hook_resid_pre/sae_weights.safetensors"), encoder + decoder);
    assert_eq!(log.bytes("blocks.3.hook_resid_pre/sae_weights.safetensors"), encoder);
    assert!(log.expected.is_empty(), "nothing is fetched ahead once a request has ended");
    for part in &log.read {
        let holds = |announced: &Part| {
            announced.path == part.path
                && announced.range.start <= part.range.start
                && part.range.end <= announced.range.end
        };
        assert!(log.announced.iter().any(holds), "{part:?} was not announced");
    }

    let heard = heard.0.into_inner();
    let loaded = heard.iter().rfind(|progress| progress.phase == Phase::Load).unwrap();
    assert_eq!(loaded.done, loaded.total);
    assert_eq!(loaded.total, blocks + embed + 2 * encoder + decoder);
    let at = |found: &dyn Fn(&Progress) -> bool| heard.iter().position(found).unwrap();
    let computed = at(&|progress| progress.phase == Phase::Forward && progress.done == 1);
    let last = at(&|p| p.phase == Phase::Load && p.done == p.total);
    assert!(computed < last, "the model runs before its last layer is there");

    // Another prompt of these layers: new rows alone.
    let second = ask(&session, "The Eiffel tower is in the city of", &Unwatched);
    let log = source.take();
    let new = |all: &[u32], known: &[u32]| {
        rows(all.iter().copied().filter(|value| !known.contains(value)))
    };
    let tokens = new(&second.tokens.token_id, &first.tokens.token_id);
    let positions = ROW * (second.tokens.token_id.len() as u64 - n_pos);
    assert!(tokens > 0 && positions > 0, "a test of nothing");
    assert_eq!(log.bytes("model.safetensors"), tokens + positions);
    let decoder = new(&second.sources.latent, &first.sources.latent);
    assert!(decoder > 0, "a test of nothing");
    assert_eq!(log.bytes("sae_weights.safetensors"), decoder);

    ask(&session, "The Eiffel tower is in Paris", &Unwatched);
    assert!(source.take().read.is_empty(), "the same again reads nothing");
}

/// Of the blocks only the halves up to the target, of the SAEs only what the sides need.
#[test]
fn halves_behind_the_target_are_not_read() {
    const D: u64 = 32;
    let [attn, mlp] = [4 * (4 * D * D + 6 * D), 4 * (8 * D * D + 7 * D)];
    let encoder = |result: &Nodes| 4 * (result.d_sae.unwrap() as u64 * (D + 1) + D);
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/places");
    for (from, to, attns, mlps) in [
        ("blocks.0.hook_mlp_out", "blocks.2.hook_mlp_out", 3, 3),
        ("blocks.0.hook_mlp_out", "blocks.2.hook_attn_out", 3, 2),
        ("blocks.1.attn.hook_z", "blocks.1.hook_resid_mid", 2, 1),
        // The error of a transcoder wants the true output of its MLP.
        ("blocks.0.ln2.hook_normalized", "blocks.1.attn.hook_z", 2, 1),
        ("tokens", "blocks.1.ln2.hook_normalized", 2, 1),
    ] {
        let source = Watched::default();
        let session = pollster::block_on(async {
            let addresses = all_addresses(&Folder, fixture).await;
            Session::open(device(), Box::new(source.clone()), addresses).await.unwrap()
        });
        source.take();
        let request = json!({"prompt": "The Eiffel tower is in Paris", "from": from, "to": to});
        let request = serde_json::from_value(request).unwrap();
        let result = pollster::block_on(session.attribute(&request, &Unwatched)).unwrap();
        let log = source.take();
        let distinct = |values: &[u32]| values.iter().collect::<BTreeSet<_>>().len() as u64;
        let ids = &result.tokens.token_id;
        let embed = 4 * D * (distinct(ids) + ids.len() as u64);
        let read = log.bytes("model.safetensors");
        assert_eq!(read, attns * attn + mlps * mlp + embed, "{from} to {to}");
        let target = log.bytes(&format!("{to}/sae_weights.safetensors"));
        assert_eq!(target, encoder(&result.targets), "{from} to {to}");
        if from != "tokens" {
            let decoder = 4 * D * distinct(&result.sources.latent);
            let source = log.bytes(&format!("{from}/sae_weights.safetensors"));
            assert_eq!(source, encoder(&result.sources) + decoder, "{from} to {to}");
        }
    }
}
