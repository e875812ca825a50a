"""Krippendorff's alpha: any number of annotators, ratings may be missing, labels may be names, ranks or numbers.

alpha = 1 - D_o / D_e. An item with m >= 2 ratings gives each ordered pair of them the weight 1 / (m - 1); D_o sums the
squared difference of the pairs within items, D_e that of all pairs of ratings, divided by n - 1 (n ratings in all).
Krippendorff (2011), Computing Krippendorff's Alpha-Reliability. The squared difference of two labels is 1 (nominal),
(a - b)^2 (interval), ((a - b) / (a + b))^2 (ratio), or the interval one of the labels' mid-ranks (ordinal), which is the
same as the sum that the paper gives.

Stated answers: None where no item has two ratings; 1.0 where all ratings are one label (0/0: nothing to disagree on).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from datatools.agreement.ratings import Codes, Floats, Ratings, as_numbers, as_ratings
from datatools.agreement.resampling import BLOCK, CONFIDENCE, RESAMPLES, chance_corrected, group_alike, interval
from datatools.errors import DatatoolsError

LEVELS = ("nominal", "ordinal", "interval", "ratio")


@dataclass(frozen=True)
class LabelCounts:
    """How often each kind of item got each label: sparse cells ordered by kind, and how many items are of the kind."""

    n_of_kind: Codes
    m: Floats  # ratings an item of the kind has
    kind: Codes
    label: Codes
    n: Floats
    n_classes: int

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """The counts as dense rows (kinds, classes), as many at a time as memory likes."""
        rows = max(1, BLOCK // max(self.n_classes, 1))
        for start in range(0, len(self.m), rows):
            stop = min(start + rows, len(self.m))
            low, high = np.searchsorted(self.kind, [start, stop])
            dense = np.zeros((stop - start, self.n_classes))
            dense[self.kind[low:high] - start, self.label[low:high]] = self.n[low:high]
            yield slice(start, stop), dense

    def totals(self, weights: Floats) -> Floats:
        """How often each label was given: (resamples, classes)."""
        parts = (weights[:, rows] @ dense for rows, dense in self.blocks())
        return np.asarray(sum(parts, np.zeros((len(weights), self.n_classes))))


def count_kinds(ratings: Ratings, alike: bool = True) -> LabelCounts:
    """Count the labels of every item with two ratings or more; with `alike`, items with equal counts are one kind."""
    comparable = ratings.n_of_item >= 2
    n_items, n_classes = int(comparable.sum()), len(ratings.classes)
    cell = (np.cumsum(comparable) - 1)[ratings.item] * n_classes + ratings.label
    if not comparable.all():
        cell = cell[comparable[ratings.item]]
    if n_items * n_classes <= BLOCK:
        counted = np.bincount(cell, minlength=n_items * n_classes)
        cell = np.flatnonzero(counted)
        n = counted[cell]
    else:
        cell, n = np.unique(cell, return_counts=True)
    kind = cell // max(n_classes, 1)
    label = cell - kind * n_classes
    n_of_kind = np.ones(n_items, dtype=np.int64)
    if alike and n_items:
        group = group_alike(kind, label * (int(n.max()) + 1) + n, n_items)
        _, one_of_each, n_of_kind = np.unique(group, return_index=True, return_counts=True)
        kept = np.isin(kind, one_of_each)
        kind, label, n = group[kind[kept]], label[kept], n[kept]
        order = np.argsort(kind, kind="stable")
        kind, label, n = kind[order], label[order], n[order]
    m = np.bincount(kind, weights=n, minlength=len(n_of_kind)).astype(np.float64)
    return LabelCounts(n_of_kind, m, kind, label, n.astype(np.float64), n_classes)


def krippendorff_alpha(
    ratings: pd.DataFrame | Ratings, level: str = "nominal", classes: Iterable[Any] | None = None
) -> float | None:
    """Alpha of all annotators; None where no item has two ratings.

    `level` is one of LEVELS. Ordinal labels need their order: give `classes`, unless the labels are numbers. Raises
    DatatoolsError for another level, and where numbers are needed and the labels are none.
    """
    coded = as_ratings(ratings, classes)
    counts, values = count_kinds(coded, alike=False), _values(coded, level, classes is not None)
    if not len(counts.m):
        return None
    return float(_alpha(counts, level, values, counts.n_of_kind[None].astype(np.float64))[0])


def alpha_interval(
    ratings: pd.DataFrame | Ratings,
    level: str = "nominal",
    classes: Iterable[Any] | None = None,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> tuple[float, float] | None:
    """Bootstrap interval of alpha over items; None where fewer than two items have two ratings. Raises as alpha does."""
    coded = as_ratings(ratings, classes)
    counts, values = count_kinds(coded), _values(coded, level, classes is not None)
    ends = interval(
        lambda weights: _alpha(counts, level, values, weights), counts.n_of_kind, n_resamples, seed, confidence
    )
    return None if ends is None else (float(ends[0]), float(ends[1]))


def alpha_by_class(ratings: pd.DataFrame | Ratings, n_resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Alpha of each class against the rest: columns label, n (ratings with it), alpha, low, high; a row a class given.

    Only items with two ratings count. `low` and `high` are the ends of the 95 % interval, null where there is none.
    """
    coded = as_ratings(ratings)
    counts = count_kinds(coded)
    rows = pd.DataFrame({"label": coded.classes, "n": 0, "alpha": np.nan, "low": np.nan, "high": np.nan})
    if len(counts.m):
        weights = counts.n_of_kind[None].astype(np.float64)
        rows["n"] = counts.totals(weights)[0].astype(np.int64)
        rows["alpha"] = _alpha_by_class(counts, weights)[0]
        ends = interval(lambda drawn: _alpha_by_class(counts, drawn), counts.n_of_kind, n_resamples, seed)
        if ends is not None:
            rows["low"], rows["high"] = ends
    return rows[rows["n"] > 0].reset_index(drop=True)


