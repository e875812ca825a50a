from __future__ import annotations

import pytest

from datatools.agreement.kappa import cohen_kappa
from datatools.checks.low_kappa import find_low_kappa
from datatools.params import ValidateParams
from tests.small_data import ratings


def messages(table, kappa_min=0.8):
    return [finding.message for finding in find_low_kappa(table, ValidateParams(kappa_min=kappa_min))]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"anna": "aaaa", "ben": "aaaa"}, "one label only: 0/0 counts as 1"),
        ({"anna": "aa--", "ben": "--bb"}, "no common image"),
        ({"anna": "abab"}, "one annotator"),
        ({"anna": "----", "ben": "----"}, "nobody rated"),
        ({"anna": "abc", "ben": "abc", "chloe": "abc"}, "all agree"),
    ],
)
def test_silent(given, why):
    assert messages(ratings(**given)) == [], why


def test_whole_pair_and_class():
    assert messages(ratings(anna="aabb", ben="abab")) == [
        "Fleiss' kappa of 2 annotators is 0.000, below 0.8",
        "Cohen's kappa of anna and ben is 0.000, below 0.8",
        "Cohen's kappa of anna and ben on 'a' against the rest is 0.000, below 0.8",
        "Cohen's kappa of anna and ben on 'b' against the rest is 0.000, below 0.8",
    ]


def test_a_class_below_the_bar_though_the_whole_is_above():
    table = ratings(anna="aaaaaaaaaabbbbbbbbbbcd", ben="aaaaaaaaaabbbbbbbbbbdc")
    found = messages(table)
    assert all(" on 'c' " in text or " on 'd' " in text for text in found)
    assert len(found) == 2


def test_every_pair_is_compared():
    found = messages(ratings(anna="aabb", ben="aabb", chloe="bbaa"))
    pairs = {text.split(" of ")[1].split(" is ")[0].split(" on ")[0] for text in found if text.startswith("Cohen")}
    assert pairs == {"anna and chloe", "ben and chloe"}


def test_exactly_at_the_bar_is_fine():
    table = ratings(anna="aaabbb", ben="aabbba")
    kappa = cohen_kappa(table["anna"], table["ben"])
    assert 0 < kappa < 0.8
    assert messages(table, kappa_min=kappa) == []
    assert messages(table, kappa_min=kappa + 1e-9) != []


def test_worse_than_chance_scores_zero():
    findings = list(find_low_kappa(ratings(anna="ab", ben="ba"), ValidateParams()))
    assert len(findings) == 4
    assert {finding.score for finding in findings} == {0.0}


def test_a_class_that_only_one_of_them_uses():
    assert "Cohen's kappa of anna and ben on 'c' against the rest is 0.000, below 0.8" in messages(
        ratings(anna="aabc", ben="aabb")
    )
