"""The story of a record, an annotation or an image: who decided what, when, why, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datatools.dataset import label_id
from datatools.errors import DatatoolsError
from datatools.fixes.apply import find_reverted, in_force
from datatools.fixes.records import BrokenLine, FixRecord, load_records
from datatools.fixes.targets import describe, find_disputes, find_settled, target_of
from datatools.project import Project
from datatools.schema import FIX_STATUS
from datatools.store import load_table

PENDING = "pending"  # made since the last `dvc repro`


@dataclass(frozen=True)
class Decided:
    """A record and what became of it: one of apply.STATUSES, or `pending` since the last `dvc repro`; why, in words."""

    record: FixRecord
    status: str
    message: str = ""


def load_decided(project: Project) -> tuple[list[Decided], list[BrokenLine]]:
    """All records of a project, oldest first, and the lines that are none."""
    table = load_table(project.dataset / "fixes.parquet", FIX_STATUS)
    table = table[table["status"].isin(["applied", "conflict"])]  # the rest is told by the records, which may be newer
    known = {row["id"]: (row["status"], row["message"]) for row in table.to_dict("records")}
    records, broken = load_records(project.fixes)
    became = {**known, **_became_since(records)}
    return [Decided(record, *became.get(record.id, (PENDING, ""))) for record in records], broken


def find_record(decided: Sequence[Decided], record_id: str) -> Decided:
    """The record whose id starts with `record_id`; raises DatatoolsError where none does, or several do."""
    found = [item for item in decided if record_id and item.record.id.startswith(record_id)]
    if len(found) != 1:
        raise DatatoolsError(
            f"id: expected the id of one record (see `datatools fixes log`). Got {record_id!r}, which {len(found)} have."
        )
    return found[0]


def find_story(decided: Sequence[Decided], name: str) -> list[Decided]:
    """All records about an annotation id or image path, and the reverts of these; raises DatatoolsError where there is none.

    For an image: its own label, its objects, and the image itself.
    """
    about = {item.record.id for item in decided if name in (item.record.annotation_id, item.record.path)}
    about |= {item.record.id for item in decided if item.record.annotation_id == label_id(name)}
    if not about:
        raise DatatoolsError(
            f"{name}: expected an annotation id or an image path that a record names. Got none: see `datatools fixes log`."
        )
    reverts = {item.record.id for item in decided if item.record.reverts in about}
    return [item for item in decided if item.record.id in about | reverts]


def describe_change(record: FixRecord) -> str:
    """What a record does, in a few words: `cat -> dog`, `exclude`, `writer: w1 -> w2`."""
    if record.op == "revert":
        return f"revert {record.reverts}"
    if record.op == "set_split":
        return f"to {record.after}"
    if record.op in ("relabel", "set_metadata"):
        column = f"{record.column}: " if record.column else ""
        return f"{column}{_or_none(record.before)} -> {_or_none(record.after)}"
    return f"{record.op} {record.before}" if record.op == "confirm" and record.before else record.op


def list_fields(item: Decided) -> list[tuple[str, str]]:
    """A record field by field, as `datatools fixes show` prints it."""
    record = item.record
    fields = [
        ("id", record.id),
        ("status", item.status + (f": {item.message}" if item.message else "")),
        ("who", record.who),
        ("when", record.when),
        ("what", describe_change(record)),
        ("why", record.why),
    ]
    for name in ("path", "annotation_id", "before", "after", "column", "reverts", "base"):
        value = getattr(record, name)
        fields += [(name, value)] if value is not None else []
    fields += [("settles", old) for old in record.settles]
    return fields + [(f"evidence.{name}", str(value)) for name, value in sorted(record.evidence.items())]


def _became_since(records: Sequence[FixRecord]) -> dict[str, tuple[str, str]]:
    """What the records alone tell: reverted, settled and disputed ones need no `dvc repro` to be seen as such."""
    standing = in_force(records)
    became = dict.fromkeys(find_reverted(records), ("reverted", ""))
    became |= {old: ("settled", f"overruled by {new}") for old, new in find_settled(standing).items()}
    for dispute in find_disputes(standing).values():
        became |= {record.id: ("disputed", describe(dispute)) for record in dispute if target_of(record)}
    return became


def _or_none(text: str | None) -> str:
    return "(none)" if text is None else text
