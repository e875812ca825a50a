from __future__ import annotations

import json

import pytest

from datatools.checks.box_outside import find_boxes_outside
from datatools.findings import Mark, Offer
from datatools.params import ValidateParams
from tests.small_data import boxes, make_images

IMAGES = make_images(["a.png"])  # 64 x 48 px


def over(xyxy, tolerance_px=0.5):
    findings = find_boxes_outside(boxes(xyxy), IMAGES, ValidateParams(tolerance_px=tolerance_px))
    return [finding.message.split(" px")[0].removeprefix("reaches ") for finding in findings]


@pytest.mark.parametrize(
    ("xyxy", "expected"),
    [
        ((0, 0, 64, 48), []),
        ((-0.5, 0, 64, 48), []),  # exactly at the bar is still fine
        ((0, 0, 64.5, 48.5), []),
        ((-0.51, 0, 64, 48), ["0.51"]),
        ((0, -1, 64, 48), ["1"]),
        ((0, 0, 65, 48), ["1"]),
        ((0, 0, 64, 50), ["2"]),
        ((-3, 0, 66, 49), ["3"]),  # the worst edge is named
        ((100, 100, 120, 120), ["72"]),
        ((65, 10, 5, 20), ["1"]),  # corners out of order are put in order first
        ((20, 10, -2, 5), ["2"]),
    ],
)
def test_each_edge_and_the_bar(xyxy, expected):
    assert over(xyxy) == expected


def test_the_tolerance_is_the_params():
    assert over((0, 0, 64.5, 48), tolerance_px=0.0) == ["0.5"]
    assert over((0, 0, 70, 48), tolerance_px=6.0) == []


def test_the_message_names_the_image_size():
    (finding,) = find_boxes_outside(boxes((0, 0, 70.25, 48)), IMAGES, ValidateParams())
    assert finding.message == "reaches 6.25 px over the edge of its 64 x 48 image; 91.1% of it lies inside"
    assert finding.annotation_id == "box/0"


def test_a_box_of_an_image_that_is_not_there_is_not_judged():
    assert list(find_boxes_outside(boxes((0, 0, 900, 900)), make_images(["b.png"]), ValidateParams())) == []


@pytest.mark.parametrize(
    ("xyxy", "inside", "after"),
    [
        ((14, 8, 69, 48), "; 90.9% of it lies inside", "[14.0, 8.0, 64.0, 48.0]"),
        ((-5, -2, 45, 18), "; 81.0% of it lies inside", None),  # too much to be a slip
        ((14, 8, 114, 48), "; 50.0% of it lies inside", None),
        ((70, 8, 90, 48), ", all of it outside", None),
        ((4, -1, 24, -1), ", all of it outside", None),
        ((69, 48, 14, 8), "; 90.9% of it lies inside", "[14.0, 8.0, 64.0, 48.0]"),
    ],
)
def test_the_repair_clips_what_lies_mostly_inside(xyxy, inside, after):
    (finding,) = find_boxes_outside(boxes(xyxy), IMAGES, ValidateParams())
    assert finding.message.endswith(f" 64 x 48 image{inside}")
    before = json.dumps(list(map(float, xyxy)))
    assert finding.offer == (Offer("move_box", before, after) if after else None)
    low, high = sorted((xyxy[:2], xyxy[2:]))
    assert finding.marks == (Mark("box", (*map(float, low), *map(float, high))),)
