"""Pictures of faults: where the window lies, and that nothing is drawn that cannot be."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.findings import Finding, Mark, to_table
from datatools.images import decode_image
from datatools.masks import from_array
from datatools.report.faults import SIDE_PX, choose_window, corners_of, draw_fault, draw_faults, read_outlines
from datatools.schema import ANNOTATIONS, BOX
from tests.builders import lay_out, make_png
from tests.small_data import box_row, mask_row

SIZE = (400, 300)
numbers = st.floats(-1e12, 1e12)


def bitmap(picture):
    return decode_image(base64.b64decode(picture.bitmap.partition(",")[2]))


def contains(window, x, y):
    return window[0] <= x <= window[0] + window[2] and window[1] <= y <= window[1] + window[3]


def test_without_a_fault_or_an_object_it_is_the_whole_image():
    assert choose_window([], [], SIZE) == (0, 0, 400, 300)


def test_a_small_fault_is_shown_close_and_within_the_image():
    window = choose_window([[(395, 5)]], [[(300, 0), (400, 0), (400, 100), (300, 100)]], SIZE)
    assert window == (336, 0, 64, 64)
    assert choose_window([[(200, 150)]], [], SIZE) == (168, 118, 64, 64)


def test_a_large_fault_is_shown_on_the_whole_image():
    assert choose_window([[(10, 10), (390, 290)]], [], SIZE) == (0, 0, 400, 300)


def test_what_stands_outside_is_in_the_window():
    window = choose_window([[(380, 100), (450, 160)]], [], SIZE)
    assert contains(window, 450, 160)
    assert window[0] + window[2] > 400


@settings(max_examples=60)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5), st.integers(1, 60), st.integers(1, 60))
def test_any_fault_gives_a_picture_with_some_of_the_image(points, width, height):
    image = np.zeros((height, width, 3), np.uint8)
    mark = Mark("polygon", tuple(value for point in points for value in point))
    picture = draw_fault(image, [mark])
    x, y, across, down = picture.bitmap_at
    assert 0 <= x < x + across <= width
    assert 0 <= y < y + down <= height
    left, top, wide, high = picture.window
    for point in corners_of(picture.marks[0]):
        assert contains((left - 1e-6, top - 1e-6, wide + 2e-6, high + 2e-6), *point)
    assert max(bitmap(picture).shape) <= SIDE_PX


def test_the_bitmap_is_that_part_of_the_image():
    image = np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    picture = draw_fault(image, [Mark("box", (100, 100, 120, 110))])
    x, y, across, down = picture.bitmap_at
    assert (bitmap(picture) == image[y : y + down, x : x + across]).all()
    assert picture.zoom == pytest.approx(400 / 64)
    assert picture.is_coarse


def test_outlines_are_of_the_mask_else_of_the_box():
    box = box_row("b", (1, 2, 3, 4))
    assert read_outlines({**box, "mask": None}) == (((1, 2), (3, 2), (3, 4), (1, 4)),)
    assert read_outlines(mask_row("m", [[1, 1], [5, 1], [5, 5]])) == (((1, 1), (5, 1), (5, 5)),)
    square = np.zeros((6, 6), bool)
    square[1:3, 2:5] = True
    [ring] = read_outlines({**box, "mask": from_array(square).to_json()})
    assert {(2.0, 1.0), (5.0, 1.0), (5.0, 3.0), (2.0, 3.0)} <= set(ring)


@pytest.mark.parametrize("mask", ["[[[1,", "[[[1, null]]]", "{}", "7", '[["x"]]', "[]"])
def test_a_mask_that_cannot_be_drawn_leaves_the_box(mask):
    assert len(read_outlines({**box_row("b", (1, 2, 3, 4)), "mask": mask})) == 1


def test_a_box_without_numbers_is_not_drawn():
    assert read_outlines({**dict.fromkeys(BOX, float("nan")), "mask": None}) == ()
    assert read_outlines({**dict.fromkeys(BOX, pd.NA), "mask": pd.NA}) == ()


def test_marks_that_are_none_are_left_out(tmp_path):
    lay_out(tmp_path, {"a.png": make_png(width_px=40, height_px=30)})
    marks = (Mark("box", (1, 2)), Mark("point", (float("nan"), 1)), Mark("star", (1, 2)), Mark("line", (1, 2, 3, 4)))
    table = to_table([Finding("x", "a.png", marks=marks)], "BOX001", 1, "error")
    [picture] = draw_faults(table, ANNOTATIONS.empty(), tmp_path).values()
    assert [mark.shape for mark in picture.marks] == ["line"]
