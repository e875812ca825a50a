"""The images that the model got wrong, at the end of the queue: reports/evaluate/failures.csv."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from datatools.dataset import label_id
from datatools.packed import among
from datatools.schema import QUEUE

KIND = "failure"
N_MAX = 200  # the most confident ones


def add_failures(queue: pd.DataFrame, file: Path, known: pd.Series) -> pd.DataFrame:
    """`queue` (QUEUE) and behind it a row for each of the first failures in `file`; as it is where there is no file.

    A failure on an image that is not among the paths `known` is passed over: the report is older than the data.
    """
    if not file.exists():
        return queue
    failures = pd.read_csv(file, dtype={"path": str, "label": str, "predicted": str}).head(N_MAX)
    failures = failures[among(failures["path"], set(known.tolist()))]
    last = int(queue["rank"].max()) if len(queue) else 0
    rows = [
        {
            "rank": last + number,
            "path": row["path"],
            "annotation_id": label_id(row["path"]),
            "kind": KIND,
            "label": row["label"],
            "suggested": row["predicted"],
            "score": 1 - row["confidence"],
            "codes": "",
            "reason": f"the trained model says {row['predicted']!r} with {row['confidence']:.0%}, the label is {row['label']!r}",
        }
        for number, row in enumerate(failures.to_dict("records"), start=1)
    ]
    return QUEUE.conform(pd.concat([queue, QUEUE.conform(rows)], ignore_index=True)) if rows else queue
