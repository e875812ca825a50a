from __future__ import annotations

import gc
import itertools

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from datatools.checks import geometry
from datatools.checks.geometry import unpack
from datatools.checks.pairs import area_of, find_crossing_boxes, find_odd, iter_near
from datatools.masks import from_array
from datatools.schema import ANNOTATIONS, BOX
from tests.small_data import SQUARE, box_row, boxes, make_images, mask_row, masks

INNER = [[15, 15], [20, 15], [20, 20], [15, 20], [15, 15]]
FAR = [[50, 10], [60, 10], [60, 20], [50, 10]]


def rle_row(annotation_id, mask, path="a.png"):
    return {**mask_row(annotation_id, path=path), "mask": from_array(np.asarray(mask)).to_json()}


def table(*rows):
    return ANNOTATIONS.conform(list(rows))


def test_masks_are_unpacked_once_for_a_table(monkeypatch):
    calls = []
    real = geometry.parse_mask
    monkeypatch.setattr(geometry, "parse_mask", lambda text: calls.append(text) or real(text))
    rows = masks(SQUARE, INNER)
    for _ in range(3):
        assert len(unpack(rows).polygons.n_points) == 2
    assert len(calls) == 2


def test_a_table_that_was_changed_is_unpacked_again():
    rows = masks(SQUARE)
    before = unpack(rows)
    assert before.polygons.n_points.tolist() == [5]
    rows.loc[0, "mask"] = "[]"
    rows.loc[0, "x0_px"] = 3.0
    assert unpack(rows).polygons.n_points.tolist() == []
    assert unpack(rows).corners[0, 0] == 3
    assert before.corners[0, 0] == 10


def test_another_table_of_the_same_values_is_unpacked_alike_and_apart():
    rows = masks(SQUARE, INNER)
    other = rows.copy()
    assert unpack(other) is not unpack(rows)
    assert unpack(other).polygons.begin.tolist() == unpack(rows).polygons.begin.tolist()
    other["label"] = other["label"].to_numpy()  # the same values elsewhere
    assert unpack(other) is unpack(other)


def test_sizes_are_those_of_the_images_given():
    rows = masks(SQUARE)
    images = pd.DataFrame({"path": rows["path"].unique(), "width_px": 30, "height_px": 40})
    assert unpack(rows).sizes(images).tolist() == [[30, 40]]
    images.loc[0, "width_px"] = 50
    assert unpack(rows).sizes(images).tolist() == [[50, 40]]
    assert np.isnan(unpack(rows).sizes(images.assign(path="elsewhere.png"))).all()


def test_what_is_kept_goes_with_its_table():
    rows = masks(SQUARE)
    unpack(rows)
    key = id(rows)
    assert key in geometry._KEPT
    del rows
    gc.collect()
    assert key not in geometry._KEPT


@pytest.mark.parametrize(
    ("points", "closed", "n_different"),
    [
        ([], False, 0),
        ([[1, 1]], False, 1),
        ([[1, 1], [1, 1]], True, 1),
        ([[1, 1], [2, 1]], False, 2),
        ([[1, 1], [2, 1], [1, 1]], True, 2),
        ([[1, 1], [1, 1], [2, 1], [1, 1], [2, 1]], False, 2),
        ([[1, 1], [1, 1], [2, 1], [1, 2]], False, 3),
        (SQUARE, True, 3),
        (SQUARE[:-1], False, 3),
    ],
)
def test_closed_rings_and_different_points(points, closed, n_different):
    rings = unpack(masks(SQUARE, points, [], [[9, 9]], SQUARE[:3])).polygons
    assert rings.is_closed.tolist() == [True, closed, False, False, False]
    assert rings.n_different.tolist() == [3, n_different, 0, 1, 3]


def test_rings_know_their_annotation_and_part():
    rows = table(box_row("a", (0, 0, 1, 1)), mask_row("b", SQUARE, SQUARE[:3]), mask_row("c", INNER))
    objects = unpack(rows)
    assert objects.polygons.row.tolist() == [1, 1, 2]
    assert objects.polygons.part.tolist() == [0, 1, 0]
    assert objects.polygons.ring(1).tolist() == SQUARE[:3]
    assert objects.rings(1).tolist() == [0, 1]
    assert objects.mask_rows.tolist() == [1, 2]


def test_masks_that_cannot_be_read_are_left_out():
    rows = masks(SQUARE, SQUARE, SQUARE, SQUARE)
    rows.loc[[0, 1, 3], "mask"] = ["{", "[[[1, 2, 3]]]", '{"size": [2, 2], "counts": [1]}']
    assert unpack(rows).mask_rows.tolist() == [2]


