from __future__ import annotations

import io
import re

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datatools.errors import DatatoolsError
from datatools.images import MAX_PIXELS, UnreadableImageError, decode_image
from datatools.index_images import (
    decode_color_mask,
    decode_index_mask,
    encode_index_mask,
    fill_rings,
    is_index_png,
    label_colors,
    read_note,
    read_size_wh,
    values_of,
)
from tests.builders import make_png

NOISE = np.random.default_rng(3).integers(0, 200, size=(5, 7))


def save(image: Image.Image, fmt: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def huge_png() -> bytes:
    """A header of more pixels than are read; the rest does not matter."""
    data = bytearray(encode_index_mask(NOISE))
    side = (int(MAX_PIXELS**0.5) + 1).to_bytes(4, "big")
    data[16:24] = side + side
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 255, 256, 65535]), st.integers(0, 99), st.booleans())
def test_every_index_survives(height: int, width: int, highest: int, seed: int, palette: bool):
    array = np.random.default_rng(seed).integers(0, highest + 1, size=(height, width))
    colors = label_colors(256) if palette and highest < 256 else None
    data = encode_index_mask(array, colors)
    np.testing.assert_array_equal(decode_index_mask(data), array)
    assert is_index_png(data)
    assert read_size_wh(data) == (width, height)
    assert values_of(decode_index_mask(data)) == np.unique(array).tolist()


@pytest.mark.parametrize(
    ("image", "values"),
    [
        (Image.fromarray(np.array([[True, False]])), [[1, 0]]),
        (Image.fromarray(np.array([[7, 0]], dtype=np.uint8)), [[7, 0]]),
        (Image.fromarray(np.array([[700, 0]], dtype=np.uint16)), [[700, 0]]),
    ],
    ids=["1 bit", "8 bits", "16 bits"],
)
def test_grey_of_any_depth_is_not_scaled(image: Image.Image, values: list[list[int]]):
    assert decode_index_mask(save(image)).tolist() == values


def test_a_palette_gives_indices_and_not_colours():
    image = Image.fromarray(np.array([[2, 1]], dtype=np.uint8))
    image.putpalette([9, 9, 9, 9, 9, 9, 1, 2, 3])
    assert decode_index_mask(save(image)).tolist() == [[2, 1]]
    assert decode_index_mask(save(image, transparency=0)).tolist() == [[2, 1]]


def test_exif_orientation_is_applied_as_to_images():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.array([[1, 2, 3]], dtype=np.uint8))
    assert decode_index_mask(save(image, exif=exif)).tolist() == [[1], [2], [3]]
    for fmt in ("PNG", "TIFF", "JPEG", "WEBP"):
        data = save(image.convert("RGB"), fmt, exif=exif)
        assert read_size_wh(data) == (1, 3)
        assert decode_image(data).shape == (3, 1, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no PNG"),
        (b"GIF89a", "no PNG"),
        (make_png(), "RGB pixels are no indices: save it as grey or with a palette"),
        (save(Image.new("RGBA", (2, 2))), "RGBA pixels are no indices"),
        (save(Image.new("LA", (2, 2))), "LA pixels are no indices"),
        (save(Image.new("L", (2, 2)), "TIFF"), "no PNG"),
        (save(Image.new("L", (2, 2)), "JPEG"), "no PNG"),
        (encode_index_mask(NOISE)[:50], "runcated"),
        (huge_png(), f"pixels are more than {MAX_PIXELS}"),
    ],
    ids=["empty", "foreign", "RGB", "RGBA", "LA", "TIFF", "JPEG", "truncated", "bomb"],
)
def test_what_is_no_index_mask_is_unreadable(data: bytes, message: str):
    with pytest.raises(UnreadableImageError, match=re.escape(message)):
        decode_index_mask(data)


@given(st.binary(max_size=60), st.integers(0, 200))
def test_no_bytes_do_more_than_be_unreadable(noise: bytes, at: int):
    good = encode_index_mask(NOISE, label_colors(256), "x")
    for data in (noise, good[:at] + noise + good[at + len(noise) :]):
        for read in (decode_index_mask, decode_color_mask, read_size_wh, read_note):
            try:
                read(data)
            except UnreadableImageError as error:
                assert str(error)
        is_index_png(data)


