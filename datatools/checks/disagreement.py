"""What it finds: an image on which the annotators gave different labels.

Why it matters: its label is a vote, not a fact; disagreement is the cheapest sign of a hard or wrong label.

What to do: decide it in the review; the decision is kept and outlives the vote.

Options: none. The score is the share of annotators who stand behind the voted label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.dataset import label_id
from datatools.findings import Finding


def find_disagreements(ratings: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image with two or more different labels."""
    names = list(ratings.columns)
    columns = [ratings[name].astype(object).where(ratings[name].notna(), None).tolist() for name in names]
    for path, labels in zip(ratings.index, zip(*columns, strict=True), strict=True):
        given = [(name, label) for name, label in zip(names, labels, strict=True) if label is not None]
        counts = Counter(label for _, label in given)
        if len(counts) > 1:
            said = ", ".join(f"{name} {label!r}" for name, label in given)
            share = max(counts.values()) / len(given)
            yield Finding(f"annotators disagree: {said}", str(path), label_id(str(path)), share)


def _spoil(inputs: Inputs) -> Inputs:
    ratings = inputs["ratings"].copy()
    ratings.iloc[0, 0] = "another"
    return {**inputs, "ratings": ratings}


CHECK = Check("AGR003", "annotators disagree", "info", find_disagreements, _spoil)
