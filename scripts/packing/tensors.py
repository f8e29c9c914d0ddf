"""Safetensors: checked when read (crate/src/safetensors.rs), narrowed and measured when written.

A tensor passes in pieces, as float32, so that no file is ever held whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from .outside import Refused, parse_json, short

# As in crate/src/sizes.rs.
MAX_HEADER_BYTES = 4 << 20
MAX_TENSOR_BYTES = 1 << 30
# Values that are read at once.
PIECE = 4 << 20

# Bits of an element of every type of the format.
BITS = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys("BOOL U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ".split(), 8),
    **dict.fromkeys("U16 I16 F16 BF16".split(), 16),
    **dict.fromkeys("U32 I32 F32".split(), 32),
    **dict.fromkeys("U64 I64 F64 C64".split(), 64),
}
# Those that are computed with. BF16 is the upper half of F32.
NUMPY = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
F16_MAX = 65504.0


class Stored(Protocol):
    """A tensor that can be read."""

    @property
    def dtype(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def pieces(self) -> Iterator[np.ndarray]:
        """Its values in order, some at a time: `[n]` float32. May be called again."""
        ...


@dataclass(frozen=True)
class InFile:
    """A tensor of a safetensors file. `start` is from the beginning of the file, in bytes."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int

    def pieces(self) -> Iterator[np.ndarray]:
        """
        Raises:
            Refused: the file has become shorter.
        """
        kind = NUMPY[self.dtype]
        left = math.prod(self.shape)
        with self.file.open("rb") as file:
            file.seek(self.start)
            while left > 0:
                n = min(left, PIECE)
                read = file.read(n * kind.itemsize)
                if len(read) != n * kind.itemsize:
                    raise Refused(f"{self.file} became shorter while it was read")
                values = np.frombuffer(read, kind)
                if self.dtype == "BF16":
                    values = (values.astype(np.uint32) << 16).view(np.float32)
                yield values.astype(np.float32, copy=False)
                left -= n


def _tensor(file: Path, name: str, entry: object, data_start: int) -> tuple[int, int, InFile]:
    """Where a tensor begins and ends in the data, and the tensor."""

    def is_whole(value: object) -> bool:
        return type(value) is int and 0 <= value < 1 << 53

    bad = Refused(f"{file}: the header's entry of tensor “{short(name)}” is impossible")
    if not isinstance(entry, dict):
        raise bad
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not (isinstance(dtype, str) and dtype in BITS):
        raise bad
    if not (isinstance(shape, list) and len(shape) <= 64 and all(map(is_whole, shape))):
        raise bad
    if not (isinstance(offsets, list) and len(offsets) == 2 and all(map(is_whole, offsets))):
        raise bad
    bits = math.prod(shape) * BITS[dtype]
    if bits % 8 or offsets[1] - offsets[0] != bits // 8:
        raise bad
    return offsets[0], offsets[1], InFile(file, dtype, tuple(shape), data_start + offsets[0])


def open_file(path: Path) -> dict[str, InFile]:
    """The tensors that a file's header describes, by name.

    Raises:
        Refused: it is no safetensors file; its tensors overlap, leave holes or disagree with their
            shapes; it is shorter or longer than its header says.
    """
    if not path.is_file():
        raise Refused(f"{path} is not there, or no file")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER_BYTES, size - 8):
            raise Refused(f"{path} is no safetensors file: its header would have {length} bytes")
        header = parse_json(path, file.read(length))
    if not isinstance(header, dict):
        raise Refused(f"{path}: its header is no JSON object")
    header.pop("__metadata__", None)
    found = {name: _tensor(path, name, entry, 8 + length) for name, entry in header.items()}
    end = 0
    for name, (start, stop, _) in sorted(found.items(), key=lambda item: item[1][:2]):
        if start != end:
            raise Refused(f"{path}: tensor “{short(name)}” does not lie behind the one before")
        end = stop
    if 8 + length + end != size:
        raise Refused(f"{path} has {size:,} bytes but its header describes {8 + length + end:,}")
    return {name: tensor for name, (_, _, tensor) in found.items()}


