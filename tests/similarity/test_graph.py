from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.errors import DatatoolsError, MissingExtraError
from datatools.similarity import graph as neighbors
from datatools.similarity.graph import (
    Neighbors,
    find_candidates,
    find_neighbors,
    load_neighbors,
    measure_similarity,
    repeat_copies,
    save_neighbors,
)

faiss = pytest.importorskip("faiss", reason="neighbours need the extra 'train'")


def unit_rows(n, d=8, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def brute_force(embeddings, k):
    """Every pair in double precision, one row after the other; ties by row number."""
    points = embeddings.astype(np.float64)
    indices, similarities = [], []
    for row in range(len(points)):
        found = sorted((-np.float32(np.dot(points[row], points[other])), other) for other in range(len(points)) if other != row)  # fmt: skip
        indices.append([other for _, other in found[:k]])
        similarities.append([-value for value, _ in found[:k]])
    return np.array(indices).reshape(len(points), -1), np.array(similarities).reshape(len(points), -1)


def same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert (found[0].dtype, found[1].dtype) == (np.int32, np.float32)


@pytest.mark.parametrize(("n", "k"), [(1, 3), (2, 1), (2, 5), (5, 4), (40, 3), (300, 16)])
def test_equal_to_brute_force(n, k):
    rows = unit_rows(n)
    same(find_neighbors(rows, k), brute_force(rows, k))


@settings(max_examples=40, database=None)
@given(picks=st.lists(st.integers(0, 4), min_size=2, max_size=40), k=st.integers(1, 6))
def test_equal_images_are_ordered_by_row_number(picks, k):
    rows = np.eye(5, 8, dtype=np.float32)[picks]
    same(find_neighbors(rows, k), brute_force(rows, k))


def test_more_equals_than_are_looked_at():
    rows = np.concatenate([np.repeat(unit_rows(1), 60, axis=0), unit_rows(20, seed=1)])
    same(find_neighbors(rows, 4), brute_force(rows, 4))


def test_the_number_of_threads_and_the_size_of_blocks_change_nothing(monkeypatch):
    rows = unit_rows(200, 64)
    expected = find_neighbors(rows, 10)
    monkeypatch.setattr(neighbors, "BLOCK", 7)
    before = faiss.omp_get_max_threads()
    try:
        for n_threads in (1, 3):
            faiss.omp_set_num_threads(n_threads)
            same(find_neighbors(rows, 10), expected)
    finally:
        faiss.omp_set_num_threads(before)


@pytest.mark.parametrize("asked", [[], [7], [3, 1, 3], range(59, -1, -1)])
def test_some_rows_get_what_they_get_among_all(asked):
    rows = unit_rows(60)
    expected = brute_force(rows, 5)
    asked = np.array(asked, dtype=np.int64)
    same(find_neighbors(rows, 5, asked), (expected[0][asked], expected[1][asked]))


def test_no_images():
    indices, similarities = find_neighbors(np.zeros((0, 4), np.float32), 3)
    assert indices.shape == similarities.shape == (0, 0)


@settings(max_examples=40, database=None)
@given(content=st.lists(st.integers(0, 5), min_size=1, max_size=25), k=st.integers(1, 7))
def test_copies_get_what_a_search_over_all_images_gives(content, k):
    _, numbers = np.unique(content, return_inverse=True)
    rows = unit_rows(numbers.max() + 1)
    distinct = Neighbors((), rows, *find_neighbors(rows, k))
    same(repeat_copies(distinct, numbers, k), brute_force(rows[numbers], k))


def graph_of(rows, k):
    return Neighbors(tuple(f"{n}.png" for n in range(len(rows))), rows, *find_neighbors(rows, k))


@settings(max_examples=40, database=None)
@given(n=st.integers(0, 40), k=st.integers(1, 5), radius=st.sampled_from([-1.0, 0.0, 0.3, 0.8, 1.0]))
def test_candidates_are_all_pairs_in_the_radius_where_the_cap_is_wide(n, k, radius):
    rows = unit_rows(n, 3)
    found, crowded = find_candidates(graph_of(rows, k), radius, 100)
    wanted = [(i, j) for i in range(n) for j in range(i + 1, n) if measure_similarity(rows, [i], [j])[0] >= radius]
    assert [tuple(pair) for pair in found.tolist()] == wanted
    assert crowded == 0


def test_an_image_with_more_neighbours_in_the_radius_than_the_cap_is_crowded():
    rows = np.concatenate([unit_rows(6, 3) * 1e-3 + [1, 0, 0], -np.eye(3)]).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for k in (1, 2, 5):
        found, crowded = find_candidates(graph_of(rows, k), 0.9, 2)
        assert crowded == 6
        assert 6 <= len(found) <= 12
        assert (found < 6).all()


def test_load_gives_what_was_saved_and_equal_content_equal_bytes(tmp_path: Path):
    given_graph = graph_of(unit_rows(12), 3)
    for folder in (tmp_path / "a", tmp_path / "b"):
        save_neighbors(folder, given_graph, {"model": "x"})
    found = load_neighbors(tmp_path / "a")
    assert found.paths == given_graph.paths
    for name in ("embeddings", "indices", "similarities"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given_graph, name))
        assert getattr(found, name).dtype == getattr(given_graph, name).dtype
    for file in neighbors.FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("n", [0, 1])
def test_an_empty_graph_is_saved_and_loaded(tmp_path: Path, n: int):
    nothing = np.zeros((n, 0), np.float32)
    save_neighbors(tmp_path, Neighbors(("a.png",) * n, nothing, nothing.astype(np.int32), nothing), {})
    assert load_neighbors(tmp_path).paths == ("a.png",) * n


@pytest.mark.parametrize("file", neighbors.FILES[:2])
@pytest.mark.parametrize("spoil", ["gone", "torn", "junk", "other run"])
def test_files_that_are_broken_or_of_another_run(tmp_path: Path, file: str, spoil: str):
    save_neighbors(tmp_path, graph_of(unit_rows(12), 3), {})
    data = (tmp_path / file).read_bytes()
    if spoil == "gone":
        (tmp_path / file).unlink()
    elif spoil == "other run":
        save_neighbors(tmp_path / "other", graph_of(unit_rows(5), 3), {})
        (tmp_path / file).write_bytes((tmp_path / "other" / file).read_bytes())
    else:
        (tmp_path / file).write_bytes(b"junk" if spoil == "junk" else data[: len(data) // 2])
    with pytest.raises(
        DatatoolsError, match=r"^.*: expected (the neighbour graph|a graph and embeddings of one run)\."
    ):
        load_neighbors(tmp_path)


def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(MissingExtraError, match="faiss-cpu"):
        find_neighbors(unit_rows(4), 2)
