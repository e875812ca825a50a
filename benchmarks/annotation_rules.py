"""Annotations per CPU second through the rules for boxes, masks and labels, beside Datumaro's validator in the same run.

    python benchmarks/annotation_rules.py --peer-python PYTHON [--annotations 100000] [--runs 5]

From the VOC XML files of bccd: reading and checking, both sides. From tables: ours reads Parquet and checks, Datumaro
checks a data set that it holds in memory, each with the boxes of bccd, ours repeated up to --annotations. The last row is
--annotations polygons of 30 points. Each side runs --runs times, in turn with the other and each time in a process of its
own; shown is the quickest run of each. Counted are CPU seconds (user and system) after the imports; garbage is collected
before the clock starts. Ours runs every check BOX, MSK and LBL that needs no model; Datumaro its detection or segmentation
validator. No side opens an image. --peer-python is an interpreter that can import datumaro (default: this one). Needs
`../shared/data` or DATATOOLS_SHARED.

`load` is reading files, or tables; `unpack` is what all our checks share: names as numbers, boxes and polygons as arrays.
`again` are the rules a second time on the table as it is then, unpacked. The ratios are of annotations per second: of all, without
loading, and again. Datumaro reads an image of bccd once for each subset that lists it and counts its boxes as often.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

REPO = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", REPO.parent / "shared"))
RULES = ("BOX", "MSK", "LBL")
CLASSES = ("Platelets", "RBC", "WBC")
GOALS = {"VOC XML": 10, "tables": 500}
MOST_SECONDS = 10.0  # CPU, for 100,000 annotations
N_PEER_POLYGONS = 5000
THRESHOLDS = {"few_samples_thr": 1, "imbalance_ratio_thr": 50, "far_from_mean_thr": 5.0}
THRESHOLDS |= {"dominance_ratio_thr": 0.8, "topk_bins": 0.1}
STEPS = ("load", "unpack", "rules")
Measured = dict[str, float]


def main() -> None:
    """Run both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that can import datumaro")
    parser.add_argument("--annotations", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5, help="of each side; the quickest counts")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what the child process does
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(MEASURES[args.measure](args.folder, args.annotations)))
        return
    print(
        "| annotations from | side | annotations | findings | load CPU s | unpack CPU s | rules CPU s | again CPU s"
        " | annotations per CPU s | ratio | without loading | again | goal |"
    )
    print("|---" * 13 + "|")
    with tempfile.TemporaryDirectory() as folder:
        unpack(Path(folder))
        run("make_tables", Path(folder), args.annotations)
        for name, ours, theirs in ROWS:
            runs = [
                (
                    run(ours, Path(folder), args.annotations),
                    run(theirs, Path(folder), args.annotations, args.peer_python),
                )
                for _ in range(args.runs)
            ]
            print_rows(name, *(min(side, key=seconds_of) for side in zip(*runs, strict=True)))


def seconds_of(measured: Measured) -> float:
    """CPU seconds of a run; 0 for one that could not be."""
    return sum(measured.get(step, 0) for step in STEPS)


def print_rows(name: str, own: Measured, peer: Measured) -> None:
    """Two rows of the table: ours and Datumaro's."""
    for side, measured in (("Datumaro", peer), ("datatools", own)):
        if not measured:
            print(f"| {name} | {side} | not run: datumaro cannot be imported |" + " |" * 10, flush=True)
            continue
        rate, rules = (measured["n"] / sum(measured[step] for step in steps) for steps in (STEPS, STEPS[1:]))
        again = measured["n"] / measured["again"]
        ratios = " |  | "
        if peer:
            rates = (peer["n"] / sum(peer[step] for step in steps) for steps in (STEPS, STEPS[1:], ("again",)))
            both = zip((rate, rules, again), rates, strict=True)
            ratios = " | ".join(f"{own / other:,.1f}" for own, other in both)
        goal = f"{GOALS[name]} times" if name in GOALS else f"{MOST_SECONDS:.0f} s"
        seconds = " | ".join(f"{measured[step]:.3f}" for step in (*STEPS, "again"))
        numbers = f"{measured['n']:,} | {measured['findings']:,} | {seconds} | {rate:,.0f} | {ratios}"
        print(f"| {name} | {side} | {numbers} | {goal if side == 'datatools' else ''} |", flush=True)


def unpack(folder: Path) -> None:
    """Lay out bccd with the list of classes that Datumaro asks for."""
    with zipfile.ZipFile(SHARED / "data" / "bccd.zip") as archive:
        archive.extractall(folder)
    (folder / "BCCD" / "labelmap.txt").write_text("".join(f"{name}:::\n" for name in ("background", *CLASSES)))


