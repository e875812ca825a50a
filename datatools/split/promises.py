"""What a split promises, one by one, each kept or broken, in words that the page, the Markdown and `verify` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datatools.schema import SIDES


@dataclass(frozen=True)
class Promise:
    """A promise, whether it is kept, and what was counted."""

    name: str
    kept: bool
    text: str


def list_promises(certificate: Mapping[str, Any]) -> list[Promise]:
    """The promises that a certificate states, in the order of their weight."""
    ledger = certificate["ledger"]
    groups = [
        Promise(
            f"{_in_words(name)} on one side",
            not found["crossing"],
            f"{found['crossing']:,} of {found['groups']:,} cross",
        )
        for name, found in certificate["groups_by_column"].items()
    ]
    crossing, copies = certificate["near_duplicates_crossing"], certificate["copies_crossing"]
    pairs = f"{crossing:,} of {certificate['near_duplicates']:,} pairs cross{describe_search(certificate['search'])}"
    two = f"{len(ledger['disputes']):,} have lines of two sides there; the later of {', '.join(SIDES)} counts"
    disputes = f"; {two}" if ledger["disputes"] else ""
    decided = sum(row["ledger"] not in (None, row["side"]) for row in certificate.get("decided", ()))
    by_people = f"; {decided:,} on another side by a person's decision" if decided else ""
    moved = f"{ledger['moved']:,} of {ledger['samples']:,} samples of the ledger moved{disputes}{by_people}"
    return [
        *groups,
        Promise("near-duplicates on one side", not crossing, pairs),
        Promise("equal files on one side", not copies, f"{copies:,} cross"),
        Promise("no sample moves", not ledger["moved"], moved),
    ]


def describe_search(search: Mapping[str, Any]) -> str:
    """How near-duplicates were looked for, in brackets; empty where that is not known. See data/neighbors/neighbors.json."""
    facts = [f"hashes that differ in at most {search['hash_bits']} bits"] if "hash_bits" in search else []
    if "correlation_min" in search:
        facts.append(
            f"{search['model']} embeddings from {search['similarity_min']} with pixels that correlate from "
            f"{search['correlation_min']}"
        )
    crowded = search.get("crowded_images", 0)
    partly = f"; of {crowded:,} images in crowds only the nearest were compared by pixels" if crowded else ""
    return f" ({', or '.join(facts)}{partly})" if facts else ""


def _in_words(column: str) -> str:
    return "groups" if column == "group" else f"groups of {column}"
