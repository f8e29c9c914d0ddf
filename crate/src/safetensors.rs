//! Tensors out of a `safetensors` file, read by range and checked.

use std::ops::Range;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::error::{Error, Result};
use crate::source::{Chunk, Source};
use crate::watch::Meter;

/// The first read of a file: holds the whole header of every file this crate knows.
const HEADER_GUESS: u64 = 64 << 10;
/// Headers beyond this are refused before they are fetched (the format's own limit is 100 MB).
const HEADER_LIMIT: u64 = 16 << 20;
/// Tensors are read in pieces of at most this many bytes, so that no file is held whole.
const PIECE: u64 = 16 << 20;

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

    /// Size of a tensor in the file in bytes, 0 if it is not there.
    pub fn byte_len(&self, tensor: &str) -> u64 {
        self.metadata
            .info(tensor)
            .map_or(0, |info| (info.data_offsets.1 - info.data_offsets.0) as u64)
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
        let info = self.checked(tensor, shape)?;
        let row: usize = shape.iter().skip(1).product();
        let width = info.dtype.bitsize() / 8;
        let start = self.data_start + info.data_offsets.0 as u64;
        let mut at = start + (rows.start * row * width) as u64;
        let end = start + (rows.end * row * width) as u64;
        let mut values = Vec::with_capacity(rows.len() * row);
        while at < end {
            let piece = at..end.min(at + PIECE);
            let wanted = (piece.end - piece.start) as usize;
            let Chunk { bytes, file_len } = source.read(&self.file, Some(piece.clone())).await?;
            let failed = |cause| Error::FetchFailed { file: self.file.clone(), cause };
            if file_len.is_some_and(|file_len| file_len != self.file_len) {
                return Err(failed(
                    "it changed since its header was read; open the model again".into(),
                ));
            }
            if bytes.len() != wanted {
                return Err(failed(format!(
                    "{} bytes came where {wanted} were asked for",
                    bytes.len()
                )));
            }
            decode(info.dtype, &bytes, &mut values);
            at = piece.end;
            meter.add(wanted as u64).await?;
        }
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => Err(Error::TensorNotFinite {
                file: self.file.clone(),
                tensor: tensor.into(),
                index: rows.start * row + index,
            }),
        }
    }
}

fn decode(dtype: Dtype, bytes: &[u8], into: &mut Vec<f32>) {
    let two = |bytes: &[u8]| [bytes[0], bytes[1]];
    match dtype {
        Dtype::F16 => {
            into.extend(bytes.chunks_exact(2).map(|b| f16::from_le_bytes(two(b)).to_f32()));
        }
        Dtype::BF16 => {
            into.extend(bytes.chunks_exact(2).map(|b| bf16::from_le_bytes(two(b)).to_f32()));
        }
        Dtype::F32 => {
            into.extend(
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            );
        }
        other => unreachable!("{other:?} is refused before anything is read"),
    }
}
