from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from datatools.learn.jpeg import jpeg

from .pictures import from_batch, make_pictures, to_batch


def by_pillow(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file).convert("RGB")).astype(float)


@pytest.mark.parametrize("side", [16, 45, 64])
@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 75, 95, 100])
def test_it_gives_the_pixels_that_libjpeg_gives(side, quality):
    """Up to rounding: libjpeg computes in integers, and a coefficient halfway between two steps may go either way."""
    pictures = make_pictures(12, side)
    found = from_batch(jpeg(to_batch(pictures), torch.full((12,), float(quality))))
    expected = np.stack([by_pillow(picture, quality) for picture in pictures])
    off, lost = np.abs(found - expected), np.abs(expected - pictures).mean()
    assert np.median(off) <= 1 and (off <= 2).mean() > 0.85
    assert off.mean() < (0.65 if side > 16 else 1.5)
    assert off.mean() < 0.3 * lost


def test_every_image_has_its_own_quality():
    pictures = np.repeat(make_pictures(1, 32), 3, axis=0)
    found = from_batch(jpeg(to_batch(pictures), torch.tensor([5.0, 50.0, 98.0])))
    losses = np.abs(found - pictures).mean(axis=(1, 2, 3))
    assert losses[0] > 2 * losses[1] > 4 * losses[2]


def test_pixels_are_whole_numbers_of_a_byte():
    noise = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3)).astype(np.uint8)
    found = from_batch(jpeg(to_batch(noise), torch.tensor([20.0, 90.0])))
    assert (found == found.round()).all() and found.min() >= 0 and found.max() <= 255
