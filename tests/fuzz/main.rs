//! Seeded fuzzing of everything that reads files and requests, natively and in wasm, where `usize` has
//! 32 bits. A short run is part of `scripts/test`; `scripts/fuzz` makes long ones, guided by coverage.
#![cfg(not(feature = "webgpu"))]

mod cases;
mod micro;
mod mutate;
mod targets;

use cases::{check, clock, only};
use targets::{TARGETS, Target};

/// Bytes of choices that a case has at most.
const CASE_BYTES: u64 = 160;

/// A number from the environment: of the run or, in wasm, of the build.
fn set(name: &str, built: Option<&str>) -> Option<u64> {
    let at_run = std::env::var(name).ok();
    let value = at_run.as_deref().or(built)?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// The choices of a case: SplitMix64 of seed and case.
fn choices(seed: u64, case: u64) -> Vec<u8> {
    let mut state =
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ case.wrapping_mul(0xd134_2543_de82_ef95);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u8
    };
    (0..8 + case % CASE_BYTES).map(|_| next()).collect()
}

fn say(text: &str) {
    #[cfg(target_arch = "wasm32")]
    wasm_bindgen_test::console_log!("{text}");
    #[cfg(not(target_arch = "wasm32"))]
    println!("{text}");
}

fn run(target: &Target, cases: u64) {
    let seed = set("FUZZ_SEED", option_env!("FUZZ_SEED")).unwrap_or(1);
    let first = set("FUZZ_FIRST", option_env!("FUZZ_FIRST")).unwrap_or(0);
    let seconds = set("FUZZ_SECONDS", option_env!("FUZZ_SECONDS"));
    let cases = set("FUZZ_CASES", option_env!("FUZZ_CASES")).unwrap_or(if seconds.is_some() {
        u64::MAX - first
    } else {
        cases
    });
    let name = target.name;
    let start = clock();
    // What is made once is not any case's.
    target.check(&[]);
    let (mut most, mut done) = (0, 0);
    for case in first..first + cases {
        if seconds.is_some_and(|seconds| clock() - start > seconds as f64 * 1e3) {
            break;
        }
        CASE.set(format!("FUZZ_TARGET={name} FUZZ_SEED={seed} FUZZ_FIRST={case} FUZZ_CASES=1"));
        most = most.max(check(target, &choices(seed, case)));
        done += 1;
    }
    say(&format!(
        "{name}: {done} cases from {first} of seed {seed} in {:.1} s, at most {:.1} MB a case: {}",
        (clock() - start) / 1e3,
        most as f64 / 1e6,
        targets::outcomes()
    ));
}

thread_local! {
    /// What runs the present case again.
    static CASE: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// One target after the other: they share the allocator that counts.
#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
fn hostile_input_is_answered() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(&format!("{panic}\nagain: {}", CASE.with_borrow(Clone::clone)));
        hook(panic);
    }));
    for target in &TARGETS {
        let (native, wasm) = if target.name == "session" { (3_000, 600) } else { (20_000, 3_000) };
        if only().is_none_or(|only| only.name == target.name) {
            run(target, if cfg!(target_arch = "wasm32") { wasm } else { native });
        }
    }
}
