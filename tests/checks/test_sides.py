from __future__ import annotations

import pandas as pd
import pytest

from datatools.checks.group_crosses import find_crossing_groups
from datatools.checks.near_duplicates_cross import find_crossing_duplicates
from datatools.schema import PAIRS, SPLIT
from tests.small_data import image_row, make_images


def make(**members: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`make(a="g train", b="g test")`: images a and b of group g on these sides."""
    words = {path: said.split() for path, said in members.items()}
    images = make_images([image_row(path, group=group) for path, (group, _) in words.items()])
    return images, SPLIT.conform([{"path": path, "split": side} for path, (_, side) in words.items()])


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"a": "g train", "b": "g train", "c": "h test"}, []),
        ({"a": "g train", "b": "g test", "c": "h test"}, ["group 'g' is on train and test, such as b"]),
        ({"a": "g test", "b": "g val", "c": "g train"}, ["group 'g' is on train, val and test, such as b"]),
        (
            {"a": "g train", "b": "g val", "c": "h val", "d": "h test"},
            ["group 'g' is on train and val, such as b", "group 'h' is on val and test, such as d"],
        ),
    ],
)
def test_groups(members, said):
    found = list(find_crossing_groups(*make(**members)))
    assert [finding.message for finding in found] == said
    assert [finding.subject for finding in found] == [message.split("'")[1] for message in said]


def test_images_without_a_group_or_a_side_cross_nothing():
    images, split = make(a="g train", b="g test", c="g val")
    assert list(find_crossing_groups(images.assign(group=pd.array([None] * 3, dtype="string")), split)) == []
    assert list(find_crossing_groups(images, split[split["path"] == "a"])) == []


def test_what_is_in_quarantine_crosses_nothing():
    assert list(find_crossing_groups(*make(a="g train", b="g quarantine"))) == []


@pytest.mark.parametrize("pairs", [["ab"], ["ab", "bc"], ["bc", "ac"]])
def test_near_duplicates_are_named_by_their_first_path(pairs):
    _, split = make(a="g test", b="g train", c="g train", d="g val")
    table = PAIRS.conform([{"path": one, "other": other, "how": "hash", "hash_bits": 1} for one, other in pairs])
    (finding,) = find_crossing_duplicates(table, split)
    assert (finding.path, finding.message) == ("a", "shows the same picture as b: the two are on train and test")
    assert list(find_crossing_duplicates(table, split.assign(split="train"))) == []


def test_what_is_in_quarantine_links_no_near_duplicates():
    _, split = make(a="g train", b="g quarantine", c="g test")
    table = PAIRS.conform([{"path": one, "other": other, "how": "hash", "hash_bits": 1} for one, other in ("ab", "bc")])
    assert list(find_crossing_duplicates(table, split)) == []
