"""What it finds: an image on which the annotators gave different labels.

Why it matters: its label is a vote, not a fact; disagreement is the cheapest sign of a hard or wrong label.

What to do: decide it in the review; the decision is kept and outlives the vote.

Options: none. The score is the share of annotators who stand behind the voted label.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.agreement.ratings import from_table
from datatools.checks.base import Check, Inputs
from datatools.dataset import label_id
from datatools.findings import Finding


def find_disagreements(ratings: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image with two or more different labels."""
    coded = from_table(ratings)
    first = np.searchsorted(coded.item, coded.item)  # where the ratings of the same image begin
    mixed = np.unique(coded.item[coded.label != coded.label[first]])
    starts, stops = (np.searchsorted(coded.item, mixed, side) for side in ("left", "right"))
    names, labels = coded.annotators[coded.annotator].tolist(), coded.classes[coded.label].tolist()
    for path, start, stop in zip(map(str, coded.items[mixed]), starts.tolist(), stops.tolist(), strict=True):
        given = labels[start:stop]
        distinct = sorted(set(given))
        said = ", ".join([f"{name} {label!r}" for name, label in zip(names[start:stop], given, strict=True)])
        yield Finding(
            f"annotators disagree: {said}",
            path,
            label_id(path),
            max(map(given.count, distinct)) / len(given),
            subject=" or ".join(distinct),
        )


def _spoil(inputs: Inputs) -> Inputs:
    ratings = inputs["ratings"].copy()
    ratings.iloc[0, 0] = "another"
    return {**inputs, "ratings": ratings}


CHECK = Check("AGR003", "annotators disagree", "info", find_disagreements, _spoil)
