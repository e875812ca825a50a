from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.file_names import LEFT_BEHIND, find_collisions, judge_hidden, judge_name, printable

TWIN = "other systems take it for the same file as {}: rename one of the two"
FOLDER = "it has the name of the folder {}/: rename one of the two"


@pytest.mark.parametrize(
    ("path", "reason", "message"),
    [
        ("a\nb", "bad_name", "its name has a control character: rename it"),
        ("a\x7fb", "bad_name", "its name has a control character: rename it"),
        ("a\x85b", "bad_name", "its name has a control character: rename it"),
        ("a\u2029b", "bad_name", "its name has a control character: rename it"),
        ("fold\ter/a", "bad_name", "its name has a control character: rename it"),
        ("a\\b", "bad_name", "its name has a backslash: rename it"),
        ("a\udcffb", "bad_name", "its name is not UTF-8: rename it"),
        ("a" * 256, "bad_name", "its name has more than 255 bytes: rename it"),
        ("x/" + "é" * 128 + "/y", "bad_name", "its name has more than 255 bytes: rename it"),
        ("a/" * 2048, "bad_name", "its name with all folders has more than 4095 bytes: rename it"),
        ("a/b/c/d", "too_deep", "it is more than 2 folders deep"),
    ],
)
def test_bad_names(path, reason, message):
    assert judge_name(path, 2) == (reason, message)


@pytest.mark.parametrize(
    "path", ["a", "a/b/c", "naïve/猫 1.png", "a" * 255, "é" * 127, "CON", "a:b", "x.", "-rf", "a'\"b"]
)
def test_good_names(path):
    assert judge_name(path, 2) is None


@pytest.mark.parametrize("name", [".a", "..", ".DS_Store"])
def test_a_dot_hides(name):
    assert judge_hidden(name) == "a hidden file or folder"


@pytest.mark.parametrize("name", ["Thumbs.db", "__MACOSX", "Desktop.ini", "@eaDir", "lost+found"])
def test_what_systems_leave_behind(name):
    assert name.lower() in LEFT_BEHIND
    assert judge_hidden(name) == "left behind by the system, not part of the data"


@pytest.mark.parametrize("name", ["a.png", "thumbs.png", "a.DS_Store", "MACOSX"])
def test_data_is_not_hidden(name):
    assert judge_hidden(name) is None


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["a.png", "A.png"], {"a.png": TWIN.format("A.png")}),
        (["a.png", "A.png", "a.PNG"], {"a.png": TWIN.format("A.png"), "a.PNG": TWIN.format("A.png")}),
        (["x/a.png", "X/a.png"], {"x/a.png": TWIN.format("X/a.png")}),
        (["x/a.png", "X/b.png"], {}),
        (["é.png", "e\u0301.png"], {"é.png": TWIN.format("e\u0301.png")}),
        (["É.png", "e\u0301.png"], {"É.png": TWIN.format("e\u0301.png")}),
        (["Σ", "ς", "σ"], {"ς": TWIN.format("Σ"), "σ": TWIN.format("Σ")}),
        (["a.png.", "a.png"], {"a.png.": TWIN.format("a.png")}),
        (["x /a", "x/a"], {"x/a": TWIN.format("x /a")}),
        (["strasse", "straße"], {}),
        (["e", "é"], {}),
        (["a", "a/b"], {"a": FOLDER.format("a")}),
        (["A", "a/b/c"], {"A": FOLDER.format("a")}),
        (["A/B", "a/b/c"], {"A/B": FOLDER.format("a/b")}),
    ],
)
def test_names_that_are_one_elsewhere(paths, found):
    assert find_collisions(paths) == found
    assert find_collisions(reversed(paths)) == found


def test_folders_that_are_empty_count_too():
    assert find_collisions(["a", "b"], ["A"]) == {"a": FOLDER.format("A")}


@given(st.lists(st.text("aAbB/é\u0301Éß. ", min_size=1, max_size=5)))
def test_what_is_left_is_unique_and_one_of_each_is_left(paths):
    bad = find_collisions(paths)
    left = [path for path in set(paths) if path not in bad]
    assert len({unicodedata.normalize("NFC", path).lower() for path in left}) == len(left)
    assert bool(left) == bool(paths) or all("folder" in message for message in bad.values())
    assert find_collisions(left) == {}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a\\x0ab"),
        ("\x9f", "\\x9f"),
        ("\udce9", "\\xe9"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("é\\ 猫", "é\\ 猫"),
    ],
)
def test_names_as_they_are_printed(name, shown):
    assert printable(name) == shown


@given(st.binary())
def test_any_name_on_disk_can_be_printed_on_one_line(data):
    shown = printable(data.decode("utf-8", "surrogateescape"))
    assert shown.encode().decode() == shown
    assert len(shown.splitlines()) <= 1
