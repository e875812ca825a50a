"""Folding fix records over freshly ingested tables: deterministic, in time order, never over a changed label."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from datatools.fixes.records import BrokenLine, FixRecord
from datatools.fixes.values import KIND_OF, KINDS, Values, check_value, is_same, read_values, write_values
from datatools.schema import FIX_STATUS

CHANGES = ("relabel", "move_box", "edit_mask")  # operations that put a value in the place of another


@dataclass(frozen=True)
class Applied:
    """The annotations after the fold, what left with its reason (paths, annotation ids), and what became of every record."""

    annotations: pd.DataFrame
    excluded: Mapping[str, str]
    status: pd.DataFrame
    deleted: Mapping[str, str] = field(default_factory=dict)


class _State:
    """The values that records meet, and what they have done so far."""

    def __init__(self, annotations: pd.DataFrame, records: Sequence[FixRecord], unannotated: Collection[str]) -> None:
        named = {kind: {r.annotation_id or "" for r in records if KIND_OF.get(r.op) == kind} for kind in KINDS}
        self.values = {kind: read_values(annotations, kind, named[kind]) for kind in KINDS}
        self.ids = frozenset(annotations["annotation_id"])
        self.paths = {*annotations["path"], *unannotated}
        self.record_ids = {record.id for record in records}
        self.changed: dict[str, Values] = {kind: {} for kind in KINDS}
        self.sources: dict[str, str] = {}
        self.excluded: dict[str, str] = {}
        self.deleted: dict[str, str] = {}

    def conflict(self, record: FixRecord) -> str:
        """Why the record cannot be applied; empty if it can."""
        if record.op == "revert":
            return "" if record.reverts in self.record_ids else f"record {record.reverts} is not in data/fixes"
        if record.op == "exclude":
            return "" if record.path in self.paths else f"image {record.path} is not in the data set"
        if record.annotation_id not in self.ids or record.annotation_id in self.deleted:
            return f"annotation {record.annotation_id} is not in the data set"
        kind = KIND_OF[record.op]
        value = self.values[kind][str(record.annotation_id)]
        if not is_same(kind, value, record.before):
            return f"{kind} is {value!r}, the record was made on {record.before!r}"
        return check_value(kind, record.after) if record.op in CHANGES else ""

    def apply(self, record: FixRecord) -> None:
        """Do what a record without conflict says."""
        name = str(record.annotation_id)
        if record.op in CHANGES:
            kind = KIND_OF[record.op]
            self.values[kind][name] = self.changed[kind][name] = record.after
            self.sources[name] = f"fix/{record.id}"
        elif record.op == "delete":
            self.deleted[name] = f"{record.who}: {record.why}"
        elif record.op == "exclude":
            self.excluded[str(record.path)] = f"{record.who}: {record.why}"


def apply_fixes(
    annotations: pd.DataFrame,
    records: Sequence[FixRecord],
    broken: Sequence[BrokenLine] = (),
    unannotated: Collection[str] = (),
) -> Applied:
    """Return `annotations` with the labels, boxes and masks that people decided; the input is not changed.

    Records are taken in the order of time and id. One whose `before` is not the value found, or whose annotation is
    gone, is a conflict and changes nothing. A reverted record counts as never made. A changed row's `source` becomes
    `fix/<record id>`; a deleted row is not in the result. `unannotated` are paths without a row in `annotations`: they can be excluded too.
    """
    ordered = sorted(records, key=lambda record: (record.when, record.id))
    reverted = find_reverted(ordered)
    state = _State(annotations, ordered, unannotated)
    rows = []
    for record in ordered:
        status, message = "reverted" if record.id in reverted else "applied", ""
        if status == "applied":
            message = state.conflict(record)
            status = "conflict" if message else "applied"
        if status == "applied":
            state.apply(record)
        rows.append(_status_row(record, status, message))
    status_table = FIX_STATUS.conform(rows + _broken_rows(broken))
    return Applied(_write(annotations, state), state.excluded, status_table, state.deleted)


def refold(annotations: pd.DataFrame, status: pd.DataFrame, records: Sequence[FixRecord]) -> pd.DataFrame:
    """Return ingested `annotations` as the next run will see them: without the records it has applied, then all records.

    `status` (FIX_STATUS) says what the last run applied. This lets a person decide twice before the next `dvc repro`.
    """
    before = annotations
    for kind in KINDS:
        ops = [op for op, changed in KIND_OF.items() if changed == kind and op in CHANGES]
        applied = status[(status["status"] == "applied") & status["op"].isin(ops)].drop_duplicates("annotation_id")
        texts = applied["before"].astype(object).where(applied["before"].notna(), None)
        before = write_values(before, kind, dict(zip(applied["annotation_id"], texts, strict=True)))
    return apply_fixes(before, records).annotations


def find_reverted(ordered: Sequence[FixRecord]) -> set[str]:
    """Ids of the records that a revert in force takes back; a revert can itself be reverted by a later one."""
    reverted: set[str] = set()
    for record in reversed(ordered):
        if record.op == "revert" and record.id not in reverted and record.reverts:
            reverted.add(record.reverts)
    return reverted


def _write(annotations: pd.DataFrame, state: _State) -> pd.DataFrame:
    result = annotations
    for kind, changed in state.changed.items():
        result = write_values(result, kind, changed)
    if state.sources:
        source = result["annotation_id"].map(state.sources).astype("string").fillna(result["source"])
        result = result.assign(source=source)
    if state.deleted:
        result = result[~result["annotation_id"].isin(list(state.deleted))].reset_index(drop=True)
    return result


def _status_row(record: FixRecord, status: str, message: str) -> dict[str, Any]:
    names = ("id", "op", "path", "annotation_id", "before", "after", "why", "who", "when")
    return {**{name: getattr(record, name) for name in names}, "status": status, "message": message}


def _broken_rows(broken: Sequence[BrokenLine]) -> list[dict[str, Any]]:
    return [
        {"id": f"{line.file}:{line.line}", "status": "conflict", "when": "", "message": f"not a record: {line.message}"}
        for line in broken
    ]
