"""Placing whole units on sides so that sizes and class counts come as close to the ratios as the units allow."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from datatools.split.exchanging import MAX_UNITS, exchange
from datatools.split.polishing import EVEN, Polish, choose_units, is_uneven

DIGITS = 9  # of a score; what differs only by rounding of floats is a tie, and the first side takes it
BLOCK = 1000  # units looked at together
DOUBT = 1e-6  # of a gain: more than floats differ by the order of sums
MAX_ROUNDS = 4  # of improvement; cifar10n and clothing need two
# A unit of several images starts where it is at most this part of the side; the last start counts whose penalty is even or
# at most SLACK times the least. Large groups go on growing, and the classes of a small side would then be theirs: over 40
# orders of arrival clothing's class shares are off by up to 4.9 points with the first alone, 3.5 with both (mean of the worst).
LIMITS = (math.inf, 0.1)
SLACK = 2.0
Floats = NDArray[np.float64]
Row = tuple[list[tuple[int, float, float]], float]  # (column, n, slope of the error there), and what is always lost


def fill_sides(
    counts: csr_matrix, names: Sequence[str], ratios: Floats, placed: Floats, seed: int, scales: Floats | None = None
) -> NDArray[np.int8]:
    """The side of each unit.

    `counts` (n_units, n_columns): what each unit brings of every class, the last column its images. `names` break ties
    of size, by their hash with the seed. `ratios` (n_sides,) add up to 1; a side of ratio 0 takes none. `placed`
    (n_sides, n_columns) is there already; `scales` (n_columns,) are those of `Polish`, else 1. Units go, the largest first,
    where the error (`_Aim`) falls most. Then units change places, and single ones move, as long as that brings the error
    down. Where a class is further off than rounding, a last search looks at what is off most (`Polish`). A large group is
    best kept out of a small side: LIMITS. Side 0 (train) is never left empty while it may have a unit.

    Single images of one class each end within 1.5 of the exact part of every class and of its size (200 random sets: 1.0, 1.4);
    letting them change places brought nothing more, so only units of several images do.
    """
    n_units, n_columns = counts.shape
    if not n_units:
        return np.zeros(0, dtype=np.int8)
    totals = placed.sum(axis=0) + np.asarray(counts.sum(axis=0)).ravel()
    squares = placed.sum(axis=0) + np.asarray(counts.multiply(counts).sum(axis=0)).ravel()
    sizes = counts[:, [n_columns - 1]].toarray().ravel()
    order = sorted(range(n_units), key=lambda number: (-sizes[number], _hash(seed, names[number])))
    aim = _Aim.of(totals, squares, ratios)
    rows, limits = aim.to_rows(counts), [_limit_sizes(limit, ratios, totals[-1]) for limit in LIMITS]
    limits = [most for most in limits if most.min() == math.inf or sizes.max() > most.min()]
    found = [_place(counts, rows, order, placed, aim, most) for most in limits]
    scales = np.ones(n_columns) if scales is None else scales
    sides = _polish(counts, found, np.array(order), placed, ratios, scales, limits)
    if ratios[0] and not placed[0, -1] and 0 not in sides:
        sides[order[-1]] = 0
    return sides


def _limit_sizes(limit: float, ratios: Floats, n_images: float) -> Floats:
    """How many images a unit may have that comes to each side: any to the largest side, one to every side."""
    most = np.full(len(ratios), math.inf)
    small = (np.arange(len(ratios)) != ratios.argmax()) & (ratios > 0)
    most[small] = np.maximum(limit * ratios[small] * n_images, 1)
    return most


def _polish(
    counts: csr_matrix,
    starts: Sequence[NDArray[np.int8]],
    order: NDArray[np.int64],
    placed: Floats,
    ratios: Floats,
    scales: Floats,
    limits: Sequence[Floats],
) -> NDArray[np.int8]:
    """The sides of the start that is best after a `Polish`; `limits` are those of each start."""
    chosen = choose_units(order)
    searches = []
    for sides, most in zip(starts, limits, strict=True):
        held = placed + np.stack([counts[np.flatnonzero(sides == side)].sum(axis=0).A1 for side in range(len(ratios))])
        search = Polish(counts[chosen].toarray(), sides[chosen], held, ratios, scales, most)
        if is_uneven(held, scales) or search.lacks.any():
            search.settle()
        searches.append(search)
    enough = max(EVEN, SLACK * min(search.penalty for search in searches))
    number = max(number for number, search in enumerate(searches) if search.penalty <= enough)
    if is_uneven(searches[number].held, scales):
        searches[number].force()
    sides = starts[number].copy()
    sides[chosen] = searches[number].sides
    return sides


@dataclass(frozen=True)
class _Aim:
    """What is brought down: over sides and columns, the sum of weight * (count - share * size)^2 / ratio.

    `size` are the images on the side, `shares` (n_columns,) how many of a column an image brings on average, and for the
    last column, the images, (size - ratio * total)^2 counts: the classes of a side are measured against its own size, so
    that a side that cannot have its size still gets its part of each class. Divided by the ratio, as in Pearson's
    chi-squared, sides that are short share what is new in proportion to their ratios. `weights` of the columns are
    between those that make an image count alike and those that make rare and frequent classes, labels and objects do.
    """

    totals: Floats
    shares: Floats
    weights: Floats
    ratios: Floats

    @classmethod
    def of(cls, totals: Floats, squares: Floats, ratios: Floats) -> _Aim:
        """`squares` are the sums of the squared counts of the units."""
        n = totals[-1]
        shares, weights = totals / n, 1.0 / np.sqrt(np.maximum(squares, 1.0) * n)
        shares[-1] = 0.0
        return cls(totals, shares, weights, ratios)

    def find_gaps(self, placed: Floats) -> Floats:
        """What each side lacks of each column (less than 0: has too much), (n_sides, n_columns)."""
        return np.asarray(self.ratios[:, None] * self.totals - placed)

    def against_size(self, counts: Floats) -> Floats:
        """Counts, or gaps, as the error takes them: without what the images in them bring on average."""
        return np.asarray(counts - counts[:, -1:] * self.shares)

    def to_rows(self, counts: csr_matrix) -> list[Row]:
        """The units as _Room takes them. Written out, the error of a side, with a its gaps and b that of the images, is

        the sum of weight * a^2, - 2 b * pull, + b^2 * stiffness, where `pull`, the sum of weight * share * a, is kept as
        one more column: so a unit's gain needs the columns that it has only.
        """
        counts.sort_indices()
        columns, values, ends = counts.indices.tolist(), counts.data.tolist(), counts.indptr.tolist()
        weights, pulls, stiffness = self.weights.tolist(), (self.weights * self.shares).tolist(), self.stiffness
        last = len(weights) - 1
        rows = []
        for start, end in itertools.pairwise(ends):
            *own, (_, size) = zip(columns[start:end], values[start:end])
            pull = sum([pulls[column] * n for column, n in own])
            items = [(column, n, 2 * weights[column] * n) for column, n in own]
            items += [(last, size, 2 * (stiffness * size - pull)), (last + 1, pull, -2 * size)]
            rows.append((items, sum([n * slope for _, n, slope in items]) / 2))
        return rows

    @property
    def stiffness(self) -> float:
        """How fast the error grows with the size of a side."""
        return sum((self.weights * self.shares * self.shares).tolist(), float(self.weights[-1]))


def _place(
    counts: csr_matrix, rows: list[Row], order: list[int], placed: Floats, aim: _Aim, most: Floats
) -> NDArray[np.int8]:
    """The side of each unit, when none of more than `most` images starts on a side."""
    room = _Room(aim, placed)
    sides = _fill(rows, order, room, most.tolist())
    _exchange_groups(counts, rows, order, aim, room, sides)
    _improve(counts, rows, order, room, sides)
    return np.array(sides, dtype=np.int8)


class _Room:
    """What each side lacks of each column, and how much a unit there would help.

    The error falls by the sum over a unit's items of slope * gap, less what is always lost (`Row`), over the ratio.
    """

    def __init__(self, aim: _Aim, placed: Floats) -> None:
        self.aim, self.ratios = aim, aim.ratios.tolist()
        pulls = (aim.weights * aim.shares).tolist()
        self.gaps: list[list[float]] = [
            [*gap, sum([pull * n for pull, n in zip(pulls, gap)])] for gap in aim.find_gaps(placed).tolist()
        ]
        self.sides = [side for side, ratio in enumerate(self.ratios) if ratio > 0]

    def gain(self, row: Row, side: int, sign: int = 1) -> float:
        """How far the error falls when a unit comes to `side`; with sign -1, how far it rises when it leaves."""
        gap = self.gaps[side]
        return (sum([slope * gap[column] for column, _, slope in row[0]]) - sign * row[1]) / self.ratios[side]

    def move(self, row: Row, side: int, sign: int) -> None:
        """Bring a unit to `side` (1) or take it away (-1)."""
        gap = self.gaps[side]
        for column, n, _ in row[0]:
            gap[column] -= sign * n

    def find_hopeful(self, counts: csr_matrix, lost: Floats, sides: list[int]) -> list[int]:
        """Which of some units, by number, may gain by a move; `lost` is what each always loses."""
        aim, gaps, ratios = self.aim, np.array(self.gaps)[self.sides], np.array(self.ratios)[self.sides]
        slopes = 2 * aim.weights * (gaps[:, :-1] - aim.shares * gaps[:, -2:-1])
        slopes[:, -1] = 2 * (aim.stiffness * gaps[:, -2] - gaps[:, -1])
        gains = np.asarray(counts @ slopes.T)
        at = (np.arange(len(sides)), np.searchsorted(self.sides, sides))
        stays = (gains[at] + lost) / ratios[at[1]]
        comes = (gains - lost[:, None]) / ratios
        comes[at] = -math.inf
        return [int(place) for place in np.flatnonzero(comes.max(axis=1) > stays - DOUBT)]


def _fill(rows: list[Row], order: list[int], room: _Room, most: list[float]) -> list[int]:
    """Place the units one by one; those of more than `most` images elsewhere, on the largest side at last."""
    sides = [0] * len(rows)
    for number in order:
        n_images = rows[number][0][-2][1]
        allowed = [side for side in room.sides if n_images <= most[side]]
        gains = [round(room.gain(rows[number], side), DIGITS) for side in allowed]
        sides[number] = allowed[gains.index(max(gains))]
        room.move(rows[number], sides[number], 1)
    return sides


def _exchange_groups(
    counts: csr_matrix, rows: list[Row], order: list[int], aim: _Aim, room: _Room, sides: list[int]
) -> None:
    """Let units of several images change places; changes `sides` and `room`."""
    large = counts[order[:MAX_UNITS]].toarray()
    large = large[large[:, -1] > 1]
    chosen = np.array([sides[number] for number in order[: len(large)]], dtype=np.int8)
    gaps = aim.against_size(np.array(room.gaps)[:, :-1])
    exchange(aim.against_size(large), chosen, gaps, aim.weights, aim.ratios)
    for number, side in zip(order, chosen.tolist()):
        if side != sides[number]:
            room.move(rows[number], sides[number], -1)
            room.move(rows[number], side, 1)
            sides[number] = side


def _improve(counts: csr_matrix, rows: list[Row], order: list[int], room: _Room, sides: list[int]) -> None:
    """Move single units, the smallest first, while that brings the error down; changes `sides` and `room`.

    Few move, so those that may are found for many units at once, and only these are looked at one by one.
    """
    backwards = order[::-1]
    arranged, lost = counts[backwards], np.array([rows[number][1] for number in backwards])
    for _ in range(MAX_ROUNDS):
        moved, start = False, 0
        while start < len(backwards):
            part = slice(start, start + BLOCK)
            hopeful = room.find_hopeful(arranged[part], lost[part], [sides[number] for number in backwards[part]])
            better = (place for place in hopeful if _move(rows, backwards[start + place], room, sides))
            place = next(better, None)  # what the others would gain has changed then
            moved, start = moved or place is not None, start + (BLOCK if place is None else place + 1)
        if not moved:
            return


def _move(rows: list[Row], number: int, room: _Room, sides: list[int]) -> bool:
    """Move a unit to the side where it helps most, if anywhere; whether it moved."""
    row, here = rows[number], sides[number]
    own = room.gain(row, here, -1)
    gains = [0.0 if side == here else round(room.gain(row, side) - own, DIGITS) for side in room.sides]
    if max(gains) <= 0:
        return False
    sides[number] = room.sides[gains.index(max(gains))]
    room.move(row, here, -1)
    room.move(row, sides[number], 1)
    return True


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
