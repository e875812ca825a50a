"""What a difference of two data versions is made of: one frozen Change a fact, and the counts beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from datatools.fixes.records import FixRecord

KINDS = (
    "image added",
    "image removed",
    "image renamed",
    "image changed",
    "metadata changed",
    "split moved",
    "annotation added",
    "annotation removed",
    "relabelled",
    "moved",
    "reshaped",
    "annotator changed",
    "attributes changed",
)
OPPOSITES = {
    "image added": "image removed",
    "image removed": "image added",
    "annotation added": "annotation removed",
    "annotation removed": "annotation added",
}
Value = str | tuple[float | None, ...] | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that differs. An annotation that was relabelled and moved is two of them, with one `annotation_id`.

    `path` is the image as it is called now, or was called before it went. `before` and `after` are, by `kind`:

    - image added, image removed, image changed: a mapping of sha256, n_bytes, width_px, height_px, format; None for no image
    - image renamed: the old and the new path
    - metadata changed: a mapping of the columns that differ; `subset`, `group` and `attributes.NAME` are among them
    - split moved: the side, train, val, test or quarantine
    - annotation added, annotation removed: a mapping of label, kind, box (xyxy in pixels), mask, annotator
    - relabelled, annotator changed: the label, the annotator
    - moved: the box, xyxy in pixels
    - reshaped: the mask as the table keeps it; a box where the annotation was, or became, a box
    - attributes changed: a mapping of the attributes that differ
    """

    kind: str  # one of KINDS
    path: str
    annotation_id: str | None  # as it is now, or was; None where the change is one of the image
    before: Value
    after: Value
    labels: tuple[str, ...] = ()  # classes that it concerns; of a change of an image those of its annotations
    iou: float | None = None  # of before and after, for moved and reshaped; None where one of them has no area
    fixes: tuple[str, ...] = ()  # ids of the fix records behind it; none: it came with the data
    annotator: str | None = None  # who said it, as the data has it
    box: tuple[float | None, ...] | None = None  # xyxy in pixels: where the annotation is now, or was


@dataclass(frozen=True)
class Counted:
    """Something that is counted in both versions; `name` and `group` say what."""

    name: str
    before: int
    after: int
    group: str = ""


@dataclass(frozen=True)
class ClassCount:
    """A class: images that have it as their label, and objects (boxes, masks, shapes) of it, in both versions."""

    label: str
    images_before: int
    images_after: int
    objects_before: int
    objects_after: int


@dataclass(frozen=True)
class FindingCount:
    """Findings of one code: in both versions, how many are new, how many are gone."""

    code: str
    severity: str
    before: int
    after: int
    new: int
    gone: int


@dataclass(frozen=True)
class VersionName:
    """A version as the user called it, its commit, what dataset.json calls its content, and why it is out of date, if it is."""

    name: str
    commit: str | None  # None: the workspace
    data: str | None  # twelve hex digits
    stale: str = ""
    images: int = 0
    annotations: int = 0


@dataclass(frozen=True)
class Diff:
    """All that differs between two versions. `changes` are sorted by path, annotation and kind."""

    before: VersionName
    after: VersionName
    changes: tuple[Change, ...]
    classes: tuple[ClassCount, ...] = ()  # all classes of both, those of `after` first
    sides: tuple[Counted, ...] = ()  # images on each side of the split
    slices: tuple[
        Counted, ...
    ] = ()  # images of each value (`name`) of each metadata column (`group`) where that differs
    annotators: tuple[Counted, ...] = ()  # their annotations
    findings: tuple[FindingCount, ...] = ()  # by code, the worst first
    new_findings: pd.DataFrame | None = None  # FINDINGS; None where a version has none to compare
    gone_findings: pd.DataFrame | None = None
    agreement_before: Mapping[str, Any] | None = None  # as in reports/validate.json
    agreement_after: Mapping[str, Any] | None = None
    records: tuple[FixRecord, ...] = field(default=())  # those behind the changes, by time

    @property
    def by_kind(self) -> dict[str, int]:
        """Number of changes of each kind there is, in the order of KINDS."""
        return count_kinds(self.changes)

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs: no change, no class that came or went, no finding new or gone."""
        same_classes = all(
            (c.images_before, c.objects_before) == (c.images_after, c.objects_after) for c in self.classes
        )
        return not self.changes and same_classes and not any(row.new or row.gone for row in self.findings)

    @property
    def n_from_source(self) -> int:
        """Changes that no fix record explains: they came with the data."""
        return sum(not change.fixes for change in self.changes)


def count_kinds(changes: Iterable[Change]) -> dict[str, int]:
    """Number of changes of each kind there is, in the order of KINDS."""
    counts = dict.fromkeys(KINDS, 0)
    for change in changes:
        counts[change.kind] += 1
    return {kind: n for kind, n in counts.items() if n}
