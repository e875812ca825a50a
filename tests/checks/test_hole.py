from __future__ import annotations

import numpy as np
import pytest

from datatools.checks.hole import CHECK, find_holes
from datatools.findings import Mark
from datatools.masks import from_array
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, mask_row

HOLE, OTHER_HOLE = [[12, 12], [14, 12], [14, 15], [12, 15]], [[20, 20], [21, 20], [21, 21], [20, 21]]


def found(rows, rule="odd"):
    return list(find_holes(ANNOTATIONS.conform(rows), ValidateParams(holes=rule)))


def rle_row(annotation_id, *lines):
    mask = np.array([[letter == "#" for letter in line] for line in lines])
    return {**mask_row(annotation_id), "mask": from_array(mask).to_json()}


@pytest.mark.parametrize(
    ("rings", "what"),
    [
        ([SQUARE], None),
        ([SQUARE, HOLE], "a hole of 6 px"),
        ([HOLE, SQUARE], "a hole of 6 px"),
        ([SQUARE, HOLE, OTHER_HOLE], "2 holes, the smallest of 1 px"),
        ([SQUARE, [[40, 12], [44, 12], [44, 15]]], None),  # another part
        ([SQUARE, [[25, 12], [44, 12], [44, 15]]], None),  # overlaps
        ([], None),
    ],
)
def test_polygons_inside_polygons(rings, what):
    messages = [finding.message for finding in found([mask_row("a", *rings)])]
    assert messages == ([f"has {what}; of 1 masks of its class 1 have any"] if what else [])


def test_run_lengths():
    rows = [
        rle_row("a", "####", "#..#", "####"),
        rle_row("b", "####", "#..#", "##.#"),
        rle_row("c", "####", "#..#", "###."),  # a diagonal step leads out
        rle_row("d", "#####", "#.#.#", "#####"),
    ]
    first, second = found(rows)
    assert first.message.startswith("has a hole of 2 px; of 4 masks of its class 2 have any")
    assert first.marks == (Mark("box", (1.0, 1.0, 3.0, 2.0)),)
    assert second.message.startswith("has 2 holes, the smallest of 1 px")


def test_marks_draw_the_holes():
    (finding,) = found([mask_row("a", SQUARE, HOLE)])
    assert finding.marks == (Mark("polygon", (12.0, 12.0, 14.0, 12.0, 14.0, 15.0, 12.0, 15.0)),)
    assert finding.offer is None


@pytest.mark.parametrize(
    ("n", "n_with", "rule", "n_found"),
    [(50, 1, "auto", 1), (50, 2, "auto", 0), (19, 1, "auto", 0), (19, 5, "odd", 5), (50, 1, "allowed", 0)],
)
def test_auto_follows_the_class(n, n_with, rule, n_found):
    rows = [mask_row(f"{k:03d}", SQUARE, *([HOLE] if k < n_with else [])) for k in range(n)]
    rings = [mask_row(f"ring/{k}", SQUARE, HOLE, label="ring") for k in range(30 if rule == "auto" else 0)]
    findings = found(rows + rings, rule)
    assert [finding.annotation_id for finding in findings] == [f"{k:03d}" for k in range(n_found)]
    assert all(finding.message.endswith(f"of {n} masks of its class {n_with} have any") for finding in findings)


def test_off_where_holes_are_allowed():
    assert CHECK.off({"params": ValidateParams(holes="allowed")}) == "validate.holes is allowed"
    assert CHECK.off({"params": ValidateParams()}) == ""
