from __future__ import annotations

import numpy as np
import pytest

from datatools.checks.broken_box import find_broken_boxes
from datatools.schema import ANNOTATIONS, BOX, REJECTED
from tests.small_data import SQUARE, box_row, label_rows, mask_row

GOOD = [box_row("box/0", (0, 0, 9, 9)), mask_row("mask/0", SQUARE), *label_rows("a.png", {"anna": "star"}, "star")]
NO_BOX = {**mask_row("mask/1", SQUARE), **dict.fromkeys(BOX)}


def said(rows, rejected=()):
    found = find_broken_boxes(ANNOTATIONS.conform([*GOOD, *rows]), REJECTED.conform(list(rejected)))
    return [(finding.annotation_id, finding.message) for finding in found]


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), -np.inf])
def test_a_box_that_lacks_some_of_its_coordinates(bad):
    assert said([{**box_row("box/1", (0, 0, 9, 9)), "x0_px": bad}]) == [("box/1", "the box has no x0")]
    assert said([{**mask_row("mask/2", SQUARE), "y0_px": bad, "y1_px": bad}]) == [
        ("mask/2", "the box has no y0 and no y1")
    ]


def test_a_box_without_any_and_a_mask_or_label_without_box():
    nothing = {**box_row("box/1", (0, 0, 9, 9)), **dict.fromkeys(BOX)}
    assert said([nothing, NO_BOX]) == [("box/1", "the box has no four coordinates")]


def test_what_was_left_out_names_file_and_row():
    rows = [
        {"source": "t.csv", "row": 4, "path": "a.png", "reason": "BOX004", "message": "xmin must be a finite number"},
        {"source": "t.csv", "row": 5, "path": "a.png", "reason": "broken_row", "message": "path is empty"},
    ]
    assert said([], rows) == [(None, "xmin must be a finite number (left out: t.csv, row 4)")]
    assert said([]) == []
