//! The tiny fixture, with files replaced at will.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::rc::Rc;

use sae_attribution::folder::Folder;
use sae_attribution::request::Request;
use sae_attribution::source::{Chunk, LocalFuture, Source};
use sae_attribution::watch::Unwatched;
use sae_attribution::weights::Reading;
use sae_attribution::{Attribution, Error, Result, Session};
use safetensors::tensor::{Dtype, View, serialize};

use crate::common::device::device;
use crate::common::golden::addresses;

pub(crate) const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/tiny");

/// A source over [`TINY`] that answers some paths with other bytes.
#[derive(Clone, Default)]
pub(crate) struct Altered(Rc<State>);

#[derive(Default)]
struct State {
    files: RefCell<HashMap<String, Vec<u8>>>,
    hides_length: Cell<bool>,
}

impl Altered {
    /// Replaces a file, named relative to the fixture.
    pub(crate) fn replace(&self, file: &str, bytes: impl Into<Vec<u8>>) {
        self.0.files.borrow_mut().insert(format!("{TINY}/{file}"), bytes.into());
    }

    /// A file as it is now.
    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        self.0.files.borrow().get(&format!("{TINY}/{name}")).cloned().unwrap_or_else(|| file(name))
    }

    /// Tells no file's length any more, as a server may that other pages cannot ask.
    pub(crate) fn hide_length(&self) {
        self.0.hides_length.set(true);
    }

    /// Takes all replacements back.
    pub(crate) fn restore(&self) {
        self.0.files.borrow_mut().clear();
    }
}

impl Source for Altered {
    fn read<'a>(&'a self, path: &'a str, range: Range<u64>) -> LocalFuture<'a, Result<Chunk>> {
        let hides = self.0.hides_length.get();
        let Some(bytes) = self.0.files.borrow().get(path).cloned() else {
            return Box::pin(async move {
                let chunk = Folder.read(path, range).await?;
                Ok(Chunk { file_len: chunk.file_len.filter(|_| !hides), ..chunk })
            });
        };
        let file_len = bytes.len() as u64;
        let clip = |at: u64| at.min(file_len) as usize;
        let bytes = bytes[clip(range.start)..clip(range.end)].to_vec();
        let file_len = (!hides).then_some(file_len);
        Box::pin(std::future::ready(Ok(Chunk { bytes, file_len })))
    }

    fn read_whole<'a>(&'a self, path: &'a str, most: u64) -> LocalFuture<'a, Result<Vec<u8>>> {
        let Some(bytes) = self.0.files.borrow().get(path).cloned() else {
            return Folder.read_whole(path, most);
        };
        Box::pin(std::future::ready(match bytes.len() as u64 <= most {
            true => Ok(bytes),
            false => Err(Error::FileTooLarge { file: path.into(), most }),
        }))
    }
}

pub(crate) fn open(source: &Altered) -> Result<Session> {
    open_with(source, Reading::default())
}

pub(crate) fn open_with(source: &Altered, reading: Reading) -> Result<Session> {
    let source = Box::new(source.clone());
    pollster::block_on(Session::open_with(device(), source, addresses(TINY), reading))
}

pub(crate) fn ask(session: &Session, request: serde_json::Value) -> Result<Attribution> {
    let request: Request = serde_json::from_value(request).expect("a well-formed request");
    pollster::block_on(session.attribute(&request, &Unwatched))
}

pub(crate) fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{TINY}/{name}")).unwrap()
}

/// A tensor to write.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Raw {
    /// Floats of this shape.
    pub(crate) fn floats(shape: &[usize], value: impl FnMut(usize) -> f32) -> Self {
        let n = shape.iter().product();
        let bytes = (0..n).map(value).flat_map(f32::to_le_bytes).collect();
        Self { dtype: Dtype::F32, shape: shape.into(), bytes }
    }

    /// Changes every float.
    pub(crate) fn change(&mut self, mut change: impl FnMut(usize, f32) -> f32) {
        for (i, value) in self.bytes.chunks_exact_mut(4).enumerate() {
            let old = f32::from_le_bytes(value.try_into().unwrap());
            value.copy_from_slice(&change(i, old).to_le_bytes());
        }
    }
}

impl View for &Raw {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        (&self.bytes).into()
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// A safetensors file with its tensors changed.
pub(crate) fn changed(name: &str, change: impl FnOnce(&mut BTreeMap<String, Raw>)) -> Vec<u8> {
    let bytes = file(name);
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: BTreeMap<String, Raw> = read
        .iter()
        .map(|(name, view)| {
            let bytes = view.data().to_vec();
            (name.into(), Raw { dtype: view.dtype(), shape: view.shape().into(), bytes })
        })
        .collect();
    change(&mut tensors);
    serialize(&tensors, None).unwrap()
}
