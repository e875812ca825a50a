from __future__ import annotations

import pytest

from datatools.checks.open_polygon import CHECK, find_open_polygons
from datatools.findings import Mark, Offer
from datatools.masks import dump_mask
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, make_inputs, mask_row, masks

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
    assert finding.message == "polygon 1 is open: 0.0 px between its ends, 80.0 px drawn"


def test_the_gap_is_the_distance_of_the_ends():
    (finding,) = find_open_polygons(masks([[0, 0], [9, 0], [3, 4]]), ValidateParams(polygon_closure="explicit"))
    assert finding.message == "polygon 1 is open: 5.0 px between its ends, 16.2 px drawn"


NEARLY = [[0, 0], [20, 0], [20, 20], [0, 20], [0, 6.6]]  # 73.4 px drawn


def offers(*rings):
    rows = ANNOTATIONS.conform([{**mask_row("m", *rings), "mask": dump_mask(list(rings))}])
    return rows["mask"][0], [f.offer for f in find_open_polygons(rows, ValidateParams(polygon_closure="explicit"))]


@pytest.mark.parametrize(("y", "joined"), [(1, True), (7.27, True), (7.28, False), (20, False)])
def test_the_repair_joins_ends_at_most_a_tenth_of_the_outline_apart(y, joined):
    ring = [*NEARLY[:-1], [0, y]]
    before, (offer,) = offers(ring)
    assert offer == (Offer("edit_mask", before, dump_mask([[*ring, [0, 0]]])) if joined else None)


def test_the_repair_is_one_for_the_whole_mask():
    before, (one, other) = offers(NEARLY, CLOSED, NEARLY)
    assert one == other
    assert one == Offer("edit_mask", before, dump_mask([[*NEARLY, [0, 0]], CLOSED, [*NEARLY, [0, 0]]]))
    assert offers(NEARLY, OPEN)[1] == [None, None]


def test_the_gap_is_drawn():
    (finding,) = find_open_polygons(masks(CLOSED, CLOSED, NEARLY), ValidateParams())
    assert finding.marks == (Mark("line", (0.0, 6.6, 0.0, 0.0)),)


def test_off_where_the_format_closes_polygons():
    assert CHECK.off(make_inputs()) == ""
    assert CHECK.off({"params": ValidateParams(polygon_closure="implicit")}) == "validate.polygon_closure is implicit"
