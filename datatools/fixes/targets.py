"""What a fix record is about, what it says of it, and where people disagree.

Two people who say different things of one target disagree: neither word is applied, whoever was first or last, until a
third record settles it by naming what it overrules (`settles`). What one person says later takes the place of what the
same person said before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datatools.fixes.records import FixRecord
from datatools.fixes.values import KIND_OF, is_same

IMAGE, METADATA, SIDE = "image", "metadata", "split"  # kinds of targets that are no value of an annotation
EXCLUDED, INCLUDED, DELETED = "excluded", "included", "deleted"


@dataclass(frozen=True, order=True)
class Target:
    """One question that a decision answers: the label, box or mask of an annotation, or what becomes of an image."""

    kind: str  # label | box | mask | image | metadata | split
    name: str  # annotation id; path of an image; path and column


def target_of(record: FixRecord) -> Target | None:
    """The target of a record; None for a revert, which is about a record."""
    if record.op in ("exclude", "include"):
        return Target(IMAGE, str(record.path))
    if record.op == "set_split":
        return Target(SIDE, str(record.path))
    if record.op == "set_metadata":
        return Target(METADATA, f"{record.path}\n{record.column}")
    kind = KIND_OF.get(record.op)
    return None if kind is None else Target(kind, str(record.annotation_id))


def outcome_of(record: FixRecord) -> str | None:
    """What a record says of its target: a value as its `after` has it, or a word for what has no value."""
    words = {"exclude": EXCLUDED, "include": INCLUDED, "delete": DELETED}
    return words.get(record.op) or (record.before if record.op == "confirm" else record.after)


def find_settled(in_force: Iterable[FixRecord]) -> dict[str, str]:
    """Ids of the records that a later one about the same target overrules -> the id of that one.

    `in_force` are records that are not reverted, in the order of time and id.
    """
    targets: dict[str, Target | None] = {}
    settled: dict[str, str] = {}
    for record in in_force:
        target = target_of(record)
        settled |= {old: record.id for old in record.settles if old in targets and targets[old] == target}
        targets[record.id] = target
    return settled


def find_disputes(in_force: Sequence[FixRecord]) -> dict[Target, list[FixRecord]]:
    """The targets of which two people say different things, with all that is said of them, in the order given.

    `in_force` are records that are not reverted; those that were settled do not count. The records of one decision (an
    image's label and the objects that share it) stand or fall together: where one is disputed, so are the others.
    """
    settled = find_settled(in_force)
    by_target: dict[Target, list[FixRecord]] = {}
    for record in in_force:
        target = target_of(record)
        if target is not None and record.id not in settled:
            by_target.setdefault(target, []).append(record)
    disputes = {target: records for target, records in by_target.items() if _differ(target, records)}
    decisions = {_decision(record) for records in disputes.values() for record in records}
    return disputes | {
        target: records
        for target, records in by_target.items()
        if target not in disputes and any(_decision(record) in decisions for record in records)
    }


def last_words(records: Iterable[FixRecord]) -> dict[str, FixRecord]:
    """Who -> the last record of theirs; names that differ in capitals or blanks are one person."""
    return {_person(record): record for record in records}


def describe(records: Iterable[FixRecord]) -> str:
    """What each says, as `ann: dog; bob: cat`."""
    return "; ".join(f"{record.who}: {outcome_of(record)}" for record in last_words(records).values())


def _decision(record: FixRecord) -> tuple[str | None, ...]:
    return record.who, record.when, record.path, record.op, record.before, record.after


def _differ(target: Target, records: Sequence[FixRecord]) -> bool:
    said = [outcome_of(record) for record in last_words(records).values()]
    return any(not is_same(target.kind, said[0], other) for other in said[1:])


def _person(record: FixRecord) -> str:
    return " ".join(record.who.split()).casefold()
