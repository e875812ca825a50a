from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.agreement.consensus import RULES, choose_consensus, combine, decide, vote
from datatools.agreement.dawid_skene import fit_dawid_skene
from datatools.agreement.ratings import from_table
from datatools.errors import DatatoolsError
from tests.small_data import ratings

from .test_dawid_skene import simulate

NAMES = ("anna", "ben", "chloe", "dora")
unhurried = settings(deadline=None, max_examples=80, database=None)


@st.composite
def tables(draw):
    names = NAMES[: draw(st.integers(1, 4))]
    n = draw(st.integers(1, 12))
    return ratings(**{name: draw(st.text("ab--c", min_size=n, max_size=n)) for name in names})


@pytest.mark.parametrize(
    ("given_labels", "expected"),
    [
        ({"anna": "a", "ben": "a", "chloe": "b"}, "a"),
        ({"anna": "b", "ben": "a", "chloe": "a"}, "a"),
        ({"anna": "b", "ben": "-", "chloe": "-"}, "b"),
        ({"anna": "-", "ben": "a", "chloe": "a"}, "a"),
        ({"anna": "-", "ben": "-"}, None),
        ({"anna": "b", "ben": "a"}, "b"),  # equally agreeable: the order of the names
        ({"ben": "a", "anna": "b"}, "b"),
        ({"anna": "c", "ben": "b", "chloe": "a"}, "c"),
        ({"anna": "c"}, "c"),
    ],
)
def test_one_image(given_labels, expected):
    assert vote(ratings(**given_labels)).tolist() == ([expected] if expected else [])


def test_a_tie_goes_to_the_one_who_agrees_most_with_the_others():
    # ben and chloe agree on the first three images, so chloe (3/4 with ben, 0/4 with anna) is before anna (0/8)
    table = ratings(anna="cccb", ben="aaa-", chloe="aaad")
    assert vote(table).tolist() == ["a", "a", "a", "d"]


def test_the_agreeable_one_must_be_among_the_tied():
    # dora agrees with nobody; ben is the most agreeable, but on the last image he stands alone against two pairs
    table = ratings(anna="ab", ben="ac", chloe="ab", dora="dd")
    assert vote(table).tolist() == ["a", "b"]


def test_agreement_is_counted_where_both_rated():
    # ben agrees on 1 of 1, anna on 1 of 3: a tie goes to ben, though anna stands first in the alphabet
    table = ratings(anna="axyp", ben="a--q", chloe="-zw-")
    assert vote(table)["03.png"] == "q"


def test_name_type_and_index():
    result = vote(ratings(anna="-ab", ben="-ab"))
    assert result.name == "label"
    assert result.dtype == "string"
    assert list(result.index) == ["01.png", "02.png"]


def test_nobody_and_nothing():
    assert vote(ratings(anna="", ben="")).tolist() == []
    assert vote(ratings(anna="--", ben="--")).tolist() == []


@unhurried
@given(tables())
def test_no_label_has_more_votes_than_the_winner(table):
    result = vote(table)
    assert list(result.index) == list(table.dropna(how="all").index)
    for path, label in result.items():
        counts = Counter(table.loc[path].dropna())
        assert counts[label] == max(counts.values())


@unhurried
@given(tables(), st.randoms(use_true_random=False))
def test_neither_rows_nor_columns_have_an_order(table, random):
    rows, columns = list(table.index), list(table.columns)
    random.shuffle(rows)
    random.shuffle(columns)
    pd.testing.assert_series_equal(vote(table.loc[rows, columns]).sort_index(), vote(table))


@unhurried
@given(tables())
def test_the_input_is_unchanged(table):
    before = table.copy(deep=True)
    vote(table)
    pd.testing.assert_frame_equal(table, before)


@unhurried
@given(tables())
def test_long_input_votes_alike(table):
    pd.testing.assert_series_equal(vote(from_table(table)), vote(table))


def model_of(truth, s, p=0.8, seed=7):
    """A model that is right with probability p and says so with the sharpness s (1: honest)."""
    rng = np.random.default_rng(seed)
    codes = pd.Index(list("abc")).get_indexer(truth)
    codes = np.where(rng.random(len(codes)) < p, codes, (codes + rng.integers(1, 3, len(codes))) % 3)
    honest = np.full((len(codes), 3), (1 - p) / 2)
    honest[np.arange(len(codes)), codes] = p
    probs = honest**s
    return probs / probs.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("s", [0.2, 1.0, 5.0])
