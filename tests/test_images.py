from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datatools import images
from datatools.images import (
    RGB,
    UnreadableImageError,
    compute_facts,
    decode_image,
    draw_shapes,
    encode_png,
    load_image,
    resize_image,
)
from tests.builders import make_png

RED, BLUE = (255, 0, 0), (0, 0, 255)
# where EXIF orientation n puts the red corner of a picture stored with red at the top left, in a 6 x 4 file
CORNERS = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def from_array(values: Any, dtype: type = np.uint8) -> Image.Image:
    return Image.fromarray(np.asarray(values, dtype=dtype))


def noise(height: int, width: int) -> RGB:
    return np.random.default_rng(0).integers(0, 256, size=(height, width, 3)).astype(np.uint8)


def test_png_is_lossless_and_the_same_bytes_each_time():
    image = noise(5, 7)
    assert encode_png(image) == encode_png(image.copy())
    np.testing.assert_array_equal(decode_image(encode_png(image)), image)


@pytest.mark.parametrize("kind", images.FORMATS)
def test_every_format_is_read(kind: str):
    image = np.full((8, 6, 3), (200, 100, 50), dtype=np.uint8)
    found = decode_image(encode(Image.fromarray(image), kind))
    assert (found.shape, found.dtype) == ((8, 6, 3), np.uint8)
    assert np.abs(found.astype(int) - image).max() <= 3


@pytest.mark.parametrize("orientation", CORNERS)
def test_exif_orientation_is_applied(orientation: int):
    image = Image.new("RGB", (6, 4), BLUE)
    image.putpixel((0, 0), RED)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(image, exif=exif)
    found, facts = decode_image(data), compute_facts(data)
    assert found.shape == ((4, 6, 3) if orientation < 5 else (6, 4, 3))
    assert (facts.height_px, facts.width_px) == found.shape[:2]
    assert tuple(found[CORNERS[orientation]]) == RED
    assert (found == RED).all(axis=2).sum() == 1


def test_an_orientation_that_does_not_exist_changes_nothing():
    exif = Image.Exif()
    exif[0x0112] = 99
    assert decode_image(encode(Image.new("RGB", (6, 4)), exif=exif)).shape == (4, 6, 3)


PALETTE = from_array([[0, 1]]).copy()
PALETTE.putpalette([*RED, *BLUE] + [0] * 762)


@pytest.mark.parametrize(
    ("image", "kind", "channels", "expected"),
    [
        (from_array([[0, 77]]), "PNG", 1, [(0, 0, 0), (77, 77, 77)]),
        (from_array([[0, 65535, 0x1234]], np.uint16), "PNG", 1, [(0, 0, 0), (255, 255, 255), (0x12, 0x12, 0x12)]),
        (from_array([[0, 65535, 0x1234]], np.uint16), "TIFF", 1, [(0, 0, 0), (255, 255, 255), (0x12, 0x12, 0x12)]),
        (from_array([[[9, 8, 7, 0], [1, 2, 3, 255]]]), "PNG", 4, [(9, 8, 7), (1, 2, 3)]),
        (from_array([[[50, 0], [60, 255]]]), "PNG", 2, [(50, 50, 50), (60, 60, 60)]),
        (PALETTE, "PNG", 1, [RED, BLUE]),
        (from_array([[0, 255]]).convert("1"), "PNG", 1, [(0, 0, 0), (255, 255, 255)]),
        (Image.new("CMYK", (2, 1), (0, 0, 0, 255)), "TIFF", 4, [(0, 0, 0)] * 2),
    ],
    ids=["grey", "16-bit PNG", "16-bit TIFF", "RGBA", "grey+alpha", "palette", "1-bit", "CMYK"],
)
def test_every_kind_of_pixel_becomes_rgb(image: Image.Image, kind: str, channels: int, expected: list[Any]):
    data = encode(image, kind)
    assert [tuple(pixel) for pixel in decode_image(data)[0].tolist()] == expected
    assert compute_facts(data).channels == channels


