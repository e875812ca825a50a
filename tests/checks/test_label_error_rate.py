from __future__ import annotations

import pytest

from datatools.checks.label_error_rate import find_label_error_rate
from datatools.params import CurateParams

ESTIMATE = {"n": 2000, "rate": 0.031, "low": 0.02, "high": 0.042, "accuracy": 0.9, "simple_accuracy": 0.9}


@pytest.mark.parametrize(("bar", "speaks"), [(0.01, True), (0.0199, True), (0.02, False), (0.05, False), (1.0, False)])
def test_it_speaks_when_the_whole_interval_is_above_the_bar(bar, speaks):
    assert bool(list(find_label_error_rate(ESTIMATE, CurateParams(label_error_max=bar)))) is speaks


def test_the_message_gives_rate_interval_and_bar():
    (finding,) = find_label_error_rate(ESTIMATE, CurateParams())
    assert finding.message == "about 3.1% of 2,000 labels are wrong (2.0% to 4.2%); the bar is 1.0%"
    assert finding.score == pytest.approx(0.969)
    assert finding.subject == "labels"


def test_of_models_that_are_weaker_than_a_simple_guess_no_rate_is_told():
    weak = {**ESTIMATE, "accuracy": 0.48, "simple_accuracy": 0.72}
    (finding,) = find_label_error_rate(weak, CurateParams())
    assert finding.message == (
        "how many of 2,000 labels are wrong is not known: the models agree with 48.0% of them, "
        "neighbours or the commonest class alone with 72.0%"
    )
    assert not list(find_label_error_rate(weak, CurateParams(label_error_max=0.02)))
