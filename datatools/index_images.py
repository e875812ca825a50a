"""Index masks: PNG files whose pixel values are numbers of classes or objects and no colours.

The same pixel limit and the same EXIF rule as for images (datatools/images.py), but nothing is converted: a palette
gives its indices, grey its values, 8 or 16 bits deep. Only PNG: JPEG changes values.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from datatools.errors import DatatoolsError
from datatools.images import FORMATS, MAX_PIXELS, PILLOW_ERRORS, UnreadableImageError

INDEX_MODES = ("1", "L", "P", "I;16", "I;16L", "I;16B")
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values that swap width and height
PNG_EXIF = (b"eXIf", b"Raw profile", b"XML:com.adobe.xmp")
NOTE = "datatools"  # keyword of the PNG text chunk that keeps what pixels cannot hold


def decode_index_mask(data: bytes) -> NDArray[np.uint16]:
    """Return the palette indices or grey values in `data`, `(height, width)`.

    Raises UnreadableImageError for a broken, truncated, oversized or foreign file, and for one with colours or alpha.
    """
    image = _open(data)
    if image.mode not in INDEX_MODES:
        raise UnreadableImageError(f"{image.mode} pixels are no indices: save it as grey or with a palette")
    return np.asarray(image).astype(np.uint16)


def decode_color_mask(data: bytes) -> NDArray[np.uint8]:
    """Return a mask painted in colours as RGB, `(height, width, 3)`; raises UnreadableImageError for any other."""
    image = _open(data)
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if image.mode != "RGB":
        raise UnreadableImageError(f"{image.mode} pixels are no colours: save it as RGB")
    return np.asarray(image, dtype=np.uint8)


def read_size_wh(data: bytes) -> tuple[int, int]:
    """Width and height in pixels after EXIF orientation, from the header alone; raises UnreadableImageError."""
    with _reading("no image that is read"):
        image = _open_header(data, FORMATS)
        # getexif() decodes a whole PNG; Pillow turns the size of a TIFF itself
        may_turn = image.format != "TIFF" and (image.format != "PNG" or any(mark in data for mark in PNG_EXIF))
        turned = may_turn and image.getexif().get(ORIENTATION) in SIDEWAYS
        return (image.height, image.width) if turned else (image.width, image.height)


def values_of(array: NDArray[np.uint16]) -> list[int]:
    """The different values of a mask, from the lowest up."""
    return np.flatnonzero(np.bincount(array.ravel())).tolist()


def is_index_png(data: bytes) -> bool:
    """Whether `data` starts like a PNG with one channel, grey or palette; the pixels are not looked at."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and data[25:26] in (b"\x00", b"\x03")


def encode_index_mask(array: NDArray[Any], palette: Sequence[Sequence[int]] | None = None, note: str = "") -> bytes:
    """Return `array` `(height, width)` as PNG: 8 bits, 16 where a value needs them; with a palette of RGB colours, 8.

    `note` is ASCII text that travels in the file (read_note). Raises DatatoolsError for values no such PNG holds.
    """
    highest = 255 if palette is not None else 65535
    array = np.asarray(array)
    if array.ndim != 2 or not array.size or array.min() < 0 or array.max() > highest:
        raise DatatoolsError(
            f"encode_index_mask: expected (height, width) with values from 0 to {highest}. "
            f"Got shape {array.shape}: draw fewer classes or objects into one mask."
        )
    image = Image.fromarray(array.astype(np.uint8 if array.max() <= 255 else np.uint16))
    if palette is not None:
        image.putpalette([part for color in palette for part in color])
    info = PngImagePlugin.PngInfo()
    if note:
        info.add_text(NOTE, note, zip=True)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def read_note(data: bytes) -> str | None:
    """The text that encode_index_mask put into a PNG; None where there is none. Raises UnreadableImageError."""
    image = _open(data)
    text = getattr(image, "text", {}).get(NOTE)
    return None if text is None else str(text)


def fill_rings(rings: Sequence[Sequence[Sequence[float]]], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels `(height, width)` whose centre lies inside one of the polygons; even-odd within a ring.

    A ring is closed if it is not; what lies outside the image is cut off.
    """
    height, width = size_hw
    filled = np.zeros(size_hw, dtype=bool)
    for ring in rings:
        toggles = np.zeros((height, width + 1), dtype=np.int64)
        for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], *ring[:1]], strict=True):
            low, high = min(y0, y1), max(y0, y1)
            first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in (low, high))
            rows = np.arange(first, last)
            if len(rows):
                crossing = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
                np.add.at(toggles, (rows, np.clip(np.ceil(crossing - 0.5), 0, width).astype(int)), 1)
        filled |= np.cumsum(toggles, axis=1)[:, :width] % 2 == 1
    return filled


def label_colors(count: int) -> list[tuple[int, int, int]]:
    """The first `count` colours of Pascal VOC: the bits of the index, dealt to R, G and B from the highest down."""
    colors = []
    for index in range(count):
        channels = [0, 0, 0]
        for bit in range(24):
            if index >> bit & 1:
                channels[bit % 3] |= 128 >> bit // 3
        colors.append((channels[0], channels[1], channels[2]))
    return colors


def _open(data: bytes) -> Image.Image:
    with _reading("no PNG"):
        image = _open_header(data, ("PNG",))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return image


def _open_header(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=formats)
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImageError(f"{image.width} x {image.height} pixels are more than {MAX_PIXELS}")
    return image


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Everything that Pillow raises for bad bytes becomes UnreadableImageError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of broken metadata, and of size, of which MAX_PIXELS speaks
        try:
            yield
        except UnidentifiedImageError as error:
            raise UnreadableImageError(what) from error
        except PILLOW_ERRORS as error:
            raise UnreadableImageError(" ".join(str(error).split())[:200] or type(error).__name__) from error
