from __future__ import annotations

import numpy as np
import pytest

from datatools.checks.empty_mask import find_empty_masks
from datatools.findings import Mark
from datatools.masks import from_array
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, box_row, mask_row


def messages(*rows):
    return [finding.message for finding in find_empty_masks(ANNOTATIONS.conform(list(rows)))]


@pytest.mark.parametrize(
    ("rings", "message"),
    [
        ([SQUARE], None),
        ([], "has an empty mask: no polygon"),
        ([[]], "has an empty mask: no polygon"),
        ([[], SQUARE], None),
        ([[[1, 1], [9, 1], [5, 1]]], "has an empty mask: its polygons enclose 0 px"),
        ([[[1, 1], [1.9, 1], [1.9, 2]]], "has an empty mask: its polygons enclose 0.45 px"),
        ([[[1, 1], [2, 1], [2, 2]]], None),  # exactly half a pixel
        ([[[1, 1], [1.9, 1], [1.9, 2]]] * 2, None),
        ([[[1, 1], [9, 9], [9, 1], [1, 9]]], None),  # a figure eight has an area, whatever its sign
        ([[[1, 1], [9, 1]]], None),  # MSK004
        ([SQUARE, [[1, 1], [1.9, 1], [1.9, 2]]], None),
    ],
)
def test_polygons(rings, message):
    assert messages(mask_row("a", *rings)) == ([message] if message else [])


def test_run_lengths_without_foreground():
    empty, full = from_array(np.zeros((3, 4))).to_json(), from_array(np.eye(3)).to_json()
    rows = [{**mask_row("a"), "mask": full}, {**mask_row("b"), "mask": empty}]
    assert messages(*rows) == ["has an empty mask: no pixel is foreground"]


def test_a_mask_that_is_missing():
    assert messages({**mask_row("a", SQUARE), "mask": None}) == ["is a mask, but has none"]
    assert messages(box_row("a", (0, 0, 1, 1))) == []


def test_a_mask_that_cannot_be_read_is_not_judged():
    assert messages({**mask_row("a"), "mask": '{"size": [2, 2], "counts": [1]}'}) == []


def test_the_place_is_marked():
    (finding,) = find_empty_masks(ANNOTATIONS.conform([mask_row("a", [[1, 1], [9, 1], [5, 1]])]))
    assert finding.marks == (Mark("box", (1.0, 1.0, 9.0, 1.0)),)
    assert (finding.path, finding.annotation_id, finding.score) == ("a.png", "a", 0.0)
