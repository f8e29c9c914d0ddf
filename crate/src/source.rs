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

/// A place that files can be read from, whole or in part.
///
/// Paths are given as the caller formed them: `{base}/config.json` and the like.
pub trait Source {
    /// Reads `range` of the file, or all of it.
    ///
    /// # Errors
    /// `file-not-found` where there is no such file, `fetch-failed` for anything else.
    fn read<'a>(
        &'a self,
        path: &'a str,
        range: Option<Range<u64>>,
    ) -> LocalFuture<'a, Result<Chunk>>;
}
