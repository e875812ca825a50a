from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from threadpoolctl import threadpool_limits

from datatools.evaluate import projection
from datatools.evaluate.projection import project_tsne


def clouds(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    return (rng.normal(size=(n, d)) + 12 * np.eye(3, d)[labels]).astype(np.float32), labels


def graph_of(rows: np.ndarray, k: int = 15) -> np.ndarray:
    """Indices of the nearest rows, the row itself not among them."""
    k = min(k, len(rows) - 1)
    if k < 1:
        return np.zeros((len(rows), 0), dtype=np.int32)
    return NearestNeighbors(n_neighbors=k).fit(rows).kneighbors(return_distance=False).astype(np.int32)


def project(rows: np.ndarray, k: int = 15) -> np.ndarray:
    return project_tsne(rows, graph_of(rows, k))


def test_clouds_stay_apart_and_neighbours_together():
    rows, labels = clouds(150, 60)
    points = project(rows)
    assert points.shape == (150, 2)
    assert KNeighborsClassifier(5).fit(points, labels).score(points, labels) == 1.0
    assert trustworthiness(rows, points) > 0.75
    assert trustworthiness(rows, np.random.default_rng(0).permutation(points)) < 0.6


@pytest.mark.parametrize("fft_from", [10, 1000], ids=["fft", "tree"])
def test_same_input_same_bytes_and_input_unchanged(monkeypatch, fft_from):
    monkeypatch.setattr(projection, "FFT_FROM", fft_from)
    rows, _ = clouds(60, 8)
    indices = graph_of(rows, 5)
    before = rows.copy(), indices.copy()
    one, other = project_tsne(rows, indices), project_tsne(rows, indices)
    assert one.tobytes() == other.tobytes()
    np.testing.assert_array_equal(rows, before[0])
    np.testing.assert_array_equal(indices, before[1])


def test_both_ways_to_compute_repulsion_tell_the_same_story(monkeypatch):
    rows, labels = clouds(150, 20)
    tree = project(rows)
    monkeypatch.setattr(projection, "FFT_FROM", 1)
    fft = project(rows)
    for points in (tree, fft):
        assert KNeighborsClassifier(5).fit(points, labels).score(points, labels) == 1.0
    assert trustworthiness(rows, fft) == pytest.approx(trustworthiness(rows, tree), abs=0.03)


def test_points_stay_where_they_were_when_the_data_grows():
    rows, _ = clouds(320, 10)
    rows[:, 1] *= 2  # two directions that differ in length: the start is well defined
    old, new = project(rows[:300]), project(rows)[:300]
    moved = np.linalg.norm(old - new, axis=1)
    radius = np.sqrt(((new - new.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert np.median(moved) < 0.5 * radius


def test_who_is_in_the_graph_counts_not_what_the_embeddings_say():
    """Two rings that the graph keeps apart come apart, though their embeddings are mixed."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 5)).astype(np.float32)
    half = np.arange(40)
    ring = np.stack([(half + step) % 40 for step in (1, 2, 3, 37, 38, 39)], axis=1)
    indices = np.concatenate([ring, ring + 40]).astype(np.int32)
    points = project_tsne(rows, indices)
    side = np.repeat([0, 1], 40)
    assert KNeighborsClassifier(3).fit(points, side).score(points, side) > 0.95


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 31])
@pytest.mark.parametrize("d", [1, 2, 70])
def test_few_points_have_a_defined_answer(n, d):
    rows = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = project(rows)
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()
    assert n < 3 or np.ptp(points, axis=0).min() > 0


def test_one_and_two_points_stand_on_a_line():
    np.testing.assert_array_equal(project(np.ones((2, 5), np.float32)), [[0, 0], [1, 0]])


def test_equal_points_stand_at_the_origin():
    np.testing.assert_array_equal(project(np.ones((9, 5), np.float32)), np.zeros((9, 2)))


@settings(max_examples=15, deadline=None)
@given(st.integers(3, 40), st.integers(1, 6), st.integers(0, 99))
def test_copies_among_the_points_are_no_crash(n: int, d: int, seed: int):
    rows = np.random.default_rng(seed).integers(0, 2, size=(n, d)).astype(np.float32)
    points = project(rows, 3)
    assert points.shape == (n, 2) and np.isfinite(points).all()


def test_the_start_is_the_same_with_any_number_of_blas_threads():
    rows, _ = clouds(200, 30)
    with threadpool_limits(1, user_api="blas"):
        one = project(rows)
    with threadpool_limits(4, user_api="blas"):
        several = project(rows)
    assert one.tobytes() == several.tobytes()
