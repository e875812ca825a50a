from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.checks.pairs import PIXELS, find_crossing_boxes, find_odd, iter_near, shares

STARTS = st.one_of(st.integers(-3, 9).map(float), st.floats(-5, 2 * PIXELS, allow_nan=False))
SPANS = st.lists(st.tuples(st.integers(0, 2), STARTS, st.floats(0, 4)), max_size=12)


def near(spans, scale=1):
    group = np.array([item[0] for item in spans], np.int64) * scale
    start = np.array([item[1] for item in spans], float)
    found = iter_near(group, start, start + np.array([item[2] for item in spans], float))
    return {pair for one, other in found for pair in zip(one.tolist(), other.tolist(), strict=True)}


@given(SPANS)
def test_all_pairs_within_reach_are_found_once(spans):
    found = near(spans)
    for one, other in combinations(range(len(spans)), 2):
        first, second = sorted((spans[one], spans[other]), key=lambda item: item[1])
        if first[0] == second[0] and second[1] <= first[1] + first[2]:
            assert (one, other) in found
    assert all(one < other and spans[one][0] == spans[other][0] for one, other in found)
    assert near(spans, scale=2**41) == found  # too large to be sorted with their positions
    assert near(spans, scale=2**50) == found  # too large to be multiplied


def test_pairs_far_apart_do_not_come():
    assert near([(0, 0.0, 1.0), (0, 3.0, 1.0), (0, 3.5, 0.0)]) == {(1, 2)}


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 4), max_size=10))
def test_crossing_boxes_are_those_that_share_an_area(corners):
    boxes = np.array([[min(a, b), min(c, d), max(a, b), max(c, d)] for a, b, c, d in corners], float).reshape(-1, 4)
    found = {*zip(*map(np.ndarray.tolist, find_crossing_boxes(np.zeros(len(boxes), np.int64), boxes)), strict=True)}
    wanted = {
        (one, other)
        for one, other in combinations(range(len(boxes)), 2)
        if (np.maximum(boxes[one, :2], boxes[other, :2]) <= np.minimum(boxes[one, 2:], boxes[other, 2:])).all()
    }
    assert found == wanted


def test_shares_are_of_the_group_of_each():
    n, share = shares(np.array([0, 3]), np.array([0, 0, 0, -1, 1, -1]))
    assert n.tolist() == [3, 2]
    assert share == pytest.approx([1 / 3, 1 / 2])
    assert [len(values) for values in shares(np.empty(0, np.int64), np.empty(0, np.int64))] == [0, 0]


@pytest.mark.parametrize(("rule", "n_found"), [("auto", 1), ("odd", 3), ("allowed", 0)])
def test_odd_is_what_a_large_class_hardly_ever_has(rule, n_found):
    has_it = np.zeros(104, bool)
    has_it[[5, 101, 102]] = True
    groups = np.array([0] * 100 + [1] * 4)
    assert len(find_odd(has_it, groups, rule)) == n_found
