from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datatools import image_sizes
from datatools.image_sizes import read_size
from datatools.images import FORMATS, UnreadableImageError, decode_image
from tests.builders import make_png

SHARED = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[2] / "shared"))
ORIENTATION = 0x0112


def encode(kind: str, orientation: int | None = None) -> bytes:
    """A picture 6 px wide and 4 px high, as it is stored."""
    image, file = Image.fromarray(np.zeros((4, 6, 3), dtype=np.uint8)), io.BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    image.save(file, kind, **({} if orientation is None else {"exif": exif}))
    return file.getvalue()


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and whole bytes of each chunk of a PNG."""
    found, start = [], 8
    while start < len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        found.append((name, data[start : start + 12 + length]))
        start += 12 + length
    return found


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def header_only(width: int, height: int) -> bytes:
    """A PNG that has a header and no pixels."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_tells_its_size(kind: str):
    assert read_size(encode(kind)) == (6, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_size_is_that_of_the_decoded_picture_in_every_orientation(kind: str, orientation: int):
    data = encode(kind, orientation)
    height, width = decode_image(data).shape[:2]
    assert read_size(data) == (width, height) == ((6, 4) if orientation < 5 else (4, 6))


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int):
    assert read_size(encode("JPEG", orientation)) == (6, 4)


def test_exif_data_behind_the_pixels_of_a_png_count_too():
    parts = chunks(encode("PNG", 6))
    late = [part for name, part in parts if name not in (b"eXIf", b"IEND")]
    late += [part for name, part in parts if name == b"eXIf"] + [chunk(b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(late)
    assert [name for name, _ in chunks(data)][-3:] == [b"IDAT", b"eXIf", b"IEND"]
    assert decode_image(data).shape[:2] == (6, 4)
    assert read_size(data) == (4, 6)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
def test_no_pixel_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise AssertionError("pixels were decoded")

    data = encode(kind)
    for name in ("PngImagePlugin.PngImageFile", "JpegImagePlugin.JpegImageFile", "ImageFile.ImageFile", "Image.Image"):
        monkeypatch.setattr(f"PIL.{name}.load", refuse)
    assert read_size(data) == (6, 4)


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "PNG"])
def test_a_file_that_is_cut_off_in_its_pixels_has_a_size(kind: str):
    data = encode(kind)[:-5]
    assert read_size(data) == (6, 4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", f"not one of {', '.join(FORMATS)}"),
        (b"not an image", f"not one of {', '.join(FORMATS)}"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", f"not one of {', '.join(FORMATS)}"),
        (b"\x89PNG\r\n\x1a\n", f"not one of {', '.join(FORMATS)}"),
        (header_only(20_000, 5_001), "20000 x 5001 pixels are more than 100000000"),
        (header_only(100_000, 100_000), "Image size \\(10000000000 pixels\\) exceeds limit"),
    ],
    ids=["empty", "text", "GIF", "signature only", "large", "bomb"],
)
def test_bad_headers_are_named(data: bytes, message: str):
    with pytest.raises(UnreadableImageError, match=message):
        read_size(data)


def test_the_largest_allowed_picture_has_a_size():
    assert read_size(header_only(10_000, 10_000)) == (10_000, 10_000)
    assert image_sizes.MAX_PIXELS == 100_000_000


@given(st.binary(max_size=80), st.integers(0, 60), st.sampled_from(["JPEG", "PNG", "TIFF", "WEBP", "BMP"]))
def test_damaged_files_have_a_size_or_a_reason(noise: bytes, at: int, kind: str):
    data = encode(kind, None if kind == "BMP" else 6)
    try:
        width, height = read_size(data[:at] + noise + data[at + len(noise) :])
    except UnreadableImageError as error:
        assert str(error)
    else:
        assert width >= 0 and height >= 0


def test_the_input_is_not_changed():
    data = bytearray(make_png())
    read_size(bytes(data))
    assert bytes(data) == make_png()


@pytest.mark.parametrize("name", ["exif-orientation", "pngsuite", "pillow-images"])
def test_real_files_have_the_size_that_decoding_finds(name: str):
    archive = SHARED / "data" / f"{name}.zip"
    if not archive.exists():
        pytest.skip(f"{archive.name} is not there: set DATATOOLS_SHARED to the folder that has data/{archive.name}")
    n_compared = 0
    with zipfile.ZipFile(archive) as opened:
        for member in opened.namelist():
            data = opened.read(member)
            try:
                height, width = decode_image(data).shape[:2]
            except (UnreadableImageError, ValueError):
                continue
            assert read_size(data) == (width, height), member
            n_compared += 1
    assert n_compared >= 18
