//! Every measured case of every fixture against the reference.

use sae_attribution::Session;
use sae_attribution::folder::Folder;

use crate::common::device::device;
use crate::common::golden::all_addresses;
use crate::common::measured::check_measured;
use crate::golden::fixtures;

#[test]
fn what_is_measured_equals_the_reference() {
    let measured = fixtures().into_iter().filter(|path| path.join("measured").exists());
    let mut seen = 0;
    for fixture in measured {
        let fixture = fixture.to_str().expect("a UTF-8 path");
        let report = pollster::block_on(async {
            let addresses = all_addresses(&Folder, fixture).await;
            let session = Session::open(device(), Box::new(Folder), addresses).await;
            let session = session.unwrap_or_else(|error| panic!("{error}"));
            check_measured(&session, &Folder, fixture).await
        });
        println!("{fixture}, largest errors relative to the largest value:\n{report}");
        seen += 1;
    }
    assert!(seen >= 3, "only {seen} fixtures were measured");
}
