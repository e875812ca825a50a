"""Letting two units on different sides change places, where no unit could move alone without making things worse.

Whole groups are few and large, so one after the other they end where each fitted best when it came, and not together.
Only operations on single numbers, and sums of rows from the first to the last, are used: the same result on any machine.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

MAX_UNITS = 400  # the largest ones take part
MAX_WORK = 40_000_000  # units x units x columns: half a second
MAX_EXCHANGES = 300  # clothing needs about 40
DIGITS = 9  # of a gain; less is a tie

Floats = NDArray[np.float64]


def exchange(counts: Floats, sides: NDArray[np.int8], gaps: Floats, weights: Floats, ratios: Floats) -> None:
    """Exchange units, or move one, as long as that brings the error of fill_sides down; changes `sides` and `gaps`.

    `counts` (n, n_columns) of the units, the largest first; `gaps` (n_sides, n_columns) is what each side lacks. Each
    time the exchange is made that gains most.
    """
    n = min(len(counts), MAX_UNITS, int(np.sqrt(MAX_WORK / max(counts.shape[1], 1))))
    if n < 2:
        return
    units = np.vstack([counts[:n], np.zeros((1, counts.shape[1]))])  # the last one is nothing: a move
    unlike = _unlike(units, weights)
    open_sides: list[int] = np.flatnonzero(ratios > 0).tolist()
    for _ in range(MAX_EXCHANGES):
        best = (0.0, -1, -1, -1, -1)
        for one, other in itertools.combinations(open_sides, 2):
            found = _best_between(units, sides[:n], one, other, gaps, weights, ratios, unlike)
            best = found if found[0] > best[0] else best
        gain, first, second, one, other = best
        if gain <= 0:
            return
        for unit, start, end in ((first, one, other), (second, other, one)):
            if unit < n:
                sides[unit] = end
                gaps[start] += units[unit]
                gaps[end] -= units[unit]


def _unlike(units: Floats, weights: Floats) -> Floats:
    """The weighted squared distance of the counts of each two units."""
    total = np.zeros((len(units), len(units)))
    for column, weight in zip(units.T, weights, strict=True):
        total += weight * (column[:, None] - column[None, :]) ** 2
    return total


def _best_between(
    units: Floats,
    sides: NDArray[np.int8],
    one: int,
    other: int,
    gaps: Floats,
    weights: Floats,
    ratios: Floats,
    unlike: Floats,
) -> tuple[float, int, int, int, int]:
    """The gain of the best exchange of a unit of `one` side with a unit of the `other`, those units, and the sides.

    With d the difference of their counts, the error falls by the sum of weight * (2 * gap * d) / ratio of the one that
    gets d, less the same of the one that loses it, less weight * d^2 of both.
    """
    nothing = len(units) - 1
    here = np.append(np.flatnonzero(sides == one), nothing)
    there = np.append(np.flatnonzero(sides == other), nothing)
    slope = weights * 2 * (gaps[other] / ratios[other] - gaps[one] / ratios[one])
    pull = np.ascontiguousarray((units * slope).T).sum(axis=0)  # row by row
    cost = (1 / ratios[one] + 1 / ratios[other]) * unlike[np.ix_(here, there)]
    gains = np.round(pull[here][:, None] - pull[there][None, :] - cost, DIGITS)
    row, column = np.unravel_index(int(gains.argmax()), gains.shape)
    return float(gains[row, column]), int(here[row]), int(there[column]), one, other
