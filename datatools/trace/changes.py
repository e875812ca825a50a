"""Which commits changed what is said of one image: its rows in the tables of each state that Git knows, compared in turn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from datatools.dataset import Dataset
from datatools.diff.changes import Change
from datatools.diff.compare import list_changes
from datatools.diff.versions import IMAGE_COLUMNS, Version
from datatools.schema import ANNOTATIONS, IMAGES, SPLIT, Table
from datatools.trace.past import Past, State
from datatools.trace.place import SPLIT_TABLE

TABLES = {
    "images": "data/dataset/images.parquet",
    "annotations": "data/dataset/annotations.parquet",
    "split": SPLIT_TABLE,
}
Rows = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class _Seen:
    """An image as a state had it."""

    state: State
    rows: Rows


def list_past_changes(
    past: Past, path: str, annotation_id: str | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """What each commit changed about the image `path`, oldest first, and the commits whose tables are not on this machine.

    With `annotation_id` only what concerns that annotation. The first state that is there tells only that the image was there.
    """
    events: list[dict[str, Any]] = []
    seen, missing = _read_states(past, path)
    before: _Seen | None = None
    for now in seen:
        if before is None:
            events += [_begin(now, past)] if len(now.rows["images"]) else []
        else:
            told = [_tell(change) for change in _compare(before, now) if annotation_id in (None, change.annotation_id)]
            events += [{**now.state.describe(), "changes": told}] if told else []
        before = now
    return events, missing


def _begin(seen: _Seen, past: Past) -> dict[str, Any]:
    is_first = seen.state is past.states[0] and not past.is_cut
    return {**seen.state.describe(), "changes": [{"kind": "first run" if is_first else "there already"}]}


def _read_states(past: Past, path: str) -> tuple[list[_Seen], list[str]]:
    """The image in each state in which one of the three tables is another one than before."""
    seen: list[_Seen] = []
    missing: list[str] = []
    known: dict[str, pd.DataFrame | None] = {}
    last: tuple[str | None, ...] = ()
    for state in past.states:
        hashes = tuple(state.find_out(file) for file in TABLES.values())
        if hashes == last or hashes[0] is None:
            continue
        last = hashes
        rows = _read_rows(state, path, hashes, known)
        if rows is None:
            missing.append(state.describe()["commit"] or "the workspace")
        else:
            seen.append(_Seen(state, rows))
    return seen, missing


def _read_rows(
    state: State, path: str, hashes: tuple[str | None, ...], known: dict[str, pd.DataFrame | None]
) -> Rows | None:
    rows: Rows = {}
    for (name, table), md5 in zip(
        (("images", IMAGES), ("annotations", ANNOTATIONS), ("split", SPLIT)), hashes, strict=True
    ):
        if md5 is None:
            rows[name] = table.empty()
            continue
        if md5 not in known:
            known[md5] = _read_table(state, md5, path, table)
        found = known[md5]
        if found is None:
            return None
        rows[name] = found
    return rows


def _read_table(state: State, md5: str, path: str, table: Table) -> pd.DataFrame | None:
    frame = state.load_rows(md5, path=path)
    return None if frame is None else table.conform(frame[[name for name in frame.columns if name in table.columns]])


def _compare(before: _Seen, after: _Seen) -> Iterator[Change]:
    yield from list_changes(_to_version(before), _to_version(after))


def _to_version(seen: _Seen) -> Version:
    images = seen.rows["images"][list(IMAGE_COLUMNS)]
    return Version("", seen.state.commit, Dataset(images, seen.rows["annotations"], ()), split=seen.rows["split"])


def _tell(change: Change) -> dict[str, Any]:
    names = ("kind", "annotation_id", "before", "after", "annotator", "iou")
    values = {field.name: getattr(change, field.name) for field in dataclasses.fields(change)}
    return {name: values[name] for name in names if values[name] is not None}
