"""Numbers and foreign text as a person reads them."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.checks import wrong_label
from datatools.report import words
from datatools.report.words import (
    count,
    describe_agreement,
    interval,
    is_number,
    moment,
    percent,
    plural,
    reason_words,
    visible,
)
from tests.report.builders import HOSTILE


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5030, "5,030"), (0, "0"), (2.0, "2"), (None, "-"), (float("nan"), "-"), (True, "-"), ("7", "-")],
)
def test_count(value: Any, expected: str) -> None:
    assert count(value) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.954, "95.4 %"), (1, "100.0 %"), (0, "0.0 %"), (None, "-"), (float("nan"), "-"), (float("inf"), "-")],
)
def test_percent(share: Any, expected: str) -> None:
    assert percent(share) == expected


def test_percent_digits() -> None:
    assert percent(0.7, 0) == "70 %"


@pytest.mark.parametrize(
    ("n", "words", "expected"),
    [(1, ("image",), "1 image"), (0, ("image",), "0 images"), (1200, ("class", "classes"), "1,200 classes")],
)
def test_plural(n: int, words: tuple[str, ...], expected: str) -> None:
    assert plural(n, *words) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.937, 0.967, "93.7 to 96.7"), (None, 0.967, ""), (0.9, float("nan"), ""), (0, 1, "0.0 to 100.0")],
)
def test_interval(low: Any, high: Any, expected: str) -> None:
    assert interval(low, high) == expected


def test_is_number_takes_no_bool_and_no_nan() -> None:
    assert [is_number(value) for value in (1, 1.5, True, float("nan"), None, "1")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "-"),
        (float("nan"), "-"),
        ("", "-"),
        ("   ", "-"),
        ("cat", "cat"),
        ("été 猫 🐈", "été 猫 🐈"),
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\u200d", "\u200d"),
        (7, "7"),
    ],
)
def test_visible(text: Any, expected: str) -> None:
    assert visible(text) == expected


@pytest.mark.parametrize("text", HOSTILE)
def test_visible_is_one_short_harmless_line(text: str) -> None:
    shown = visible(text, 50)
    assert 0 < len(shown) <= 50
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in shown)
    assert visible(shown, 50) == shown


@given(st.text(max_size=20))
def test_visible_spells_every_character_by_itself(text: str) -> None:
    spelled = "".join(visible(f"x{char}x", 20)[1:-1] for char in text).strip()
    assert visible(text, 20 * 12) == (spelled or "-")


def test_visible_cuts_with_dots() -> None:
    assert visible("abcdefgh", 6) == "abc..."
    assert visible("abcdef", 6) == "abcdef"


@pytest.mark.parametrize(
    ("when", "expected"),
    [("2026-11-21T14:03:00.000000Z", "2026-11-21 14:03"), ("", "-"), (None, "-"), ("soon\x1b", "soon\\x1b")],
)
def test_moment(when: Any, expected: str) -> None:
    assert moment(when) == expected


@pytest.mark.parametrize(
    ("reason", "titles", "expected"),
    [
        ("IMG001", {"IMG001": "Unreadable"}, "Unreadable"),
        ("IMG001", {}, "image cannot be read"),
        ("repeated_name", {}, "repeated name"),
    ],
)
def test_reason_words(reason: str, titles: dict[str, str], expected: str) -> None:
    assert reason_words(reason, titles) == expected


def test_numpy_numbers_count_as_numbers_once_plain() -> None:
    assert percent(float(np.float64(0.5))) == "50.0 %"


@pytest.mark.parametrize(
    ("agreement", "text"),
    [
        ({}, ""),
        ({"fleiss": None, "annotators": 1, "n": 0, "cohen": []}, ""),
        (
            {
                "fleiss": 0.9,
                "annotators": 3,
                "n": 1200,
                "cohen": [{"annotators": ["a", "b"], "kappa": 0.91234}, {"annotators": ["a", "c"], "kappa": None}],
            },
            "Fleiss' kappa 0.900 of 3 annotators on 1,200 images; Cohen's: <a> and <b> 0.912",
        ),
    ],
)
def test_agreement_in_a_sentence(agreement: dict[str, Any], text: str) -> None:
    assert describe_agreement(agreement, "<{}>".format) == text


def test_the_queue_does_not_call_a_label_wrong_that_a_model_only_disagrees_with() -> None:
    assert words.KINDS["label"] != wrong_label.CHECK.title, "these are counted apart: cleanlab doubts some of them"
