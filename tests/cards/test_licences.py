"""Licences: what a text names, what it asks for, what does not go together."""

from __future__ import annotations

import pytest

from datatools.cards.licences import MESSAGES, TABLE, UNKNOWN, Licence, find_conflicts, parse_licence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"),
        (" cc-by-sa-3.0 ", "CC-BY-SA-3.0"),
        ("http://creativecommons.org/licenses/by-nc-sa/2.0/", "CC-BY-NC-SA-2.0"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://opendatacommons.org/licenses/odbl/1-0/", "ODbL-1.0"),
        ("https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
        ("odbl-1.0", "ODbL-1.0"),
        ("bsd-3-clause", "BSD-3-Clause"),
    ],
)
def test_ids_and_addresses(text: str, expected: str):
    licence = parse_licence(text)
    assert (licence.id, licence.is_known) == (expected, True)
    assert licence.url == f"https://spdx.org/licenses/{expected}.html"


@pytest.mark.parametrize("text", [None, "", "  ", "unknown", "NOASSERTION", "None"])
def test_no_licence_is_unknown(text: str | None):
    licence = parse_licence(text)
    assert (licence.id, licence.is_known, licence.url, licence.hugging_face) == (UNKNOWN, False, None, "unknown")


@pytest.mark.parametrize(
    "text", ["No known copyright restrictions", "CC-BY-9.0", "http://creativecommons.org/licenses/by/9.9/", "mine"]
)
def test_any_other_text_is_a_licence_of_its_own(text: str):
    licence = parse_licence(text)
    assert not licence.is_known
    assert licence.hugging_face == "other"


def test_the_table_says_what_the_names_say():
    for licence in TABLE.values():
        if licence.id.startswith("CC-"):
            parts = licence.id.split("-")
            asked = (licence.share_alike, licence.non_commercial, licence.no_derivatives)
            assert asked == ("SA" in parts, "NC" in parts, "ND" in parts), licence.id
    assert {licence.id for licence in TABLE.values() if licence.share_alike and not licence.id.startswith("CC-")} == {
        "ODbL-1.0", "CDLA-Sharing-1.0",
    }  # fmt: skip


def test_the_ids_of_hugging_face():
    names = {
        text: parse_licence(text).hugging_face
        for text in ("CC-BY-NC-SA-4.0", "CC0-1.0", "Apache-2.0", "ODbL-1.0", "PDDL-1.0")
    }
    assert list(names.values()) == ["cc-by-nc-sa-4.0", "cc0-1.0", "apache-2.0", "odbl", "pddl"]


def codes(*texts: str, augmented: bool = False) -> dict[str, tuple[str, ...]]:
    return {found.code: found.licences for found in find_conflicts(map(parse_licence, texts), augmented)}


@pytest.mark.parametrize(
    "texts",
    [
        ("CC-BY-4.0",),
        ("CC-BY-4.0", "CC0-1.0", "MIT"),
        ("CC-BY-SA-4.0", "CC-BY-4.0"),
        ("CC-BY-SA-3.0", "CC-BY-SA-4.0"),
        (),
    ],
)
def test_what_goes_together(texts: tuple[str, ...]):
    assert codes(*texts, augmented=True) == {}


def test_share_alike_and_non_commercial():
    both = ("CC-BY-SA-4.0", "CC-BY-NC-4.0")
    assert codes("CC-BY-NC-4.0", "CC-BY-SA-4.0")["share-alike and non-commercial"] == both
    assert "share-alike and non-commercial" not in codes("CC-BY-NC-SA-4.0", "CC-BY-4.0"), "by-nc-sa is one licence"
    assert "share-alike and non-commercial" in codes("CC-BY-NC-SA-4.0", "ODbL-1.0")


def test_non_commercial_and_free():
    assert codes("CC-BY-NC-4.0", "CC0-1.0") == {"non-commercial and free": ("CC-BY-NC-4.0", "CC0-1.0")}
    assert codes("CC-BY-NC-4.0") == {}


def test_no_derivatives_matters_where_copies_are_made():
    assert codes("CC-BY-ND-4.0") == {}
    assert codes("CC-BY-ND-4.0", augmented=True) == {"no-derivatives": ("CC-BY-ND-4.0",)}


def test_two_share_alike_families():
    assert "several share-alike" in codes("CC-BY-SA-4.0", "ODbL-1.0")


def test_unknown_comes_first_and_custom_is_said():
    found = codes("mine", "", "CC-BY-SA-4.0", "CC-BY-NC-4.0")
    assert list(found) == ["unknown", "share-alike and non-commercial", "non-commercial and free", "custom"]
    assert found["custom"] == ("mine",)


def test_every_message_has_a_source():
    assert all(reference.startswith("https://") for _, reference in MESSAGES.values())
    assert find_conflicts([Licence("x", is_known=False)], augmented=False)[0].reference == MESSAGES["custom"][1]
