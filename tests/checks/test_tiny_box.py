from __future__ import annotations

import pytest

from datatools.checks.tiny_box import find_tiny_boxes
from datatools.findings import Mark
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, boxes, image_row, make_images, mask_row

IMAGES = make_images(["a.png"])  # 64 x 48 px


def found(rows, bar=2.0, images=IMAGES):
    return list(find_tiny_boxes(rows, images, ValidateParams(box_min_px=bar)))


@pytest.mark.parametrize(
    ("xyxy", "bar", "tiny"),
    [
        ((1, 1, 3, 3), 2.0, False),  # exactly at the bar
        ((1, 1, 2.9, 3), 2.0, True),
        ((1, 1, 9, 2), 2.0, True),
        ((1, 1, 2, 9), 2.0, True),
        ((9, 2, 1, 1), 2.0, True),
        ((1, 1, 1, 9), 2.0, False),  # no area: BOX003
        ((1, 1, 5, 5), 6.0, True),
        ((1, 1, 2, 2), 0.0, False),
        ((1, 1, 2, 41), 2.0, True),
        ((1, 1, 7.5, 5.9), 8.0, False),  # a tenth of 64 and 48 px
        ((1, 1, 7.4, 5.7), 8.0, True),
    ],
)
def test_the_shorter_side_and_the_bar(xyxy, bar, tiny):
    assert len(found(boxes(xyxy), bar)) == tiny


def test_in_a_tiny_image_a_tiny_box_is_usual():
    assert found(boxes((1, 1, 2, 3)), images=make_images([image_row("a.png", width_px=10, height_px=4)])) == []
    assert len(found(boxes((1, 1, 2, 3)), images=make_images(["b.png"]))) == 1


@pytest.mark.parametrize(("n", "n_tiny", "n_found"), [(20, 2, 2), (20, 3, 0), (19, 19, 19), (200, 20, 20)])
def test_a_class_that_is_often_tiny_is_passed_over(n, n_tiny, n_found):
    assert len(found(boxes(*[(1, 1, 2, 2)] * n_tiny, *[(1, 1, 9, 9)] * (n - n_tiny)))) == n_found


def test_each_class_has_its_own_habit():
    stars = [box_row(f"star/{number}", (1, 1, 2, 2), label="star") for number in range(30)]
    others = [box_row(f"box/{number}", (1, 1, 9, 9)) for number in range(30)]
    rows = ANNOTATIONS.conform([*stars, *others, box_row("slip", (5, 5, 6, 6))])
    assert [finding.annotation_id for finding in found(rows)] == ["slip"]


def test_message_score_and_mark():
    (finding,) = found(boxes((3, 4, 4.5, 9)))
    assert finding.message == "is tiny: 1.5 x 5 px, the bar is 2"
    assert finding.score == 0.75
    assert finding.marks == (Mark("box", (3.0, 4.0, 4.5, 9.0)),)
    assert finding.offer is None


def test_masks_are_not_judged_by_their_boxes():
    assert found(ANNOTATIONS.conform([mask_row("m", [[1, 1], [2, 1], [2, 2]])])) == []
