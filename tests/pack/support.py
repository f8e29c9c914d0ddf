"""What the tests of scripts/packing share: fixtures, files, a pack in a temporary folder."""

from __future__ import annotations

import json
import shutil
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from packing.outside import Refused
from packing.pack import Written, pack
from packing.places import Place

PROJECT = Path(__file__).resolve().parents[2]
FIXTURES = PROJECT / "tests/fixtures"
DEMO = PROJECT / "www/models/demo"
MODEL = "model/model.safetensors"
WEIGHTS = "sae_weights.safetensors"

Tensors = dict[str, np.ndarray]


class InFolder(unittest.TestCase):
    """Each test has an empty `folder`, and packs into `out` in it."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.out = self.folder / "out"

    def copy(self, fixture: str = "places") -> Path:
        """A fixture's model and SAEs, to be changed."""
        copied = self.folder / fixture
        for name in ("model", "saes"):
            shutil.copytree(FIXTURES / fixture / name, copied / name)
        if (FIXTURES / fixture / "saes.json").exists():
            shutil.copy(FIXTURES / fixture / "saes.json", copied)
        return copied

    def pack(self, model: Path, saes: Path | list[Path], places: str = "", dtype: str = "F16") -> list[Written]:
        written: list[Written] = []
        asked = [Place.parse(name) for name in places.split(",")] if places else None
        pack(model, saes if isinstance(saes, list) else [saes], self.out, asked, dtype, written.append)
        return written

    def assert_refused(self, words: str, call: Callable[[], object]) -> None:
        """The sentence holds these words, and nothing is left behind, where something was begun, too."""
        before = sorted(self.folder.iterdir())
        with self.assertRaises(Refused) as caught:
            call()
        self.assertIn(words, str(caught.exception))
        self.assertLess(len(str(caught.exception)), 1000)
        self.assertEqual(sorted(self.folder.iterdir()), before)


def read_header(path: Path) -> dict:
    with path.open("rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))


def write_raw(path: Path, header: object, data: bytes) -> None:
    """A safetensors file of whatever header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def change_json(path: Path, **fields: object) -> None:
    """Sets fields; `...` takes one away."""
    table = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({key: value for key, value in table.items() if value is not ...}))


def change_tensors(path: Path, change: Callable[[Tensors], object]) -> None:
    tensors = {name: tensor.copy() for name, tensor in load_file(path).items()}
    change(tensors)
    save_file(tensors, path)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
