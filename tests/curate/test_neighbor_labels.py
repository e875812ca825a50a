from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.curate.neighbor_labels import (
    FEWEST,
    MOST_NEIGHBORS,
    count_neighbor_labels,
    describe_neighbors,
    summarize_neighbors,
)
from datatools.similarity.graph import Neighbors, find_neighbors

CLASSES = ("a", "b", "c")


def names(n: int) -> tuple[str, ...]:
    return tuple(f"{number:02d}.png" for number in range(n))


def graph(links: list[list[int]], similarities: list[list[float]] | None = None) -> Neighbors:
    """A hand-made graph: the neighbours of each image by number, all of similarity 0.5 if nothing else is said."""
    indices = np.array(links, dtype=np.int32).reshape(len(links), -1)
    near = np.full(indices.shape, 0.5, np.float32) if similarities is None else np.array(similarities, np.float32)
    return Neighbors(names(len(links)), np.ones((len(links), 2), np.float32), indices, near)


def labels_of(text: str) -> pd.Series:
    """A letter an image; `-` for no label."""
    series = pd.Series(list(text), index=pd.Index(names(len(text)), name="path"), dtype="string")
    return series[series != "-"]


def count(text: str, neighbors: Neighbors, units: str | None = None) -> pd.DataFrame:
    paths = names(len(text))
    own = pd.Series(list(units) if units else list(paths), index=list(paths), dtype="string")
    return count_neighbor_labels(labels_of(text), neighbors, own, CLASSES)


STAR = [[1, 2, 3, 4], [0, 2, 3, 4], [0, 1, 3, 4], [0, 1, 2, 4], [0, 1, 2, 3]]


def test_counts_share_and_preference():
    table = count("abbbc", graph(STAR))
    assert list(table.columns) == ["n", "n_same", "share", "preferred", "n_preferred"]
    assert table.index.name == "path" and list(table.index) == list(names(5))
    assert table.iloc[0].tolist() == [4, 0, 0.0, "b", 3]
    assert table.iloc[1].tolist() == [4, 2, 0.5, "b", 2]
    assert table.iloc[4].tolist() == [4, 0, 0.0, "b", 3]


def test_nearer_images_weigh_more():
    near = [[0.9, 0.2, 0.2, 0.1], *[[0.5] * 4] * 4]
    row = count("abcca", graph(STAR, near)).iloc[0]
    assert (row["preferred"], row["n_preferred"]) == ("b", 1)
    assert row["share"] == pytest.approx(0.1 / 1.4)


def test_an_image_of_the_same_unit_does_not_count():
    table = count("aabbb", graph(STAR), units="uuxyz")
    assert table.iloc[0].tolist() == [3, 0, 0.0, "b", 3]
    assert table.iloc[2].tolist() == [4, 2, 0.5, "a", 2]


def test_a_copied_wrong_label_does_not_confirm_itself():
    """Images 0 to 2 are copies with one wrong label; their other neighbours say what it should be."""
    links = [[1, 2, 3, 4, 5], [0, 2, 3, 4, 5], [0, 1, 3, 4, 5], [4, 5, 0, 1, 2], [3, 5, 0, 1, 2], [3, 4, 0, 1, 2]]
    alone, together = count("aaabbb", graph(links)), count("aaabbb", graph(links), units="uuuxyz")
    assert alone["share"].iloc[0] == pytest.approx(0.4)
    assert together.iloc[0].tolist() == [3, 0, 0.0, "b", 3]


def test_images_without_a_label_or_an_embedding_do_not_vote():
    assert count("ab-b-", graph(STAR)).iloc[0].tolist() == [2, 0, 0.0, "b", 2]
    unread = [[0.5, 0.0, -0.1, 0.5], *[[0.5] * 4] * 4]
    assert count("abbba", graph(STAR, unread)).iloc[0].tolist() == [2, 1, 0.5, "a", 1]


def test_a_label_that_is_no_class_does_not_vote():
    assert count("axxbb", graph(STAR)).iloc[0, 0] == 2


