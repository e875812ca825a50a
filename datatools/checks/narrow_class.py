"""What it finds: a class whose images look far more alike than those of the other classes.

Why it matters: one dimension of a data set's quality is diversity. Hundreds of frames of one scene count as hundreds of
images, but teach a model one thing; it fails on the same class elsewhere.

What to do: look at the class in the app (`datatools review`, embeddings), thin out what repeats, collect other scenes.

Options: `curate.spread_min` (default 0.25 of the median class). The spread of a class is the mean squared distance to its
centre in the embeddings of models that never saw the images. Silent with fewer than three classes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.params import CurateParams

MIN_CLASSES = 3  # a median of two says nothing about either
MIN_IMAGES = 20  # fewer say little about the spread, and SLC001 speaks of them


def find_narrow_classes(spread: pd.DataFrame, curation: CurateParams) -> Iterator[Finding]:
    """Yield a finding for each class that spreads less than `spread_min` of the median class."""
    known = spread[np.isfinite(spread["spread"]) & (spread["n"] >= MIN_IMAGES)]
    if len(known) < MIN_CLASSES:
        return
    for row in known[known["spread"] < curation.spread_min].itertuples():
        yield Finding(
            f"the {row.n} images of {row.label!r} spread {row.spread:.0%} as far as those of the median class",
            score=float(min(row.spread, 1.0)),
            subject=str(row.label),
        )


def _spoil(inputs: Inputs) -> Inputs:
    rows = [("circle", 40, 1.0), ("square", 40, 1.1), ("star", 40, 0.1)]
    return {**inputs, "spread": pd.DataFrame(rows, columns=["label", "n", "spread"])}


CHECK = Check("DST003", "class that spreads little in feature space", "warning", find_narrow_classes, _spoil)
