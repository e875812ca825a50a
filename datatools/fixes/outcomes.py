"""What people's decisions came to, label by label: what it was, what it is now, and the decision that was the last word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datatools.dataset import label_id
from datatools.fixes.history import PENDING, Decided
from datatools.fixes.records import FixRecord

HOLDS = ("applied", PENDING)
ON_LABELS = ("relabel", "confirm", "delete")
ON_IMAGES = ("exclude", "include")


@dataclass(frozen=True)
class Outcome:
    """One label after all decisions in force on it, or on whether its image stays.

    `last` is the latest of them; `before` is what the label was before the first, `after` what it is after the last: None
    where no record says, or where the image or object left the data set. `annotation_id` is None for an image's own label.
    """

    path: str
    annotation_id: str | None
    last: Decided
    before: str | None
    after: str | None

    @property
    def is_changed(self) -> bool:
        """Whether it is another label now; what left the data set has none."""
        return self.before is not None and self.after is not None and self.before != self.after

    @property
    def queue(self) -> tuple[str, ...]:
        """What the queue showed it for when the last decision was made."""
        kinds = self.last.record.evidence.get("queue")
        return tuple(map(str, kinds)) if isinstance(kinds, list) else (str(kinds),) if kinds else ()


def find_outcomes(decided: Iterable[Decided]) -> list[Outcome]:
    """What became of each label that somebody decided on, by path and annotation id.

    Objects that were relabelled along with their image are part of its label; others count for themselves.
    """
    once = {item.record.id: item for item in decided if item.status in HOLDS}
    items = sorted(once.values(), key=lambda item: (item.record.when, item.record.id))
    heads = {_decision(item.record) for item in items if item.record.annotation_id == label_id(str(item.record.path))}
    about: dict[tuple[str, str], list[Decided]] = {}
    for item in items:
        unit = _unit_of(item.record, heads)
        if unit is not None:
            about.setdefault(unit, []).append(item)
    found = [_to_outcome(path, name or None, items) for (path, name), items in sorted(about.items())]
    return [outcome for outcome in found if outcome is not None]


def _unit_of(record: FixRecord, heads: set[tuple[str | None, ...]]) -> tuple[str, str] | None:
    """Image path and, where it is about an object of its own, annotation id; None for a record about neither."""
    path = str(record.path)
    if record.op in ON_IMAGES or (record.op in ON_LABELS and record.annotation_id == label_id(path)):
        return path, ""
    if record.op in ON_LABELS and _decision(record) not in heads:
        return path, str(record.annotation_id)
    return None


def _to_outcome(path: str, annotation_id: str | None, items: Sequence[Decided]) -> Outcome | None:
    """Of the decisions on one label, oldest first. An image that was brought back is as if it had never been out."""
    stays = [item for item in items if item.record.op in ON_IMAGES]
    if stays and stays[-1].record.op == "include":
        items = [item for item in items if item.record.op not in ON_IMAGES]
    if not items:
        return None
    said = [item.record for item in items if item.record.op in ("relabel", "confirm")]
    last = items[-1].record
    after = {"relabel": last.after, "confirm": last.before}.get(last.op)
    return Outcome(path, annotation_id, items[-1], said[0].before if said else None, after)


def _decision(record: FixRecord) -> tuple[str | None, ...]:
    """What the records of one decision share: an image's label and the objects that carry it."""
    return record.who, record.when, record.path, record.op, record.before, record.after
