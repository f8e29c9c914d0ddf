"""SAEs in folders, lists and files.

What may be given:

- a folder of SAEs: each in a folder of its own, whatever that is called, or a pickled file;
- the folder of one SAE, which holds `cfg.json` and `sae_weights.safetensors`;
- a pickled file (`pickled.py`);
- a list of SAEs, as the runtime takes it (`SaeAddress`) and `saes.json` of a fixture is: JSON
  `[{"address": FOLDER, "hook_name"?, "hook_name_out"?, "norm_scaling_factor"?, "name"?}, …]`. Addresses are
  relative to the list. With `hook_name` the address is that SAE's own, without it a folder of SAEs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import pickled
from .configs import SaeConfig, SaeHints, place_of
from .outside import MAX_CONFIG_BYTES, Refused, Table, parse_json, read_bytes, read_table
from .places import Place
from .tensors import Stored, open_file, picked

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"


@dataclass(frozen=True)
class Sae:
    """An SAE of which all is checked but the values."""

    config: SaeConfig
    tensors: dict[str, Stored]
    left_out: list[str]
    # Bytes of the files that it was read from: configuration, weights.
    bytes: tuple[int, int]


@dataclass(frozen=True)
class Candidate:
    """An SAE that may be asked for. `path`: its folder, or its pickled file."""

    place: Place
    path: Path
    hints: SaeHints

    def open(self) -> Sae:
        """
        Raises:
            Refused: the runtime would not compute it, or its file is not as it says.
        """
        found: dict[str, Stored]
        if self.path.is_dir():
            file, weights = self.path / CONFIG, self.path / WEIGHTS
            fields, found = read_table(file), dict(open_file(weights))
            size = (file.stat().st_size, weights.stat().st_size)
        else:
            file = weights = self.path
            fields, found = pickled.read(self.path)
            size = pickled.sizes(self.path)
        config = SaeConfig.read(file, fields, self.hints)
        wanted = picked(weights, found, config.tensors())
        return Sae(config, wanted, sorted(set(found) - set(wanted)), size)


def find(path: Path) -> list[Candidate]:
    """What a path of the command line holds.

    Raises:
        Refused: nothing, or what cannot be read.
    """
    if path.suffix == ".json" and path.is_file():
        return list(_listed(path))
    found = list(_at(path, SaeHints()))
    if not found:
        raise Refused(f"{path} holds no SAEs: neither {CONFIG} nor folders with one nor .pt files")
    return found


def choose(candidates: list[Candidate], place: Place, *, by_name: bool) -> Candidate:
    """The SAE of a place. `by_name`: of several, the one that stands under this of its names.

    Raises:
        Refused: none, or more than one.
    """
    here = [candidate for candidate in candidates if candidate.place.is_same(place)]
    named = [candidate for candidate in here if by_name and candidate.place == place]
    match named or here:
        case [one]:
            return one
        case []:
            there = ", ".join(sorted({str(candidate.place) for candidate in candidates}))
            raise Refused(f"there is no SAE at {place}; there are {there}")
        case several:
            paths = ", ".join(str(candidate.path) for candidate in several)
            raise Refused(f"there are several SAEs at {place}; give one of them: {paths}")


def _at(path: Path, hints: SaeHints) -> Iterator[Candidate]:
    """SAEs at a path: itself, or one level below."""
    if path.is_dir() and not (path / CONFIG).exists():
        for child in sorted(path.iterdir()):
            if (child / CONFIG).is_file() or (child.suffix == ".pt" and child.is_file()):
                yield from _at(child, hints)
    elif path.is_dir():
        place = place_of(path / CONFIG, read_table(path / CONFIG))
        _check_name(path, place)
        yield Candidate(place, path, hints)
    elif path.suffix == ".pt":
        yield Candidate(pickled.place_of(path), path, hints)
    else:
        raise Refused(f"{path} is no folder, no .pt file and no list of SAEs")


def _check_name(path: Path, place: Place) -> None:
    """A folder that is called by a place is for that place."""
    try:
        named = Place.parse(path.name)
    except Refused:
        return
    if not named.is_same(place):
        raise Refused(f"{path / CONFIG}: it is for {place} but stands under {named}")


def _listed(path: Path) -> Iterator[Candidate]:
    entries = parse_json(path, read_bytes(path, MAX_CONFIG_BYTES))
    if not isinstance(entries, list):
        raise Refused(f"{path} is no list of SAEs")
    taken: set[Place] = set()
    for entry in entries:
        for candidate in _entry(path, entry):
            # As the runtime does it: the first that matches.
            if candidate.place.canonical not in taken:
                taken.add(candidate.place.canonical)
                yield candidate


def _entry(path: Path, entry: Any) -> list[Candidate]:
    known = {"address", "hook_name", "hook_name_out", "norm_scaling_factor", "name"}
    if not isinstance(entry, dict) or not entry.keys() <= known:
        raise Refused(f"{path}: an entry is no object with {', '.join(sorted(known))}")
    fields = Table(path, entry)
    address, name, out = (fields.text(key) for key in ("address", "hook_name", "hook_name_out"))
    if address is None:
        raise Refused(f"{path}: an entry has no address")
    if "://" in address:
        raise Refused(f"{path}: {address} is not on this computer; fetch it and name its folder")
    hints = SaeHints(Place.parse(out) if out else None, fields.number("norm_scaling_factor"))
    found = list(_at(path.parent / address, hints))
    if name is None:
        return found
    match found:
        case [one] if one.place.is_same(Place.parse(name)):
            return found
        case _:
            raise Refused(f"{path}: {address} is not the SAE of {name}")
