from __future__ import annotations

from datatools.checks.exact_duplicate import find_exact_duplicates
from tests.small_data import image_row, make_images


def test_every_copy_names_the_first_path():
    images = make_images([image_row(name, sha256="s") for name in ("c.png", "a.png", "b.png")] + ["d.png"])
    found = [(finding.path, finding.message) for finding in find_exact_duplicates(images[::-1])]
    assert found == [("b.png", "has the same bytes as a.png"), ("c.png", "has the same bytes as a.png")]


def test_the_same_picture_in_other_bytes_is_not_exact():
    assert list(find_exact_duplicates(make_images(["a.png", image_row("b.png", duplicate_of="a.png")]))) == []


def test_no_images():
    assert list(find_exact_duplicates(make_images([]))) == []