def test_a_model_helps_however_sure_it_says_it_is(s):
    table, truth, _ = simulate(4000)
    probs = model_of(truth, s)
    fit = combine(table, probs, "abc")
    accuracy = (fit.labels == truth).mean()
    alone = max(
        (fit_dawid_skene(table).labels == truth).mean(),
        (probs.argmax(axis=1) == pd.Index(list("abc")).get_indexer(truth)).mean(),
    )
    assert accuracy > alone + 0.005
    assert accuracy == (combine(table, model_of(truth, 1.0), "abc").labels == truth).mean()
    assert fit.probs.max(axis=1).mean() == pytest.approx(accuracy, abs=0.02)


def test_a_model_that_knows_nothing_does_little_harm():
    table, truth, _ = simulate(4000)
    probs = np.random.default_rng(0).dirichlet([1, 1, 1], 4000)
    accuracy = (combine(table, probs, "abc").labels == truth).mean()
    assert accuracy >= (fit_dawid_skene(table).labels == truth).mean() - 0.003


def test_probabilities_of_another_shape_are_an_error():
    with pytest.raises(DatatoolsError, match=r"shape \(2, 3\), items and classes. Got \(2, 2\)"):
        combine(ratings(anna="ab"), np.ones((2, 2)), "abc")


def test_the_rule_that_foresees_held_out_annotators_is_chosen():
    table, truth, _ = simulate(4000)
    chosen = choose_consensus(table, model_of(truth, 1.0), "abc")
    assert chosen.rule == "combined"
    assert set(chosen.agreement) == set(RULES)
    assert chosen.agreement["combined"] > max(share for rule, share in chosen.agreement.items() if rule != "combined")
    pd.testing.assert_series_equal(chosen.labels, combine(table, model_of(truth, 1.0), "abc").labels)


def test_a_model_that_knows_hard_images_better_than_all_annotators_is_left_alone():
    """Half of the images are hard: everybody errs on them, and mostly alike, so that votes look surer than they are."""
    rng, n = np.random.default_rng(1), 6000
    truth = pd.Series(rng.choice(list("abc"), n), index=[f"{number:04}" for number in range(n)])
    hard = rng.random(n) < 0.5
    often, seldom = (truth.map(dict(zip("abc", wrong, strict=True))) for wrong in ("bca", "cab"))
    drawn = {name: rng.random(n) for name in "xyz"}
    given = {name: truth.where(~hard | (u < 0.55), often.where(u < 0.91, seldom)) for name, u in drawn.items()}
    probs = model_of(truth, 1.0, p=0.99)
    chosen = choose_consensus(pd.DataFrame(given), probs, "abc")
    combined = combine(pd.DataFrame(given), probs, "abc").labels
    assert chosen.rule == "model"
    assert (chosen.labels == truth).mean() > 0.98 > (combined == truth).mean()


def test_a_model_that_is_of_no_use_is_not_chosen():
    table, truth, _ = simulate(4000)
    chosen = choose_consensus(table, np.random.default_rng(0).dirichlet([1, 1, 1], 4000), "abc")
    assert chosen.rule != "model"
    assert (chosen.labels == truth).mean() >= (vote(table) == truth).mean() - 0.003


def test_one_annotator_cannot_be_held_out():
    chosen = choose_consensus(ratings(anna="ab"), np.array([[0.8, 0.2], [0.3, 0.7]]), "ab")
    assert (chosen.rule, chosen.agreement, chosen.labels.tolist()) == ("combined", {}, ["a", "b"])


def test_annotators_without_a_common_item_cannot_be_compared():
    chosen = choose_consensus(ratings(anna="a-", ben="-b"), np.array([[0.8, 0.2], [0.3, 0.7]]), "ab")
    assert (chosen.rule, chosen.agreement) == ("combined", {})


def test_an_item_that_nobody_rated_takes_the_models_word():
    chosen = choose_consensus(ratings(anna="a-b", ben="a-b"), np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]), "ab")
    assert chosen.labels.tolist() == ["a", "b", "b"]


@pytest.mark.parametrize("rule", ["majority", "dawid_skene"])
def test_one_label_by_the_rule_of_the_params(rule):
    table = simulate(300)[0]
    expected = vote(table) if rule == "majority" else fit_dawid_skene(table).labels
    pd.testing.assert_series_equal(decide(table, rule), expected.astype("string"), check_names=False)
