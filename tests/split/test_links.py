from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from datatools.split.links import find_links, group_columns
from tests.split.builders import make, make_pairs, name_of


def links_of(dataset, pairs=None):
    return find_links(dataset.images, make_pairs() if pairs is None else pairs, group_columns(dataset, []))


def test_links_have_two_members_or_more_and_a_kind():
    dataset = make("aaaa", ["w", "w", "v", None])
    dataset.images.loc[3, "sha256"] = dataset.images.loc[2, "sha256"]
    links = links_of(dataset, make_pairs((0, 3)))
    assert links.members.toarray().T.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]]
    assert links.kinds.tolist() == ["the same group", "the same bytes", "near-duplicate"]
    assert links.units().tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_an_empty_value_groups_nothing(empty):
    links = links_of(make("aa", [empty, empty]))
    assert links.members.shape == (2, 0) and links.units().tolist() == [0, 1]


def test_pairs_of_images_that_are_not_there_are_passed_over():
    assert links_of(make("aa"), make_pairs((0, 1), (1, 2), (7, 8))).members.shape == (2, 1)


def test_units_are_named_by_their_first_row():
    links = links_of(make("aaaaa"), make_pairs((1, 4), (2, 4)))
    assert links.units().tolist() == [0, 1, 1, 3, 1]


def test_touched_and_first_members():
    links = links_of(make("aaaa", ["w", "w", "w", None]), make_pairs((2, 3)))
    assert links.touched(np.array([True, False, False, False])).tolist() == [True, True, True, False]
    assert links.first_members(np.array([False, False, True, True])).tolist() == [2, 2]
    assert links.first_members(np.zeros(4, dtype=bool)).tolist() == [4, 4], "4 is no row: none"


def test_a_part_keeps_the_links_within_it():
    links = links_of(make("aaaa", ["w", "w", None, None]), make_pairs((1, 2), (2, 3)))
    part = links.rows(np.array([1, 2]))
    assert part.members.toarray().tolist() == [[1], [1]] and part.kinds.tolist() == ["near-duplicate"]


def test_columns_without_group_by_is_the_group_alone():
    columns = group_columns(make("aa", ["w", None]), [])
    assert list(columns) == ["group"]
    pd.testing.assert_series_equal(columns["group"], pd.Series(["w", None], name="group", dtype="string"))
    assert name_of(1) == "images/001.png"
