"""Releases that are pickled, into the form of the others.

Two are read. Neither was at hand when this was written: both are as public code writes and reads them, and the
tests make files of their form.

`hook-z-kk` (ckkissane/attn-saes-gpt2-small-all-layers): `NAME.pt`, a state dict of `W_enc [act_size, dict_size]`,
`W_dec`, `b_enc`, `b_dec`, and beside it `NAME_cfg.json` with `act_name`, `act_size`, `dict_size`. A standard SAE
that subtracts `b_dec` (SAELens' loader `connor_rob_hook_z`).

The original transcoders (pchlenski/gpt2-transcoders, written by jacobdunefsky/transcoder_circuits):
`…_HOOK_24576.pt`, `{"cfg": an instance of sae_training.config.LanguageModelSAERunnerConfig, "state_dict": …}` with
`W_enc`, `W_dec`, `b_enc`, `b_dec`, `b_dec_out`: relu((x − b_dec) W_enc + b_enc) W_dec + b_dec_out from `hook_point`
to `out_hook_point`. Their cfg.json says `use_b_dec_out`, which sae_lens 6 does not know: it is for the runtime here.

What is pickled can run code. It is read by `torch.load(weights_only=True)`, from files in torch's zip format alone
(older formats went round that rule in torch before 2.6), and the one class that is named there is taken for an
empty one of ours.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .outside import Refused, Table, read_table, short
from .places import Place
from .tensors import PIECE, Stored

if TYPE_CHECKING:
    import torch

MAX_BYTES = 4 << 30


class TorchMissing(Exception):
    """torch is needed, and not installed."""


def place_of(path: Path) -> Place:
    """Where a pickled SAE reads, by what stands beside it or by its name: it is not opened.

    Raises:
        Refused: it is neither of the releases that are read.
    """
    if (config := _config_beside(path)).is_file():
        return _hook_z(config).place
    match = re.search(r"_(blocks\.[0-9]+\.ln2\.hook_normalized)_[0-9]+\.pt$", path.name)
    if match is None:
        raise Refused(
            f"{path} is no pickled SAE that is known: there is no {config.name} beside it, and it is not"
            " called ….ln2.hook_normalized_24576.pt"
        )
    return Place.parse(match[1])


def read(path: Path) -> tuple[dict[str, Any], dict[str, Stored]]:
    """The `cfg.json` that it would have in sae_lens 6, and its tensors.

    Raises:
        Refused: it is not what its name says.
        TorchMissing
    """
    found = _load(path)
    if (config := _config_beside(path)).is_file():
        return _hook_z(config).fields, _tensors(path, found)
    if not isinstance(found, dict) or not {"cfg", "state_dict"} <= found.keys():
        raise Refused(f"{path} is no transcoder: it does not hold cfg and state_dict")
    fields = _transcoder(path, found["cfg"])
    if Table(path, fields["metadata"]).text("hook_name") != str(place_of(path)):
        raise Refused(f"{path} is for another place than its name says")
    return fields, _tensors(path, found["state_dict"])


def sizes(path: Path) -> tuple[int, int]:
    """Bytes of its configuration, if that is a file of its own, and of its weights."""
    config = _config_beside(path)
    return config.stat().st_size if config.is_file() else 0, path.stat().st_size


def _config_beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}_cfg.json")


# --------------------------------------------------------------------------------- forms


@dataclass(frozen=True)
class _Form:
    place: Place
    fields: dict[str, Any]


def _cfg(d_in: int | None, d_sae: int | None, metadata: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A `cfg.json` of sae_lens 6, of a standard SAE that subtracts `b_dec`."""
    return {
        "architecture": "standard",
        "d_in": d_in,
        "d_sae": d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        **more,
        "metadata": {key: value for key, value in metadata.items() if value is not None},
    }


