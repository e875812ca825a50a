"""What the pixels of an image tell: its perceptual hash, brightness, entropy, sharpness; the quantities are explained in
datatools/images.py (compute_facts)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]
GRID_PX = 64  # hash and measures look at no more than 64 x 64 pixels
STEP_PX = 4  # blur is told by how much of a step over so many pixels is taken within one
FAINT = 12  # grey levels; below this rounding to whole levels tells in a step
STEP_PERCENT = 99.5  # the steepest half per cent of the steps are edges
PHASH_SIDE = 16  # 16 x 16 low frequencies of the DCT: a 256-bit hash
DIGITS = 6  # measures are rounded, so that they are the same on every machine
_EDGES = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], dtype=np.float32)
_BRIGHTNESS = np.array([241.0, 691.0, 68.0])  # whole numbers: sums in float64 are exact, so the same everywhere
_DCT = np.cos(np.pi * np.arange(PHASH_SIDE)[:, None] * (2 * np.arange(GRID_PX) + 1) / (2 * GRID_PX))


class Measures(NamedTuple):
    """The fields of ImageFacts that depend on the pixels."""

    phash: str
    is_grey: bool
    brightness_p5: float
    brightness_p99: float
    entropy_bits: float
    sharpness: float
    grey_histogram_std: float
    edge_step: float


def measure_images(pictures: Sequence[Image.Image]) -> list[Measures]:
    """The measures of each picture, in mode L or RGB; one after the other, so that a step's tables stay in the caches."""
    samples = [_sample(pixels) for pixels in pictures]
    values = [np.asarray(sample) for sample in samples]
    greys = [pixels.convert("L") if pixels.mode == "RGB" else pixels for pixels in pictures]
    arrays = [np.asarray(grey) for grey in greys]
    small = [array if max(array.shape) <= GRID_PX else _fit(grey) for grey, array in zip(greys, arrays, strict=True)]
    columns = zip(
        [_hash_frequencies(array) for array in arrays],
        [_is_grey(value) for value in values],
        [_brightness_percentiles(value, (5, 99)) for value in values],
        [max(0.0, round(sample.entropy(), DIGITS)) for sample in samples],  # no -0.0
        [round(_edge_std(array), DIGITS) for array in small],
        [round(_histogram_std(array), DIGITS) for array in small],
        _edge_steps(arrays),
        strict=True,
    )
    return [Measures(phash, is_grey, *brightness, *rest) for phash, is_grey, brightness, *rest in columns]


def _sample(pixels: Image.Image) -> Image.Image:
    """At most 64 x 64 of its pixels, evenly spread, as they are."""
    if max(pixels.size) <= GRID_PX:
        return pixels
    size = min(pixels.width, GRID_PX), min(pixels.height, GRID_PX)
    return pixels.resize(size, Image.Resampling.NEAREST)


def _fit(grey: Image.Image) -> Grey:
    """Scaled to a long side of 64 px."""
    width, height = (max(1, side * GRID_PX // max(grey.size)) for side in grey.size)
    return np.asarray(grey.resize((width, height), Image.Resampling.BICUBIC))


def _hash_frequencies(grey: Grey) -> str:
    """Which of the 256 lowest frequencies are above their median (the lower one of the middle two), as hex."""
    height, width = grey.shape
    low = (_low_frequencies(height) @ grey @ _low_frequencies(width).T).ravel()
    np.rint(low * 1024, out=low)  # equal but for rounding errors becomes equal: the same on every machine
    middle = low.size // 2 - 1
    return np.packbits(low > np.partition(low, middle)[middle]).tobytes().hex()


@lru_cache(256)
def _low_frequencies(n: int) -> Floats:
    """Matrix `(16, n)`: n pixels to 64 by Lanczos' filter (as Pillow does it, without rounding), then their DCT."""
    scale = max(1.0, n / GRID_PX)
    centres = (np.arange(GRID_PX)[:, None] + 0.5) * n / GRID_PX
    offsets = (np.arange(n) + 0.5 - centres) / scale
    weights = np.where(np.abs(offsets) < 3, np.sinc(offsets) * np.sinc(offsets / 3), 0)
    return _DCT @ (weights / weights.sum(axis=1, keepdims=True))


def _brightness_percentiles(values: NDArray[np.uint8], percents: Sequence[int]) -> list[float]:
    """Percentiles (linear) over the pixels of a grey `(h, w)` or RGB `(h, w, 3)` picture."""
    squares = values.reshape(-1, values.shape[2] if values.ndim == 3 else 1).astype(np.float64)
    squares *= squares
    energies = squares @ _BRIGHTNESS if values.ndim == 3 else squares[:, 0] * 1000
    energies.sort()
    found = []
    for percent in percents:
        index, part = divmod((len(energies) - 1) * percent, 100)
        low, high = (math.sqrt(energies[i] / 1000) / 255 for i in (index, min(index + 1, len(energies) - 1)))
        found.append(round(low + (high - low) * part / 100, DIGITS))
    return found


def _is_grey(values: NDArray[np.uint8]) -> bool:
    if values.ndim == 2:
        return True
    red, green, blue = values[0, 0].tolist()
    return red == green == blue and bool((values == values[..., :1]).all())


def _edge_std(grey: Grey) -> float:
    edges = cv2.filter2D(grey, -1, _EDGES)
    edges[0], edges[-1], edges[:, 0], edges[:, -1] = grey[0], grey[-1], grey[:, 0], grey[:, -1]
    return float(cv2.meanStdDev(edges)[1][0, 0])


def _edge_steps(greys: Sequence[Grey]) -> list[float]:
    """The edge step of each; pictures of one shape are measured together."""
    found = [1.0] * len(greys)
    for shape in {grey.shape for grey in greys if min(grey.shape) > STEP_PX}:
        numbers = [number for number, grey in enumerate(greys) if grey.shape == shape]
        stack = np.stack([greys[number] for number in numbers])
        rows, columns = (stack[:, :: math.ceil(shape[0] / GRID_PX)], stack[:, :, :: math.ceil(shape[1] / GRID_PX)])
        steps = np.maximum(_steps(rows), _steps(columns.transpose(0, 2, 1)))
        for number, step in zip(numbers, steps.tolist(), strict=True):
            found[number] = round(step, DIGITS)
    return found


def _steps(lines: Grey) -> Floats:
    """Of pictures `(n, lines, pixels)`: the steepest step to the next pixel, as a share of the steepest over STEP_PX."""
    n = len(lines)
    flat = np.ascontiguousarray(lines).reshape(-1, lines.shape[2])
    tops = []
    for distance in (1, STEP_PX):
        steps = cv2.absdiff(flat[:, distance:], flat[:, :-distance]).reshape(n, -1)
        k = math.ceil(STEP_PERCENT / 100 * steps.shape[1]) - 1
        tops.append(np.partition(steps, k, axis=1)[:, k].astype(float))
    near, far = tops
    near = np.where(far < FAINT, np.maximum(near - 0.5, 0), near)  # the steepest of faint steps are rounded up
    return np.divide(near, far, out=np.ones(n), where=far > 0)


def _histogram_std(grey: Grey) -> float:
    counts = np.bincount(grey.ravel(), minlength=256)
    mean = grey.size / 256
    return math.sqrt(int(counts @ counts) / 256 - mean * mean)
