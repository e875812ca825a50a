from __future__ import annotations

import numpy as np
import pytest

from datatools.checks.mask_outside import find_masks_outside
from datatools.findings import Mark
from datatools.masks import from_array
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


def test_the_points_outside_are_drawn():
    (finding,) = find_masks_outside(masks([[1, 1], [70, 20], [64.4, 30], [9, -5]]), IMAGES, ValidateParams())
    assert finding.marks == (Mark("point", (70.0, 20.0)), Mark("point", (9.0, -5.0)))


def test_run_lengths_of_another_size_reach_outside_by_their_foreground():
    mask = np.zeros((60, 90), bool)
    mask[10:20, 60:64] = True
    inside = {**mask_row("a", SQUARE), "mask": from_array(mask).to_json()}
    mask[10:50, 60:70] = True
    outside = {**mask_row("b", SQUARE), "mask": from_array(mask).to_json()}
    (finding,) = find_masks_outside(ANNOTATIONS.conform([inside, outside]), IMAGES, ValidateParams())
    assert finding.annotation_id == "b"
    assert finding.message == "run lengths reach 6 px over the edge of their image"
    assert finding.marks == (Mark("box", (60.0, 10.0, 70.0, 50.0)),)
