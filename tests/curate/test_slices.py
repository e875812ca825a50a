from __future__ import annotations

import pandas as pd
import pytest

from datatools.curate.slices import COLUMNS, count_slices
from datatools.errors import DatatoolsError


def count(labels, metadata=None, correct=None, columns=(), share_min=0.25):
    index = pd.Index([f"{number:03d}.png" for number in range(len(labels))], name="path")
    given = pd.Series(list(labels), index=index, dtype="string")
    right = pd.Series([True] * len(labels) if correct is None else correct, index=index)
    values = {name: list(text) for name, text in (metadata or {}).items()}
    frame = pd.DataFrame(values, index=index, dtype="string").replace("-", pd.NA)
    return count_slices(given, frame, right, columns, share_min)


def test_counts_shares_and_accuracy_rarest_first():
    table = count("aaab", correct=[True, False, True, False])
    assert list(table.columns) == COLUMNS
    assert table[["column", "value", "n", "share", "accuracy"]].to_numpy().tolist() == [
        ["label", "b", 1, 0.25, 0.0],
        ["label", "a", 3, 0.75, pytest.approx(2 / 3)],
    ]


@pytest.mark.parametrize(
    ("n_b", "share_min", "n_wanted", "is_rare"),
    [
        (12, 0.25, 12, False),  # exactly at the bar: 0.25 * 96 / 2
        (11, 0.25, 12, True),
        (11, 0.0, 0, False),
        (47, 1.0, 48, True),
        (48, 1.0, 48, False),
    ],
)
def test_the_bar(n_b, share_min, n_wanted, is_rare):
    table = count("a" * (96 - n_b) + "b" * n_b, share_min=share_min).set_index("value")
    assert table.loc["b", "n_wanted"] == n_wanted
    assert bool(table.loc["b", "is_rare"]) is is_rare


def test_metadata_columns_come_after_the_classes_in_their_order():
    table = count("aabb", {"light": "xxyx", "place": "uuuu"}, columns=("place", "light"))
    assert table["column"].tolist() == ["label", "label", "place", "light", "light"]
    assert table["value"].tolist() == ["a", "b", "u", "y", "x"]


def test_a_null_belongs_to_no_slice_and_counts_for_no_share():
    table = count("aaaa", {"light": "xx-y"}, columns=("light",), share_min=1.0).set_index("value")
    assert table.loc["x", "share"] == pytest.approx(2 / 3)
    assert table.loc["y", "n_wanted"] == 2
    assert table.loc["y", "is_rare"]


def test_accuracy_is_that_of_the_slice():
    table = count("aaaa", {"light": "xyxy"}, [True, False, True, False], columns=("light",)).set_index("value")
    assert (table.loc["x", "accuracy"], table.loc["y", "accuracy"]) == (1.0, 0.0)


def test_images_without_a_label_are_not_counted():
    index = pd.Index(["a.png", "b.png"])
    metadata = pd.DataFrame({"light": ["x", "y"]}, index=index, dtype="string")
    labels = pd.Series(["a"], index=index[:1], dtype="string")
    table = count_slices(labels, metadata, pd.Series([True], index=index[:1]), ["light"], 0.25)
    assert table["value"].tolist() == ["a", "x"]


def test_a_column_that_is_all_null_gives_no_slice():
    assert count("ab", {"light": "--"}, columns=("light",))["column"].tolist() == ["label", "label"]


@pytest.mark.parametrize(("metadata", "known"), [({"light": "xx", "place": "uv"}, "light, place"), (None, "none")])
def test_an_unknown_column_lists_the_known(metadata, known):
    message = rf"curate.slice_columns must be columns of metadata.csv \({known}\)\. Got 'weather' instead\."
    with pytest.raises(DatatoolsError, match=message):
        count("ab", metadata, columns=("weather",))
