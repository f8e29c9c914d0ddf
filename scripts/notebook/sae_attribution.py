"""A labelled matrix as a figure: in Jupyter, inline and without a network, and as a file for web pages.

    from sae_attribution import figure

    shown = figure(attributions, sources=["L0H0", "L0H1"], targets=["L1H0"], title="Heads")
    shown                       # the last line of a cell: the figure
    shown.save("heads.json")    # for <sae-attribution src="heads.json">

Matrices are [targets, sources]: lists, NumPy arrays or tensors, on any device, with or without a gradient. Numbers
become float32. www/figure/RESULT.md describes the file. The picture is drawn by dist/package/figure.js, which
`scripts/build --package` makes. Python 3.10 or later; nothing else is needed.
"""

from __future__ import annotations

import html
import json
import math
import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BUNDLE = Path(__file__).resolve().parents[2] / "dist" / "package" / "figure.js"
"""The package's figure as one file; another path may be set."""

MAX_NODES = 1_000_000
MAX_PAIRS = 16 * 2**20
MAX_POSITIONS = 65_536
MAX_TEXT = 65_536  # UTF-16 units

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data: blob:">
<style>html, body, main {{ block-size: 100%; margin: 0 }} html {{ color-scheme: light }}</style>
<title>{title}</title>
</head>
<body>
<main></main>
<script type="application/json">{data}</script>
<script type="module">
{bundle}
const main = document.querySelector('main');
try {{
  {draw}(main, {read}(document.querySelector('script[type="application/json"]').textContent));
}} catch (error) {{
  main.textContent = error.message;
}}
</script>
</body>
</html>"""


def figure(
    attributions: Any,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    title: str,
    gradients: Any = None,
    source_positions: Any = None,
    target_positions: Any = None,
    source_activations: Any = None,
    target_activations: Any = None,
    tokens: Sequence[str] | None = None,
) -> Figure:
    """A figure of a matrix [targets, sources], with a label for each column and row.

    `gradients` has the same shape. Positions are those of the nodes in a sequence, from 0; `tokens` are what is there.
    What is left out is not shown. Raises ValueError with a sentence for what cannot be shown.
    """
    if isinstance(tokens, str):
        raise ValueError("tokens is one text, not a list of texts")
    words = None if tokens is None else _texts(tokens, "tokens", MAX_POSITIONS)
    if words == []:
        raise ValueError("tokens is empty; leave it out if there are none")
    end = MAX_POSITIONS if words is None else len(words)
    sides = {}
    for name, labels, positions, activations in (
        ("source", sources, source_positions, source_activations),
        ("target", targets, target_positions, target_activations),
    ):
        if isinstance(labels, str):
            raise ValueError(f"{name}s is one text, not a list of labels")
        side: dict[str, Any] = {"label": _texts(labels, f"{name}s", MAX_NODES)}
        n = len(side["label"])
        if positions is not None:
            side["pos"] = _positions(positions, f"{name}_positions", n, end)
        if activations is not None:
            side["activation"] = _floats(_listed(activations, f"{name}_activations"), f"{name}_activations", n)
        _distinct(side, f"{name}s")
        sides[f"{name}s"] = side
    shape = (len(sides["targets"]["label"]), len(sides["sources"]["label"]))
    if shape[0] * shape[1] > MAX_PAIRS:
        raise ValueError(f"sources × targets are {shape[0] * shape[1]} pairs, more than {MAX_PAIRS}")
    result: dict[str, Any] = {"format_version": 2, "title": _text(title, "title"), **sides}
    if words is not None:
        result["tokens"] = {"string": words}
    result["attributions"] = _matrix(attributions, "attributions", shape)
    if gradients is not None:
        result["gradients"] = _matrix(gradients, "gradients", shape)
    return Figure(result)


class Figure:
    """What `figure` returns. Jupyter shows it."""

    def __init__(self, result: dict[str, Any], height: int = 520):
        self._result = result
        self.height = height
        """Of the picture in a notebook, in pixels."""

    def __repr__(self) -> str:
        sides = (len(self._result[side]["label"]) for side in ("sources", "targets"))
        return "Figure({!r}, {} sources × {} targets)".format(self._result["title"], *sides)

    def to_json(self) -> str:
        """The file that web pages show, as text; ASCII alone."""
        return json.dumps(self._result, separators=(",", ":"), allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Writes the file that web pages show."""
        Path(path).write_text(self.to_json(), encoding="ascii")

    def to_html(self) -> str:
        """A page of its own that shows the figure and fetches nothing."""
        code, names = _bundle()
        # Within JSON, `<` stands in texts alone: without it, nothing ends or nests a script.
        data = self.to_json().replace("<", "\\u003c")
        title = html.escape(self._result["title"].encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        return PAGE.format(title=title, data=data, bundle=code, draw=names["drawFigure"], read=names["fromJson"])

    def _repr_html_(self) -> str:
        # A frame of its own origin: neither style nor script of the notebook reaches it, nor it them.
        page = html.escape(self.to_html(), quote=True)
        return (
            f'<iframe sandbox="allow-scripts" title="Attribution" width="100%" height="{int(self.height)}" '
            f'style="border: 0" srcdoc="{page}"></iframe>'
        )


def _bundle() -> tuple[str, dict[str, str]]:
    """The package's figure, to stand in a script, and what its exports are called in it."""
    try:
        code = BUNDLE.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"{BUNDLE} is not there. Build it: scripts/build --package") from None
    found = re.search(r"\bexport\s*\{([^{}]*)\};?\s*\Z", code)
    names = dict(reversed(part.split(" as ")) for part in found[1].split(",") if " as " in part) if found else {}
    names = {name.strip(): local.strip() for name, local in names.items()}
    if not found or not {"drawFigure", "fromJson"} <= names.keys():
        raise RuntimeError(f"{BUNDLE} is not the figure of this version. Build it: scripts/build --package")
    # In JavaScript's texts `\/` is `/`, and `\!` is `!`.
    code = re.sub(r"<(?=/script|!--|script)", r"\\x3c", code[: found.start()], flags=re.IGNORECASE)
    return code, names