def run(measure: str, folder: Path, n_annotations: int, python: str = sys.executable) -> Measured:
    """What the child process that measures found; empty where it failed for want of datumaro."""
    command = [python, str(Path(__file__).resolve()), "--measure", measure, "--folder", str(folder)]
    done = subprocess.run([*command, "--annotations", str(n_annotations)], capture_output=True, text=True)
    if done.returncode and "No module named 'datumaro'" in done.stderr:
        return {}
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


# what the child processes do


def start_clock() -> float:
    """The CPU seconds so far. What was done before leaves no garbage to what comes next."""
    gc.collect()
    return time.process_time()


def measure_xml(folder: Path, n_annotations: int) -> Measured:
    """Read bccd's XML files and check what they say; image sizes are those the files declare."""
    import_ours()
    from datatools.source import read_source
    from datatools.tree import open_tree

    start = start_clock()
    source = read_source(open_tree(folder), "auto")
    dataset = to_dataset(source.content.records, source.content.annotations, source.content.classes)
    return {"load": time.process_time() - start, **check(dataset)}


def make_tables(folder: Path, n_annotations: int) -> Measured:
    """Write a data set of bccd's boxes, repeated on images of other names, and one of polygons."""
    import_ours()
    import pandas as pd

    from datatools.dataset import save_dataset
    from datatools.schema import ANNOTATIONS
    from datatools.source import read_source
    from datatools.tree import open_tree

    content = read_source(open_tree(folder), "auto").content
    n_times = -(-n_annotations // len(content.annotations))
    rows = pd.concat(
        [
            content.annotations.assign(
                path=f"{number}/" + content.annotations["path"],
                annotation_id=f"{number}/" + content.annotations["annotation_id"],
            )
            for number in range(n_times)
        ]
    ).head(n_annotations)
    records = pd.concat(
        [content.records.assign(path=f"{number}/" + content.records["path"]) for number in range(n_times)]
    )
    save_dataset(folder / "boxes", to_dataset(records, ANNOTATIONS.conform(rows), content.classes))
    records, rows = make_polygons(n_annotations)
    save_dataset(folder / "polygons", to_dataset(records, rows, CLASSES))
    return {}


def measure_boxes(folder: Path, n_annotations: int) -> Measured:
    """Read a data set of boxes from its tables and check it."""
    return measure_tables(folder / "boxes")


def measure_polygons(folder: Path, n_annotations: int) -> Measured:
    """Read a data set of polygons from its tables and check it."""
    return measure_tables(folder / "polygons")


def measure_tables(folder: Path) -> Measured:
    """Read a data set and check it."""
    import_ours()
    from datatools.dataset import load_dataset

    start = start_clock()
    dataset = load_dataset(folder)
    return {"load": time.process_time() - start, **check(dataset)}


def import_ours() -> None:
    """Import what is not to be counted."""
    sys.path.insert(0, str(REPO))
    import datatools.store
    from datatools.checks.runner import load_checks
    from datatools.formats.registry import NAMES, load_format
    from datatools.schema import REJECTED

    load_checks()
    for name in NAMES:
        load_format(name)
    with tempfile.TemporaryDirectory() as folder:  # pandas and pyarrow import more when they first read
        datatools.store.save_table(Path(folder) / "none.parquet", REJECTED.empty(), REJECTED)
        datatools.store.load_table(Path(folder) / "none.parquet", REJECTED)


def to_dataset(records: Any, annotations: Any, classes: Any) -> Any:
    """A data set whose images are those that the annotation files speak of."""
    from datatools.dataset import Dataset
    from datatools.schema import IMAGES

    counts = {"n_bytes": 1, "channels": 3, "n_frames": 1}
    sizes = records[["path", "width_px", "height_px"]].dropna()
    return Dataset(IMAGES.conform(sizes.assign(**counts, sha256=sizes["path"])), annotations, tuple(classes))


def check(dataset: Any) -> Measured:
    """Run all rules as `datatools` does, up to the table, after what they share."""
    from datatools.checks.geometry import sharing, unpack
    from datatools.checks.runner import load_checks, needs
    from datatools.findings import to_table
    from datatools.params import ValidateParams
    from datatools.schema import REJECTED

    inputs = {"images": dataset.images, "annotations": dataset.annotations, "classes": dataset.classes}
    inputs |= {"rejected": REJECTED.empty(), "params": ValidateParams()}
    start = start_clock()
    objects = unpack(dataset.annotations)
    objects.sizes(dataset.images)
    for name in ("images", "labels", "is_box", "annotators", "boxes", "mask_rows"):
        getattr(objects, name)
    unpacked = time.process_time()
    rules = [rule for rule in load_checks() if rule.code.startswith(RULES) and set(needs(rule)) <= set(inputs)]

    def run_all() -> int:
        """Number of findings of all rules."""
        n_findings = 0
        with sharing(dataset.annotations):
            for rule in rules:
                found = rule.find(**{name: inputs[name] for name in needs(rule)})
                n_findings += len(to_table(found, rule.code, rule.version, rule.severity))
        return n_findings

    n_findings = run_all()
    checked = time.process_time()
    assert run_all() == n_findings
    seconds = {"unpack": unpacked - start, "rules": checked - unpacked, "again": time.process_time() - checked}
    return {"n": len(dataset.annotations), "findings": n_findings, **seconds}


def make_outlines(n_outlines: int) -> np.ndarray:
    """`(n, 31, 2)` closed outlines of 30 points in images of 640 x 640 px, 20 to an image, on a grid."""
    random, turn = np.random.default_rng(0), np.linspace(0, 2 * np.pi, 31)
    radius = random.uniform(20, 50, (n_outlines, 1)) * (1 + 0.1 * random.standard_normal((n_outlines, 31)))
    radius[:, -1] = radius[:, 0]
    cell = np.arange(n_outlines) % 20
    middle = np.stack([64 + 128 * (cell % 5), 80 + 160 * (cell // 5)], axis=1)
    outlines = middle[:, None] + radius[..., None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    outlines[:, -1] = outlines[:, 0]
    return outlines.clip(0, 640).round(2)


def make_polygons(n_annotations: int) -> tuple[Any, Any]:
    """RECORDS and ANNOTATIONS of the outlines."""
    import pandas as pd

    from datatools.masks import dump_mask
    from datatools.schema import ANNOTATIONS, BOX, RECORDS

    outlines = make_outlines(n_annotations)
    bounds = np.concatenate([outlines.min(axis=1), outlines.max(axis=1)], axis=1)
    numbers = pd.Series(range(n_annotations))
    rows = pd.DataFrame(bounds, columns=BOX).assign(
        annotation_id="polygon/" + numbers.astype(str),
        path=(numbers // 20).astype(str) + ".png",
        label=[CLASSES[number % 3] for number in numbers],
        kind="mask",
        mask=[dump_mask([ring]) for ring in outlines.tolist()],
        attributes="{}",
        source="polygons",
    )
    records = pd.DataFrame({"path": rows["path"].unique(), "width_px": 640, "height_px": 640, "attributes": "{}"})
    return RECORDS.conform(records), ANNOTATIONS.conform(rows)


def measure_peer_xml(folder: Path, n_annotations: int) -> Measured:
    """Datumaro reads bccd's XML files and validates."""
    import datumaro.plugins.data_formats.voc.importer  # noqa: F401  imported when it is first needed
    from datumaro import Dataset
    from datumaro.plugins.validators import DetectionValidator

    start = start_clock()
    dataset = Dataset.import_from(str(folder / "BCCD"), "voc")
    dataset.init_cache()
    loaded = time.process_time() - start
    return {**validate(DetectionValidator, dataset), "load": loaded}


def measure_peer_boxes(folder: Path, n_annotations: int) -> Measured:
    """Datumaro validates the boxes of bccd, which it holds in memory."""
    from datumaro import Dataset
    from datumaro.plugins.validators import DetectionValidator

    dataset = Dataset.import_from(str(folder / "BCCD"), "voc")
    dataset.init_cache()
    return validate(DetectionValidator, dataset)


def measure_peer_polygons(folder: Path, n_annotations: int) -> Measured:
    """Datumaro validates polygons, which it holds in memory; it needs long, so some of them."""
    from datumaro import Dataset, DatasetItem, Polygon
    from datumaro.plugins.validators import SegmentationValidator

    outlines = make_outlines(min(n_annotations, N_PEER_POLYGONS))
    items = [
        DatasetItem(
            id=str(first),
            annotations=[Polygon(ring[:-1].ravel().tolist(), label=0) for ring in outlines[first : first + 20]],
        )
        for first in range(0, len(outlines), 20)
    ]
    dataset = Dataset.from_iterable(items, categories=list(CLASSES))
    return validate(SegmentationValidator, dataset)


def validate(validator: Any, dataset: Any) -> Measured:
    """Datumaro's reports on what it holds in memory."""
    start = start_clock()
    reports = validator(**THRESHOLDS).validate(dataset)["validation_reports"]
    checked = time.process_time()
    validator(**THRESHOLDS).validate(dataset)
    again = time.process_time() - checked
    seconds = {"load": 0.0, "unpack": 0.0, "rules": checked - start, "again": again}
    return {"n": sum(len(item.annotations) for item in dataset), "findings": len(reports), **seconds}


MEASURES = {
    "make_tables": make_tables,
    "xml": measure_xml,
    "boxes": measure_boxes,
    "polygons": measure_polygons,
    "peer_xml": measure_peer_xml,
    "peer_boxes": measure_peer_boxes,
    "peer_polygons": measure_peer_polygons,
}
ROWS = (
    ("VOC XML", "xml", "peer_xml"),
    ("tables", "boxes", "peer_boxes"),
    ("polygons", "polygons", "peer_polygons"),
)

if __name__ == "__main__":
    main()