def test_polygons_and_run_lengths_give_the_same_numbers():
    bitmap = np.zeros((48, 64), bool)
    bitmap[10:30, 10:30] = True
    bitmap[15:20, 15:20] = False
    bitmap[10:20, 50:60] = True
    square = [[50, 10], [60, 10], [60, 20], [50, 20], [50, 10]]
    objects = unpack(table(mask_row("a", SQUARE, INNER, square), rle_row("b", bitmap), box_row("c", (0, 0, 9, 9))))
    assert objects.mask_areas.tolist() == [475, 475, 0]
    assert objects.n_holes.tolist() == [1, 1, 0]
    assert objects.n_parts.tolist() == [2, 2, 0]
    np.testing.assert_array_equal(objects.mask_bounds, [[10, 10, 60, 30], [10, 10, 60, 30], [np.nan] * 4])
    assert objects.shape(0).area == 475


def test_an_island_in_a_hole_is_no_hole():
    island = [[16, 16], [18, 16], [18, 18], [16, 18]]
    rings = unpack(table(mask_row("a", SQUARE, INNER, island))).polygons
    assert rings.is_hole.tolist() == [False, True, False]


def test_rings_of_one_part_touch_or_overlap():
    touching, crossing = [[30, 10], [40, 10], [40, 20]], [[20, 20], [40, 20], [40, 40]]
    objects = unpack(
        table(mask_row("a", SQUARE, touching), mask_row("b", SQUARE, crossing), mask_row("c", SQUARE, FAR))
    )
    assert objects.n_parts.tolist() == [1, 1, 2]
    assert objects.n_holes.tolist() == [0, 0, 0]


def test_rings_of_other_annotations_are_no_parts():
    objects = unpack(masks(SQUARE, INNER, FAR))
    assert objects.n_parts.tolist() == [1, 1, 1]
    assert objects.n_holes.tolist() == [0, 0, 0]


def test_corners_are_put_in_order_and_need_four_numbers():
    rows = boxes((9, 8, 1, 2), (0, 0, 1, 1), (0, 0, 1, 1))
    rows.loc[1, "x0_px"] = None
    rows.loc[2, "x1_px"] = np.inf
    objects = unpack(rows)
    np.testing.assert_array_equal(objects.boxes, [[1, 2, 9, 8], [np.nan] * 4, [np.nan] * 4])
    assert rows[BOX].loc[0].tolist() == [9, 8, 1, 2]


def test_corners_are_those_of_the_table_and_leave_it_as_it_is():
    rows = boxes((9, 8, 1, 2), (0, 0, 1, 1))
    assert np.shares_memory(unpack(rows).corners, rows["x0_px"].to_numpy())
    rows.loc[1, "y0_px"] = np.inf
    before, objects = rows.copy(deep=True), unpack(rows)
    assert np.isnan(objects.corners[1]).all()
    pd.testing.assert_frame_equal(rows, before)
    rows.loc[0, "x0_px"] = 7.0
    assert objects.corners[0].tolist() == [9, 8, 1, 2]


@pytest.mark.parametrize("dtype", ["Float64", object])
def test_corners_do_not_depend_on_how_the_table_keeps_numbers(dtype):
    rows = boxes((9, 8, 1, 2), (0, 0, 1, 1), (3, 3, 4, 4))
    rows.loc[1, "x0_px"] = None
    wanted = unpack(rows).corners
    corners = unpack(rows.astype(dict.fromkeys(BOX, dtype))).corners
    np.testing.assert_array_equal(corners, wanted)
    assert corners.dtype == wanted.dtype == np.float64


def test_sizes_are_those_of_the_file_and_unknown_without_one():
    images = make_images(["a.png"]).assign(declared_width_px=7)
    rows = table(box_row("a", (0, 0, 1, 1)), box_row("b", (0, 0, 1, 1), path="b.png"))
    np.testing.assert_array_equal(unpack(rows).sizes(images), [[64, 48], [np.nan, np.nan]])


def test_opinions_are_an_image_and_an_annotator():
    row = box_row("a", (0, 0, 1, 1))
    rows = table(
        row,
        {**row, "annotation_id": "b", "annotator": "anna"},
        {**row, "annotation_id": "c", "annotator": "anna"},
        {**row, "annotation_id": "d", "annotator": "anna", "path": "b.png"},
    )
    one, two, three, four = unpack(rows).opinions.tolist()
    assert two == three
    assert len({one, two, four}) == 3