def _values(ratings: Ratings, level: str, ordered: bool) -> Floats | None:
    if level not in LEVELS:
        raise DatatoolsError(f"level must be one of {', '.join(LEVELS)}. Got {level!r} instead.")
    if level == "nominal" or (level == "ordinal" and ordered):
        return None
    numbers = as_numbers(
        ratings.classes, f"alpha at the {level} level without a class order" if level == "ordinal" else level
    )
    if level == "ratio" and (numbers < 0).any():
        raise DatatoolsError(f"ratings: ratio needs labels from 0. Got {numbers.min():g}.")
    return numbers


def _alpha(counts: LabelCounts, level: str, values: Floats | None, weights: Floats) -> Floats:
    """Alpha of each row of `weights` (resamples, kinds)."""
    totals = counts.totals(weights)
    n = totals.sum(axis=1)
    if level == "ordinal":
        places = np.cumsum(totals, axis=1) - totals / 2
    elif values is not None:
        places = np.broadcast_to(values, totals.shape)
    if level == "nominal":
        squares = np.bincount(counts.kind, weights=counts.n**2, minlength=len(counts.m))
        observed = weights @ ((counts.m**2 - squares) / (counts.m - 1))
        expected = n**2 - (totals**2).sum(axis=1)
    elif level == "ratio":
        difference = _ratio_differences(places[0])
        parts = [((dense @ difference) * dense).sum(axis=1) for _, dense in counts.blocks()]
        observed = weights @ (np.concatenate(parts) / (counts.m - 1))
        expected = ((totals @ difference) * totals).sum(axis=1)
    else:
        centred = places - (totals * places).sum(axis=1, keepdims=True) / n[:, None]  # small numbers lose no digits
        observed = _squares_within(counts, centred, weights)
        expected = 2 * (n * (totals * centred**2).sum(axis=1) - (totals * centred).sum(axis=1) ** 2)
    return chance_corrected(observed, expected / np.maximum(n - 1, 1))


def _squares_within(counts: LabelCounts, places: Floats, weights: Floats) -> Floats:
    observed = np.zeros(len(weights))
    for rows, dense in counts.blocks():
        m = counts.m[rows]
        spread = m * (places**2 @ dense.T) - (places @ dense.T) ** 2
        observed += (weights[:, rows] * 2 * spread / (m - 1)).sum(axis=1)
    return observed


def _ratio_differences(values: Floats) -> Floats:
    total = values[:, None] + values[None, :]
    return np.asarray(((values[:, None] - values[None, :]) / np.where(total == 0, 1.0, total)) ** 2)


def _alpha_by_class(counts: LabelCounts, weights: Floats) -> Floats:
    totals = counts.totals(weights)
    n = totals.sum(axis=1, keepdims=True)
    observed = np.zeros_like(totals)
    for rows, dense in counts.blocks():
        m = counts.m[rows, None]
        observed += weights[:, rows] @ (2 * dense * (m - dense) / (m - 1))
    return chance_corrected(observed, 2 * totals * (n - totals) / np.maximum(n - 1, 1))
