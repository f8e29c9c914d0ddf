"""Lay the demo model out as a fixture: tests/fixtures/demo, without `expected`.

    python fixture.py

Model and SAEs are links to what the page ships. scripts/oracle/run_notebook.py then writes
`expected`, as for any other fixture.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cases import CASES

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    fixture, demo = ROOT / "tests/fixtures/demo", ROOT / "www/models/demo"
    fixture.mkdir(parents=True, exist_ok=True)
    for name in ("model", "saes"):
        link = fixture / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path("../../../www/models/demo") / name)
    (fixture / "cases.json").write_text(json.dumps(CASES, indent=1) + "\n")
    metrics = json.loads((demo / "metrics.json").read_text())
    info = {
        "made_by": "scripts/train-demo",
        "seed": metrics["seed"],
        "threshold_margin": metrics["training"]["threshold_margin"],
        "sha256": {
            str(path.relative_to(demo)): hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in ("model", "saes")
            for path in sorted((demo / folder).rglob("*"))
            if path.is_file() and "contexts" not in (path.stem, path.parent.name)
        },
    }
    (fixture / "fixture.json").write_text(json.dumps(info, indent=1) + "\n")


if __name__ == "__main__":
    main()