def _hook_z(file: Path) -> _Form:
    config = Table(file, read_table(file))
    name = config.text("act_name")
    if name is None or (place := Place.parse(name)).site != "attn.hook_z":
        raise config.refused("act_name is no hook_z: other SAEs of this form are not known")
    metadata = {"model_name": config.text("model_name"), "hook_name": name, "prepend_bos": True, "context_size": 128}
    d_in, d_sae = config.whole("act_size"), config.whole("dict_size")
    return _Form(place, _cfg(d_in, d_sae, metadata, reshape_activations="hook_z"))


def _transcoder(file: Path, cfg: object) -> dict[str, Any]:
    config = Table(file, {str(key): value for key, value in vars(cfg).items()} if type(cfg) is _STUB else {})
    if config.flag("is_transcoder") is not True:
        raise config.refused("its cfg does not say that it is a transcoder")
    if config.whole("hook_point_head_index") is not None:
        raise config.refused("SAEs of single attention heads are not supported")
    name, out = config.text("hook_point"), config.text("out_hook_point")
    if name is None or out is None:
        raise config.refused("its cfg lacks hook_point or out_hook_point")
    d_in, d_out = config.whole("d_in"), config.whole("d_out")
    if d_out not in (None, d_in):
        raise config.refused("d_out is not d_in")
    metadata = {
        "model_name": config.text("model_name"),
        "hook_name": str(Place.parse(name)),
        "hook_name_out": str(Place.parse(out)),
        "context_size": config.whole("context_size"),
    }
    return _cfg(d_in, config.whole("d_sae"), metadata, use_b_dec_out=True)


# --------------------------------------------------------------------------------- torch


# Stands for the class of a transcoder's cfg: it takes its fields and does nothing.
_STUB = type("LanguageModelSAERunnerConfig", (), {"__module__": "sae_training.config"})


def _load(path: Path) -> object:
    """
    Raises:
        Refused: it is not in torch's zip format, or holds more than tensors and plain values.
        TorchMissing
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise TorchMissing from None
    if path.stat().st_size > MAX_BYTES:
        raise Refused(f"{path} has more than {MAX_BYTES:,} bytes")
    try:
        with path.open("rb") as file:
            starts = file.read(4) == b"PK\x03\x04"
        records = zipfile.ZipFile(path).infolist() if starts else []
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise Refused(f"{path} is broken: {short(error)}") from None
    names = {Path(record.filename).name for record in records}
    # torch stores, it does not compress; a file that would swell is none of its own.
    if "data.pkl" not in names or any(record.compress_type for record in records):
        raise Refused(f"{path} is not in the format that torch.save writes since 1.6")
    if "constants.pkl" in names:
        raise Refused(f"{path} is a program (TorchScript), no state dict")
    try:
        with torch.serialization.safe_globals([_STUB]):
            return torch.load(path, map_location="cpu", weights_only=True)
    # Whatever a broken file makes it raise.
    except Exception as error:
        raise Refused(f"{path} holds more than tensors and plain values, or is broken: {short(error, 300)}") from None


def _tensors(path: Path, found: object) -> dict[str, Stored]:
    import torch

    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise Refused(f"{path} holds no tensors by name")
    tensors: dict[str, Stored] = {}
    for name, value in found.items():
        if isinstance(value, torch.nn.Parameter):
            value = value.data
        if type(value) is not torch.Tensor or value.layout != torch.strided or value.device.type != "cpu":
            raise Refused(f"{path}: {short(name)} is no tensor that can be read")
        tensors[name] = InMemory(value.detach())
    return tensors


@dataclass(frozen=True)
class InMemory:
    """A tensor of torch."""

    tensor: torch.Tensor

    @property
    def dtype(self) -> str:
        name = str(self.tensor.dtype)
        return {"torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16"}.get(name, name)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    def pieces(self) -> Iterator[np.ndarray]:
        flat = self.tensor.reshape(-1)
        for first in range(0, len(flat), PIECE):
            yield flat[first : first + PIECE].float().numpy()
