"""Bringing the class shares of the sides nearer to those of the whole, once whole units are placed.

What is left after filling and exchanging is an error on average; a promise speaks of the class that is furthest off. So a
penalty is brought down that is steep: over sides and classes the sum of (share of the side - share of the whole)^4, and
over sides of (size - its part)^4, as a share of all images. A class off by SHARE counts as much as a size off by SIZE. Of an
empty side that should have images every share is off by 1: no mixture of classes is as bad.

Only single operations, and sums of rows from the first to the last, are used: the same result on any machine. The work is
bounded by counting, not by a clock.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datatools.split.counting import ROUNDING

SHARE = 0.02  # the goal for class shares
SIZE = 0.02  # of all images
MAX_SIZE_OFF = 0.15  # of the side's part; more only where it is so from the start
MUST_HAVE = 2  # images: a side with such a part is not left empty, whatever the classes that could go there
LARGE = 2  # times the part of a side: a larger unit does not come to an empty side at any price
NEAR = 0.001  # a share this near is near enough
MAX_UNITS = 400  # half of them the largest, half the smallest
MAX_FORCED = 20  # the largest, one after the other, are put on each other side
MAX_WORK = 60_000_000  # pairs of units x columns: half a second
LEAST_GAIN = 1e-6  # of the penalty; less is rounding
EVEN = 1.0  # a penalty: no share is off by more than SHARE, no size by more than SIZE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def is_uneven(held: Floats, scales: Floats) -> bool:
    """Whether a class of a side is further off than rounding. `held` (n_sides, n_columns) is what the sides have, the last
    column their images; `scales` (n_columns,) is what makes a whole of each column in an image: 1 for labels."""
    sizes, totals = held[:, -1:], held.sum(axis=0)
    off = np.abs(held - sizes * (totals / totals[-1]))[:, :-1]
    return bool((off > np.maximum(ROUNDING, NEAR * sizes * scales[:-1])).any())


def choose_units(order: Ints) -> Ints:
    """Those of `order`, the largest first, that take part: the largest decide, with the smallest it comes out even."""
    half = MAX_UNITS // 2
    return order if len(order) <= MAX_UNITS else np.concatenate([order[:half], order[-half:]])


class Polish:
    """The units that may change places, where they are and what the sides hold.

    `counts` (n, n_columns) of the units, the largest first, the last column their images; `sides` (n,), changed in place;
    `held` (n_sides, n_columns) of these and of all others; `ratios` (n_sides,), `scales` as for `is_uneven`; `most`
    (n_sides,): no unit with more images comes to that side.
    """

    def __init__(
        self, counts: Floats, sides: NDArray[np.int8], held: Floats, ratios: Floats, scales: Floats, most: Floats
    ) -> None:
        nothing = np.zeros((1, counts.shape[1]))  # changing places with it is a move
        self.units, self.sides, self.held = np.vstack([counts, nothing]), sides, held.copy()
        totals = held.sum(axis=0)
        self.shares, self.scales = (totals / totals[-1])[:-1], scales[:-1] * SHARE
        self.parts, self.most, self.work = ratios * totals[-1], most, 0
        self.slack = max(SIZE * totals[-1], 1.0)
        self.widest = np.maximum(np.abs(held[:, -1] - self.parts), np.maximum(self.parts * MAX_SIZE_OFF, 1))
        self.widest += self._find_room()
        self.kinds = np.unique(counts, axis=0, return_inverse=True)[1].ravel()
        self.open_sides: list[int] = np.flatnonzero(ratios > 0).tolist()
        self.penalty = self.measure()

    @property
    def lacks(self) -> NDArray[np.bool_]:
        """Which sides are empty and should not be (n_sides,)."""
        return np.asarray((self.held[:, -1] == 0) & (self.parts >= MUST_HAVE))

    def _find_room(self) -> float:
        """How much further sizes may be off so that the smallest unit can come to an empty side: images."""
        smallest = float(self.units[:-1, -1].min(initial=np.inf))
        return smallest if (smallest <= LARGE * self.parts[self.lacks]).any() else 0.0

    def measure(self) -> float:
        """The penalty of the sides as they are."""
        return sum(self._penalties().values())

    def settle(self, still: int = -1) -> None:
        """Make, as long as one helps, the exchange or move that brings the penalty down most; the unit `still` stays."""
        while self.work < MAX_WORK:
            here, best = self._penalties(), _Exchange(0.0, -1, -1, -1, -1)
            for one, other in itertools.combinations(self.open_sides, 2):
                found = self._best_between(one, other, still, here[one] + here[other])
                best = found if found.change < best.change else best
            if best.change >= -LEAST_GAIN * sum(here.values()):
                break
            self._move(best.first, best.one, best.other)
            self._move(best.second, best.other, best.one)
        self.penalty = self.measure()

    def force(self) -> None:
        """Put each of the largest units on each other side, let the others settle, and keep what is better then."""
        for unit, side in itertools.product(range(min(MAX_FORCED, len(self.sides))), self.open_sides):
            if side == self.sides[unit] or self.units[unit, -1] > self.most[side] or self.work >= MAX_WORK:
                continue
            sides, held, penalty = self.sides.copy(), self.held.copy(), self.penalty
            self._move(unit, int(self.sides[unit]), side)
            self.settle(still=unit)
            if self.penalty >= penalty * (1 - LEAST_GAIN):
                self.sides[:], self.held, self.penalty = sides, held, penalty

    def _penalties(self) -> dict[int, float]:
        return {side: float(self._penalty(self.held[side], side)) for side in self.open_sides}

    def _penalty(self, held: Floats, side: int) -> Floats:
        """Of a side that would hold `held` (n_columns, ...)."""
        sizes, axes = held[-1], (-1,) + (1,) * (held.ndim - 1)
        off = held[:-1] / np.maximum(sizes, 1)
        off -= self.shares.reshape(axes)
        if self.parts[side] >= MUST_HAVE:
            off[:, sizes == 0] = 1.0
        off /= self.scales.reshape(axes)
        off *= off
        off *= off
        size_off = ((sizes - self.parts[side]) / self.slack) ** 2
        return np.asarray(off.sum(axis=0) + size_off * size_off)

    def _best_between(self, one: int, other: int, still: int, now: float) -> _Exchange:
        """The best exchange of a unit of `one` side with a unit of the `other`."""
        here, there = self._choices(one, still), self._choices(other, still)
        change = self.units[here].T[:, :, None] - self.units[there].T[:, None, :]
        self.work += change.size
        left, right = self.held[one][:, None, None] - change, self.held[other][:, None, None] + change
        penalties = self._penalty(left, one) + self._penalty(right, other) - now
        forbidden = (self.units[here, -1] > self.most[other])[:, None] | (self.units[there, -1] > self.most[one])
        for side, sizes in ((one, left[-1]), (other, right[-1])):
            forbidden |= np.abs(sizes - self.parts[side]) > self.widest[side]
        penalties[forbidden] = np.inf
        row, column = np.unravel_index(int(penalties.argmin()), penalties.shape)
        return _Exchange(float(penalties[row, column]), int(here[row]), int(there[column]), one, other)

    def _choices(self, side: int, still: int) -> Ints:
        """One unit of each kind on a side, the first, and nothing."""
        units = np.flatnonzero(self.sides == side)
        units = units[units != still]
        firsts = np.unique(self.kinds[units], return_index=True)[1]
        return np.append(units[np.sort(firsts)], len(self.sides))

    def _move(self, unit: int, start: int, end: int) -> None:
        if unit < len(self.sides):
            self.sides[unit] = end
            self.held[start] -= self.units[unit]
            self.held[end] += self.units[unit]


@dataclass(frozen=True)
class _Exchange:
    """`first` goes from `one` side to the `other`, `second` the other way; `change` of the penalty."""

    change: float
    first: int
    second: int
    one: int
    other: int
