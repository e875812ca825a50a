from __future__ import annotations

import pytest

from datatools.checks.odd_color import find_odd_colors
from tests.small_data import image_row, make_images

GREY, GREY_AS_RGB, COLOR = {"is_grey": True, "mode": "L", "channels": 1}, {"is_grey": True}, {}
ALPHA = {"is_grey": True, "mode": "LA", "channels": 2}


def find(*kinds):
    return list(find_odd_colors(make_images([image_row(f"{n:03}.png", **kind) for n, kind in enumerate(kinds)])))


@pytest.mark.parametrize(
    ("usual", "odd", "message"),
    [
        (COLOR, GREY, "grey and stored with one channel, 95.0% of the images are in colour"),
        (COLOR, GREY_AS_RGB, "grey, 95.0% of the images are in colour"),
        (GREY, COLOR, "in colour, 95.0% of the images are grey"),
        (GREY_AS_RGB, COLOR, "in colour, 95.0% of the images are grey"),
        (GREY, GREY_AS_RGB, None),  # stored otherwise, but as grey
        (COLOR, COLOR, None),
        (COLOR, ALPHA, None),  # IMG007 speaks of it
    ],
)
def test_one_among_nineteen(usual, odd, message):
    found = [(one.path, one.message) for one in find(*[usual] * 19, odd)]
    assert found == ([("019.png", message)] if message else [])


def test_a_mixed_set_is_one_finding():
    (found,) = find(*[GREY] * 3, *[COLOR] * 9)
    assert found.message == "3 of 12 images (25%) are grey, the others in colour: a trait of the set, as in 000.png"
    assert (found.path, found.subject) == (None, "grey images")


def test_half_and_half_has_no_odd_ones():
    assert find(GREY, COLOR) == []
    assert find() == []
