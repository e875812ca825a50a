from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from datatools.split import polishing
from datatools.split.filling import fill_sides
from datatools.split.polishing import MAX_UNITS, MUST_HAVE, SHARE, SIZE, Polish, choose_units, is_uneven

RATIOS = np.array([0.7, 0.2, 0.1])
ANY = np.full(3, np.inf)
ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(any), min_size=2, max_size=6)


def make(rows, sides, placed=None, most=ANY, scales=None, ratios=RATIOS):
    """A search over units with these counts of each class; the last column, their images, is the sum of the others."""
    counts = np.array(rows, dtype=float).reshape(len(rows), -1)
    counts = np.hstack([counts, counts.sum(axis=1, keepdims=True)])
    sides = np.array(sides, dtype=np.int8)
    placed = np.zeros((len(ratios), counts.shape[1])) if placed is None else np.array(placed, dtype=float)
    held = placed + np.stack([counts[sides == side].sum(axis=0) for side in range(len(ratios))])
    scales = np.ones(counts.shape[1]) if scales is None else np.array(scales, dtype=float)
    return Polish(counts, sides, held, ratios, scales, most), counts


def penalty_of(counts, sides, ratios=RATIOS):
    """As the docstring of the module says it, number by number."""
    shares, total, penalty = counts.sum(axis=0) / counts[:, -1].sum(), counts[:, -1].sum(), 0.0
    for side, ratio in enumerate(ratios):
        held = counts[np.asarray(sides) == side].sum(axis=0)
        offs = [n / max(held[-1], 1) - share for n, share in zip(held[:-1], shares[:-1])]
        must_have = not held[-1] and ratio * total >= MUST_HAVE
        penalty += sum(((1 if must_have else off) / SHARE) ** 4 for off in offs)
        penalty += ((held[-1] - ratio * total) / max(SIZE * total, 1)) ** 4
    return penalty


