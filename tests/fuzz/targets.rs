//! What is tried, and what must hold: an answer that is usable or a typed error with a sentence, soon,
//! in little memory; and afterwards the same files, mended, give the same answer as ever.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::rc::Rc;

use burn::tensor::Device;
use sae_attribution::config::{Gpt2Config, SaeConfig, SaeHints};
use sae_attribution::places::{Place, Site};
use sae_attribution::result::Nodes;
use sae_attribution::safetensors::Safetensors;
use sae_attribution::sizes::Sizes;
use sae_attribution::source::{Chunk, LocalFuture, Source};
use sae_attribution::tokenizer::Tokenizer;
use sae_attribution::watch::{Meter, Phase, Progress, Unwatched, Watch};
use sae_attribution::weights::Reading;
use sae_attribution::{
    Addresses, Attribution, Error, ModelAddress, Request, Result, SaeAddress, Session,
};

use crate::micro;
use crate::mutate::{self, Choices, below, one_in, pick};

/// A parser, or a whole session.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    run: fn(&mut Choices<'_>),
}

pub(crate) const TARGETS: [Target; 6] = [
    Target { name: "config", run: config },
    Target { name: "cfg", run: cfg },
    Target { name: "tokenizer", run: tokenizer },
    Target { name: "safetensors", run: safetensors },
    Target { name: "request", run: request },
    Target { name: "session", run: session },
];

thread_local! {
    /// How often each code was met, and how often there was an answer.
    static OUTCOMES: RefCell<BTreeMap<&'static str, u64>> = RefCell::default();
}

const ANSWERED: &str = "answered";

fn note(outcome: &'static str) {
    OUTCOMES.with_borrow_mut(|outcomes| *outcomes.entry(outcome).or_default() += 1);
}

/// Outcomes since this was last asked, the commonest first.
pub(crate) fn outcomes() -> String {
    let mut all: Vec<_> = OUTCOMES.take().into_iter().collect();
    all.sort_unstable_by_key(|&(_, n)| std::cmp::Reverse(n));
    assert!(all.iter().any(|&(outcome, _)| outcome == ANSWERED) && all.len() > 1, "{all:?}");
    all.iter().map(|(outcome, n)| format!("{outcome} {n}")).collect::<Vec<_>>().join(", ")
}

impl Target {
    /// Runs one case; panics where something does not hold.
    pub(crate) fn check(&self, case: &[u8]) {
        (self.run)(&mut Choices::new(case));
    }
}

/// A message is a sentence that a page can show, whatever a file says.
fn check_error(error: &Error) {
    note(error.code());
    let said = error.to_string();
    assert!(!error.code().is_empty() && said.len() < 1_500 && said.len() > 5, "{said}");
}

/// Runs on the spot: nothing here waits for anything.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..1_000_000 {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("nothing to wait for, and no end");
}

fn config(choices: &mut Choices<'_>) {
    let json = mutate::json_text(choices, micro::config());
    match Gpt2Config::from_json("config.json", &json) {
        Err(error) => check_error(&error),
        Ok(config) => {
            note(ANSWERED);
            assert!(config.d_head() * config.n_head == config.d_model);
            assert!((config.bos_token_id as usize) < config.vocab_size);
            let n = config.max_positions();
            assert!(n > 0 && n <= config.n_ctx && n * n * config.n_head <= 1 << 26);
        }
    }
}

fn cfg(choices: &mut Choices<'_>) {
    let sae = below(choices, micro::HOOKS.len());
    let json = mutate::json_text(choices, micro::cfg(sae));
    let hints = *pick(
        choices,
        &[
            SaeHints::default(),
            SaeHints {
                hook_name_out: Some(Place { block: 1, site: Site::MlpOut }),
                norm_scaling_factor: Some(2.0),
            },
        ],
    );
    match SaeConfig::from_json("cfg.json", &json, hints) {
        Err(error) => check_error(&error),
        Ok(config) => {
            note(ANSWERED);
            assert!(config.d_in > 0 && config.d_sae > 0);
            let again = config.place.to_string().parse();
            assert_eq!(again, Ok(config.place), "a place is found by its name");
        }
    }
}

