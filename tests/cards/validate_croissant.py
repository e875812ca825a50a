"""Validates a card's croissant.json with mlcroissant and loads every record: `python validate_croissant.py FOLDER`.

mlcroissant is not among the project's own packages (it installs pandas-stubs, which mypy would then use), so it runs in an
environment of its own: `pip install mlcroissant[parquet]`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: Path) -> int:
    """Print what was found as JSON: errors, warnings and the number of records of each set."""
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    issues = dataset.metadata.ctx.issues
    sets = [node["@id"] for node in json.loads((folder / "croissant.json").read_text())["recordSet"]]
    found = {
        "errors": sorted(issues.errors),
        "warnings": sorted(issues.warnings),
        "records": {name: sum(1 for _ in dataset.records(name)) for name in sets},
    }
    print(json.dumps(found))
    return 1 if found["errors"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
