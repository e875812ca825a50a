from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from datatools.learn import filters
from datatools.learn.filters import COVER

from .pictures import from_batch, make_pictures, to_batch

SIDE = 32
PICTURES = make_pictures(3, SIDE)
DOT = np.zeros((1, 33, 33, 3), np.uint8)
DOT[:, 16, 16] = 255


def run(operation, images, **arguments):
    fixed = {name: arguments.pop(name) for name in ("reach", "most") if name in arguments}
    values = {name: torch.tensor(value, dtype=torch.float32) for name, value in arguments.items()}
    return from_batch(operation(to_batch(images), **values, **fixed))


def test_blur_equals_scipy():
    sigmas = [0.5, 1.0, 2.4]
    found = run(filters.blur, PICTURES, reach=8, sigma_px=sigmas)
    for image, sigma, result in zip(PICTURES, sigmas, found, strict=True):
        radius = int(np.ceil(3 * sigma))
        expected = [
            ndimage.gaussian_filter(image[..., c].astype(float), sigma, mode="mirror", radius=radius) for c in range(3)
        ]
        np.testing.assert_allclose(result, np.stack(expected, axis=2), atol=0.01)


def test_no_sigma_no_blur():
    np.testing.assert_allclose(run(filters.blur, PICTURES, reach=3, sigma_px=[0.0] * 3), PICTURES, atol=1e-4)


def test_what_others_need_does_not_count():
    narrow = run(filters.blur, PICTURES[:1], reach=3, sigma_px=[0.7])
    wide = run(filters.blur, PICTURES[:1], reach=20, sigma_px=[0.7])
    np.testing.assert_allclose(narrow, wide, atol=1e-3)


@pytest.mark.parametrize("reach", [8, 60])
def test_blur_of_a_tiny_image_stays_inside(reach):
    tiny = make_pictures(1, 6)
    found = run(filters.blur, tiny, reach=reach, sigma_px=[20.0])
    assert tiny.min() <= found.min() and found.max() <= tiny.max()


def test_motion_blur_draws_a_line_in_its_direction():
    for direction, across in ((0.0, (slice(13, 20), 16)), (0.25, (16, slice(13, 20)))):
        found = run(filters.motion_blur, DOT, reach=3, length_px=[7], direction=[direction])[0, ..., 0]
        np.testing.assert_allclose(found[across], 255 / 7, rtol=1e-4)
        assert found.sum() == pytest.approx(255, rel=1e-4)
    clockwise = run(filters.motion_blur, DOT, reach=3, length_px=[7], direction=[1 / 8])[0, ..., 0]
    assert clockwise[18, 14] > 10 * clockwise[18, 18], "clockwise from upright: from top right to bottom left"


def test_even_lengths_count_one_more():
    found = [run(filters.motion_blur, DOT, reach=3, length_px=[n], direction=[0.0]) for n in (4, 5, 6)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[1] != found[2]).any()


def test_sharpen_equals_its_kernel():
    found = run(filters.sharpen, PICTURES, share=[0.0, 0.3, 1.0])
    for image, share, result in zip(PICTURES, (0, 0.3, 1), found, strict=True):
        kernel = np.full((3, 3, 1), -share)
        kernel[1, 1] = 1 + 8 * share
        expected = ndimage.convolve(image.astype(float), kernel, mode="mirror")
        np.testing.assert_allclose(result, np.clip(expected, 0, 255), atol=0.01)


@given(st.integers(0, 4), st.floats(0, 0.9), st.lists(st.floats(0, 0.999), min_size=16, max_size=16))
@settings(max_examples=50)
def test_cutout_covers_its_squares_and_nothing_else(count, size, center):
    white = np.full((1, SIDE, SIDE, 3), 255, np.uint8)
    found = run(filters.cutout, white, most=4, count=[count], size=[size], center=[center])[0]
    places = (np.arange(SIDE) + 0.5) / SIDE
    covered = np.zeros((SIDE, SIDE), bool)
    near = np.zeros((SIDE, SIDE), bool)  # float32 may see a pixel on the very edge on either side
    for x, y in np.reshape(center, (-1, 2))[:count]:
        off = np.maximum(np.abs(places - x)[None], np.abs(places - y)[:, None]) - size / 2
        covered |= off < 0
        near |= np.abs(off) < 1e-5
    assert set(np.unique(found)) <= {COVER, 255.0}
    assert ((found[..., 0] == COVER) == covered)[~near].all()
