from __future__ import annotations

import pytest

from datatools.checks.open_polygon import find_open_polygons
from datatools.params import ValidateParams
from tests.small_data import SQUARE, masks

CLOSED, OPEN = SQUARE, SQUARE[:-1]


def open_ids(rings, closure="auto"):
    params = ValidateParams(polygon_closure=closure)
    return [finding.annotation_id for finding in find_open_polygons(masks(*rings), params)]


@pytest.mark.parametrize(
    ("rings", "closure", "expected"),
    [
        ([CLOSED, CLOSED, OPEN], "auto", ["mask/2"]),
        ([CLOSED, OPEN], "auto", []),  # half is not more than half
        ([OPEN, OPEN, CLOSED], "auto", []),
        ([OPEN, OPEN], "auto", []),
        ([CLOSED, OPEN, OPEN], "explicit", ["mask/1", "mask/2"]),
        ([OPEN], "explicit", ["mask/0"]),
        ([CLOSED, CLOSED, OPEN], "implicit", []),
        ([], "auto", []),
        ([], "explicit", []),
    ],
)
def test_closure(rings, closure, expected):
    assert open_ids(rings, closure) == expected


def test_polygons_too_short_to_judge_have_no_vote():
    short = [[1, 1], [9, 1]]  # MSK004
    assert open_ids([CLOSED, CLOSED, OPEN, short, short, short]) == ["mask/2"]
    assert open_ids([short], "explicit") == []


def test_ends_that_nearly_meet_are_open():
    (finding,) = find_open_polygons(masks(CLOSED, [*OPEN, [10, 10.04]], CLOSED), ValidateParams())
    assert finding.message == "polygon 1 is open: 0.0 px between its ends"


def test_the_gap_is_the_distance_of_the_ends():
    (finding,) = find_open_polygons(masks([[0, 0], [9, 0], [3, 4]]), ValidateParams(polygon_closure="explicit"))
    assert finding.message == "polygon 1 is open: 5.0 px between its ends"
