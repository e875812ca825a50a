"""Folding fix records over freshly ingested tables: deterministic, in time order, never over a changed value.

What becomes of a record (STATUSES): applied; reverted, by a later record; conflict, as its `before` no longer holds;
disputed, as somebody else says something else; settled, as a record that ends a dispute overrules it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from datatools.fixes.records import BrokenLine, FixRecord
from datatools.fixes.targets import describe, find_disputes, find_settled, target_of
from datatools.fixes.values import (
    KIND_OF,
    KINDS,
    NewAnnotation,
    Values,
    check_value,
    is_same,
    parse_new,
    read_values,
    write_box,
    write_values,
)
from datatools.packed import among
from datatools.schema import ANNOTATIONS, BOX, FIX_STATUS, SIDES

CHANGES = ("relabel", "move_box", "edit_mask")  # operations that put a value in the place of another
STATUSES = ("applied", "reverted", "conflict", "disputed", "settled")
Metadata = Mapping[str, Mapping[str, str]]  # path -> column -> value
WAS_SO = "it was so already"  # why an applied record changed nothing
SOURCE = "fix/"  # begins the source of a row that a record changed; the record's id follows


@dataclass(frozen=True)
class Applied:
    """The annotations after the fold, what left with its reason (paths, annotation ids), and what became of every record.

    `metadata` are the values that people set, by path and column; None takes a value away.
    """

    annotations: pd.DataFrame
    excluded: Mapping[str, str]
    status: pd.DataFrame
    deleted: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)


class _State:
    """The values that records meet, and what they have done so far."""

    def __init__(
        self, annotations: pd.DataFrame, records: Sequence[FixRecord], unannotated: Collection[str], metadata: Metadata
    ) -> None:
        named = {kind: {r.annotation_id or "" for r in records if KIND_OF.get(r.op) == kind} for kind in KINDS}
        self.values = {kind: read_values(annotations, kind, named[kind]) for kind in KINDS}
        self.ids = _those_in(annotations["annotation_id"], {r.annotation_id for r in records if r.annotation_id})
        paths = {record.path for record in records if record.path}
        self.paths = _those_in(annotations["path"], paths) | paths.intersection(unannotated)
        self.record_ids = {record.id for record in records}
        self.known = metadata
        self.changed: dict[str, Values] = {kind: {} for kind in KINDS}
        self.sources: dict[str, str] = {}
        self.excluded: dict[str, str] = {}
        self.deleted: dict[str, str] = {}
        self.added: dict[str, tuple[str, NewAnnotation]] = {}
        self.metadata: dict[str, dict[str, str | None]] = {}

    def conflict(self, record: FixRecord) -> str:
        """Why the record cannot be applied; empty if it can."""
        if record.op == "revert":
            return "" if record.reverts in self.record_ids else f"record {record.reverts} is not in data/fixes"
        if KIND_OF.get(record.op) is None or record.op == "add":
            if record.path not in self.paths:
                return f"image {record.path} is not in the data set"
            return self._conflict_of_image(record)
        name = str(record.annotation_id)
        if name not in self.ids or name in self.deleted:
            return f"annotation {name} is not in the data set"
        kind = KIND_OF[record.op]
        value = self.values[kind][name]
        if self.is_so(record):
            return ""  # two people say the same, or the source was corrected meanwhile
        if not is_same(kind, value, record.before):
            return f"{kind} is {value!r}, the record was made on {record.before!r}"
        return check_value(kind, record.after) if record.op in CHANGES else ""

    def is_so(self, record: FixRecord) -> bool:
        """Whether the annotation has the value already that the record gives it."""
        kind, name = KIND_OF.get(record.op), str(record.annotation_id)
        known = self.values[kind] if kind and record.op in CHANGES else {}
        return name in known and is_same(str(kind), known[name], record.after)

    def _conflict_of_image(self, record: FixRecord) -> str:
        if record.op == "add":
            if record.annotation_id in self.ids:
                return f"annotation {record.annotation_id} is there already"
            try:
                parse_new(record.after)
            except (ValueError, RecursionError) as error:  # a MaskError is a ValueError
                return str(error)
        if record.op == "set_split" and record.after not in SIDES:
            return f"{record.after!r} is no side of the split: {', '.join(SIDES)}"
        if record.op == "set_metadata":
            value = self.metadata_of(record)
            if value not in (record.before, record.after):
                return f"{record.column} is {value!r}, the record was made on {record.before!r}"
        return ""

    def metadata_of(self, record: FixRecord) -> str | None:
        """The value that a column has for the record's image now."""
        path, column = str(record.path), str(record.column)
        changed = self.metadata.get(path, {})
        return changed[column] if column in changed else self.known.get(path, {}).get(column)

    def apply(self, record: FixRecord) -> None:
        """Do what a record without conflict says."""
        name, path = str(record.annotation_id), str(record.path)
        if record.op in CHANGES:
            kind = KIND_OF[record.op]
            self.values[kind][name] = self.changed[kind][name] = record.after
            self.sources[name] = f"{SOURCE}{record.id}"
        elif record.op == "add":
            self._add(record, parse_new(record.after))
        elif record.op == "delete":
            self.deleted[name] = f"{record.who}: {record.why}"
        elif record.op == "exclude":
            self.excluded[path] = f"{record.who}: {record.why}"
        elif record.op == "include":
            self.excluded.pop(path, None)
        elif record.op == "set_metadata":
            self.metadata.setdefault(path, {})[str(record.column)] = record.after

    def _add(self, record: FixRecord, new: NewAnnotation) -> None:
        name = str(record.annotation_id)
        self.added[name] = (str(record.path), new)
        self.sources[name] = f"{SOURCE}{record.id}"
        self.ids.add(name)
        values = {"label": new.label, "box": write_box(new.xyxy), "mask": new.mask}
        for kind, value in values.items():
            self.values[kind][name] = value


