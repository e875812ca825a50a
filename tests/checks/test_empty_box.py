from __future__ import annotations

import pytest

from datatools.checks.empty_box import find_empty_boxes
from datatools.findings import Mark
from tests.small_data import boxes


@pytest.mark.parametrize(
    ("xyxy", "size"),
    [
        ((3, 1, 3, 5), "0 x 4"),
        ((1, 3, 5, 3), "4 x 0"),
        ((2, 2, 2, 2), "0 x 0"),
        ((9, 3, 2, 3), "7 x 0"),  # corners out of order as well
        ((1, 1, 1.01, 5), None),
        ((5, 5, 1, 1), None),
    ],
)
def test_no_width_or_no_height(xyxy, size):
    messages = [finding.message for finding in find_empty_boxes(boxes(xyxy))]
    assert messages == ([f"has no area: {size} px"] if size else [])


def test_rows_without_a_box_are_passed_over():
    rows = boxes((3, 3, 3, 3))
    rows.loc[0, "y1_px"] = None
    assert list(find_empty_boxes(rows)) == []


def test_what_is_left_is_drawn():
    line, point = find_empty_boxes(boxes((9, 3, 2, 3), (2, 2, 2, 2)))
    assert line.marks == (Mark("line", (2.0, 3.0, 9.0, 3.0)),)
    assert point.marks == (Mark("point", (2.0, 2.0)),)
