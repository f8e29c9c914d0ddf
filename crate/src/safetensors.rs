//! Tensors out of a `safetensors` file, read by range and checked.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::error::{Error, Result};
use crate::source::{Part, Source};
use crate::watch::Meter;

/// The first read of a file: holds the whole header of every file this crate knows.
const HEADER_GUESS: u64 = 64 << 10;
/// Headers beyond this are refused before they are fetched (the format's own limit is 100 MB).
const HEADER_LIMIT: u64 = 16 << 20;
/// Tensors are read in pieces of at most this many bytes, so that no file is held whole.
const PIECE: usize = 4 << 20;

/// A safetensors file of which the header has been read and checked.
pub struct Safetensors {
    file: String,
    /// As the header describes it.
    file_len: u64,
    data_start: u64,
    metadata: Metadata,
}

impl Safetensors {
    /// Reads and checks the header of `file`.
    ///
    /// # Errors
    /// `safetensors-invalid` for a file that is too short, has an impossible header, offsets that
    /// overlap, leave holes or disagree with the shapes, or is shorter or longer than its header
    /// says; the source's errors otherwise.
    pub async fn open(source: &dyn Source, file: &str) -> Result<Self> {
        let invalid = |cause: String| Error::SafetensorsInvalid { file: file.into(), cause };
        let first = source.read(file, Some(0..HEADER_GUESS)).await?;
        let Some(length) = first.bytes.first_chunk::<8>() else {
            return Err(invalid(format!("it has only {} bytes", first.bytes.len())));
        };
        let length = u64::from_le_bytes(*length);
        let file_len = first.file_len.unwrap_or(u64::MAX);
        if length > HEADER_LIMIT || 8 + length > file_len {
            return Err(invalid(format!("its header claims to be {length} bytes long")));
        }
        let data_start = 8 + length;
        let mut header = first.bytes;
        if (header.len() as u64) < data_start {
            let rest = source.read(file, Some(header.len() as u64..data_start)).await?;
            header.extend(rest.bytes);
        }
        let header = header
            .get(8..data_start as usize)
            .ok_or_else(|| invalid("its header is cut short".into()))?;
        let metadata: Metadata =
            serde_json::from_slice(header).map_err(|error| invalid(format!("header: {error}")))?;
        let described = data_start + metadata.data_len() as u64;
        if let Some(file_len) = first.file_len
            && file_len != described
        {
            return Err(invalid(format!(
                "it has {file_len} bytes but its header describes {described}"
            )));
        }
        Ok(Self { file: file.into(), file_len: described, data_start, metadata })
    }

    /// Name of the file, for errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether the file has such a tensor.
    pub fn contains(&self, tensor: &str) -> bool {
        self.metadata.info(tensor).is_some()
    }

