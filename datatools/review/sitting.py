"""One reviewer's decisions in the App: each is a record on the disk before anything says that it is done.

Nothing here knows FiftyOne or its database. What was decided is read from the records alone, so that a sitting goes on
where it was after either of them was killed, and shows what others wrote meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatools.errors import DatatoolsError
from datatools.fixes.apply import in_force
from datatools.fixes.history import describe_change
from datatools.fixes.records import FixRecord, append_records, now, sitting_path
from datatools.fixes.targets import find_disputes, find_settled
from datatools.fixes.unknown_class import refuse_label
from datatools.review.cards import Card, Deck
from datatools.review.tail import RecordTail

KEYS = {"accept": "a", "keep": "k", "relabel": "r", "exclude": "x", "ask": "e", "undo": "u"}
WORDS = {
    "accept": "accepted the suggestion",
    "keep": "kept the label",
    "relabel": "relabelled",
    "exclude": "excluded",
    "ask": "an expert should decide",
    "undo": "taken back",
}
ABOUT_LABEL = ("relabel", "confirm")


@dataclass(frozen=True)
class Standing:
    """What is decided of one image: in words by person, whether they disagree, and what it shows now."""

    label: str | None  # as this reviewer left it
    words: str = ""  # `ann: cat -> dog; bob: exclude`
    people: tuple[str, ...] = ()
    is_decided: bool = False
    is_asked: bool = False
    is_disputed: bool = False


class Sitting:
    """The decisions of `who` on a deck, in the fix records below `folder`."""

    def __init__(self, deck: Deck, folder: Path, who: str) -> None:
        self.deck, self.folder, self.who = deck, folder, who
        self._tail = RecordTail(folder)

    def decide(self, samples: Sequence[str], action: str, label: str | None = None, why: str = "") -> list[FixRecord]:
        """Record `action` (one of KEYS but undo) on the images with these App ids; all of it, or nothing.

        The records are on the disk when this returns. What the reviewer has said already is not said again, so that a key
        pressed twice does no harm. Raises DatatoolsError for what cannot be recorded.
        """
        if not samples:
            raise DatatoolsError("open an image or select some first.")
        when, records = now(), self._in_force()
        made = [
            record
            for card in self.deck.find(samples)
            for record in self._say(card, action, label, _Saying(self.who, when, why, self.deck.base, action), records)
        ]
        append_records(sitting_path(self.folder, self.who, when), made)
        return made

    def undo(self) -> list[FixRecord]:
        """Take back this reviewer's last decision in this review that is in force; returns the revert records.

        Told from the records, so it works after a restart too. Raises DatatoolsError when there is none.
        """
        ids = {card.sample for card in self.deck.cards}
        mine = [r for r in self._in_force() if self._is_mine(r) and r.evidence.get("sample") in ids]
        mine = [record for record in mine if record.evidence["action"] != "undo"]
        if not mine:
            raise DatatoolsError("there is no decision of yours in this review to take back.")
        last, when = mine[-1].when, now()
        reverts = [
            FixRecord("revert", self.who, when, WORDS["undo"], path=record.path, reverts=record.id, base=self.deck.base,
                      evidence={"sample": record.evidence["sample"], "action": "undo"})
            for record in mine if record.when == last
        ]  # fmt: skip
        append_records(sitting_path(self.folder, self.who, when), reverts)
        return reverts

    def standings(self) -> dict[str, Standing]:
        """App id of each image -> what is decided of it, by anybody, in the records as they are now on the disk."""
        records = self._in_force()
        disputed = {record.path for said in find_disputes(records).values() for record in said}
        settled = find_settled(records)
        by_path: dict[str, list[FixRecord]] = {}
        for record in records:
            if record.id not in settled and record.id not in self.deck.applied and record.op != "revert":
                by_path.setdefault(str(record.path), []).append(record)
        return {
            card.sample: self._stand(card, by_path.get(card.path, []), card.path in disputed)
            for card in self.deck.cards
        }

    def find_next(
        self, after: str | None, standings: dict[str, Standing], among: Sequence[str] | None = None
    ) -> str | None:
        """The App id of the next image without a decision, after `after` and then from the start; None when all are done.

        Of `among` where given, in its order.
        """
        order = [card.sample for card in self.deck.cards] if among is None else list(among)
        start = order.index(after) + 1 if after in order else 0
        for sample in order[start:] + order[:start]:
            standing = standings.get(sample)
            if standing is not None and not (standing.is_decided or standing.is_asked) and sample != after:
                return sample
        return None

    def _in_force(self) -> list[FixRecord]:
        return in_force(self._tail.read())

    def _is_mine(self, record: FixRecord) -> bool:
        return record.who == self.who and "action" in record.evidence

    def _said(self, card: Card, records: Iterable[FixRecord]) -> list[FixRecord]:
        """What this reviewer said of an image in this review, oldest first, and nobody has overruled."""
        records = list(records)
        settled = find_settled(records)
        return [
            r for r in records if r.evidence.get("sample") == card.sample and r.who == self.who and r.id not in settled
        ]

    def _label(self, said: Sequence[FixRecord], annotation_id: str | None, shown: str | None) -> str | None:
        words = [r for r in said if r.annotation_id == annotation_id and r.op in ABOUT_LABEL]
        return shown if not words else words[-1].after if words[-1].op == "relabel" else words[-1].before

    def _say(
        self, card: Card, action: str, label: str | None, saying: _Saying, records: Sequence[FixRecord]
    ) -> list[FixRecord]:
        said = self._said(card, records)
        current = self._label(said, card.annotation_id, card.label)
        wanted = {"accept": card.suggested, "keep": current, "relabel": label}.get(action)
        if action in ("exclude", "ask"):
            return [] if any(r.op == action for r in said) else [saying.of(card, action)]
        self._check(card, action, wanted)
        back = [saying.of(card, "revert", reverts=record.id) for record in said if record.op == "exclude"]
        if wanted == current:
            known = not back and any(r.op in ABOUT_LABEL and r.annotation_id == card.annotation_id for r in said)
            return [] if known else [*back, saying.of(card, "confirm", card.annotation_id, before=current)]
        ids = [name for name, shown in card.objects.items() if self._label(said, name, shown) == current]
        # the image's label last: where a write was cut short, the image is not decided
        names = [*ids, str(card.annotation_id)]
        return back + [saying.of(card, "relabel", name, before=current, after=wanted) for name in names]

    def _check(self, card: Card, action: str, wanted: str | None) -> None:
        if card.annotation_id is None:
            raise DatatoolsError(f"{card.path} has no label to decide on: add a row to a table in data/raw/labels.")
        if wanted is None:
            raise DatatoolsError(f"{card.path} has no suggestion to accept: keep or relabel it.")
        if wanted not in self.deck.classes and action != "keep":
            raise DatatoolsError(refuse_label(wanted, self.deck.classes))

    def _stand(self, card: Card, records: Sequence[FixRecord], is_disputed: bool) -> Standing:
        about = [r for r in records if r.op in ("exclude", "include", "ask") or r.annotation_id == card.annotation_id]
        last = {record.who: record for record in about or records}
        asked = any(record.op == "ask" for record in last.values())
        return Standing(
            label=self._label(self._said(card, records), card.annotation_id, card.label),
            words="; ".join(f"{who}: {describe_change(record)}" for who, record in last.items()),
            people=tuple(last),
            is_decided=any(record.op != "ask" for record in last.values()),
            is_asked=asked,
            is_disputed=is_disputed,
        )


@dataclass(frozen=True)
class Progress:
    """How far the queue is: images, those decided, waiting for an expert, disputed, and open ones by kind."""

    n: int
    n_decided: int
    n_asked: int
    n_disputed: int
    n_open: dict[str, int]


def measure_progress(deck: Deck, standings: dict[str, Standing]) -> Progress:
    """Count what is decided; an image that only waits for an expert is not."""
    decided = [card.sample for card in deck.cards if standings[card.sample].is_decided]
    asked = [s for s in standings.values() if s.is_asked and not s.is_decided]
    left = [card for card in deck.cards if not (standings[card.sample].is_decided or standings[card.sample].is_asked)]
    return Progress(
        n=len(deck.cards),
        n_decided=len(decided),
        n_asked=len(asked),
        n_disputed=sum(standing.is_disputed for standing in standings.values()),
        n_open=dict(Counter(kind for card in left for kind in card.queue)),
    )


@dataclass(frozen=True)
class _Saying:
    """What the records of one decision share."""

    who: str
    when: str
    why: str
    base: str
    action: str

    def of(
        self,
        card: Card,
        op: str,
        annotation_id: str | None = None,
        before: str | None = None,
        after: str | None = None,
        reverts: str | None = None,
    ) -> FixRecord:
        """A record about one image."""
        told = f"{WORDS[self.action]}; the queue said: {card.reason}" if card.reason else WORDS[self.action]
        common: dict[str, Any] = {"path": card.path, "annotation_id": annotation_id, "before": before, "after": after}
        common["reverts"] = reverts
        evidence = {**card.evidence, "action": self.action}
        return FixRecord(op, self.who, self.when, self.why.strip() or told, base=self.base, evidence=evidence, **common)