# --- what is given, as lists that JSON can write ---


def _listed(values: Any, name: str) -> list:
    """Nested lists of a list, an array or a tensor."""
    listed = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(listed, Sequence) or isinstance(listed, (str, bytes)):
        raise ValueError(f"{name} is not a list, an array or a tensor")
    return list(listed)


def _matrix(values: Any, name: str, shape: tuple[int, int]) -> list[float]:
    """A matrix as one list, row after row."""
    wanted = f"of shape [{shape[0]}, {shape[1]}], targets × sources"
    given = getattr(values, "shape", None)
    if given is not None and tuple(given) != shape:
        raise ValueError(f"{name} is of shape {list(given)}, not {wanted}")
    flat: list[float] = []
    rows = _listed(values, name)
    if len(rows) != shape[0]:
        raise ValueError(f"{name} has {len(rows)} rows, and is not {wanted}")
    for i, row in enumerate(rows):
        flat += _floats(_listed(row, f"{name}[{i}]"), f"{name}[{i}]", shape[1])
    return flat


def _floats(values: list, name: str, n: int) -> list[float]:
    """Finite numbers with the nine figures that tell every float32 from every other."""
    if len(values) != n:
        raise ValueError(f"{name} has {len(values)} entries, not {n}")
    numbers = array("f", bytes(4 * n))
    for i, value in enumerate(values):
        try:
            numbers[i] = float(value)
        except OverflowError:
            numbers[i] = math.inf
        except (TypeError, ValueError):
            raise ValueError(f"{name}[{i}] is not a number") from None
        if isinstance(value, str) or not math.isfinite(numbers[i]):
            raise ValueError(f"{name}[{i}] is {value}, not a finite number of float32")
    return [float(f"{number:.9g}") for number in numbers]


def _positions(values: Any, name: str, n: int, end: int) -> list[int]:
    listed = _listed(values, name)
    if len(listed) != n:
        raise ValueError(f"{name} has {len(listed)} entries, not {n}")
    for i, value in enumerate(listed):
        if not hasattr(value, "__index__") or isinstance(value, bool) or not 0 <= int(value) < end:
            raise ValueError(f"{name}[{i}] is {value!r}, not an integer from 0 to below {end}")
    return [int(value) for value in listed]


def _texts(values: Any, name: str, most: int) -> list[str]:
    listed = _listed(values, name)
    if len(listed) > most:
        raise ValueError(f"{name} has {len(listed)} entries, more than {most}")
    return [_text(value, f"{name}[{i}]") for i, value in enumerate(listed)]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    if len(value.encode("utf-16-le", "surrogatepass")) > 2 * MAX_TEXT:
        raise ValueError(f"{name} is longer than {MAX_TEXT} characters")
    return value


def _distinct(side: dict[str, Any], name: str) -> None:
    """Two nodes of one name at one position could not be told apart."""
    places = side.get("pos") or [0] * len(side["label"])
    seen: dict[tuple[str, int], int] = {}
    for i, node in enumerate(zip(side["label"], places)):
        if node in seen:
            where = " at one position" if "pos" in side else ""
            raise ValueError(f"{name}[{seen[node]}] and {name}[{i}] have the same label{where}: {node[0]!r}")
        seen[node] = i
