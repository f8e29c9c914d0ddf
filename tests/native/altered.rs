//! The tiny fixture, with files replaced at will.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use burn::tensor::Device;
use sae_attribution::folder::Folder;
use sae_attribution::request::Request;
use sae_attribution::source::{Chunk, LocalFuture, Source};
use sae_attribution::watch::Unwatched;
use sae_attribution::{Attribution, Result, Session};

use crate::common::golden::addresses;

pub(crate) const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/tiny");

/// A source over [`TINY`] that answers some paths with other bytes.
#[derive(Clone, Default)]
pub(crate) struct Altered(Rc<RefCell<HashMap<String, Vec<u8>>>>);

impl Altered {
    /// Replaces a file, named relative to the fixture.
    pub(crate) fn replace(&self, file: &str, bytes: impl Into<Vec<u8>>) {
        self.0.borrow_mut().insert(format!("{TINY}/{file}"), bytes.into());
    }

    /// Takes all replacements back.
    pub(crate) fn restore(&self) {
        self.0.borrow_mut().clear();
    }
}

impl Source for Altered {
    fn read<'a>(
        &'a self,
        path: &'a str,
        range: Option<Range<u64>>,
    ) -> LocalFuture<'a, Result<Chunk>> {
        let Some(bytes) = self.0.borrow().get(path).cloned() else {
            return Folder.read(path, range);
        };
        let file_len = bytes.len() as u64;
        let range = range.unwrap_or(0..file_len);
        let clip = |at: u64| at.min(file_len) as usize;
        let bytes = bytes[clip(range.start)..clip(range.end)].to_vec();
        Box::pin(std::future::ready(Ok(Chunk { bytes, file_len: Some(file_len) })))
    }
}

pub(crate) fn open(source: &Altered) -> Result<Session> {
    let source = Box::new(source.clone());
    pollster::block_on(Session::open(Device::flex(), source, addresses(TINY)))
}

pub(crate) fn ask(session: &Session, request: serde_json::Value) -> Result<Attribution> {
    let request: Request = serde_json::from_value(request).expect("a well-formed request");
    pollster::block_on(session.attribute(&request, &Unwatched))
}