fn tokenizer(choices: &mut Choices<'_>) {
    let json = mutate::json_text(choices, micro::tokenizer());
    let vocab_size = *pick(choices, &[micro::VOCAB_SIZE, micro::VOCAB_SIZE - 1, 300, 1]);
    let bos = micro::BOS.min(vocab_size as u32 - 1);
    let tokenizer = match Tokenizer::from_json("tokenizer.json", &json, bos, vocab_size) {
        Err(error) => return check_error(&error),
        Ok(tokenizer) => tokenizer,
    };
    for text in ["", "the inn", " the\n the<|endoftext|>", "😀é\u{0}\u{202e}", "####"] {
        match tokenizer.prompt(text) {
            Err(error) => check_error(&error),
            Ok(ids) => {
                note(ANSWERED);
                assert!(
                    ids.iter().all(|&id| (id as usize) < vocab_size),
                    "{ids:?} of {vocab_size}"
                );
                ids.iter().for_each(|&id| drop(tokenizer.display(id)));
            }
        }
    }
    for id in tokenizer.complete("t", 5) {
        assert_eq!(tokenizer.single(&tokenizer.display(id)), Ok(id));
    }
    for id in [0, 1, vocab_size as u32, u32::MAX] {
        tokenizer.display(id);
        assert_eq!(tokenizer.check(id).is_ok(), (id as usize) < vocab_size);
    }
}

/// What a server says of a file's length.
#[derive(Debug, Clone, Copy)]
enum Told {
    Right,
    Nothing,
    Wrong(u64),
}

/// Files in memory, on a server that errs as it is told.
#[derive(Clone)]
struct Server(Rc<Served>);

struct Served {
    files: RefCell<HashMap<String, Vec<u8>>>,
    told: Cell<Told>,
    /// Reads until one fails.
    patience: Cell<usize>,
    /// Bytes that each read lacks.
    lacking: Cell<usize>,
}

impl Server {
    fn new(files: HashMap<String, Vec<u8>>) -> Self {
        let (told, patience) = (Cell::new(Told::Right), Cell::new(usize::MAX));
        Self(Rc::new(Served { files: RefCell::new(files), told, patience, lacking: Cell::new(0) }))
    }

    fn err(&self, choices: &mut Choices<'_>) {
        self.0.told.set(match below(choices, 8) {
            1 => Told::Nothing,
            2 => Told::Wrong(*pick(choices, &[0, 7, 400, 1 << 32, 1 << 53, u64::MAX])),
            _ => Told::Right,
        });
        if one_in(choices, 8) {
            self.0.patience.set(below(choices, 20));
        }
        if one_in(choices, 12) {
            self.0.lacking.set(below(choices, 9));
        }
    }

    fn mend(&self) {
        self.0.told.set(Told::Right);
        self.0.patience.set(usize::MAX);
        self.0.lacking.set(0);
        *self.0.files.borrow_mut() = micro::files();
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let file = || path.to_owned();
        match self.0.patience.get() {
            0 => return Err(Error::FetchFailed { file: file(), cause: "no more".into() }),
            n => self.0.patience.set(n - 1),
        }
        let files = self.0.files.borrow();
        files.get(path).cloned().ok_or_else(|| Error::FileNotFound { file: file() })
    }

    fn chunk(&self, path: &str, range: Range<u64>) -> Result<Chunk> {
        let whole = self.bytes(path)?;
        let clip = |at: u64| at.min(whole.len() as u64) as usize;
        let end = clip(range.end).saturating_sub(self.0.lacking.get()).max(clip(range.start));
        let file_len = match self.0.told.get() {
            Told::Right => Some(whole.len() as u64),
            Told::Nothing => None,
            Told::Wrong(length) => Some(length),
        };
        Ok(Chunk { bytes: whole[clip(range.start)..end].to_vec(), file_len })
    }
}

impl Source for Server {
    fn read<'a>(&'a self, path: &'a str, range: Range<u64>) -> LocalFuture<'a, Result<Chunk>> {
        Box::pin(std::future::ready(self.chunk(path, range)))
    }

    fn read_whole<'a>(&'a self, path: &'a str, most: u64) -> LocalFuture<'a, Result<Vec<u8>>> {
        Box::pin(std::future::ready(match self.bytes(path) {
            Ok(bytes) if bytes.len() as u64 > most => {
                Err(Error::FileTooLarge { file: path.into(), most })
            }
            answer => answer,
        }))
    }
}

fn safetensors(choices: &mut Choices<'_>) {
    const FILE: &str = "a.safetensors";
    let bytes = mutate::safetensors(choices, micro::sae_tensors(0));
    let server = Server::new(HashMap::from([(FILE.into(), bytes)]));
    server.err(choices);
    let sizes = Sizes {
        header: *pick(choices, &[8, 100, 64 << 10]),
        piece: *pick(choices, &[1, 100, 4 << 20]),
        ..Sizes::default()
    };
    let file = match now(Safetensors::open(&server, FILE, &sizes)) {
        Err(error) => return check_error(&error),
        Ok(file) => file,
    };
    let sides = [micro::D_MODEL, micro::D_SAE, 1, 0, 1 << 20, 1 << 24];
    for name in ["W_enc", "W_dec", "b_enc", "W_encx", ""] {
        let shape: Vec<usize> = match name {
            "W_enc" => vec![micro::D_MODEL, micro::D_SAE],
            _ => (0..below(choices, 4)).map(|_| *pick(choices, &sides)).collect(),
        };
        let rows = shape.first().copied().unwrap_or(1);
        let start = below(choices, rows + 1);
        let rows = if one_in(choices, 2) { start..rows } else { 0..rows };
        if let Err(error) = file.part(name, &shape, rows.clone()) {
            check_error(&error);
        }
        let read = now(async {
            let mut meter = Meter::start(&Unwatched, Phase::Load, 0).await?;
            file.read_rows(&server, name, &shape, rows.clone(), &mut meter).await
        });
        match read {
            Err(error) => check_error(&error),
            Ok(values) => {
                note(ANSWERED);
                let row: usize = shape.iter().skip(1).product();
                assert_eq!(values.len(), rows.len() * row);
                assert!(values.iter().all(|value| value.is_finite()));
            }
        }
    }
}

