from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as reference

from datatools.errors import DatatoolsError
from datatools.evaluate.metrics import compute_metrics, count_pairs

CLASSES = ["a", "b", "c", "d"]


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b", "c"], size=200, p=[0.6, 0.3, 0.1])
    return list(labels), list(np.where(rng.random(200) < 0.8, labels, rng.choice(["a", "b", "c"], size=200)))


def test_equal_to_scikit_learn(answers):
    ours = compute_metrics(*answers, CLASSES, 0.95)
    precision, recall, f1, support = reference.precision_recall_fscore_support(*answers, labels=["a", "b", "c"])
    assert ours["n"] == 200
    assert ours["accuracy"] == pytest.approx(reference.accuracy_score(*answers))
    assert ours["macro_f1"] == pytest.approx(reference.f1_score(*answers, average="macro"))
    for number, name in enumerate("abc"):
        row = ours["classes"][name]
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx(
            (precision[number], recall[number], f1[number])
        )
        assert row["support"] == support[number]


def test_matrix_equals_scikit_learn(answers):
    expected = reference.confusion_matrix(*answers, labels=CLASSES)
    np.testing.assert_array_equal(count_pairs(*answers, CLASSES), expected)


def test_intervals_are_wilsons(answers):
    ours = compute_metrics(*answers, CLASSES, 0.9)
    hits = sum(label == guess for label, guess in zip(*answers, strict=True))
    expected = binomtest(hits, 200).proportion_ci(0.9, "wilson")
    assert (ours["accuracy_low"], ours["accuracy_high"]) == (expected.low, expected.high)
    row = ours["classes"]["b"]
    assert row["recall_low"] < row["recall"] < row["recall_high"]


def test_the_bootstrap_agrees_with_drawing_images(answers):
    ours = compute_metrics(*answers, CLASSES, 0.95)
    labels, guesses = map(np.array, answers)
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(300):
        pick = rng.integers(200, size=200)
        draws.append(reference.f1_score(labels[pick], guesses[pick], average="macro"))
    expected = np.percentile(draws, [2.5, 97.5])
    assert (ours["macro_f1_low"], ours["macro_f1_high"]) == pytest.approx(tuple(expected), abs=0.02)
    assert ours["macro_f1_low"] < ours["macro_f1"] < ours["macro_f1_high"]


def test_a_higher_level_gives_a_wider_interval(answers):
    narrow, wide = (compute_metrics(*answers, CLASSES, level) for level in (0.8, 0.99))
    for name in ("accuracy", "macro_f1"):
        assert wide[f"{name}_low"] < narrow[f"{name}_low"] < narrow[f"{name}_high"] < wide[f"{name}_high"]


def test_same_answers_same_numbers_in_any_order(answers):
    turned = [column[::-1] for column in answers]
    assert compute_metrics(*answers, CLASSES, 0.95) == compute_metrics(*turned, CLASSES, 0.95)


def test_what_would_be_nought_by_nought_is_null():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = compute_metrics(["a", "a", "b"], ["a", "c", "a"], CLASSES, 0.95)
    nothing = {"recall": None, "recall_low": None, "recall_high": None}
    assert ours["classes"]["d"] == {"precision": None, **nothing, "f1": None, "support": 0}
    assert ours["classes"]["c"] == {"precision": 0.0, **nothing, "f1": 0.0, "support": 0}
    assert ours["classes"]["b"]["precision"] is None and ours["classes"]["b"]["recall"] == 0.0
    json.dumps(ours, allow_nan=False)


def test_no_images_is_an_answer():
    ours = compute_metrics([], [], CLASSES, 0.95)
    assert ours["n"] == 0 and ours["accuracy"] is None and ours["macro_f1"] is None


def test_unequal_lengths_are_an_error():
    with pytest.raises(DatatoolsError, match=r"must be as many. Got 1 and 2"):
        compute_metrics(["a"], ["a", "b"], CLASSES, 0.95)


@pytest.mark.parametrize(("label", "guess"), [("x", "a"), ("a", "x")])
def test_a_foreign_name_is_an_error(label, guess):
    with pytest.raises(DatatoolsError, match=r"Got 'x' instead: list all classes"):
        compute_metrics([label], [guess], CLASSES, 0.95)
