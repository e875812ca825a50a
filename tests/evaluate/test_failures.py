from __future__ import annotations

import pytest

from datatools.errors import DatatoolsError
from datatools.evaluate.failures import find_failures


def test_only_errors_the_most_confident_first_then_by_path():
    failures = find_failures(["d", "c", "b", "a"], list("0011"), list("1010"), [0.5, 0.99, 0.9, 0.5])
    assert failures["path"].tolist() == ["a", "d"]
    failures = find_failures(["d", "c", "b", "a"], list("0011"), list("1100"), [0.5, 0.99, 0.9, 0.5])
    assert failures["path"].tolist() == ["c", "b", "a", "d"]
    assert list(failures.columns) == ["path", "label", "predicted", "confidence"]


def test_no_failures_and_no_images_are_empty_tables():
    assert find_failures(["a"], ["0"], ["0"], [1.0]).empty
    assert list(find_failures([], [], [], []).columns) == ["path", "label", "predicted", "confidence"]


def test_unequal_lengths_are_an_error():
    with pytest.raises(DatatoolsError, match=r"must be as many. Got 1, 1, 1, 2 instead"):
        find_failures(["a"], ["0"], ["0"], [1.0, 0.5])
