from __future__ import annotations

import numpy as np
import pytest
import shapely

from datatools.checks.self_crossing import find_self_crossings
from datatools.findings import Mark
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, mask_row, masks

# ring -> where it crosses itself, or None
RINGS = {
    "square": ([[0, 0], [9, 0], [9, 9], [0, 9]], None),
    "concave": ([[0, 0], [10, 0], [10, 10], [5, 1], [0, 10]], None),
    "clockwise": ([[0, 9], [9, 9], [9, 0], [0, 0]], None),
    "point given twice in a row": ([[0, 0], [0, 0], [9, 0], [9, 9]], None),
    "figure eight": ([[1, 1], [9, 9], [9, 1], [1, 9]], "(5.0, 5.0)"),
    "crosses in a corner": ([[0, 0], [5, 5], [10, 10], [10, 0], [5, 5], [0, 10]], "(5.0, 5.0)"),
    "two lobes touch in a point": ([[0, 0], [5, 5], [10, 0], [10, 10], [5, 5], [0, 10]], None),
    "a corner touches an edge": ([[0, 0], [10, 0], [10, 10], [5, 0], [0, 10]], None),
    "winds around twice": ([[0, 0], [10, 0], [10, 10], [0, 10], [0, 0], [8, 2], [8, 8], [2, 8]], "(0.0, 0.0)"),
    "a spike out and back": ([[0, 0], [9, 0], [9, 9], [9, 20], [9, 9], [0, 9]], None),
    "a spike out and back inside": ([[0, 0], [9, 0], [9, 9], [4, 4], [9, 9], [0, 9]], None),
    "a spike over the other side": ([[3, 4], [0, 0], [1, 3], [1, 2], [0, 1]], "(1.0, 2.0)"),
    "all on one line": ([[0, 0], [5, 0], [9, 0]], None),  # MSK007
    "two points": ([[0, 0], [9, 9]], None),
    "one point three times": ([[1, 1], [1, 1], [1, 1]], None),  # MSK004
    "nothing": ([], None),
}


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("name", RINGS)
def test_rings(name, closed):
    ring, place = RINGS[name]
    found = [finding.message for finding in find_self_crossings(masks(ring + ring[:1] * closed))]
    assert found == ([f"polygon 1 crosses itself at {place}"] if place else [])


def test_the_start_of_the_ring_does_not_matter():
    for ring, place in RINGS.values():
        for turn in range(len(ring)):
            assert bool(list(find_self_crossings(masks(ring[turn:] + ring[:turn])))) == bool(place)


def test_each_part_is_judged_by_itself():
    rows = ANNOTATIONS.conform([mask_row("mask/0", SQUARE, RINGS["figure eight"][0], SQUARE)])
    (finding,) = find_self_crossings(rows)
    assert finding.message.startswith("polygon 2 ")
    assert (finding.path, finding.annotation_id) == ("a.png", "mask/0")


def test_the_crossing_edges_and_the_crossing_are_drawn():
    (finding,) = find_self_crossings(masks([*RINGS["figure eight"][0], [0, 5]]))
    assert finding.marks == (
        Mark("line", (1.0, 1.0, 9.0, 9.0)),
        Mark("line", (9.0, 1.0, 1.0, 9.0)),
        Mark("point", (5.0, 5.0)),
    )


def windings(ring: list[list[int]]) -> set[int]:
    """How often the ring goes around the points of a fine grid, those outside left out: a reference of its own."""
    x, y = (axis.ravel() + 0.0371 for axis in np.meshgrid(np.arange(0, 9, 0.125), np.arange(0, 9, 0.125)))
    number = np.zeros(len(x), int)
    for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
        side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
        number += ((y0 <= y) & (y1 > y) & (side > 0)).astype(int) - ((y0 > y) & (y1 <= y) & (side < 0)).astype(int)
    return set(number.tolist()) - {0}


def test_a_ring_crosses_itself_if_it_goes_around_a_place_twice_or_both_ways():
    random = np.random.default_rng(0)
    rings = [random.integers(0, 9, (random.integers(3, 8), 2)).tolist() for _ in range(300)]
    found = {finding.annotation_id for finding in find_self_crossings(masks(*rings))}
    n_crossing = 0
    for number, ring in enumerate(rings):
        around = windings(ring)
        if len(around) > 1 or around - {1, -1}:
            assert f"mask/{number}" in found
            n_crossing += 1
        elif shapely.is_valid(shapely.Polygon(ring)):
            assert f"mask/{number}" not in found
    assert n_crossing > 100
