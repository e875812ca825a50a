"""From what was edited in FiftyOne to fix records: lossless, and never twice.

A label that was changed is a relabel record, the tag `confirm` a confirm record, the tag `exclude` an exclude record.
What has been recorded is read from the records themselves, which name the sample they came from in
`evidence.sample`. So it does not matter when a save is killed: the next one writes what is missing and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from datatools.dataset import Dataset
from datatools.errors import DatatoolsError
from datatools.fixes.apply import apply_fixes, find_reverted
from datatools.fixes.records import FixRecord, append_records, load_records, sitting_path

if TYPE_CHECKING:
    import fiftyone as fo

CONFIRM = "confirm"
EXCLUDE = "exclude"


@dataclass(frozen=True)
class ReviewSample:
    """What one sample of the review says. `loaded_label` is the label on record, `label` what the reviewer left."""

    id: str
    path: str
    annotation_id: str | None
    label: str | None
    loaded_label: str | None
    base: str
    tags: frozenset[str]
    saved_tags: frozenset[str]
    why: str | None
    evidence: Mapping[str, Any]

    @property
    def is_edited(self) -> bool:
        """Whether it holds an edit that no save has taken yet."""
        return self.label != self.loaded_label or self.tags != self.saved_tags


@dataclass(frozen=True)
class Decisions:
    """Records to append, and a sentence for each edit that cannot be one."""

    records: list[FixRecord] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    settled: list[ReviewSample] = field(default_factory=list)