def test_later_is_what_the_numbers_say():
    objects = unpack(table(*(box_row(name, (0, 0, 1, 1)) for name in ("a#10", "a#9", "a#1", "a#2"))))
    one, other = map(np.array, zip(*itertools.combinations(range(4), 2), strict=True))
    earlier, later, order = objects.order_pairs(one, other)
    pairs = [f"{objects.ids[earlier[index]]} {objects.ids[later[index]]}" for index in order]
    assert pairs == ["a#1 a#2", "a#1 a#9", "a#2 a#9", "a#1 a#10", "a#2 a#10", "a#9 a#10"]


@pytest.mark.parametrize(
    ("attributes", "crowd"),
    [("{}", False), ('{"iscrowd":0}', False), ('{"iscrowd":1}', True), ('{"note":"iscrowd"}', False), (None, False)],
)
def test_crowds(attributes, crowd):
    assert unpack(table({**box_row("a", (0, 0, 1, 1)), "attributes": attributes})).is_crowd(0) is crowd


coordinates = st.integers(0, 12)


@given(st.lists(st.tuples(st.integers(0, 2), coordinates, coordinates, coordinates, coordinates), max_size=30))
def test_crossing_boxes_are_those_that_shapely_finds(rows):
    group = np.array([row[0] for row in rows], np.int64)
    low = np.array([row[1:3] for row in rows], float).reshape(-1, 2)
    box = np.concatenate([low, low + np.array([row[3:] for row in rows], float).reshape(-1, 2)], axis=1)
    shapes = shapely.box(*box.T)
    expected = {
        (i, j)
        for i in range(len(rows))
        for j in range(i)
        if group[i] == group[j] and shapely.intersects(shapes[i], shapes[j])
    }
    one, other = find_crossing_boxes(group, box)
    found = [(max(pair), min(pair)) for pair in zip(one.tolist(), other.tolist(), strict=True)]
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_crossing_boxes_by_the_share_of_the_smaller():
    box = np.array([[0, 0, 10, 10], [8, 0, 12, 10], [9, 0, 30, 10]], float)
    one, other = find_crossing_boxes(np.zeros(3, np.int64), box, 0.5)
    assert {frozenset(pair) for pair in zip(one.tolist(), other.tolist(), strict=True)} == {
        frozenset({0, 1}),
        frozenset({1, 2}),
    }
    assert area_of(box).tolist() == [100, 40, 210]


def test_near_ends_with_the_reach_and_the_group():
    start, reach, group = np.array([0.0, 1, 2, 9]), np.array([1.0, 5, 9, 9]), np.array([0, 0, 0, 1])
    pairs = [
        pair for one, other in iter_near(group, start, reach) for pair in zip(one.tolist(), other.tolist(), strict=True)
    ]
    assert sorted(pairs) == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    ("n", "n_with", "rule", "n_found"),
    [
        (100, 2, "auto", 2),
        (100, 3, "auto", 0),
        (19, 0, "auto", 0),
        (20, 1, "auto", 0),  # 5 %
        (100, 50, "odd", 50),
        (1, 1, "odd", 1),
        (100, 1, "allowed", 0),
    ],
)
def test_odd_is_what_a_large_class_hardly_ever_has(n, n_with, rule, n_found):
    groups = np.repeat([0, 1], [n, 30])
    found = find_odd(np.r_[np.arange(n) < n_with, np.zeros(30, bool)], groups, rule)
    assert found.tolist() == list(range(n_found))


def test_an_empty_table():
    objects = unpack(ANNOTATIONS.empty())
    for values in (
        objects.boxes,
        objects.mask_bounds,
        objects.mask_areas,
        objects.n_parts,
        objects.mask_rows,
    ):
        assert len(values) == 0
    assert isinstance(objects.table, pd.DataFrame)


def test_a_shared_table_is_not_compared(monkeypatch):
    rows = masks(SQUARE)
    with geometry.sharing(rows):
        monkeypatch.setattr(geometry, "place", None)  # what comparing calls
        assert unpack(rows) is unpack(rows)
        images = pd.DataFrame({"path": rows["path"].unique(), "width_px": 30, "height_px": 40})
        assert unpack(rows).sizes(images) is unpack(rows).sizes(images)
    with pytest.raises(TypeError):
        unpack(rows)
    with geometry.sharing(None):
        assert geometry._SHARED == []
