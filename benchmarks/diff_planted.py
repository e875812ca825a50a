"""500 mixed edits of every kind planted in real data: does `datatools diff` name every one, and invent none?

    python benchmarks/diff_planted.py [--sets clothing bccd] [--edits 500] [--seed 0]

clothing: 3,781 photos with the label of one annotator and its vote; bccd: 364 photos with 4,888 boxes, of which every fifth is
made a mask before, half of those polygons and half run lengths (ellipses that fill the box). Both are ingested, edited by
tests/diff/planting.py (images, annotations, split, metadata; a third of what a person can decide is decided by a fix
record), and committed as v1 and v2 to a project with Git and a DVC cache. A tenth as many images as edits get other
annotation ids, which is no change. The key has each change with path, annotation id, value before and after, and the fix records
behind it; the document of `datatools diff v1..v2 --format json` must have the same, no more and no fewer, and the counts of
`datatools report --against v1 --head v2` must be the key's. Needs `../shared/data` or DATATOOLS_SHARED. Exits with 1 where it differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from small_files import REPO, SHARED

sys.path.insert(0, str(REPO))

from datatools.dataset import Dataset
from datatools.diff.changes import KINDS
from datatools.diff.versions import Version
from datatools.ingest import ingest
from datatools.masks import dump_mask, from_array
from datatools.params import IngestParams
from datatools.schema import BOX, SIDES, SPLIT
from tests.diff.commits import start, write_version
from tests.diff.planting import Fact, plant

OURS = "import sys; sys.path.insert(0, {repo!r}); from datatools.cli.commands import main; main()"


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=("clothing", "bccd"), default=["clothing", "bccd"])
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    are_right = [measure(name, args.edits, args.seed) for name in args.sets]
    sys.exit(0 if all(are_right) else 1)


def measure(name: str, n_edits: int, seed: int) -> bool:
    """Plant, compare, print the table; whether all is as the key says."""
    with tempfile.TemporaryDirectory() as folder:
        before = load(name, Path(folder))
        after, key = plant(before, n_edits, seed)
        document, reported = compare(before, after, Path(folder))
    found = Counter(map(to_fact, document["changes"]))
    missed, invented = key - found, found - key
    print(f"\n{name}: {len(before.dataset.images):,} images, {len(before.dataset.annotations):,} annotations\n")
    print("| kind | planted | by fix records | named | missed | invented | counted in the document | in the report |")
    print("|---" * 8 + "|")
    counts = [Counter(fact[0] for fact in facts.elements()) for facts in (key, key & found, missed, invented)]
    fixed = Counter(fact[0] for fact in key.elements() if fact[5])
    for kind in KINDS:
        planted, named, *wrong = (n[kind] for n in counts)
        print(
            f"| {kind} | {planted} | {fixed[kind]} | {named} | {wrong[0]} | {wrong[1]} | {document['by_kind'].get(kind, 0)} "
            f"| {reported.get(kind, 0)} |"
        )
    sums = [n.total() for n in counts]
    print(
        f"| all | {sums[0]} | {fixed.total()} | {sums[1]} | {sums[2]} | {sums[3]} | {document['n_changes']} "
        f"| {sum(reported.values())} |",
        flush=True,
    )
    planted = {kind: n for kind in KINDS if (n := counts[0][kind])}
    return not missed and not invented and planted == document["by_kind"] == reported


def load(name: str, folder: Path) -> Version:
    """The set as ingest makes it, on three sides."""
    with zipfile.ZipFile(SHARED / "data" / f"{name}.zip") as archive:
        archive.extractall(folder / "raw")
    dataset = ingest(folder / "raw", IngestParams()).dataset
    dataset = with_masks(dataset) if name == "bccd" else dataset
    paths = dataset.images["path"]
    sides = [SIDES[n % 3] for n in range(len(paths))]
    return Version("v1", None, dataset, SPLIT.conform(pd.DataFrame({"path": paths, "split": sides, "group": paths})))


def with_masks(dataset: Dataset) -> Dataset:
    """Every fifth box as an ellipse, polygon or run lengths."""
    table = dataset.annotations.copy()
    sizes = dataset.images.set_index("path")[["height_px", "width_px"]]
    chosen = np.flatnonzero((table["kind"] == "box").to_numpy(bool))[::5]
    for number, row in enumerate(chosen):
        x0, y0, x1, y1 = table.loc[row, BOX].astype(float)
        table.loc[row, "kind"] = "mask"
        if number % 2:
            turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            xs, ys = x0 + (1 + np.cos(turn)) * (x1 - x0) / 2, y0 + (1 + np.sin(turn)) * (y1 - y0) / 2
            table.loc[row, "mask"] = dump_mask([np.stack([xs, ys], 1).round(2).tolist()])
        else:
            height, width = sizes.loc[table.loc[row, "path"]]
            y, x = (side + 0.5 for side in np.ogrid[:height, :width])
            inside = ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1
            table.loc[row, "mask"] = from_array(inside).to_json()
    return dataclasses.replace(dataset, annotations=table)


def compare(before: Version, after: Version, folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The document of `datatools diff` of two commits, and what `datatools report --against` counts by kind."""
    project = start(folder / "project")
    for name, version in {"v1": before, "v2": after}.items():
        write_version(project, version.dataset, version.split, records=list(version.records), commit=name)
    document = json.loads(run_ours(project.root, "diff", "v1..v2", "--format", "json"))
    run_ours(project.root, "report", "--against", "v1", "--head", "v2", "--out", str(folder / "report"))
    report = json.loads((folder / "report" / "changes.json").read_text())
    return document, report["data"]["by_kind"]


def run_ours(root: Path, *arguments: str) -> str:
    """What the command prints."""
    command = [sys.executable, "-c", OURS.format(repo=str(REPO)), *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def to_fact(change: dict[str, Any]) -> Fact:
    """A change of the document as the key has it."""
    values = [json.dumps(change[side], sort_keys=True) for side in ("before", "after")]
    return change["kind"], change["path"], change["annotation_id"], values[0], values[1], tuple(change["fixes"])


if __name__ == "__main__":
    main()
