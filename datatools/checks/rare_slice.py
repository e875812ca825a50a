"""What it finds: a class, or a value of a metadata column, with far fewer images than its even part.

Why it matters: a model is seldom right on what it has hardly seen, and a test score over all images hides that.

What to do: collect or label more images like these; how many are missing to the bar is in the message. Until then, raise
`augment.factor` or read the score of the slice by itself.

Options: `curate.slice_columns` (columns of metadata.csv), `curate.share_min`: rare is what has less than this share of
the even part, all images divided by the number of values (default 0.25).
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding


def find_rare_slices(slices: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each rare row of `slices`: column, value, n, n_wanted, accuracy, is_rare."""
    for row in slices[slices["is_rare"]].itertuples():
        known = "" if pd.isna(row.accuracy) else f", out-of-fold accuracy {row.accuracy:.0%}"
        missing = max(int(row.n_wanted) - int(row.n), 1)
        yield Finding(
            f"{row.column}={row.value} has only {row.n} images{known}: {missing} more to the bar",
            score=row.n / row.n_wanted,
        )


def _spoil(inputs: Inputs) -> Inputs:
    slices = inputs["slices"].copy()
    slices.loc[0, ["n", "is_rare"]] = [1, True]
    return {**inputs, "slices": slices}


CHECK = Check("SLC001", "under-represented class or slice", "warning", find_rare_slices, _spoil)
