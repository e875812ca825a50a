from __future__ import annotations

import pytest

from datatools.checks.exact_duplicate import find_exact_duplicates
from datatools.findings import Offer
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, box_row, image_row, label_rows, make_images, mask_row

NOTHING = ANNOTATIONS.empty()
BOX = (1, 2, 30, 40)


def pair(rows, **changes):
    """The finding about b.png, a copy of a.png, annotated by `rows`."""
    images = make_images([image_row("a.png", sha256="s"), image_row("b.png", sha256="s", **changes)])
    (found,) = find_exact_duplicates(images, ANNOTATIONS.conform(rows))
    return found


def test_every_copy_names_the_first_path():
    images = make_images([image_row(name, sha256="s") for name in ("c.png", "a.png", "b.png")] + ["d.png"])
    found = [(finding.path, finding.message) for finding in find_exact_duplicates(images[::-1], NOTHING)]
    assert found == [("b.png", "has the same bytes as a.png"), ("c.png", "has the same bytes as a.png")]


@pytest.mark.parametrize(
    ("first", "second", "is_certain"),
    [
        ([], [], True),
        (label_rows("a.png", {}, "star"), label_rows("b.png", {}, "star"), True),
        (label_rows("a.png", {"anna": "star"}, "star"), label_rows("b.png", {"ben": "star"}, "star"), True),
        (label_rows("a.png", {}, "star"), label_rows("b.png", {}, "circle"), False),
        (label_rows("a.png", {}, "star"), [], False),
        ([], label_rows("b.png", {}, "star"), False),
        ([box_row("1", BOX)], [box_row("2", BOX, "b.png")], True),
        ([box_row("1", BOX)], [box_row("2", (1, 2, 30, 41), "b.png")], False),
        ([box_row("1", BOX)], [box_row("2", BOX, "b.png", "star")], False),
        ([box_row("1", BOX)], [box_row("2", BOX, "b.png"), box_row("3", BOX, "b.png")], False),
        ([mask_row("1", SQUARE)], [mask_row("2", SQUARE, path="b.png")], True),
        ([mask_row("1", SQUARE)], [mask_row("2", SQUARE[1:], path="b.png")], False),
        (
            [box_row("1", BOX), box_row("2", (3, 3, 9, 9))],
            [box_row("3", (3, 3, 9, 9), "b.png"), box_row("4", BOX, "b.png")],
            True,
        ),
    ],
)
def test_to_exclude_is_offered_where_nothing_would_be_lost(first, second, is_certain):
    found = pair([*first, *second])
    assert found.offer == (Offer("exclude") if is_certain else None)
    assert found.message == "has the same bytes as a.png" + ("" if is_certain else ", but other annotations")


def test_which_copy_of_train_and_test_goes_is_for_a_person_to_decide():
    assert pair([], subset="test").offer is None
    assert pair([]).offer == Offer("exclude")


def test_the_same_picture_in_other_bytes_is_not_exact():
    images = make_images(["a.png", image_row("b.png", phash=image_row("a.png")["phash"])])
    assert list(find_exact_duplicates(images, NOTHING)) == []


def test_no_images():
    assert list(find_exact_duplicates(make_images([]), NOTHING)) == []
