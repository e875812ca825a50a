"""The annotations of copies: their labels are their parents', what has become of the objects stands in the rows of COPIES."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from datatools.augment.jobs import Job
from datatools.augment.packing import Row
from datatools.schema import AUGMENTED, BOX, CONSENSUS

_MOVED = (*BOX, "mask", "attributes")
_OBJECT = ("label", "kind", "annotator", *_MOVED)
_ORIGIN = ("annotation_id", "path", "parent_path", "parent_annotation_id", "seed")


def make_table(copies: pd.DataFrame, jobs: Sequence[Job], policy: str) -> pd.DataFrame:
    """AUGMENTED of the rows of COPIES, `job` and `path` beside; `policy` is the hash of what they were made by."""
    objects = pd.DataFrame(_object_rows(copies, jobs), columns=[*_OBJECT, *_ORIGIN])
    frames = [frame for frame in (_label_rows(copies, jobs), objects) if len(frame)]
    return AUGMENTED.conform(pd.concat(frames).assign(source="augment", policy=policy) if frames else [])


def _label_rows(copies: pd.DataFrame, jobs: Sequence[Job]) -> pd.DataFrame:
    labels = pd.Series([job.label for job in jobs], dtype="string").iloc[copies["job"]]
    parents = pd.Series([job.path for job in jobs], dtype="string").iloc[copies["job"]]
    frame = pd.DataFrame(
        {
            "annotation_id": "label/" + copies["path"],
            "path": copies["path"],
            "label": labels.array,
            "kind": "label",
            "annotator": CONSENSUS,
            "attributes": "{}",
            "parent_path": parents.array,
            "parent_annotation_id": "label/" + parents.array,
            "seed": copies["seed"],
        }
    )
    return frame[frame["label"].notna()]


def _object_rows(copies: pd.DataFrame, jobs: Sequence[Job]) -> Iterator[tuple[Any, ...]]:
    some = copies[copies["objects"].notna()]
    columns = (some[name].tolist() for name in ("job", "copy", "path", "seed", "objects"))
    for number, copy, path, seed, text in zip(*columns):
        job = jobs[number]
        for row in list_objects(job, text):
            name = row["annotation_id"]
            yield (*(row[column] for column in _OBJECT), f"{name}/aug{copy}", path, job.path, name, seed)


def list_objects(job: Job, text: str | None) -> list[Row]:
    """The parent's rows of the objects in `text` (COPIES, objects), with the places that they have in the copy."""
    parents: dict[str, Row] = {row["annotation_id"]: row for row in job.objects}
    moved: list[list[Any]] = json.loads(text or "[]")
    return [{**parents[name], **dict(zip(_MOVED, values, strict=True))} for name, *values in moved]
