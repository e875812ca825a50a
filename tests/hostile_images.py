"""Image files made to cost much memory or time, or to be taken for something else."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

from tests.builders import make_png

MiB = 1 << 20


def hostile_images() -> dict[str, bytes]:
    """All of them; the name says what is wrong."""
    return {**_pngs(), **_jpegs(), **_others()}


def _pngs() -> dict[str, bytes]:
    texts = b"".join(png_chunk(b"zTXt", b"k%d\0\0" % n + zeros(MiB - 100)) for n in range(100))
    return {
        "png: 2^62 pixels": make_header(0x7FFFFFFF, 0x7FFFFFFF),
        "png: just too many pixels": make_header(100_001, 1000),
        "png: no pixels": make_header(0, 0),
        "png: 100 million pixels of 97 kB": make_header(10_000, 10_000, zeros(10_001 * 10_000), color=0),
        "png: 9 million pixels of 16 bits, RGBA": make_header(3000, 3000, zeros(24_001 * 3000), 16, 6),
        "png: one column": make_header(1, 99_999_999, zeros(4 * 99_999_999)),
        "png: one row": make_header(99_999_999, 1),
        "png: more data than pixels": make_header(8, 8, zeros(64 * MiB)),
        "png: profile of 256 MiB": make_header(1, 1, zeros(4), extra=png_chunk(b"iCCP", b"x\0\0" + zeros(256 * MiB))),
        "png: 100 texts of 1 MiB": make_header(1, 1, zeros(4), extra=texts),
        "png: chunk of 2 GiB": make_png()[:33] + struct.pack(">L", 0x7FFFFFFF) + b"IDAT",
        "png: a million chunks": make_header(1, 1, zeros(4), extra=png_chunk(b"teSt", b"") * 1_000_000),
        "png: cut": make_png()[:-60],
        "png: wrong checksum": make_png().replace(b"IDAT", b"IDAX"),
        "png: another file behind it": make_png() + b"PK\3\4" * 1000,
        "png: text": b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "html": b"<html><script>alert(1)</script></html>",
        "nothing": b"",
    }


def _jpegs() -> dict[str, bytes]:
    small = save(Image.new("RGB", (8, 4)), "JPEG")
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0\xff\xff\xff\xff\0\0\0\0"
    loop = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
    return {
        "jpeg: 1,000 scans": make_scans(1000, 1000),
        "jpeg: 300 scans, 25 million pixels": make_scans(5000, 300),
        "jpeg: cut": save(Image.effect_noise((99, 99), 50), "JPEG")[:-500],
        "jpeg: EXIF of garbage": with_segment(small, exif),
        "jpeg: EXIF that leads back": with_segment(small, loop),
        "jpeg: a thousand segments": small[:2] + (b"\xff\xe1\xff\xff" + bytes(65533)) * 1000 + small[2:],
        "jpeg: 65,500 pixels high": save(Image.new("L", (8, 65_500)), "JPEG"),
    }


def _others() -> dict[str, bytes]:
    tags = b"".join(struct.pack("<HHLL", n, 1, 0x7FFFFFFF, 0) for n in range(65_535))
    pages = b"".join(struct.pack("<HL", 0, 8 + 6 * (n + 1)) for n in range(100_000))
    head = struct.pack("<LHHLLllHHLLllLL", 0, 0, 0, 1078, 40, 4000, 4000, 1, 8, 1, 0, 0, 0, 256, 0)
    tiff = save(Image.new("RGB", (2000, 2000)), "TIFF", compression="tiff_lzw")
    return {
        "tiff: 65,535 tags of 2 GiB": b"II*\0\x08\0\0\0" + struct.pack("<H", 65_535) + tags,
        "tiff: directory that leads to itself": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "tiff: 100,000 empty pages": b"II*\0\x08\0\0\0" + pages,
        "tiff: cut": tiff[: len(tiff) // 2],
        "bmp: run lengths of one": b"BM" + head + bytes(1024) + b"\1\1" * (4000 * 4000) + b"\0\1",
        "bmp: negative size": b"BM" + head[:16] + struct.pack("<ll", -5, -5) + bytes(100),
        "webp: 16 million pixels": save(Image.new("RGB", (4000, 4000)), "WEBP", quality=1),
        "webp: cut": save(Image.effect_noise((99, 99), 50), "WEBP")[:-100],
        "gif": save(Image.new("P", (8, 8)), "GIF"),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(x) run\n",
        "ppm of 10^12 pixels": b"P6 1000000 1000000 255\n",
    }


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def make_header(
    width_px: int, height_px: int, data: bytes = b"", bits: int = 8, color: int = 2, extra: bytes = b""
) -> bytes:
    """A PNG of any declared size with any image data, `extra` chunks before it."""
    header = struct.pack(">LL5B", width_px, height_px, bits, color, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def zeros(n_bytes: int) -> bytes:
    """So many zeros, deflated without ever having them all."""
    packer = zlib.compressobj(9)
    whole, rest = divmod(n_bytes, MiB)
    return b"".join(packer.compress(bytes(MiB)) for _ in range(whole)) + packer.compress(bytes(rest)) + packer.flush()


def make_scans(side_px: int, n: int) -> bytes:
    """A progressive JPEG with `n` scans more than it needs: each costs a pass over all pixels and few bytes."""
    data = save(Image.new("L", (side_px, side_px)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * n + data[-2:]


def with_segment(jpeg: bytes, content: bytes) -> bytes:
    """The JPEG with an APP1 segment at its start."""
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def save(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
