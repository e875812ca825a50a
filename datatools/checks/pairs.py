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
PIXELS = 1 << 20  # wider than any image; boxes beyond start there


def iter_near(group: Ints, start: Floats, reach: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Yield, in arrays, all pairs of one group of which one starts after the other and not beyond its reach.

    Starts count in whole pixels, so some more pairs come, and groups are numbered from 0.
    """
    if group.max(initial=0) >= np.iinfo(np.int64).max // PIXELS:
        group = np.unique(group, return_inverse=True)[1]
    keys = _whole(start)
    keys += group * PIXELS
    keys, order = _sort(keys)
    widest = np.fmax.reduce(reach - start, initial=0) + 2  # no one's room is more, in whole pixels
    alive, step = np.flatnonzero(keys[1:] - keys[:-1] <= int(min(widest, PIXELS))), 1
    of_alive = order[alive]
    room = _whole(reach[of_alive]) - _whole(start[of_alive])
    while True:
        near = keys[alive + step] - keys[alive] <= room
        alive, room = alive[near], room[near]
        if not len(alive):
            return
        one, other = order[alive], order[alive + step]
        yield np.minimum(one, other), np.maximum(one, other)  # what sorts as equal has no order
        step += 1
        n_left = np.searchsorted(alive, len(order) - step)
        alive, room = alive[:n_left], room[:n_left]


def _whole(values: Floats) -> Ints:
    """The pixels that these lie in."""
    pixels = np.empty(len(values), np.int64)
    return np.clip(values, 0, PIXELS - 1, out=pixels, casting="unsafe")


def _sort(keys: Ints) -> tuple[Ints, Ints]:
    """Keys from 0 in order, in their place, and where each was. Numbers that hold both are sorted in half the time of `argsort`."""
    n_bits = len(keys).bit_length()
    if keys.max(initial=0) >> (63 - n_bits):
        order = np.argsort(keys)
        return keys[order], order
    keys <<= n_bits
    keys |= np.arange(len(keys))
    keys.sort()
    order = keys & ((1 << n_bits) - 1)
    keys >>= n_bits
    return keys, order


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


def where(mask: Bools) -> slice | Ints:
    """The positions that have it, to index with; all of them need no copy."""
    return slice(None) if mask.all() else np.flatnonzero(mask)


def area_of(boxes: Floats) -> Floats:
    """The area of each box in square pixels."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def shares(having: Ints, groups: Ints) -> tuple[Ints, Floats]:
    """For the members `having` it, by position, how many their group has, and the share of them; groups count from -1."""
    n, of_these = np.bincount(groups + 1), groups[having] + 1
    return n[of_these], (np.bincount(of_these, minlength=len(n)) / np.maximum(n, 1))[of_these]


def find_odd(has_it: Bools, groups: Ints, rule: str) -> Ints:
    """Members that have what is `odd`, `allowed`, or (`auto`) odd in a group that is large and hardly ever has it."""
    having = np.flatnonzero(has_it) if rule != "allowed" else np.empty(0, np.int64)
    if rule == "auto" and len(having):
        n, share = shares(having, groups)
        having = having[(n >= ENOUGH) & (share <= RARELY)]
    return having
