from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from datatools.curate.label_issues import estimate_errors, find_suspects
from datatools.errors import MissingExtraError

CLASSES = ("a", "b", "c")
WRONG = (3, 21, 40)


def labels_of(text):
    return pd.Series(list(text), index=[f"{number:02d}.png" for number in range(len(text))], dtype="string")


def sure_of(truth, share=0.9, classes=CLASSES):
    """Probabilities of a model that is `share` sure of the truth."""
    rest = (1 - share) / (len(classes) - 1)
    return np.array([[share if name == letter else rest for name in classes] for letter in truth], dtype=np.float32)


@pytest.fixture(scope="module")
def suspects():
    truth = "abc" * 20
    given = list(truth)
    for number in WRONG:
        given[number] = CLASSES[(CLASSES.index(truth[number]) + 1) % 3]
    return find_suspects(labels_of(given), sure_of(truth), CLASSES)


def test_wrong_labels_are_doubted_and_no_others(suspects):
    assert suspects.index[suspects["is_issue"]].tolist() == list(WRONG)


def test_one_row_a_label_in_their_order(suspects):
    assert list(suspects.columns) == ["path", "label", "suggested", "confidence", "score", "is_issue"]
    assert suspects["path"].tolist() == [f"{number:02d}.png" for number in range(60)]
    assert suspects["suggested"].tolist() == list("abc" * 20)
    assert suspects["is_issue"].dtype == bool


@pytest.mark.parametrize(
    ("probs", "label", "score", "suggested", "confidence"),
    [
        ((1.0, 0.0, 0.0), "a", 1.0, "a", 1.0),
        ((0.0, 1.0, 0.0), "a", 0.0, "b", 1.0),
        ((0.5, 0.5, 0.0), "b", 0.5, "a", 0.5),  # a tie: the first class
        ((0.2, 0.5, 0.3), "c", 0.4, "b", 0.5),
        ((0.6, 0.3, 0.1), "a", 0.65, "a", 0.6),
    ],
)
def test_the_score_is_the_normalized_margin(probs, label, score, suggested, confidence):
    row = find_suspects(labels_of(label), np.array([probs], dtype=np.float32), CLASSES).iloc[0]
    assert row["score"] == pytest.approx(score, abs=1e-6)
    assert (row["suggested"], row["confidence"]) == (suggested, pytest.approx(confidence))


def test_the_worst_have_the_lowest_scores(suspects):
    assert set(suspects.sort_values("score").head(3).index) == set(WRONG)
    assert suspects["score"].between(0, 1).all()


def test_a_label_that_the_model_shares_is_never_an_issue():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(3), size=80).astype(np.float32)
    table = find_suspects(labels_of([CLASSES[i] for i in rng.integers(3, size=80)]), probs, CLASSES)
    assert table["is_issue"].any()
    assert (table.loc[table["is_issue"], "label"] != table.loc[table["is_issue"], "suggested"]).all()


def test_a_class_without_images_is_no_crash():
    truth = "ac" * 20
    given = "c" + truth[1:]
    table = find_suspects(labels_of(given), sure_of(truth), CLASSES)
    assert table.index[table["is_issue"]].tolist() == [0]
    assert table.loc[0, "suggested"] == "a"


@pytest.mark.parametrize("text", ["a", "aaaa"])
def test_one_class_only_cannot_be_doubted(text):
    table = find_suspects(labels_of(text), sure_of("b" * len(text)), CLASSES)
    assert not table["is_issue"].any()
    assert set(table["suggested"]) == {"b"}


def test_probabilities_are_unchanged():
    probs = sure_of("abc" * 5)
    before = probs.copy()
    find_suspects(labels_of("abc" * 5), probs, CLASSES)
    np.testing.assert_array_equal(probs, before)


def test_without_cleanlab_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(MissingExtraError, match=r"^curate: needs the package cleanlab, .*'\.\[curate\]'"):
        find_suspects(labels_of("ab"), sure_of("ab"), CLASSES)


def noisy(rate: float, n: int = 3000, seed: int = 0) -> tuple[pd.Series, np.ndarray]:
    """Labels of which a share is wrong, and the probabilities of a model that is right and rather sure."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, n)
    given = np.where(rng.random(n) < rate, (true + rng.integers(1, 3, n)) % 3, true)
    probs = np.full((n, 3), 0.05) + rng.uniform(0, 0.02, (n, 3))
    probs[np.arange(n), true] = 0.9
    return pd.Series(np.array(["a", "b", "c"])[given]), (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.3])
def test_the_estimated_rate_of_errors_is_near_the_true_one(rate):
    found = estimate_errors(*noisy(rate), ["a", "b", "c"])
    assert found["n"] == 3000
    assert found["rate"] == pytest.approx(rate, abs=0.015)
    assert 0 <= found["low"] <= found["rate"] <= found["high"] <= 1
    assert found["low"] - 0.01 <= rate <= found["high"] + 0.01


def test_the_interval_narrows_with_more_labels():
    few, many = (estimate_errors(*noisy(0.1, n), ["a", "b", "c"]) for n in (300, 3000))
    assert few["high"] - few["low"] > 2 * (many["high"] - many["low"])


def test_one_class_alone_has_no_errors_to_estimate():
    _, probs = noisy(0.1, 10)
    one = pd.Series(["a"] * 10)
    assert estimate_errors(one, probs, ["a", "b", "c"]) == {"n": 10, "rate": 0.0, "low": 0.0, "high": 0.0}
