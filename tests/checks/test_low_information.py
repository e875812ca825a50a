from __future__ import annotations

import pytest

from datatools.checks.low_information import find_low_information
from datatools.params import ValidateParams
from tests.small_data import image_row, make_images


@pytest.mark.parametrize(
    ("bits", "bar", "is_low"),
    [(0.0, 3.0, True), (2.99, 3.0, True), (3.0, 3.0, False), (7.0, 3.0, False), (5.0, 6.0, True)],
)
def test_entropy_decides(bits, bar, is_low):
    images = make_images([image_row("a.png", entropy_bits=bits), "b.png"])
    found = [
        (one.path, one.message, one.score)
        for one in find_low_information(images, ValidateParams(information_min_bits=bar))
    ]
    message = f"shows next to nothing: {bits:.2f} bits of entropy (limit {bar:g})"
    assert found == ([("a.png", message, bits / 10)] if is_low else [])


def test_digits_on_plain_ground_are_one_finding():
    digits = make_images([image_row(f"{n}.png", entropy_bits=1.8) for n in range(40)])
    (found,) = find_low_information(digits, ValidateParams())
    assert found.message == "40 of 40 images (100%) hold little (below 3 bits): a trait of the set, as in 0.png"
    assert (found.path, found.subject) == (None, "low information")
