from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.formats.placing import is_safe_name, place, safe_path, without_suffix


@pytest.mark.parametrize("name", ["a", "a.png", "a b.png", "a#b", "日本.jpg", "a..b", "-a"])
def test_ordinary_names_are_safe(name: str):
    assert is_safe_name(name)
    assert safe_path(f"x/{name}") == f"x/{name}"


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "a ", " a", "#a", "a\nb", "a\x00", "a\\b", "a/b", "x" * 201, "ä" * 101]
)
def test_names_that_systems_or_lists_cannot_hold_are_not(name: str):
    assert not is_safe_name(name)


@pytest.mark.parametrize("path", ["../a.png", "/a.PNG", "x//a.png", "x/.a.png", "a\n.png", "masks/a.png"])
def test_an_unsafe_path_becomes_a_name_of_its_own(path: str):
    assert re.fullmatch(r"image-[0-9a-f]{16}\.png", safe_path(path, avoid=["masks"]))
    assert (
        safe_path(path, ["masks"]) == safe_path(path, ["masks"]) != safe_path(f"{path}x.png", ["masks", "a.pngx.png"])
    )


def test_a_suffix_that_is_none_of_an_image_is_left_out():
    assert re.fullmatch(r"image-[0-9a-f]{16}", safe_path("../a.exe"))


@pytest.mark.parametrize(("path", "stem"), [("a/b.c.png", "a/b.c"), ("a", "a"), ("a.b/c", "a.b/c"), (".a", ".a")])
def test_a_suffix_is_that_of_the_last_part(path: str, stem: str):
    assert without_suffix(path) == stem


def test_those_in_place_stay_and_others_get_a_number():
    def target(path: str) -> str:
        return path if path.startswith("i/") else f"i/{path}"

    assert place(["a.png", "a.jpg", "i/a.png"], target, without_suffix) == {
        "a.jpg": "i/a-2.jpg",
        "a.png": "i/a-3.png",
        "i/a.png": "i/a.png",
    }


@given(st.lists(st.text("ab/.-2", min_size=1, max_size=5), unique=True, max_size=6))
def test_no_two_share_a_key(paths: list[str]):
    placed = place(paths, safe_path, lambda path: without_suffix(path).lower())
    assert sorted(placed) == sorted(paths)
    assert len({without_suffix(path).lower() for path in placed.values()}) == len(paths)
    assert placed == place(paths[::-1], safe_path, lambda path: without_suffix(path).lower())


def test_the_caller_says_where_the_number_goes():
    placed = place(["a.jpg", "a.png"], without_suffix, str, lambda path, number: f"{number}/{path}")
    assert placed == {"a.jpg": "a", "a.png": "2/a"}


def test_a_key_that_no_number_changes_is_an_error_and_no_loop_without_end():
    with pytest.raises(ValueError, match=r"a number does not change the key 'i' of i/b\.png"):
        place(["a.png", "b.png"], lambda path: f"i/{path}", lambda path: path.split("/")[0])
