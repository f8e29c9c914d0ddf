"""Files from outside, which nothing is believed of."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

# As in crate/src/sizes.rs.
MAX_CONFIG_BYTES = 1 << 20
MAX_TOKENIZER_BYTES = 16 << 20


class Refused(Exception):
    """What was given cannot be packed; the text is a sentence for whoever gave it."""


def short(text: object, most: int = 120) -> str:
    """Others' words in a sentence of ours: on one line, printable, not long."""
    plain = str(text).encode("unicode_escape").decode("ascii")
    return plain if len(plain) <= most else plain[:most] + "…"


def read_bytes(path: Path, most: int) -> bytes:
    """A whole small file.

    Raises:
        Refused: it is not there, not a file, or has more than `most` bytes.
    """
    if not path.is_file():
        raise Refused(f"{path} is not there, or no file")
    with path.open("rb") as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise Refused(f"{path} has more than {most:,} bytes")
    return found


def parse_json(path: Path | str, text: bytes) -> Any:
    """JSON as the runtime takes it: UTF-8, no key twice, all numbers finite. `path` names it in errors.

    Raises:
        Refused: it is not that.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("a key is there twice")
        return table

    def finite(number: str) -> float:
        value = float(number)
        if not math.isfinite(value):
            raise ValueError(f"{short(number)} is no finite number")
        return value

    try:
        found = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=unique,
            parse_float=finite,
            parse_constant=finite,
        )
        # Half a surrogate pair is no text.
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path} is not JSON as it should be: {short(error)}") from None
    return found


def read_table(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        Refused: as `read_bytes` and `parse_json`, and for JSON of another kind.
    """
    found = parse_json(path, read_bytes(path, MAX_CONFIG_BYTES))
    if not isinstance(found, dict):
        raise Refused(f"{path} holds no JSON object")
    return found


def first(*values: Any) -> Any:
    """The first that is given."""
    return next((value for value in values if value is not None), None)


class Table:
    """A JSON object of which fields are read by type."""

    def __init__(self, file: Path | str, fields: dict[str, Any]):
        self.file = file
        self.fields = fields

    def refused(self, cause: str) -> Refused:
        return Refused(f"{self.file}: {cause}")

    def _get(self, key: str, kinds: tuple[type, ...], words: str) -> Any:
        value = self.fields.get(key)
        # True is an int in Python.
        if value is not None and type(value) not in kinds:
            raise self.refused(f"{key} is {short(value)}, not {words}")
        return value

    def text(self, key: str) -> str | None:
        return self._get(key, (str,), "a text")

    def whole(self, key: str) -> int | None:
        value = self._get(key, (int,), "a whole number")
        if value is not None and value < 0:
            raise self.refused(f"{key} is negative")
        return value

    def number(self, key: str) -> float | None:
        value = self._get(key, (int, float), "a number")
        # Whole numbers have no end.
        if value is not None and abs(value) > 1e300:
            raise self.refused(f"{key} is too large")
        return None if value is None else float(value)

    def flag(self, key: str) -> bool | None:
        return self._get(key, (bool,), "true or false")

    def table(self, key: str) -> Table:
        return Table(self.file, self._get(key, (dict,), "an object") or {})

    def size(self, key: str, most: int, default: int | None = None) -> int:
        """A whole number from 1 to `most`."""
        found = self.whole(key)
        value = first(found, default)
        if value is None:
            raise self.refused(f"{key} is not given")
        if not 1 <= value <= most:
            raise self.refused(f"{key} is {short(value)}, not within 1 to {most}")
        return value
