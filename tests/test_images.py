from __future__ import annotations

import gc
import hashlib
import io
import math
import os
import re
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps, ImageStat

from datatools import image_measures, images
from datatools.images import (
    RGB,
    ImageFacts,
    TruncatedImageError,
    UnreadableImageError,
    compute_facts,
    compute_facts_of,
    decode_image,
    draw_shapes,
    encode_jpeg,
    encode_png,
    load_image,
    make_thumbnail,
    resize_image,
)
from tests.builders import make_png

SHARED = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[2] / "shared"))
REPOSITORY = Path(__file__).parents[1]
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


def photo(height: int, width: int, seed: int = 0) -> RGB:
    """A picture with much large and little fine structure, as photos have it."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3))
    for n in (3, 6, 12, 24, 48):
        cells = from_array(rng.integers(0, 256, size=(n, n, 3)))
        pixels += np.asarray(cells.resize((width, height), Image.Resampling.BICUBIC), dtype=float) / n
    return (pixels / pixels.max() * 255).astype(np.uint8)


def hamming(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def after_header(png: bytes, *chunks: bytes) -> bytes:
    return png[:33] + b"".join(chunks) + png[33:]


def make_tiff(tags: dict[int, tuple[int, int]], data: bytes = b"", next_page: int = 0) -> bytes:
    """A little-endian TIFF file: tag -> (type, value), the pixels in `data`, the offset of a second directory."""
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(tags.items()))
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + struct.pack("<I", next_page)
    return head + data


def read_shared(name: str) -> Iterator[tuple[str, bytes]]:
    path = SHARED / "data" / f"{name}.zip"
    if not path.exists():
        pytest.skip(f"{name}.zip is not in {SHARED / 'data'}: set DATATOOLS_SHARED")
    with zipfile.ZipFile(path) as archive:
        yield from ((info.filename, archive.read(info)) for info in archive.infolist() if not info.is_dir())


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
        (b"", "it has only 0 bytes"),
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


# measures


def measure_as_cleanvision(image: Image.Image) -> dict[str, float]:
    """The definitions, written down once more and slowly, for images of up to 64 x 64 pixels."""
    values = np.asarray(image, dtype=float).reshape(-1, len(image.getbands()))
    weights = [0.241, 0.691, 0.068] if values.shape[1] == 3 else [1]
    brightness = np.sqrt(np.square(values) @ weights) / 255
    share = np.array(image.histogram()) / values.size
    grey = image.convert("L")
    edges = ImageStat.Stat(grey.filter(ImageFilter.FIND_EDGES))
    return {
        "brightness_p5": float(np.percentile(brightness, 5)),
        "brightness_p99": float(np.percentile(brightness, 99)),
        "entropy_bits": -sum(p * math.log2(p) for p in share if p),
        "sharpness": math.sqrt(edges.var[0]),
        "grey_histogram_std": float(np.std(grey.histogram())),
    }


@given(height=st.integers(1, 64), width=st.integers(1, 64), mode=st.sampled_from(["L", "RGB"]), seed=st.integers(0, 99))
def test_measures_of_small_images_are_those_of_cleanvision(height: int, width: int, mode: str, seed: int):
    rng = np.random.default_rng(seed)
    image = from_array(rng.integers(0, 1 + rng.integers(1, 256), size=(height, width, 3))).convert(mode)
    facts = compute_facts(encode(image))._asdict()
    for name, value in measure_as_cleanvision(image).items():
        assert facts[name] == pytest.approx(value, abs=2e-6), name


def test_measures_are_rounded_to_6_digits_and_none_is_negative_zero():
    for pixels in (photo(40, 60), photo(300, 500), np.zeros((9, 9, 3))):
        for value in compute_facts(encode(from_array(pixels))):
            if isinstance(value, float):
                assert value == round(value, 6)
                assert math.copysign(1, value) == 1


@pytest.mark.parametrize(
    ("grey", "dark", "light"), [(0, 0.0, 0.0), (255, 1.0, 1.0), (51, 0.2, 0.2)], ids=["black", "white", "dark grey"]
)
def test_a_plain_image_has_one_brightness_no_entropy_and_one_grey_level(grey: int, dark: float, light: float):
    facts = compute_facts(encode(Image.new("L", (20, 30), grey)))
    assert (facts.brightness_p5, facts.brightness_p99, facts.entropy_bits) == (dark, light, 0.0)
    assert facts.grey_histogram_std == pytest.approx(np.std([600] + [0] * 255), abs=1e-6)


def test_pure_green_is_brighter_than_pure_blue():
    green, blue = (compute_facts(encode(Image.new("RGB", (5, 5), colour))) for colour in ((0, 255, 0), (0, 0, 255)))
    assert (green.brightness_p5, blue.brightness_p5) == (round(math.sqrt(0.691), 6), round(math.sqrt(0.068), 6))


def test_a_blurred_copy_is_less_sharp():
    sharp = from_array(noise(200, 150))
    found = [compute_facts(encode(sharp.filter(ImageFilter.GaussianBlur(radius)))).sharpness for radius in (0, 2, 8)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[2] + 20


COLOUR_IN_ONE_PIXEL = np.full((6, 6, 3), 80, dtype=np.uint8)
COLOUR_IN_ONE_PIXEL[4, 5] = (80, 80, 81)


@pytest.mark.parametrize(
    ("image", "is_grey"),
    [
        (Image.new("L", (6, 6), 9), True),
        (Image.new("RGB", (6, 6), (9, 9, 9)), True),
        (Image.new("LA", (6, 6), (9, 0)), True),
        (Image.new("RGB", (6, 6), (9, 9, 8)), False),
        (from_array(COLOUR_IN_ONE_PIXEL), False),
        (PALETTE, False),
        (from_array(np.repeat(photo(240, 230)[..., :1], 3, axis=2)), True),
        (from_array(photo(240, 230)), False),
    ],
    ids=["L", "grey RGB", "grey+alpha", "tint", "one pixel", "palette", "large grey RGB", "large colour"],
)
def test_grey_is_what_has_no_colour_however_it_is_stored(image: Image.Image, is_grey: bool):
    assert compute_facts(encode(image)).is_grey is is_grey


# perceptual hash


@given(seed=st.integers(0, 200), mode=st.sampled_from(["L", "RGB"]))
def test_the_hash_of_64_by_64_pixels_is_that_of_imagehash(seed: int, mode: str):
    image = from_array(photo(64, 64, seed)).convert(mode)
    assert compute_facts(encode(image)).phash == str(imagehash.phash(image, 16))


@pytest.mark.parametrize("size", [(32, 32), (28, 40), (96, 64), (130, 200), (300, 420), (700, 500)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_hash_of_other_sizes_is_a_few_bits_from_that_of_imagehash(size: tuple[int, int], kind: str):
    apart = []
    for seed in range(8):
        data = encode(from_array(photo(*size, seed)), kind)
        apart.append(hamming(compute_facts(data).phash, str(imagehash.phash(Image.open(io.BytesIO(data)), 16))))
    assert np.mean(apart) <= 4
    assert max(apart) <= 10, "the near-duplicate radius is 16"


def test_different_pictures_have_hashes_far_apart():
    hashes = [compute_facts(encode(from_array(photo(120, 160, seed)))).phash for seed in range(12)]
    assert min(hamming(one, other) for i, one in enumerate(hashes) for other in hashes[:i]) > 40


def test_the_same_picture_in_another_size_or_format_is_within_the_near_duplicate_radius():
    image = from_array(photo(480, 640))
    small, half = image.resize((160, 120)), image.resize((320, 240))
    copies = [encode(image), encode(image, "JPEG", quality=80), encode(half, "WEBP"), encode(small, "JPEG")]
    hashes = [compute_facts(data).phash for data in copies]
    assert max(hamming(hashes[0], other) for other in hashes) <= 16


def test_all_plain_images_have_the_same_hash():
    found = {compute_facts(encode(Image.new("L", size, 200))).phash for size in ((10, 7), (64, 64), (500, 300))}
    assert found == {"8" + "0" * 63}


# reduced scale


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_image_keeps_its_size_and_nearly_its_measures(
    kind: str, orientation: int, monkeypatch: pytest.MonkeyPatch
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(from_array(photo(450, 900)), kind, exif=exif)
    reduced = compute_facts(data)
    assert (reduced.width_px, reduced.height_px) == ((900, 450) if orientation == 1 else (450, 900))
    monkeypatch.setattr(images, "SCALED_PX", 10_000)
    full = compute_facts(data)
    assert reduced != full, "it was measured at reduced scale"
    assert hamming(reduced.phash, full.phash) <= 8
    for name in ("brightness_p5", "brightness_p99"):
        assert getattr(reduced, name) == pytest.approx(getattr(full, name), abs=0.02)
    assert reduced.entropy_bits == pytest.approx(full.entropy_bits, abs=0.2)
    assert reduced.sharpness == pytest.approx(full.sharpness, rel=0.15)


@pytest.mark.parametrize(
    ("size", "factor"),
    [((223, 900), 1), ((224, 900), 2), ((447, 447), 2), ((448, 500), 4), ((896, 896), 8), ((5000, 5000), 8)],
)
def test_images_are_reduced_as_long_as_the_short_side_keeps_112_pixels(size: tuple[int, int], factor: int):
    data = encode(Image.new("L", size, 7), "JPEG")
    assert images._decode(data, images.SCALED_PX).pixels.size == tuple(math.ceil(side / factor) for side in size)
    data = encode(Image.new("L", size, 7), "PNG")
    assert images._decode(data, images.SCALED_PX).pixels.size == tuple(math.ceil(side / factor) for side in size)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.98])
def test_a_large_jpeg_is_found_truncated_at_reduced_scale(options: dict[str, Any], share: float):
    data = encode(from_array(photo(450, 600)), "JPEG", **options)
    for read in (decode_image, compute_facts):
        with pytest.raises(UnreadableImageError, match="truncated"):
            read(data[: int(len(data) * share)])


def test_a_lossless_jpeg_which_no_decoder_scales_is_read():
    side = 256
    frame = b"\xff\xc3" + struct.pack(">HBHHBBBB", 11, 8, side, side, 1, 1, 0x11, 0)
    one_code = b"\x00" + bytes([1, 1] + [0] * 14) + bytes([0, 1])  # the bit 0 is "as predicted"
    table = b"\xff\xc4" + struct.pack(">H", len(one_code) + 2) + one_code
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + bytes([1, 0, 1, 0, 0])
    data = b"\xff\xd8" + frame + table + scan + bytes(side * side // 8) + b"\xff\xd9"
    facts = compute_facts(data)
    assert (facts.width_px, facts.height_px, facts.brightness_p5) == (side, side, round(128 / 255, 6))


# many at a time


def test_facts_of_many_are_the_facts_of_each_and_errors_stand_in_their_place():
    datas = [encode(from_array(photo(n, n + 5, n)), kind) for n in (9, 40, 70, 230) for kind in ("PNG", "JPEG")]
    datas[2:2] = [b"", make_png()[:40]]
    found = compute_facts_of(iter(datas))
    assert [type(item) for item in found] == [ImageFacts] * 2 + [TruncatedImageError] * 2 + [ImageFacts] * 6
    assert str(found[2]) == "it has only 0 bytes"
    assert [item for item in found if isinstance(item, ImageFacts)] == [compute_facts(d) for d in datas[:2] + datas[4:]]
    assert compute_facts_of([]) == []


def test_facts_do_not_depend_on_the_number_of_threads(tmp_path: Path):
    paths = []
    for number, size in enumerate([(30, 50), (64, 64), (400, 500), (900, 300)]):
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(encode(from_array(photo(*size)), "JPEG"))
    code = (
        "import sys; from pathlib import Path; from datatools.images import compute_facts\n"
        "for path in sys.argv[1:]: print(compute_facts(Path(path).read_bytes()))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, *map(str, paths)],
            cwd=REPOSITORY,
            env={**os.environ, "OPENBLAS_NUM_THREADS": n, "OMP_NUM_THREADS": n},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "4")
    }
    assert found == {"".join(f"{compute_facts(path.read_bytes())}\n" for path in paths)}


# several pictures in a file


def frames(n: int = 3) -> list[Image.Image]:
    return [Image.new("RGB", (8, 6), (60 * number, 0, 0)) for number in range(n)]


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP", "MPO"])
def test_of_several_pictures_the_first_is_the_image_and_all_are_counted(kind: str):
    first, *others = frames()
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(first, kind, save_all=True, append_images=others, **options)
    facts = compute_facts(data)
    assert facts.n_frames == 3
    assert (facts.width_px, facts.height_px) == (8, 6)
    assert not decode_image(data).any(), "the first picture is black"


@pytest.mark.parametrize("kind", images.FORMATS)
def test_one_picture_is_one_frame(kind: str):
    assert compute_facts(encode(frames()[0], kind)).n_frames == 1


def test_pages_of_a_big_endian_and_of_a_big_tiff_are_counted():
    first, *others = frames()
    assert compute_facts(encode(first, "TIFF", save_all=True, append_images=others, big_tiff=True)).n_frames == 3
    entry = struct.pack(">HHII", 256, 3, 1, 8 << 16)
    chain = struct.pack(">2sHI", b"MM", 42, 8) + (struct.pack(">H", 1) + entry + struct.pack(">I", 26))
    chain += struct.pack(">H", 0) + struct.pack(">I", 0)
    assert images._count_pages(chain) == 2


def one_page(next_page: int, more: bytes = b"") -> bytes:
    """A grey TIFF file of 4 x 4 pixels whose directory points to `next_page`."""
    tags = {256: (3, 4), 257: (3, 4), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 0), 278: (3, 4), 279: (4, 16)}
    size = len(make_tiff(tags))
    return make_tiff({**tags, 273: (4, size)}, bytes(range(16)) + more, next_page)


@pytest.mark.parametrize("next_page", [8, 1 << 31, 100_000], ids=["itself", "far beyond", "beyond"])
def test_pages_that_lead_nowhere_are_not_counted(next_page: int):
    assert compute_facts(one_page(next_page)).n_frames == 1


def test_counting_pages_ends(monkeypatch: pytest.MonkeyPatch):
    start = len(one_page(0))
    chain = b"".join(struct.pack("<HI", 0, start + 6 * (n + 1)) for n in range(5000))
    assert compute_facts(one_page(start, chain)).n_frames == 5001
    monkeypatch.setattr(images, "MAX_PAGES", 70)
    assert compute_facts(one_page(start, chain)).n_frames == 70


# hostile files


def test_an_image_without_pixels_is_refused():
    png = bytearray(make_png())
    png[16:33] = struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0) + bytes(4)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    for read in (decode_image, compute_facts):
        with pytest.raises(UnreadableImageError):
            read(bytes(png))


def test_a_tiff_with_immense_tiles_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch):
    tags = {256: (3, 4), 257: (3, 4), 258: (3, 8), 259: (3, 8), 262: (3, 1), 322: (3, 60_000), 323: (3, 30_000)}
    data = make_tiff({**tags, 277: (3, 1), 324: (4, 200), 325: (4, 16)}, bytes(200))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UnreadableImageError, match=r"^its tiles have more than 100000000 pixels each$"):
        compute_facts(data)


def test_a_progressive_jpeg_with_many_scans_of_many_pixels_is_refused(monkeypatch: pytest.MonkeyPatch):
    data = encode(from_array(photo(60, 60)), "JPEG", progressive=True)
    n_scans = data.count(b"\xff\xda")
    assert n_scans > 5
    monkeypatch.setattr(images, "MAX_SCANNED_PIXELS", 3600 * n_scans)
    assert compute_facts(data).width_px == 60
    monkeypatch.setattr(images, "MAX_SCANNED_PIXELS", 3600 * n_scans - 1)
    with pytest.raises(UnreadableImageError, match=f"^its scans pass over more than {3600 * n_scans - 1} pixels$"):
        compute_facts(data)


@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000))),
        chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(50_000_000))),
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000))),
    ],
    ids=["zTXt", "iTXt", "iCCP"],
)
def test_a_bomb_in_the_metadata_of_a_png_is_refused(bomb: bytes):
    with pytest.raises(UnreadableImageError, match="Decompressed data too large"):
        compute_facts(after_header(make_png(), bomb))


def test_broken_metadata_costs_nothing_and_warns_of_nothing():
    data = after_header(make_png(), chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"), chunk(b"iCCP", b"a\0\0broken"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compute_facts(data).width_px == 12


@pytest.mark.parametrize("kind", images.FORMATS)
def test_bytes_after_the_end_are_ignored(kind: str):
    data = encode(from_array(photo(30, 40)), kind)
    np.testing.assert_array_equal(decode_image(data + b"<script>" * 99), decode_image(data))


def test_an_error_of_pillow_is_one_short_line(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("one\n  two\t" + "x" * 1000)

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(UnreadableImageError, match=r"^one two x{192}$"):
        decode_image(b"")


@pytest.mark.parametrize("error", images.PILLOW_ERRORS)
@pytest.mark.parametrize("why", ["why", ""])
def test_whatever_pillow_raises_is_bad_data(error: type[Exception], why: str, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise error(why)

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(UnreadableImageError, match=why or f"^{error.__name__}$"):
        compute_facts(b"")


def test_a_mistake_of_ours_is_not_taken_for_bad_data(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(image_measures, "_brightness_percentiles", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        compute_facts(make_png())


# kinds of pixels, once more with Pillow as the oracle


def test_12_bit_grey_keeps_its_high_byte():
    tags = {256: (3, 2), 257: (3, 1), 258: (3, 12), 259: (3, 1), 262: (3, 1), 277: (3, 1), 278: (3, 1), 279: (4, 3)}
    size = len(make_tiff({**tags, 273: (4, 0)}))
    data = make_tiff({**tags, 273: (4, size)}, bytes([0xAB, 0xC1, 0x23]))  # 0xABC and 0x123
    assert [tuple(pixel) for pixel in decode_image(data)[0].tolist()] == [(0xAB,) * 3, (0x12,) * 3]


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "L", "1"])
def test_tiff_and_jpeg_modes_are_converted_as_pillow_does(mode: str):
    image = from_array(photo(20, 30)).convert(mode)
    for kind in ("TIFF", "JPEG"):
        data = encode(image, kind)
        np.testing.assert_array_equal(decode_image(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_transparency_of_a_palette_is_dropped():
    image = PALETTE.copy()
    for transparency in (0, bytes([0, 128])):
        data = encode(image, transparency=transparency)
        assert [tuple(pixel) for pixel in decode_image(data)[0].tolist()] == [RED, BLUE]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(kind: str, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(from_array(photo(24, 40)), kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    np.testing.assert_array_equal(decode_image(data), np.asarray(expected))
    facts = compute_facts(data)
    assert (facts.width_px, facts.height_px) == expected.size


# real files


def count_verdicts(files: Iterator[tuple[str, bytes]]) -> Counter[str]:
    """Number of files that are an image, and that are not, by suffix; reading and measuring agree."""
    verdicts: Counter[str] = Counter()
    for name, data in files:
        try:
            facts = compute_facts(data)
        except UnreadableImageError as error:
            assert str(error), name
            with pytest.raises(UnreadableImageError):
                decode_image(data)
            verdicts[f"no {Path(name).suffix}"] += 1
        else:
            assert decode_image(data).shape == (facts.height_px, facts.width_px, 3), name
            verdicts[Path(name).suffix] += 1
    return verdicts


def test_every_file_that_broke_pillow_has_a_verdict():
    verdicts = count_verdicts(read_shared("pillow-images"))
    assert sum(verdicts.values()) == 1067
    assert [verdicts[suffix] for suffix in (".png", ".jpg", ".bmp", ".webp", ".gif")] == [412, 53, 54, 14, 0]


def test_valid_pngs_are_read_and_crashers_refused():
    files = list(read_shared("pngsuite"))
    verdicts = count_verdicts((name, data) for name, data in files if "crashers" not in name and name.endswith("png"))
    assert set(verdicts) == {".png"}
    verdicts = count_verdicts((name, data) for name, data in files if "crashers" in name and name.endswith("png"))
    assert verdicts["no .png"] >= 20


def test_all_orientations_of_a_photo_are_the_same_picture():
    files = [(name, data) for name, data in read_shared("exif-orientation") if re.search(r"_[1-8]\.jpg$", name)]
    assert len(files) == 16
    for shape in ("Landscape", "Portrait"):
        facts = [compute_facts(data) for name, data in files if shape in name]
        assert len({(item.width_px, item.height_px) for item in facts}) == 1
        assert max(hamming(facts[0].phash, item.phash) for item in facts) <= 16


def test_a_jpeg_is_nearly_the_picture_and_far_smaller_than_a_png():
    across = np.linspace(0, 255, 200)
    image = np.stack([np.add.outer(across, across) / 2, np.full((200, 200), 90), np.full((200, 200), 40)], axis=2)
    image = (image + np.random.default_rng(0).normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)
    data = encode_jpeg(image)
    assert np.abs(decode_image(data).astype(int) - image).mean() < 3
    assert len(data) < len(encode_png(image)) / 4


@pytest.mark.parametrize(("size_hw", "side_px"), [((40, 60), 8), ((3, 5), 8), ((8, 8), 8), ((1, 90), 48)])
def test_a_thumbnail_is_grey_and_square(size_hw: tuple[int, int], side_px: int):
    image = np.zeros((*size_hw, 3), np.uint8)
    image[..., 1] = 200
    found = make_thumbnail(image, side_px)
    assert (found.shape, found.dtype) == ((side_px, side_px), np.uint8)
    assert set(found.ravel()) == {117}  # 0.587 of green, Rec. 601


def test_broken_images_leave_no_garbage():
    """An error that held itself by its traceback would hold the bytes of its file, too."""
    broken = [encode(from_array(np.full((9, 9, 3), n, np.uint8)))[:40] for n in range(5)] + [b"", b"no image"]
    compute_facts_of(broken)
    gc.collect()
    gc.disable()
    try:
        found = compute_facts_of(broken)
        assert all(isinstance(item, UnreadableImageError) for item in found)
        del found
        assert not gc.collect()
    finally:
        gc.enable()
