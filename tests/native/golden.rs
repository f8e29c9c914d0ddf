//! Every case of every fixture against the reference.

use std::path::PathBuf;

use sae_attribution::Session;
use sae_attribution::folder::Folder;

use crate::common::device::device;
use crate::common::golden::{TOLERANCE, all_addresses, check_fixture};

/// The folders named in `FIXTURES` (colon-separated), or all of `tests/fixtures`.
pub(crate) fn fixtures() -> Vec<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut found: Vec<PathBuf> = match std::env::var("FIXTURES") {
        Ok(list) => list.split(':').filter(|path| !path.is_empty()).map(|p| root.join(p)).collect(),
        Err(_) => std::fs::read_dir(root.join("tests/fixtures"))
            .expect("tests/fixtures")
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("cases.json").exists())
            .collect(),
    };
    found.sort();
    found
}

#[test]
fn cases_equal_the_reference() {
    let fixtures = fixtures();
    assert!(!fixtures.is_empty(), "FIXTURES names no folder");
    for fixture in fixtures {
        let fixture = fixture.to_str().expect("a UTF-8 path");
        let report = pollster::block_on(async {
            let addresses = all_addresses(&Folder, fixture).await;
            let session = Session::open(device(), Box::new(Folder), addresses)
                .await
                .unwrap_or_else(|error| panic!("{error}"));
            check_fixture(&session, &Folder, fixture, TOLERANCE).await
        });
        println!("{fixture}, largest errors relative to the largest value:\n{report}");
    }
}
