//! Tests in a headless browser: the same golden cases on the device of the build, WebGPU or CPU.
//!
//! `scripts/test` serves the folders of `FIXTURES` before it runs them; `FIXTURES_URL` says where
//! at compile time. By hand: `node scripts/serve.mjs --port 18737 --fixtures` and then `wasm-pack test`.
#![cfg(target_arch = "wasm32")]

#[path = "../common/mod.rs"]
mod common;

use sae_attribution::Session;
use sae_attribution::kernels;
use sae_attribution::web::{JsSource, device, device_kind, has_subgroups};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

use common::golden::{addresses, check_fixture};
use common::products::check_products;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Largest error relative to the largest value of an array.
const TOLERANCE: f64 = if cfg!(feature = "webgpu") { 5e-5 } else { 1e-5 };

const FIXTURES_URL: &str = match option_env!("FIXTURES_URL") {
    Some(url) => url,
    None => "http://127.0.0.1:18737",
};

// The page's own reader, from the server that serves the fixtures.
#[wasm_bindgen(inline_js = "export async function createReader(url) {
    return (await import(url)).createReader();
}")]
extern "C" {
    #[wasm_bindgen(js_name = createReader)]
    async fn create_reader(url: &str) -> JsValue;
}

async fn source() -> JsSource {
    JsSource(create_reader(&format!("{FIXTURES_URL}/hub.js")).await.unchecked_into())
}

async fn fixtures(source: &JsSource) -> Vec<String> {
    use sae_attribution::source::Source;
    let list = source.read(&format!("{FIXTURES_URL}/fixtures.json"), None).await;
    let list = list.unwrap_or_else(|error| panic!("start the fixture server first: {error}"));
    serde_json::from_slice(&list.bytes).expect("a list of names")
}

#[wasm_bindgen_test]
async fn cases_equal_the_reference() {
    let reader = source().await;
    let names = fixtures(&reader).await;
    assert!(!names.is_empty(), "FIXTURES names no folder");
    for name in names {
        let fixture = format!("{FIXTURES_URL}/fixtures/{name}");
        let device = device().await.unwrap_or_else(|error| panic!("{error}"));
        let own = Box::new(source().await);
        let session = Session::open(device, own, addresses(&fixture)).await;
        let session = session.unwrap_or_else(|error| panic!("{error}"));
        let report = check_fixture(&session, &reader, &fixture, TOLERANCE).await;
        console_log!(
            "{name} on {}, largest errors relative to the largest value:\n{report}",
            device_kind()
        );
    }
}

#[wasm_bindgen_test]
async fn products_of_any_shape_equal_their_sums() {
    let device = device().await.unwrap_or_else(|error| panic!("{error}"));
    let choose = async |known: Option<&str>, subgroups: bool| {
        let chosen = kernels::tune(&device, known, subgroups).await;
        chosen.unwrap_or_else(|error| panic!("{error}"))
    };
    for shape in kernels::SHAPES {
        assert_eq!(choose(Some(shape), has_subgroups()).await, shape);
        let worst = check_products(&device, 12).await;
        console_log!("{shape}: largest error {worst:.1e} of the sum of absolute products");
    }
    // A browser may have had subgroups when the shape was remembered, and have them no more.
    if let Some(shape) = kernels::SHAPES.iter().find(|shape| shape.starts_with("broadcast")) {
        let chosen = choose(Some(shape), false).await;
        assert!(!chosen.starts_with("broadcast"), "{chosen} needs subgroups");
    }
    console_log!("this adapter's choice: {}", choose(None, has_subgroups()).await);
}