fn addresses() -> Addresses {
    let folder = SaeAddress { address: "saes".into(), ..SaeAddress::default() };
    let model = ModelAddress { address: "model".into(), name: None };
    Addresses { model, saes: vec![folder] }
}

fn open(server: &Server, reading: Reading) -> Result<Session> {
    now(Session::open_with(Device::flex(), Box::new(server.clone()), addresses(), reading))
}

/// Cancels after so many reports.
struct Until(Cell<usize>);

impl Watch for Until {
    fn report(&self, progress: Progress) -> LocalFuture<'_, Result<()>> {
        assert!(progress.flop.is_finite());
        match self.0.get() {
            0 => Box::pin(std::future::ready(Err(Error::Cancelled))),
            n => {
                self.0.set(n - 1);
                Box::pin(std::future::ready(Ok(())))
            }
        }
    }
}

fn ask(session: &Session, request: &serde_json::Value, watch: &dyn Watch) -> Option<Attribution> {
    let request: Request = serde_json::from_value(request.clone()).ok()?;
    match now(session.attribute(&request, watch)) {
        Err(error) => {
            check_error(&error);
            None
        }
        Ok(result) => {
            note(ANSWERED);
            check_result(&result, session);
            Some(result)
        }
    }
}

/// Asks something else than an attribution; what is answered is finite and has a JSON form.
fn ask_other(session: &Session, choices: &mut Choices<'_>, watch: &dyn Watch) {
    fn check<T: serde::Serialize>(found: sae_attribution::Result<T>) {
        match found {
            Err(error) => check_error(&error),
            Ok(found) => {
                note(ANSWERED);
                let json = serde_json::to_string(&found).expect("an answer has a JSON form");
                // That of a number that is none.
                assert!(!json.contains("null"), "{json}");
            }
        }
    }
    let kind = below(choices, 3);
    let asked = mutate::other_request(choices, kind);
    match kind {
        0 => {
            if let Ok(asked) = serde_json::from_value(asked) {
                check(now(session.intervene(&asked, watch)));
            }
        }
        1 => {
            if let Ok(asked) = serde_json::from_value(asked) {
                check(now(session.generate(&asked, watch)));
            }
        }
        _ => {
            if let Ok(asked) = serde_json::from_value(asked) {
                check(now(session.curves(&asked, watch)));
            }
        }
    }
}

/// What is answered can be drawn, saved and read back.
fn check_result(result: &Attribution, session: &Session) {
    let Attribution { tokens, sources, targets, statistics: s, .. } = result;
    let vocab_size = session.config().vocab_size as u32;
    let n_pos = tokens.token_id.len();
    assert!(n_pos > 0 && n_pos <= session.config().n_ctx && tokens.string.len() == n_pos);
    assert!(tokens.token_id.iter().all(|&id| id < vocab_size));
    for (nodes, counts) in [(sources, &s.sources_per_position), (targets, &s.targets_per_position)]
    {
        check_nodes(nodes, n_pos, vocab_size);
        assert_eq!(counts.iter().sum::<u32>() as usize, nodes.len());
        assert_eq!(counts.len(), n_pos);
    }
    let n = sources.len() * targets.len();
    assert_eq!((result.gradients.len(), result.attributions.len()), (n, n));
    let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    assert!(finite(&result.gradients) && finite(&result.attributions));
    assert!([0, n].contains(&result.ablations.len()) && finite(&result.ablations));
    assert_eq!(result.agreement.is_some(), result.request.measure);
    if let Some(completeness) = &result.completeness {
        assert_eq!(completeness.total.len(), targets.len());
        let error = completeness.error.as_deref().unwrap_or_default();
        assert!([0, targets.len() * n_pos].contains(&error.len()) && finite(error));
    }
    for (row, &target) in targets.pos.iter().enumerate() {
        for (column, &source) in sources.pos.iter().enumerate() {
            assert!(source <= target || result.gradients[row * sources.len() + column] == 0.0);
        }
    }
    for ratio in [s.sparsity, s.sparsity_over_positions] {
        assert!(ratio.total.is_finite() && ratio.ratio.is_finite());
    }
    let sums = [s.source_l1, s.target_l1, s.gradient_l1, s.attribution_l1];
    assert!(sums.iter().all(|sum| sum.is_finite() && *sum >= 0.0) && finite(&s.sae_error_norm));
    for logits in [&result.top_logits, &result.pair_logits].into_iter().flatten() {
        assert!(finite(&logits.logit) && logits.token_id.len() == logits.logit.len());
        assert!(logits.probability.iter().all(|part| (0.0..=1.000_01).contains(part)));
        assert!(logits.token_id.iter().all(|&id| id < vocab_size));
    }
    let json = serde_json::to_string(result).expect("a result has a JSON form");
    let again: Attribution = serde_json::from_str(&json).expect("its own JSON form is read");
    assert_eq!(&again, result);
}

