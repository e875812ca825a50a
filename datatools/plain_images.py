"""PNG and JPEG files without extras: their header is read here, their pixels by Pillow's decoder, as those of any other file.

Pillow takes longer to open an icon than to decode it. Files up to 64 KiB without metadata, palette or progressive scans
are read here to the same pixels: `Image.frombytes` gives the decoder what `Image.open(...).load()` would give it, in the one
piece that Pillow reads at a time. All others, and all that fail, are none of this module's: None, and Pillow has the word.
"""

from __future__ import annotations

import re
import struct
import zlib
from functools import lru_cache
from typing import NamedTuple

from PIL import Image

MAX_BYTES = 1 << 16  # what Pillow reads at a time (ImageFile.MAXBLOCK)
PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
PNG_MODES = {b"\x08\0\0\0\0": "L", b"\x08\2\0\0\0": "RGB"}  # 8 bits, not interlaced
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
JPEG_MODES = {1: "L", 3: "RGB"}  # by the number of components
JFIF, FRAME, QUANTIZATION, HUFFMAN, RESTART, COMMENT = 0xFFE0, 0xFFC0, 0xFFDB, 0xFFC4, 0xFFDD, 0xFFFE
SCAN = b"\xff\xda"
LOSSLESS = re.compile(rb"\xff[\xc3\xcb]")  # frame headers; libjpeg does not scale such a picture


class PlainImage(NamedTuple):
    """What the header of a plain file says, and the bytes that its decoder takes."""

    format: str  # JPEG or PNG
    mode: str  # L or RGB
    size_wh: tuple[int, int]
    stream: bytes


def read_plain(data: bytes) -> PlainImage | None:
    """The header of a plain file; None for any other."""
    if len(data) > MAX_BYTES:
        return None
    if data.startswith(JPEG_START) and data.endswith(JPEG_END):
        return _read_jpeg(data)
    return _read_png(data) if data.startswith(PNG_START) else None


def decode_plain(plain: PlainImage, factor: int) -> Image.Image | None:
    """The pixels, each side divided by `factor` (1, 2, 4, 8) and rounded up; None where Pillow would not read them so."""
    _, mode, (width, height), stream = plain
    try:
        if plain.format == "PNG":
            image = Image.new(mode, (width, height), None)
            image.frombytes(stream, "zip", mode)
            return image.reduce(factor) if factor > 1 else image
        if factor > 1 and LOSSLESS.search(stream):
            return None
        image = Image.new(mode, (-(-width // factor), -(-height // factor)), None)
        image.frombytes(stream, "jpeg", mode, "", factor, 0)
    except (ValueError, OSError, MemoryError):  # of Pillow: cut off, or broken
        return None
    return image


def _read_png(data: bytes) -> PlainImage | None:
    """Header, one chunk of pixels, end. Like Pillow it checks the header's CRC, and leaves that of pixels to zlib's."""
    mode = PNG_MODES.get(data[24:29])
    if mode is None or data[29:33] != zlib.crc32(data[12:29]).to_bytes(4) or data[37:41] != b"IDAT":
        return None
    end = 41 + int.from_bytes(data[33:37])
    if data[end + 8 : end + 12] != b"IEND":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return PlainImage("PNG", mode, (width, height), data[41:end]) if width and height else None


def _read_jpeg(data: bytes) -> PlainImage | None:
    """Segments up to the first scan: JFIF, tables, comments and one frame of the baseline process."""
    scan = data.find(SCAN)
    frame = _read_frame(data[:scan]) if scan > 0 else None
    if frame is None or scan + 2 + int.from_bytes(data[scan + 2 : scan + 4]) > len(data):
        return None
    return PlainImage("JPEG", *frame, data)


@lru_cache(64)  # files of one writer and one size begin with the same bytes
def _read_frame(head: bytes) -> tuple[str, tuple[int, int]] | None:
    """Mode, width and height by the bytes in front of a scan; None where they are not whole segments of the plain kinds."""
    frame, at = None, len(JPEG_START)
    while at + 4 <= len(head):
        marker, length = struct.unpack_from(">HH", head, at)
        start, at = at + 4, at + 2 + length
        if marker == FRAME and frame is None:
            frame = _parse_frame(head[start:at])
            is_plain = frame is not None
        elif marker == JFIF:
            is_plain = length >= 16 and head.startswith(b"JFIF\0", start)
        elif marker == QUANTIZATION:  # any number of tables of 64 bytes, after a number below 16
            is_plain = length % 65 == 2 and max(head[start:at:65], default=16) < 16
        else:
            is_plain = marker in (HUFFMAN, RESTART, COMMENT) and length >= 2
        if not is_plain:
            return None
    return frame if at == len(head) else None


def _parse_frame(content: bytes) -> tuple[str, tuple[int, int]] | None:
    """A frame header of 8 bits and one or three components."""
    if len(content) < 6:
        return None
    bits, height, width, n_components = struct.unpack_from(">BHHB", content)
    mode = JPEG_MODES.get(n_components)
    if mode is None or bits != 8 or not (width and height) or len(content) != 6 + 3 * n_components:
        return None
    return mode, (width, height)
