from __future__ import annotations

import pytest

from datatools.checks.size_mismatch import find_size_mismatches
from tests.small_data import image_row, make_images


@pytest.mark.parametrize(
    ("width", "height", "declared"),
    [
        (64, 48, None),
        (None, None, None),  # the file says nothing
        (64, None, None),
        (128, 48, "128 x 48"),
        (64, 96, "64 x 96"),
        (48, 64, "48 x 64"),  # turned
        (None, 96, "? x 96"),
        (0, 0, "0 x 0"),
    ],
)
def test_declared_against_true(width, height, declared):
    images = make_images([image_row("a.png", declared_width_px=width, declared_height_px=height), "b.png"])
    found = [(finding.path, finding.message) for finding in find_size_mismatches(images)]
    expected = ("a.png", f"the file is 64 x 48 px, its annotations say {declared}")
    assert found == ([expected] if declared else [])
