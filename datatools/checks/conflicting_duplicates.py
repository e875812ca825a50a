"""What it finds: one picture with two labels: files with the same bytes, or near-duplicates, that are labelled differently.

Why it matters: one of the labels is wrong, whatever the model thinks. In training they pull it both ways; in the test set no
answer can be right twice.

What to do: look at the picture once and give all copies the right label, or exclude all but one. Where most copies agree,
only the others are named; where none has the majority, all of them are. If both labels are true, each image needs both: the
classes overlap.

Options: the section `neighbors` of params.yaml says what near-duplicates are (DUP002). A near-duplicate is named with what
it was found by and scores the better the less alike the two are: a burst of photos can change its subject. A label that
only sums up the objects of an image counts for equal bytes alone: from one frame of a video to the next, objects come and
go.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import CONSENSUS, PAIRS
from datatools.similarity.clusters import cluster_pairs, describe_pair, score_pair

FAR = 0.1  # score of two images of a cluster that are no pair themselves


class _Labelled(NamedTuple):
    path: str
    sha256: str
    label: str
    annotation_id: str


def find_conflicting_duplicates(
    images: pd.DataFrame, annotations: pd.DataFrame, pairs: pd.DataFrame
) -> Iterator[Finding]:
    """Yield a finding for each image whose label is not that of most images with the same picture."""
    near = {(row.path, row.other): row for row in pairs.itertuples()}
    pictures = images[["path", "sha256"]].assign(cluster=cluster_pairs(images["path"], pairs).to_numpy())
    labels = annotations[annotations["kind"].eq("label") & annotations["annotator"].eq(CONSENSUS).fillna(False)]
    labels = labels.dropna(subset=["label"])[["path", "label", "annotation_id", "source"]]
    copied = pictures["sha256"].duplicated(keep=False) | pictures["cluster"].duplicated(keep=False)
    rows = pictures[copied].merge(labels, on="path")
    given = rows[rows["source"].ne("objects").fillna(True)]
    told: set[str] = set()
    for column, known in (("sha256", rows), ("cluster", given)):
        differing = known[known.groupby(column)["label"].transform("nunique") > 1].sort_values([column, "path"])
        labelled = map(_Labelled._make, zip(*(differing[name] for name in _Labelled._fields), strict=True))
        for _, group in itertools.groupby(zip(differing[column], labelled, strict=True), key=itemgetter(0)):
            members = [one for _, one in group]
            for one in _outvoted(members):
                if one.path not in told:
                    told.add(one.path)
                    yield _say(one, members, near)


def _outvoted(members: Sequence[_Labelled]) -> list[_Labelled]:
    """Those with another label than more than half of the images; all where no label has so many."""
    label, n = Counter(one.label for one in members).most_common(1)[0]
    return [one for one in members if one.label != label] if 2 * n > len(members) else list(members)


def _say(one: _Labelled, members: Sequence[_Labelled], near: Mapping[tuple[str, str], Any]) -> Finding:
    """Name the nearest image with another label; without a pair of the two, links by way of others lead there."""

    def distance(other: _Labelled) -> tuple[float, str]:
        pair = near.get((min(one.path, other.path), max(one.path, other.path)))
        if other.sha256 == one.sha256:
            return -1.0, other.path
        return (FAR if pair is None else score_pair(pair)), other.path

    other = min((other for other in members if other.label != one.label), key=distance)
    if other.sha256 == one.sha256:
        how = "with the same bytes"
    else:
        pair = near.get((min(one.path, other.path), max(one.path, other.path)))
        how = f"with the same picture ({'by way of others' if pair is None else describe_pair(pair)})"
    text = f"labelled {one.label!r}, but {other.path} {how} is labelled {other.label!r}"
    return Finding(text, one.path, one.annotation_id, score=max(0.0, distance(other)[0]))


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[23, "sha256"] = images.loc[0, "sha256"]
    pairs = [
        {"path": images.loc[0, "path"], "other": images.loc[23, "path"], "how": "identical", "hash_bits": 0},
        {"path": images.loc[1, "path"], "other": images.loc[8, "path"], "how": "hash", "hash_bits": 4},
    ]
    return {**inputs, "images": images, "pairs": PAIRS.conform(pairs)}


CHECK = Check("DUP003", "one picture with two labels", "error", find_conflicting_duplicates, _spoil, version=2)
