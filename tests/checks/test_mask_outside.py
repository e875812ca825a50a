from __future__ import annotations

import pytest

from datatools.checks.mask_outside import find_masks_outside
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, make_images, mask_row, masks

IMAGES = make_images(["a.png"])  # 64 x 48 px


@pytest.mark.parametrize(
    ("point", "over"),
    [
        ([64, 48], None),
        ([64.5, 20], None),  # exactly at the bar is still fine
        ([20, -0.5], None),
        ([64.6, 20], "0.6"),
        ([20, 50], "2"),
        ([-3, 20], "3"),
        ([20, -4.5], "4.5"),
        ([64, 64], "16"),  # height is held against y, not against x
    ],
)
def test_each_edge_and_the_bar(point, over):
    found = [f.message for f in find_masks_outside(masks([[1, 1], point, [9, 9]]), IMAGES, ValidateParams())]
    assert found == ([f"polygon 1 reaches {over} px over the edge of its image"] if over else [])


def test_each_part_is_judged_by_itself():
    rows = ANNOTATIONS.conform([mask_row("mask/0", SQUARE, [[0, 0], [99, 0], [0, 9]])])
    (finding,) = find_masks_outside(rows, IMAGES, ValidateParams())
    assert finding.message.startswith("polygon 2 reaches 35 px")
    assert finding.annotation_id == "mask/0"


def test_no_points_and_no_image_are_passed_over():
    assert list(find_masks_outside(masks([]), IMAGES, ValidateParams())) == []
    assert list(find_masks_outside(masks([[0, 0], [99, 0], [0, 9]]), make_images(["b.png"]), ValidateParams())) == []
