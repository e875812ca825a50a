from __future__ import annotations

import pytest

from datatools.checks.light_image import find_light_images
from datatools.params import ValidateParams
from tests.small_data import image_row, make_images


@pytest.mark.parametrize(
    ("level", "bar", "is_light"),
    [
        (1.0, 0.95, True),
        (0.951, 0.95, True),
        (0.95, 0.95, False),
        (0.1, 0.95, False),
        (0.8, 0.75, True),
        (1.0, 1.0, False),
    ],
)
def test_the_darkest_pixels_decide(level, bar, is_light):
    images = make_images([image_row("a.png", brightness_p5=level, brightness_p99=1.0), "b.png"])
    found = [(one.path, one.message, one.score) for one in find_light_images(images, ValidateParams(light_min=bar))]
    message = f"light: 95 % of its pixels are at least {level:.3f} bright (limit {bar:g})"
    assert found == ([("a.png", message, 1 - level)] if is_light else [])


def test_a_light_set_is_one_finding():
    (found,) = find_light_images(
        make_images([image_row(f"{n}.png", brightness_p5=0.99) for n in range(40)]), ValidateParams()
    )
    assert found.message == "40 of 40 images (100%) are light (limit 0.95): a trait of the set, as in 0.png"
    assert (found.path, found.subject) == (None, "light images")
