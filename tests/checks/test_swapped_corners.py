from __future__ import annotations

import pytest

from datatools.checks.swapped_corners import find_swapped_corners
from datatools.findings import Mark, Offer
from tests.small_data import boxes, masks


@pytest.mark.parametrize(
    ("xyxy", "swapped"),
    [
        ((1, 1, 5, 5), False),
        ((5, 1, 1, 5), True),
        ((1, 5, 5, 1), True),
        ((5, 5, 1, 1), True),
        ((3, 1, 3, 5), False),  # no area, but in order: BOX003
        ((-9, -9, -1, -1), False),
    ],
)
def test_second_corner_left_of_or_above_the_first(xyxy, swapped):
    assert len(list(find_swapped_corners(boxes(xyxy)))) == swapped


def test_the_message_shows_the_corners():
    (finding,) = find_swapped_corners(boxes((1, 1, 5, 5), (30.5, 2, 10, 22)))
    assert finding.message == "corners are out of order: (30.5, 2) to (10, 22)"
    assert (finding.path, finding.annotation_id, finding.score) == ("a.png", "box/1", 0.0)


def test_rows_without_a_box_are_passed_over():
    rows = masks([[1, 1], [5, 1], [5, 5], [1, 1]])
    rows.loc[0, ["x0_px", "y0_px"]] = None
    rows.loc[0, "x1_px"] = -5
    assert list(find_swapped_corners(rows)) == []


def test_the_repair_puts_the_corners_in_order():
    (finding,) = find_swapped_corners(boxes((30.5, 2, 10, 22)))
    assert finding.offer == Offer("move_box", "[30.5, 2.0, 10.0, 22.0]", "[10.0, 2.0, 30.5, 22.0]")
    assert finding.marks == (Mark("box", (10.0, 2.0, 30.5, 22.0)),)


def test_no_repair_where_no_area_is_left():
    (finding,) = find_swapped_corners(boxes((30, 2, 10, 2)))
    assert finding.offer is None
