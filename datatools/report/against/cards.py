"""What changed on an image, drawn: before and after side by side, outlines of what went in red and of what came in green.

Where only words changed (the label of an image) one picture says it all. An image that is gone from the data root is drawn
from the DVC cache, where that has it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.dataset import Dataset
from datatools.diff.changes import Change, Diff
from datatools.findings import Mark
from datatools.images import RGB, UnreadableImageError
from datatools.raw import RawImages, open_raw
from datatools.report.against.data import describe_change
from datatools.report.against.old_images import OldImages
from datatools.report.faults import FaultPicture, Point, draw_fault, read_outlines
from datatools.report.thumbnails import is_below_root
from datatools.schema import BOX

Ring = tuple[Point, ...]
MAX_CONTEXT = 50  # outlines of objects that did not change
MAX_LINES = 6  # changes told in words on one card


@dataclass(frozen=True)
class Card:
    """An image, its changes in words, and its pictures; one picture where nothing that can be seen changed."""

    path: str
    lines: tuple[dict[str, Any], ...]
    n_more: int
    before: FaultPicture | None
    after: FaultPicture | None
    is_pair: bool
    missing: str  # what to say in the place of a picture that there is none of


@dataclass(frozen=True)
class Sources:
    """Where images are: below the data root as it is, and in the cache as they were."""

    raw: RawImages
    old: OldImages | None
    same: Mapping[str, str]  # path after -> path before, of images with the same bytes

    def load(self, path: str, was: str, is_gone: bool) -> tuple[RGB | None, RGB | None]:
        """The image of before and of after; the same array where the bytes are the same."""
        now = self._now(path)
        if self.same.get(path) == was and now is not None:
            return now, now
        then = self.old.decode(was) if self.old is not None else None
        if is_gone:  # excluded by a record: the file is still there
            return then if then is not None else now, None
        return then, now

    def _now(self, path: str) -> RGB | None:
        try:
            return self.raw.decode(path) if is_below_root(path) else None
        except (UnreadableImageError, ValueError):  # ValueError: a path with a null byte
            return None


def draw_cards(
    diff: Diff, datasets: tuple[Dataset, Dataset], root: Path, old: OldImages | None, same: Mapping[str, str], n: int
) -> list[Card]:
    """At most `n` cards, of each kind of change in turn. `root`: the data root; `old`: the images of before."""
    paths = choose_paths(diff.changes, n)
    changes: dict[str, list[Change]] = {path: [] for path in paths}
    for change in diff.changes:
        if change.path in changes:
            changes[change.path].append(change)
    rows = [_rows_by_path(dataset, paths) for dataset in datasets]
    sources = Sources(open_raw(root), old, same)
    records = {record.id: record for record in diff.records}
    return [_draw_card(path, changes[path], rows[1].get(path), sources, records) for path in paths]


def choose_paths(changes: Sequence[Change], n: int) -> list[str]:
    """At most `n` images: the first of each kind of change, the second of each kind, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    known: set[tuple[str, str]] = set()
    for number, change in enumerate(changes):
        if (change.kind, change.path) not in known:
            known.add((change.kind, change.path))
            turns.append((seen[change.kind], number))
            seen[change.kind] += 1
    return list(dict.fromkeys(changes[number].path for _, number in sorted(turns)))[:n]


def outlines_of(value: Any) -> tuple[Ring, ...]:
    """The outlines that `before` or `after` of a Change has: of a box, a mask, or a whole annotation."""
    row: dict[str, Any] = {"mask": None, **dict.fromkeys(BOX)}
    if isinstance(value, Mapping):
        row |= {"mask": value.get("mask"), **dict(zip(BOX, value.get("box") or [None] * 4))}
    elif isinstance(value, str):
        row["mask"] = value
    elif isinstance(value, tuple) and len(value) == 4:
        row |= dict(zip(BOX, value))
    return read_outlines(row)


def tell_changes(changes: Iterable[Change], records: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The changes of an image in words, each once, with how often it is there (`n`)."""
    told: dict[tuple[Any, ...], dict[str, Any]] = {}
    for change in changes:
        line = describe_change(change, records)
        same = tuple(line[name] for name in ("kind", "before", "after", "iou", "who", "why"))
        told.setdefault(same, {**line, "n": 0})["n"] += 1
    return list(told.values())


def _draw_card(
    path: str, changes: list[Change], rows: pd.DataFrame | None, sources: Sources, records: Mapping[str, Any]
) -> Card:
    lines = tell_changes(changes, records)
    kinds = {change.kind for change in changes}
    was = next((str(change.before) for change in changes if change.kind == "image renamed"), path)
    was_image, image = sources.load(path, was, "image removed" in kinds)
    went = [ring for change in changes for ring in _shapes(change, "before")]
    came = [ring for change in changes for ring in _shapes(change, "after")]
    is_pair = bool(went or came or kinds & {"image changed", "image added", "image removed"})
    context = _context(rows, changes)
    before = after = None
    if was_image is not None and was_image is image:
        both = draw_fault(image, [*_marks(went), *_marks(came)], context)
        before = dataclasses.replace(both, marks=both.marks[: len(went)])
        after = dataclasses.replace(both, marks=both.marks[len(went) :])
    else:
        before = None if was_image is None else draw_fault(was_image, _marks(went))
        after = None if image is None else draw_fault(image, _marks(came), context)
    missing = "not in the data" if kinds & {"image added", "image removed"} else "not on this machine"
    return Card(
        path, tuple(lines[:MAX_LINES]), sum(line["n"] for line in lines[MAX_LINES:]), before, after, is_pair, missing
    )


def _shapes(change: Change, side: str) -> tuple[Ring, ...]:
    """What to outline on one side. A relabelled object stays where it is: its box on both sides."""
    if change.kind in ("moved", "reshaped", "annotation added", "annotation removed"):
        return outlines_of(getattr(change, side))
    return outlines_of(change.box) if change.kind == "relabelled" else ()


def _context(rows: pd.DataFrame | None, changes: Iterable[Change]) -> list[Ring]:
    if rows is None:
        return []
    changed = {change.annotation_id for change in changes}
    others = rows[~rows["annotation_id"].isin(changed)].head(MAX_CONTEXT)
    return [ring for row in others.to_dict("records") for ring in read_outlines(row)]


def _marks(rings: Iterable[Ring]) -> list[Mark]:
    return [Mark("polygon", tuple(value for point in ring for value in point)) for ring in rings]


def _rows_by_path(dataset: Dataset, paths: Sequence[str]) -> dict[str, pd.DataFrame]:
    objects = dataset.objects
    return {str(path): rows for path, rows in objects[objects["path"].isin(paths)].groupby("path")}
