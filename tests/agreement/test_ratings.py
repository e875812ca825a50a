from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.agreement.ratings import as_numbers, as_ratings, from_long, from_table
from datatools.errors import DatatoolsError
from tests.small_data import ratings

unhurried = settings(deadline=None, max_examples=80, database=None)


def rows_of(coded):
    names = (coded.items[coded.item], coded.annotators[coded.annotator], coded.classes[coded.label])
    return list(zip(*names, strict=True))


def test_a_table():
    coded = from_table(ratings(ben="b-", anna="ab"))
    assert rows_of(coded) == [("00.png", "ben", "b"), ("00.png", "anna", "a"), ("01.png", "anna", "b")]
    assert list(coded.classes) == ["a", "b"]
    assert coded.n_of_item.tolist() == [2, 1]


@unhurried
@given(st.integers(1, 8).flatmap(lambda n: st.lists(st.text("ab-", min_size=n, max_size=n), min_size=1, max_size=4)))
def test_long_and_wide_say_the_same(texts):
    table = ratings(**{f"r{number}": text for number, text in enumerate(texts)})
    long = table.melt(ignore_index=False, var_name="annotator", value_name="label").reset_index()
    shuffled = long.sample(frac=1, random_state=0)
    assert rows_of(from_long(shuffled, item="path")) == rows_of(from_table(table))


def test_of_several_labels_the_first_counts_and_nulls_do_not():
    rows = pd.DataFrame(
        {"item": ["x", "x", "x", "y"], "annotator": ["a", "a", "b", "a"], "label": ["1", "2", None, "2"]}
    )
    assert rows_of(from_long(rows)) == [("x", "a", "1"), ("y", "a", "2")]


def test_comparable_and_others():
    coded = from_table(ratings(anna="aab", ben="ab-", chloe="ba-"))
    assert rows_of(coded.comparable()) == rows_of(coded)[:6]
    own, label, n = coded.others()
    said = [(rows_of(coded)[i][:2], coded.classes[k], int(m)) for i, k, m in zip(own, label, n, strict=True)]
    assert said == [
        (("00.png", "anna"), "a", 1), (("00.png", "anna"), "b", 1), (("00.png", "ben"), "a", 1),
        (("00.png", "ben"), "b", 1), (("00.png", "chloe"), "a", 2), (("01.png", "anna"), "a", 1),
        (("01.png", "anna"), "b", 1), (("01.png", "ben"), "a", 2), (("01.png", "chloe"), "a", 1),
        (("01.png", "chloe"), "b", 1),
    ]  # fmt: skip


def test_given_classes_are_the_order():
    coded = from_table(ratings(anna="ab"), classes=["b", "a", "c"])
    assert coded.label.tolist() == [1, 0]
    assert as_ratings(coded, ["c", "a", "b"]).label.tolist() == [1, 2]


@pytest.mark.parametrize("build", [from_table, lambda table, classes: as_ratings(from_table(table), classes)])
def test_an_unknown_label_is_an_error(build):
    with pytest.raises(DatatoolsError, match=r"ratings: classes are a, c\. Got 'b' instead"):
        build(ratings(anna="ab"), ["a", "c"])


def test_a_missing_column_is_an_error():
    with pytest.raises(DatatoolsError, match="Got item, who: 'annotator' is missing"):
        from_long(pd.DataFrame({"item": ["x"], "who": ["a"]}))


def test_names_are_no_numbers():
    with pytest.raises(DatatoolsError, match=r"interval needs labels that are numbers\. Got 'a', 'b'"):
        as_numbers(pd.Index(["a", "b"]), "interval")


def test_nobody_and_nothing():
    for table in (ratings(anna=""), ratings(anna="--"), pd.DataFrame(index=["x"])):
        coded = from_table(table)
        assert len(coded.item) == len(coded.comparable().item) == len(coded.others()[0]) == 0
