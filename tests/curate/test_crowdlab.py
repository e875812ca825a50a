from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from datatools.curate.crowdlab import crowdlab
from datatools.errors import DatatoolsError, MissingExtraError
from tests.agreement.test_dawid_skene import simulate
from tests.small_data import ratings

multiannotator = pytest.importorskip("cleanlab.multiannotator")
CLASSES = ("a", "b", "c")


def model_of(truth, p=0.8, seed=0):
    rng = np.random.default_rng(seed)
    codes = pd.Index(CLASSES).get_indexer(truth)
    codes = np.where(rng.random(len(codes)) < p, codes, rng.integers(0, 3, len(codes)))
    return np.full((len(codes), 3), 0.1) + 0.7 * np.eye(3)[codes]


def test_it_is_what_cleanlab_says():
    table, truth, _ = simulate(300)
    probs = model_of(truth)
    codes = table.apply(lambda column: pd.Index(CLASSES).get_indexer(column)).astype(float)
    expected = multiannotator.get_label_quality_multiannotator(codes, probs, verbose=False)["label_quality"]
    found = crowdlab(table, probs, CLASSES)
    assert list(found.columns) == ["item", "label", "score", "agreement", "n"]
    assert [CLASSES.index(label) for label in found["label"]] == expected["consensus_label"].tolist()
    np.testing.assert_allclose(found["score"], expected["consensus_quality_score"], atol=1e-9)
    assert list(found["item"]) == list(table.index)


def test_images_that_nobody_rated_have_no_row_and_order_is_kept():
    table, truth, _ = simulate(50)
    table = table.astype("string")
    table.iloc[[3, 7]] = pd.NA
    found = crowdlab(table[::-1], model_of(truth)[::-1], CLASSES)
    assert list(found["item"]) == [n for n in range(49, -1, -1) if n not in (3, 7)]
    assert found["n"].eq(4).all()


@pytest.mark.parametrize(
    ("given_labels", "expected"),
    [
        ({"anna": "bb"}, []),
        ({"anna": "b-", "ben": "-c"}, []),
        ({"anna": "bb", "ben": "bb"}, ["b", "b"]),
        ({"anna": "bb-", "ben": "bb-", "chloe": "--c"}, ["b", "b"]),  # chloe meets nobody
        ({"anna": "", "ben": ""}, []),
    ],
)
def test_where_there_is_little_to_compare(given_labels, expected):
    table = ratings(**given_labels)
    found = crowdlab(table, np.full((len(table), 3), 1 / 3), CLASSES)
    assert found["label"].tolist() == expected


def test_wrong_calls():
    with pytest.raises(DatatoolsError, match=r"probs must have the shape \(2, 3\), items and classes. Got \(2, 2\)"):
        crowdlab(ratings(anna="ab", ben="ab"), np.ones((2, 2)), CLASSES)
    with pytest.raises(DatatoolsError, match=r"classes are a, b, c\. Got 'd'"):
        crowdlab(ratings(anna="d", ben="a"), np.ones((1, 3)), CLASSES)


def test_without_cleanlab(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.multiannotator", None)
    with pytest.raises(MissingExtraError):
        crowdlab(ratings(anna="a", ben="a"), np.ones((1, 3)), CLASSES)
