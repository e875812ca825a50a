"""Which fix records are behind a change: those that are in the data of one version and not in that of the other.

A record explains a change of what it is about (its annotation, its image) if its operation makes such a change and the
value that it sets is the value that is there now. Of several about one thing all are named, by time. Where a record went
out of force, the revert that took it back is named. What no record explains came with the data.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from datatools.diff.changes import Change
from datatools.diff.versions import Version
from datatools.fixes.records import FixRecord
from datatools.fixes.values import is_same

# What an operation does to the data when it comes into force, and when it goes out of it.
DOES = {
    "relabel": "relabelled",
    "move_box": "moved",
    "edit_mask": "reshaped",
    "add": "annotation added",
    "delete": "annotation removed",
    "exclude": "image removed",
    "include": "image added",
    "set_metadata": "metadata changed",
    "set_split": "split moved",
}
UNDOES = {
    **DOES,
    "add": "annotation removed",
    "delete": "annotation added",
    "exclude": "image added",
    "include": "image removed",
}
WITH_IMAGE = {"image removed": "annotation removed", "image added": "annotation added"}
KIND_OF_VALUE = {"relabelled": "label", "moved": "box", "reshaped": "mask"}


@dataclass(frozen=True)
class _Step:
    """A record that came into force (`value` is what it sets) or went out of it (`value` is what was there before it)."""

    record: FixRecord
    value: str | None
    named: str  # id of the record that made it so


Targets = Mapping[tuple[str, str | None], Sequence[_Step]]  # kind of change, and annotation id or path


def explain(changes: Iterable[Change], before: Version, after: Version) -> tuple[list[Change], list[FixRecord]]:
    """The changes with the records behind them in `fixes`, and these records by time."""
    steps = _list_steps(before, after)
    if not steps:
        return list(changes), []
    explained = [_explain(change, steps) for change in changes]
    known = {record.id: record for record in (*before.records, *after.records)}
    used = {name for change in explained for name in change.fixes}
    records = (known[name] for name in used if name in known)
    return explained, sorted(records, key=lambda record: (record.when, record.id))


def _explain(change: Change, steps: Targets) -> Change:
    found = _find(change, steps)
    return dataclasses.replace(change, fixes=tuple(dict.fromkeys(step.named for step in found))) if found else change


def _find(change: Change, steps: Targets) -> Sequence[_Step]:
    about = change.annotation_id or change.path
    found = steps.get((change.kind, about), ())
    if found and change.kind in KIND_OF_VALUE:
        return found if is_same(KIND_OF_VALUE[change.kind], found[-1].value, _text(change)) else ()
    if found and change.kind == "split moved":
        return found if found[-1].value in (change.after, None) else ()
    if found and change.kind == "metadata changed":
        return [step for step in found if _sets(step, change)]
    return found or steps.get((change.kind, change.path), ())  # an annotation goes and comes with its image


def _text(change: Change) -> str | None:
    """The value now as a record writes it."""
    return json.dumps(list(change.after)) if isinstance(change.after, tuple) else change.after  # type: ignore[return-value]


def _sets(step: _Step, change: Change) -> bool:
    assert isinstance(change.after, Mapping) and isinstance(change.before, Mapping)
    column = str(step.record.column)
    return column in {**change.before, **change.after} and change.after.get(column) == step.value


def _list_steps(before: Version, after: Version) -> Targets:
    steps: dict[tuple[str, str | None], list[_Step]] = {}
    old = {record.id: record for record in (*after.records, *before.records)}
    reverts = {
        record.reverts: record.id for record in after.records if record.op == "revert" and record.id in after.applied
    }
    for name in before.applied - after.applied:  # out of force first: a change to and fro ends with what came
        if (record := old.get(name)) and record.op in UNDOES:
            _add(steps, UNDOES[record.op], _Step(record, record.before, reverts.get(name, name)))
    for record in sorted(after.records, key=lambda record: (record.when, record.id)):
        if record.id in after.applied - before.applied and record.op in DOES:
            _add(steps, DOES[record.op], _Step(record, record.after, record.id))
    return steps


def _add(steps: dict[tuple[str, str | None], list[_Step]], kind: str, step: _Step) -> None:
    record = step.record
    is_of_image = record.op in ("exclude", "include", "set_metadata", "set_split")
    steps.setdefault((kind, record.path if is_of_image else record.annotation_id), []).append(step)
    if is_of_image and kind in WITH_IMAGE:
        steps.setdefault((WITH_IMAGE[kind], record.path), []).append(step)
