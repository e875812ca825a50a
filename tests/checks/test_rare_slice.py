from __future__ import annotations

import pytest

from datatools.checks.rare_slice import find_rare_slices
from tests.small_data import slice_table


def test_only_the_rare_and_how_many_are_missing():
    (finding,) = find_rare_slices(slice_table(("label", "a", 30, 10, 0.9), ("background", "grid", 4, 10, 0.25)))
    assert finding.message == "background=grid has only 4 images, out-of-fold accuracy 25%: 6 more to the bar"
    assert finding.score == pytest.approx(0.4)
    assert finding.path is None


def test_an_accuracy_that_is_not_known_is_not_named():
    (finding,) = find_rare_slices(slice_table(("label", "a", 1, 2, float("nan"))))
    assert finding.message == "label=a has only 1 images: 1 more to the bar"


def test_none_rare():
    assert list(find_rare_slices(slice_table(("label", "a", 2, 2, 1.0)))) == []
