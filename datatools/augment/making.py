"""The copies of all jobs: taken over where an earlier run made them in the same way, the others made on all cores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from datatools.augment.jobs import Job, make_key
from datatools.engine import map_ordered
from datatools.kept_copies import COPIES, Copies, KeptCopies, Spool, no_copies, to_part
from datatools.params import AugmentParams
from datatools.policy.steps import hash_policy
from datatools.provenance import decoder_version, hash_module, hash_sources, package_versions
from datatools.raw import open_raw

if TYPE_CHECKING:
    from datatools.augment.copies import CopyMaker

PACKAGES = ("imaug", "numpy", "opencv-python-headless", "shapely")
GROUP, GROUP_PIXELS = 32, 500_000  # copies and pixels that go to a worker at a time, about a batch: all finish together


def collect_copies(
    jobs: Sequence[Job],
    params: AugmentParams,
    root: Path,
    workers: int | None = None,
    tick: Callable[[int], None] | None = None,
    kept: KeptCopies | None = None,
) -> Copies:
    """The copies of `jobs`, in their order, with their `path` and the number of their `job`. `tick(n)` counts new jobs."""
    made_by = _name_maker(params)
    keys = [make_key(job, made_by) for job in jobs]
    known = kept.find(dict(zip(keys, (job.n_copies for job in jobs)))) if kept else no_copies()
    numbers = {key: number for number, key in enumerate(keys)}
    found = known.rows.assign(job=np.array([numbers[key] for key in known.rows["key"].tolist()], dtype=np.int64))
    todo = sorted(set(range(len(jobs))) - set(found["job"].tolist()))
    if not todo:
        return Copies(_in_order([found], jobs), known.files)
    spool = Spool(kept.folder if kept else None)
    rows = _make_copies(_Worker(make_maker(params, root), jobs, spool), todo, workers, tick)
    made = pd.DataFrame(rows, columns=["job", *_COLUMNS]).astype(_COLUMNS)
    made = made.assign(file=len(known.files), key=[keys[number] for number in made["job"].tolist()])
    return Copies(_in_order([found, made], jobs), [*known.files, spool])


_COLUMNS = {name: dtype for name, dtype in COPIES.columns.items() if name != "key"}


def _in_order(frames: Sequence[pd.DataFrame], jobs: Sequence[Job]) -> pd.DataFrame:
    """All rows in the order of `jobs`, with their `path`."""
    rows = pd.concat([frame for frame in frames if len(frame)] or frames)
    rows = rows.sort_values(["job", "copy"], ignore_index=True)
    paths = [name_copy(jobs[job].path, copy) for job, copy in zip(rows["job"].tolist(), rows["copy"].tolist())]
    return rows.assign(path=pd.Series(paths, dtype="string"))


def make_maker(params: AugmentParams, root: Path) -> CopyMaker:
    """Raises MissingExtraError without imgaug."""
    from datatools.augment.copies import CopyMaker  # imgaug takes a second

    return CopyMaker(open_raw(root), params.steps, params.seed, params.keep_min)


def _name_maker(params: AugmentParams) -> str:
    """All that copies depend on beside their parent: what is asked for, the code, the packages."""
    code = hash_sources("augment"), hash_sources("policy"), hash_module("masks")
    asked = hash_policy(params.steps), params.seed, params.keep_min
    made_by = *asked, *code, decoder_version(), package_versions(PACKAGES)
    return hashlib.sha256(repr(made_by).encode()).hexdigest()


@dataclass(frozen=True)
class _Worker:
    """Makes the copies of jobs by their numbers, and puts their bytes into the spool."""

    maker: CopyMaker
    jobs: Sequence[Job]
    spool: Spool

    def __call__(self, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
        """A row for each copy: the number of its job, and `_COLUMNS`."""
        made = self.maker([self.jobs[number] for number in numbers])
        return [self._put(number, *copy) for number, copies in zip(numbers, made, strict=True) for copy in copies]

    def _put(self, job: int, copy: int, seed: int, width: int, height: int, file: bytes, *said: str | None) -> Any:
        part = to_part(name_copy(self.jobs[job].path, copy), file)
        digest = hashlib.sha256(part).hexdigest()
        return job, copy, seed, width, height, *said, len(part), digest, self.spool.append(part)


def name_copy(path: str, copy: int) -> str:
    """The path of a copy, with the parent's suffix in it: a.png and a.jpg are two parents."""
    return f"{path}.aug{copy}.png"


def _make_copies(
    worker: _Worker, todo: Sequence[int], workers: int | None, tick: Callable[[int], None] | None
) -> list[tuple[Any, ...]]:
    groups = list(_groups(worker.jobs, todo))
    rows: list[tuple[Any, ...]] = []
    for group, made in zip(groups, map_ordered(worker, groups, workers), strict=True):
        rows += made
        if tick is not None:
            tick(len(group))
    return rows


def _groups(jobs: Sequence[Job], todo: Sequence[int]) -> Iterator[list[int]]:
    group: list[int] = []
    n_copies = n_pixels = 0
    for number in todo:
        group.append(number)
        n_copies += jobs[number].n_copies
        n_pixels += jobs[number].n_copies * jobs[number].n_pixels
        if n_copies >= GROUP or n_pixels >= GROUP_PIXELS:
            yield group
            group, n_copies, n_pixels = [], 0, 0
    if group:
        yield group