@pytest.mark.parametrize("text", ["", "abc", "a-c"])
def test_without_a_graph_nobody_has_neighbours(text):
    n = len(text)
    nothing = Neighbors(
        names(n), np.zeros((n, 0), np.float32), np.zeros((n, 0), np.int32), np.zeros((n, 0), np.float32)
    )
    table = count(text, nothing)
    assert table["n"].tolist() == [0] * len(labels_of(text))
    assert table["share"].isna().all() and table["preferred"].isna().all()
    assert describe_neighbors(table).empty
    assert summarize_neighbors(table, labels_of(text)) == {"n": 0, "accuracy": None}


def test_an_image_that_is_not_in_the_graph_has_no_neighbours():
    labels = labels_of("abbbcb")
    units = pd.Series(names(6), index=names(6), dtype="string")
    table = count_neighbor_labels(labels, graph(STAR), units, CLASSES)
    assert table.loc["05.png", "n"] == 0 and pd.isna(table.loc["05.png", "share"])
    assert table.loc["00.png", "n"] == 4


def test_only_the_nearest_are_asked():
    n = MOST_NEIGHBORS + 5
    links = [[other for other in range(n) if other != number] for number in range(n)]
    table = count("a" * n, graph(links))
    assert set(table["n"]) == {MOST_NEIGHBORS}


def test_graph_and_labels_are_unchanged():
    neighbors, labels = graph(STAR), labels_of("abbbc")
    before = neighbors.indices.copy(), neighbors.similarities.copy(), labels.copy()
    count_neighbor_labels(labels, neighbors, pd.Series(names(5), index=names(5), dtype="string"), CLASSES)
    np.testing.assert_array_equal(neighbors.indices, before[0])
    np.testing.assert_array_equal(neighbors.similarities, before[1])
    pd.testing.assert_series_equal(labels, before[2])


def counted(*rows: tuple) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["n", "n_same", "share", "preferred", "n_preferred"])
    return frame.set_axis(pd.Index(names(len(rows)), name="path"))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((16, 2, 0.1, "b", 11), "11 of its 16 nearest images are 'b', 2 have its label"),
        ((16, 12, 0.8, "a", 12), "12 of its 16 nearest images have its label"),
        ((16, 3, 0.2, "b", 8), None),  # half is no majority
        ((FEWEST - 1, 0, 0.0, "b", FEWEST - 1), None),
        ((FEWEST, 0, 0.0, "b", FEWEST), f"{FEWEST} of its {FEWEST} nearest images are 'b', 0 have its label"),
        ((0, 0, np.nan, None, 0), None),
    ],
)
def test_only_a_majority_is_told(row, words):
    assert describe_neighbors(counted(row)).to_dict() == ({} if words is None else {"00.png": words})


def test_how_often_the_neighbours_prefer_the_label():
    table = counted((4, 1, 0.2, "a", 2), (4, 0, 0.0, "b", 3), (0, 0, np.nan, None, 0))
    assert summarize_neighbors(table, labels_of("aaa")) == {"n": 2, "accuracy": 0.5}


@given(st.text("abc-", min_size=2, max_size=30), st.integers(1, 8), st.integers(0, 9), st.integers(1, 30))
def test_the_counts_are_those_of_a_plain_loop(text: str, k: int, seed: int, n_units: int):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(len(text), 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    neighbors = Neighbors(names(len(text)), rows, *find_neighbors(rows, k))
    units = pd.Series(rng.integers(n_units, size=len(text)).astype(str), index=list(names(len(text))), dtype="string")
    table = count_neighbor_labels(labels_of(text), neighbors, units, CLASSES)
    for row in table.itertuples():
        number = neighbors.paths.index(row.Index)
        near = zip(neighbors.indices[number], neighbors.similarities[number], strict=True)
        asked = [
            (text[other], weight) for other, weight in near
            if text[other] != "-" and units.iloc[other] != units.iloc[number] and weight > 0
        ]  # fmt: skip
        assert row.n == len(asked)
        assert row.n_same == sum(label == text[number] for label, _ in asked)
        if asked:
            total = sum(weight for _, weight in asked)
            share = {name: sum(weight for label, weight in asked if label == name) / total for name in CLASSES}
            assert row.share == pytest.approx(share[text[number]], abs=1e-6)
            assert share[row.preferred] == pytest.approx(max(share.values()), abs=1e-6)
            assert row.n_preferred == sum(label == row.preferred for label, _ in asked)
