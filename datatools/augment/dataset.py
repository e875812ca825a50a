"""The augmented copies of a data set's training side, or for online augmentation a few to look at."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datatools.augment.jobs import Job, find_broken, list_jobs
from datatools.augment.making import PACKAGES, collect_copies, make_maker
from datatools.augment.packing import Row
from datatools.augment.table import follow_objects, list_objects, make_table
from datatools.checks.runner import run_checks
from datatools.dataset import Dataset
from datatools.kept_copies import Copies, KeptCopies
from datatools.packed import among
from datatools.params import AugmentParams, ValidateParams
from datatools.policy.steps import hash_policy, write_policy
from datatools.provenance import package_versions

N_SHOWN = 16


@dataclass(frozen=True)
class Shown:
    """For the contact sheet: a parent's path and objects, and the bytes and rows of one copy of it."""

    path: str
    objects: Sequence[Row]
    copy: bytes
    rows: Sequence[Row]


@dataclass(frozen=True)
class Augmented:
    """The AUGMENTED table of copies, a summary with every dropped object and label, a few to show, and where all are."""

    table: pd.DataFrame
    summary: Mapping[str, Any]
    copies: Copies
    shown: Sequence[Shown] = ()

    @property
    def members(self) -> list[tuple[str, bytes]]:
        """Name and PNG bytes of every copy, read now."""
        return [self.copies.read(number) for number in range(len(self.copies.rows))]


def augment_dataset(
    dataset: Dataset,
    split: pd.DataFrame,
    findings: pd.DataFrame,
    root: Path,
    params: AugmentParams,
    workers: int | None = None,
    tick: Callable[[int], None] | None = None,
    kept: KeptCopies | None = None,
) -> Augmented:
    """Make copies of every image on the train side that has a label or an object: `count_copies` says how many.

    With `params.mode` online no copy is made but `shown`. Objects that a check of severity error speaks of are not
    copied. After each call boxes are clipped to the image, objects of which less than `params.keep_min` is left are dropped,
    and the geometry checks run on the result. A label that comes from objects goes with the last of them. What is in
    `kept` is not made again; `kept.replace` writes the tar of `copies`. Raises MissingExtraError without imgaug,
    DatatoolsError for an unknown class.
    """
    broken = find_broken(dataset, findings)
    jobs = list_jobs(dataset, set(split.loc[split["split"] == "train", "path"].tolist()), broken, params)
    if params.mode == "online":
        shown = _make_some(jobs, root, params)
        return dataclasses.replace(_join(collect_copies([], params, root), [], dataset, broken, params), shown=shown)
    todo = [job for job in jobs if job.n_copies]
    copies = collect_copies(todo, params, root, workers, tick, kept)
    return dataclasses.replace(_join(copies, todo, dataset, broken, params), shown=_show(copies, todo))


def _some(jobs: Sequence[Job]) -> range:
    """The numbers of a few from all over."""
    return range(0, len(jobs), -(-len(jobs) // N_SHOWN) or 1)


def _make_some(jobs: Sequence[Job], root: Path, params: AugmentParams) -> list[Shown]:
    """A few parents with a copy of each made for the purpose."""
    some = [jobs[number]._replace(n_copies=1) for number in _some(jobs)]
    made = make_maker(params, root)(some)
    return [
        Shown(job.path, job.objects, copy.file, list_objects(job, copy.objects))
        for job, (copy,) in zip(some, made, strict=True)
    ]


def _show(copies: Copies, jobs: Sequence[Job]) -> list[Shown]:
    """A few parents with the first copy of each."""
    firsts = np.flatnonzero(copies.rows["copy"] == 0)[list(_some(jobs))].tolist()  # in the order of the jobs
    return [_show_one(copies, row, jobs) for row in firsts]


def _show_one(copies: Copies, row: int, jobs: Sequence[Job]) -> Shown:
    job = jobs[copies.rows["job"].iloc[row]]
    objects = copies.rows["objects"].iloc[row]
    return Shown(job.path, job.objects, copies.read(row)[1], list_objects(job, None if objects is pd.NA else objects))


def _join(copies: Copies, jobs: Sequence[Job], dataset: Dataset, broken: set[str], params: AugmentParams) -> Augmented:
    """All copies as one table and a summary."""
    policy = hash_policy(params.steps)
    checked, n_bad = _check_output(copies.rows, make_table(copies.rows, jobs, policy), dataset.classes)
    table, gone = follow_objects(checked, dataset.labeled_by_objects)
    dropped = Counter(reason for text in copies.rows["dropped"].dropna() for reason in json.loads(text))
    dropped["broken in the parent"] += _count_broken(dataset, jobs, broken)
    dropped["broken by augmentation"] += n_bad
    summary = {
        "mode": params.mode,
        "images": len(copies.rows),
        "parents": len(jobs),
        "objects": int((table["kind"] != "label").sum()),
        "dropped": {reason: n for reason, n in sorted(dropped.items()) if n},
        "labels_gone": {got: n for got, n in gone.items() if n},
        "labels": dict(sorted(Counter(table.loc[table["kind"] == "label", "label"]).items())),
        "policy": {"hash": policy, "steps": write_policy(params.steps)},
        "params": dataclasses.asdict(params),
        "packages": package_versions(PACKAGES),
    }
    return Augmented(table, summary, copies)


def _count_broken(dataset: Dataset, jobs: Sequence[Job], broken: set[str]) -> int:
    n_copies = {job.path: job.n_copies for job in jobs}
    objects = dataset.objects
    return sum(n_copies.get(path, 0) for path in objects.loc[among(objects["annotation_id"], broken), "path"])


def _check_output(copies: pd.DataFrame, table: pd.DataFrame, classes: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """The table without the rows that the geometry and label checks call an error, and their number."""
    images = copies[["path", "width_px", "height_px"]]
    inputs = {"annotations": table, "images": images, "classes": classes, "params": ValidateParams()}
    findings, _ = run_checks(inputs, only_with=frozenset({"annotations"}))
    bad = set(findings.loc[findings["severity"] == "error", "annotation_id"].dropna())
    return table[~table["annotation_id"].isin(bad)].reset_index(drop=True), len(bad)
