"""Placing whole units on sides so that sizes and class counts come as close to the ratios as the units allow."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from datatools.split.exchanging import MAX_UNITS, exchange

DIGITS = 9  # of a score; what differs only by rounding of floats is a tie, and the first side takes it
MAX_ROUNDS = 4  # of improvement; cifar10n and clothing need two
# A unit of several images starts where it is at most this part of the side; the start with the least error is taken.
LIMITS = (math.inf, 0.25, 0.1)  # clothing at ten sizes: class shares off by up to 8.9 points with the first, 1 with all
Floats = NDArray[np.float64]
Row = tuple[list[tuple[int, float, float]], float]  # (column, n, 2 * weight * n), and the sum of weight * n^2


def fill_sides(
    counts: csr_matrix, names: Sequence[str], ratios: NDArray[np.float64], placed: NDArray[np.float64], seed: int
) -> NDArray[np.int8]:
    """The side of each unit.

    `counts` (n_units, n_columns): what each unit brings of every class, the last column its images. `names` break ties
    of size, by their hash with the seed. `ratios` (n_sides,) add up to 1; a side of ratio 0 takes none. `placed`
    (n_sides, n_columns) is there already. Units go, the largest first, where the error falls most: the sum of
    (count - ratio * total)^2 / ratio over sides and columns, as in Pearson's chi-squared, so that sides that are short
    share what is new in proportion to their ratios. Each column is weighted so that rare and frequent classes, labels
    and objects count alike. Then units change places, and single ones move, as long as that brings the error down. A large
    group is best kept out of a small side, whose classes would be its: LIMITS. Side 0 (train) is never left empty while
    it may have a unit.

    Single images of one class each end within 1.5 of the exact part of every class on every side (400 random sets: 1.2);
    letting them change places brought nothing more, so only units of several images do.
    """
    n_units, n_columns = counts.shape
    if not n_units:
        return np.zeros(0, dtype=np.int8)
    totals = placed.sum(axis=0) + np.asarray(counts.sum(axis=0)).ravel()
    squares = placed.sum(axis=0) + np.asarray(counts.multiply(counts).sum(axis=0)).ravel()
    weights = 1.0 / np.maximum(squares, 1.0)
    weights[-1] = 1.0 / totals[-1]
    sizes = counts[:, [n_columns - 1]].toarray().ravel()
    order = sorted(range(n_units), key=lambda number: (-sizes[number], _hash(seed, names[number])))
    wanted = ratios[:, None] * totals
    rows, least = _to_rows(counts, weights.tolist()), wanted[ratios > 0, -1].min()
    starts = [limit for limit in LIMITS if limit == math.inf or sizes.max() > max(limit * least, 1)]
    found = [_place(counts, rows, order, wanted, placed, weights, ratios, limit) for limit in starts]
    sides = min(found, key=lambda one: one[0])[1]  # the first of equals
    if ratios[0] and not placed[0, -1] and 0 not in sides:
        sides[order[-1]] = 0
    return np.array(sides, dtype=np.int8)


def _place(
    counts: csr_matrix,
    rows: list[Row],
    order: list[int],
    wanted: Floats,
    placed: Floats,
    weights: Floats,
    ratios: Floats,
    limit: float,
) -> tuple[float, list[int]]:
    """The error and the side of each unit, when no unit of several images starts on a side of which it is more than `limit`."""
    room = _Room((wanted - placed).tolist(), ratios.tolist())
    sides = _fill(rows, order, room, [limit * n if n else 0.0 for n in wanted[:, -1].tolist()])
    _exchange_groups(counts, order, weights, ratios, room, sides)
    _improve(rows, order, room, sides)
    return round(room.error(weights.tolist()), DIGITS), sides


class _Room:
    """What each side lacks of each column (less than 0: has too much), and how much a unit there would help.

    The error falls by weight * (2 * gap - n) * n / ratio for each count n of a unit. Of that, 2 * weight * n and the sum
    of weight * n^2 are the same for every side and are worked out once a unit (`Row`).
    """

    def __init__(self, gaps: list[list[float]], ratios: list[float]) -> None:
        self.gaps, self.ratios = gaps, ratios
        self.sides = [side for side, ratio in enumerate(ratios) if ratio > 0]

    def gain(self, row: Row, side: int, sign: int = 1) -> float:
        """How far the error falls when a unit comes to `side`; with sign -1, how far it rises when it leaves."""
        gap = self.gaps[side]
        return (sum([slope * gap[column] for column, _, slope in row[0]]) - sign * row[1]) / self.ratios[side]

    def error(self, weights: list[float]) -> float:
        """What is brought down."""
        return sum(
            sum([weight * gap * gap for weight, gap in zip(weights, self.gaps[side], strict=True)]) / self.ratios[side]
            for side in self.sides
        )

    def move(self, row: Row, side: int, sign: int) -> None:
        """Bring a unit to `side` (1) or take it away (-1)."""
        gap = self.gaps[side]
        for column, n, _ in row[0]:
            gap[column] -= sign * n


def _fill(rows: list[Row], order: list[int], room: _Room, most: list[float]) -> list[int]:
    """Place the units one by one; those of more than `most` images of a side elsewhere, on the largest side at last."""
    sides = [0] * len(rows)
    largest = max(room.sides, key=lambda side: room.ratios[side])
    for number in order:
        n_images = rows[number][0][-1][1]
        allowed = [side for side in room.sides if n_images <= max(most[side], 1) or side == largest]
        gains = [round(room.gain(rows[number], side), DIGITS) for side in allowed]
        sides[number] = allowed[gains.index(max(gains))]
        room.move(rows[number], sides[number], 1)
    return sides


def _exchange_groups(
    counts: csr_matrix, order: list[int], weights: Floats, ratios: Floats, room: _Room, sides: list[int]
) -> None:
    """Let units of several images change places; changes `sides` and `room`."""
    large = counts[order[:MAX_UNITS]].toarray()
    large = large[large[:, -1] > 1]
    chosen, gaps = np.array([sides[number] for number in order[: len(large)]], dtype=np.int8), np.array(room.gaps)
    exchange(large, chosen, gaps, weights, ratios)
    room.gaps = gaps.tolist()
    for number, side in zip(order, chosen.tolist()):
        sides[number] = side


def _improve(rows: list[Row], order: list[int], room: _Room, sides: list[int]) -> None:
    """Move single units, the smallest first, while that brings the error down; changes `sides` and `room`."""
    for _ in range(MAX_ROUNDS):
        moved = False
        for number in reversed(order):
            row, here = rows[number], sides[number]
            own = room.gain(row, here, -1)
            gains = [0.0 if side == here else round(room.gain(row, side) - own, DIGITS) for side in room.sides]
            if max(gains) > 0:
                moved, sides[number] = True, room.sides[gains.index(max(gains))]
                room.move(row, here, -1)
                room.move(row, sides[number], 1)
        if not moved:
            return


def _to_rows(counts: csr_matrix, weights: list[float]) -> list[Row]:
    counts.sort_indices()
    columns, values, ends = counts.indices.tolist(), counts.data.tolist(), counts.indptr.tolist()
    rows = []
    for start, end in itertools.pairwise(ends):
        items = [(column, n, 2 * weights[column] * n) for column, n in zip(columns[start:end], values[start:end])]
        rows.append((items, sum([n * slope for _, n, slope in items]) / 2))
    return rows


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
