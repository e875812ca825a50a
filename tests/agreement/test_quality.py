from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.agreement.kappa import cohen_kappa
from datatools.agreement.quality import QUALITY, annotator_quality, count_confusions, kappa_with_others
from tests.small_data import ratings

from .test_dawid_skene import simulate

unhurried = settings(deadline=None, max_examples=80, database=None)


@unhurried
@given(st.integers(2, 12).flatmap(lambda n: st.tuples(*[st.text("abc-", min_size=n, max_size=n)] * 2)))
def test_of_two_annotators_it_is_cohens_kappa(texts):
    table = ratings(anna=texts[0], ben=texts[1])
    expected = cohen_kappa(table["anna"], table["ben"])
    for value, _, _ in kappa_with_others(table, n_resamples=3):
        assert np.isnan(value) if expected is None else value == pytest.approx(expected, abs=1e-9)


def test_of_three_it_is_cohens_kappa_with_a_random_other():
    """Worked by hand: anna meets ben on two images and chloe on two, with half the weight where both are there."""
    table = ratings(anna="aab", ben="ab-", chloe="a-b")
    # others: image 0 a; image 1 b; image 2 b. anna: a a b. observed 2/3; expected (2/3)(1/3) + (1/3)(2/3) = 4/9
    assert kappa_with_others(table)[0, 0] == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9), abs=1e-12)
    split = ratings(anna="aab", ben="abb", chloe="bbb")
    # image 0: one a, one b; images 1 and 2: two b. observed (1/2 + 0 + 1) / 3; others' shares a 1/6, b 5/6
    assert kappa_with_others(split)[0, 0] == pytest.approx((1 / 2 - (2 / 18 + 5 / 18)) / (1 - 7 / 18), abs=1e-12)


def test_the_table():
    table, truth, _ = simulate(6000)
    found = annotator_quality(table)
    assert list(found.columns) == QUALITY
    right = [(table[name] == truth).mean() for name in table]
    np.testing.assert_allclose(found["accuracy"], right, atol=0.02)
    assert list(found["annotator"]) == list(table.columns)
    assert (found["low"] < found["kappa"]).all() and (found["kappa"] < found["high"]).all()
    assert found["kappa"].idxmax() == 0


def test_the_worst_class_and_what_it_is_taken_for():
    truth = "a" * 40 + "b" * 40 + "c" * 40
    anna = "a" * 40 + "c" * 15 + "a" * 5 + "b" * 20 + "c" * 38 + "a" * 2
    table = ratings(anna=anna, ben=truth, chloe=truth)
    row = annotator_quality(table).iloc[0]
    assert (row["worst_class"], row["worst_accuracy"]) == ("b", 0.5)
    assert row["agreement"] == pytest.approx(98 / 120)
    found = count_confusions(table)
    assert found.to_dict("records") == [
        {"annotator": "anna", "label": "b", "given": "c", "n": 15, "share": 15 / 40},
        {"annotator": "anna", "label": "b", "given": "a", "n": 5, "share": 5 / 40},
        {"annotator": "anna", "label": "c", "given": "a", "n": 2, "share": 2 / 40},
    ]


def test_who_is_never_compared_has_no_numbers():
    found = annotator_quality(ratings(anna="aab-", ben="aab-", chloe="---b", dora="----")).set_index("annotator")
    assert found["n"].tolist() == [3, 3, 1, 0]
    assert found["n_compared"].tolist() == [3, 3, 0, 0]
    missing = ["agreement", "kappa", "low", "high", "accuracy", "worst_class", "worst_accuracy"]
    assert found.loc[["chloe", "dora"], missing].isna().all(axis=None)
    assert found.loc["anna", "kappa"] == 1.0
    assert pd.isna(found.loc["anna", "worst_class"])  # no class is missed


@pytest.mark.parametrize("given_labels", [{"anna": ""}, {"anna": "ab"}, {"anna": "a-", "ben": "-a"}])
def test_nothing_to_compare(given_labels):
    found = annotator_quality(ratings(**given_labels))
    assert found["kappa"].isna().all() and found["n_compared"].eq(0).all()
    assert count_confusions(ratings(**given_labels)).empty


def test_a_bootstrap_interval_is_about_two_standard_errors_wide():
    table, _, _ = simulate(2000, 4)
    values, low, high = kappa_with_others(table, 400).T
    halves = [kappa_with_others(table.iloc[n * 200 : n * 200 + 200], 2)[:, 0] for n in range(10)]
    error = np.std(halves, axis=0, ddof=1) / np.sqrt(10)
    assert ((high - low) / (3.92 * error) > 0.5).all() and ((high - low) / (3.92 * error) < 2.0).all()
    assert ((low < values) & (values < high)).all()
