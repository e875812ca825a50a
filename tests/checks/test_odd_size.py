from __future__ import annotations

import pytest

from datatools.checks.odd_size import find_odd_sizes
from tests.small_data import image_row, make_images


def squares(*sides):
    return make_images([image_row(f"{n:03}.png", width_px=side, height_px=side) for n, side in enumerate(sides)])


@pytest.mark.parametrize(
    ("side", "message"),
    [
        (100, None),
        (101, None),  # beyond the quartiles, which are both 100, but close
        (199, None),
        (200, "200 x 200 px: its sides are 2.0 times as long as usual in this set (100 px)"),
        (1000, "1000 x 1000 px: its sides are 10.0 times as long as usual in this set (100 px)"),
        (51, None),
        (50, "50 x 50 px: its sides are 0.50 times as long as usual in this set (100 px)"),
    ],
)
def test_one_among_images_of_one_size(side, message):
    found = [(one.path, one.message) for one in find_odd_sizes(squares(*[100] * 20, side))]
    assert found == ([("020.png", message)] if message else [])


def test_a_set_of_many_sizes_has_no_odd_one_within_three_times_their_range():
    varied = [100, 150, 200, 250, 300] * 4  # quartiles 150 and 250
    assert list(find_odd_sizes(squares(*varied, 550))) == []
    assert [one.path for one in find_odd_sizes(squares(*varied, 560))] == ["020.png"]


def test_the_score_is_the_factor_either_way():
    assert [one.score for one in find_odd_sizes(squares(*[100] * 20, 400, 25))] == [0.25, 0.25]


def test_two_cameras_are_one_finding():
    (found,) = find_odd_sizes(squares(*[100] * 76, *[400] * 24))
    assert found.message == "24 of 100 images (24%) are far from the usual 100 px: a trait of the set, as in 076.png"
    assert (found.path, found.subject) == (None, "odd sizes")


def test_no_images():
    assert list(find_odd_sizes(make_images([]))) == []
