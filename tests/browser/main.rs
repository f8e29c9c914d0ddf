//! Tests in a headless browser: the same golden cases on the device of the build, WebGPU or CPU.
//!
//! `scripts/test` serves the folders of `FIXTURES` before it runs them; `FIXTURES_URL` says where
//! at compile time. By hand: `node scripts/serve.mjs --port 18737 --fixtures` and then `wasm-pack test`.
#![cfg(target_arch = "wasm32")]

#[path = "../common/mod.rs"]
mod common;

use sae_attribution::error::READER_CODES;
use sae_attribution::kernels;
use sae_attribution::source::Source;
use sae_attribution::web::{JsSource, device, has_subgroups};
use sae_attribution::{Error, Session};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

use common::golden::{TOLERANCE, addresses, all_addresses, check_fixture};
use common::measured::check_measured;
use common::products::check_shapes;
use common::sizes::check_sizes;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

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
    let hub = format!("{FIXTURES_URL}/runtime/loading/hub.js");
    JsSource(create_reader(&hub).await.unchecked_into())
}

async fn fixtures(source: &JsSource) -> Vec<String> {
    let list = source.read_whole(&format!("{FIXTURES_URL}/fixtures.json"), 1 << 20).await;
    let list = list.unwrap_or_else(|error| panic!("start the fixture server first: {error}"));
    serde_json::from_slice(&list).expect("a list of names")
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
        let addresses = all_addresses(&reader, &fixture).await;
        let session = Session::open(device, own, addresses).await;
        let session = session.unwrap_or_else(|error| panic!("{error}"));
        let report = check_fixture(&session, &reader, &fixture, TOLERANCE).await;
        console_log!(
            "{name} on {:?}, largest errors relative to the largest value:\n{report}",
            kernels::DEVICE_KIND
        );
    }
}

#[wasm_bindgen_test]
async fn what_is_measured_equals_the_reference() {
    let reader = source().await;
    let mut seen = 0;
    for name in fixtures(&reader).await {
        let fixture = format!("{FIXTURES_URL}/fixtures/{name}");
        let index = format!("{fixture}/measured/index.json");
        if reader.read_whole(&index, 1 << 20).await.is_err() {
            continue;
        }
        let device = device().await.unwrap_or_else(|error| panic!("{error}"));
        let own = Box::new(source().await);
        let addresses = all_addresses(&reader, &fixture).await;
        let session = Session::open(device, own, addresses).await;
        let session = session.unwrap_or_else(|error| panic!("{error}"));
        let report = check_measured(&session, &reader, &fixture).await;
        console_log!(
            "{name} on {:?}, largest errors relative to the largest value:\n{report}",
            kernels::DEVICE_KIND
        );
        seen += 1;
    }
    // FIXTURES may name folders without.
    assert!(seen > 0 || option_env!("FIXTURES").is_some(), "nothing was measured");
}

#[wasm_bindgen_test]
async fn results_do_not_depend_on_sizes() {
    let fixture = format!("{FIXTURES_URL}/models/tiny");
    let device = device().await.unwrap_or_else(|error| panic!("{error}"));
    check_sizes(async |reading| {
        let own = Box::new(source().await);
        let session = Session::open_with(device.clone(), own, addresses(&fixture), reading).await;
        session.unwrap_or_else(|error| panic!("{error}"))
    })
    .await;
}

/// A reader that fails as it is told.
#[wasm_bindgen(inline_js = "export function failing(error) {
    return { read: () => Promise.reject(error), readWhole: () => Promise.reject(error), expect() {} };
}
export function coded(code, message) {
    return Object.assign(new Error(message), { code });
}")]
extern "C" {
    fn failing(error: JsValue) -> JsValue;
    fn coded(code: &str, message: &str) -> JsValue;
}

#[wasm_bindgen_test]
async fn what_a_reader_says_passes_through() {
    let ask = async |error: JsValue| {
        let source = JsSource(failing(error).unchecked_into());
        let whole = source.read_whole("a/config.json", 100).await.unwrap_err();
        assert_eq!(source.read("a/config.json", 0..10).await.unwrap_err(), whole);
        assert!(whole == Error::Cancelled || whole.file() == Some("a/config.json"));
        (whole.code(), whole.to_string())
    };
    for code in READER_CODES {
        let message = format!("a/config.json, {code}: do this.");
        let (found, said) = ask(coded(code, &message)).await;
        assert_eq!(found, code);
        assert!(said == message || code == "cancelled", "{said}");
    }
    // What has no code of a reader's, or is no error at all, is worded.
    for error in [coded("device-failed", "odd"), JsValue::NULL, "text".into()] {
        let (code, said) = ask(error).await;
        assert_eq!(code, "fetch-failed");
        assert!(said.starts_with("a/config.json could not be read"), "{said}");
    }
}

#[wasm_bindgen_test]
async fn products_of_any_shape_equal_their_sums() {
    let device = device().await.unwrap_or_else(|error| panic!("{error}"));
    console_log!("{}", check_shapes(&device, has_subgroups(), 12).await);
}