def apply_fixes(
    annotations: pd.DataFrame,
    records: Sequence[FixRecord],
    broken: Sequence[BrokenLine] = (),
    unannotated: Collection[str] = (),
    metadata: Metadata | None = None,
) -> Applied:
    """Return `annotations` as people decided; the input is not changed.

    Records are taken in the order of time and id. One whose `before` is not the value found, or whose annotation is
    gone, is a conflict and changes nothing, unless the value is its `after` already. What two people say differently is
    disputed and changes nothing either, until a record settles it. A reverted record counts as never made. A changed row's
    `source` becomes `fix/<record id>`; a
    deleted row is not in the result. `unannotated` are paths without a row in `annotations`: they can be excluded too.
    `metadata` is what metadata.csv says of the images.
    """
    ordered = sorted(records, key=lambda record: (record.when, record.id))
    reverted, standing = find_reverted(ordered), in_force(ordered)
    settled, disputes = find_settled(standing), find_disputes(standing)
    state = _State(annotations, ordered, unannotated, metadata or {})
    rows = []
    for record in ordered:
        if record.id in reverted:
            status, message = "reverted", ""
        elif record.id in settled:
            status, message = "settled", f"overruled by {settled[record.id]}"
        elif (target := target_of(record)) in disputes and target is not None:
            status, message = "disputed", describe(disputes[target])
        else:
            message = state.conflict(record)
            status = "conflict" if message else "applied"
        if status == "applied" and state.is_so(record):
            message = WAS_SO
        elif status == "applied":
            state.apply(record)
        rows.append(_status_row(record, status, message))
    status_table = FIX_STATUS.conform(rows + _broken_rows(broken))
    return Applied(_write(annotations, state), state.excluded, status_table, state.deleted, state.metadata)


def refold(annotations: pd.DataFrame, status: pd.DataFrame, records: Sequence[FixRecord]) -> pd.DataFrame:
    """Return ingested `annotations` as the next run will see them: without the records it has applied, then all records.

    `status` (FIX_STATUS) says what the last run applied. This lets a person decide twice before the next `dvc repro`.
    """
    done = status[(status["status"] == "applied") & (status["message"].fillna("") != WAS_SO)]
    added = frozenset(done.loc[done["op"] == "add", "annotation_id"])
    before = annotations[~among(annotations["annotation_id"], added)] if added else annotations
    for kind in KINDS:
        ops = [op for op, changed in KIND_OF.items() if changed == kind and op in CHANGES]
        applied = done[done["op"].isin(ops) & ~done["annotation_id"].isin(added)].drop_duplicates("annotation_id")
        texts = applied["before"].astype(object).where(applied["before"].notna(), None)
        before = write_values(before, kind, dict(zip(applied["annotation_id"], texts, strict=True)))
    return apply_fixes(before, records, unannotated=frozenset(annotations["path"].tolist())).annotations


