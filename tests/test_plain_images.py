"""Whatever the short way reads is what Pillow would have read; whatever it does not read is left to Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from datatools import images, plain_images
from datatools.images import TruncatedImageError, UnreadableImageError, compute_facts, decode_image
from datatools.plain_images import decode_plain, read_plain

SEGMENTS = len(b"\xff\xd8")


def picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Steps and noise: every kind of filter and of Huffman code comes up."""
    rng = np.random.default_rng(seed)
    steps = np.add.outer(np.arange(height) // 5 * 37, np.arange(width) // 3 * 11)[..., None] + [0, 40, 90]
    noise = rng.integers(0, 30, size=(height, width, 3))
    return Image.fromarray(((steps + noise) % 256).astype(np.uint8)).convert(mode)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read_by_pillow(data: bytes, short_px: int = 0) -> images._Picture | str:
    try:
        return images._decode_any(data, short_px)
    except UnreadableImageError as error:
        return f"{error.code} {error}"


def read_as_we_do(data: bytes, short_px: int = 0) -> images._Picture | str:
    try:
        return images._decode(data, short_px)
    except UnreadableImageError as error:
        return f"{error.code} {error}"


def assert_same(one: images._Picture | str, other: images._Picture | str) -> None:
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    assert one[1:] == other[1:]
    assert (one.pixels.mode, one.pixels.size) == (other.pixels.mode, other.pixels.size)
    assert one.pixels.tobytes() == other.pixels.tobytes()


def insert(data: bytes, at: int, more: bytes) -> bytes:
    return data[:at] + more + data[at:]


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


PLAIN = {
    "JPEG": encode(picture(32, 32), "JPEG"),
    "grey JPEG": encode(picture(21, 34, "L"), "JPEG"),
    "JPEG without subsampling": encode(picture(17, 40), "JPEG", subsampling=0, quality=95),
    "JPEG with its own codes": encode(picture(40, 17), "JPEG", optimize=True),
    "JPEG with restarts": encode(picture(64, 48), "JPEG", restart_marker_rows=1),
    "JPEG with a comment": encode(picture(9, 9), "JPEG", comment="by hand"),
    "large JPEG": encode(picture(301, 250), "JPEG", quality=30),
    "very large grey JPEG": encode(picture(1001, 900, "L").convert("L").point(lambda v: v & 224), "JPEG", quality=5),
    "PNG": encode(picture(32, 32), "PNG"),
    "grey PNG": encode(picture(21, 34, "L"), "PNG"),
    "large PNG": encode(Image.new("RGB", (501, 300), (9, 90, 200)), "PNG"),
    "one pixel": encode(Image.new("L", (1, 1), 7), "PNG"),
}
OTHERS = {
    "progressive": encode(picture(32, 32), "JPEG", progressive=True),
    "CMYK": encode(picture(32, 32, "CMYK"), "JPEG"),
    "EXIF": encode(
        picture(32, 32), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    ),
    "colour profile": encode(picture(32, 32), "JPEG", icc_profile=b"profile" * 9),
    "JPEG above 64 KiB": encode(picture(400, 300), "JPEG", quality=95, subsampling=0),
    "bytes behind the end": PLAIN["JPEG"] + b"\0",
    "two frames": insert(PLAIN["JPEG"], SEGMENTS, segment(0xFFC0, b"\x08\0\x09\0\x09\x01\x01\x11\0")),
    "junk before a segment": insert(PLAIN["JPEG"], SEGMENTS, b"\xff"),
    "a quantization table cut off": insert(PLAIN["JPEG"], SEGMENTS, segment(0xFFDB, bytes(30))),
    "a short JFIF segment": insert(PLAIN["JPEG"], SEGMENTS, segment(0xFFE0, b"JFIF\0\x01")),
    "a segment without length": insert(PLAIN["JPEG"], SEGMENTS, b"\xff\xfe\0\0"),
    "no height": PLAIN["JPEG"].replace(b"\xff\xc0\0\x11\x08\0\x20", b"\xff\xc0\0\x11\x08\0\0"),
    "12 bits": PLAIN["JPEG"].replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "only a header": PLAIN["JPEG"][: PLAIN["JPEG"].index(b"\xff\xda")] + b"\xff\xd9",
    "palette": encode(picture(32, 32).convert("P"), "PNG"),
    "alpha": encode(picture(32, 32, "RGBA"), "PNG"),
    "16 bits": encode(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999), "PNG"),
    "a note": insert(PLAIN["PNG"], 33, chunk(b"tEXt", b"Author\0me")),
    "a note behind the pixels": insert(PLAIN["PNG"], -12, chunk(b"tEXt", b"Author\0me")),
    "a header that was changed": PLAIN["PNG"][:19] + b"\x21" + PLAIN["PNG"][20:],
    "no pixels": insert(PLAIN["PNG"], 33, chunk(b"IEND", b"")),
    "PNG cut off": PLAIN["PNG"][:-20],
    "PNG above 64 KiB": encode(Image.frombytes("RGB", (200, 150), np.random.default_rng(0).bytes(90_000)), "PNG"),
    "WebP": encode(picture(32, 32), "WEBP"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("short_px", [0, images.SCALED_PX])
def test_plain_files_are_read_the_short_way_and_as_pillow_reads_them(name: str, short_px: int):
    data = PLAIN[name]
    found = images._decode_plain(data, short_px)
    assert found is not None
    assert_same(found, read_by_pillow(data, short_px))


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_left_to_pillow(name: str):
    data = OTHERS[name]
    assert images._decode_plain(data, 0) is None
    assert_same(read_as_we_do(data), read_by_pillow(data))


def test_interlaced_png_is_left_to_pillow():
    header = bytearray(PLAIN["PNG"][12:29])
    header[-1] = 1
    data = PLAIN["PNG"][:12] + header + zlib.crc32(header).to_bytes(4) + PLAIN["PNG"][33:]
    assert read_plain(data) is None
    assert read_plain(PLAIN["PNG"]) is not None


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(PLAIN)), data=st.data(), short_px=st.sampled_from([0, 8]))
def test_damaged_files_have_the_verdict_and_the_pixels_that_pillow_gives_them(
    name: str, data: st.DataObject, short_px: int
):
    whole = PLAIN[name]
    damaged = bytearray(whole)
    front = min(700, len(whole)) - 1  # where the headers are
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(0, front), st.integers(0, len(whole) - 1)))
        damaged[place] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from([0x00, 0xD9, 0xDA, 0xC3, 0xFF])))
    gone = data.draw(st.one_of(st.just(0), st.integers(0, len(whole) // 2)))
    start = data.draw(st.integers(SEGMENTS, len(whole) - 2))
    broken = bytes(damaged[:start] + damaged[start + gone :])  # what is gone lay before the end, so that the end stays
    assert_same(read_as_we_do(broken, short_px), read_by_pillow(broken, short_px))


@settings(deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    mode=st.sampled_from(["L", "RGB"]),
    kind=st.sampled_from(["PNG", "JPEG"]),
    seed=st.integers(0, 99),
    short_px=st.sampled_from([0, 8, 20]),
)
@example(width=17, height=16, mode="RGB", kind="JPEG", seed=0, short_px=8)
def test_all_sizes_have_the_pixels_that_pillow_gives_them(
    width: int, height: int, mode: str, kind: str, seed: int, short_px: int
):
    data = encode(picture(width, height, mode, seed), kind)
    found = images._decode_plain(data, short_px)
    assert found is not None
    assert_same(found, read_by_pillow(data, short_px))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_stops_early_is_truncated_whichever_way_it_is_read(kind: str, share: float):
    data = PLAIN[kind][: int(len(PLAIN[kind]) * share)]
    with pytest.raises(TruncatedImageError):
        compute_facts(data)
    with pytest.raises(TruncatedImageError):
        decode_image(data)


def test_a_jpeg_whose_data_were_cut_out_but_not_its_end_is_what_pillow_takes_it_for():
    scan = PLAIN["JPEG"].index(b"\xff\xda")
    data = PLAIN["JPEG"][: scan + 60] + b"\xff\xd9"
    assert_same(read_as_we_do(data), read_by_pillow(data))


def with_size(kind: str, width: int, height: int) -> bytes:
    """The plain file with another size in its header."""
    data = PLAIN[kind]
    if kind == "PNG":
        header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
        return data[:12] + header + zlib.crc32(header).to_bytes(4) + data[33:]
    frame = b"\xff\xc0\0\x11\x08"
    return data.replace(frame + struct.pack(">HH", 32, 32), frame + struct.pack(">HH", height, width))


@pytest.mark.parametrize(
    ("kind", "width", "height", "why"),
    [
        ("JPEG", 11_000, 10_000, "11000 x 10000 pixels are more than"),
        ("PNG", 11_000, 10_000, "11000 x 10000 pixels are more than"),
        ("PNG", 70_000, 10, "70000 x 10 pixels: a side is longer than"),
    ],
)
def test_what_promises_too_many_pixels_is_refused_before_it_is_decoded(
    kind: str, width: int, height: int, why: str, monkeypatch: pytest.MonkeyPatch
):
    data = with_size(kind, width, height)
    assert read_plain(data) is not None
    monkeypatch.setattr(images, "decode_plain", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UnreadableImageError, match=why):
        decode_image(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_header_that_promises_more_or_less_than_there_is_gets_the_verdict_of_pillow(kind: str):
    for width, height in [(32, 60), (32, 8), (90, 32), (5, 32)]:
        data = with_size(kind, width, height)
        assert_same(read_as_we_do(data), read_by_pillow(data))


def test_pillow_takes_a_plain_file_in_one_piece():
    assert plain_images.MAX_BYTES == ImageFile.MAXBLOCK


def test_a_lossless_frame_header_among_the_data_forbids_scaling_only():
    plain = read_plain(PLAIN["large JPEG"])
    assert plain is not None
    marked = plain._replace(stream=plain.stream + b"\xff\xc3")
    assert decode_plain(marked, 2) is None
    assert decode_plain(marked, 1) is not None
