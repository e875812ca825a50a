"""Maps laid on each other: known turns are found, scipy finds the same, and the residual says what is left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes

from datatools.evaluate.alignment import align_maps, find_similarity, restart_map
from datatools.evaluate.projection import project_tsne
from datatools.similarity.graph import find_neighbors


def make_map(points: np.ndarray, start: int = 0) -> pd.DataFrame:
    index = pd.Index([f"{number:03}" for number in range(start, start + len(points))], name="path")
    return pd.DataFrame({"x": points[:, 0], "y": points[:, 1], "label": "a"}, index=index)


def cloud(seed: int = 0, n: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2)) * (3, 1)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 2 * np.pi), st.floats(0.01, 100), st.floats(-50, 50), st.booleans())
def test_a_turned_mirrored_scaled_and_shifted_map_comes_back(
    angle: float, scale: float, shift: float, mirror: bool
) -> None:
    old = cloud()
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    new = (old * ([-1, 1] if mirror else [1, 1])) @ turn * scale + shift
    found = align_maps(make_map(old), make_map(new))
    np.testing.assert_allclose(found.after[["x", "y"]], old, atol=1e-6)
    assert found.residual == pytest.approx(0, abs=1e-6)


def test_the_turn_is_that_of_scipy() -> None:
    old, new = cloud(1), cloud(2)
    turn, _ = find_similarity(old, new)
    expected, _ = orthogonal_procrustes(new - new.mean(axis=0), old - old.mean(axis=0))
    np.testing.assert_allclose(turn, expected, atol=1e-9)


def test_the_residual_follows_from_scipys_disparity() -> None:
    """scipy's scale is the least-squares one: disparity = 1 - r^2; with equal spread it is 2 - 2 r, r the fit."""
    old, new = cloud(1), cloud(1) + 0.4 * cloud(2)
    fit = np.sqrt(1 - procrustes(old, new)[2])
    assert align_maps(make_map(old), make_map(new)).residual == pytest.approx(np.sqrt(2 - 2 * fit))


def test_images_of_one_map_only_go_along_and_do_not_count() -> None:
    old = cloud()
    found = align_maps(make_map(old), make_map(np.vstack([old[10:], [[99, 99]]]) + 5, start=10))
    assert len(found.moved) == 40
    assert found.residual == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(found.after.loc["050", ["x", "y"]].astype(float), (99, 99))
    assert list(found.after.columns) == ["x", "y", "label"]


def test_one_image_that_jumped_is_seen() -> None:
    old = cloud()
    new = old.copy()
    new[7] += (4, 4)
    found = align_maps(make_map(old), make_map(new))
    assert found.moved.idxmax() == "007"
    assert found.moved.median() < 0.1 < found.moved.max()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_common_images_leave_the_map_as_it_was(n: int) -> None:
    new = make_map(cloud(3))
    found = align_maps(make_map(cloud(4)[:n]), new)
    assert found.residual is None
    pd.testing.assert_frame_equal(found.after, new)


def test_points_that_are_all_equal_are_no_map() -> None:
    assert align_maps(make_map(np.zeros((9, 2))), make_map(cloud(n=9))).residual is None


def test_maps_that_have_nothing_in_common_are_off_by_much() -> None:
    residual = align_maps(make_map(cloud(1, 4000)), make_map(cloud(2, 4000)[::-1])).residual
    assert residual is not None
    assert 1.2 < residual < 1.42


def test_inputs_stay_as_they_were() -> None:
    old, new = make_map(cloud(1)), make_map(cloud(2))
    copies = old.copy(), new.copy()
    align_maps(old, new)
    pd.testing.assert_frame_equal(old, copies[0])
    pd.testing.assert_frame_equal(new, copies[1])


def two_groups(n: int = 40) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    """Paths, embeddings of two far groups in turn, and 5 neighbours of each."""
    rng = np.random.default_rng(7)
    embeddings = rng.normal(scale=0.1, size=(n, 8)).astype(np.float32)
    embeddings[:, 0] += np.arange(n) % 2 * 4
    return pd.Index([f"{number:03}" for number in range(n)]), embeddings, find_neighbors(embeddings, 5)[0]


def test_a_map_that_begins_at_the_old_places_stays_there() -> None:
    paths, embeddings, indices = two_groups()
    whole = pd.DataFrame(project_tsne(embeddings, indices), index=paths, columns=["x", "y"])
    anew = restart_map(whole, paths, embeddings, indices)
    assert align_maps(whole, anew).residual < 0.1


def test_new_images_go_to_their_neighbours_and_apart() -> None:
    paths, embeddings, indices = two_groups()
    whole = pd.DataFrame(project_tsne(embeddings, indices), index=paths, columns=["x", "y"])
    anew = restart_map(whole.drop(["010", "012", "013"]), paths, embeddings, indices)
    middles = [anew.iloc[side::2].median() for side in (0, 1)]
    for path, side in (("010", 0), ("012", 0), ("013", 1)):
        near, far = (np.linalg.norm(anew.loc[path] - middles[number]) for number in (side, 1 - side))
        assert near < far
    assert not np.allclose(anew.loc["010"], anew.loc["012"])


def test_the_same_start_gives_the_same_map() -> None:
    paths, embeddings, indices = two_groups()
    before = make_map(cloud(3, 30))[["x", "y"]]
    one, other = (restart_map(before, paths, embeddings, indices) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    assert list(one.columns) == ["x", "y"]


def test_a_start_without_any_old_image_still_gives_a_map() -> None:
    paths, embeddings, indices = two_groups()
    anew = restart_map(make_map(np.zeros((0, 2)))[["x", "y"]], paths, embeddings, indices)
    assert np.isfinite(anew).all(axis=None)
    assert len(anew.drop_duplicates()) == len(anew)
