"""What checks of boxes and masks share: pairs that lie near each other, and what is odd in a class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Index = int | np.integer[Any]  # a position in the table, or the number of a ring
ENOUGH = 20  # fewer of a class show no habit
RARELY = 0.02  # share of a class: it hardly ever happens


def iter_near(group: Ints, start: Floats, reach: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Yield all pairs of one group of which the second starts after the first and not beyond its reach, in arrays."""
    keys = np.empty(len(group), np.complex128)  # ordered by group, then start, several times faster than by lexsort
    keys.real, keys.imag = group, start
    order = np.argsort(keys, kind="stable")
    group, start, reach = group[order], start[order], reach[order]
    alive, step = np.flatnonzero((group[:-1] == group[1:]) & (start[1:] <= reach[:-1])), 1
    while len(alive):
        yield order[alive], order[alive + step]
        step += 1
        alive = alive[: np.searchsorted(alive, len(order) - step)]
        later = alive + step
        alive = alive[(group[alive] == group[later]) & (start[later] <= reach[alive])]


def find_crossing_boxes(group: Ints, boxes: Floats, share: float = 0.0) -> tuple[Ints, Ints]:
    """Pairs of one group whose boxes have in common at least `share` of the smaller one, or touch if that is 0."""
    ones, others = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    areas = area_of(boxes)
    for one, other in iter_near(group, boxes[:, 0], boxes[:, 2]):
        low, high = np.maximum(boxes[one, :2], boxes[other, :2]), np.minimum(boxes[one, 2:], boxes[other, 2:])
        common = np.clip(high - low, 0, None).prod(axis=1)
        keep = (low <= high).all(axis=1) & (common >= share * np.minimum(areas[one], areas[other]))
        ones.append(one[keep])
        others.append(other[keep])
    return np.concatenate(ones), np.concatenate(others)


def area_of(boxes: Floats) -> Floats:
    """The area of each box in square pixels."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def shares(has_it: Bools, groups: Ints) -> tuple[Ints, Floats]:
    """For each member, how many its group has, and the share of them that has it; groups are numbered from -1."""
    n = np.bincount(groups + 1)
    return n[groups + 1], (np.bincount(groups + 1, has_it) / np.maximum(n, 1))[groups + 1]


def find_odd(has_it: Bools, groups: Ints, rule: str) -> Ints:
    """Members that have what is `odd`, `allowed`, or (`auto`) odd in a group that is large and hardly ever has it."""
    if rule == "auto" and has_it.any():
        n, share = shares(has_it, groups)
        has_it = has_it & (n >= ENOUGH) & (share <= RARELY)
    return np.flatnonzero(has_it) if rule != "allowed" else np.empty(0, np.int64)
