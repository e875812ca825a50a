from __future__ import annotations

import pytest

from datatools.checks.unmeasured_agreement import find_unmeasured
from tests.small_data import ratings


def said(**given_labels):
    return [(finding.subject, finding.message) for finding in find_unmeasured(ratings(**given_labels))]


@pytest.mark.parametrize(
    "given_labels",
    [
        {"anna": "ab"},
        {"anna": ""},
        {"anna": "--", "ben": "--"},
        {"anna": "ab", "ben": "--"},
        {"anna": "ab-", "ben": "aba"},
    ],
)
def test_silent(given_labels):
    assert said(**given_labels) == []


def test_nobody_meets_anybody():
    assert said(anna="aa--", ben="--bb") == [
        ("all", "agreement of 2 annotators is not measurable: no image was rated by two")
    ]


def test_one_who_meets_nobody_and_a_class_that_nobody_compared():
    assert said(anna="ab--", ben="aa--", chloe="--bc") == [
        ("chloe", "agreement of chloe with the others is not measurable: nobody else rated any of the 2 images"),
        ("class c", "agreement on 'c' is not measurable: none of the 1 images with it was rated by two"),
    ]
