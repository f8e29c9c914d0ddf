//! One case, within its time and memory.

use peak_alloc::PeakAlloc;

use crate::targets::{TARGETS, Target};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most that a case may take: nothing that the micro model's files claim makes it more.
const MOST_BYTES: usize = 64 << 20;
/// The longest that a case may take, twice in a row: once, the machine may be busy.
const MOST_MS: f64 = 1_000.0;

/// Milliseconds since some time.
pub(crate) fn clock() -> f64 {
    #[cfg(target_arch = "wasm32")]
    return js_sys::Date::now();
    #[cfg(not(target_arch = "wasm32"))]
    return std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() * 1e3;
}

/// Runs a case; panics where it breaks its target's promises, or takes too long or too much. Returns
/// the bytes it took at most.
pub(crate) fn check(target: &Target, input: &[u8]) -> usize {
    let once = || {
        MEMORY.reset_peak_usage();
        let (before, start) = (MEMORY.current_usage(), clock());
        target.check(input);
        (clock() - start, MEMORY.peak_usage().saturating_sub(before))
    };
    let (ms, bytes) = once();
    let is_slow = ms > MOST_MS && once().0 > MOST_MS;
    assert!(bytes <= MOST_BYTES && !is_slow, "{}: {bytes} bytes and {ms} ms", target.name);
    bytes
}

/// The one target that is asked for, if one is.
pub(crate) fn only() -> Option<&'static Target> {
    let at_run = std::env::var("FUZZ_TARGET").ok();
    let name = at_run.or_else(|| option_env!("FUZZ_TARGET").map(Into::into))?;
    let named = TARGETS.iter().find(|target| target.name == name);
    Some(named.unwrap_or_else(|| panic!("no target is called {name}")))
}
