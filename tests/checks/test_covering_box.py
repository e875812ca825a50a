from __future__ import annotations

import pytest

from datatools.checks.covering_box import find_covering_boxes
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, boxes, make_images

IMAGES = make_images(["a.png"])  # 64 x 48 px
WHOLE, PART = (0, 0, 64, 48), (4, 4, 30, 30)


def found(rows, bar=0.98):
    return list(find_covering_boxes(rows, IMAGES, ValidateParams(box_cover_max=bar)))


@pytest.mark.parametrize(
    ("xyxy", "bar", "covers"),
    [
        (WHOLE, 0.98, True),
        ((64, 48, 0, 0), 0.98, True),
        ((-9, -9, 99, 99), 0.98, True),  # only what lies inside counts
        ((0, 0, 64, 24), 0.5, False),  # exactly at the bar
        ((0, 0, 64, 25), 0.5, True),
        ((1, 1, 63, 47), 0.98, False),
        ((1, 1, 63, 47), 0.9, True),
        (WHOLE, 1.0, False),
    ],
)
def test_the_bar_is_a_share_of_the_image(xyxy, bar, covers):
    assert len(found(boxes(xyxy, *[PART] * 30), bar)) == covers


@pytest.mark.parametrize(("n", "n_whole", "n_found"), [(20, 1, 1), (19, 1, 0), (40, 2, 2), (40, 3, 0), (30, 30, 0)])
def test_silent_where_it_is_no_exception(n, n_whole, n_found):
    assert len(found(boxes(*[WHOLE] * n_whole, *[PART] * (n - n_whole)))) == n_found


@pytest.mark.parametrize(("n_whole", "n_found"), [(4, 4), (5, 0)])
def test_silent_for_a_class_that_does_it_often(n_whole, n_found):
    rooms = [box_row(f"room/{number}", WHOLE, label="room") for number in range(n_whole)]
    rest = [box_row(f"box/{number}", PART) for number in range(200)]
    assert len(found(ANNOTATIONS.conform([*rooms, *rest]))) == n_found


def test_the_message_names_the_habit():
    (finding,) = found(boxes(WHOLE, *[PART] * 29))
    assert finding.message == "covers 100.0% of its image, as 1 of 30 boxes do"
    assert finding.marks[0].xy == (0.0, 0.0, 64.0, 48.0)


def test_a_box_of_an_image_that_is_not_there_is_not_judged():
    rows = [box_row("x", (0, 0, 900, 900), path="b.png"), *(box_row(f"b/{n}", PART) for n in range(30))]
    assert found(ANNOTATIONS.conform(rows)) == []
