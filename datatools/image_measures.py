"""What the pixels of an image tell: its perceptual hash, brightness, entropy, sharpness; the quantities are explained in
datatools/images.py (compute_facts)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
GRID_PX = 64  # hash and measures look at no more than 64 x 64 pixels
STEP_PX = 4  # blur is told by how much of a step over so many pixels is taken within one
FAINT = 12  # grey levels; below this rounding to whole levels tells in a step
MANY_STEPS = 2000  # from here on to count levels is faster than to sort steps
STEP_PERCENT = 99.5  # the steepest half per cent of the steps are edges
PHASH_SIDE = 16  # 16 x 16 low frequencies of the DCT: a 256-bit hash
DIGITS = 6  # measures are rounded, so that they are the same on every machine
_EDGES = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], dtype=np.float32)
_BRIGHTNESS = np.array([[241.0, 691.0, 68.0]])  # whole numbers: sums are exact, so the same everywhere
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
    """The measures of each picture, in mode L or RGB; those of one mode and size are measured together."""
    alike = defaultdict(list)
    for number, picture in enumerate(pictures):
        alike[picture.mode, picture.size].append(number)
    found: dict[int, Measures] = {}
    for numbers in alike.values():
        found.update(zip(numbers, _measure_alike([pictures[number] for number in numbers]), strict=True))
    return [found[number] for number in range(len(pictures))]


def _measure_alike(pictures: Sequence[Image.Image]) -> list[Measures]:
    """The measures of pictures of one mode and size."""
    is_small = max(pictures[0].size) <= GRID_PX
    samples = pictures if is_small else [_sample(picture) for picture in pictures]
    sheet = _paste(samples)
    values = _to_array(sheet, len(pictures))
    if is_small:
        small = levels = _to_array(sheet.convert("L"), len(pictures))
    else:
        greys = [picture.convert("L") for picture in pictures]
        levels, small = (_to_array(_paste(some), len(some)) for some in (greys, [_fit(grey) for grey in greys]))
    entropies = np.array([sample.entropy() for sample in samples])
    brightness = _brightness_percentiles(values, (5, 99))
    numbers = np.stack([*brightness, entropies, _edge_stds(small), _histogram_stds(small), _edge_steps(levels)])
    columns = (np.round(numbers, DIGITS) + 0.0).tolist()  # no -0.0
    return [*map(Measures, _hash_frequencies(levels), map(_is_grey, values), *columns)]


def _paste(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one mode and size, one below the other: one call for what would take one for each."""
    width, height = pictures[0].size
    sheet = Image.new(pictures[0].mode, (width, height * len(pictures)))
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (0, height * number))
    return sheet


def _to_array(sheet: Image.Image, n: int) -> Bytes:
    """The `n` pictures of a sheet as `(n, height, width)` for L, `(n, height, width, 3)` for RGB."""
    values = np.asarray(sheet)
    return values.reshape(n, -1, *values.shape[1:])


def _sample(picture: Image.Image) -> Image.Image:
    """At most 64 x 64 of its pixels, evenly spread, as they are."""
    size = min(picture.width, GRID_PX), min(picture.height, GRID_PX)
    return picture.resize(size, Image.Resampling.NEAREST)


