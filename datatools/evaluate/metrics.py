"""Accuracy, precision, recall and F1 with intervals, and a defined answer for every empty case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.errors import DatatoolsError
from datatools.intervals import wilson_interval

N_RESAMPLES = 1000
SEED = 0


def compute_metrics(
    labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str], confidence: float
) -> dict[str, Any]:
    """Compare given and predicted labels, both (n,), all of them in `classes`.

    Returns n, accuracy, accuracy_low, accuracy_high, macro_f1, macro_f1_low, macro_f1_high and `classes`: for each name
    precision, recall, recall_low, recall_high, f1, support. What would be 0/0 is None: recall of a class without test
    images, precision of one that is never predicted, F1 of one that is neither (it is left out of the macro F1, as
    scikit-learn does when it takes the labels from the data). Intervals at level `confidence`: Wilson's score interval
    for shares, the percentile bootstrap over images with a fixed seed for the macro F1.

    Raises DatatoolsError for lists of different length or a name that is not in `classes`.
    """
    table = count_pairs(labels, predicted, classes)
    accuracy = _share(int(np.trace(table)), int(table.sum()), confidence, "accuracy")
    return {
        "n": int(table.sum()),
        **accuracy,
        **_macro_f1(table, confidence),
        "classes": {name: _describe_class(table, number, confidence) for number, name in enumerate(classes)},
    }


def count_pairs(labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Confusion matrix (k, k): entry [i, j] counts images of class i that were called j. Raises DatatoolsError."""
    if len(labels) != len(predicted):
        raise DatatoolsError(
            f"evaluate: labels and predictions must be as many. Got {len(labels)} and {len(predicted)} instead: "
            "pass both for the same images."
        )
    place = {name: number for number, name in enumerate(classes)}
    table = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for label, guess in zip(labels, predicted, strict=True):
        if label not in place or guess not in place:
            foreign = label if label not in place else guess
            raise DatatoolsError(
                f"evaluate: labels must be in {list(classes)}. Got {foreign!r} instead: list all classes."
            )
        table[place[label], place[guess]] += 1
    return table


def compute_f1(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of each class, 2 TP / (labelled + predicted), over the last two axes of `table` (..., k, k); NaN for 0/0."""
    hits = np.diagonal(table, axis1=-2, axis2=-1)
    total = table.sum(axis=-1) + table.sum(axis=-2)
    return np.divide(2.0 * hits, total, out=np.full(hits.shape, np.nan), where=total > 0)


def _describe_class(table: NDArray[np.int64], number: int, confidence: float) -> dict[str, Any]:
    hits, support, called = int(table[number, number]), int(table[number].sum()), int(table[:, number].sum())
    f1 = float(compute_f1(table)[number])
    return {
        "precision": hits / called if called else None,
        **_share(hits, support, confidence, "recall"),
        "f1": None if np.isnan(f1) else f1,
        "support": support,
    }


def _share(hits: int, n: int, confidence: float, name: str) -> dict[str, float | None]:
    if n == 0:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = wilson_interval(hits, n, confidence)
    return {name: hits / n, f"{name}_low": low, f"{name}_high": high}


def _macro_f1(table: NDArray[np.int64], confidence: float) -> dict[str, float | None]:
    n = int(table.sum())
    if n == 0:
        return {"macro_f1": None, "macro_f1_low": None, "macro_f1_high": None}
    # Drawing n images with replacement is drawing the cells of the matrix from a multinomial.
    rng = np.random.default_rng(SEED)
    cells = table[table > 0]
    draws = np.zeros((N_RESAMPLES, *table.shape), dtype=np.int64)
    draws[:, table > 0] = rng.multinomial(n, cells / n, size=N_RESAMPLES)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(np.nanmean(compute_f1(draws), axis=-1), [tail, 100 - tail])
    return {"macro_f1": float(np.nanmean(compute_f1(table))), "macro_f1_low": float(low), "macro_f1_high": float(high)}
