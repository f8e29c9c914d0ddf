//! What the page loads: the crate's exports to JavaScript, linked into one module.

use sae_attribution as _;
