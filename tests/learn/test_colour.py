from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from datatools.learn import colour

from .pictures import from_batch, make_pictures, to_batch

PICTURES = make_pictures(4, 16)
EDGES = np.array(
    [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [7, 7, 7], [9, 200, 200]]
)  # fmt: skip


def run(operation, images, **arguments):
    return from_batch(operation(to_batch(images), **{name: torch.tensor(value) for name, value in arguments.items()}))


def by_hsv(image, change):
    """`change(h, s, v)` of each pixel by the standard library; h, s and v from 0 to 1."""
    pixels = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in image.reshape(-1, 3) / 255]
    return np.array(pixels).reshape(image.shape) * 255


@pytest.mark.parametrize("degrees", [-180.0, -33.0, 0.0, 10.0, 77.5, 180.0])
@pytest.mark.parametrize("images", [PICTURES, EDGES.reshape(1, 2, 4, 3)], ids=["pictures", "edges"])
def test_hue_turns_the_circle(degrees, images):
    found = run(colour.hue, images, degrees=[degrees] * len(images))
    expected = [by_hsv(image, lambda h, s, v: ((h + degrees / 360) % 1, s, v)) for image in images]
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.3, 4.0])
@pytest.mark.parametrize("images", [PICTURES, EDGES.reshape(1, 2, 4, 3)], ids=["pictures", "edges"])
def test_saturation_is_multiplied_up_to_full(factor, images):
    found = run(colour.saturation, images, factor=[factor] * len(images))
    expected = [by_hsv(image, lambda h, s, v: (h, min(1, s * factor), v)) for image in images]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_every_image_has_its_own_value():
    factors = np.array([0.5, 1.0, 1.2, 3.0], np.float32)
    expected = np.clip(PICTURES * factors.reshape(-1, 1, 1, 1), 0, 255)
    np.testing.assert_allclose(run(colour.brightness, PICTURES, factor=factors), expected, rtol=1e-5)


def test_contrast_turns_about_middle_grey():
    found = run(colour.contrast, PICTURES, factor=[0.5, 1.0, 1.5, 0.0])
    np.testing.assert_allclose(found[0], 127 + 0.5 * (PICTURES[0] - 127.0), atol=1e-3)
    np.testing.assert_allclose(found[1], PICTURES[1], atol=1e-3)
    np.testing.assert_allclose(found[2], np.clip(127 + 1.5 * (PICTURES[2] - 127.0), 0, 255), atol=1e-3)
    np.testing.assert_allclose(found[3], 127, atol=1e-3)


def test_gamma_is_a_power_and_keeps_black_and_white():
    found = run(colour.gamma, EDGES.reshape(1, 2, 4, 3), gamma=[2.0]).reshape(-1, 3)
    np.testing.assert_allclose(found, 255 * (EDGES / 255) ** 2, atol=1e-3)


def test_grayscale_mixes_with_luma():
    found = run(colour.grayscale, PICTURES[:2], share=[1.0, 0.25])
    luma = (PICTURES[:2] @ np.array([0.299, 0.587, 0.114]))[..., None]
    np.testing.assert_allclose(found[0], np.repeat(luma[0], 3, axis=2), atol=1e-3)
    np.testing.assert_allclose(found[1], 0.75 * PICTURES[1] + 0.25 * luma[1], atol=1e-3)


def test_noise_has_its_std_and_one_value_for_all_colours():
    grey = np.full((3, 64, 64, 3), 128, np.uint8)
    added = run(colour.noise, grey, std=[0.0, 4.0, 16.0], seed=np.arange(6, dtype=np.int32).reshape(3, 2)) - 128
    assert (added[0] == 0).all()
    np.testing.assert_allclose(added[1:].std(axis=(1, 2, 3)), [4, 16], rtol=0.06)
    np.testing.assert_allclose(added.mean(axis=(1, 2, 3)), 0, atol=1)
    assert (np.ptp(added, axis=3) < 1e-4).all()
