"""Whether the bytes of an image file stop before its end, by what the file itself says of its length."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
TIFF = {b"II*\0": "<", b"MM\0*": ">"}
STARTS = (PNG, JPEG, b"RIFF", b"BM", *TIFF)
OFFSETS, LENGTHS = (273, 324), (279, 325)  # TIFF tags: where strips or tiles begin, and their bytes
MAX_STRIPS = 100_000


def is_cut_off(data: bytes) -> bool:
    """Whether `data` begins as JPEG, PNG, BMP, TIFF or WebP and stops too early; asked of a file that does not decode."""
    if data.startswith(PNG):
        return _is_png_cut(data)
    if data.startswith(JPEG):
        return _is_jpeg_cut(data)
    if data.startswith(b"RIFF"):
        return len(data) < 12 or (data[8:12] == b"WEBP" and 8 + int.from_bytes(data[4:8], "little") > len(data))
    if data.startswith(b"BM"):
        return len(data) < 26 or int.from_bytes(data[2:6], "little") > len(data)
    if data[:4] in TIFF:
        return any(end > len(data) for end in _tiff_ends(data, TIFF[data[:4]]))
    return any(
        start.startswith(data) for start in STARTS
    )  # not even the first bytes are whole; nor any in an empty file


def _is_png_cut(data: bytes) -> bool:
    at = len(PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IEND":
            return False
        at += 12 + length
    return True


def _is_jpeg_cut(data: bytes) -> bool:
    """Segments say their length; from the first scan on, only the end marker tells, which no compressed byte looks like."""
    at = len(JPEG)
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return False
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0xDA:
            return data.find(b"\xff\xd9", at) < 0
        elif marker == 0x01 or 0xD0 <= marker <= 0xD9:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True


def _tiff_ends(data: bytes, order: str) -> Iterator[int]:
    """Where the first directory ends, and the strips or tiles that it lists."""
    if len(data) < 8:
        yield 8
        return
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    yield at + 2
    if at + 2 > len(data):
        return
    (n_entries,) = struct.unpack_from(f"{order}H", data, at)
    yield at + 2 + 12 * n_entries
    found: dict[int, list[int]] = {}
    for entry in range(at + 2, min(at + 2 + 12 * n_entries, len(data) - 11), 12):
        tag, kind, n = struct.unpack_from(f"{order}HHI", data, entry)
        if tag in (*OFFSETS, *LENGTHS) and kind in (3, 4) and n <= MAX_STRIPS:
            size = n * (2 if kind == 3 else 4)
            (place,) = struct.unpack_from(f"{order}I", data, entry + 8)
            place = entry + 8 if size <= 4 else place
            yield place + size
            if place + size <= len(data):
                found[tag] = list(struct.unpack_from(f"{order}{n}{'H' if kind == 3 else 'I'}", data, place))
    for starts, lengths in zip(OFFSETS, LENGTHS, strict=True):
        for start, length in zip(found.get(starts, ()), found.get(lengths, ()), strict=False):
            yield start + length
