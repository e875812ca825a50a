from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.split.exchanging import MAX_UNITS, exchange

RATIOS = np.array([0.7, 0.2, 0.1])


def error_of(counts, sides, weights):
    gaps = RATIOS[:, None] * counts.sum(axis=0) - np.stack([counts[sides == side].sum(axis=0) for side in range(3)])
    return float((weights * gaps**2 / RATIOS[:, None]).sum()), gaps


def run(counts, sides):
    """The sides after the exchange, and the error before and after; the gaps are kept up to date."""
    counts, sides = np.asarray(counts, dtype=float), np.array(sides, dtype=np.int8)
    weights = 1 / np.maximum((counts**2).sum(axis=0), 1)
    before, gaps = error_of(counts, sides, weights)
    exchange(counts, sides, gaps, weights, RATIOS)
    after, counted = error_of(counts, sides, weights)
    np.testing.assert_allclose(gaps, counted, atol=1e-9)
    return sides.tolist(), before, after


def test_two_groups_change_places_where_a_move_alone_would_not_help():
    """Train has too much of class a, test of class b; sizes are right."""
    counts = [[7, 7], [7, 7], [7, 7], [7, 7], [7, 7], [8, 6], [7, 7], [10, 10], [2, 0], [0, 2]]
    sides, before, after = run(counts, [0, 0, 0, 0, 0, 0, 0, 1, 2, 2])
    assert after <= before and len(sides) == 10


@settings(deadline=None, max_examples=60, database=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2)).filter(lambda row: row[0] + row[1]),
        min_size=2,
        max_size=12,
    )
)
def test_no_exchange_is_left_that_would_help(rows):
    rows = sorted(rows, reverse=True)
    counts = np.array([(a, b, a + b) for a, b, _ in rows], dtype=float)
    sides, before, after = run(counts, [side for *_, side in rows])
    assert after <= before + 1e-9
    weights = 1 / np.maximum((counts**2).sum(axis=0), 1)
    for one in range(len(rows)):
        for other in range(one):
            swapped = np.array(sides)
            swapped[[one, other]] = swapped[[other, one]]
            assert error_of(counts, swapped, weights)[0] > after - 1e-6


def test_a_side_of_ratio_0_gets_nothing():
    counts, sides = np.array([[2.0], [3.0], [4.0]]), np.array([0, 0, 0], dtype=np.int8)
    ratios = np.array([0.5, 0.5, 0.0])
    gaps = np.array([[-4.5], [4.5], [0.0]])
    exchange(counts, sides, gaps, np.array([0.1]), ratios)
    assert set(sides.tolist()) == {0, 1} and gaps.ravel().tolist() in ([-0.5, 0.5, 0.0], [0.5, -0.5, 0.0])


def test_only_the_largest_units_take_part_and_one_alone_does_not():
    counts = np.ones((MAX_UNITS + 5, 1))
    sides = np.zeros(len(counts), dtype=np.int8)
    gaps = RATIOS[:, None] * len(counts) - np.array([[len(counts)], [0], [0]])
    exchange(counts, sides, gaps, np.array([1.0]), RATIOS)
    assert sides[MAX_UNITS:].tolist() == [0] * 5 and set(sides[:MAX_UNITS].tolist()) == {0, 1, 2}
    alone = np.zeros(1, dtype=np.int8)
    exchange(np.ones((1, 1)), alone, np.array([[-9.0], [9.0], [0.0]]), np.array([1.0]), RATIOS)
    assert alone.tolist() == [0]