def test_size_of_a_broken_header_is_unreadable():
    with pytest.raises(UnreadableImageError, match="no image that is read"):
        read_size_wh(b"no image")
    with pytest.raises(UnreadableImageError, match="pixels are more than"):
        read_size_wh(huge_png())


def test_colours_are_read_without_alpha_where_it_says_nothing():
    image = Image.new("RGBA", (2, 1), (1, 2, 3, 255))
    assert decode_color_mask(save(image)).tolist() == [[[1, 2, 3], [1, 2, 3]]]
    with pytest.raises(UnreadableImageError, match="RGBA pixels are no colours: save it as RGB"):
        decode_color_mask(save(Image.new("RGBA", (2, 1), (1, 2, 3, 0))))
    with pytest.raises(UnreadableImageError, match="L pixels are no colours"):
        decode_color_mask(save(Image.new("L", (2, 1))))


@pytest.mark.parametrize(
    "data", [make_png(), b"", b"\x89PNG", save(Image.new("LA", (2, 2))), save(Image.new("L", (2, 2)), "BMP")]
)
def test_only_png_of_one_channel_looks_like_an_index_mask(data: bytes):
    assert not is_index_png(data)


@pytest.mark.parametrize(
    ("array", "palette", "message"),
    [
        (np.zeros((2, 2, 3)), None, "values from 0 to 65535. Got shape (2, 2, 3)"),
        (np.zeros((0, 2)), None, "Got shape (0, 2)"),
        (np.array([[-1]]), None, "values from 0 to 65535"),
        (np.array([[65536]]), None, "values from 0 to 65535"),
        (np.array([[256]]), [(0, 0, 0)], "values from 0 to 255"),
    ],
)
def test_arrays_that_no_mask_holds_are_wrong_calls(array: np.ndarray, palette: object, message: str):
    with pytest.raises(DatatoolsError, match=re.escape(message)):
        encode_index_mask(array, palette)  # type: ignore[arg-type]


def test_a_note_travels_in_the_file_and_not_in_the_pixels():
    data = encode_index_mask(NOISE, None, '{"a":1}')
    assert read_note(data) == '{"a":1}'
    np.testing.assert_array_equal(decode_index_mask(data), NOISE)
    assert read_note(encode_index_mask(NOISE)) is None


def test_vocs_colours():
    colors = label_colors(256)
    assert colors[:4] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
    assert (colors[20], colors[255], len(set(colors))) == ((0, 64, 128), (224, 224, 192), 256)


@given(st.lists(st.tuples(st.integers(-24, 88), st.integers(-24, 88)), min_size=3, max_size=6))
def test_pixels_whose_centre_is_inside_are_filled(points: list[tuple[int, int]]):
    ring = [[x / 8 + 1 / 64, y / 8 + 1 / 128] for x, y in points]  # no corner on a pixel centre
    polygon = shapely.Polygon(ring)
    if not polygon.is_valid:
        return
    filled = fill_rings([ring], (8, 8))
    for row in range(8):
        for column in range(8):
            centre = shapely.Point(column + 0.5, row + 0.5)
            if polygon.boundary.distance(centre) > 1e-9:
                assert filled[row, column] == polygon.contains(centre)


def test_rings_are_joined_and_what_is_outside_is_cut():
    square, far = [[-5, -5], [2, -5], [2, 2], [-5, 2]], [[3, 3], [99, 3], [99, 99], [3, 99]]
    assert fill_rings([square, far], (4, 4)).astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0] * 4, [0, 0, 0, 1]]
    assert not fill_rings([[]], (2, 2)).any()
    assert not fill_rings([[[0, 0], [9, 0]]], (2, 2)).any()


def test_a_ring_may_be_closed_and_cross_itself():
    square = [[0, 0], [3, 0], [3, 3], [0, 3]]
    np.testing.assert_array_equal(fill_rings([square], (3, 3)), fill_rings([[*square, square[0]]], (3, 3)))
    twice = [*square, *square]
    assert not fill_rings([twice], (3, 3)).any()
