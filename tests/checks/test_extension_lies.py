from __future__ import annotations

import pytest

from datatools.checks.extension_lies import SAID_BY, find_lying_extensions
from datatools.images import FORMATS, SUFFIXES
from tests.small_data import image_row, make_images


def find(*pairs):
    images = make_images([image_row(path, format=content) for path, content in pairs])
    return [(one.path, one.message) for one in find_lying_extensions(images)]


@pytest.mark.parametrize("suffix", ["png", "PNG", "jpg", "jpeg", "JPG", "tif", "tiff", "bmp", "webp"])
def test_each_suffix_stands_for_one_format(suffix):
    own = SAID_BY[suffix.lower()]
    assert find((f"a.{suffix}", own)) == []
    for content in set(FORMATS) - {own}:
        assert find((f"a.{suffix}", content)) == [
            (f"a.{suffix}", f"its name says .{suffix.lower()}, its bytes are {content}")
        ]


def test_every_suffix_that_is_read_is_known():
    assert {f".{suffix}" for suffix in SAID_BY} == SUFFIXES


def test_previews_do_not_make_another_format():
    assert find(("a.jpg", "MPO")) == []
    assert find(("a.png", "MPO")) == [("a.png", "its name says .png, its bytes are JPEG")]


def test_names_that_say_nothing():
    assert find(("a", "PNG"), ("v1.0/a", "PNG"), ("a.dat", "JPEG"), ("a.png.orig", "JPEG")) == []


def test_one_wrong_name_for_all_is_one_finding_beside_the_single_ones():
    images = make_images(
        [image_row(f"{n:02}.jpg", format="PNG") for n in range(30)] + [image_row("x.bmp", format="WEBP")]
    )
    trait, single = sorted(find_lying_extensions(images), key=lambda one: one.path or "")
    assert trait.message == "30 of 31 images (97%) are PNG named .jpg: a trait of the set, as in 00.jpg"
    assert (trait.path, trait.subject) == (None, "PNG named .jpg")
    assert single.path == "x.bmp"


def test_no_images():
    assert find() == []
