"""Applying fix records: CPU seconds for --records decisions over --annotations, and for reading them from disk.

    python benchmarks/fix_records.py [--annotations 1000000] [--records 10000]

Records are relabels of labels, moved boxes, confirmations and exclusions of one reviewer's sittings, read from JSONL as
`dvc repro` reads them. Made data, no image is opened.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datatools.dataset import label_id
from datatools.fixes.apply import apply_fixes
from datatools.fixes.records import FixRecord, load_records, to_line
from datatools.schema import ANNOTATIONS, BOX

OBJECTS = 9  # an image, beside its label
MOST_SECONDS = 5.0  # CPU, for 10,000 records over 1,000,000 annotations


def make_annotations(n: int) -> pd.DataFrame:
    """`n` annotations: images with a label and OBJECTS boxes each."""
    numbers = np.arange(n)
    image, place = np.divmod(numbers, OBJECTS + 1)
    paths = [f"images/{number:07}.jpg" for number in range(image[-1] + 1)]
    is_label = place == 0
    frame = pd.DataFrame(
        {
            "annotation_id": [
                label_id(paths[i]) if p == 0 else f"coco/{i}-{p}"
                for i, p in zip(image.tolist(), place.tolist(), strict=True)
            ],
            "path": [paths[i] for i in image.tolist()],
            "label": [("cat", "dog", "cow")[number % 3] for number in range(n)],
            "kind": np.where(is_label, "label", "box"),
            "source": "made",
            "attributes": "{}",
        }
    )
    for side, name in enumerate(BOX):
        frame[name] = np.where(is_label, np.nan, 10.0 * (side + 1))
    return ANNOTATIONS.conform(frame)


def make_records(annotations: pd.DataFrame, n: int) -> list[FixRecord]:
    """`n` decisions, spread evenly: relabels, moves, confirmations, and an exclusion in every hundred."""
    chosen = annotations.iloc[np.linspace(0, len(annotations) - 1, n).astype(int)]
    records = []
    for number, row in enumerate(chosen.to_dict("records")):
        when = f"2026-07-01T12:{number // 60 % 60:02}:{number % 60:02}.{number:06}Z"
        common = {"who": "ann", "when": when, "why": "looked", "path": row["path"], "id": f"{number:016x}"}
        about = {"annotation_id": row["annotation_id"], "before": row["label"]}
        if number % 100 == 0:
            records.append(FixRecord("exclude", **common))
        elif row["kind"] == "box" and number % 2:
            before = "[10.0, 20.0, 30.0, 40.0]"
            records.append(
                FixRecord("move_box", **common, annotation_id=row["annotation_id"], before=before, after="[1, 2, 3, 4]")
            )
        elif number % 3:
            records.append(FixRecord("relabel", **common, **about, after="horse"))
        else:
            records.append(FixRecord("confirm", **common, **about))
    return records


def main() -> None:
    """Run and print one row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=int, default=1_000_000)
    parser.add_argument("--records", type=int, default=10_000)
    args = parser.parse_args()
    annotations = make_annotations(args.annotations)
    with tempfile.TemporaryDirectory() as folder:
        lines = "".join(to_line(record) + "\n" for record in make_records(annotations, args.records))
        (Path(folder) / "2026-07-01-ann.jsonl").write_text(lines, encoding="utf-8")
        start = time.process_time()
        records, _ = load_records(Path(folder))
        read = time.process_time()
        applied = apply_fixes(annotations, records)
        done = time.process_time()
    assert (applied.status["status"] == "applied").all()
    print("| annotations | records | read CPU s | apply CPU s | goal |\n|---|---|---|---|---|")
    print(
        f"| {len(annotations):,} | {len(records):,} | {read - start:.2f} | {done - read:.2f} | {MOST_SECONDS:.0f} s |"
    )


if __name__ == "__main__":
    main()
