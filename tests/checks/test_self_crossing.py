from __future__ import annotations

import pytest

from datatools.checks.self_crossing import find_self_crossings
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
    "a spike out and back": ([[0, 0], [9, 0], [9, 9], [9, 20], [9, 9], [0, 9]], "(9.0, 20.0)"),
    "all on one line": ([[0, 0], [5, 0], [9, 0]], "(5.0, 0.0)"),
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
