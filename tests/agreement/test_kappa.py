from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as reference_fleiss

from datatools.agreement.kappa import (
    cohen_interval,
    cohen_kappa,
    count_labels,
    fleiss_interval,
    fleiss_kappa,
    n_equally_rated,
    percent_agreement,
)
from datatools.errors import DatatoolsError
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
def test_fleiss_looks_at_what_everyone_rated_or_at_those_rated_equally_often(table):
    complete = table.dropna()
    if len(complete):
        assert fleiss_kappa(table) == fleiss_kappa(complete)
        assert n_equally_rated(table) == len(complete)
    else:
        pairs = table[table.notna().sum(axis=1) == 2]
        packed = [row.dropna().tolist() for _, row in pairs.iterrows()]
        assert fleiss_kappa(table) == fleiss_kappa(pd.DataFrame(packed, columns=["one", "other"], dtype="string"))
        assert n_equally_rated(table) == len(pairs)


@unhurried
@given(tables(2, "12345"), st.sampled_from(["linear", "quadratic"]))
def test_weighted_cohen_equals_scikit_learn(table, weights):
    one, other = (table[name].astype(int) for name in table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = sorted(set(one) | set(other))
        expected = cohen_kappa_score(one, other, weights=weights)
        by_order = cohen_kappa_score(one, other, weights=weights, labels=[1, 2, 3, 4, 5])
    expected, by_order = (1.0 if np.isnan(value) else value for value in (expected, by_order))
    assert cohen_kappa(one, other, weights) == pytest.approx(expected, **EXACT), labels
    named = table.replace(dict(zip("12345", "vwxyz", strict=True)))
    assert cohen_kappa(named["r0"], named["r1"], weights, "vwxyz") == pytest.approx(by_order, **EXACT)


def test_weighted_kappa_of_cohen_1968():
    """Worked by hand: ranks 0..2, table [[2, 1, 0], [0, 1, 1], [1, 0, 2]]; linear: observed 4, expected 7.25."""
    one, other = pd.Series(list("aaabbccc")), pd.Series(list("aabbcacc"))
    # rows 3 2 3, columns 3 2 3: expected distances (3*2 + 2*3*3 + 2*3 + 2*3 + 3*3*2 + 3*2) / 8 = 60 / 8; observed 1 + 1 + 2
    assert cohen_kappa(one, other, "linear", "abc") == pytest.approx(1 - 4 / 7.5, **EXACT)
    assert cohen_kappa(one, other, "quadratic", "abc") == pytest.approx(1 - 6 / 12, **EXACT)


def test_wrong_weights_and_labels_without_an_order():
    one = pd.Series(list("ab"))
    with pytest.raises(DatatoolsError, match=r"weights must be None or one of linear, quadratic\. Got 'cubic'"):
        cohen_kappa(one, one, "cubic")
    with pytest.raises(DatatoolsError, match="weighted kappa without a class order needs labels that are numbers"):
        cohen_kappa(one, one, "linear")
    with pytest.raises(DatatoolsError, match=r"classes are a\. Got 'b' instead"):
        cohen_kappa(one, one, classes=["a"])


@unhurried
@given(tables(3, "ab-"))
def test_percent_agreement_is_the_mean_share_of_equal_pairs(table):
    shares = []
    for _, row in table.iterrows():
        pairs = [one == other for one, other in combinations(row.dropna(), 2)]
        shares += [sum(pairs) / len(pairs)] if pairs else []
    assert percent_agreement(table) == (pytest.approx(np.mean(shares), **EXACT) if shares else None)


def test_intervals():
    rng = np.random.default_rng(0)
    truth = rng.choice(list("abc"), 2000)
    columns = {
        name: np.where(rng.random(2000) < 0.8, truth, rng.choice(list("abc"), 2000)) for name in ("one", "other")
    }
    table = pd.DataFrame(columns, dtype="string")
    cohen, fleiss = cohen_interval(table["one"], table["other"]), fleiss_interval(table)
    kappas = [cohen_kappa(part["one"], part["other"]) for part in (table[n::10] for n in range(10))]
    error = np.std(kappas, ddof=1) / np.sqrt(10)
    for low, high in (cohen, fleiss):
        assert low < cohen_kappa(table["one"], table["other"]) < high
        assert 0.5 < (high - low) / (3.92 * error) < 2
    assert cohen_interval(table["one"][:1], table["other"][:1]) is None
    assert cohen_interval(table["one"][:0], table["other"][:0]) is None
    assert fleiss_interval(table[:1]) is None


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
