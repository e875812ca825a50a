"""Chance-corrected agreement on labels, with a stated answer where the formula has none.

Cohen (1960), A coefficient of agreement for nominal scales; Cohen (1968), Weighted kappa. Fleiss (1971), Measuring nominal
scale agreement among many raters. Where everyone gives every item the same single label, chance agreement is 1 and kappa
is 0/0: there is nothing to correct and nothing to disagree on, so the answer is 1.0 when all agree. Without common items
it is None.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.agreement.alpha import LabelCounts, count_kinds
from datatools.agreement.ratings import Floats, Ratings, as_numbers, as_ratings, from_table
from datatools.agreement.resampling import CONFIDENCE, RESAMPLES, chance_corrected, interval
from datatools.errors import DatatoolsError

WEIGHTS = ("linear", "quadratic")


def cohen_kappa(
    one: pd.Series, other: pd.Series, weights: str | None = None, classes: Iterable[Any] | None = None
) -> float | None:
    """Cohen's kappa of two annotators on the items both rated (equal index, null = not rated); None without any.

    `weights` linear or quadratic counts a disagreement by the distance of the two labels in the order of `classes`, or its
    square; without `classes` the labels must be numbers, taken in their order. Raises DatatoolsError for other weights,
    for labels without an order and for a label that is not in `classes`.
    """
    return kappa_of_table(_two(one, other, weights, classes), weights)


def cohen_interval(
    one: pd.Series,
    other: pd.Series,
    weights: str | None = None,
    classes: Iterable[Any] | None = None,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> tuple[float, float] | None:
    """Bootstrap interval of cohen_kappa over items; None where both rated fewer than two. Raises as cohen_kappa does."""
    return interval_of_table(_two(one, other, weights, classes), weights, n_resamples, seed, confidence)


def fleiss_kappa(ratings: pd.DataFrame | Ratings) -> float | None:
    """Fleiss' kappa over `ratings`.

    The formula asks for the same number of ratings of every item: items that every annotator rated count. Where there is
    none (annotators who took turns), those with the most frequent number of ratings from two on. None without any.
    """
    counts = count_kinds(_equally_rated(as_ratings(ratings)), alike=False)
    return float(_fleiss(counts, np.ones((1, len(counts.m))))[0]) if len(counts.m) else None


def fleiss_interval(
    ratings: pd.DataFrame | Ratings, n_resamples: int = RESAMPLES, seed: int = 0, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """Bootstrap interval of fleiss_kappa over items; None where fewer than two items count."""
    counts = count_kinds(_equally_rated(as_ratings(ratings)))
    ends = interval(lambda weights: _fleiss(counts, weights), counts.n_of_kind, n_resamples, seed, confidence)
    return None if ends is None else (float(ends[0]), float(ends[1]))


def percent_agreement(ratings: pd.DataFrame | Ratings) -> float | None:
    """How often two annotators of an item agree: the mean over items of the share of equal pairs; None without a pair."""
    counts = count_kinds(as_ratings(ratings))
    if not len(counts.m):
        return None
    pairs = np.bincount(counts.kind, counts.n * (counts.n - 1), len(counts.m)) / (counts.m * (counts.m - 1))
    return float(np.average(pairs, weights=counts.n_of_kind))


def pair_tables(ratings: pd.DataFrame | Ratings) -> dict[tuple[int, int], Floats]:
    """How often each pair of annotators gave which two labels: (classes of the first, classes of the second).

    Keys are positions in the annotators, the first smaller; a pair without a common item is left out.
    """
    coded = as_ratings(ratings)
    n_classes, tables = len(coded.classes), {}
    own = [np.flatnonzero(coded.annotator == number) for number in range(len(coded.annotators))]
    for (first, one), (second, other) in combinations(enumerate(own), 2):
        common = np.intersect1d(coded.item[one], coded.item[other], assume_unique=True, return_indices=True)
        if len(common[0]):
            cell = coded.label[one[common[1]]] * n_classes + coded.label[other[common[2]]]
            tables[first, second] = (
                np.bincount(cell, minlength=n_classes**2).reshape(n_classes, n_classes).astype(float)
            )
    return tables


def kappa_of_table(table: Floats, weights: str | None = None) -> float | None:
    """Cohen's kappa of a table of counts (labels of one, labels of the other); None for an empty one."""
    return float(_cohen(table[None], _distances(len(table), weights))[0]) if table.any() else None


