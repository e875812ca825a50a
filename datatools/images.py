"""Reading, measuring and writing images, by Pillow and OpenCV.

One decoder (Pillow, strict: a truncated file is an error) and one orientation rule (EXIF orientation is applied)
for the whole pipeline. Arrays are `uint8`, RGB, shape `(height, width, 3)`. Of a file with several pictures (pages,
animation) the first is the image. Alpha is dropped. Bytes after the end of the picture are ignored.

`compute_facts` decodes once. It measures large images at reduced scale: divided by 2, 4 or 8 as long as the short side
keeps `SCALED_PX` pixels, in the JPEG decoder (which still reads the whole stream, so that a truncated file is found) or
by averaging blocks. Its measures are the quantities that cleanvision 0.3 scores images by
(`issue_managers/image_property.py`): equal to 6 digits up to 64 x 64 px, an estimate above.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from datatools.file_ends import is_cut_off
from datatools.image_measures import measure_images
from datatools.plain_images import LOSSLESS, decode_plain, read_plain

RGB = NDArray[np.uint8]
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 100_000_000  # above this a header is taken for a decompression bomb
MAX_SIDE_PX = 65_535  # of a JPEG; scaling one line of 100 million pixels takes gigabytes
MAX_RLE_BYTES = 4 << 20  # of a run-length BMP, which Pillow decodes in Python: 0.2 s a MiB
MAX_SCANNED_PIXELS = 50 * MAX_PIXELS  # of a progressive JPEG, each scan of which passes over all pixels
MAX_PAGES = 10_000  # where counting the pages of a TIFF file ends
SCALED_PX = 112  # short side that the facts of a large image are taken at, or more: half of the usual 224
PILLOW_ERRORS = (  # what Pillow can raise on hostile bytes
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_ORIENTATION, _SIDEWAYS = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values that swap width and height
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TILE_WIDTH, _TILE_LENGTH, _BITS_PER_SAMPLE = 322, 323, 258  # TIFF tags
_START_OF_SCAN = b"\xff\xda"
_GREY_MODES = frozenset({"1", "L", "LA"})

cv2.setNumThreads(1)  # results must not depend on the number of cores


class UnreadableImageError(Exception):
    """The bytes are not a whole image in an allowed format. Bad data: callers turn it into a row, not a crash."""

    code = "IMG001"  # of the check that speaks of it


class TruncatedImageError(UnreadableImageError):
    """The bytes begin as an image and stop before its end."""

    code = "IMG004"


class ImageFacts(NamedTuple):
    """What one decode tells about a file; sizes after EXIF orientation, in pixels and bytes."""

    sha256: str
    n_bytes: int
    width_px: int
    height_px: int
    channels: int
    n_frames: int  # pictures in the file (pages, animation); the first is the image
    format: str  # of the content: one of FORMATS
    mode: str  # Pillow's name of what a pixel of the file is: RGB, L, P, RGBA, CMYK, I;16, 1, ...
    exif_orientation: int  # 1 .. 8 as the file says; 1 where it says nothing, or nonsense
    phash: str  # 64 hex digits: perceptual hash of 256 bits
    is_grey: bool  # red, green and blue are equal in every pixel looked at
    brightness_p5: float  # 0 black .. 1 white: 5th percentile over its pixels; high: the image is too light
    brightness_p99: float  # 0 black .. 1 white: 99th percentile; low: the image is too dark
    entropy_bits: float  # 0 .. 8 (grey) or 9.58 (colour) bits: of the distribution of values; low: it shows little
    sharpness: float  # 0 .. 127.5 grey levels: standard deviation of the edges; low: blurred
    grey_histogram_std: float  # pixels: standard deviation of 256 grey-level counts; high: few levels, as in drawings
    edge_step: float  # 0.25 blurred .. 1 sharp: how much of its steepest steps over 4 pixels it takes within one


class _Picture(NamedTuple):
    """A decoded file: its pixels in mode L or RGB, oriented, perhaps reduced; then fields of ImageFacts, in their order."""

    pixels: Image.Image
    width_px: int
    height_px: int
    channels: int
    n_frames: int
    format: str
    mode: str
    exif_orientation: int


def decode_image(data: bytes) -> RGB:
    """Return the image in `data` as RGB `(height, width, 3)`.

    Raises UnreadableImageError for a broken, truncated, oversized or foreign file.
    """
    return np.asarray(_decode(data).pixels.convert("RGB"), dtype=np.uint8)


def load_image(path: Path) -> RGB:
    """Read the file at `path` as RGB `(height, width, 3)`; raises UnreadableImageError."""
    try:
        return decode_image(path.read_bytes())
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from error


def compute_facts(data: bytes) -> ImageFacts:
    """Decode `data` once and return its size, hashes, number of channels and measures; raises UnreadableImageError.

    - `phash` is imagehash's pHash: which of the 16 x 16 lowest frequencies of the DCT of a 64 x 64 grey copy are above
      their median. The copy is not rounded to bytes, so that a few of the 256 bits of `imagehash.phash(image, 16)`
      differ: 1 or 2 in photos, 4 in black-and-white drawings; none if the image has 64 x 64 pixels.
    - The brightness of a pixel is sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2) / 255 (Darel Finley's HSP colour model), taken
      on a grid of at most 64 x 64 pixels. cleanvision calls an image dark if the 99th percentile is below 0.32 and
      light if the 5th is above 0.95.
    - `entropy_bits` is Shannon's, of the values of all channels together on that grid; cleanvision asks for 3 at least.
    - `sharpness` is the standard deviation of a grey copy with a long side of at most 64 px after a 3 x 3 Laplacian (8
      in the middle, clipped to 0..255, the outermost pixels as they are); `grey_histogram_std` is of the same copy.
      With s(x) = 1 - exp(-x / 100), cleanvision calls an image blurry if s(sharpness) + s(grey_histogram_std) is below
      0.29, where the second term counts only above 0.18.
    - `edge_step` compares grey levels at the scale of the measures: the difference of neighbours to that of pixels 4 apart,
      each the 99.5th percentile over at most 64 rows, and over as many columns; the larger quotient counts. An edge that
      blur has spread over 4 pixels or more gives 0.25, a sharp one 1; so does an image without any edge.
    """
    (found,) = compute_facts_of([data])
    if isinstance(found, UnreadableImageError):
        raise found
    return found


def compute_facts_of(datas: Iterable[bytes]) -> list[ImageFacts | UnreadableImageError]:
    """Return `compute_facts` of each, or the error that it raises, in less than half the time for small images.

    Decodes all, then measures those of one size together. Holds up to some 300 kB an image (not its bytes, where `datas`
    is an iterator): give it a few dozen at a time.
    """
    read = [(hashlib.sha256(data).hexdigest(), len(data), _try_decode(data)) for data in datas]
    measured = iter(measure_images([picture.pixels for _, _, picture in read if isinstance(picture, _Picture)]))
    found: list[ImageFacts | UnreadableImageError] = []
    for sha256, n_bytes, picture in read:
        if isinstance(picture, UnreadableImageError):
            found.append(picture)
        else:
            fields: tuple[Any, ...] = (sha256, n_bytes, *picture[1:], *next(measured))
            found.append(ImageFacts._make(fields))
    return found


def resize_image(image: RGB, side_px: int) -> RGB:
    """Return `image` scaled to `(side_px, side_px, 3)`: area filter when it shrinks, linear when it grows."""
    height, width = image.shape[:2]
    if (height, width) == (side_px, side_px):
        return image
    shrink = side_px < min(height, width)
    scaled = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    return np.asarray(scaled, dtype=np.uint8)


def make_thumbnail(image: RGB, side_px: int) -> NDArray[np.uint8]:
    """Return `image` in grey, `(side_px, side_px)`: brightness as JPEG has it, then scaled like resize_image."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    shrink = side_px < min(grey.shape)
    scaled = cv2.resize(grey, (side_px, side_px), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    return np.asarray(scaled, dtype=np.uint8)


def encode_png(image: RGB) -> bytes:
    """Return `image` (RGB) as PNG bytes, lossless."""
    ok, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert ok, "OpenCV encodes any uint8 RGB array as PNG"
    return data.tobytes()


def encode_jpeg(image: RGB, quality: int = 85) -> bytes:
    """Return `image` (RGB) as JPEG bytes: a fifth of PNG's for photos, with small losses. `quality` is 0 to 100."""
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok, "OpenCV encodes any uint8 RGB array as JPEG"
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


def _try_decode(data: bytes) -> _Picture | UnreadableImageError:
    try:
        return _decode(data, SCALED_PX)
    except UnreadableImageError as error:
        # by its traceback it would hold itself and the bytes, until there is a search for garbage
        error.__cause__ = error.__context__ = error.__traceback__ = None
        return error


def _decode(data: bytes, short_px: int = 0) -> _Picture:
    """Decode, orient and bring to mode L or RGB.

    With `short_px` the picture is divided by 2, 4 or 8 as long as its short side keeps so many pixels.
    """
    return _decode_plain(data, short_px) or _decode_any(data, short_px)


def _decode_plain(data: bytes, short_px: int) -> _Picture | None:
    """What `_decode_any` returns, in half the time for icons; None where it is left to that."""
    plain = read_plain(data)
    if plain is None or math.prod(plain.size_wh) > MAX_PIXELS or max(plain.size_wh) > MAX_SIDE_PX:
        return None
    pixels = decode_plain(plain, _reduction(plain.size_wh, short_px))
    if pixels is None:
        return None
    return _Picture(pixels, *plain.size_wh, len(plain.mode), 1, plain.format, plain.mode, 1)


def _decode_any(data: bytes, short_px: int) -> _Picture:
    """All that Pillow does with foreign bytes happens here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of broken metadata, and of size, of which MAX_PIXELS speaks
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(image, data)
            return _load(image, data, short_px)
        except UnidentifiedImageError as error:
            if is_cut_off(data):
                raise TruncatedImageError(f"it has only {len(data):,} bytes") from error
            raise UnreadableImageError(f"not one of {', '.join(sorted(FORMATS))}") from error
        except PILLOW_ERRORS as error:
            kind = TruncatedImageError if is_cut_off(data) else UnreadableImageError
            raise kind(" ".join(str(error).split())[:200] or type(error).__name__) from error


def _check_size(image: Image.Image, data: bytes) -> None:
    """Refuse, before it is decoded, what would take too much memory or time."""
    width_px, height_px = image.size
    n_pixels = width_px * height_px
    if n_pixels > MAX_PIXELS:
        raise UnreadableImageError(f"{width_px} x {height_px} pixels are more than {MAX_PIXELS}")
    if max(image.size) > MAX_SIDE_PX:
        raise UnreadableImageError(f"{width_px} x {height_px} pixels: a side is longer than {MAX_SIDE_PX}")
    if image.format == "BMP" and len(data) > MAX_RLE_BYTES and _is_run_length(image):
        raise UnreadableImageError(f"a run-length BMP of more than {MAX_RLE_BYTES} bytes: save it as PNG")
    if image.format == "TIFF" and _tiff_tag(image, _TILE_WIDTH, 0) * _tiff_tag(image, _TILE_LENGTH, 0) > MAX_PIXELS:
        raise UnreadableImageError(f"its tiles have more than {MAX_PIXELS} pixels each")
    if "progressive" in image.info and n_pixels * data.count(_START_OF_SCAN) > MAX_SCANNED_PIXELS:
        raise UnreadableImageError(f"its scans pass over more than {MAX_SCANNED_PIXELS} pixels")


def _is_run_length(image: Image.Image) -> bool:
    tiles: Any = getattr(image, "tile", ())
    return bool(tiles) and tiles[0][0] == "bmp_rle"


def _load(image: Image.Image, data: bytes, short_px: int) -> _Picture:
    width_px, height_px = image.size
    mode = image.mode  # draft and load may change it
    factor = _reduction(image.size, short_px)
    if factor > 1 and not LOSSLESS.search(data):
        image.draft(None, (short_px, short_px))  # in the decoder; only JPEG can
    image.load()
    pixels = _to_grey_or_rgb(image)
    if factor > 1 and pixels.size == (width_px, height_px):
        pixels = pixels.reduce(factor)
    tag = image.getexif().get(_ORIENTATION, 1)
    orientation = int(tag) if tag in _TURNS else 1
    if orientation in _TURNS:
        pixels = pixels.transpose(_TURNS[orientation])
    if orientation in _SIDEWAYS:
        width_px, height_px = height_px, width_px
    n_frames = _count_pages(data) if image.format == "TIFF" else getattr(image, "n_frames", 1)
    said = (len(image.getbands()), n_frames, str(image.format), mode, orientation)
    return _Picture(pixels, width_px, height_px, *said)


def _reduction(size_wh: tuple[int, int], short_px: int) -> int:
    """Largest of 8, 4, 2 and 1 that leaves `short_px` of the short side, as Pillow's draft mode has it; 1 for none."""
    most = min(size_wh) // short_px if short_px else 1
    return 8 if most >= 8 else 4 if most >= 4 else 2 if most >= 2 else 1


def _to_grey_or_rgb(image: Image.Image) -> Image.Image:
    """16-bit grey keeps its high byte, as 16-bit colour does in Pillow; `convert` would clip it to white."""
    if image.mode in ("L", "RGB"):
        return image
    if image.mode in ("I", "F"):
        raise UnreadableImageError("32-bit pixels; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I;16"):
        bits = _tiff_tag(image, _BITS_PER_SAMPLE, 16)  # 12 in a 12-bit TIFF, which Pillow does not stretch
        return Image.fromarray((np.asarray(image) >> (bits - 8)).astype(np.uint8))
    return image.convert("L" if image.mode in _GREY_MODES else "RGB")


def _tiff_tag(image: Image.Image, tag: int, default: int) -> int:
    value = getattr(image, "tag_v2", {}).get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _count_pages(data: bytes) -> int:
    """Number of pictures in a TIFF file: follows the chain of directories without reading them (Pillow's count would
    take quadratic time on a hostile one)."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = 43 in data[2:4]
    count, entry_bytes, link, offset = ("Q", 20, "Q", 8) if is_big else ("H", 12, "I", 4)
    pages: set[int] = set()
    while len(pages) < MAX_PAGES and offset + struct.calcsize(link) <= len(data):
        (page,) = struct.unpack_from(order + link, data, offset)
        if page in pages or not 0 < page <= len(data) - struct.calcsize(count):
            break
        pages.add(page)
        (n_entries,) = struct.unpack_from(order + count, data, page)
        offset = page + struct.calcsize(count) + n_entries * entry_bytes
    return max(1, len(pages))
