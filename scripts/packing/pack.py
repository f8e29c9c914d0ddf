"""Finds what is asked for, checks it, and writes the folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .configs import Gpt2Config, read_tokenizer
from .outside import MAX_CONFIG_BYTES, Refused, read_bytes, read_table
from .places import Place
from .saes import CONFIG, WEIGHTS, Candidate, Sae, choose, find
from .tensors import Error, Stored, open_file, picked, write_file

MODEL = "model.safetensors"


@dataclass(frozen=True)
class Model:
    """A model of which all is checked but the values. `small`: its other files, by name."""

    config: Gpt2Config
    small: dict[str, bytes]
    tensors: dict[str, Stored]
    left_out: list[str]
    bytes: int


@dataclass(frozen=True)
class Written:
    """A file of the pack; `before`: bytes of what it was made from, 0 where that is no file of its own.
    `errors`: of its tensors, by name."""

    name: str
    before: int
    after: int
    errors: dict[str, Error] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def pack(
    model: Path,
    saes: Sequence[Path],
    out: Path,
    places: Sequence[Place] | None = None,
    dtype: str = "F16",
    tell: Callable[[Written], None] = lambda written: None,
) -> list[Place]:
    """Writes `out/model` and `out/saes/HOOK_NAME` in the hub's layout.

    Args:
        model: a folder with `config.json`, `model.safetensors`, `tokenizer.json`.
        saes: what `saes.find` takes.
        out: does not exist yet, or is empty.
        places: those to pack, by the names that their folders get; None for all.
        dtype: of all matrices, F16 or F32.
        tell: hears of each file when it is written.

    Returns:
        The places, in the order of computation.

    Raises:
        Refused: something cannot be packed. `out` is then as it was.
        TorchMissing: an SAE is pickled, and torch not installed.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise Refused(f"{out} is there already and is not an empty folder")
    if not out.absolute().parent.is_dir():
        raise Refused(f"the folder {out.absolute().parent} does not exist")
    opened = open_model(model)
    chosen = _choose([candidate for path in saes for candidate in find(path)], places, opened.config)
    for place in chosen:
        if not place.is_within(opened.config.n_layer):
            raise Refused(f"{place} is not in a model of {opened.config.n_layer} blocks")
    # A pickled file is read whole to be checked, so that it is not kept until it is written.
    for candidate in chosen.values():
        _open_sae(candidate, opened.config)

    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.absolute().parent))
    try:
        _write_model(opened, beside / "model", dtype, tell)
        for place, candidate in chosen.items():
            sae = _open_sae(candidate, opened.config)
            _write_sae(sae, beside / "saes", str(place), dtype, tell)
        # Made for its owner alone; a server reads it as another.
        umask = os.umask(0)
        os.umask(umask)
        beside.chmod(0o777 & ~umask)
        beside.replace(out)
    except BaseException:
        shutil.rmtree(beside)
        raise
    return list(chosen)


def open_model(folder: Path) -> Model:
    """
    Raises:
        Refused: the runtime would not compute it, or a file is not as it says.
    """
    file = folder / "config.json"
    config = Gpt2Config.read(file, read_table(file))
    small = {
        "config.json": read_bytes(file, MAX_CONFIG_BYTES),
        "tokenizer.json": read_tokenizer(folder / "tokenizer.json", config.vocab_size),
    }
    more = folder / "tokenizer_config.json"
    if more.exists():
        read_table(more)
        small[more.name] = read_bytes(more, MAX_CONFIG_BYTES)
    weights = folder / MODEL
    found = open_file(weights)
    prefix = "transformer." if "transformer.wte.weight" in found else ""
    wanted = picked(weights, found, {prefix + name: shape for name, shape in config.tensors().items()})
    return Model(
        config,
        small,
        {name.removeprefix(prefix): tensor for name, tensor in wanted.items()},
        sorted(set(found) - set(wanted)),
        weights.stat().st_size,
    )


def _choose(
    candidates: list[Candidate], places: Sequence[Place] | None, config: Gpt2Config
) -> dict[Place, Candidate]:
    """The SAE of each place, in the order of computation."""
    asked = [candidate.place for candidate in candidates] if places is None else places
    chosen: dict[Place, Candidate] = {}
    for place in sorted(asked, key=lambda place: place.order):
        if not any(place.is_same(other) for other in chosen):
            chosen[place] = choose(candidates, place, by_name=places is not None)
    return chosen


def _open_sae(candidate: Candidate, config: Gpt2Config) -> Sae:
    sae = candidate.open()
    if sae.config.d_in != config.d_model:
        raise Refused(
            f"{candidate.path}: its d_in is {sae.config.d_in} but the model's n_embd is {config.d_model}"
        )
    return sae


def _write_model(model: Model, folder: Path, dtype: str, tell: Callable[[Written], None]) -> None:
    folder.mkdir()
    for name, content in model.small.items():
        (folder / name).write_bytes(content)
        tell(Written(f"model/{name}", len(content), len(content)))
    errors = write_file(folder / MODEL, model.tensors, dtype)
    after = (folder / MODEL).stat().st_size
    tell(Written(f"model/{MODEL}", model.bytes, after, errors, model.left_out))


def _write_sae(sae: Sae, saes: Path, name: str, dtype: str, tell: Callable[[Written], None]) -> None:
    folder = saes / name
    folder.mkdir(parents=True)
    content = json.dumps(sae.config.fields, indent=2, allow_nan=False).encode() + b"\n"
    (folder / CONFIG).write_bytes(content)
    tell(Written(f"saes/{name}/{CONFIG}", sae.bytes[0], len(content)))
    errors = write_file(folder / WEIGHTS, sae.tensors, dtype)
    after = (folder / WEIGHTS).stat().st_size
    tell(Written(f"saes/{name}/{WEIGHTS}", sae.bytes[1], after, errors, sae.left_out))
