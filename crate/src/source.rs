//! Where bytes come from: a folder, or a web server in the hub's layout.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use crate::error::Result;

/// A future that stays on its thread, as everything in a browser does.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Bytes of a file, and how long the whole file is.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The bytes read: fewer than asked for where the file ends earlier.
    pub bytes: Vec<u8>,
    /// Length of the whole file in bytes, where the source tells.
    pub file_len: Option<u64>,
}

/// Part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file, as it is given to [`Source::read`].
    pub path: String,
    /// First byte and the one after the last.
    pub range: Range<u64>,
}

impl Part {
    /// Bytes of several parts.
    pub fn total(parts: &[Self]) -> u64 {
        parts.iter().map(|part| part.range.end - part.range.start).sum()
    }
}

/// A place that files can be read from, whole or in part.
///
/// Paths are given as the caller formed them: `{base}/config.json` and the like. What a source says
/// is not believed: a file may be shorter or longer than it tells, and change from call to call.
pub trait Source {
    /// Reads `range` of the file.
    ///
    /// # Errors
    /// `file-not-found`, `access-denied`, `rate-limited`, `file-changed`, `offline`, `cancelled`;
    /// `fetch-failed` for anything else.
    fn read<'a>(&'a self, path: &'a str, range: Range<u64>) -> LocalFuture<'a, Result<Chunk>>;

    /// Reads all of a file that has at most `most` bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read); `file-too-large`.
    fn read_whole<'a>(&'a self, path: &'a str, most: u64) -> LocalFuture<'a, Result<Vec<u8>>>;

    /// Reads the file from `start` on until `into` is full or the file ends. Returns how many bytes
    /// were read, and the length of the whole file where the source tells.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn fill<'a>(
        &'a self,
        path: &'a str,
        start: u64,
        into: &'a mut [u8],
    ) -> LocalFuture<'a, Result<(usize, Option<u64>)>> {
        Box::pin(async move {
            let range = start..start + into.len() as u64;
            let Chunk { bytes, file_len } = self.read(path, range).await?;
            let read = bytes.len().min(into.len());
            into[..read].copy_from_slice(&bytes[..read]);
            Ok((read, file_len))
        })
    }

    /// Says what will be read next, about in this order, so that it can be fetched ahead. Replaces
    /// what was said before.
    fn expect(&self, _: &[Part]) {}
}