def find_reverted(ordered: Sequence[FixRecord]) -> set[str]:
    """Ids of the records that a revert in force takes back; a revert can itself be reverted by a later one."""
    reverted: set[str] = set()
    for record in reversed(ordered):
        if record.op == "revert" and record.id not in reverted and record.reverts:
            reverted.add(record.reverts)
    return reverted


def in_force(ordered: Sequence[FixRecord]) -> list[FixRecord]:
    """The records that no revert takes back, reverts included, in their order."""
    reverted = find_reverted(ordered)
    return [record for record in ordered if record.id not in reverted]


def _write(annotations: pd.DataFrame, state: _State) -> pd.DataFrame:
    result = annotations
    if state.added:
        new = ANNOTATIONS.conform([_new_row(name, path, item) for name, (path, item) in state.added.items()])
        result = ANNOTATIONS.conform(pd.concat([annotations, new], ignore_index=True))
    for kind, changed in state.changed.items():
        result = write_values(result, kind, changed)
    result = _forget_areas(result, state.changed["box"], state.changed["mask"])
    if state.sources:
        here = among(result["annotation_id"], state.sources)
        result = result.copy(deep=False)  # pandas copies a column when it changes
        named = [state.sources[name] for name in result.loc[here, "annotation_id"].tolist()]
        result.loc[here, "source"] = pd.array(named, dtype="string")
    if state.deleted:
        result = result[~among(result["annotation_id"], state.deleted)].reset_index(drop=True)
    return result


def _forget_areas(annotations: pd.DataFrame, boxes: Collection[str], masks: Collection[str]) -> pd.DataFrame:
    """A copy without the `area` that the source stated of what has another shape by now: it was that of the old one."""
    ids, attributes = annotations["annotation_id"], annotations["attributes"]
    reshaped = among(ids, masks) | (among(ids, boxes) & annotations["mask"].isna().to_numpy())
    here = reshaped & attributes.str.contains('"area"').fillna(False).to_numpy(bool)
    if not here.any():
        return annotations
    result = annotations.copy(deep=False)  # pandas copies a column when it changes
    result.loc[here, "attributes"] = pd.array([_without_area(text) for text in attributes[here]], dtype="string")
    return result


def _without_area(text: str) -> str:
    attributes = json.loads(text)
    if type(attributes.get("area")) not in (int, float):
        return text
    del attributes["area"]
    return json.dumps(attributes, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _those_in(column: pd.Series, names: Collection[str]) -> set[str]:
    """Which of the `names` the column has: as many as there are records, not as many as there are rows."""
    return set(column[among(column, names)].tolist())


def _new_row(name: str, path: str, new: NewAnnotation) -> dict[str, Any]:
    row = {"annotation_id": name, "path": path, "label": new.label, "kind": new.kind, "mask": new.mask}
    return {**row, **dict(zip(BOX, new.xyxy, strict=True)), "attributes": "{}"}


def _status_row(record: FixRecord, status: str, message: str) -> dict[str, Any]:
    names = ("id", "op", "path", "annotation_id", "before", "after", "why", "who", "when")
    shown = record.evidence.get("queue")
    kinds = ",".join(map(str, shown)) if isinstance(shown, list) else shown
    queue = kinds if isinstance(kinds, str) and kinds else None
    return {**{name: getattr(record, name) for name in names}, "status": status, "message": message, "queue": queue}


def _broken_rows(broken: Sequence[BrokenLine]) -> list[dict[str, Any]]:
    return [
        {"id": f"{line.file}:{line.line}", "status": "conflict", "when": "", "message": f"not a record: {line.message}"}
        for line in broken
    ]
