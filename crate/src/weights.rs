//! File layouts: the only place that knows which tensor of which file means what.
//!
//! `weights/gpt2.rs` knows a model's checkpoint, `weights/sae.rs` an SAE's file; here is what both do:
//! rows of tables that are read when they are needed, and matrices on their way to the device.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::iter;
use std::ops::Range;

use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::kernels::Upload;
use crate::safetensors::Safetensors;
use crate::sizes::Sizes;
use crate::source::{Part, Source};
use crate::watch::Meter;

mod gpt2;
mod sae;

pub use gpt2::Gpt2Weights;
pub use sae::SaeWeights;

/// How weights are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// How much at a time.
    pub sizes: Sizes,
    /// Whether tables of rows (`wte`, `wpe`, `W_dec`) are read as a whole: which rows of them are read
    /// tells the server what the prompt is.
    pub is_private: bool,
}

/// Rows of a table, read when they are first needed and then kept.
struct Rows {
    name: String,
    shape: [usize; 2],
    is_private: bool,
    known: RefCell<HashMap<u32, Vec<f32>>>,
}

impl Rows {
    fn new(name: String, shape: [usize; 2], is_private: bool) -> Self {
        Self { name, shape, is_private, known: RefCell::default() }
    }

    /// Ranges of rows that are yet to be read for these, in order.
    fn missing(&self, wanted: impl Iterator<Item = u32>) -> Vec<Range<usize>> {
        let known = self.known.borrow();
        let missing: BTreeSet<u32> = wanted.filter(|row| !known.contains_key(row)).collect();
        if self.is_private && !missing.is_empty() {
            return iter::once(0..self.shape[0]).collect();
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for row in missing.into_iter().map(|row| row as usize) {
            match ranges.last_mut() {
                Some(last) if last.end == row => last.end += 1,
                _ => ranges.push(row..row + 1),
            }
        }
        ranges
    }

    fn parts(&self, file: &Safetensors, wanted: impl Iterator<Item = u32>) -> Result<Vec<Part>> {
        let missing = self.missing(wanted).into_iter();
        missing.map(|rows| file.part(&self.name, &self.shape, rows)).collect()
    }

    /// Reads what is missing of these rows; `change` gets each row's index and the row.
    async fn read(
        &self,
        file: &Safetensors,
        source: &dyn Source,
        wanted: impl Iterator<Item = u32>,
        mut change: impl FnMut(usize, &mut [f32]),
        meter: &mut Meter<'_>,
    ) -> Result<()> {
        for rows in self.missing(wanted) {
            let take = |first: usize, mut values: Vec<f32>| {
                for (i, row) in (first..).zip(values.chunks_exact_mut(self.shape[1])) {
                    change(i, row);
                    self.known.borrow_mut().insert(i as u32, row.to_vec());
                }
            };
            file.read_pieces(source, &self.name, &self.shape, rows, meter, take).await?;
        }
        Ok(())
    }

    /// These rows, one after the other. They must have been [read](Self::read).
    fn get(&self, wanted: impl Iterator<Item = u32>) -> Vec<f32> {
        let known = self.known.borrow();
        wanted.flat_map(|row| known[&row].iter().copied()).collect()
    }
}

/// Reads a matrix onto the device piece by piece, as one tensor for each of `widths` columns;
/// `change` gets each row's index and the row.
async fn to_device<const N: usize>(
    file: &Safetensors,
    source: &dyn Source,
    tensor: &str,
    (rows, widths): (usize, [usize; N]),
    mut change: impl FnMut(usize, &mut [f32]),
    device: &Device,
    meter: &mut Meter<'_>,
) -> Result<[Tensor<2>; N]> {
    let columns = widths.iter().sum();
    let mut uploads = None;
    let take = |first: usize, mut values: Vec<f32>| {
        // Room is made when something has come: a file may promise more than there is.
        let uploads =
            uploads.get_or_insert_with(|| widths.map(|width| Upload::new([rows, width], device)));
        for (row, i) in values.chunks_exact_mut(columns).zip(first..) {
            change(i, row);
        }
        if let [upload] = &mut uploads[..] {
            return upload.push(values);
        }
        let mut start = 0;
        for (upload, width) in uploads.iter_mut().zip(widths) {
            let rows = values.chunks_exact(columns);
            upload.push(rows.flat_map(|row| &row[start..start + width]).copied().collect());
            start += width;
        }
    };
    file.read_pieces(source, tensor, &[rows, columns], 0..rows, meter, take).await?;
    Ok(uploads.expect("a tensor has rows").map(Upload::finish))
}
