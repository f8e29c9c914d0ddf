//! Each part's times, as tables or as JSON.

use std::time::Instant;

use pollster::block_on;
use sae_attribution::kernels::{self, upload};
use sae_attribution::native::Native;
use sae_attribution::watch::Unwatched;
use sae_attribution::{Result, Session};
use serde_json::{Value, json};

use crate::ceiling::ceiling;
use crate::model::{Random, SIZES, Size};

const USAGE: &str = "usage: native-bench [--size gpt2-small|tiny] [--only layers|analyses|ablations|generation]... \
                     [--repeats N] [--json]";

/// A run that takes this many seconds is measurement enough.
const ENOUGH: f64 = 0.02;
/// Nothing that takes this many seconds is repeated.
const LONG: f64 = 10.0;
/// Nine tokens each, of which they share the first alone, so that none is run from where another was kept.
const PROMPTS: [&str; 3] = ["The city", "His city", "Our city"];

struct Options {
    size: &'static Size,
    only: Vec<String>,
    repeats: usize,
    json: bool,
}

impl Options {
    fn read() -> Option<Self> {
        let mut found = Self { size: &SIZES[0], only: Vec::new(), repeats: 3, json: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match &argument[..] {
                "--size" => {
                    let name = arguments.next()?;
                    found.size = SIZES.iter().find(|size| size.name == name)?;
                }
                "--only" => {
                    let parts = ["layers", "analyses", "ablations", "generation"];
                    found.only.push(arguments.next().filter(|part| parts.contains(&&part[..]))?);
                }
                "--repeats" => found.repeats = arguments.next()?.parse().ok().filter(|&n| n > 0)?,
                "--json" => found.json = true,
                _ => return None,
            }
        }
        Some(found)
    }

    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == part)
    }
}

/// Seconds of a piece of work, which is told how often to do it: the best of so many, after one that
/// compiles.
pub(crate) fn best(repeats: usize, mut work: impl FnMut(usize)) -> f64 {
    let mut time = |times| {
        let start = Instant::now();
        work(times);
        start.elapsed().as_secs_f64()
    };
    time(1);
    let mut times = 1;
    let mut seconds = time(times);
    while seconds < ENOUGH {
        times *= 2;
        seconds = time(times);
    }
    for _ in 1..repeats {
        if seconds < LONG {
            seconds = seconds.min(time(times));
        }
    }
    seconds / times as f64
}

/// Prints tables, or nothing until all is there.
struct Report {
    json: bool,
    all: Value,
}

