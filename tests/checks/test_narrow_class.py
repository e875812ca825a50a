from __future__ import annotations

import math

import pandas as pd
import pytest

from datatools.checks.narrow_class import find_narrow_classes
from datatools.params import CurateParams


def said(*rows, **params):
    table = pd.DataFrame(rows, columns=["label", "n", "spread"])
    return [(finding.subject, finding.message) for finding in find_narrow_classes(table, CurateParams(**params))]


WIDE = [("cat", 50, 1.0), ("dog", 60, 1.2)]


@pytest.mark.parametrize(
    ("row", "speaks"),
    [
        (("cow", 40, 0.2), True),
        (("cow", 40, 0.25), False),
        (("cow", 19, 0.1), False),  # SLC001 speaks of a small class
        (("cow", 40, math.nan), False),
        (("cow", 40, math.inf), False),
    ],
)
def test_a_class_below_the_share_is_named(row, speaks):
    assert [subject for subject, _ in said(*WIDE, row)] == (["cow"] if speaks else [])


def test_the_message_says_how_far_it_spreads():
    assert said(*WIDE, ("cow", 40, 0.0)) == [
        ("cow", "the 40 images of 'cow' spread 0% as far as those of the median class")
    ]


def test_two_classes_say_nothing_about_each_other():
    assert said(("cat", 50, 1.9), ("cow", 40, 0.1)) == []


def test_the_share_is_a_parameter():
    assert said(*WIDE, ("cow", 40, 0.3), spread_min=0.5) != []
    assert said(*WIDE, ("cow", 40, 0.0), spread_min=0.0) == []
