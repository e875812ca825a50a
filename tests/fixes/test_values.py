from __future__ import annotations

import math

import pandas as pd
import pytest

from datatools.fixes.values import check_value, is_same, parse_box, read_values, write_box, write_values
from datatools.schema import ANNOTATIONS, BOX
from tests.small_data import SQUARE, box_row, mask_row


def table() -> pd.DataFrame:
    label = {"annotation_id": "l/1", "path": "a.png", "kind": "label"}
    return ANNOTATIONS.conform([box_row("b/1", (1, 2, 3, 4.5)), mask_row("m/1", SQUARE), label])


def test_values_are_read_as_records_write_them():
    annotations = table()
    assert read_values(annotations, "box") == {"b/1": "[1.0, 2.0, 3.0, 4.5]", "m/1": "[10.0, 10.0, 30.0, 30.0]", "l/1": None}  # fmt: skip
    assert read_values(annotations, "label", ["l/1", "b/1"]) == {"b/1": "circle", "l/1": None}
    assert read_values(annotations, "mask", ["m/1"])["m/1"] == annotations.set_index("annotation_id").loc["m/1", "mask"]


@pytest.mark.parametrize("kind", ["label", "box", "mask"])
def test_writing_what_was_read_changes_nothing(kind):
    annotations = table()
    pd.testing.assert_frame_equal(write_values(annotations, kind, read_values(annotations, kind)), annotations)


def test_a_box_is_put_where_none_was_and_taken_away():
    annotations = table()
    changed = write_values(annotations, "box", {"l/1": "[0, 1, 2, 3]", "b/1": None}).set_index("annotation_id")
    assert changed.loc["l/1", BOX].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert changed.loc["b/1", BOX].isna().all()
    pd.testing.assert_frame_equal(annotations, table())


def test_boxes_as_text():
    assert write_box([1, 2, 3, 4]) == "[1.0, 2.0, 3.0, 4.0]"
    assert write_box([math.nan] * 4) is None
    assert parse_box("[1, 2.5, 3, 4]") == [1.0, 2.5, 3.0, 4.0]
    assert all(map(math.isnan, parse_box(None)))


@pytest.mark.parametrize("text", ["[1,2,3]", "{}", "[1,2,3,true]", "nope", '["1",2,3,4]', "[1,2,3,NaN]"])
def test_what_is_no_box_says_so(text):
    assert check_value("box", text)


@pytest.mark.parametrize("text", ["[[1]]", '{"size": [2, 2], "counts": [9]}', "[", "5"])
def test_what_is_no_mask_says_so(text):
    assert check_value("mask", text)


def test_a_value_that_can_be_used_has_nothing_against_it():
    assert check_value("box", "[1, 2, 3, 4]") == ""
    assert check_value("mask", '{"size": [2, 2], "counts": [1, 3]}') == ""
    assert check_value("mask", None) == ""
    assert check_value("label", "anything") == ""


def test_boxes_and_masks_are_the_same_by_their_numbers():
    assert is_same("box", "[1, 2, 3, 4]", "[1.0, 2.0, 3.0, 4.0]")
    assert not is_same("box", "[1, 2, 3, 4]", "[1, 2, 3, 5]")
    assert not is_same("box", "[1, 2, 3, 4]", None)
    assert not is_same("box", "[1, 2, 3, 4]", "[1, 2")
    assert is_same("mask", "[[[1, 2]]]", "[[[1.0,2.0]]]")
    assert not is_same("label", "1", "1.0")
