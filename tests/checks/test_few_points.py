from __future__ import annotations

import pytest

from datatools.checks.few_points import find_few_points
from datatools.findings import Mark
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, mask_row, masks


@pytest.mark.parametrize(
    ("ring", "n_points"),
    [
        ([], 0),
        ([[1, 1]], 1),
        ([[1, 1], [1, 1], [1, 1]], 1),
        ([[1, 1], [9, 1], [1, 1]], 2),  # closed: the last point is the first
        ([[1, 1], [9, 1], [1, 1], [9, 1], [1, 1]], 2),
        ([[1, 1], [9, 1], [9, 9]], None),
        ([[1, 1], [9, 1], [9, 9], [1, 1]], None),
    ],
)
def test_different_points_are_counted(ring, n_points):
    found = [finding.message for finding in find_few_points(masks(ring))]
    expected = f"polygon 1 has {n_points} different points, an area needs 3"
    assert found == ([expected] if n_points is not None else [])


def test_the_part_is_named():
    rows = ANNOTATIONS.conform([mask_row("mask/0", SQUARE, [[1, 1], [2, 2]])])
    assert [finding.message[:9] for finding in find_few_points(rows)] == ["polygon 2"]


def test_the_points_are_drawn():
    (finding,) = find_few_points(masks([[9, 1], [1, 1], [9, 1]]))
    assert finding.marks == (Mark("point", (1.0, 1.0)), Mark("point", (9.0, 1.0)))
