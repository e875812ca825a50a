from __future__ import annotations

import re

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
    table = ratings(anna="aabb" * 20, ben="abab" * 20)
    found = list(find_low_kappa(table, ValidateParams()))
    assert [finding.subject for finding in found] == ["all", "anna and ben", "class a", "class b"]
    texts = [re.sub(r"\(95 % -?0\.\d{3} to 0\.\d{3}\)", "(...)", finding.message) for finding in found]
    blame = "below 0.8; mixed up most: 'a' and 'b' (40 of 40 disagreements)"
    assert texts == [
        f"Fleiss' kappa of 2 annotators is 0.000 (...), {blame}",
        f"Cohen's kappa of anna and ben is 0.000 (...), {blame}",
        f"Krippendorff's alpha on 'a' against the rest is 0.006 (...), {blame}",
        f"Krippendorff's alpha on 'b' against the rest is 0.006 (...), {blame}",
    ]


def test_the_guilty_pairs_of_classes_are_named_first_and_only_three():
    one = "a" * 9 + "b" * 9 + "c" * 9 + "d" * 9
    other = "b" * 5 + "a" * 4 + "c" * 2 + "b" * 7 + "a" + "c" * 8 + "dddddddda"
    table = ratings(anna=one * 10, ben=other * 10, chloe=one * 10)
    whole, pair, *others = find_low_kappa(table, ValidateParams())
    named = "mixed up most: 'a' and 'b' (100 of 180 disagreements), 'b' and 'c' (40), 'a' and 'c' (20)"
    assert whole.message.endswith(named)
    assert pair.subject == "anna and ben"
    assert pair.message.endswith("'a' and 'b' (50 of 90 disagreements), 'b' and 'c' (20), 'a' and 'c' (10)")
    (b,) = [finding for finding in others if finding.subject == "class b"]
    assert b.message.endswith("mixed up most: 'a' and 'b' (100 of 140 disagreements), 'b' and 'c' (40)")


def test_a_class_below_the_bar_though_the_whole_is_above():
    table = ratings(anna="a" * 200 + "b" * 200 + "cccddd", ben="a" * 200 + "b" * 200 + "dddccc")
    assert [finding.subject for finding in find_low_kappa(table, ValidateParams())] == ["class c", "class d"]


def test_a_rare_class_is_not_judged_by_one_image():
    assert messages(ratings(anna="aaaaaaaaaabbbbbbbbbbcd", ben="aaaaaaaaaabbbbbbbbbbdc")) == []


def test_with_ratings_missing_it_is_alpha():
    first = messages(ratings(anna="aabb", ben="abab", chloe="ab--"))[0]
    assert first.startswith("Krippendorff's alpha of 3 annotators is ")


def test_of_many_annotators_the_one_who_is_apart_is_named():
    truth = "abcde" * 8
    given = {f"r{number:02d}": truth for number in range(21)}
    found = list(find_low_kappa(ratings(**{**given, "r07": truth[::-1]}), ValidateParams()))
    assert [finding.subject for finding in found] == ["r07"]
    assert found[0].message.startswith("Cohen's kappa of r07 and the others is 0.")


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
    assert len(findings) >= 2
    assert {finding.score for finding in findings} == {0.0}
