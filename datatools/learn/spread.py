"""How far the images of a class lie from one another in the space a network sees them in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def measure_spread(embeddings: NDArray[np.float32], labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Return the spread of each class, shape (n_classes,): 1 is the median class, NaN a class of fewer than 2 rows.

    The spread is the mean squared distance to the class's mean, that is the trace of its covariance (n - 1 below),
    divided by the median over the classes. `embeddings` is (n, d), `labels` (n,) in 0 .. n_classes - 1. Where the
    median class does not spread at all, those that do have the spread infinity and the others 1.
    """
    total = np.full(n_classes, np.nan)
    for number in range(n_classes):
        rows = np.asarray(embeddings[labels == number], dtype=np.float64)
        if len(rows) > 1:
            total[number] = ((rows - rows.mean(axis=0)) ** 2).sum() / (len(rows) - 1)
    known = ~np.isnan(total)
    median = np.median(total[known]) if known.any() else np.nan
    if median == 0:
        return np.where(known, np.where(total > 0, np.inf, 1.0), np.nan)
    return total / median


def average_spread(spreads: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over folds (n_folds, n_classes), each weighed by its number of rows; NaN for a class that none measured."""
    weights = np.where(np.isfinite(spreads), counts, 0)
    total = weights.sum(axis=0)
    summed = (np.where(np.isfinite(spreads), spreads, 0.0) * weights).sum(axis=0)
    return np.where(total > 0, summed / np.maximum(total, 1), np.nan)
