from __future__ import annotations

from datatools.checks.missing_label import find_missing_labels
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, label_rows, make_images

IMAGES = make_images(["a.png", "b.png", "c.png"])


def missing(rows):
    return [finding.path for finding in find_missing_labels(IMAGES, ANNOTATIONS.conform(rows))]


def test_images_without_a_label():
    assert missing(label_rows("b.png", {"anna": "star"}, "star")) == ["a.png", "c.png"]


def test_a_box_is_not_a_label():
    rows = [*label_rows("b.png", {}, "star"), box_row("box/0", (0, 0, 9, 9), "a.png")]
    assert missing(rows) == ["a.png", "c.png"]


def test_silent_where_no_image_has_a_label():
    assert missing([box_row("box/0", (0, 0, 9, 9), "a.png")]) == []
    assert missing([]) == []


def test_a_label_made_of_objects_is_nobodys():
    derived = {**label_rows("b.png", {}, "star")[0], "source": "objects"}
    assert missing([derived]) == []
    assert missing([derived, *label_rows("c.png", {"anna": "star"})]) == ["a.png"]
