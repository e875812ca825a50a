"""What the App shows of each queued image, as a file beside the database: enough to record a decision without it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datatools.errors import DatatoolsError
from datatools.review.mongod import FOLDER
from datatools.store import load_json, save_json

FILE = FOLDER / "cards.json"
EVIDENCE = ("rank", "score", "suggested", "codes", "queue")


@dataclass(frozen=True)
class Card:
    """One image of the queue. `sample` is its id in the App; `label` is what was shown when the review was loaded.

    `objects` are the boxes and masks with their labels: those that carry the image's label change with it.
    """

    sample: str
    path: str
    rank: int
    annotation_id: str | None = None
    label: str | None = None
    suggested: str | None = None
    score: float | None = None
    codes: str = ""
    queue: tuple[str, ...] = ()
    reason: str = ""
    split: str | None = None
    said: Mapping[str, str] = field(default_factory=dict)  # annotator -> label
    objects: Mapping[str, str] = field(default_factory=dict)  # annotation id -> label

    @property
    def evidence(self) -> dict[str, Any]:
        """What a record says of why the image was looked at."""
        return to_evidence(self.sample, {name: getattr(self, name) for name in EVIDENCE} | {"queue": list(self.queue)})


def to_evidence(sample: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of why the image was looked at: the `values` of EVIDENCE that say something."""
    return {"sample": sample, **{name: value for name, value in values.items() if value not in (None, "", [])}}


@dataclass(frozen=True)
class Deck:
    """The cards in the order of rank, the classes, the data version they show, and the records it holds already."""

    base: str
    classes: tuple[str, ...]
    cards: tuple[Card, ...]
    applied: frozenset[str] = frozenset()  # ids of records about these images that the last `dvc repro` applied

    def find(self, samples: Sequence[str]) -> list[Card]:
        """The cards of App ids. Raises DatatoolsError for one that is not in the queue any more."""
        by_sample = {card.sample: card for card in self.cards}
        missing = [name for name in samples if name not in by_sample]
        if missing:
            raise DatatoolsError("the image is not in this review any more: reload the page.")
        return [by_sample[name] for name in samples]


def save_deck(project: Path, deck: Deck) -> None:
    """Write the deck of the folder `project`."""
    values = dataclasses.asdict(deck) | {"applied": sorted(deck.applied)}
    save_json(project / FILE, values)


def load_deck(project: Path) -> Deck:
    """Read what save_deck wrote. Raises DatatoolsError for a missing or foreign file."""
    values = load_json(project / FILE)
    try:
        cards = tuple(Card(**{**card, "queue": tuple(card["queue"])}) for card in values["cards"])
        return Deck(values["base"], tuple(values["classes"]), cards, frozenset(values["applied"]))
    except (KeyError, TypeError) as error:
        raise DatatoolsError(
            f"{project / FILE}: expected the cards of a review. Got another document: run `datatools review` again."
        ) from error
