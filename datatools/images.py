"""Reading, hashing and writing images: the only module that imports cv2 and Pillow.

One decoder (Pillow, strict: a truncated file is an error) and one orientation rule (EXIF orientation is applied)
for the whole pipeline. Arrays are `uint8`, RGB, shape `(height, width, 3)`.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

RGB = NDArray[np.uint8]
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 100_000_000  # above this a header is taken for a decompression bomb
PHASH_SIDE = 16  # 16 x 16 low frequencies of the DCT: a 256-bit hash

cv2.setNumThreads(1)  # results must not depend on the number of cores


class UnreadableImageError(Exception):
    """The bytes are not a whole image in an allowed format. Bad data: callers turn it into a row, not a crash."""


@dataclass(frozen=True)
class ImageFacts:
    """What one decode tells about a file; sizes after EXIF orientation, in pixels and bytes."""

    sha256: str
    n_bytes: int
    width_px: int
    height_px: int
    channels: int
    phash: str  # 64 hex digits: perceptual hash of 256 bits


def decode_image(data: bytes) -> RGB:
    """Return the image in `data` as RGB `(height, width, 3)`.

    Raises UnreadableImageError for a broken, truncated, oversized or foreign file.
    """
    return _to_rgb(_open(data))


def load_image(path: Path) -> RGB:
    """Read the file at `path` as RGB `(height, width, 3)`; raises UnreadableImageError."""
    try:
        return decode_image(path.read_bytes())
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from error


def compute_facts(data: bytes) -> ImageFacts:
    """Decode `data` once and return its size, hashes and number of channels; raises UnreadableImageError.

    The perceptual hash is imagehash's pHash (DCT of a 64 x 64 grey copy, 16 x 16 lowest frequencies).
    """
    import imagehash  # here and not above: training needs images, but no hashes

    image = _open(data)
    phash = imagehash.phash(image.convert("L"), hash_size=PHASH_SIDE)
    return ImageFacts(
        sha256=hashlib.sha256(data).hexdigest(),
        n_bytes=len(data),
        width_px=image.width,
        height_px=image.height,
        channels=len(image.getbands()),
        phash=str(phash),
    )


def resize_image(image: RGB, side_px: int) -> RGB:
    """Return `image` scaled to `(side_px, side_px, 3)`: area filter when it shrinks, linear when it grows."""
    height, width = image.shape[:2]
    if (height, width) == (side_px, side_px):
        return image
    shrink = side_px < min(height, width)
    scaled = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    return np.asarray(scaled, dtype=np.uint8)


def encode_png(image: RGB) -> bytes:
    """Return `image` (RGB) as PNG bytes, lossless."""
    ok, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert ok, "OpenCV encodes any uint8 RGB array as PNG"
    return data.tobytes()


def draw_shapes(
    image: RGB,
    boxes_px: Sequence[Sequence[float]] = (),
    polygons_px: Sequence[Sequence[Sequence[float]]] = (),
    scale: int = 2,
) -> RGB:
    """Return a copy of `image`, `scale` times as large, with xyxy boxes in red and polygons in blue."""
    height, width = image.shape[:2]
    size_wh = (width * scale, height * scale)
    canvas = np.ascontiguousarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_NEAREST))
    for polygon in polygons_px:
        points = np.round(np.asarray(polygon, dtype=float) * scale).astype(np.int32)
        cv2.polylines(canvas, [points.reshape(-1, 1, 2)], True, (40, 90, 230), 1, cv2.LINE_AA)
    for x0, y0, x1, y1 in boxes_px:
        corners = (round(x0 * scale), round(y0 * scale)), (round(x1 * scale), round(y1 * scale))
        cv2.rectangle(canvas, *corners, (220, 40, 40), 1)
    return np.asarray(canvas, dtype=np.uint8)


def _open(data: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS speaks
        warnings.simplefilter("ignore", UserWarning)
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableImageError(f"{image.width} x {image.height} pixels are more than {MAX_PIXELS}")
            image.load()
            return _to_8_bits(ImageOps.exif_transpose(image))
        except UnidentifiedImageError as error:
            raise UnreadableImageError(f"not one of {', '.join(FORMATS)}") from error
        except (
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            IndexError,
            OverflowError,
            Image.DecompressionBombError,
        ) as error:
            raise UnreadableImageError(str(error) or type(error).__name__) from error


def _to_8_bits(image: Image.Image) -> Image.Image:
    """16-bit grey keeps its high byte, as 16-bit colour does in Pillow; `convert` would clip it to white."""
    if image.mode in ("I", "F"):
        raise UnreadableImageError("32-bit pixels; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image


def _to_rgb(image: Image.Image) -> RGB:
    return np.asarray(image.convert("RGB"), dtype=np.uint8)
