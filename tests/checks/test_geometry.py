from __future__ import annotations

import numpy as np
import pytest

from datatools.checks.geometry import is_closed, iter_polygons, open_ring, ordered_boxes, with_sizes
from datatools.schema import ANNOTATIONS, BOX
from tests.small_data import SQUARE, box_row, boxes, make_images, mask_row


@pytest.mark.parametrize(
    ("points", "closed"),
    [([], False), ([[1, 1]], False), ([[1, 1], [1, 1]], True), (SQUARE, True), (SQUARE[:-1], False)],
)
def test_closed_means_the_last_point_is_the_first(points, closed):
    ring = np.asarray(points, dtype=float).reshape(-1, 2)
    assert is_closed(ring) is closed
    assert len(open_ring(ring)) == len(ring) - closed


def test_polygons_come_part_by_part_and_boxes_have_none():
    rows = ANNOTATIONS.conform([mask_row("mask/0", SQUARE, SQUARE[:3]), box_row("box/0", (0, 0, 1, 1))])
    found = [(path, name, part, points.shape) for path, name, part, points in iter_polygons(rows)]
    assert found == [("a.png", "mask/0", 0, (5, 2)), ("a.png", "mask/0", 1, (3, 2))]


def test_corners_are_put_in_order():
    assert ordered_boxes(boxes((9, 8, 1, 2)))[BOX].to_numpy().tolist() == [[1, 2, 9, 8]]


def test_sizes_are_those_of_the_file():
    images = make_images(["a.png"]).assign(declared_width_px=7)
    joined = with_sizes(boxes((0, 0, 1, 1)), images)
    assert joined[["width_px", "height_px"]].to_numpy().tolist() == [[64, 48]]
