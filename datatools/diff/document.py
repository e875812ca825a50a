"""A difference as JSON; docs/diff.schema.json says what is in it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from datatools.diff.changes import Change, Diff
from datatools.fixes.records import FixRecord, to_line

SCHEMA = 1  # raised when a field changes its meaning or goes away; new fields may come
FINDING = ("code", "severity", "path", "annotation_id", "subject", "message")
MEASURES = ("annotators", "n", "percent", "fleiss", "alpha")  # of agreement; the rest is in reports/validate.json
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def to_document(diff: Diff) -> dict[str, Any]:
    """The difference as plain values that JSON has."""
    return {**_head(diff), "changes": [to_plain_change(change) for change in diff.changes]}


def write_json(diff: Diff, with_changes: bool = True) -> Iterator[str]:
    """The document in pieces, a change a line: it need not be in memory as a whole."""
    head = json.dumps(_head(diff), indent=2, ensure_ascii=False, allow_nan=False)
    if not with_changes:
        yield head + "\n"
        return
    yield head[: head.rindex("\n")] + ',\n  "changes": ['
    for number, change in enumerate(diff.changes):
        yield (",\n    " if number else "\n    ") + _ENCODER.encode(to_plain_change(change))
    yield "\n  ]\n}\n" if diff.changes else "]\n}\n"


def write_lines(diff: Diff) -> Iterator[str]:
    """The changes alone as JSON Lines."""
    return (_ENCODER.encode(to_plain_change(change)) + "\n" for change in diff.changes)


def to_plain_change(change: Change) -> dict[str, Any]:
    """One change as an item of `changes`."""
    return {
        "kind": change.kind,
        "path": change.path,
        "annotation_id": change.annotation_id,
        "before": _plain(change.before),
        "after": _plain(change.after),
        "labels": list(change.labels),
        "iou": change.iou,
        "fixes": list(change.fixes),
        "annotator": change.annotator,
        "box": _plain(change.box),
    }


def _head(diff: Diff) -> dict[str, Any]:
    """All but the changes."""
    return {
        "schema": SCHEMA,
        "before": dataclasses.asdict(diff.before),
        "after": dataclasses.asdict(diff.after),
        "is_empty": diff.is_empty,
        "n_changes": len(diff.changes),
        "n_from_source": diff.n_from_source,
        "by_kind": diff.by_kind,
        "classes": [dataclasses.asdict(row) for row in diff.classes],
        **{name: [_counted(row) for row in getattr(diff, name)] for name in ("sides", "annotators")},
        "slices": [{"column": row.group, **_counted(row)} for row in diff.slices],
        "findings": [dataclasses.asdict(row) for row in diff.findings],
        "new_findings": _findings(diff.new_findings),
        "gone_findings": _findings(diff.gone_findings),
        "agreement": {"before": _measures(diff.agreement_before), "after": _measures(diff.agreement_after)},
        "records": [_record(record) for record in diff.records],
    }


def _counted(row: Any) -> dict[str, Any]:
    return {"name": row.name, "before": row.before, "after": row.after}


def _record(record: FixRecord) -> dict[str, Any]:
    return dict(json.loads(to_line(record)))


def _findings(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    columns = [table[name].astype(object).where(table[name].notna(), None).tolist() for name in FINDING]
    return [dict(zip(FINDING, values, strict=True)) for values in zip(*columns, strict=True)]


def _measures(agreement: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if agreement is None else {name: _plain(agreement.get(name)) for name in MEASURES}


def _plain(value: Any) -> Any:
    """Tuples as lists, and what JSON has no number for as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
