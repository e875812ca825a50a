from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.agreement.consensus import vote
from datatools.agreement.dawid_skene import PSEUDO, PSEUDO_RIGHT, fit_dawid_skene
from datatools.agreement.ratings import from_long, from_table
from datatools.errors import DatatoolsError
from tests.small_data import ratings

unhurried = settings(deadline=None, max_examples=60, database=None)


def simulate(n=3000, seed=0, confusions=None, n_classes=3):
    """Labels drawn from the model itself: (table, truth, confusion of each annotator)."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n)
    if confusions is None:
        confusions = [np.full((n_classes, n_classes), (1 - p) / (n_classes - 1)) for p in (0.9, 0.7, 0.6, 0.8)]
        for p, table in zip((0.9, 0.7, 0.6, 0.8), confusions, strict=True):
            np.fill_diagonal(table, p)
    names = np.array(list("abcdef"[:n_classes]))
    columns = {
        f"r{number}": names[[rng.choice(n_classes, p=table[k]) for k in truth]]
        for number, table in enumerate(confusions)
    }
    return pd.DataFrame(columns, dtype="string"), pd.Series(names[truth]), confusions


def plain_em(table, n_iter):
    """The same EM written out in loops."""
    classes = sorted(table.stack().dropna().unique())
    k, names = len(classes), list(table.columns)
    given = {n: [(a, classes.index(v)) for a, v in row.dropna().items()] for n, row in table.iterrows()}
    probs = np.array(
        [[sum(label == c for _, label in given[i]) / len(given[i]) for c in range(k)] for i in table.index]
    )
    for _ in range(n_iter):
        prior = probs.mean(axis=0)
        counts = {name: PSEUDO + PSEUDO_RIGHT * np.eye(k) for name in names}
        for row, i in zip(probs, table.index, strict=True):
            for name, label in given[i]:
                counts[name][:, label] += row
        rates = {name: n / n.sum(axis=1, keepdims=True) for name, n in counts.items()}
        likelihoods = np.array(
            [prior * np.prod([rates[a][:, label] for a, label in given[i]], axis=0) for i in table.index]
        )
        probs = likelihoods / likelihoods.sum(axis=1, keepdims=True)
    return probs, np.log(likelihoods.sum(axis=1)).sum()


@unhurried
@given(
    st.lists(st.text("abc-", min_size=3, max_size=3).filter(lambda text: text != "---"), min_size=1, max_size=12),
    st.integers(1, 6),
)
def test_it_is_em_written_out(rows, n_iter):
    table = ratings(**{f"r{number}": "".join(row[number] for row in rows) for number in range(3)})
    fit = fit_dawid_skene(table, max_iter=n_iter, tolerance=-1)
    probs, likelihood = plain_em(table, n_iter)
    np.testing.assert_allclose(fit.probs, probs, atol=1e-9)
    assert fit.log_likelihood == pytest.approx(likelihood, abs=1e-8)
    assert (fit.n_iter, fit.converged) == (n_iter, False)


def test_it_finds_the_error_rates_the_labels_were_drawn_with():
    table, truth, confusions = simulate(20_000)
    fit = fit_dawid_skene(table)
    assert fit.converged
    for name, expected in zip(table.columns, confusions, strict=True):
        np.testing.assert_allclose(fit.confusion(name).to_numpy(), expected, atol=0.03)
    np.testing.assert_allclose(fit.prior, 1 / 3, atol=0.02)
    assert (fit.labels == truth).mean() > (vote(table) == truth).mean()


def test_the_soft_labels_are_as_sure_as_they_are_right():
    table, truth, _ = simulate(20_000, seed=1)
    fit = fit_dawid_skene(table)
    assert fit.probs.max(axis=1).mean() == pytest.approx((fit.labels == truth).mean(), abs=0.01)


def test_a_systematic_error_is_turned_round():
    """One who calls every a b and every b a tells as much as one who is right; a vote cannot know."""
    right, swapped = np.array([[0.8, 0.2], [0.2, 0.8]]), np.array([[0.02, 0.98], [0.98, 0.02]])
    table, truth, _ = simulate(4000, 2, [right, right, right, swapped], 2)
    assert (fit_dawid_skene(table).labels == truth).mean() > (vote(table) == truth).mean() + 0.05


def test_many_annotators_in_turns():
    table, truth, _ = simulate(2000, 3)
    rng = np.random.default_rng(0)
    long = table.melt(ignore_index=False, var_name="annotator", value_name="label").reset_index(names="item")
    long["annotator"] += "/" + pd.Series(rng.integers(0, 10, len(long)).astype(str))
    long = long[rng.random(len(long)) < 0.8]
    fit = fit_dawid_skene(from_long(long))
    assert fit.converged
    assert (fit.labels == truth.loc[fit.items].to_numpy()).mean() > 0.83


def test_items_nobody_rated_are_left_out_unless_a_model_knows_them():
    table = ratings(anna="ab-", ben="ab-")
    assert list(fit_dawid_skene(table).items) == ["00.png", "01.png"]
    fit = fit_dawid_skene(table, np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]))
    assert fit.labels.tolist() == ["a", "b", "b"]


@pytest.mark.parametrize(
    ("given_labels", "expected"),
    [
        ({"anna": "ab"}, ["a", "b"]),
        ({"anna": "aa", "ben": "aa"}, ["a", "a"]),
        ({"anna": "a-", "ben": "-b"}, ["a", "b"]),  # who meets nobody is believed
        ({"anna": "aab-", "ben": "aab-", "chloe": "---b"}, ["a", "a", "b", "b"]),
        ({"anna": "--", "ben": "--"}, []),
        ({"anna": "", "ben": ""}, []),
    ],
)
def test_where_there_is_little_to_learn(given_labels, expected):
    fit = fit_dawid_skene(ratings(**given_labels))
    assert fit.labels.tolist() == expected
    assert np.isfinite(fit.probs).all() and np.isfinite(fit.log_likelihood) and fit.converged


def test_the_rows_of_a_confusion_sum_to_one():
    fit = fit_dawid_skene(ratings(anna="aabc", ben="aabb", chloe="abb-"))
    for name in fit.annotators:
        np.testing.assert_allclose(fit.confusion(name).sum(axis=1), 1.0)


def test_priors_of_another_shape_are_an_error():
    with pytest.raises(DatatoolsError, match=r"priors must have the shape \(2, 2\), items and classes. Got \(2, 3\)"):
        fit_dawid_skene(ratings(anna="ab"), np.ones((2, 3)))


def test_the_input_is_unchanged_and_rows_have_no_order():
    table, _, _ = simulate(200)
    before, fit = table.copy(deep=True), fit_dawid_skene(table)
    pd.testing.assert_frame_equal(table, before)
    turned = fit_dawid_skene(table[::-1])
    np.testing.assert_allclose(turned.probs[::-1], fit.probs, atol=1e-9)
    assert fit_dawid_skene(from_table(table)).log_likelihood == fit.log_likelihood
