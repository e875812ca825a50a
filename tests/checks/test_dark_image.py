from __future__ import annotations

import pytest

from datatools.checks.dark_image import find_dark_images
from datatools.params import ValidateParams
from tests.small_data import image_row, make_images


@pytest.mark.parametrize(
    ("level", "bar", "is_dark"),
    [
        (0.0, 0.32, True),
        (0.319, 0.32, True),
        (0.32, 0.32, False),
        (0.9, 0.32, False),
        (0.5, 0.6, True),
        (0.0, 0.0, False),
    ],
)
def test_the_brightest_pixels_decide(level, bar, is_dark):
    images = make_images([image_row("a.png", brightness_p5=0.0, brightness_p99=level), "b.png"])
    found = [(one.path, one.message, one.score) for one in find_dark_images(images, ValidateParams(dark_max=bar))]
    message = f"dark: 99 % of its pixels are no brighter than {level:.3f} (limit {bar:g})"
    assert found[:1] == ([("a.png", message, level)] if is_dark else [])


def test_a_dark_set_is_one_finding():
    (found,) = find_dark_images(
        make_images([image_row(f"{n}.png", brightness_p99=0.1) for n in range(40)]), ValidateParams()
    )
    assert found.message == "40 of 40 images (100%) are dark (limit 0.32): a trait of the set, as in 0.png"
    assert (found.path, found.subject) == (None, "dark images")
