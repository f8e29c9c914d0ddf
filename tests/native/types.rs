//! `www/runtime/types.d.ts`: the types of what crosses to JavaScript, made from those of this crate.
//!
//! `UPDATE_TYPES=1 cargo test types` writes the file.

use std::fmt::Write;

use sae_attribution::agreement::{Agreement, Fit, Lacks};
use sae_attribution::curves::{Curve, CurveRequest, Curves};
use sae_attribution::generation::{Continuation, Generated, Generation, Steer};
use sae_attribution::intervention::{
    Edit, Edited, Intervened, Intervention, LogitChanges, Observed,
};
use sae_attribution::kernels::DeviceKind;
use sae_attribution::places::Place;
use sae_attribution::request::{
    ErrorTerm, LogitTargets, Method, Request, Sources, Targets, TokenRef,
};
use sae_attribution::result::{
    Attribution, Baseline, Completeness, Logits, ModelOrigin, NodeKind, Nodes, OffStaircase, Ratio,
    Runtime, SaeOrigin, Statistics, Tokens,
};
use sae_attribution::watch::{Phase, Progress};
use sae_attribution::{Addresses, ModelAddress, SaeAddress};
use ts_rs::{Config, TS};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../www/runtime/types.d.ts");

/// Declarations of types, with their documentation.
macro_rules! declared {
    ($($name:ty),*) => {{
        // Counts are far below what JavaScript counts exactly.
        let config = Config::new().with_large_int("number");
        let mut text = String::from(
            "// Made from the Rust types by `UPDATE_TYPES=1 cargo test types`; not to be edited.\n",
        );
        $(
            let docs = <$name>::docs().unwrap_or_default();
            write!(text, "\n{docs}export {}\n", <$name>::decl(&config)).unwrap();
        )*
        text
    }};
}

#[test]
fn the_pages_types_are_those_of_this_crate() {
    let types = declared!(
        Place,
        Request,
        Sources,
        Targets,
        LogitTargets,
        TokenRef,
        ErrorTerm,
        Method,
        Attribution,
        Agreement,
        Fit,
        Lacks,
        Completeness,
        Baseline,
        Runtime,
        DeviceKind,
        ModelOrigin,
        SaeOrigin,
        Tokens,
        Nodes,
        NodeKind,
        Logits,
        OffStaircase,
        Ratio,
        Statistics,
        Intervention,
        Edit,
        Intervened,
        Edited,
        LogitChanges,
        Observed,
        CurveRequest,
        Curves,
        Curve,
        Generation,
        Steer,
        Generated,
        Continuation,
        Addresses,
        ModelAddress,
        SaeAddress,
        Progress,
        Phase
    );
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::write(FILE, &types).unwrap();
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(written == types, "run `UPDATE_TYPES=1 cargo test types`: {FILE} is another");
}
