"""What the stage has to do: a job for each training image, with the objects that go along and the number of copies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from datatools.augment.amounts import count_copies
from datatools.augment.packing import Row
from datatools.dataset import Dataset
from datatools.params import AugmentParams

SIZE_MISMATCH = "IMG002"


@dataclass(frozen=True)
class Job:
    """A training image: its content, its label (None without), its sound objects, and how many copies it gets."""

    path: str
    sha256: str
    label: str | None
    objects: tuple[Row, ...]
    n_copies: int


def make_seed(run_seed: int, sha256: str, copy: int) -> int:
    """The seed of one copy, in [0, 2**63): a function of the run's seed, the parent's content and the copy's number."""
    text = f"{run_seed}/{sha256}/{copy}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8]) >> 1


def find_broken(dataset: Dataset, findings: pd.DataFrame) -> set[str]:
    """Ids of the objects that must not be copied: an error names them, or their image has another size than theirs."""
    errors = findings[findings["severity"] == "error"]
    misplaced = dataset.objects["path"].isin(errors.loc[errors["code"] == SIZE_MISMATCH, "path"])
    return set(errors["annotation_id"].dropna()) | set(dataset.objects.loc[misplaced, "annotation_id"])


def list_jobs(dataset: Dataset, train: set[str], broken: set[str], params: AugmentParams) -> list[Job]:
    """A job for each training image that has a label or a sound object, in the order of their paths."""
    objects = dataset.objects
    sound = objects[~objects["annotation_id"].isin(broken) & objects["path"].isin(train)]
    by_path: dict[str, list[Row]] = {}
    for row in sound.astype(object).where(sound.notna(), None).to_dict("records"):
        by_path.setdefault(row["path"], []).append(row)
    labels = {path: label for path, label in dataset.labels.items() if path in train}
    sha256 = dict(zip(dataset.images["path"], dataset.images["sha256"], strict=True))
    paths = sorted((labels.keys() | by_path.keys()) & sha256.keys())
    classes = {path: _classes_of(labels.get(path), by_path.get(path, []), dataset.classes) for path in paths}
    n_copies = count_copies(classes, sha256, params, dataset.classes)
    return [
        Job(path, sha256[path], labels.get(path), tuple(by_path.get(path, ())), n_copies.get(path, params.factor))
        for path in paths
    ]


def _classes_of(label: str | None, objects: Sequence[Row], known: Sequence[str]) -> set[str]:
    return {str(name) for name in (label, *(row["label"] for row in objects)) if name in known}
