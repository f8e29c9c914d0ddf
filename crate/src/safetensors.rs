//! Tensors out of a `safetensors` file, read by range and checked.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result, short};
use crate::sizes::{MAX_HEADER_BYTES, MAX_TENSOR_BYTES, Sizes};
use crate::source::{Part, Source};
use crate::watch::Meter;

/// A safetensors file of which the header has been read and checked.
pub struct Safetensors {
    file: String,
    /// As the header describes it.
    file_len: u64,
    data_start: u64,
    tensors: HashMap<String, Tensor>,
    /// Bytes that are read at once.
    piece: usize,
}

/// A tensor as the header describes it. Numbers of files are u64: wasm's `usize` has 32 bits.
#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    /// From the end of the header.
    data_offsets: [u64; 2],
}

impl Tensor {
    /// Bytes in the file, if its shape and type are possible.
    fn bytes(&self) -> Option<u64> {
        let elements = self.shape.iter().try_fold(1u64, |n, &side| n.checked_mul(side))?;
        let bits = elements.checked_mul(bits(&self.dtype)?)?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}

/// The types that are computed with.
#[derive(Clone, Copy)]
enum Dtype {
    F32,
    F16,
    Bf16,
}

impl Dtype {
    fn named(name: &str) -> Option<Self> {
        match name {
            "F32" => Some(Self::F32),
            "F16" => Some(Self::F16),
            "BF16" => Some(Self::Bf16),
            _ => None,
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// Bits of an element of every type of the format (`safetensors` 0.8).
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ"
        | "F8_E5M2FNUZ" => 8,
        "U16" | "I16" | "F16" | "BF16" => 16,
        "U32" | "I32" | "F32" => 32,
        "U64" | "I64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

impl Safetensors {
    /// Reads and checks the header of `file`.
    ///
    /// # Errors
    /// `safetensors-invalid` for a file that is too short, has an impossible header, offsets that
    /// overlap, leave holes or disagree with the shapes, or is shorter or longer than its header
    /// says; the source's errors otherwise.
    pub async fn open(source: &dyn Source, file: &str, sizes: &Sizes) -> Result<Self> {
        let invalid = |cause: String| Error::SafetensorsInvalid { file: file.into(), cause };
        let first = source.read(file, 0..sizes.header.max(8)).await?;
        let Some(length) = first.bytes.first_chunk::<8>() else {
            return Err(invalid(format!("it has only {} bytes", first.bytes.len())));
        };
        let length = u64::from_le_bytes(*length);
        let file_len = first.file_len.unwrap_or(u64::MAX);
        if length > MAX_HEADER_BYTES || 8 + length > file_len {
            return Err(invalid(format!("its header claims to be {length} bytes long")));
        }
        let data_start = 8 + length;
        let mut header = first.bytes;
        if (header.len() as u64) < data_start {
            let rest = source.read(file, header.len() as u64..data_start).await?;
            if rest.file_len.is_some_and(|now| first.file_len.is_some_and(|then| then != now)) {
                return Err(Error::FileChanged { file: file.into() });
            }
            header.extend(rest.bytes);
        }
        let header = header
            .get(8..data_start as usize)
            .ok_or_else(|| invalid("its header is cut short".into()))?;
        let tensors = tensors(header).map_err(&invalid)?;
        let data_len = tensors.values().map(|tensor| tensor.data_offsets[1]).max().unwrap_or(0);
        let described = data_len.checked_add(data_start).filter(|&n| n < 1 << 53);
        let described = described.ok_or_else(|| invalid("its header describes no file".into()))?;
        if let Some(file_len) = first.file_len
            && file_len != described
        {
            return Err(invalid(format!(
                "it has {file_len} bytes but its header describes {described}"
            )));
        }
        let piece = sizes.piece;
        Ok(Self { file: file.into(), file_len: described, data_start, tensors, piece })
    }

    /// Name of the file, for errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether the file has such a tensor.
    pub fn contains(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    /// A tensor of this shape: where its data start, and its type.
    fn checked(&self, name: &str, shape: &[usize]) -> Result<(u64, Dtype)> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| Error::TensorMissing { file: self.file.clone(), tensor: name.into() })?;
        let dtype = Dtype::named(&tensor.dtype).ok_or_else(|| Error::TensorDtype {
            file: self.file.clone(),
            tensor: name.into(),
            dtype: tensor.dtype.clone(),
        })?;
        if !tensor.shape.iter().copied().eq(shape.iter().map(|&side| side as u64)) {
            return Err(Error::TensorShape {
                file: self.file.clone(),
                tensor: name.into(),
                expected: shape.to_vec(),
                actual: tensor.shape.iter().copied().take(8).collect(),
            });
        }
        Ok((self.data_start + tensor.data_offsets[0], dtype))
    }

    /// Where rows (along the first axis) of a tensor of the given shape are.
    ///
    /// # Errors
    /// `tensor-missing`, `tensor-shape`, `tensor-dtype`; `tensor-too-large` for more rows than can be
    /// computed with.
    pub fn part(&self, tensor: &str, shape: &[usize], rows: Range<usize>) -> Result<Part> {
        let (start, dtype) = self.checked(tensor, shape)?;
        // The header's check bounds a whole tensor's bytes, so that no product is beyond u64.
        let row = row_len(shape);
        let bytes = 4 * row * rows.len() as u64;
        if bytes > MAX_TENSOR_BYTES {
            let (file, tensor) = (self.file.clone(), tensor.into());
            return Err(Error::TensorTooLarge { file, tensor, bytes, limit: MAX_TENSOR_BYTES });
        }
        let at = |i: usize| start + i as u64 * row * dtype.bytes();
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
        // Refused where that is too much.
        self.part(tensor, shape, rows.clone())?;
        let all = rows.len() * row_len(shape) as usize;
        let mut values = Vec::new();
        let take = |_, piece: Vec<f32>| {
            // Room is made when something has come: a file may promise more than there is.
            values.reserve_exact(all - values.len());
            values.extend(piece);
        };
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
        let (_, dtype) = self.checked(tensor, shape)?;
        // The whole first: it bounds every piece.
        self.part(tensor, shape, rows.clone())?;
        let row = row_len(shape) as usize;
        let step = (self.piece / (row * dtype.bytes() as usize).max(1)).max(1);
        for first in rows.clone().step_by(step) {
            let end = rows.end.min(first.saturating_add(step));
            let Part { range, .. } = self.part(tensor, shape, first..end)?;
            let values = self.decoded(source, dtype, range.clone()).await?;
            if let Some(index) = first_not_finite(&values) {
                return Err(Error::TensorNotFinite {
                    file: self.file.clone(),
                    tensor: tensor.into(),
                    index: (first * row + index) as u64,
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
        let mut values = vec![0f32; len / dtype.bytes() as usize];
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
            Dtype::Bf16 => {
                let mut halves = vec![bf16::ZERO; values.len()];
                let bytes = bytemuck::cast_slice_mut(halves.reinterpret_cast_mut());
                self.fill(source, range.start, bytes).await?;
                halves.convert_to_f32_slice(&mut values);
            }
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
fn row_len(shape: &[usize]) -> u64 {
    shape.iter().skip(1).map(|&side| side as u64).product()
}

/// What a header describes, by name.
struct Header(HashMap<String, Tensor>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Header, A::Error> {
                let mut tensors = HashMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else if tensors.insert(name, map.next_value()?).is_some() {
                        return Err(A::Error::custom("a tensor is described twice"));
                    }
                }
                Ok(Header(tensors))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// The tensors that a header describes, which fill the data without holes.
fn tensors(header: &[u8]) -> std::result::Result<HashMap<String, Tensor>, String> {
    let Header(found) =
        serde_json::from_slice(header).map_err(|error| format!("header: {}", short(error)))?;
    let mut ranges: Vec<_> =
        found.iter().map(|(name, tensor)| (tensor.data_offsets, name)).collect();
    ranges.sort_unstable();
    let mut end = 0;
    for ([from, to], name) in ranges {
        let length = found[name].bytes().ok_or_else(|| {
            format!("tensor {} has an unknown type or an impossible shape", short(name))
        })?;
        if from != end || from.checked_add(length) != Some(to) {
            return Err(format!("tensor {} does not lie behind the one before", short(name)));
        }
        end = to;
    }
    Ok(found)
}

/// Index of the first value that is NaN or infinite.
pub fn first_not_finite(values: &[f32]) -> Option<usize> {
    // A maximum over all is vectorised, a search that may end early is not.
    let size = |value: &f32| value.to_bits() & !(1 << 31);
    let largest = values.iter().map(size).fold(0, u32::max);
    match largest < f32::INFINITY.to_bits() {
        true => None,
        false => values.iter().position(|value| !value.is_finite()),
    }
}
