"""The annotations of copies: what has become of the objects stands in the rows of COPIES, labels are the parents'.

A label that says what the parent's objects are is the copy's only while one of these objects is left in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd

from datatools.augment.jobs import Job
from datatools.augment.packing import Row
from datatools.object_labels import label_by_objects
from datatools.packed import among
from datatools.schema import AUGMENTED, BOX, CONSENSUS

_MOVED = (*BOX, "mask", "attributes")
_OBJECT = ("label", "kind", "annotator", *_MOVED)
_ORIGIN = ("annotation_id", "path", "parent_path", "parent_annotation_id", "seed")


def make_table(copies: pd.DataFrame, jobs: Sequence[Job], policy: str) -> pd.DataFrame:
    """AUGMENTED of the rows of COPIES, `job` and `path` beside; `policy` is the hash of what they were made by."""
    objects = pd.DataFrame(_object_rows(copies, jobs), columns=[*_OBJECT, *_ORIGIN])
    frames = [frame for frame in (_label_rows(copies, jobs), objects) if len(frame)]
    return AUGMENTED.conform(pd.concat(frames).assign(source="augment", policy=policy) if frames else [])


def follow_objects(table: pd.DataFrame, by_objects: Collection[str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """The table with labels that are true of the copies, and how many have `another label` now and how many `no label`.

    `by_objects` are the parents whose label says what their objects are. A copy of one in which no object of that label is
    left has the label of those that are, and without any has none.
    """
    is_label = (table["kind"] == "label").to_numpy(dtype=bool)
    objects = table[~is_label & table["label"].notna()]
    there = pd.MultiIndex.from_frame(objects[["path", "label"]])
    follows = is_label & among(table["parent_path"], by_objects)
    astray = follows & ~pd.MultiIndex.from_frame(table[["path", "label"]]).isin(there)
    paths = table.loc[astray, "path"]
    true = paths.map(label_by_objects(objects[among(objects["path"], set(paths))])).astype("string")
    result = table.assign(label=table["label"].mask(pd.Series(astray, index=table.index), true))
    counts = {"another label": int(true.notna().sum()), "no label": int(true.isna().sum())}
    return result.drop(index=true.index[true.isna()]).reset_index(drop=True), counts


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
