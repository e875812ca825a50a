"""What it finds: agreement that cannot be measured: no image was rated by two annotators, or none of those that one
annotator rated, or none of those with one class.

Why it matters: a kappa that does not exist looks like one that is not bad. Nothing is known about these labels.

What to do: have some images of each annotator and of each class labelled by a second one; 100 or more tell something.

Options: none. A single annotator is no finding: there is nobody to agree with.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.agreement.ratings import Codes, from_table
from datatools.checks.base import Check, Inputs
from datatools.findings import Finding

ALL = "all"


def find_unmeasured(ratings: pd.DataFrame) -> Iterator[Finding]:
    """Yield one finding where nothing is measurable, else one for each annotator and each class without a comparison."""
    coded = from_table(ratings)
    shared = coded.comparable()
    n_active = len(np.unique(coded.annotator))
    if n_active < 2:
        return
    if not len(shared.item):
        yield Finding(f"agreement of {n_active} annotators is not measurable: no image was rated by two", subject=ALL)
        return
    for number, n in _alone(coded.annotator, shared.annotator, len(coded.annotators)):
        name = coded.annotators[number]
        text = f"agreement of {name} with the others is not measurable: nobody else rated any of the {n:,} images"
        yield Finding(text, subject=str(name))
    for number, n in _alone(coded.label, shared.label, len(coded.classes)):
        label = coded.classes[number]
        text = f"agreement on {label!r} is not measurable: none of the {n:,} images with it was rated by two"
        yield Finding(text, subject=f"class {label}")


def _alone(everywhere: Codes, compared: Codes, n: int) -> Iterator[tuple[int, int]]:
    """The numbers below `n` that occur but are never compared, and how often they occur."""
    n_given, n_compared = np.bincount(everywhere, minlength=n), np.bincount(compared, minlength=n)
    for number in np.flatnonzero((n_given > 0) & (n_compared == 0)):
        yield int(number), int(n_given[number])


def _spoil(inputs: Inputs) -> Inputs:
    ratings = inputs["ratings"].copy()
    ratings[ratings.columns[0]] = ratings[ratings.columns[0]].where(np.arange(len(ratings)) < 12, None)
    ratings.iloc[:12, 1:] = None
    return {**inputs, "ratings": ratings}


CHECK = Check("AGR006", "agreement not measurable", "info", find_unmeasured, _spoil)
