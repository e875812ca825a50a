"""What the stage has to do: a job for each training image, with the objects that go along and the number of copies."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import pandas as pd

from datatools.augment.amounts import count_copies
from datatools.augment.packing import Row
from datatools.dataset import Dataset
from datatools.packed import among
from datatools.params import AugmentParams
from datatools.schema import BOX

SIZE_MISMATCH = "IMG002"
MOVED = ("annotation_id", "kind", *BOX, "mask", "attributes")  # of an object: all that its copies depend on


class Job(NamedTuple):
    """A training image: its content, size, label (None without), sound objects, and how many copies it gets."""

    path: str
    sha256: str
    n_pixels: int
    label: str | None
    objects: Sequence[Row]
    n_copies: int


def make_seed(run_seed: int, sha256: str, copy: int) -> int:
    """The seed of one copy, in [0, 2**63): a function of the run's seed, the parent's content and the copy's number."""
    text = f"{run_seed}/{sha256}/{copy}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8]) >> 1


def make_key(job: Job, made_by: str) -> str:
    """Names all that the pixels of a parent's copies and the places in them depend on; no name of a class is among it.

    That is its content, its objects, the number of copies, and what `made_by` names: the way they are made.
    """
    objects = [tuple(row[name] for name in MOVED) for row in job.objects]
    return hashlib.sha256(f"{made_by} {job.sha256} {job.n_copies} {objects} {job.path}".encode()).hexdigest()


def find_broken(dataset: Dataset, findings: pd.DataFrame) -> set[str]:
    """Ids of the objects that must not be copied: an error names them, or their image has another size than theirs."""
    errors = findings[findings["severity"] == "error"]
    misplaced = among(dataset.objects["path"], set(errors.loc[errors["code"] == SIZE_MISMATCH, "path"]))
    return {*errors["annotation_id"].dropna(), *dataset.objects.loc[misplaced, "annotation_id"]}


def list_jobs(dataset: Dataset, train: set[str], broken: set[str], params: AugmentParams) -> list[Job]:
    """A job for each training image that has a label or a sound object, in the order of their paths."""
    objects = _objects_by_path(dataset, train, broken)
    labeled = dataset.labels
    labels = {path: label for path, label in zip(labeled.index.tolist(), labeled.tolist()) if path in train}
    images = dataset.images[among(dataset.images["path"], labels.keys() | objects.keys())].sort_values("path")
    sha256 = dict(zip(images["path"].tolist(), images["sha256"].tolist()))
    known = frozenset(dataset.classes)
    classes = {path: _classes_of(labels.get(path), objects.get(path, ()), known) for path in sha256}
    n_copies = count_copies(classes, sha256, params, dataset.classes)
    n_pixels = (images["width_px"] * images["height_px"]).tolist()
    return [
        Job(path, content, size, labels.get(path), objects.get(path, ()), n_copies.get(path, params.factor))
        for (path, content), size in zip(sha256.items(), n_pixels, strict=True)
    ]


def _objects_by_path(dataset: Dataset, train: set[str], broken: set[str]) -> dict[str, list[Row]]:
    rows = dataset.objects
    sound = rows[among(rows["path"], train) & ~among(rows["annotation_id"], broken)]
    names = list(sound)
    by_path: dict[str, list[Row]] = {}
    for values in zip(*(_or_none(sound[name]) for name in names)):
        row = dict(zip(names, values))
        by_path.setdefault(row["path"], []).append(row)
    return by_path


def _or_none(column: pd.Series) -> list[Any]:
    return [value if known else None for value, known in zip(column.tolist(), column.notna().tolist())]


def _classes_of(label: str | None, objects: Sequence[Row], known: Collection[str]) -> set[str]:
    return {str(name) for name in (label, *(row["label"] for row in objects)) if name in known}
