"""The size of an image from its header alone: formats with relative numbers need it before any pixel is decoded."""

from __future__ import annotations

import io
import struct
import warnings

from datatools.images import FORMATS, MAX_PIXELS, UnreadableImageError

ORIENTATION = 0x0112  # the EXIF tag; values 5 to 8 turn the image by a quarter
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_HEADERS = (b"IHDR", b"PLTE", b"eXIf", b"tEXt", b"zTXt", b"iTXt")
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


def read_size(data: bytes) -> tuple[int, int]:
    """Return `(width_px, height_px)` of the image in `data`, after its EXIF orientation, without decoding pixels.

    Raises UnreadableImageError for a broken, oversized or foreign header. A file that is cut off later has a size.
    """
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS speaks
        warnings.simplefilter("ignore", UserWarning)
        try:
            image = Image.open(io.BytesIO(_without_pixels(data)), formats=FORMATS)
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise UnreadableImageError(f"{width} x {height} pixels are more than {MAX_PIXELS}")
            # not image.getexif(): for PNG that decodes the pixels in search of EXIF data behind them
            orientation = Image.Image.getexif(image).get(ORIENTATION)
        except UnidentifiedImageError as error:
            raise UnreadableImageError(f"not one of {', '.join(FORMATS)}") from error
        except (
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            IndexError,
            OverflowError,
            struct.error,
            Image.DecompressionBombError,
        ) as error:
            raise UnreadableImageError(str(error) or type(error).__name__) from error
    turned = orientation in (5, 6, 7, 8) and image.format != "TIFF"  # Pillow turns the size of a TIFF itself
    return (height, width) if turned else (width, height)


def _without_pixels(data: bytes) -> bytes:
    """A PNG without its pixel chunks, so that EXIF data behind them is found; any other file as it is."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    kept, start = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while start + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if name in PNG_HEADERS:
            kept.append(data[start:end])
        start = end
    return b"".join([*kept, PNG_END])
