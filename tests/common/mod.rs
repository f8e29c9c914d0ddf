//! What native and browser tests share: fixtures, the golden comparison.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod device;
pub(crate) mod golden;
pub(crate) mod measured;
pub(crate) mod products;
pub(crate) mod requests;
pub(crate) mod sizes;
