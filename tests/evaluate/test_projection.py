from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from datatools.evaluate.projection import project_tsne


def clouds(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    return (rng.normal(size=(n, d)) + 12 * np.eye(3, d)[labels]).astype(np.float32), labels


def test_clouds_stay_apart():
    embeddings, labels = clouds(120, 60)
    points = project_tsne(embeddings, 20, seed=0)
    assert points.shape == (120, 2)
    assert KNeighborsClassifier(5).fit(points, labels).score(points, labels) == 1.0


def test_same_seed_same_points_and_input_unchanged():
    embeddings, _ = clouds(40, 8)
    before = embeddings.copy()
    np.testing.assert_array_equal(project_tsne(embeddings, 10, 0), project_tsne(embeddings, 10, 0))
    np.testing.assert_array_equal(embeddings, before)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 31, 60])
@pytest.mark.parametrize("d", [1, 2, 70])
def test_few_points_have_a_defined_answer(n, d):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = project_tsne(np.random.default_rng(0).normal(size=(n, d)).astype(np.float32), 30, seed=0)
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()


def test_one_and_two_points_stand_on_a_line():
    np.testing.assert_array_equal(project_tsne(np.ones((2, 5), np.float32), 30, 0), [[0, 0], [1, 0]])


def test_equal_points_stand_at_the_origin():
    np.testing.assert_array_equal(project_tsne(np.ones((9, 5), np.float32), 30, 0), np.zeros((9, 2)))


def test_a_row_that_is_not_finite_is_no_crash():
    embeddings, _ = clouds(20, 8)
    embeddings[3, 2] = np.nan
    assert np.isfinite(project_tsne(embeddings, 5, 0)).all()
