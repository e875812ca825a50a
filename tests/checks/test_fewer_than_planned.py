from __future__ import annotations

import pytest

from datatools.checks.fewer_than_planned import CHECK, find_fewer_than_planned
from datatools.params import ValidateParams
from tests.small_data import make_inputs


def said(planned):
    inputs = make_inputs()
    params = ValidateParams(planned=planned)
    found = find_fewer_than_planned(inputs["images"], inputs["annotations"], inputs["classes"], params)
    return [(finding.subject, finding.message, finding.score) for finding in found]


def test_classes_and_slices_that_are_short():
    assert said({"circle": 8, "star": 10}) == [("star", "'star' has 8 of 10 planned images; 2 are missing", 0.8)]
    (subject, message, score), = said({"background=grid": 1000})  # fmt: skip
    assert (subject, message) == ("background=grid", "'background=grid' has 8 of 1,000 planned images; 992 are missing")
    assert score == pytest.approx(0.008)
    assert said({"background=grid": 8, "writer=w1": 4}) == []


def test_a_name_that_nothing_has():
    message = "'moon' has 0 of 5 planned images: nothing has this name; 5 are missing"
    assert said({"moon": 5, "moon=0": 0}) == [("moon", message, 0.0)]


def test_without_a_plan_it_is_off():
    assert said({}) == []
    assert CHECK.off is not None
    assert CHECK.off({"params": ValidateParams()}) == "validate.planned is empty"
    assert CHECK.off({"params": ValidateParams(planned={"cat": 1})}) == ""
