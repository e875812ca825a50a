"""The difference of two versions of the data.

Images are known by their path, and by their content where one went away under one path and came under another. How annotations
are known is in datatools/diff/pairing.py. All values are compared as they are stored, floats bit for bit.

The label of an image that follows from others (the vote of its annotators, the classes of its objects) is no annotation that
somebody made: it is told only where it changed, and where that says more than the change that it follows from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.diff.changes import KINDS, Change, Diff, VersionName
from datatools.diff.counting import (
    compare_findings,
    count_annotators,
    count_classes,
    count_findings,
    count_sides,
    count_slices,
    leave_out_unmatched,
)
from datatools.diff.explaining import explain
from datatools.diff.facts import list_pair_changes, list_single_changes
from datatools.diff.images import list_image_changes, list_side_changes, map_renamed, rename
from datatools.diff.pairing import Both, Pairing, pair_annotations
from datatools.diff.versions import Version
from datatools.gate import find_renamed
from datatools.packed import among
from datatools.schema import CONSENSUS

VOTED, OF_OBJECTS = "vote", "objects"  # `source` of a label that follows from others
ORDER = {kind: number for number, kind in enumerate(KINDS)}


def compare_versions(before: Version, after: Version) -> Diff:
    """All that differs from `before` to `after`. The versions are not changed."""
    changes = list_changes(before, after)
    explained, records = explain(changes, before, after)
    before, after = leave_out_unmatched(before, after)
    found = compare_findings(before, after)
    return Diff(
        _name(before),
        _name(after),
        tuple(sorted(explained, key=lambda change: (change.path, change.annotation_id or "", ORDER[change.kind]))),
        count_classes(before, after),
        count_sides(before, after),
        count_slices(before, after),
        count_annotators(before, after),
        count_findings(before, after, *found) if found else (),
        found[0] if found else None,
        found[1] if found else None,
        before.agreement,
        after.agreement,
        tuple(records),
    )


def list_changes(before: Version, after: Version) -> list[Change]:
    """The changes of images and annotations, without the fix records behind them."""
    one, two = before.dataset, after.dataset
    renamed = find_renamed(two.images, one.images)
    changes = list(list_image_changes(one.images, map_renamed(two.images, renamed)))
    if before.split is not None and after.split is not None:
        changes += list_side_changes(before.split, after.split, renamed)
    changes = _with_labels(changes, _under_new_paths(one.annotations, renamed), two.annotations)
    return changes + list(list_annotation_changes(one.annotations, two.annotations, renamed))


def list_annotation_changes(before: pd.DataFrame, after: pd.DataFrame, renamed: Mapping[str, str]) -> Iterator[Change]:
    """The changes of annotations; `renamed` has the old path of each new one."""
    before, after = _sorted(before), _sorted(after)
    mapped = after.assign(path=rename(after["path"], renamed)) if renamed else after
    mapped = _with_old_ids(mapped, after["path"], renamed)
    pairs = pair_annotations(Both(before, mapped))
    told = _is_told(pairs, before, after)
    yield from list_pair_changes(before.iloc[pairs.before[told]], after.iloc[pairs.after[told]])
    gone = _own(before.iloc[pairs.gone])
    yield from list_single_changes(_under_new_paths(gone, renamed), "annotation removed")
    yield from list_single_changes(_own(after.iloc[pairs.came]), "annotation added")


def _under_new_paths(before: pd.DataFrame, renamed: Mapping[str, str]) -> pd.DataFrame:
    return before.assign(path=rename(before["path"], {old: new for new, old in renamed.items()})) if renamed else before


def _sorted(annotations: pd.DataFrame) -> pd.DataFrame:
    ids = annotations["annotation_id"]
    return annotations if ids.is_monotonic_increasing else annotations.sort_values("annotation_id", kind="stable")


def _with_old_ids(mapped: pd.DataFrame, now: pd.Series, renamed: Mapping[str, str]) -> pd.DataFrame:
    """Ids of renamed images that have the path in them, with the old path in its place."""
    here = among(now, renamed) if renamed else np.zeros(0, bool)
    if not here.any():
        return mapped
    ids = mapped["annotation_id"].copy()
    pairs = zip(ids[here].tolist(), now[here].tolist(), strict=True)
    ids[here] = pd.array([name.replace(path, renamed[path]) for name, path in pairs], dtype="string")
    return mapped.assign(annotation_id=ids)


def _own(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the labels that follow from others."""
    return rows[~_follows(rows)]


def _follows(rows: pd.DataFrame) -> NDArray[np.bool_]:
    follows = (rows["annotator"] == CONSENSUS) & rows["source"].isin((VOTED, OF_OBJECTS))
    return follows.fillna(False).to_numpy(bool)


def _is_told(pairs: Pairing, before: pd.DataFrame, after: pd.DataFrame) -> NDArray[np.bool_]:
    """Which pairs are told: those that differ, but for labels that follow from the only one who rated, or from objects."""
    told = np.flatnonzero(~pairs.is_same)
    old, new = before.iloc[pairs.before[told]], after.iloc[pairs.after[told]]
    follows = np.flatnonzero(_follows(old) & _follows(new))
    if len(follows):
        old, new = old.iloc[follows], new.iloc[follows]
        of_objects = (old["source"] == OF_OBJECTS).to_numpy(bool) & (new["source"] == OF_OBJECTS).to_numpy(bool)
        rated = [_only_rating(side, rows) for side, rows in ((before, old), (after, new))]
        said = [(rows["label"].to_numpy(object) == one) for rows, one in zip((old, new), rated, strict=True)]
        told = np.delete(told, follows[of_objects | (said[0] & said[1])])
    is_told = np.zeros(len(pairs.before), bool)
    is_told[told] = True
    return is_told


def _only_rating(annotations: pd.DataFrame, rows: pd.DataFrame) -> NDArray[np.object_]:
    """The label that the only annotator of the image of each row gave; None where there are several, or none."""
    here = annotations[among(annotations["path"], frozenset(rows["path"].tolist()))]
    ratings = here[(here["kind"] == "label") & (here["annotator"] != CONSENSUS).fillna(True)]
    only = ratings[~ratings["path"].duplicated(keep=False)].set_index("path")["label"].to_dict()
    return np.array([only.get(path) for path in rows["path"].tolist()], object)


def _with_labels(changes: list[Change], before: pd.DataFrame, after: pd.DataFrame) -> list[Change]:
    """Changes of images with the classes of their annotations."""
    labels: dict[str, set[str]] = {}
    paths = {change.path for change in changes}
    for table in (before, after) if paths else ():
        rows = table[among(table["path"], paths)]
        rows = rows[(rows["kind"] != "label") | (rows["annotator"] == CONSENSUS)].dropna(subset=["label"])
        for path, label in zip(rows["path"].tolist(), rows["label"].tolist(), strict=True):
            labels.setdefault(path, set()).add(label)
    return [dataclasses.replace(change, labels=tuple(sorted(labels.get(change.path, ())))) for change in changes]


def _name(version: Version) -> VersionName:
    dataset = version.dataset
    return VersionName(
        version.name, version.commit, version.data, version.stale, len(dataset.images), len(dataset.annotations)
    )
