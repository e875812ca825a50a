from __future__ import annotations

import pytest

from datatools.checks.broken_rle import find_broken_rles
from datatools.schema import ANNOTATIONS, REJECTED
from tests.small_data import SQUARE, image_row, make_images, mask_row

IMAGES = make_images(["a.png"])  # 64 x 48


def said(mask, images=IMAGES, rejected=()):
    rows = [mask_row("mask/0", SQUARE), {**mask_row("mask/1", SQUARE), "mask": mask}]
    found = find_broken_rles(ANNOTATIONS.conform(rows), images, REJECTED.conform(list(rejected)))
    return [(finding.annotation_id, finding.message) for finding in found]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ('{"size":[48,64],"counts":[3000,71]}', "RLE counts add up to 3071, but 48 x 64 is 3072"),
        ('{"size":[48,64],"counts":"~"}', "'~' is no character of COCO's compressed RLE"),
        ('{"size":[48,64]}', "RLE counts must be whole numbers from 0, or COCO's compressed string"),
        ('{"size":[64,48],"counts":[3000,72]}', "the run lengths are of 48 x 64 px, the image is 64 x 48: width and height are swapped"),
        ('{"size":[8,8],"counts":[60,4]}', "the run lengths are of 8 x 8 px, the image is 64 x 48"),
    ],
)  # fmt: skip
def test_run_lengths_that_are_broken_or_of_another_image(mask, message):
    assert said(mask) == [("mask/1", message)]


def test_silent_where_they_fit_where_there_is_no_image_and_where_img002_speaks():
    assert said('{"size":[48,64],"counts":[3000,72]}') == []
    other = '{"size":[8,8],"counts":[60,4]}'
    assert said(other, make_images(["b.png"])) == []
    assert said(other, make_images([image_row("a.png", declared_width_px=8, declared_height_px=8)])) == []


def test_what_was_left_out():
    row = {"source": "a.json", "row": 2, "path": "a.png", "reason": "MSK008", "message": "RLE counts add up to 3"}
    assert said(None, rejected=[row]) == [(None, "RLE counts add up to 3 (left out: a.json, row 2)")]