@settings(deadline=None, max_examples=60, database=None)
@given(ROWS, st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_the_penalty_falls_and_no_exchange_is_left_that_would_help(rows, sides):
    search, counts = make(sorted(rows, key=sum, reverse=True), sides[: len(rows)])
    before, widest = penalty_of(counts, search.sides), search.widest
    assert search.penalty == pytest.approx(before)
    search.settle()
    after = penalty_of(counts, search.sides)
    assert search.penalty == pytest.approx(after) and after <= before * (1 + 1e-9)
    np.testing.assert_allclose(search.held, [counts[search.sides == side].sum(axis=0) for side in range(3)])
    for one, other in itertools.combinations(range(len(rows)), 2):
        swapped = search.sides.copy()
        swapped[[one, other]] = swapped[[other, one]]
        sizes = np.array([counts[swapped == side, -1].sum() for side in range(3)])
        if (abs(sizes - search.parts) <= widest).all():
            assert penalty_of(counts, swapped) >= after * (1 - 1e-5) - 1e-9


@settings(deadline=None, max_examples=30, database=None)
@given(ROWS)
def test_forcing_never_makes_it_worse(rows):
    search, counts = make(sorted(rows, key=sum, reverse=True), [0] * len(rows))
    search.settle()
    before = search.penalty
    search.force()
    assert search.penalty <= before and search.penalty == pytest.approx(penalty_of(counts, search.sides))


@pytest.mark.parametrize(
    ("sizes", "ratios", "expected"),
    [
        ((50, 30, 20), (0.7, 0.2, 0.1), [50, 30, 20]),
        ((90, 5, 5), (0.7, 0.2, 0.1), [90, 5, 5]),
        ((20, 20, 20, 20, 20), (0.6, 0.2, 0.2), [60, 20, 20]),
        ((136, 32, 12, 11, 9), (0.7, 0.2, 0.1), None),
        ((100, 100), (0.7, 0.2, 0.1), [200, 0, 0]),  # each larger than two of the smaller sides
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_few_groups_leave_no_side_empty_that_one_of_them_fits(sizes, ratios, expected, seed):
    """Each group has a class of its own: class shares alone would rather have an empty side."""
    rng = np.random.default_rng(seed)
    rows = [np.bincount(rng.choice(4, n, p=rng.dirichlet([0.3] * 4)), minlength=4).tolist() for n in sizes]
    counts = csr_matrix(np.hstack([rows, np.array(sizes)[:, None]]).astype(float))
    sides = fill_sides(counts, [f"g{n}" for n in range(len(sizes))], np.array(ratios), np.zeros((3, 5)), seed)
    found = [int(np.array(sizes)[sides == side].sum()) for side in range(3)]
    assert found == expected if expected else all(found)


def test_forcing_finds_what_single_exchanges_do_not():
    """Of 60 small cases the best of all assignments is found more often."""
    rng, alone, forced = np.random.default_rng(0), [], []
    for _ in range(60):
        rows = sorted(rng.integers(0, 9, (6, 3)).tolist(), key=sum, reverse=True)
        search, counts = make(rows, [0, 0, 0, 1, 1, 2])
        search.widest = np.full(3, np.inf)
        best = min(penalty_of(counts, choice) for choice in itertools.product(range(3), repeat=6))
        search.settle()
        alone.append(search.penalty <= best * 1.001)
        search.force()
        forced.append(search.penalty <= best * 1.001)
    assert np.mean(forced) > max(np.mean(alone), 0.8)


def test_the_class_that_is_furthest_off_comes_nearer():
    """Val lacks the third class and test the first; after the search no class is as far off as the worst was."""
    search, _ = make(
        [[4, 0, 0], [0, 4, 0], [0, 0, 4]] * 5, [0] * 10 + [1, 1, 1, 2, 2], placed=[[20, 0, 0, 20]] + [[0] * 4] * 2
    )
    before = np.abs(search.held[:, :-1] / search.held[:, -1:] - search.shares).max()
    search.settle()
    assert np.abs(search.held[:, :-1] / search.held[:, -1:] - search.shares).max() < before


def test_a_unit_too_large_for_a_side_does_not_come_to_it():
    rows, sides = [[9, 1], [1, 9]] + [[1, 0], [0, 1]] * 20, [0, 0] + [0, 0] * 10 + [1, 2] * 10
    search, _ = make(rows, sides, most=np.array([np.inf, 4, 2]))
    search.settle()
    search.force()
    assert search.sides[:2].tolist() == [0, 0]


def test_a_side_of_ratio_0_gets_nothing():
    search, _ = make([[2, 0], [0, 2], [2, 0], [0, 2]], [0, 0, 0, 0], ratios=np.array([0.5, 0.5, 0.0]))
    search.settle()
    search.force()
    assert 2 not in search.sides


def test_sizes_stay_within_their_room():
    """Only a far larger test side would have the classes right."""
    search, counts = make([[1, 0]] * 90 + [[0, 10]], [0] * 63 + [1] * 18 + [2] * 9 + [0], placed=[[0] * 3] * 3)
    search.settle()
    sizes = np.array([counts[search.sides == side, -1].sum() for side in range(3)])
    assert (abs(sizes - search.parts) <= search.widest).all() and search.widest.max() <= 15


def test_the_work_is_bounded(monkeypatch):
    monkeypatch.setattr(polishing, "MAX_WORK", 0)
    search, _ = make([[2, 0], [0, 2]] * 5, [0, 1] * 5)
    sides = search.sides.tolist()
    search.settle()
    search.force()
    assert search.sides.tolist() == sides and search.work == 0


@pytest.mark.parametrize(
    ("held", "scale", "uneven"),
    [
        ([[70, 70, 140], [20, 20, 40], [10, 10, 20]], 1, False),
        ([[71, 69, 140], [19, 21, 40], [10, 10, 20]], 1, False),  # rounding
        ([[72, 68, 140], [18, 22, 40], [10, 10, 20]], 1, True),
        ([[70_020, 69_980, 140_000], [20_000, 20_000, 40_000], [9_980, 10_020, 20_000]], 1, False),  # a thousandth
        ([[70_050, 69_950, 140_000], [20_000, 20_000, 40_000], [9_950, 10_050, 20_000]], 1, True),
        (
            [[70_050, 69_950, 140_000], [20_000, 20_000, 40_000], [9_950, 10_050, 20_000]],
            3,
            False,
        ),  # of 3 objects an image
    ],
)
def test_rounding_is_no_reason(held, scale, uneven):
    assert is_uneven(np.array(held, dtype=float), np.array([scale, scale, 1.0])) is uneven


def test_the_largest_and_the_smallest_take_part():
    order = np.arange(3 * MAX_UNITS)
    chosen = choose_units(order)
    assert len(chosen) == MAX_UNITS and chosen[0] == 0 and chosen[-1] == order[-1]
    assert choose_units(order[:5]).tolist() == [0, 1, 2, 3, 4]


def test_objects_count_by_what_an_image_has():
    """The same pull of 10 objects a class weighs less where an image has ten of them."""
    one, _ = make([[5, 5]] * 4, [0, 0, 1, 2])
    ten, _ = make([[5, 5]] * 4, [0, 0, 1, 2], scales=[10, 10, 1])
    one.held[0, 0] += 3
    ten.held[0, 0] += 3
    assert ten.measure() < one.measure()
