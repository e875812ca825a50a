"""Chance-corrected agreement on labels, with a stated answer where the formula has none.

Cohen (1960), A coefficient of agreement for nominal scales. Fleiss (1971), Measuring nominal scale agreement among
many raters. Where everyone gives every item the same single label, chance agreement is 1 and kappa is 0/0: there is
nothing to correct and nothing to disagree on, so the answer is 1.0 when all agree. Without common items it is None.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def cohen_kappa(one: pd.Series, other: pd.Series) -> float | None:
    """Cohen's kappa of two annotators on the items both rated (equal index, null = not rated); None without any."""
    both = one.notna() & other.notna()
    if not both.any():
        return None
    names = pd.Index(pd.concat([one[both], other[both]]).unique())
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (names.get_indexer(one[both]), names.get_indexer(other[both])), 1)
    table /= table.sum()
    return _correct(float(np.trace(table)), float(table.sum(axis=1) @ table.sum(axis=0)))


def fleiss_kappa(ratings: pd.DataFrame) -> float | None:
    """Fleiss' kappa over `ratings` (index item, a column an annotator).

    Only items that every annotator rated count, as the formula asks; None when there is none or only one annotator.
    """
    complete = ratings.dropna()
    if complete.empty or ratings.shape[1] < 2:
        return None
    counts = count_labels(complete)
    n = counts.sum(axis=1)[0]
    observed = float(np.mean((np.sum(counts**2, axis=1) - n) / (n * (n - 1))))
    expected = float(np.sum((counts.sum(axis=0) / counts.sum()) ** 2))
    return _correct(observed, expected)


def measure_agreement(ratings: pd.DataFrame) -> dict[str, Any]:
    """Fleiss' kappa of all annotators and Cohen's of each pair, with the number of images each rests on.

    `ratings` has the index path and a column an annotator. A kappa is None where no image was rated by all it takes.
    """
    pairs = [
        {
            "annotators": [str(one), str(other)],
            "n": int((ratings[one].notna() & ratings[other].notna()).sum()),
            "kappa": cohen_kappa(ratings[one], ratings[other]),
        }
        for one, other in combinations(ratings.columns, 2)
    ]
    return {"annotators": ratings.shape[1], "n": len(ratings.dropna()), "fleiss": fleiss_kappa(ratings), "cohen": pairs}


def count_labels(ratings: pd.DataFrame) -> NDArray[np.int64]:
    """How often each label was given to each item: shape (items, labels), labels in sorted order."""
    names = pd.Index(sorted(pd.unique(ratings.to_numpy().ravel())))
    codes = names.get_indexer(ratings.to_numpy().ravel()).reshape(ratings.shape)
    counts = np.zeros((len(ratings), len(names)), dtype=np.int64)
    for column in codes.T:
        np.add.at(counts, (np.arange(len(codes)), column), 1)
    return counts


def _correct(observed: float, expected: float) -> float:
    if expected >= 1.0:
        return 1.0 if observed >= 1.0 else 0.0
    return (observed - expected) / (1.0 - expected)
