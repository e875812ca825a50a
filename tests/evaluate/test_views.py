from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.evaluate import views
from datatools.evaluate.projection import project_tsne
from datatools.evaluate.views import choose_shown, make_views, to_unit_rows
from datatools.params import EvaluateParams
from datatools.similarity.graph import find_neighbors

from .graphs import labels_of, make_neighbors, no_neighbors

N, N_TEST = 60, 20
paths_of = st.lists(st.text("abcd/.", min_size=1, max_size=6), unique=True, max_size=40)


def view_of(neighbors=None, wrong=(), cache=None, **params):
    """The views of N images of which the first N_TEST are the test side; the model says 'c' of those in `wrong`."""
    neighbors = neighbors or make_neighbors(N)
    labels = labels_of(neighbors)
    predicted = labels.iloc[:N_TEST].copy()
    predicted.iloc[list(wrong)] = "c"
    seen = np.random.default_rng(1).normal(size=(N_TEST, 4)).astype(np.float32)
    return list(make_views(neighbors, labels, predicted, seen, EvaluateParams(**params), cache))


@pytest.mark.parametrize(("tsne", "names"), [("both", ["data", "model"]), ("data", ["data"]), ("model", ["model"])])
def test_the_views_that_are_asked_for(tsne, names):
    found = view_of(tsne=tsne)
    assert [view.name for view in found] == names
    for view in found:
        assert len(view.points) == len(view.table) == view.n_all == {"data": N, "model": N_TEST}[view.name]


@pytest.mark.parametrize("tsne", ["both", "data", "model"])
def test_without_a_graph_the_model_s_view_is_left(tsne):
    (view,) = view_of(no_neighbors(N), tsne=tsne)
    assert (view.name, len(view.points)) == ("model", N_TEST)


def test_a_prediction_is_known_of_the_test_side_alone():
    data, model = view_of(wrong=[0, 3])
    assert data.table["predicted"].notna().sum() == N_TEST
    assert (data.table["predicted"] != data.table["label"]).fillna(False).sum() == 2
    assert model.table["predicted"].notna().all()
    assert data.table.loc["003.png"].tolist() == model.table.loc["003.png"].tolist() == ["a", "c"]


def test_an_image_without_a_label_is_shown_as_that():
    neighbors = make_neighbors(N)
    labels = labels_of(neighbors).drop("059.png")
    (view,) = make_views(neighbors, labels, labels.iloc[:5], np.ones((5, 2), np.float32), EvaluateParams(tsne="data"))
    assert len(view.points) == N
    assert view.table["label"].isna().to_numpy().nonzero()[0].tolist() == [59]


def test_the_whole_is_drawn_from_the_graph_and_only_a_part_is_searched(monkeypatch):
    searched = []

    def search(rows, k):
        searched.append(len(rows))
        return find_neighbors(rows, k)

    monkeypatch.setattr(views, "find_neighbors", search)
    view_of(tsne="data", tsne_max=N)
    assert searched == []
    view_of(tsne="data", tsne_max=30)
    assert searched == [30]


def test_of_many_test_images_the_wrong_ones_are_always_there():
    wrong = [0, 1, 3, 4, 6, 7, 9, 10]
    (view,) = view_of(wrong=wrong, tsne="model", tsne_max=15)
    assert len(view.points) == 15 and view.n_all == N_TEST
    assert {f"{number:03d}.png" for number in wrong} <= set(view.table.index)
    assert list(view.table.index) == sorted(view.table.index)


@pytest.mark.parametrize("tsne_max", [15, N])
def test_the_map_of_all_data_is_the_same_whatever_the_model_says(tsne_max):
    (one,), (other,) = (view_of(wrong=wrong, tsne="data", tsne_max=tsne_max) for wrong in ([], range(0, 15, 2)))
    assert list(one.table.index) == list(other.table.index) and len(one.points) == tsne_max
    np.testing.assert_array_equal(one.points, other.points)
    assert not one.table["predicted"].equals(other.table["predicted"])


@pytest.fixture
def placed(monkeypatch):
    """How many points were placed, each time."""
    calls = []

    def project(embeddings, indices):
        calls.append(len(embeddings))
        return project_tsne(embeddings, indices)

    monkeypatch.setattr("datatools.evaluate.projection.project_tsne", project)
    return calls


@pytest.mark.parametrize("tsne_max", [15, N])
def test_the_map_of_all_data_is_kept(tsne_max, tmp_path, placed):
    expected = view_of(tsne_max=tsne_max)
    first, again = (view_of(tsne_max=tsne_max, cache=tmp_path) for _ in range(2))
    n_model = min(tsne_max, N_TEST)
    assert placed == [tsne_max, n_model] * 2 + [n_model]
    for found in (first, again):
        for view, one in zip(found, expected, strict=True):
            np.testing.assert_array_equal(view.points, one.points)


def test_other_images_or_neighbours_are_another_map(tmp_path, placed):
    neighbors = make_neighbors(N)
    turned = replace(neighbors, indices=neighbors.indices[:, ::-1].copy())
    moved = replace(neighbors, embeddings=np.roll(neighbors.embeddings, 1, axis=0))
    for each in (neighbors, turned, moved, neighbors):
        view_of(each, tsne="data", cache=tmp_path)
    assert placed == [N] * 3
    view_of(tsne="data", tsne_max=N - 1, cache=tmp_path)
    assert placed == [*[N] * 3, N - 1]


@given(paths_of, st.integers(1, 20), st.integers(0, 5))
def test_a_new_image_takes_the_place_of_at_most_one_other(paths, at_most, n_first):
    first = pd.Index(paths[:n_first])
    old = {paths[row] for row in choose_shown(paths, first, at_most)}
    grown = ["new", *paths]
    new = {grown[row] for row in choose_shown(grown, first, at_most)}
    assert len(old) == min(len(paths), at_most)
    assert len(new) == min(len(paths) + 1, at_most)
    assert new - old <= {"new"} and len(old - new) <= 1
    assert len(set(first) & old) == min(len(first), at_most)


@given(paths_of, st.integers(1, 20))
def test_the_choice_does_not_depend_on_the_order_of_rows(paths, at_most):
    one = {paths[row] for row in choose_shown(paths, pd.Index([]), at_most)}
    turned = paths[::-1]
    assert one == {turned[row] for row in choose_shown(turned, pd.Index([]), at_most)}


def test_unit_rows():
    rows = np.array([[3, 4], [0, 0], [np.nan, 1], [-5, 0]], dtype=np.float32)
    before = rows.copy()
    unit = to_unit_rows(rows)
    np.testing.assert_allclose(unit[[0, 1, 3]], [[0.6, 0.8], [0, 0], [-1, 0]], rtol=1e-6)
    assert np.isfinite(unit).all() and np.linalg.norm(unit[2]) == pytest.approx(1)
    np.testing.assert_array_equal(rows, before)
    assert not to_unit_rows(np.full((2, 3), np.inf, np.float32)).any()


def test_a_model_that_sees_nothing_is_no_crash():
    neighbors = make_neighbors(9)
    labels = labels_of(neighbors)
    for seen in (np.zeros((9, 4), np.float32), np.full((9, 4), np.nan, np.float32)):
        (view,) = make_views(neighbors, labels, labels, seen, EvaluateParams(tsne="model"))
        np.testing.assert_array_equal(view.points, np.zeros((9, 2)))
