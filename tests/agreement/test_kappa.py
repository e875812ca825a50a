from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as reference_fleiss

from datatools.agreement.kappa import cohen_kappa, count_labels, fleiss_kappa, measure_agreement
from tests.small_data import ratings

EXACT = {"rel": 0, "abs": 1e-12}
unhurried = settings(deadline=None, max_examples=150, database=None)


def tables(n_annotators, letters="abcd"):
    rows = st.lists(st.text(letters, min_size=n_annotators, max_size=n_annotators), min_size=1, max_size=40)
    return rows.map(lambda rows: to_table(rows, n_annotators))


def to_table(rows, n_annotators):
    columns = {f"r{number}": "".join(row[number] for row in rows) for number in range(n_annotators)}
    return ratings(**columns)


@unhurried
@given(tables(2))
def test_cohen_equals_scikit_learn(table):
    one, other = table["r0"], table["r1"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cohen_kappa_score(one.tolist(), other.tolist())
    if np.isnan(expected):  # one label only: scikit-learn has no answer, ours is stated
        expected = 1.0
    assert cohen_kappa(one, other) == pytest.approx(expected, **EXACT)


@unhurried
@given(tables(2, "abc-"))
def test_cohen_looks_only_at_what_both_rated(table):
    both = table.dropna()
    kappa = cohen_kappa(table["r0"], table["r1"])
    assert (kappa is None) == both.empty
    assert kappa == cohen_kappa(both["r0"], both["r1"])
    if kappa is not None:
        assert kappa == pytest.approx(cohen_kappa(table["r1"], table["r0"]), **EXACT)


@unhurried
@given(st.integers(2, 5).flatmap(tables))
def test_fleiss_equals_statsmodels(table):
    counts, _ = aggregate_raters(table.to_numpy(dtype=str))
    single = table.stack().nunique() == 1
    expected = 1.0 if single else reference_fleiss(counts)
    assert fleiss_kappa(table) == pytest.approx(expected, **EXACT)


@unhurried
@given(tables(3, "ab-"))
def test_fleiss_looks_only_at_what_everyone_rated(table):
    assert fleiss_kappa(table) == fleiss_kappa(table.dropna())


@unhurried
@given(tables(3), st.randoms(use_true_random=False))
def test_neither_rows_nor_annotators_have_an_order(table, random):
    rows, columns = list(table.index), list(table.columns)
    random.shuffle(rows)
    random.shuffle(columns)
    assert fleiss_kappa(table.loc[rows, columns]) == pytest.approx(fleiss_kappa(table), **EXACT)


def test_fleiss_of_the_paper():
    """The example of Fleiss (1971) as Wikipedia counts it: 10 subjects, 14 raters, 5 categories, kappa 0.210."""
    counts = np.array(
        [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
         [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
    )  # fmt: skip
    rows = ["".join(letter * n for letter, n in zip("abcde", row, strict=True)) for row in counts]
    table = to_table(rows, 14)
    np.testing.assert_array_equal(count_labels(table), counts)
    assert fleiss_kappa(table) == pytest.approx(0.20993070442195522, **EXACT)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("", "", None),
        ("-", "a", None),
        ("a-", "-a", None),
        ("aaa", "aaa", 1.0),  # 0/0: nothing to disagree on
        ("a", "a", 1.0),
        ("a", "b", 0.0),
        ("aaa", "bbb", 0.0),  # no agreement and none expected
        ("aab", "aab", 1.0),
        ("ab", "ba", -1.0),
        ("aaab", "aaaa", 0.0),
    ],
)
def test_cohen_where_the_formula_is_at_its_end(one, other, expected):
    table = ratings(one=one, other=other)
    assert cohen_kappa(table["one"], table["other"]) == expected


@pytest.mark.parametrize(
    ("given_labels", "expected"),
    [
        ({"anna": "ab"}, None),
        ({"anna": "", "ben": ""}, None),
        ({"anna": "a-", "ben": "-a"}, None),
        ({"anna": "aa", "ben": "aa", "chloe": "aa"}, 1.0),
        ({"anna": "ab", "ben": "ba"}, -1.0),
        ({"anna": "ab", "ben": "ab", "chloe": "ab"}, 1.0),
    ],
)
def test_fleiss_where_the_formula_is_at_its_end(given_labels, expected):
    assert fleiss_kappa(ratings(**given_labels)) == expected


def test_inputs_are_unchanged():
    table = ratings(anna="ab-", ben="abb")
    before = table.copy(deep=True)
    cohen_kappa(table["anna"], table["ben"])
    fleiss_kappa(table)
    pd.testing.assert_frame_equal(table, before)


def test_agreement_of_a_table_is_that_of_its_columns():
    table = pd.DataFrame({"ann": list("aabb"), "bo": list("aabc"), "cy": ["a", None, "b", "c"]}, index=list("wxyz"))
    measured = measure_agreement(table)
    assert (measured["annotators"], measured["n"], measured["fleiss"]) == (3, 3, fleiss_kappa(table))
    assert [(row["annotators"], row["n"]) for row in measured["cohen"]] == [
        (["ann", "bo"], 4),
        (["ann", "cy"], 3),
        (["bo", "cy"], 3),
    ]
    assert measured["cohen"][0]["kappa"] == cohen_kappa(table["ann"], table["bo"])


@pytest.mark.parametrize("columns", [[], ["ann"]])
def test_agreement_of_fewer_than_two_annotators_is_none(columns):
    measured = measure_agreement(pd.DataFrame({name: list("ab") for name in columns}, index=list("xy")))
    assert measured["fleiss"] is None and measured["cohen"] == []
