from __future__ import annotations

import pytest

from datatools.checks.disagreement import find_disagreements
from tests.small_data import ratings


@pytest.mark.parametrize(
    ("anna", "ben", "chloe", "score"),
    [
        ("a", "a", "a", None),
        ("a", "-", "-", None),
        ("-", "-", "-", None),
        ("a", "a", "-", None),
        ("a", "a", "b", 2 / 3),
        ("a", "b", "-", 1 / 2),  # those who did not rate have no part
        ("a", "b", "c", 1 / 3),
    ],
)
def test_the_score_is_the_share_behind_the_vote(anna, ben, chloe, score):
    found = [finding.score for finding in find_disagreements(ratings(anna=anna, ben=ben, chloe=chloe))]
    assert found == ([pytest.approx(score)] if score else [])


def test_who_said_what():
    (finding,) = find_disagreements(ratings(anna="aa", ben="ab", chloe="a-"))
    assert finding.message == "annotators disagree: anna 'a', ben 'b'"
    assert (finding.path, finding.annotation_id) == ("01.png", "label/01.png")
    assert finding.subject == "a or b"
