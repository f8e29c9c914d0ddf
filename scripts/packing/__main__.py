"""The command line of scripts/pack, and what it prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import quote

from .outside import Refused, short
from .pack import Written, pack
from .pickled import TorchMissing
from .places import Place
from .tensors import Error

# What scripts/pack understands: install torch, and call again.
NEEDS_TORCH = 75


def main() -> int:
    arguments = _parser().parse_args()
    out = arguments.out.resolve()
    report = Report(arguments.dtype.upper())
    try:
        places = pack(
            arguments.model,
            arguments.saes,
            out,
            _places(arguments.places) if arguments.places else None,
            report.dtype,
            report.file,
        )
    except TorchMissing:
        print("An SAE is pickled: torch reads it, and is not installed.", file=sys.stderr)
        return NEEDS_TORCH
    except (Refused, OSError) as error:
        print(f"Nothing was packed: {error}", file=sys.stderr)
        return 1
    report.end(out, places)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/pack",
        description="Writes an author's copy of a model and of SAEs: what the page reads, at half the bytes.",
    )
    parser.add_argument("model", type=Path, help="folder in the hub's layout")
    parser.add_argument(
        "saes",
        type=Path,
        nargs="+",
        help="folder of SAEs, folder of one SAE, .pt file, or list of SAEs (.json); several may be given",
    )
    parser.add_argument("out", type=Path, help="new folder")
    parser.add_argument(
        "--places",
        metavar="P,P",
        help="hook names, or numbers of blocks for what is before them in the residual stream; default: all",
    )
    parser.add_argument(
        "--dtype", choices=["f16", "f32"], default="f16", help="of matrices; vectors are f32; default: f16"
    )
    return parser


def _places(text: str) -> list[Place]:
    names = (name.strip() for name in text.split(","))
    full = (f"blocks.{name}.hook_resid_pre" if name.isdecimal() else name for name in names)
    return [Place.parse(name) for name in full]


class Report:
    """Says what was written, a line for each file and tensor."""

    def __init__(self, dtype: str):
        self.dtype = dtype
        self.before = self.after = 0
        self.all = Error()
        self.worst = (0.0, "")

    def file(self, written: Written) -> None:
        self.before += written.before
        self.after += written.after
        whence = f"{written.before:,} bytes before, " if written.before else ""
        print(f"{written.name}: {whence}{written.after:,} bytes")
        for name, error in written.errors.items():
            print(f"  {name}: {_words(error)}")
            self.all.values += error.values
            self.all.errors += error.errors
            self.worst = max(self.worst, (error.relative, f"{name} in {written.name}"))
        if written.left_out:
            print(f"  left out, as the page does not read it: {_some(written.left_out)}")
        sys.stdout.flush()

    def end(self, out: Path, places: list[Place]) -> None:
        relative, where = self.worst
        print(f"All: {self.before:,} bytes before, {self.after:,} bytes ({self.after / self.before:.1%})")
        if relative:
            print(f"Largest error of all tensors, relative to its tensor's largest value: {relative:.2g} ({where})")
            print(f"Norm of all errors, relative to the norm of all values: {self.all.norm:.2g}")
        else:
            print("No value was changed.")
        at, names = f"https://SERVER/{quote(out.name)}", ",".join(map(str, places))
        print(f"Put {out} on a server whose files other sites may read (CORS), best one that answers range")
        print("requests. The page's address then ends in")
        print(f"  ?model={at}/model&saes={at}/saes&places={names}")


def _words(error: Error) -> str:
    if not error.largest_error:
        return "exact"
    return f"largest error {error.relative:.2g} of its largest value, {error.largest_value:.6g}"


def _some(names: list[str], most: int = 3) -> str:
    more = len(names) - most
    return ", ".join(short(name) for name in names[:most]) + (f" and {more} more" if more > 0 else "")


if __name__ == "__main__":
    sys.exit(main())
