"""Augmented copies of an earlier run: what was made of the same parent in the same way is read, not made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.file_reading import UnreadableFileError
from datatools.shards import Member, ShardReader
from datatools.store import save_text

Row = dict[str, Any]


@dataclass
class Copies:
    """What one parent became: files, their sizes, annotation rows, and a reason for each dropped object."""

    members: list[tuple[str, bytes]] = field(default_factory=list)
    sizes: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class KeptCopies:
    """The copies in a tar file that an earlier run wrote, by a key that names all that each parent's copies depend on.

    The index is a file of ours; the bytes stay in the stage's own output and are checked against their SHA-256, so that a
    tar that was changed, replaced or removed only costs the work again.
    """

    def __init__(self, index: Path, shard: Path) -> None:
        self._index = index
        self._shard = shard
        self._known: Mapping[str, Any] = self._load()

    def find(self, key: str) -> Copies | None:
        """The copies kept for `key`, or None."""
        reader = ShardReader(self._shard.parent)
        try:
            kept = self._known[key]
            members = [(member[0], reader.read(Member(*member))) for member in kept["members"]]
            return Copies(members, kept["sizes"], kept["rows"], kept["reasons"])
        except (UnreadableFileError, LookupError, TypeError):
            return None

    def replace(self, copies: Mapping[str, Copies], members: list[Member]) -> None:
        """Keep what is in the tar now: `copies` by key, and where `members` are in it."""
        places = {member.name: member for member in members}
        document = {
            key: {
                "members": [_as_list(places[name]) for name, _ in found.members],
                "sizes": found.sizes,
                "rows": found.rows,
                "reasons": found.reasons,
            }
            for key, found in copies.items()
        }
        save_text(self._index, json.dumps(document, default=_as_null))

    def _load(self) -> Mapping[str, Any]:
        try:
            document = json.loads(self._index.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}


def _as_null(value: Any) -> None:
    """pandas' NA, as the annotator of an object may be; anything else is not for this file."""
    if value is not pd.NA:
        raise TypeError(f"no JSON value: {value!r}")


def _as_list(member: Member) -> list[Any]:
    return [member.name, member.sha256, member.n_bytes, member.shard, member.block, member.offset]
