from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from datatools.curate.label_issues import find_suspects
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
