from __future__ import annotations

import pytest

from datatools.checks.confused_classes import find_confused_classes
from datatools.params import ValidateParams
from tests.small_data import ratings


def confusions(table, confusion_min=0.1):
    return list(find_confused_classes(table, ValidateParams(confusion_min=confusion_min)))


def test_the_one_who_is_apart_is_named_and_no_one_else():
    (finding,) = confusions(ratings(anna="b" * 5 + "a" * 5, ben="a" * 10, chloe="a" * 10))
    assert finding.message == "anna calls 50% of 'a' 'b' (5 of 10 images)"
    assert finding.score == 0.5
    assert finding.path is None
    assert finding.subject == "anna: a as b"


@pytest.mark.parametrize(
    ("n_wrong", "n", "confusion_min", "found"),
    [
        (4, 10, 0.1, False),  # fewer than five images are no habit
        (5, 50, 0.1, True),  # exactly at the bar
        (5, 51, 0.1, False),
        (5, 51, 0.0, True),
        (50, 50, 1.0, True),
        (49, 50, 1.0, False),
    ],
)
def test_both_bars(n_wrong, n, confusion_min, found):
    table = ratings(anna="b" * n_wrong + "a" * (n - n_wrong), ben="a" * n, chloe="a" * n)
    assert bool(confusions(table, confusion_min)) is found


def test_two_annotators_do_not_tell_who_is_apart():
    assert confusions(ratings(anna="b" * 9, ben="a" * 9)) == []


def test_images_on_which_the_others_tie_are_left_out():
    assert confusions(ratings(anna="b" * 9, ben="a" * 9, chloe="c" * 9)) == []


def test_images_that_one_has_not_rated_are_left_out():
    table = ratings(anna="b" * 5 + "-" * 40 + "a" * 5, ben="a" * 50, chloe="a" * 50)
    assert [finding.message for finding in confusions(table)] == ["anna calls 50% of 'a' 'b' (5 of 10 images)"]


def test_two_who_share_a_habit_outvote_the_third():
    found = [finding.message for finding in confusions(ratings(anna="b" * 6, ben="b" * 6, chloe="a" * 6))]
    assert found == ["chloe calls 100% of 'b' 'a' (6 of 6 images)"]


def test_images_that_only_two_rated_are_left_out():
    assert confusions(ratings(anna="b" * 9, ben="a" * 9, chloe="-" * 9)) == []


def test_more_than_half_of_the_others_must_agree():
    assert confusions(ratings(anna="b" * 9, ben="a" * 9, chloe="a" * 9, dora="c" * 9, emil="d" * 9)) == []
    found = confusions(ratings(anna="b" * 9, ben="a" * 9, chloe="a" * 9, dora="c" * 9))
    assert [finding.subject for finding in found] == ["anna: a as b", "dora: a as c"]
