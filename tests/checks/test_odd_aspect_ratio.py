from __future__ import annotations

import pytest

from datatools.checks.odd_aspect_ratio import find_odd_aspect_ratios
from datatools.params import ValidateParams
from tests.small_data import image_row, make_images


@pytest.mark.parametrize(
    ("size", "bar", "ratio"),
    [
        ((100, 34), 0.35, "0.340"),
        ((34, 100), 0.35, "0.340"),
        ((100, 35), 0.35, None),
        ((1920, 1080), 0.35, None),
        ((1920, 1080), 0.6, "0.562"),
        ((5000, 1), 0.35, "0.000"),
        ((5000, 1), 0.0, None),
    ],
)
def test_short_side_by_long_side(size, bar, ratio):
    images = make_images([image_row("a.png", width_px=size[0], height_px=size[1]), "b.png"])
    found = [(one.path, one.message) for one in find_odd_aspect_ratios(images, ValidateParams(aspect_ratio_min=bar))]
    message = f"{size[0]} x {size[1]} px: the short side is {ratio} of the long one (limit {bar:g})"
    assert found == ([("a.png", message)] if ratio else [])


def test_lines_of_text_are_one_finding():
    lines = make_images([image_row(f"{n}.png", width_px=320, height_px=32) for n in range(40)])
    (found,) = find_odd_aspect_ratios(lines, ValidateParams())
    assert found.message.startswith("40 of 40 images (100%) have a short side below 0.35 of the long one")
    assert (found.path, found.subject) == (None, "odd aspect ratios")