def picked(
    file: Path | str, tensors: Mapping[str, Stored], wanted: Mapping[str, tuple[int, ...]]
) -> dict[str, Stored]:
    """Those of a file's tensors that are wanted, each with its shape.

    Raises:
        Refused: one is missing, has another shape, a type that is not computed with, or is too large.
    """
    found = {}
    for name, shape in wanted.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise Refused(f"{file} has no tensor {name}")
        if tensor.shape != shape:
            raise Refused(f"{file}: {name} is {short(list(tensor.shape))}, not {list(shape)}")
        if tensor.dtype not in NUMPY:
            raise Refused(f"{file}: {name} is {short(tensor.dtype)}; F32, F16 and BF16 are read")
        if 4 * math.prod(shape) > MAX_TENSOR_BYTES:
            raise Refused(f"{file}: {name} has more than {MAX_TENSOR_BYTES:,} bytes as F32")
        found[name] = tensor
    return found


@dataclass
class Error:
    """What narrowing did to a tensor, or to several: add them up."""

    largest_value: float = 0.0
    largest_error: float = 0.0
    # Sums of squares.
    values: float = 0.0
    errors: float = 0.0

    @property
    def relative(self) -> float:
        """The largest error, of the largest value."""
        return self.largest_error / self.largest_value if self.largest_value else 0.0

    @property
    def norm(self) -> float:
        """The error's norm, of the norm of all values."""
        return math.sqrt(self.errors / self.values) if self.values else 0.0

    def add(self, before: np.ndarray, after: np.ndarray) -> None:
        if not len(before):
            return
        exact = before.astype(np.float64)
        error = np.abs(exact - after)
        self.largest_value = max(self.largest_value, float(np.abs(before).max()))
        self.largest_error = max(self.largest_error, float(error.max()))
        self.values += float(exact @ exact)
        self.errors += float(error @ error)


def _checked(name: str, values: np.ndarray, first: int, dtype: str) -> None:
    """
    Raises:
        Refused: a value is not finite, or too large for F16. `first` is the index of the first.
    """
    most = F16_MAX if dtype == "F16" else float(np.finfo(np.float32).max)
    # A comparison with NaN is false.
    bad = np.flatnonzero(~(np.abs(values) <= most))
    if not len(bad):
        return
    value, at = float(values[bad[0]]), f"value {first + int(bad[0])} of {name}"
    if not math.isfinite(value):
        raise Refused(f"{at} is {value}: no number that can be computed with")
    raise Refused(
        f"{at} is {value:g}, and F16 ends at {F16_MAX:g}: pack with --dtype f32, which keeps all values"
    )


def write_file(path: Path, tensors: Mapping[str, Stored], dtype: str) -> dict[str, Error]:
    """Writes tensors in the order of their names: what is read together lies together. Matrices are
    rounded to the nearest of `dtype`, F16 or F32. Vectors are F32: they are a thousandth of the bytes, and
    as F16 would put three times the matrices' error into what decides which latents are active.

    Returns:
        By name, what that did to each.

    Raises:
        Refused: a value is not finite or too large for the type.
    """
    kinds = {name: dtype if len(tensor.shape) > 1 else "F32" for name, tensor in tensors.items()}
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in sorted(tensors):
        shape, kind = tensors[name].shape, kinds[name]
        start, end = end, end + math.prod(shape) * NUMPY[kind].itemsize
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        return {name: _write(file, name, tensors[name], kinds[name]) for name in sorted(tensors)}


def _write(file: BinaryIO, name: str, tensor: Stored, dtype: str) -> Error:
    error, written = Error(), 0
    for values in tensor.pieces():
        _checked(name, values, written, dtype)
        narrowed = values.astype(NUMPY[dtype])
        file.write(narrowed.tobytes())
        error.add(values, narrowed.astype(np.float32))
        written += len(values)
    return error
