//! A [`Source`] over the local file system, for native use and tests.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::error::{Error, Result};
use crate::source::{Chunk, LocalFuture, Source};

/// Reads files by their path on this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Folder;

fn read(path: &str, range: Range<u64>) -> io::Result<Chunk> {
    let mut file = File::open(path)?;
    let file_len = file.metadata()?.len();
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
    Ok(Chunk { bytes, file_len: Some(file_len) })
}

fn failed(path: &str, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::FileNotFound { file: path.into() },
        _ => Error::FetchFailed { file: path.into(), cause: error.to_string() },
    }
}

impl Source for Folder {
    fn read<'a>(&'a self, path: &'a str, range: Range<u64>) -> LocalFuture<'a, Result<Chunk>> {
        Box::pin(async move { read(path, range).map_err(|error| failed(path, &error)) })
    }

    fn read_whole<'a>(&'a self, path: &'a str, most: u64) -> LocalFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move {
            let chunk =
                read(path, 0..most.saturating_add(1)).map_err(|error| failed(path, &error))?;
            match chunk.bytes.len() as u64 > most {
                true => Err(Error::FileTooLarge { file: path.into(), most }),
                false => Ok(chunk.bytes),
            }
        })
    }
}
