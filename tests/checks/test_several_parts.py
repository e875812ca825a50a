from __future__ import annotations

import numpy as np
import pytest

from datatools.checks.several_parts import CHECK, find_several_parts
from datatools.findings import Mark
from datatools.masks import from_array
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, mask_row

SPECK, FAR = [[40, 10], [42, 10], [42, 12], [40, 12]], [[50, 30], [60, 30], [60, 40], [50, 40]]
EIGHT = [[40, 40], [44, 44], [44, 40], [40, 44]]


def found(rows, rule="odd"):
    return list(find_several_parts(ANNOTATIONS.conform(rows), ValidateParams(parts=rule)))


@pytest.mark.parametrize(
    ("rings", "what"),
    [
        ([SQUARE], None),
        ([SQUARE, SPECK], "2 parts, the smallest of 4 px, the largest of 400 px"),
        ([SPECK, SQUARE, FAR], "3 parts, the smallest of 4 px, the largest of 400 px"),
        ([SQUARE, [[30, 10], [40, 10], [40, 20]]], None),  # touches
        ([SQUARE, [[30, 30], [40, 30], [40, 40]]], None),  # touches at a corner
        ([SQUARE, [[12, 12], [14, 12], [14, 15]]], None),  # a hole
        ([SQUARE, [[50, 50]], []], None),  # MSK004
        ([SQUARE, EIGHT], None),  # MSK002
        ([], None),
    ],
)
def test_polygons(rings, what):
    messages = [finding.message for finding in found([mask_row("a", *rings)])]
    assert messages == ([f"has {what}; of 1 masks of its class 1 have several"] if what else [])


def test_a_hole_is_no_part_of_the_area():
    hole = [[12, 12], [14, 12], [14, 14], [12, 14]]
    (finding,) = found([mask_row("a", SQUARE, hole, SPECK)])
    assert "the largest of 396 px" in finding.message


def test_run_lengths():
    mask = np.zeros((20, 30), bool)
    mask[2:8, 3:9] = True
    mask[8, 9] = True  # at the corner
    whole = from_array(mask).to_json()
    mask[15, 20:22] = True
    rows = [{**mask_row("a"), "mask": whole}, {**mask_row("b"), "mask": from_array(mask).to_json()}]
    (finding,) = found(rows)
    assert finding.annotation_id == "b"
    assert finding.message == (
        "has 2 parts, the smallest of 2 px, the largest of 37 px; of 2 masks of its class 1 have several"
    )
    assert finding.marks == (Mark("box", (20.0, 15.0, 22.0, 16.0)),)


def test_marks_are_all_parts_but_the_largest():
    (finding,) = found([mask_row("a", FAR, SQUARE, SPECK)])
    assert finding.marks == (Mark("box", (40.0, 10.0, 42.0, 12.0)), Mark("box", (50.0, 30.0, 60.0, 40.0)))


@pytest.mark.parametrize(
    ("n", "n_with", "rule", "n_found"),
    [(50, 1, "auto", 1), (50, 2, "auto", 0), (19, 1, "auto", 0), (19, 5, "odd", 5), (50, 1, "allowed", 0)],
)
def test_auto_follows_the_class(n, n_with, rule, n_found):
    rows = [mask_row(f"{k:03d}", SQUARE, *([FAR] if k < n_with else [])) for k in range(n)]
    assert [finding.annotation_id for finding in found(rows, rule)] == [f"{k:03d}" for k in range(n_found)]


def test_off_where_parts_are_allowed():
    assert CHECK.off({"params": ValidateParams(parts="allowed")}) == "validate.parts is allowed"
    assert CHECK.off({"params": ValidateParams()}) == ""


TOUCHING = [[0, 0], [12, 0], [6, 6], [12, 12], [0, 12], [6, 6]]  # two lobes that meet in a point


def test_an_outline_that_touches_itself_is_a_part_like_any_other():
    far = [[30, 30], [39, 30], [39, 39]]
    rows = ANNOTATIONS.conform([mask_row("mask/0", TOUCHING, far), mask_row("mask/1", TOUCHING)])
    found = list(find_several_parts(rows, ValidateParams(parts="odd")))
    assert [finding.annotation_id for finding in found] == ["mask/0"]


def test_holes_in_an_outline_that_touches_itself_are_no_parts():
    holes = [[[3, 1], [4, 1], [4, 2]], [[3, 10], [4, 10], [4, 11]]]
    rows = ANNOTATIONS.conform([mask_row("mask/0", TOUCHING, *holes)])
    assert list(find_several_parts(rows, ValidateParams(parts="odd"))) == []
