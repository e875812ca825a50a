"""Folding fix records over freshly ingested tables: deterministic, in time order, never over a changed label."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from datatools.fixes.records import BrokenLine, FixRecord
from datatools.schema import FIX_STATUS


@dataclass(frozen=True)
class Applied:
    """The annotations after the fold, excluded paths with their reason, and what became of every record."""

    annotations: pd.DataFrame
    excluded: Mapping[str, str]
    status: pd.DataFrame


def apply_fixes(
    annotations: pd.DataFrame,
    records: Sequence[FixRecord],
    broken: Sequence[BrokenLine] = (),
    unannotated: Collection[str] = (),
) -> Applied:
    """Return `annotations` with the labels that people decided; the input is not changed.

    Records are taken in the order of time and id. One whose `before` is not the label found, or whose annotation is
    gone, is a conflict and changes nothing. A reverted record counts as never made. A changed row's `source` becomes
    `fix/<record id>`. `unannotated` are paths without a row in `annotations`: they can be excluded too.
    """
    ordered = sorted(records, key=lambda record: (record.when, record.id))
    reverted = find_reverted(ordered)
    labels = dict(zip(annotations["annotation_id"], annotations["label"].astype(object), strict=True))
    paths = {*annotations["path"], *unannotated}
    sources: dict[str, str] = {}
    excluded: dict[str, str] = {}
    rows = []
    for record in ordered:
        status, message = "reverted" if record.id in reverted else "applied", ""
        if status == "applied":
            message = _conflict(record, labels, paths, {r.id for r in ordered})
            status = "conflict" if message else "applied"
        if status == "applied" and record.op == "relabel":
            labels[record.annotation_id] = record.after
            sources[str(record.annotation_id)] = f"fix/{record.id}"
        elif status == "applied" and record.op == "exclude":
            excluded[str(record.path)] = f"{record.who}: {record.why}"
        rows.append(_status_row(record, status, message))
    return Applied(
        _with_labels(annotations, labels, sources), excluded, FIX_STATUS.conform(rows + _broken_rows(broken))
    )


def refold(annotations: pd.DataFrame, status: pd.DataFrame, records: Sequence[FixRecord]) -> pd.DataFrame:
    """Return ingested `annotations` as the next run will see them: without the records it has applied, then all records.

    `status` (FIX_STATUS) says what the last run applied. This lets a person decide twice before the next `dvc repro`.
    """
    applied = status[(status["status"] == "applied") & (status["op"] == "relabel")]
    first = applied.drop_duplicates("annotation_id").set_index("annotation_id")["before"]
    ids = annotations["annotation_id"]
    before = annotations.assign(
        label=ids.map(first).astype("string").where(ids.isin(first.index), annotations["label"])
    )
    return apply_fixes(before, records).annotations


def find_reverted(ordered: Sequence[FixRecord]) -> set[str]:
    """Ids of the records that a revert in force takes back; a revert can itself be reverted by a later one."""
    reverted: set[str] = set()
    for record in reversed(ordered):
        if record.op == "revert" and record.id not in reverted and record.reverts:
            reverted.add(record.reverts)
    return reverted


def _conflict(record: FixRecord, labels: Mapping[Any, Any], paths: set[str], ids: set[str]) -> str:
    if record.op == "revert":
        return "" if record.reverts in ids else f"record {record.reverts} is not in data/fixes"
    if record.op == "exclude":
        return "" if record.path in paths else f"image {record.path} is not in the data set"
    if record.annotation_id not in labels:
        return f"annotation {record.annotation_id} is not in the data set"
    label = labels[record.annotation_id]
    label = None if pd.isna(label) else label
    return "" if label == record.before else f"label is {label!r}, the record was made on {record.before!r}"


def _with_labels(annotations: pd.DataFrame, labels: Mapping[Any, Any], sources: Mapping[str, str]) -> pd.DataFrame:
    ids = annotations["annotation_id"]
    source = ids.map(sources).astype("string").fillna(annotations["source"])
    return annotations.assign(label=ids.map(labels).astype("string"), source=source)


def _status_row(record: FixRecord, status: str, message: str) -> dict[str, Any]:
    names = ("id", "op", "path", "annotation_id", "before", "after", "why", "who", "when")
    return {**{name: getattr(record, name) for name in names}, "status": status, "message": message}


def _broken_rows(broken: Sequence[BrokenLine]) -> list[dict[str, Any]]:
    return [
        {"id": f"{line.file}:{line.line}", "status": "conflict", "when": "", "message": f"not a record: {line.message}"}
        for line in broken
    ]
