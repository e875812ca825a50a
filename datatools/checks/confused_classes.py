"""What it finds: an annotator who gives one class, as the others see it, another label again and again.

Why it matters: one person's habit is a systematic error; a vote hides it until two share it.

What to do: show the annotator some examples of both classes, then have those images labelled again.

Options: `validate.confusion_min`: from which share of a class on the habit is named (default 0.1, at least 5 images). The
class of an image is the majority of the *other* annotators; images on which they tie are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.params import ValidateParams

N_MIN = 5


def find_confused_classes(ratings: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each annotator and pair of classes; needs at least three annotators to tell who is apart."""
    if ratings.shape[1] < 3:
        return
    for name in ratings.columns:
        others = _agreed(ratings.drop(columns=name))
        both = ratings[name].notna() & others.notna()
        table = pd.crosstab(others[both], ratings.loc[both, name])
        for label, row in table.iterrows():
            for given, n in row.drop(label, errors="ignore").items():
                share = n / row.sum()
                if n >= N_MIN and share >= params.confusion_min:
                    yield Finding(
                        f"{name} calls {share:.0%} of {label!r} {given!r} ({n} of {row.sum()} images)", score=1 - share
                    )


def _agreed(ratings: pd.DataFrame) -> pd.Series:
    """The label that more than half of the columns give, else null."""
    result = pd.Series(pd.NA, index=ratings.index, dtype="string")
    rated = ratings.notna().sum(axis=1)
    for name in ratings.columns:
        same = ratings.eq(ratings[name], axis=0).fillna(False).sum(axis=1)
        result = result.where(~(same * 2 > rated), ratings[name])
    return result


def _spoil(inputs: Inputs) -> Inputs:
    ratings = inputs["ratings"].copy()
    labels = sorted(ratings.iloc[:, 0].unique())
    ratings.iloc[:, 0] = ratings.iloc[:, 0].replace(labels[0], labels[1])
    return {**inputs, "ratings": ratings}


CHECK = Check("AGR002", "annotator confuses two classes", "warning", find_confused_classes, _spoil)