def test_two_16_bit_pictures_are_not_near_duplicates():
    rng = np.random.default_rng(0)
    one, other = (compute_facts(encode(from_array(rng.integers(0, 65536, (32, 32)), np.uint16))) for _ in range(2))
    assert one.phash != other.phash


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_32_bit_pixels_are_refused_and_not_clipped(dtype: type):
    data = encode(from_array([[0, 1], [2, 70000]], dtype), "TIFF")
    for read in (decode_image, compute_facts):
        with pytest.raises(UnreadableImageError, match="32-bit pixels; save it with 8 or 16 bits a channel"):
            read(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not one of BMP, JPEG, PNG, TIFF, WEBP"),
        (b"hello\n", "not one of BMP, JPEG, PNG, TIFF, WEBP"),
        (encode(Image.new("RGB", (4, 4)), "GIF"), "not one of BMP, JPEG, PNG, TIFF, WEBP"),
        (make_png(width_px=60)[:-200], "truncated"),
        (encode(from_array(noise(40, 40)), "JPEG")[:-300], "truncated"),
        (make_png()[:30], "."),
    ],
    ids=["empty", "text", "GIF", "half a PNG", "half a JPEG", "a header"],
)
def test_what_is_no_whole_image_is_unreadable(data: bytes, why: str):
    for read in (decode_image, compute_facts):
        with pytest.raises(UnreadableImageError, match=why):
            read(data)


@pytest.mark.parametrize("kind", images.FORMATS)
@given(data=st.data())
def test_damaged_bytes_are_unreadable_or_an_image_and_never_another_error(kind: str, data: st.DataObject):
    whole = encode(from_array(noise(9, 9)), kind)
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        facts = compute_facts(bytes(damaged))
    except UnreadableImageError as error:
        assert str(error)
    else:
        assert facts.width_px * facts.height_px <= images.MAX_PIXELS


def test_a_decompression_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 119)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UnreadableImageError, match="12 x 10 pixels are more than 119"):
        decode_image(make_png())


def test_an_image_at_the_limit_is_read_whatever_pillow_warns_of(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 120)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode_image(make_png()).shape == (10, 12, 3)


def test_a_header_that_promises_too_much_is_unreadable():
    data = bytearray(make_png())
    data[16:24] = (2**31 - 1).to_bytes(4, "big") * 2
    with pytest.raises(UnreadableImageError):
        compute_facts(bytes(data))


def test_facts_are_of_the_bytes_as_they_are():
    data = make_png()
    facts = compute_facts(data)
    assert facts == compute_facts(bytes(data))
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert (facts.n_bytes, facts.width_px, facts.height_px, facts.channels) == (len(data), 12, 10, 3)
    assert re.fullmatch("[0-9a-f]{64}", facts.phash)


def test_load_image_reads_a_file_and_says_why_it_cannot(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(make_png())
    np.testing.assert_array_equal(load_image(tmp_path / "a.png"), decode_image(make_png()))
    with pytest.raises(UnreadableImageError, match=r"^No such file or directory$"):
        load_image(tmp_path / "b.png")
    with pytest.raises(UnreadableImageError, match=r"^Is a directory$"):
        load_image(tmp_path)


@pytest.mark.parametrize("side_px", [1, 4, 5, 9])
def test_resize_gives_a_square_and_keeps_one_colour(side_px: int):
    found = resize_image(np.full((4, 6, 3), (10, 20, 30), dtype=np.uint8), side_px)
    assert (found.shape, found.dtype) == ((side_px, side_px, 3), np.uint8)
    assert {tuple(pixel) for pixel in found.reshape(-1, 3).tolist()} == {(10, 20, 30)}


def test_resize_averages_areas_when_it_shrinks():
    checks = np.indices((8, 8)).sum(axis=0) % 2 * 200
    found = resize_image(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8), 4)
    assert set(found.ravel().tolist()) == {100}


def test_shapes_are_drawn_on_a_larger_copy():
    image = np.zeros((10, 12, 3), dtype=np.uint8)
    found = draw_shapes(image, [[2, 2, 6, 6]], [[[7, 7], [11, 7], [11, 9]]], scale=3)
    assert found.shape == (30, 36, 3)
    assert tuple(found[6, 6]) == (220, 40, 40)
    assert (found[..., 2] > found[..., 0]).any(), "blue, anti-aliased"
    assert not image.any()
    assert not draw_shapes(image, scale=2).any()