impl Report {
    fn table(&mut self, key: &str, columns: &[&str], rows: Vec<Vec<Value>>) {
        if !self.json {
            let line = |cells: Vec<String>| println!("| {} |", cells.join(" | "));
            println!();
            line(columns.iter().map(|&name| name.into()).collect());
            println!("|{}", "---|".repeat(columns.len()));
            for row in &rows {
                line(row.iter().map(cell).collect());
            }
        }
        let named = |row: Vec<Value>| -> Value {
            columns.iter().map(|&name| name.to_owned()).zip(row).collect()
        };
        self.all[key] = rows.into_iter().map(named).collect();
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(x) if x < 10.0 => format!("{x:.2}"),
            Some(x) if x < 100.0 => format!("{x:.1}"),
            Some(x) => format!("{x:.0}"),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Prints what was asked for.
pub(crate) fn run() -> std::result::Result<(), String> {
    let options = Options::read().ok_or(USAGE)?;
    let native = Native::get()?;
    measure(&options, native).map_err(|error| error.to_string())
}

fn measure(options: &Options, native: &Native) -> Result<()> {
    let Options { size, repeats, json, .. } = options;
    let subgroups = native.has_subgroups();
    let shape = block_on(kernels::tune(&native.device, None, subgroups))?;
    let of = json!({
        "adapter": native.name(), "subgroups": subgroups, "product": shape, "size": size.name,
        "version": env!("CARGO_PKG_VERSION"),
    });
    if !json {
        let with = if subgroups { "subgroups" } else { "no subgroups" };
        println!("{} ({with}); size {}; products: {shape}", native.name(), size.name);
    }
    let mut report = Report { json: *json, all: of };
    if options.wants("layers") {
        layers(options, native, &mut report);
    }
    if ["analyses", "ablations", "generation"].iter().any(|part| options.wants(part)) {
        let source = Box::new(Random::new(size));
        let open = Session::open(native.device.clone(), source, Random::addresses());
        let session = block_on(open)?;
        if options.wants("analyses") {
            analyses(size, *repeats, &session, &mut report)?;
        }
        if options.wants("ablations") {
            ablations(size, *repeats, &session, &mut report)?;
        }
        if options.wants("generation") {
            generation(*repeats, &session, &mut report)?;
        }
    }
    report.all["device_memory_mb"] = (kernels::peak_memory() as f64 / 1e6).into();
    match json {
        true => println!("{:#}", report.all),
        false => println!("\nMost device memory: {} MB", cell(&report.all["device_memory_mb"])),
    }
    Ok(())
}

/// The ceiling, and linear layers beside it.
fn layers(&Options { size, repeats, .. }: &Options, native: &Native, report: &mut Report) {
    let d = size.d_model;
    let (device, queue) = (&native.setup.device, &native.setup.queue);
    let found = ceiling(device, queue, native.has_subgroups(), [512, d, 4 * d], repeats);
    let most = found.iter().fold(0f64, |most, (_, rate)| most.max(*rate));
    let head = format!("hand-written WGSL, [512, {d}] × [{d}, {}]", 4 * d);
    let rows = found.into_iter().map(|(name, rate)| vec![name.into(), rate.into()]).collect();
    report.table("ceiling", &[&head, "GFLOP/s"], rows);

    let matrix = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|i| (i % 1009 * 7919 % 1009) as f32 / 504.0 - 1.0);
        upload(values.collect(), columns, &native.device)
    };
    let mut rows = Vec::new();
    for &n in size.rows {
        for transposed in [false, true] {
            for [inner, columns] in [[d, d], [d, 3 * d], [d, 4 * d], [4 * d, d]] {
                let x = matrix(n, inner);
                let w = if transposed { matrix(columns, inner) } else { matrix(inner, columns) };
                let product = || match transposed {
                    true => kernels::matmul_transposed(&x, &w),
                    false => kernels::matmul(&x, &w, None, None),
                };
                let seconds = best(repeats, |times| {
                    (1..times).for_each(|_| drop(product()));
                    block_on(kernels::settle(&product())).expect("the device computes");
                });
                let rate = 2e-9 * (n * inner * columns) as f64 / seconds;
                let what = if transposed { "input gradient" } else { "forward" };
                let shape = format!("[{n}, {inner}] × [{inner}, {columns}]");
                let of = format!("{:.0} %", 100.0 * rate / most);
                rows.push(vec![shape.into(), what.into(), rate.into(), of.into()]);
            }
        }
    }
    report.table("layers", &["linear layer", "", "GFLOP/s", "of the ceiling"], rows);
}

fn place(layer: usize) -> String {
    format!("blocks.{layer}.hook_resid_pre")
}

/// Sources and targets of a request, its best seconds and its GFLOP, everything loaded.
fn ask(
    session: &Session,
    request: &Value,
    prompts: &[&str],
    repeats: usize,
) -> Result<(String, f64, f64)> {
    let mut found = (String::new(), f64::MAX, 0.0);
    // The first of all loads and compiles.
    for i in 0..=repeats {
        let mut request = request.clone();
        request["prompt"] = prompts[i % prompts.len()].into();
        let request = serde_json::from_value(request).expect("a request");
        let (start, before) = (Instant::now(), kernels::flop());
        let result = block_on(session.attribute(&request, &Unwatched))?;
        let (seconds, flop) = (start.elapsed().as_secs_f64(), kernels::flop() - before);
        if i > 0 && seconds < found.1 {
            let pairs = format!("{} × {}", result.sources.len(), result.targets.len());
            found = (pairs, seconds, 1e-9 * flop as f64);
        }
        if i > 0 && seconds > LONG {
            break;
        }
    }
    Ok(found)
}