    fn checked(&self, tensor: &str, shape: &[usize]) -> Result<&TensorInfo> {
        let info = self.metadata.info(tensor).ok_or_else(|| Error::TensorMissing {
            file: self.file.clone(),
            tensor: tensor.into(),
        })?;
        if !matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(Error::TensorDtype {
                file: self.file.clone(),
                tensor: tensor.into(),
                dtype: format!("{:?}", info.dtype),
            });
        }
        if info.shape != shape {
            return Err(Error::TensorShape {
                file: self.file.clone(),
                tensor: tensor.into(),
                expected: shape.to_vec(),
                actual: info.shape.clone(),
            });
        }
        Ok(info)
    }

    /// Where rows (along the first axis) of a tensor of the given shape are.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`.
    pub fn part(&self, tensor: &str, shape: &[usize], rows: Range<usize>) -> Result<Part> {
        let info = self.checked(tensor, shape)?;
        let row = row_len(shape) * info.dtype.bitsize() / 8;
        let start = self.data_start + info.data_offsets.0 as u64;
        let at = |i: usize| start + (i * row) as u64;
        Ok(Part { path: self.file.clone(), range: at(rows.start)..at(rows.end) })
    }

    /// Reads a whole tensor as f32.
    ///
    /// `meter` counts each piece as it arrives, and ends the reading when the reader cancels.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`, `tensor-not-finite`, those of the source,
    /// `cancelled`.
    pub async fn read(
        &self,
        source: &dyn Source,
        tensor: &str,
        shape: &[usize],
        meter: &mut Meter<'_>,
    ) -> Result<Vec<f32>> {
        let rows = shape.first().copied().unwrap_or(1);
        self.read_rows(source, tensor, shape, 0..rows, meter).await
    }

    /// Reads rows (along the first axis) of a tensor of the given shape as f32.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_rows(
        &self,
        source: &dyn Source,
        tensor: &str,
        shape: &[usize],
        rows: Range<usize>,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(rows.len() * row_len(shape));
        let take = |_, piece: Vec<f32>| values.extend(piece);
        self.read_pieces(source, tensor, shape, rows, meter, take).await?;
        Ok(values)
    }

    /// Reads rows (along the first axis) of a tensor of the given shape as f32, a few megabytes at a
    /// time: `take` gets the index of the first row of each piece, and the piece.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_pieces(
        &self,
        source: &dyn Source,
        tensor: &str,
        shape: &[usize],
        rows: Range<usize>,
        meter: &mut Meter<'_>,
        mut take: impl FnMut(usize, Vec<f32>),
    ) -> Result<()> {
        let dtype = self.checked(tensor, shape)?.dtype;
        let row = row_len(shape);
        let step = (PIECE / (row * dtype.bitsize() / 8).max(1)).max(1);
        for first in rows.clone().step_by(step) {
            let Part { range, .. } = self.part(tensor, shape, first..rows.end.min(first + step))?;
            let values = self.decoded(source, dtype, range.clone()).await?;
            if let Some(index) = first_not_finite(&values) {
                return Err(Error::TensorNotFinite {
                    file: self.file.clone(),
                    tensor: tensor.into(),
                    index: first * row + index,
                });
            }
            take(first, values);
            meter.add(range.end - range.start).await?;
        }
        Ok(())
    }

    async fn decoded(
        &self,
        source: &dyn Source,
        dtype: Dtype,
        range: Range<u64>,
    ) -> Result<Vec<f32>> {
        let len = (range.end - range.start) as usize;
        let mut values = vec![0f32; len / (dtype.bitsize() / 8)];
        match dtype {
            // The bytes land where they are used.
            Dtype::F32 => {
                self.fill(source, range.start, bytemuck::cast_slice_mut(&mut values)).await?;
            }
            Dtype::F16 => {
                let mut halves = vec![f16::ZERO; values.len()];
                let bytes = bytemuck::cast_slice_mut(halves.reinterpret_cast_mut());
                self.fill(source, range.start, bytes).await?;
                halves.convert_to_f32_slice(&mut values);
            }
            Dtype::BF16 => {
                let mut halves = vec![bf16::ZERO; values.len()];
                let bytes = bytemuck::cast_slice_mut(halves.reinterpret_cast_mut());
                self.fill(source, range.start, bytes).await?;
                halves.convert_to_f32_slice(&mut values);
            }
            other => unreachable!("{other:?} is refused before anything is read"),
        }
        Ok(values)
    }

    async fn fill(&self, source: &dyn Source, start: u64, into: &mut [u8]) -> Result<()> {
        let wanted = into.len();
        let (read, file_len) = source.fill(&self.file, start, into).await?;
        if file_len.is_some_and(|file_len| file_len != self.file_len) {
            return Err(Error::FileChanged { file: self.file.clone() });
        }
        if read != wanted {
            return Err(Error::FetchFailed {
                file: self.file.clone(),
                cause: format!("{read} bytes came where {wanted} were asked for"),
            });
        }
        Ok(())
    }
}

/// Elements of a row along the first axis.
fn row_len(shape: &[usize]) -> usize {
    shape.iter().skip(1).product()
}

fn first_not_finite(values: &[f32]) -> Option<usize> {
    // A maximum over all is vectorised, a search that may end early is not.
    let size = |value: &f32| value.to_bits() & !(1 << 31);
    let largest = values.iter().map(size).fold(0, u32::max);
    match largest < f32::INFINITY.to_bits() {
        true => None,
        false => values.iter().position(|value| !value.is_finite()),
    }
}