def _fit(grey: Image.Image) -> Image.Image:
    """Scaled to a long side of 64 px."""
    width, height = (max(1, side * GRID_PX // max(grey.size)) for side in grey.size)
    return grey.resize((width, height), Image.Resampling.BICUBIC)


def _hash_frequencies(greys: Bytes) -> list[str]:
    """Which of the 256 lowest frequencies are above their median (the lower one of the middle two), as hex."""
    n, height, width = greys.shape
    low = (_low_frequencies(height) @ greys.astype(np.float64) @ _low_frequencies(width).T).reshape(n, -1)
    np.rint(low * 1024, out=low)  # equal but for rounding errors becomes equal: the same on every machine
    middle = low.shape[1] // 2 - 1
    above = low > np.partition(low, middle, axis=1)[:, middle : middle + 1]
    return [bits.tobytes().hex() for bits in np.packbits(above, axis=1)]


@lru_cache(256)
def _low_frequencies(n: int) -> Floats:
    """Matrix `(16, n)`: n pixels to 64 by Lanczos' filter (as Pillow does it, without rounding), then their DCT."""
    scale = max(1.0, n / GRID_PX)
    centres = (np.arange(GRID_PX)[:, None] + 0.5) * n / GRID_PX
    offsets = (np.arange(n) + 0.5 - centres) / scale
    weights = np.where(np.abs(offsets) < 3, np.sinc(offsets) * np.sinc(offsets / 3), 0)
    return _DCT @ (weights / weights.sum(axis=1, keepdims=True))


def _brightness_percentiles(values: Bytes, percents: Sequence[int]) -> list[Floats]:
    """For each percentile (linear) the brightness `(n,)` of grey `(n, h, w)` or RGB `(n, h, w, 3)` pictures."""
    squares = values.astype(np.int32)
    squares *= squares
    energies = cv2.transform(squares.reshape(-1, 1, 3), _BRIGHTNESS) if values.ndim == 4 else squares * 1000
    ordered = energies.reshape(len(values), -1)
    ordered.sort(axis=1)
    last = ordered.shape[1] - 1
    found = []
    for percent in percents:
        index, part = divmod(last * percent, 100)
        low, high = (np.sqrt(ordered[:, i] / 1000) / 255 for i in (index, min(index + 1, last)))
        found.append(low + (high - low) * part / 100)
    return found


def _is_grey(values: Bytes) -> bool:
    """Whether a picture `(h, w)` or `(h, w, 3)` has no colour."""
    if values.ndim == 2:
        return True
    red, green, blue = values[0, 0].tolist()
    return red == green == blue and bool((values == values[..., :1]).all())


def _edge_stds(greys: Bytes) -> Floats:
    """Of pictures `(n, h, w)`: the standard deviation `(n,)` after the Laplacian; the outermost pixels are as they were."""
    edges = cv2.filter2D(greys.reshape(-1, greys.shape[2]), -1, _EDGES).reshape(greys.shape)
    for outermost in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
        edges[outermost] = greys[outermost]
    return np.array([cv2.meanStdDev(picture)[1][0, 0] for picture in edges])


def _edge_steps(greys: Bytes) -> Floats:
    """Of pictures `(n, h, w)`: how much of their steepest steps over STEP_PX they take within one pixel, `(n,)`."""
    n, height, width = greys.shape
    if min(height, width) <= STEP_PX:
        return np.ones(n)
    rows = greys[:, :: math.ceil(height / GRID_PX)].reshape(-1, width)
    columns = greys[:, :, :: math.ceil(width / GRID_PX)].reshape(n * height, -1)
    across, down = [], []
    for distance in (1, STEP_PX):
        across.append(_steepest(cv2.absdiff(rows[:, distance:], rows[:, :-distance]).reshape(n, -1)))
        steps = cv2.absdiff(columns, np.roll(columns, -distance, axis=0)).reshape(n, height, -1)
        down.append(_steepest(steps[:, :-distance].reshape(n, -1)))  # the others lead into the next picture
    return np.maximum(_quotient(*across), _quotient(*down))


def _steepest(steps: NDArray[Any]) -> Floats:
    """Percentile `(n,)` of steps `(n, m)`, bytes."""
    k = math.ceil(STEP_PERCENT / 100 * steps.shape[1]) - 1
    if steps.shape[1] >= MANY_STEPS:
        counts = [cv2.calcHist([row], [0], None, [256], [0, 256]).ravel() for row in steps]
        return (np.cumsum(counts, axis=1) <= k).sum(axis=1).astype(np.float64)
    ordered = steps.astype(np.int32)  # bytes sort ten times slower; where many are equal, to partition them is slower
    ordered.sort(axis=1)
    return ordered[:, k].astype(np.float64)


def _quotient(near: Floats, far: Floats) -> Floats:
    """Steps to the next pixel as a share of those over STEP_PX; 1 where there is none."""
    near = np.where(far < FAINT, np.maximum(near - 0.5, 0), near)  # the steepest of faint steps are rounded up
    return np.divide(near, far, out=np.ones(len(far)), where=far > 0)


def _histogram_stds(greys: Bytes) -> Floats:
    """Of pictures `(n, h, w)`: the standard deviation `(n,)` of their 256 grey-level counts."""
    n = len(greys)
    levels = greys.reshape(n, -1) + 256 * np.arange(n)[:, None]
    counts = np.bincount(levels.ravel(), minlength=256 * n).reshape(n, 256)
    mean = levels.shape[1] / 256
    return np.asarray(np.sqrt((counts * counts).sum(axis=1) / 256 - mean * mean))
