//! One target, named by `FUZZ_TARGET`, under libFuzzer; `scripts/fuzz` builds and runs it.
#![no_main]

#[path = "../cases.rs"]
mod cases;
#[path = "../micro.rs"]
mod micro;
#[path = "../mutate.rs"]
mod mutate;
#[path = "../targets.rs"]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<&targets::Target> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let target = cases::only().expect("FUZZ_TARGET names a target");
        target.check(&[]);
        target
    });
    cases::check(target, input);
});