/// The four analyses, everything loaded: of a prompt that is new, and of the same again, whose run was kept.
fn analyses(size: &Size, repeats: usize, session: &Session, report: &mut Report) -> Result<()> {
    let [to, end] = size.layers;
    let requests = [
        (format!("token → latent {to}"), json!({"from": "tokens", "to": place(to)})),
        (format!("latent → latent 0 → {to}"), json!({"from": place(0), "to": place(to)})),
        (
            format!("latent → logit {end}, k = 25"),
            json!({"from": place(end), "to": {"top_logits": 25}}),
        ),
        (
            format!("logit difference {end}"),
            json!({"from": place(end), "to": {"logit_difference": [1, 2]}}),
        ),
    ];
    let mut rows = Vec::new();
    for (name, request) in requests {
        let (pairs, new, gflop) = ask(session, &request, &PROMPTS, repeats)?;
        let (_, again, _) = ask(session, &request, &PROMPTS[..1], repeats)?;
        let [rate, new, again] = [gflop / new, 1e3 * new, 1e3 * again].map(Value::from);
        rows.push(vec![name.into(), pairs.into(), new, again, gflop.into(), rate]);
    }
    let columns =
        ["analysis, 9 tokens", "sources × targets", "ms", "ms, again", "GFLOP", "GFLOP/s"];
    report.table("analyses", &columns, rows);
    Ok(())
}

/// What taking each source away does, for all pairs: by how much a request takes longer for it.
fn ablations(size: &Size, repeats: usize, session: &Session, report: &mut Report) -> Result<()> {
    let [to, end] = size.layers;
    let requests = [
        (format!("latent → latent 0 → {to}"), json!({"from": place(0), "to": place(to)})),
        (
            format!("latent → logit {end}, k = 25"),
            json!({"from": place(end), "to": {"top_logits": 25}}),
        ),
    ];
    let mut rows = Vec::new();
    for (name, mut request) in requests {
        let (_, plain, of_it) = ask(session, &request, &PROMPTS[..1], repeats)?;
        request["measure"] = true.into();
        let (pairs, seconds, gflop) = ask(session, &request, &PROMPTS[..1], repeats)?;
        let (seconds, gflop) = (seconds - plain, gflop - of_it);
        let rate = (gflop / seconds).into();
        rows.push(vec![name.into(), pairs.into(), (1e3 * seconds).into(), gflop.into(), rate]);
    }
    let columns = ["ablations, 9 tokens", "sources × targets", "ms", "GFLOP", "GFLOP/s"];
    report.table("ablations", &columns, rows);
    Ok(())
}

/// Tokens behind the first, the likeliest each.
fn generation(repeats: usize, session: &Session, report: &mut Report) -> Result<()> {
    // The prompt and the first token, and 49 more.
    let mut found = [(0, f64::MAX); 2];
    for (max_tokens, (tokens, seconds)) in [1, 50].into_iter().zip(&mut found) {
        let asked = json!({"prompt": PROMPTS[0], "max_tokens": max_tokens});
        let asked = serde_json::from_value(asked).expect("a generation");
        for _ in 0..=repeats {
            let start = Instant::now();
            let written = block_on(session.generate(&asked, &Unwatched))?;
            *tokens = written.plain.token_id.len();
            *seconds = seconds.min(start.elapsed().as_secs_f64());
        }
    }
    let (tokens, seconds) = (found[1].0 - found[0].0, found[1].1 - found[0].1);
    let row = vec![tokens.into(), (1e3 * seconds).into(), (tokens as f64 / seconds).into()];
    report.table("generation", &["tokens written", "ms", "tokens/s"], vec![row]);
    Ok(())
}
