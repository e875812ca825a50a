"""What it finds: annotators who agree too little: Fleiss' kappa of all, or Cohen's kappa of two, over all classes or on
one class against the rest, below the bar.

Why it matters: where people disagree the label is a coin toss, and no model can be better than its labels.

What to do: see AGR002 for the classes that are mixed up, settle what tells them apart, and have those images labelled
again. The images themselves are AGR003 and stand in the review queue.

Options: `validate.kappa_min` (default 0.8: "almost perfect" begins at 0.81 in Landis and Koch, 1977). Where only one
label was ever given, kappa is 0/0 and counts as 1: there was nothing to disagree on. Annotators without a common image
are not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pandas as pd

from datatools.agreement.kappa import cohen_kappa, fleiss_kappa
from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.params import ValidateParams


def find_low_kappa(ratings: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for the whole, each pair, and each pair on each class whose kappa is below the bar."""
    bar = params.kappa_min
    whole = fleiss_kappa(ratings)
    if whole is not None and whole < bar:
        yield Finding(
            f"Fleiss' kappa of {ratings.shape[1]} annotators is {whole:.3f}, below {bar:g}", score=max(whole, 0.0)
        )
    for one, other in combinations(ratings.columns, 2):
        yield from _compare(ratings[one], ratings[other], bar)


def _compare(one: pd.Series, other: pd.Series, bar: float) -> Iterator[Finding]:
    pair = f"{one.name} and {other.name}"
    kappa = cohen_kappa(one, other)
    if kappa is not None and kappa < bar:
        yield Finding(f"Cohen's kappa of {pair} is {kappa:.3f}, below {bar:g}", score=max(kappa, 0.0))
    for label in sorted(set(one.dropna()) | set(other.dropna())):
        kappa = cohen_kappa(one.eq(label).where(one.notna()), other.eq(label).where(other.notna()))
        if kappa is not None and kappa < bar:
            yield Finding(
                f"Cohen's kappa of {pair} on {label!r} against the rest is {kappa:.3f}, below {bar:g}",
                score=max(kappa, 0.0),
            )


def _spoil(inputs: Inputs) -> Inputs:
    ratings = inputs["ratings"].copy()
    ratings[ratings.columns[0]] = ratings[ratings.columns[0]].to_numpy()[::-1]
    return {**inputs, "ratings": ratings}


CHECK = Check("AGR001", "kappa below the bar", "warning", find_low_kappa, _spoil)
