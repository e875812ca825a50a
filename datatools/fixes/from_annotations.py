"""From the file that a drawing tool exported to fix records: what differs from what was sent.

An annotation is told from others by datatools/fixes/pairing.py. Its class, box or mask that differs (a box or polygon by more than
0.01 px, as CVAT rounds to two decimals) is a record whose `before` is the value that was sent: where the project has
another one by now, the record is a conflict and changes nothing. What did not come back is deleted, what is new is added. A
box that was drawn around a mask follows it.

The id of a record is made of the export, the person and the change. So importing a file twice adds nothing, and a later
file of the same export takes the place of an earlier one: what it no longer says of an image is reverted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from datatools.dataset import load_dataset
from datatools.errors import DatatoolsError
from datatools.fixes.apply import find_reverted
from datatools.fixes.pairing import OBJECTS, Pair, bounds_of, is_moved, pair_items
from datatools.fixes.records import FixRecord, file_records, load_records, write_moment
from datatools.fixes.returned import Back, Returned, read_back
from datatools.fixes.sent import Item, Sent, load_sent
from datatools.fixes.unknown_class import refuse_label
from datatools.fixes.values import parse_box, write_box
from datatools.project import Project

FOLLOWS_PX = (
    1.0  # a box this near to the bounds of its mask was drawn around it: formats count corners by a pixel differently
)
MANY = 10  # objects sent of which none came back: they were not uploaded, rather than all wrong


@dataclass(frozen=True)
class Change:
    """What somebody changed: the fields of a fix record that say it, and how the annotation was found (Pair.how)."""

    op: str
    path: str
    annotation_id: str
    before: str | None = None
    after: str | None = None
    how: str = ""


@dataclass(frozen=True)
class ImportedEdits:
    """What an import recorded, what it found recorded already, and what it saw.

    `how` counts the annotations by how they were found; `n_unlabelled` are images whose label did not come back, of which
    nothing is recorded.
    """

    title: str
    records: list[FixRecord]
    n_known: int
    n_images: int
    how: Counter[str]
    n_skipped: int
    n_unlabelled: int


def import_edits(
    project: Project,
    source: Path,
    folder: Path | None,
    *,
    who: str,
    why: str = "",
    confirm_unchanged: bool = False,
    accept_empty: bool = False,
) -> ImportedEdits:
    """Record what differs between the tool's export `source` and what was sent from `folder` (default: where `source` is).

    Records are those of `who`, or where the file names several people, of each under the name it has there. Annotations that a
    person looked at and left are confirmed with `confirm_unchanged`. All is recorded or, with a DatatoolsError, nothing: for
    a file that cannot be read, a class that the project does not have, and, unless `accept_empty`, where not one of
    many objects came back.
    """
    sent = load_sent(folder or (source if source.is_dir() else source.parent))
    back = read_back(source, sent)
    people = name_people(back, sent, who)
    pairs = [pair_items(_sent_to(person, sent), person.items) for _, person in people]
    classes = load_dataset(project.dataset).classes
    for found in pairs:
        _check_classes(found, classes, back.file)
        if not accept_empty:
            _check_not_empty(found, back.file)
    known = load_records(project.fixes)[0]
    reason = why.strip() or f"drawn in {sent.title}"
    records: list[FixRecord] = []
    n_known = 0
    for (name, person), found in zip(people, pairs, strict=True):
        changes = find_changes(found, sent, person.looked if confirm_unchanged else frozenset())
        new = to_records(changes, sent, name, reason, person.said, known, len(records))
        n_known += len(set(changes)) - sum(record.op != "revert" for record in new)
        records += new
    file_records(project.fixes, records)
    return _describe(sent, back, people, pairs, records, n_known)


def name_people(back: Back, sent: Sent, who: str) -> list[tuple[str, Returned]]:
    """Whose work each part of a file is: of `who`, unless several people changed or looked at something.

    What a tool keeps as somebody's but is just as it was sent, without a look, is nobody's work.
    """
    own = [person for person in back.people if person.looked or _differs(person, sent)]
    if len(own) < 2:
        return [(who, person) for person in own or back.people[:1]]
    return [(person.who or who, person) for person in own]


def find_changes(pairs: Sequence[Pair], sent: Sent, looked: frozenset[str] = frozenset()) -> list[Change]:
    """The changes that `pairs` tell, in their order; a confirmation of each annotation of `looked` that has none."""
    changes: list[Change] = []
    for pair in pairs:
        if pair.sent is None and pair.came is not None:
            changes.append(_added(pair.came, sent))
        elif pair.sent is not None and pair.came is None:
            if pair.sent.kind != "label" and pair.sent.annotation_id in sent.shown:
                changes.append(_change("delete", pair.sent, pair.sent.label))
        elif pair.sent is not None and pair.came is not None:
            found = list(_edits(pair.sent, pair.came, pair.how))
            if not found and pair.sent.path in looked and pair.sent.label is not None:
                found = [_change("confirm", pair.sent, pair.sent.label, how=pair.how)]
            changes += found
    return changes


def to_records(
    changes: Sequence[Change],
    sent: Sent,
    who: str,
    why: str,
    said: frozenset[str],
    known: Sequence[FixRecord],
    n_before: int = 0,
) -> list[FixRecord]:
    """The records that make `changes` what `who` says of the images `said`, given the records that are there.

    Each has a moment of its own, one microsecond after the other and `n_before` later than now: each is a decision of its
    own, and none stands or falls with another.
    """
    start = datetime.now(UTC) + timedelta(microseconds=n_before)
    own = {record.id: record for record in known if record.evidence.get("export") == sent.id and record.who == who}
    reverted = find_reverted(known)
    common: dict[str, Any] = {"who": who, "base": sent.base}
    records: list[FixRecord] = []

    def add(**values: Any) -> None:
        """Append a record with its own moment."""
        when = write_moment(start + timedelta(microseconds=len(records)))
        records.append(FixRecord(when=when, **common, **values))

    wanted = {_record_id(sent, who, change): change for change in changes}
    for record in own.values():
        in_force = record.op != "revert" and record.id not in reverted and record.path in said
        if in_force and record.id not in wanted and record.op != "confirm":
            add(
                op="revert",
                reverts=record.id,
                path=record.path,
                why=f"{why}: no longer so",
                evidence={"export": sent.id},
            )
    for name, change in wanted.items():
        evidence = {"export": sent.id} | ({"matched": change.how} if change.how else {})
        if name not in own:
            fields = {key: value for key, value in dataclasses.asdict(change).items() if key != "how"}
            add(id=name, why=why, evidence=evidence, **fields)
        elif name in reverted:
            for other in own.values():
                if other.reverts == name and other.id not in reverted:
                    add(op="revert", reverts=other.id, path=change.path, why=why, evidence=evidence)
    return records


def is_unlabelled(pair: Pair, sent: Sent) -> bool:
    """Whether the label of an image was sent and did not come back."""
    return (
        pair.sent is not None
        and pair.sent.kind == "label"
        and pair.came is None
        and pair.sent.annotation_id in sent.shown
    )


def to_import_lines(done: ImportedEdits) -> list[str]:
    """What to tell the user beside the records."""
    words = {
        "id": "by id",
        "image": "as the image's label",
        "overlap": "by overlap, as their id was lost",
        "new": "new",
    }
    found = ", ".join(f"{done.how[how]} {text}" for how, text in words.items() if done.how[how])
    lines = [f"{done.n_images} images from {done.title}; annotations found: {found or 'none'}"]
    lines += [f"{done.n_known} changes were recorded already"] if done.n_known else []
    lines += [f"{done.n_skipped} annotations were skipped there: nothing is recorded of them"] if done.n_skipped else []
    if done.n_unlabelled:
        lines.append(f"{done.n_unlabelled} images came back without their label: nothing is recorded of that")
    return lines


def _describe(
    sent: Sent,
    back: Back,
    people: Sequence[tuple[str, Returned]],
    pairs: Sequence[Sequence[Pair]],
    records: list[FixRecord],
    n_known: int,
) -> ImportedEdits:
    every = [pair for found in pairs for pair in found]
    how = Counter(pair.how or "new" for pair in every if pair.came is not None)
    n_images = len({path for _, person in people for path in person.said})
    n_unlabelled = sum(is_unlabelled(pair, sent) for pair in every)
    return ImportedEdits(sent.title, records, n_known, n_images, how, back.n_skipped, n_unlabelled)


def _differs(person: Returned, sent: Sent) -> bool:
    return bool(find_changes(pair_items(_sent_to(person, sent), person.items), sent))


def _sent_to(person: Returned, sent: Sent) -> list[Item]:
    return [item for item in sent.items if item.path in person.said]


def _edits(old: Item, new: Item, how: str) -> list[Change]:
    edits = []
    if new.label != old.label:
        edits.append(_change("relabel", old, old.label, new.label, how))
    if not is_moved(old, new):
        return edits
    if old.kind == "box":
        return [*edits, _change("move_box", old, old.box, new.box, how)]
    edits.append(_change("edit_mask", old, old.mask, new.mask, how))
    before, after = bounds_of(old.mask), bounds_of(new.mask)
    if old.box and before and after and np.allclose(parse_box(old.box), before, rtol=0, atol=FOLLOWS_PX):
        edits.append(_change("move_box", old, old.box, write_box(after), how))
    return edits


def _change(op: str, item: Item, before: str | None, after: str | None = None, how: str = "") -> Change:
    return Change(op, item.path, item.annotation_id, before, after, how)


def _added(item: Item, sent: Sent) -> Change:
    box = item.box if item.kind == "box" else write_box(bounds_of(item.mask) or [float("nan")] * 4)
    value = {"kind": item.kind, "label": item.label, "box": json.loads(box) if box else None, "mask": item.mask}
    text = json.dumps(
        {key: part for key, part in value.items() if part is not None}, sort_keys=True, ensure_ascii=False
    )
    return Change("add", item.path, f"drawn/{_hash(sent.id, item.path, text)}", None, text)


def _record_id(sent: Sent, who: str, change: Change) -> str:
    return _hash(sent.id, who, change.op, change.path, change.annotation_id, change.before, change.after)


def _hash(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _check_classes(pairs: Sequence[Pair], classes: Sequence[str], file: str) -> None:
    for pair in pairs:
        if pair.came is None or (pair.sent is not None and pair.sent.label == pair.came.label):
            continue
        where = f"{file}: {pair.came.path}: {pair.came.annotation_id}"
        if pair.sent is None and pair.came.kind == "label":
            raise DatatoolsError(f"{where}: expected an image that has a label. Got a new one: add it to data/raw.")
        if pair.came.label not in classes:
            raise DatatoolsError(f"{where}: {refuse_label(pair.came.label, classes)}")


def _check_not_empty(pairs: Sequence[Pair], file: str) -> None:
    sent = [pair for pair in pairs if pair.sent is not None and pair.sent.kind in OBJECTS]
    if len(sent) >= MANY and all(pair.came is None for pair in sent):
        raise DatatoolsError(
            f"{file}: expected some of the {len(sent)} boxes and masks that were sent. Got none of them: upload the "
            "annotations to the tool as well, or pass --accept-empty where all of them are wrong."
        )
