from __future__ import annotations

import pytest

from datatools.checks.odd_mode import find_odd_modes, has_odd_mode, usual_mode
from tests.small_data import image_row, make_images


def find(*modes, **changes):
    rows = [image_row(f"{n:03}.png", mode=mode) for n, mode in enumerate(modes)]
    rows[-1] |= changes
    return [(one.path, one.message) for one in find_odd_modes(make_images(rows))]


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("RGBA", "its transparency is dropped"),
        ("LA", "its transparency is dropped"),
        ("P", "some tools read the palette's indices as brightness"),
        ("CMYK", "ink colours, which tools convert differently"),
        ("1", "black and white only"),
        ("LAB", "other channels"),
    ],
)
@pytest.mark.parametrize("usual", ["RGB", "L"])
def test_each_mode_among_usual_ones(mode, text, usual):
    assert find(*[usual] * 9, mode) == [("009.png", f"mode {mode}, most images are {usual}: {text}")]


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L"])
def test_16_bits_are_one_mode_whatever_the_order_of_bytes(mode):
    said = "mode I;16, most images are L: 16 bits a pixel, of which the upper 8 are used"
    assert find("L", "L", mode) == [("002.png", said)]
    assert find("I;16", "I;16B", mode) == []


@pytest.mark.parametrize("modes", [("RGB", "RGB", "L"), ("L", "L", "RGB"), ("RGB",), ("P", "P"), ("RGBA", "RGBA")])
def test_grey_and_colour_are_left_to_the_other_check(modes):
    assert find(*modes) == []


@pytest.mark.parametrize("odd", ["L", "RGB"])
def test_a_plain_image_is_odd_among_others(odd):
    assert find("RGBA", "RGBA", odd) == [("002.png", f"mode {odd}, most images are RGBA: other channels")]


def test_in_a_draw_the_plain_mode_is_usual():
    assert usual_mode(make_images([image_row("a", mode="P"), image_row("b", mode="L")])["mode"]) == "L"
    assert usual_mode(make_images([image_row("a", mode="L"), image_row("b", mode="RGB")])["mode"]) == "RGB"
    assert usual_mode(make_images([])["mode"]) == ""
    assert list(has_odd_mode(make_images([])["mode"])) == []


def test_several_pictures():
    said = "7 pictures in one file, of which only the first is used"
    assert find("RGB", "RGB", n_frames=7, format="TIFF") == [("001.png", said)]
    assert find("RGB", "RGB", n_frames=2, format="MPO") == [], "a preview that a phone adds"
    assert find("RGB", "RGB", n_frames=2, format="JPEG") == []


def test_both_faults_of_an_image_are_one_finding():
    said = "mode RGBA, most images are RGB: its transparency is dropped; 7 pictures in one file, of which only the first is used"
    assert find("RGB", "RGB", "RGBA", n_frames=7, format="WEBP") == [("002.png", said)]


def test_a_mixed_set_is_one_finding_a_mode():
    rows = [image_row(f"{n:03}.png", mode=mode) for n, mode in enumerate(["RGB"] * 50 + ["RGBA"] * 40 + ["P"] * 2)]
    found = list(find_odd_modes(make_images(rows)))
    assert [(one.path, one.subject) for one in found if one.path is None] == [(None, "RGBA")]
    assert sorted(one.path for one in found if one.path) == ["090.png", "091.png"]
    trait = next(one.message for one in found if one.path is None)
    assert trait.startswith("40 of 92 images (43%) have mode RGBA, where RGB is the usual one")


def test_a_set_of_page_stacks_is_one_finding():
    rows = [image_row(f"{n:03}.tif", n_frames=3, format="TIFF") for n in range(30)]
    (found,) = find_odd_modes(make_images(rows))
    assert found.message.startswith("30 of 30 images (100%) hold several pictures, of which only the first is used")
