from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from datatools.agreement.matching import Pairs, box_iou, cluster, collect_objects, find_overlaps, match_pairs
from datatools.checks.geometry import unpack
from datatools.masks import from_array
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, mask_row

EXACT = {"rel": 0, "abs": 1e-12}
unhurried = settings(deadline=None, max_examples=150, database=None)
corner = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 8), st.integers(1, 8))
boxes_of_one = st.lists(corner.map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])), max_size=5)


def collect(people, kind="box", labels=None):
    """Objects of several annotators on one image: a list of boxes, rings or RLE texts each."""
    rows, who, label = [], [], []
    for person, items in enumerate(people):
        for place, item in enumerate(items):
            name = f"{len(rows):03d}"
            if kind == "box":
                rows.append(box_row(name, item))
            elif isinstance(item, str):
                rows.append({**box_row(name, (0, 0, 1, 1)), "kind": "mask", "mask": item})
            else:
                rows.append(mask_row(name, *item))
            who.append(person)
            label.append(labels[person][place] if labels else 0)
    table = ANNOTATIONS.conform(rows)
    codes = (np.array(who, np.int64), np.array(label, np.int64))
    return collect_objects(unpack(table), np.arange(len(rows)), np.zeros(len(rows), np.int64), *codes, kind)


def match(people, iou_min=0.5, kind="box", labels=None):
    """Matched pairs as rows of the table, with their IoU."""
    objects = collect(people, kind, labels)
    pairs = match_pairs(objects, find_overlaps(objects, 0.01), iou_min)
    rows = objects.rows
    return {
        (int(rows[a]), int(rows[b])): iou
        for a, b, iou in zip(pairs.one.tolist(), pairs.other.tolist(), pairs.iou.tolist(), strict=True)
    }


# ---- overlap ----


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (0, 0, 10, 5), 0.5),  # 50 / 100
        ((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3),  # 50 shared of 100 + 100 - 50
        ((0, 0, 4, 4), (2, 2, 6, 6), 4 / 28),  # 4 shared of 16 + 16 - 4
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),  # they touch
        ((0, 0, 10, 10), (2, 2, 4, 4), 0.04),  # one inside the other: 4 / 100
        ((3, 3, 3, 3), (3, 3, 3, 3), 0.0),  # no area: 0/0 is 0
    ],
)
def test_iou_of_two_boxes_by_hand(one, other, expected):
    assert box_iou(np.array(one, float), np.array(other, float)) == pytest.approx(expected, **EXACT)


@unhurried
@given(boxes_of_one, boxes_of_one)
def test_iou_of_boxes_equals_pycocotools(one, other):
    if not one or not other:
        return
    first, second = np.array(one, float), np.array(other, float)
    sized = [np.column_stack([side[:, :2], side[:, 2:] - side[:, :2]]) for side in (first, second)]
    np.testing.assert_allclose(box_iou(first[:, None], second[None]), coco.iou(*sized, [0] * len(other)), atol=1e-12)


def rle_text(array):
    return from_array(array).to_json()


def mask_overlap(one, other):
    objects = collect([[one], [other]], "mask")
    found = find_overlaps(objects, 1e-6)
    return float(found.iou[0]) if len(found) else 0.0


@unhurried
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.integers(1, 9), st.integers(1, 9))
def test_iou_of_run_lengths_equals_pycocotools(seed, density, height, width):
    rng = np.random.default_rng(seed)
    one, other = (rng.random((height, width)) < density for _ in range(2))
    if not one.any() or not other.any():
        return
    encoded = [coco.encode(np.asfortranarray(side.astype(np.uint8))) for side in (one, other)]
    expected = coco.iou(encoded[:1], encoded[1:], [0])[0, 0]
    assert mask_overlap(rle_text(one), rle_text(other)) == pytest.approx(expected, **EXACT)


@unhurried
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
def test_a_pixel_is_a_unit_square(seed, height, width):
    """Run lengths against polygons, and of another size, equal counting pixels."""
    one, other = (np.random.default_rng(seed + side).random((height, width)) < 0.5 for side in (0, 1))
    if not one.any() or not other.any():
        return
    squares = [[[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]] for y, x in np.argwhere(other).tolist()]
    larger = np.zeros((height + 3, width + 2), bool)
    larger[:height, :width] = other
    expected = (one & other).sum() / (one | other).sum()
    assert mask_overlap(rle_text(one), squares) == pytest.approx(expected, rel=0, abs=1e-9)
    assert mask_overlap(rle_text(one), rle_text(larger)) == pytest.approx(expected, rel=0, abs=1e-9)


SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]
HOLE = [[2, 2], [8, 2], [8, 8], [2, 8]]
BOW = [[0, 0], [10, 10], [10, 0], [0, 10]]  # two triangles of 25 each, left and right
TRIANGLE = [[0, 0], [10, 0], [0, 10]]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([SQUARE], [SQUARE], 1.0),
        ([SQUARE], [[*SQUARE, SQUARE[0]]], 1.0),  # closed or open is the same
        ([SQUARE], [TRIANGLE], 0.5),  # 50 / 100
        ([SQUARE], [SQUARE, HOLE], 0.64),  # a ring inside another is a hole: 64 / 100
        ([SQUARE], [BOW], 0.5),  # where it crosses itself: 50 / 100
        ([[[0, 0], [4, 0], [4, 10], [0, 10]], [[6, 0], [10, 0], [10, 10], [6, 10]]], [SQUARE], 0.8),  # two parts
        ([[[0, 0], [6, 0], [6, 10], [0, 10]], [[4, 0], [10, 0], [10, 10], [4, 10]]], [SQUARE], 1.0),  # parts overlap
    ],
)
def test_iou_of_polygons_by_hand(one, other, expected):
    assert mask_overlap(one, other) == pytest.approx(expected, **EXACT)
    assert mask_overlap(other, one) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize(
    "nothing",
    [[], [[]], [[[0, 0], [9, 9]]], [[[0, 0], [5, 5], [9, 9]]], rle_text(np.zeros((4, 4))), "{}", "[[[0,0],[1,null]]]"],
)
def test_a_mask_without_area_is_no_object(nothing):
    text = nothing if isinstance(nothing, str) else json.dumps(nothing)
    rows = [mask_row("a", SQUARE), {**box_row("b", (0, 0, 1, 1)), "kind": "mask", "mask": text}]
    table = ANNOTATIONS.conform(rows)
    zeros = np.zeros(2, np.int64)
    assert collect_objects(unpack(table), np.arange(2), zeros, np.arange(2), zeros, "mask").rows.tolist() == [0]


@pytest.mark.parametrize("bad", [(1, 1, 1, 5), (1, 1, np.nan, 5), (0, 0, np.inf, 5), (2, 3, 2, 3)])
def test_a_box_without_area_is_no_object(bad):
    assert collect([[bad, (0, 0, 2, 2)]]).rows.tolist() == [1]


def test_corners_out_of_order_are_put_in_order():
    assert match([[(0, 0, 10, 10)], [(10, 10, 0, 0)]]) == {(0, 1): 1.0}


def test_far_coordinates_keep_their_order():
    far = 1e14
    assert match([[(far, 0, far + 64, 10)], [(far, 0, far + 64, 10)]]) == {(0, 1): 1.0}


@unhurried
@given(st.lists(boxes_of_one, min_size=2, max_size=4), st.sampled_from([0.05, 0.3, 0.5]))
def test_overlaps_are_all_pairs_above_the_bar(people, iou_min):
    objects = collect(people)
    found = find_overlaps(objects, iou_min)
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(len(objects)), 2)
        if objects.annotator[i] != objects.annotator[j]
        and shapely.box(*objects.box[i]).intersection(shapely.box(*objects.box[j])).area
        / shapely.box(*objects.box[i]).union(shapely.box(*objects.box[j])).area
        >= iou_min - 1e-12
    }
    assert set(zip(found.one.tolist(), found.other.tolist(), strict=True)) == expected


# ---- two annotators ----


def best_by_force(iou, iou_min):
    """Most matches, then the largest sum of IoU, over every assignment there is."""
    n, m = iou.shape
    if n > m:
        return best_by_force(iou.T, iou_min)
    best = (0, 0.0)
    for columns in itertools.permutations(range(m), n):
        kept = [iou[row, column] for row, column in enumerate(columns) if iou[row, column] >= iou_min]
        best = max(best, (len(kept), round(sum(kept), 9)))
    return best


@unhurried
@given(boxes_of_one, boxes_of_one, st.sampled_from([0.05, 0.2, 0.5]))
def test_the_assignment_is_the_best_there_is(one, other, iou_min):
    found = match([one, other], iou_min)
    iou = box_iou(np.array(one, float).reshape(-1, 1, 4), np.array(other, float).reshape(1, -1, 4))
    count, total = best_by_force(iou, iou_min)
    assert len(found) == count
    assert sum(found.values()) == pytest.approx(total, rel=0, abs=1e-8)
    assert len({a for a, _ in found}) == len({b for _, b in found}) == len(found)