fn check_nodes(nodes: &Nodes, n_pos: usize, vocab_size: u32) {
    let n = nodes.len();
    assert!(nodes.pos.iter().all(|&pos| (pos as usize) < n_pos) && nodes.pos.is_sorted());
    assert_eq!((nodes.activation.len(), nodes.label.len()), (n, n));
    assert!([0, n].contains(&nodes.latent.len()) && [0, n].contains(&nodes.token_id.len()));
    assert!(nodes.latent.iter().all(|&latent| (latent as usize) < nodes.d_sae.unwrap()));
    assert!(nodes.token_id.iter().all(|&id| id < vocab_size));
    assert!(nodes.activation.iter().all(|value| value.is_finite()));
    assert!(nodes.label.iter().all(|label| !label.contains(char::is_control)));
}

const GOOD: &str =
    r#"{"prompt":"in the inn","from":"blocks.1.hook_resid_pre","to":{"top_logits":3}}"#;

fn good() -> serde_json::Value {
    serde_json::from_str(GOOD).unwrap()
}

thread_local! {
    /// What the good files answer to the good request.
    static RIGHT: Attribution = {
        let session = open(&Server::new(micro::files()), Reading::default()).unwrap();
        ask(&session, &good(), &Unwatched).unwrap()
    };
    /// A session that every request goes to, however many were bad.
    static PATIENT: Session = open(&Server::new(micro::files()), Reading::default()).unwrap();
}

fn request(choices: &mut Choices<'_>) {
    let asked = mutate::request(choices);
    PATIENT.with(|session| {
        ask(session, &asked, &Unwatched);
        if one_in(choices, 4) {
            ask_other(session, choices, &Unwatched);
        }
        if one_in(choices, 8) {
            let found = ask(session, &good(), &Unwatched);
            RIGHT.with(|right| assert_eq!(found.as_ref(), Some(right), "after {asked}"));
        }
    });
}

fn session(choices: &mut Choices<'_>) {
    let mut files = micro::files();
    for _ in 0..below(choices, 4) {
        let sae = below(choices, micro::HOOKS.len());
        let (path, bytes) = match below(choices, 8) {
            0 => (micro::CONFIG.into(), mutate::json_text(choices, micro::config())),
            1 => (micro::TOKENIZER.into(), mutate::json_text(choices, micro::tokenizer())),
            2 => (micro::MODEL.into(), mutate::safetensors(choices, micro::model_tensors())),
            3 | 4 => (micro::cfg_path(sae), mutate::json_text(choices, micro::cfg(sae))),
            _ => {
                let tensors = micro::sae_tensors(sae);
                (micro::sae_path(sae), mutate::safetensors(choices, tensors))
            }
        };
        files.insert(path, bytes);
    }
    let server = Server::new(files);
    server.err(choices);
    let sizes = *pick(
        choices,
        &[
            Sizes::default(),
            Sizes {
                header: 8,
                piece: 50,
                unembed_part: 300,
                encode: 1,
                decode: 1,
                batch: 1,
                trace: 0,
            },
        ],
    );
    let reading = Reading { sizes, is_private: one_in(choices, 4) };
    match open(&server, reading) {
        Err(error) => check_error(&error),
        Ok(session) => {
            for _ in 0..=below(choices, 2) {
                let asked = mutate::request(choices);
                let patience = if one_in(choices, 6) { below(choices, 30) } else { usize::MAX };
                ask(&session, &asked, &Until(Cell::new(patience)));
                if one_in(choices, 4) {
                    ask_other(&session, choices, &Until(Cell::new(patience)));
                }
            }
            // Mended, the same session answers, or says that its files changed.
            server.mend();
            ask(&session, &good(), &Unwatched);
        }
    }
    server.mend();
    let found = ask(&open(&server, reading).unwrap(), &good(), &Unwatched);
    let found = found.expect("mended files are answered");
    RIGHT
        .with(|right| assert_eq!((&found.tokens, &found.sources), (&right.tokens, &right.sources)));
}
