from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.schema import PAIRS
from datatools.similarity.clusters import cluster_pairs, describe_pair, score_pair

NAMES = "abcdefgh"


def pair_table(*pairs, **values):
    """PAIRS of two letters each."""
    row = {"how": "hash", "hash_bits": 3, **values}
    return PAIRS.conform([{"path": min(pair), "other": max(pair), **row} for pair in pairs])


def row(**values):
    (one,) = pair_table("ab", **values).itertuples()
    return one


@pytest.mark.parametrize(
    ("paths", "pairs", "clusters"),
    [
        ("", [], ""),
        ("abc", [], "abc"),
        ("abc", ["bc"], "abb"),
        ("abcd", ["cd", "bc"], "abbb"),  # links chain
        ("abcd", ["ad", "bc"], "abba"),
        ("ab", ["bz", "yz"], "ab"),  # by way of an image that is not there
        ("ba", ["ab"], "aa"),  # in the order asked for
    ],
)
def test_clusters_are_named_by_their_smallest_path(paths, pairs, clusters):
    found = cluster_pairs(list(paths), pair_table(*pairs))
    assert "".join(found.index) == paths
    assert "".join(found) == clusters
    assert found.index.name == "path"
    assert found.dtype == "string"


letters = st.sampled_from(NAMES)
links = st.lists(st.tuples(letters, letters).filter(lambda pair: pair[0] != pair[1]), max_size=8)


@given(pairs=links, order=st.permutations(NAMES))
def test_linked_images_share_a_cluster_and_the_order_of_rows_changes_nothing(pairs, order):
    table = pair_table(*pairs)
    found = cluster_pairs(list(NAMES), table)
    assert all(found[one] == found[other] for one, other in pairs)
    assert all(found[name] == name and name <= member for member, name in found.items())
    again = cluster_pairs(list(order), table.sample(frac=1, random_state=0))
    pd.testing.assert_series_equal(again.sort_index(), found)


@given(pairs=links, new=st.tuples(st.just("z"), letters))
def test_a_new_image_joins_clusters_and_parts_none(pairs, new):
    before = cluster_pairs(list(NAMES), pair_table(*pairs))
    after = cluster_pairs([*NAMES, "z"], pair_table(*pairs, new))
    for one in NAMES:
        for other in NAMES:
            assert before[one] != before[other] or after[one] == after[other]


PIXELS = {"correlation": 0.9912, "similarity": 0.734}


@pytest.mark.parametrize(
    ("values", "said", "score"),
    [
        ({"how": "hash", "hash_bits": 16}, "16 of 256 hash bits differ", 1 / 16),
        (
            {"how": "embedding", "hash_bits": 100, "view": "mirrored", **PIXELS},
            "mirrored, pixels agree by 0.991, similarity 0.73",
            1 - 0.9912,
        ),
        (
            {"how": "embedding", "hash_bits": 100, "view": "same", **PIXELS},
            "pixels agree by 0.991, similarity 0.73",
            1 - 0.9912,
        ),
        (
            {"how": "both", "hash_bits": 2, "view": "mirrored and cropped", **PIXELS},
            "2 of 256 hash bits differ; mirrored and cropped, pixels agree by 0.991, similarity 0.73",
            2 / 256,
        ),
    ],
)
def test_a_pair_in_words_and_how_unlike_it_is(values, said, score):
    assert describe_pair(row(**values)) == said
    assert score_pair(row(**values)) == pytest.approx(score)


def test_equal_files_are_as_like_as_can_be():
    assert score_pair(row(how="identical", hash_bits=0)) == 0
