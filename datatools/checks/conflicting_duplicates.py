"""What it finds: one picture with two labels: files with the same bytes, or near-duplicates, that are labelled differently.

Why it matters: one of the labels is wrong, whatever the model thinks. In training they pull it both ways; in the test set no
answer can be right twice.

What to do: look at the picture once and give all copies the right label, or exclude all but one. Where most copies agree,
only the others are named; where none has the majority, all of them are. If both labels are true, each image needs both: the
classes overlap.

Options: `ingest.near_duplicate_bits`: in how many of 256 bits the perceptual hashes of near-duplicates may differ. A
near-duplicate is named with that number and scores the better the more bits differ: a burst of photos can change its
subject. A label that only sums up the objects of an image counts for equal bytes alone: from one frame of a video to the
next, objects come and go.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.duplicates import hamming
from datatools.findings import Finding
from datatools.schema import CONSENSUS


class _Labelled(NamedTuple):
    path: str
    sha256: str
    phash: str
    label: str
    annotation_id: str


def find_conflicting_duplicates(images: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image whose label is not that of most images with the same picture."""
    labels = annotations[annotations["kind"].eq("label") & annotations["annotator"].eq(CONSENSUS).fillna(False)]
    labels = labels.dropna(subset=["label"])[["path", "label", "annotation_id", "source"]]
    copied = images["sha256"].duplicated(keep=False) | images["duplicate_of"].duplicated(keep=False)
    names = ["path", "sha256", "phash", "duplicate_of"]
    rows = images.loc[copied, names].merge(labels, on="path")
    given = rows[rows["source"].ne("objects").fillna(True)]
    told: set[str] = set()
    for column, known in (("sha256", rows), ("duplicate_of", given)):
        differing = known[known.groupby(column)["label"].transform("nunique") > 1].sort_values([column, "path"])
        labelled = map(_Labelled._make, zip(*(differing[name] for name in _Labelled._fields), strict=True))
        for _, group in itertools.groupby(zip(differing[column], labelled, strict=True), key=itemgetter(0)):
            members = [one for _, one in group]
            for one in _outvoted(members):
                if one.path not in told:
                    told.add(one.path)
                    yield _say(one, members)


def _outvoted(members: Sequence[_Labelled]) -> list[_Labelled]:
    """Those with another label than more than half of the images; all where no label has so many."""
    label, n = Counter(one.label for one in members).most_common(1)[0]
    return [one for one in members if one.label != label] if 2 * n > len(members) else list(members)


def _say(one: _Labelled, members: Sequence[_Labelled]) -> Finding:
    """Name the nearest image with another label."""
    others = [other for other in members if other.label != one.label]
    bits, other = min(
        ((-1 if other.sha256 == one.sha256 else hamming(one.phash, other.phash)), other) for other in others
    )
    how = "with the same bytes" if bits < 0 else f"with the same picture ({bits} of 256 hash bits differ)"
    text = f"labelled {one.label!r}, but {other.path} {how} is labelled {other.label!r}"
    return Finding(text, one.path, one.annotation_id, score=max(0, bits) / 256)


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[23, "sha256"] = images.loc[0, "sha256"]
    images.loc[8, "duplicate_of"] = images.loc[1, "path"]
    return {**inputs, "images": images}


CHECK = Check("DUP003", "one picture with two labels", "error", find_conflicting_duplicates, _spoil)
