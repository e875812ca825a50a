"""Boxes and masks of several annotators on the same images, matched, and who saw which image.

**Who is compared.** The annotators of rows of one kind, box or mask; the two kinds are compared apart. A null annotator is one
unnamed source. Predictions (`model`, `model:...`) are not people and take no part, nor does the vote.

**Who saw an image.** An annotator who leaves an image empty leaves no row, so it must be assumed: an annotator saw an image
who has any row on it from a source in which they also drew objects of the kind; and those whom the image's record names
in its attribute `annotators`, a list. Only images that two of them saw count.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from datatools.agreement.matching import (
    FLOOR,
    Ints,
    Objects,
    Pairs,
    cluster,
    collect_objects,
    find_overlaps,
    match_pairs,
)
from datatools.checks.geometry import Objects as Unpacked
from datatools.checks.geometry import unpack
from datatools.schema import CONSENSUS

UNNAMED = "unnamed"
KINDS = ("box", "mask")
UNUSED_MIN = 5  # objects of a class that an annotator never draws: fewer are no habit


@dataclass(frozen=True)
class Comparison:
    """The boxes, or the masks, on images that two annotators or more saw, matched.

    `objects`, `overlaps` and `matches` speak of them by codes, which are positions in `paths`, `annotators` and `labels`
    (sorted; the label None for rows without one), and `objects.rows` are positions in the table `unpacked`. `unit` numbers the objects they mean.
    `saw_image` and `saw_by` are who saw what, sorted by image; `uses` is annotator x labels: which they ever give.
    """

    kind: str
    unpacked: Unpacked
    paths: tuple[str, ...]
    annotators: tuple[str, ...]
    labels: tuple[str | None, ...]
    saw_image: Ints
    saw_by: Ints
    uses: Ints
    objects: Objects
    overlaps: Pairs
    matches: Pairs
    unit: Ints
    iou_min: float
    n_rows: int  # with those that have no area

    @property
    def n_saw(self) -> Ints:
        """How many annotators saw each image."""
        return np.bincount(self.saw_image, minlength=len(self.paths))

    def others(self) -> tuple[Ints, Ints]:
        """Each object with each other annotator who saw its image: positions of the objects, codes of the annotators."""
        n = self.n_saw
        first = np.cumsum(n) - n
        per = n[self.objects.image]
        row = np.repeat(np.arange(len(self.objects)), per)
        place = first[self.objects.image[row]] + np.arange(len(row)) - np.repeat(np.cumsum(per) - per, per)
        other = self.saw_by[place]
        apart = other != self.objects.annotator[row]
        return row[apart], other[apart]


@dataclass(frozen=True)
class _Kept:
    """What compare_objects made, and of what."""

    annotations: weakref.ref[pd.DataFrame]
    unpacked: Unpacked
    facts: list[pd.Series]
    iou_min: float
    comparisons: list[Comparison]

    def is_of(self, unpacked: Unpacked, facts: list[pd.Series], iou_min: float) -> bool:
        """Whether it was made of the same."""
        same = self.unpacked is unpacked and self.iou_min == iou_min
        return same and all(one.equals(other) for one, other in zip(self.facts, facts, strict=True))


_KEPT: dict[int, _Kept] = {}


def compare_objects(annotations: pd.DataFrame, images: pd.DataFrame, iou_min: float = 0.5) -> list[Comparison]:
    """Match the boxes and the masks of several annotators at `iou_min`; an entry for each kind that two drew on one image.

    Made once for a table, as long as it lives and does not change.
    """
    unpacked = unpack(annotations)
    if not any(_count_people(unpacked, kind) >= 2 for kind in KINDS):
        return []
    rows = _rows_of_people(annotations, images)
    kinds = [kind for kind in KINDS if rows.loc[rows["kind"] == kind, "annotator"].nunique() >= 2]
    if not kinds:
        return []
    key = id(annotations)
    facts = [annotations["source"].copy(), images["path"].copy(), images["attributes"].copy()]
    kept = _KEPT.get(key)
    if kept is not None and kept.is_of(unpacked, facts, iou_min):
        return kept.comparisons
    found = (_compare(rows, images, unpacked, kind, iou_min) for kind in kinds)
    comparisons = [comparison for comparison in found if comparison is not None]
    forget = weakref.ref(annotations, lambda _: _KEPT.pop(key, None))
    _KEPT[key] = _Kept(forget, unpacked, facts, iou_min, comparisons)
    return comparisons


def find_unused_classes(comparison: Comparison) -> list[tuple[int, int, int]]:
    """Classes that one annotator never draws though others do on images both saw: annotator, label, n objects unmatched."""
    row, other = comparison.others()
    n = len(comparison.annotators)
    label = comparison.objects.label[row]
    matched = np.isin(row * n + other, _matched_ends(comparison))
    unused = ~matched & ~np.isin(other * len(comparison.labels) + label, comparison.uses)
    keys, counts = np.unique(other[unused] * len(comparison.labels) + label[unused], return_counts=True)
    pairs = zip(keys.tolist(), counts.tolist(), strict=True)
    return [(*divmod(key, len(comparison.labels)), count) for key, count in pairs]


def _count_people(unpacked: Unpacked, kind: str) -> int:
    """How many people drew anything of this kind; the unnamed are one. Images that are not there count too."""
    codes, names = unpacked.annotators
    drew = np.bincount(codes[unpacked.is_kind(kind)] + 1, minlength=len(names) + 1) > 0
    people = [drew[0], *(_is_person(str(name)) for name in names)]
    return int(np.count_nonzero(drew & people))


def _is_person(name: str) -> bool:
    return name not in (CONSENSUS, "model") and not name.startswith("model:")


def _rows_of_people(annotations: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """What people said of these images, null annotators named, index = position in `annotations`."""
    names = annotations["annotator"].fillna(UNNAMED).astype(object)
    codes, known = pd.factorize(names)
    person = np.array([*map(_is_person, known)], bool)[codes]
    rows = annotations[["path", "label", "kind", "source"]].assign(annotator=names).set_axis(range(len(annotations)))
    return rows[person & annotations["path"].isin(images["path"]).to_numpy()]


def _compare(
    rows: pd.DataFrame, images: pd.DataFrame, unpacked: Unpacked, kind: str, iou_min: float
) -> Comparison | None:
    own = rows[rows["kind"] == kind]
    annotators = sorted(own["annotator"].unique())
    seen = _who_saw(rows, own, images, annotators)
    seen = seen[seen.groupby("path")["annotator"].transform("size") >= 2]
    if seen.empty:
        return None
    paths = sorted(seen["path"].unique())
    label, labels = _code_labels(own["label"])
    annotator = pd.Index(annotators).get_indexer(own["annotator"]).astype(np.int64)
    image = pd.Index(paths).get_indexer(own["path"].astype(object)).astype(np.int64)
    shared = image >= 0
    codes = (image[shared], annotator[shared], label[shared])
    objects = collect_objects(unpacked, own.index.to_numpy(np.int64)[shared], *codes, kind)
    overlaps = find_overlaps(objects, min(FLOOR, iou_min))
    matches = match_pairs(objects, overlaps, iou_min)
    saw_image, saw_by = pd.Index(paths).get_indexer(seen["path"]), pd.Index(annotators).get_indexer(seen["annotator"])
    order = np.lexsort((saw_by, saw_image))
    return Comparison(
        kind=kind,
        unpacked=unpacked,
        paths=tuple(paths),
        annotators=tuple(annotators),
        labels=tuple(labels),
        saw_image=saw_image[order].astype(np.int64),
        saw_by=saw_by[order].astype(np.int64),
        uses=np.unique(annotator * len(labels) + label),
        objects=objects,
        overlaps=overlaps,
        matches=matches,
        unit=cluster(objects, matches),
        iou_min=iou_min,
        n_rows=int(shared.sum()),
    )


def _code_labels(labels: pd.Series) -> tuple[Ints, list[str | None]]:
    """A number for each label, and what they mean: sorted, None for a null last."""
    codes, found = pd.factorize(labels.astype(object), sort=True)
    null = codes < 0
    return np.where(null, len(found), codes).astype(np.int64), [*map(str, found), *([None] if null.any() else [])]


def _who_saw(rows: pd.DataFrame, own: pd.DataFrame, images: pd.DataFrame, annotators: Sequence[str]) -> pd.DataFrame:
    """Path and annotator, once each."""
    task = pd.MultiIndex.from_frame(own[["annotator", "source"]].fillna("").drop_duplicates())
    at_work = pd.MultiIndex.from_frame(rows[["annotator", "source"]].fillna("")).isin(task)
    seen = rows.loc[at_work, ["path", "annotator"]].astype(object)
    named = images.loc[images["attributes"].str.contains('"annotators"', regex=False, na=False), ["path", "attributes"]]
    known = set(annotators)
    stated = [
        (path, name)
        for path, text in zip(named["path"], named["attributes"], strict=True)
        for name in _named_annotators(text)
        if name in known
    ]
    return pd.concat([seen, pd.DataFrame(stated, columns=["path", "annotator"], dtype=object)]).drop_duplicates()


def _named_annotators(attributes: str) -> list[str]:
    value = json.loads(attributes).get("annotators")
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _matched_ends(comparison: Comparison) -> Ints:
    """Which object was matched with whom: object x annotators + annotator."""
    objects, matches, n = comparison.objects, comparison.matches, len(comparison.annotators)
    return np.r_[matches.one * n + objects.annotator[matches.other], matches.other * n + objects.annotator[matches.one]]
