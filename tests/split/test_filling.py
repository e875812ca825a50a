from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from datatools.split.filling import fill_sides

RATIOS = np.array([0.7, 0.2, 0.1])


def fill(counts, ratios=RATIOS, placed=None, seed=0):
    """`counts`: a row a unit; the last column, its images, is the sum of the others."""
    counts = np.array(counts, dtype=float).reshape(len(counts), -1)
    counts = np.hstack([counts, counts.sum(axis=1, keepdims=True)])
    placed = np.zeros((len(ratios), counts.shape[1])) if placed is None else placed
    return fill_sides(csr_matrix(counts), [f"u{number}" for number in range(len(counts))], ratios, placed, seed), counts


def error_of(sides, counts, ratios):
    """As the docstring of _Aim says it, column by column."""
    totals, n = counts.sum(axis=0), counts[:, -1].sum()
    filled = np.stack([counts[np.asarray(sides) == side].sum(axis=0) for side in range(len(ratios))])
    weights = 1 / np.sqrt(np.maximum((counts**2).sum(axis=0), 1) * n)
    classes = (weights * (filled - filled[:, -1:] * totals / n) ** 2)[:, :-1].sum(axis=1)
    return ((classes + weights[-1] * (filled[:, -1] - ratios * n) ** 2) / ratios).sum()


@pytest.fixture
def unpolished(monkeypatch):
    """Filling alone: what a polish does is in test_polishing."""
    monkeypatch.setattr("datatools.split.filling.is_uneven", lambda held, scales: False)
    monkeypatch.setattr("datatools.split.polishing.MUST_HAVE", math.inf)


def test_it_is_close_to_the_best_of_all_assignments(unpolished):
    """Of 100 small cases: more than half are the best there is, and on average it is not far."""
    rng, found, best = np.random.default_rng(0), [], []
    for _ in range(100):
        sides, counts = fill(rng.integers(1, 5, (rng.integers(1, 7), 2)))
        found.append(error_of(sides, counts, RATIOS))
        best.append(min(error_of(choice, counts, RATIOS) for choice in itertools.product(range(3), repeat=len(sides))))
    assert np.mean(np.isclose(found, best)) > 0.5
    assert np.mean(found) < 1.25 * np.mean(best)


@settings(deadline=None, max_examples=40, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(any), min_size=2, max_size=9))
def test_no_single_move_would_be_better(unpolished, monkeypatch, rows):
    monkeypatch.setattr("datatools.split.filling.LIMITS", (math.inf,))
    sides, counts = fill(rows)
    here = error_of(sides, counts, RATIOS)
    for number, side in itertools.product(range(len(rows)), range(3)):
        moved = sides.copy()
        moved[number] = side
        if (moved == 0).any():
            assert error_of(moved, counts, RATIOS) > here - 1e-6  # floats differ by the order of sums


def test_what_is_placed_already_counts():
    placed = np.array([[0, 0], [40, 40], [0, 0]])
    sides, _ = fill([[1]] * 60, placed=placed)
    assert np.bincount(sides, minlength=3).tolist() == [53, 0, 7], "val is full; train and test share the rest"


def test_a_side_of_ratio_0_takes_none():
    sides, _ = fill([[1]] * 10, ratios=np.array([0.0, 0.5, 0.5]))
    assert np.bincount(sides, minlength=3).tolist() == [0, 5, 5]


def test_train_gets_the_smallest_unit_rather_than_none():
    sides, _ = fill([[5], [3], [2]], ratios=np.array([0.01, 0.01, 0.98]))
    assert sides.tolist() == [2, 2, 0]


def test_no_units():
    assert fill_sides(csr_matrix((0, 1)), [], RATIOS, np.zeros((3, 1)), 0).tolist() == []


@pytest.mark.parametrize("k", [2, 5])
def test_any_number_of_sides(k):
    sides, _ = fill([[1, 0]] * 20 + [[0, 1]] * 20, ratios=np.full(k, 1 / k))
    assert np.bincount(sides[:20]).tolist() == np.bincount(sides[20:]).tolist() == [20 // k] * k


@pytest.mark.parametrize("seed", range(20))
def test_single_images_are_exact_to_rounding(seed):
    rng = np.random.default_rng(seed)
    n_classes, ratios = rng.integers(1, 30), rng.permuted([0.5, 0.3, 0.2])
    labels = rng.choice(n_classes, size=rng.integers(1, 600), p=rng.dirichlet(np.ones(n_classes)))
    sides, _ = fill(np.eye(n_classes)[labels], ratios=ratios)
    for label, n in enumerate(np.bincount(labels, minlength=n_classes)):
        assert (abs(np.bincount(sides[labels == label], minlength=3) - n * ratios) < 1.5).all()


def test_a_large_group_is_kept_out_of_a_small_side():
    """One group of 9, of one class, and 90 single images of three: test has 10 images and stays mixed."""
    sides, _ = fill([[9, 0, 0]] + [[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 30)
    assert sides[0] == 0
    assert np.bincount(sides[1:], minlength=3)[2] in (9, 10)


def test_groups_may_fill_a_small_side_where_nothing_else_can():
    sides, _ = fill([[2, 2]] * 25)
    assert np.bincount(sides, minlength=3).tolist() == [18, 5, 2] or np.bincount(sides, minlength=3).tolist() == [
        17,
        5,
        3,
    ]


def test_a_side_that_cannot_have_its_size_still_gets_its_part_of_each_class():
    """Val has far too much of both classes; test and train are free: each new image of a class goes where its class lacks."""
    placed = np.array([[0, 0, 0], [60, 30, 90], [0, 0, 0]])
    sides, counts = fill([[2, 0]] * 20 + [[0, 2]] * 10, placed=placed)
    for side in (0, 2):
        share = counts[sides == side, 0].sum() / counts[sides == side, -1].sum()
        assert abs(share - 2 / 3) < 0.1
