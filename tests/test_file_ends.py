from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from datatools.file_ends import is_cut_off
from datatools.images import TruncatedImageError, UnreadableImageError, decode_image

NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
SAVED = {
    "jpeg": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "thumbnail": ("JPEG", {"exif": b"Exif\0\0II*\0\x08\0\0\0" + b"\xff\xd8\xff\xd9" * 20}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"lossless": True}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "tiff deflate": ("TIFF", {"compression": "tiff_deflate"}),
}


def save(name: str) -> bytes:
    format, options = SAVED[name]
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.9])
def test_a_file_that_stops_too_early_is_told_from_others(name: str, share: float):
    data = save(name)
    assert not is_cut_off(data)
    cut = data[: int(share * len(data))]
    assert is_cut_off(cut)
    with pytest.raises(TruncatedImageError):
        decode_image(cut)


@pytest.mark.parametrize("data", [b"", b"\x89PN", b"\xff", b"II", b"RIFF\x10", b"BM\0", b"II*\0\x08\0"])
def test_not_even_the_first_bytes(data: bytes):
    assert is_cut_off(data)


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"GIF89a",
        b"\xff\xd8hello, this is no segment",
        b"RIFF\x10\0\0\0WAVE",
        save("png").replace(b"IDAT", b"IDAX", 1),
    ],
    ids=["text", "gif", "no segment", "sound", "broken chunk"],
)
def test_a_file_that_is_foreign_or_broken_is_not_cut_off(data: bytes):
    assert not is_cut_off(data)
    with pytest.raises(UnreadableImageError) as caught:
        decode_image(data)
    assert type(caught.value) is UnreadableImageError


def test_hostile_directories_end():
    many = b"II*\0" + struct.pack("<IH", 8, 65535) + struct.pack("<HHII", 273, 4, 2**32 - 1, 8) * 65535
    assert not is_cut_off(many)
    assert is_cut_off(b"MM\0*" + struct.pack(">I", 2**32 - 1))
