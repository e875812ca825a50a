from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from datatools.agreement.alpha import krippendorff_alpha
from datatools.agreement.kappa import cohen_kappa, fleiss_kappa
from datatools.agreement.measure import PAIRS_MAX, measure_agreement
from tests.small_data import ratings

from .test_dawid_skene import simulate


def test_agreement_of_a_table_is_that_of_its_columns():
    table = pd.DataFrame({"ann": list("aabb"), "bo": list("aabc"), "cy": ["a", None, "b", "c"]}, index=list("wxyz"))
    measured = measure_agreement(table)
    assert (measured["annotators"], measured["n"], measured["fleiss"]) == (3, 3, fleiss_kappa(table))
    assert measured["alpha"] == krippendorff_alpha(table)
    assert measured["n_compared"] == 4
    assert measured["percent"] == pytest.approx((1 + 1 + 1 + 1 / 3) / 4)
    assert [(row["annotators"], row["n"]) for row in measured["cohen"]] == [
        (["ann", "bo"], 4),
        (["ann", "cy"], 3),
        (["bo", "cy"], 3),
    ]
    assert measured["cohen"][0]["kappa"] == cohen_kappa(table["ann"], table["bo"])


@pytest.mark.parametrize(
    ("given_labels", "kappa"),
    [
        ({}, None),
        ({"anna": "ab"}, None),
        ({"anna": "", "ben": ""}, None),
        ({"anna": "a-", "ben": "-b"}, None),
        ({"anna": "aa", "ben": "aa"}, 1.0),
        ({"anna": "a", "ben": "b"}, {"fleiss": -1.0, "alpha": 0.0}),
        ({"anna": "a--", "ben": "-b-", "chloe": "--c"}, None),
    ],
)
def test_what_has_no_answer_is_none_and_never_nan(given_labels, kappa):
    table = ratings(**given_labels) if given_labels else pd.DataFrame(index=["x", "y"])
    measured = measure_agreement(table)
    expected = kappa if isinstance(kappa, dict) else {"fleiss": kappa, "alpha": kappa}
    assert {name: measured[name] for name in expected} == expected
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    if kappa is None:
        assert measured["n_compared"] == 0 and measured["percent"] is None and measured["by_class"] == []
        assert all(
            row["kappa"] is None and row["interval"] is None for row in measured["by_annotator"] + measured["cohen"]
        )


def test_what_it_says_of_each_annotator():
    table, _, _ = simulate(1500)
    measured = measure_agreement(table)
    assert [row["annotator"] for row in measured["by_annotator"]] == list(table.columns)
    for row in measured["by_annotator"]:
        assert row["interval"][0] < row["kappa"] < row["interval"][1]
        assert 1 <= len(row["confuses"]) <= 3
        assert set(row["confuses"][0]) == {"label", "given", "n", "share"}
    for name in ("fleiss", "alpha"):
        assert measured[f"{name}_interval"][0] < measured[name] < measured[f"{name}_interval"][1]
    assert measured["dawid_skene"]["converged"] is True
    assert [row["label"] for row in measured["by_class"]] == ["a", "b", "c"]


def test_many_annotators_are_compared_with_the_others():
    rng = np.random.default_rng(0)
    n = PAIRS_MAX + 1
    table = pd.DataFrame({f"r{number:02d}": rng.choice(list("ab"), 30) for number in range(n)}, dtype="string")
    table = table.where(rng.random(table.shape) < 0.2)
    measured = measure_agreement(table)
    assert measured["cohen"] == []
    assert len(measured["by_annotator"]) == n
    assert isinstance(measured["fleiss"], float)  # of the images with the most frequent number of ratings
    sizes = table.notna().sum(axis=1)
    assert measured["n"] == max((sizes == m).sum() for m in range(2, n + 1))


def test_the_input_is_unchanged_and_the_seed_decides():
    table = simulate(100)[0]
    before = table.copy(deep=True)
    assert measure_agreement(table) == measure_agreement(table)
    pd.testing.assert_frame_equal(table, before)
    assert measure_agreement(table, seed=1)["alpha_interval"] != measure_agreement(table)["alpha_interval"]
