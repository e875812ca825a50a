"""Images as one array at training size; what was decoded once is kept by the SHA-256 of the image."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import itertools
import math
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from datatools.engine import map_ordered
from datatools.errors import DatatoolsError
from datatools.file_reading import UnreadableFileError
from datatools.images import RGB, UnreadableImageError, decode_image, resize_image
from datatools.provenance import decoder_version
from datatools.raw import RawImages, open_raw
from datatools.shards import iter_shard

MOST_KEPT = 8 << 30  # bytes of pixels a size; beyond it images are decoded every time
DIGEST, ENTRY = 32, 36  # bytes of a SHA-256, and of one with a CRC-32


def load_pixels(
    root: Path,
    paths: Sequence[str],
    side_px: int,
    tick: Callable[[int], None] | None = None,
    sha256: Sequence[str] | None = None,
    cache: Path | None = None,
) -> RGB:
    """Read the images `paths` below `root` as uint8 `(n, side_px, side_px, 3)`, in their order.

    Takes `n * side_px**2 * 3` bytes of memory. With the `sha256` of each image, pixels are kept in the folder `cache` and
    only new images are decoded. Raises DatatoolsError if a file that must be decoded has changed since ingest.
    """
    wanted = list(zip(paths, sha256 or itertools.repeat(None), strict=sha256 is not None))
    kept = KeptPixels(cache, side_px) if cache is not None and sha256 is not None else None
    pixels = np.empty((len(paths), side_px, side_px, 3), dtype=np.uint8)
    new = kept.fill(pixels, sha256 or ()) if kept else list(range(len(paths)))
    if not new:
        return pixels
    load = functools.partial(_load, open_raw(root), side_px)
    for index, image in zip(new, map_ordered(load, [wanted[index] for index in new], tick=tick), strict=True):
        pixels[index] = image
    if kept and sha256:
        kept.add(pixels, sha256, new)
    return pixels


def load_shard_pixels(shard: Path, paths: Sequence[str], side_px: int, cache: Path | None = None) -> RGB:
    """Read the members `paths` of a tar file as uint8 `(n, side_px, side_px, 3)`, in the order of `paths`.

    Raises DatatoolsError when one is not there.
    """
    index = {path: number for number, path in enumerate(paths)}
    try:
        files = {index.pop(name): data for name, data in iter_shard(shard) if name in index}
    except (tarfile.TarError, OSError) as error:
        raise DatatoolsError(f"{shard}: expected a tar file of images. Got: {error}. Run `dvc repro`.") from error
    if index:
        raise DatatoolsError(
            f"{shard}: expected the image {next(iter(index))}. Got none of that name: run `dvc repro`."
        )
    pixels = np.empty((len(paths), side_px, side_px, 3), dtype=np.uint8)
    kept = KeptPixels(cache, side_px) if cache is not None else None
    sha256 = [hashlib.sha256(files[number]).hexdigest() for number in range(len(paths))] if kept else []
    new = kept.fill(pixels, sha256) if kept else list(range(len(paths)))
    for number in new:
        pixels[number] = resize_image(decode_image(files[number]), side_px)
    if kept:
        kept.add(pixels, sha256, new)
    return pixels


class KeptPixels:
    """Decoded images of one size, in two append-only files: pixels, and an entry for each row of them.

    An entry is the SHA-256 of the image and a CRC-32 of the row. It is written after the pixels are on disk, by one process
    at a time: a crash leaves no row with wrong pixels. A row that is not what was written counts as missing, and is kept
    once more.
    """

    def __init__(self, folder: Path, side_px: int) -> None:
        self._shape = (side_px, side_px, 3)
        stem = f"pixels-{side_px}-{decoder_version()}"
        self._pixels, self._entries = folder / f"{stem}.u8", folder / f"{stem}.rows"

    def fill(self, pixels: RGB, sha256: Sequence[str]) -> list[int]:
        """Put the kept images into their rows of `pixels` `(n, side, side, 3)`; returns the rows that are missing."""
        rows = _Rows(self._pixels, self._entries, self._shape)
        missing = []
        for number, digest in enumerate(sha256):
            row = rows.find(digest)
            if row is None:
                missing.append(number)
            else:
                pixels[number] = row
        return missing

    def add(self, pixels: RGB, sha256: Sequence[str], numbers: Sequence[int]) -> None:
        """Keep the rows `numbers` of `pixels`, up to MOST_KEPT bytes in all."""
        if not numbers:
            return
        self._pixels.parent.mkdir(parents=True, exist_ok=True)
        with self._entries.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rows = _Rows(self._pixels, self._entries, self._shape)
            new = {sha256[number]: pixels[number] for number in numbers if rows.find(sha256[number]) is None}
            room = max(0, MOST_KEPT // math.prod(self._shape) - rows.n_rows)
            kept = list(new.items())[:room]
            _append(self._pixels, rows.n_rows * math.prod(self._shape), (row.tobytes() for _, row in kept))
            _append(self._entries, rows.n_rows * ENTRY, (_entry_of(digest, row) for digest, row in kept))


class _Rows:
    """What the two files of KeptPixels hold now: whole rows only."""

    def __init__(self, pixels: Path, entries: Path, shape: tuple[int, ...]) -> None:
        try:
            known = entries.read_bytes()
            self.n_rows = min(len(known) // ENTRY, pixels.stat().st_size // math.prod(shape))
        except FileNotFoundError:
            known, self.n_rows = b"", 0
        starts = range(0, self.n_rows * ENTRY, ENTRY)
        self._numbers = {known[start : start + DIGEST]: start // ENTRY for start in starts}  # the last one of several
        self._known = known
        self._pixels: RGB = np.empty((0, *shape), np.uint8)
        if self.n_rows:
            self._pixels = np.memmap(pixels, np.uint8, "r", shape=(self.n_rows, *shape))

    def find(self, sha256: str) -> RGB | None:
        """The pixels `(side, side, 3)` of an image, checked; None where there are none."""
        number = self._numbers.get(bytes.fromhex(sha256))
        if number is None:
            return None
        row = np.asarray(self._pixels[number])
        is_same = _entry_of(sha256, row) == self._known[number * ENTRY : (number + 1) * ENTRY]
        return row if is_same else None


def _entry_of(sha256: str, row: RGB) -> bytes:
    digest = bytes.fromhex(sha256)
    return digest + zlib.crc32(row.data, zlib.crc32(digest)).to_bytes(ENTRY - DIGEST)


def _append(file: Path, start: int, pieces: Iterator[bytes]) -> None:
    """Write `pieces` from byte `start` on, where a torn write of a crash may lie, and sync."""
    file.touch()
    with file.open("r+b") as opened:
        opened.truncate(start)
        opened.seek(start)
        opened.writelines(pieces)
        opened.flush()
        os.fsync(opened.fileno())


def _load(raw: RawImages, side_px: int, wanted: tuple[str, str | None]) -> RGB:
    path, sha256 = wanted
    try:
        data = raw.read(path)
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise UnreadableFileError("other bytes")
        return resize_image(decode_image(data), side_px)
    except (UnreadableFileError, UnreadableImageError) as error:
        raise DatatoolsError(
            f"{raw.root / path}: expected the image that ingest read. Got: {error}. Run `dvc repro`."
        ) from error