def test_more_matches_come_before_the_best_match():
    """The first of each are equal, but matching them leaves the second ones alone: two matches of 0.6 are better.

    All are 10 high. x 10..26 and 14..30 share 12 of 20 = 0.6, 10..26 and 6..22 as well; 14..30 and 6..22 share 8 of 24.
    """
    anna, ben = [(10, 0, 26, 10), (14, 0, 30, 10)], [(10, 0, 26, 10), (6, 0, 22, 10)]
    assert match([anna, ben]) == {(0, 3): pytest.approx(0.6), (1, 2): pytest.approx(0.6)}
    assert match([anna, ben], 0.61) == {(0, 2): 1.0}


def test_classes_only_break_ties():
    twice = [(0, 0, 10, 10), (0, 0, 10, 10)]
    assert set(match([twice, twice], labels=[(0, 1), (1, 0)])) == {(0, 3), (1, 2)}
    assert set(match([twice, twice], labels=[(0, 1), (0, 1)])) == {(0, 2), (1, 3)}
    near, far = (0, 0, 10, 10), (0, 0, 10, 9)
    assert set(match([[near, far], [near, far]], labels=[(0, 1), (1, 0)])) == {(0, 2), (1, 3)}


def test_the_bar_itself_is_a_match():
    assert len(match([[(0, 0, 10, 10)], [(0, 0, 10, 5)]], 0.5)) == 1
    assert len(match([[(0, 0, 10, 10)], [(0, 0, 10, 5)]], 0.5 + 1e-9)) == 0


def describe(people, labels):
    """Matches and objects by content alone."""
    objects = collect(people, labels=labels)
    pairs = match_pairs(objects, find_overlaps(objects, 0.05), 0.3)
    content = [(*box, int(label)) for box, label in zip(objects.box.tolist(), objects.label, strict=True)]
    matched = sorted(tuple(sorted((content[a], content[b]))) for a, b in zip(pairs.one, pairs.other, strict=True))
    units = cluster(objects, pairs)
    groups = pd.Series(content).groupby(units).apply(lambda group: tuple(sorted(group))) if len(units) else []
    return matched, sorted(groups)


@unhurried
@given(st.lists(boxes_of_one, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_neither_rows_nor_annotators_have_an_order(people, random):
    people = [[(box, number % 2) for number, box in enumerate(dict.fromkeys(items))] for items in people]
    turned = [random.sample(items, len(items)) for items in random.sample(people, len(people))]
    plain, mixed = (
        describe([[box for box, _ in items] for items in side], [[label for _, label in items] for items in side])
        for side in (people, turned)
    )
    assert plain == mixed


# ---- several annotators ----


@unhurried
@given(st.lists(boxes_of_one, min_size=1, max_size=4))
def test_an_object_has_one_row_of_an_annotator_at_most(people):
    objects = collect(people)
    matches = match_pairs(objects, find_overlaps(objects, 0.05), 0.2)
    units = cluster(objects, matches)
    assert not pd.DataFrame({"unit": units, "annotator": objects.annotator}).duplicated().any()
    assert sorted(set(units.tolist())) == list(range(len(set(units.tolist()))))
    if len(people) == 2:  # then the objects are the matches
        assert (units[matches.one] == units[matches.other]).all()
        assert len(set(units.tolist())) == len(objects) - len(matches)


def test_a_chain_is_one_object():
    """IoU of neighbours 8/12 = 0.67, of the first and the last 6/14 = 0.43: below the bar, yet one object."""
    objects = collect([[(0, 0, 10, 10)], [(2, 0, 12, 10)], [(4, 0, 14, 10)]])
    assert cluster(objects, match_pairs(objects, find_overlaps(objects, 0.1), 0.5)).tolist() == [0, 0, 0]


def test_a_chain_that_would_join_an_annotator_with_himself_breaks_at_its_weakest_match():
    """0 and 1 are both anna's: 0-2 (0.9) and 1-3 (0.8) are kept, 2-3 (0.7) is not."""
    objects = collect([[(0, 0, 10, 10), (50, 0, 60, 10)], [(1, 0, 11, 10)], [(40, 0, 50, 10)]])
    chain = Pairs(np.array([0, 2, 1]), np.array([2, 3, 3]), np.array([0.9, 0.7, 0.8]))
    assert cluster(objects, chain).tolist() == [0, 1, 0, 1]


def test_no_objects_at_all():
    objects = collect([[], []])
    matches = match_pairs(objects, find_overlaps(objects, 0.1), 0.5)
    assert len(matches) == len(cluster(objects, matches)) == 0
