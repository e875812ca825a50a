from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.learn.spread import average_spread, measure_spread


def points(seed: int, *scales: float, n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = [rng.normal(number * 5, scale, (n, 4)) for number, scale in enumerate(scales)]
    return np.concatenate(rows).astype(np.float32), np.repeat(np.arange(len(scales)), n)


def test_the_spread_is_the_trace_of_the_covariance_over_its_median():
    embeddings, labels = points(0, 1.0, 2.0, 0.1)
    traces = np.array([np.trace(np.cov(embeddings[labels == k].T.astype(float))) for k in range(3)])
    np.testing.assert_allclose(measure_spread(embeddings, labels, 3), traces / np.median(traces), rtol=1e-6)


def test_classes_that_are_too_small_have_none():
    spread = measure_spread(np.zeros((1, 3), np.float32), np.array([1]), 3)
    assert np.isnan(spread).all()


def test_equal_points_do_not_spread_and_neither_does_the_median():
    embeddings = np.zeros((6, 2), np.float32)
    embeddings[0, 0] = 1
    np.testing.assert_array_equal(measure_spread(embeddings, np.array([0, 0, 1, 1, 2, 2]), 4)[:3], [np.inf, 1, 1])


@given(st.integers(0, 9), st.floats(0.1, 10))
def test_scale_and_place_of_all_points_do_not_matter(seed: int, factor: float):
    embeddings, labels = points(seed, 1.0, 0.5, 2.0)
    moved = (embeddings * factor + 3).astype(np.float32)
    np.testing.assert_allclose(measure_spread(moved, labels, 3), measure_spread(embeddings, labels, 3), rtol=1e-3)


def test_folds_are_weighed_by_their_rows():
    spreads = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.nan]])
    mean = average_spread(spreads, np.array([[1, 5, 0], [3, 4, 0]]))
    assert mean[:2].tolist() == [pytest.approx(2.5), 2.0]
    assert np.isnan(mean[2])
