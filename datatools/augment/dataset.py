"""The augmented copies of a data set's training side, or for online augmentation a few to look at."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from datatools.augment.jobs import Job, find_broken, list_jobs
from datatools.augment.packing import Row
from datatools.checks.runner import run_checks
from datatools.dataset import Dataset
from datatools.engine import map_ordered
from datatools.kept_copies import Copies, KeptCopies
from datatools.params import AugmentParams, ValidateParams
from datatools.policy.steps import hash_policy, write_policy
from datatools.provenance import decoder_version, hash_module, hash_sources, package_versions
from datatools.raw import open_raw
from datatools.schema import AUGMENTED

if TYPE_CHECKING:
    from datatools.augment.copies import CopyMaker

PACKAGES = ("imaug", "numpy", "opencv-python-headless", "shapely")
N_SHOWN = 16
N_GROUPS = 100  # or more, so that all cores finish together and progress is seen
LARGEST_GROUP = 32  # parents, a full batch where each has one copy


@dataclass(frozen=True)
class Shown:
    """For the contact sheet: a parent's path and objects, and the bytes and rows of one copy of it."""

    path: str
    objects: Sequence[Row]
    copy: bytes
    rows: Sequence[Row]


@dataclass(frozen=True)
class Augmented:
    """Copies as (name, PNG bytes), their AUGMENTED table, and a summary with every dropped object by reason.

    `copies` has the same by key, for KeptCopies; `shown` a few of them.
    """

    members: Sequence[tuple[str, bytes]]
    table: pd.DataFrame
    summary: Mapping[str, Any]
    copies: Mapping[str, Copies] = dataclasses.field(default_factory=dict)
    shown: Sequence[Shown] = ()


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
    and the geometry checks run on the result. Raises MissingExtraError without imgaug, DatatoolsError for an unknown class.
    """
    from datatools.augment.copies import CopyMaker  # imgaug takes a second

    broken = find_broken(dataset, findings)
    jobs = list_jobs(dataset, set(split.loc[split["split"] == "train", "path"]), broken, params)
    maker = CopyMaker(open_raw(root), params.steps, params.seed, params.keep_min)
    if params.mode == "online":
        return dataclasses.replace(_join({}, [], dataset, broken, params), shown=_show(_for_show(jobs), maker, {}))
    todo = [job for job in jobs if job.n_copies]
    copies = _make_copies(todo, maker, workers, tick, kept)
    augmented = _join(copies, todo, dataset, broken, params)
    made = dict(zip((job.path for job in todo), copies.values(), strict=True))
    return dataclasses.replace(augmented, shown=_show(todo[:: -(-len(todo) // N_SHOWN) or 1], maker, made))


def _for_show(jobs: Sequence[Job]) -> list[Job]:
    """A few from all over, with one copy each."""
    return [dataclasses.replace(job, n_copies=1) for job in jobs[:: -(-len(jobs) // N_SHOWN) or 1]]


def _show(jobs: Sequence[Job], maker: CopyMaker, made: Mapping[str, Copies]) -> list[Shown]:
    """The first copy of each job, of those that were made or made for the purpose."""
    found = [made.get(job.path) or maker([job])[0] for job in jobs]
    return [
        Shown(
            job.path,
            job.objects,
            copies.members[0][1],
            [row for row in copies.rows if row["path"] == copies.members[0][0]],
        )
        for job, copies in zip(jobs, found, strict=True)
    ]


def _make_copies(
    jobs: Sequence[Job],
    maker: CopyMaker,
    workers: int | None,
    tick: Callable[[int], None] | None,
    kept: KeptCopies | None,
) -> dict[str, Copies]:
    """The copies of every job by its key, in the order of the jobs; only those that were not kept are made."""
    made_by = _name_maker(maker)
    keys = [_key_of(job, made_by) for job in jobs]
    found = {key: known for key in keys if kept and (known := kept.find(key))}
    todo = [(key, job) for key, job in zip(keys, jobs, strict=True) if key not in found]
    size = max(1, min(LARGEST_GROUP, len(todo) // N_GROUPS))
    groups = [todo[start : start + size] for start in range(0, len(todo), size)]
    made = map_ordered(maker, [[job for _, job in group] for group in groups], workers)
    for group, copies in zip(groups, made, strict=True):
        found |= zip((key for key, _ in group), copies, strict=True)
        if tick is not None:
            tick(len(group))
    return {key: found[key] for key in keys}


def _name_maker(maker: CopyMaker) -> tuple[Any, ...]:
    """All that copies depend on beside their parent: what is asked for, the code, the packages."""
    code = hash_sources("augment"), hash_sources("policy"), hash_module("masks")
    asked = hash_policy(maker.steps), maker.seed, maker.keep_min
    return *asked, *code, decoder_version(), package_versions(PACKAGES)


def _key_of(job: Job, made_by: tuple[Any, ...]) -> str:
    """Names all that the copies of a parent depend on: its content, its objects, their number, how they are made."""
    return hashlib.sha256(repr((job, made_by)).encode()).hexdigest()


def _join(
    copies: Mapping[str, Copies], jobs: Sequence[Job], dataset: Dataset, broken: set[str], params: AugmentParams
) -> Augmented:
    """All copies as one table and a summary."""
    results = list(copies.values())
    members = [member for found in results for member in found.members]
    table, n_bad = _check_output(results, dataset.classes)
    dropped = Counter(reason for found in results for reason in found.reasons)
    dropped["broken in the parent"] += _count_broken(dataset, jobs, broken)
    dropped["broken by augmentation"] += n_bad
    summary = {
        "mode": params.mode,
        "images": len(members),
        "parents": len(jobs),
        "objects": int((table["kind"] != "label").sum()),
        "dropped": {reason: n for reason, n in sorted(dropped.items()) if n},
        "labels": dict(sorted(Counter(table.loc[table["kind"] == "label", "label"]).items())),
        "policy": {"hash": hash_policy(params.steps), "steps": write_policy(params.steps)},
        "params": dataclasses.asdict(params),
        "packages": package_versions(PACKAGES),
    }
    return Augmented(members, table, summary, copies)


def _count_broken(dataset: Dataset, jobs: Sequence[Job], broken: set[str]) -> int:
    n_copies = {job.path: job.n_copies for job in jobs}
    objects = dataset.objects
    return sum(n_copies.get(path, 0) for path in objects.loc[objects["annotation_id"].isin(broken), "path"])


def _check_output(results: Sequence[Copies], classes: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """The table of all copies without the rows that the geometry and label checks call an error, and their number."""
    table = AUGMENTED.conform([row for copies in results for row in copies.rows])
    images = pd.DataFrame(
        [size for copies in results for size in copies.sizes], columns=["path", "width_px", "height_px"]
    )
    inputs = {"annotations": table, "images": images, "classes": classes, "params": ValidateParams()}
    findings, _ = run_checks(inputs, only_with=frozenset({"annotations"}))
    bad = set(findings.loc[findings["severity"] == "error", "annotation_id"].dropna())
    return table[~table["annotation_id"].isin(bad)].reset_index(drop=True), len(bad)
