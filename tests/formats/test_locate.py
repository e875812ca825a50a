from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.formats.locate import is_image
from datatools.images import SUFFIXES


@pytest.mark.parametrize("path", ["a.png", "x/a.JPG", "a.b.webp", "x.y/a.tiff", "a..png", "..a.png", "é.jpeg"])
def test_these_are_images(path: str):
    assert is_image(path)


@pytest.mark.parametrize("path", ["", "png", ".png", "x/.png", "..png", "x/...jpg", "a.png/b", "a.gif", "a.png ", "a."])
def test_these_are_none(path: str):
    assert not is_image(path)


@given(st.lists(st.sampled_from([*"aA./", *SUFFIXES, ".PNG", ".gif"]), max_size=6).map("".join))
def test_a_suffix_is_what_posixpath_takes_for_one(path: str):
    assert is_image(path) == (posixpath.splitext(path)[1].lower() in SUFFIXES)