def interval_of_table(
    table: Floats,
    weights: str | None = None,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> tuple[float, float] | None:
    """Bootstrap interval of kappa_of_table over the items that were counted; None for fewer than two."""
    used = np.flatnonzero(table.any(axis=0) | table.any(axis=1))
    small = table[np.ix_(used, used)]
    distance = _distances(len(table), weights)[np.ix_(used, used)]
    cells = np.flatnonzero(small)

    def measure(drawn: Floats) -> Floats:
        """Kappa of each resample, shape (resamples,)."""
        tables = np.zeros((len(drawn), small.size))
        tables[:, cells] = drawn
        return _cohen(tables.reshape(len(drawn), *small.shape), distance)

    ends = interval(measure, small.ravel()[cells].astype(np.int64), n_resamples, seed, confidence)
    return None if ends is None else (float(ends[0]), float(ends[1]))


def count_labels(ratings: pd.DataFrame) -> NDArray[np.int64]:
    """How often each label was given to each item: shape (items, labels), labels in sorted order."""
    coded = from_table(ratings)
    shape = (len(coded.items), len(coded.classes))
    return np.bincount(coded.item * shape[1] + coded.label, minlength=shape[0] * shape[1]).reshape(shape)


def n_equally_rated(ratings: pd.DataFrame | Ratings) -> int:
    """How many items Fleiss' kappa rests on."""
    return len(np.unique(_equally_rated(as_ratings(ratings)).item))


def _two(one: pd.Series, other: pd.Series, weights: str | None, classes: Iterable[Any] | None) -> Floats:
    """The table of the labels of two annotators; without a common item it is empty."""
    if weights is not None and weights not in WEIGHTS:
        raise DatatoolsError(f"weights must be None or one of {', '.join(WEIGHTS)}. Got {weights!r} instead.")
    coded = from_table(pd.concat([one, other], axis=1), classes).comparable()
    if weights is not None and classes is None:
        as_numbers(coded.classes, "weighted kappa without a class order")
    if classes is None:  # labels of items that only one of them rated have no place in the order
        names, label = np.unique(coded.label, return_inverse=True)
        coded = Ratings(coded.items, coded.annotators, coded.classes[names], coded.item, coded.annotator, label)
    tables = pair_tables(coded)
    n_classes = len(coded.classes)
    return tables.get((0, 1), np.zeros((n_classes, n_classes)))


def _cohen(tables: Floats, distance: Floats) -> Floats:
    """Kappa of tables (resamples, classes, classes), in counts: whole numbers keep exact what should be exact."""
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    observed = (tables * distance).sum(axis=(1, 2)) * rows.sum(axis=1)
    expected = ((rows @ distance) * columns).sum(axis=1)
    return chance_corrected(observed, expected)


def _distances(n_classes: int, weights: str | None) -> Floats:
    places = np.arange(n_classes, dtype=np.float64)
    apart = np.abs(places[:, None] - places[None, :])
    if weights is None:
        return (apart > 0).astype(np.float64)
    return apart if weights == "linear" else apart**2


def _equally_rated(ratings: Ratings) -> Ratings:
    n_of_item, wanted = ratings.n_of_item, len(ratings.annotators)
    if wanted < 2:
        return ratings.only(np.zeros(len(ratings.item), dtype=bool))
    if not (n_of_item == wanted).any():
        several = np.bincount(n_of_item[n_of_item >= 2], minlength=1)
        wanted = int(several.argmax()) if several.any() else -1
    return ratings.only(n_of_item[ratings.item] == wanted)


def _fleiss(counts: LabelCounts, weights: Floats) -> Floats:
    """Fleiss' kappa of each row of `weights` (resamples, kinds); all kinds have the same number of ratings."""
    squares = np.bincount(counts.kind, counts.n**2, len(counts.m))
    agree = (squares - counts.m) / (counts.m * (counts.m - 1))
    totals = counts.totals(weights)
    observed = weights @ (1.0 - agree) / weights.sum(axis=1)
    expected = 1.0 - (totals**2).sum(axis=1) / totals.sum(axis=1) ** 2
    return chance_corrected(observed, expected)
