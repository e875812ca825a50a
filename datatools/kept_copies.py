"""Augmented copies where they lie: in the tar of an earlier run, or in a spool that worker processes write to.

Their bytes go from there to the tar of this run by the range, and through no queue between processes: a copy is known by
its row of COPIES, and what was made of the same parent in the same way is taken over, not made again.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.errors import DatatoolsError
from datatools.packed import among
from datatools.replacing import replacing
from datatools.schema import Table
from datatools.shards import RECORD, tar_header
from datatools.store import load_table, save_table

PIECE = 1 << 20  # bytes that are copied at a time

COPIES = Table(
    "copies",
    {
        "key": "string",  # of the parent: names all that its copies depend on
        "copy": "int64",  # 0, 1, ... of the parent
        "seed": "int64",
        "width_px": "int64",
        "height_px": "int64",
        "objects": "string",  # JSON: what has become of the parent's objects; null where it has none
        "dropped": "string",  # JSON: a reason for each object that was not taken along; null where all were
        "n_bytes": "int64",  # in the tar, with header and padding
        "sha256": "string",  # of these bytes
        "offset": "int64",  # where they start
    },
    ("offset",),
)


def to_part(name: str, data: bytes) -> bytes:
    """A file as it lies in a tar: its header, its bytes, zeros up to a whole record."""
    return b"".join((tar_header(name, len(data)), data, bytes(-len(data) % RECORD)))


class Ranges:
    """A file that is read by the range, also after its name has gone to another one."""

    def __init__(self, descriptor: int) -> None:
        """Takes over the open `descriptor`."""
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def read(self, offset: int, n_bytes: int) -> bytes:
        """The bytes there, fewer at the end of the file."""
        return os.pread(self._descriptor, n_bytes, offset)

    def pieces(self, offset: int, n_bytes: int) -> Iterator[bytes]:
        """The bytes there, a piece at a time."""
        for start in range(offset, offset + n_bytes, PIECE):
            yield self.read(start, min(PIECE, offset + n_bytes - start))


class Spool(Ranges):
    """A nameless file that this process and those forked from it append to: it goes with the last of them, also by kill -9."""

    def __init__(self, folder: Path | None = None) -> None:
        """On the disk of `folder`, which is made; None: where temporary files lie."""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            super().__init__(os.dup(file.fileno()))
        self._end = get_context("fork").Value("q", 0)

    def append(self, data: bytes) -> int:
        """Write `data` and return where it starts."""
        with self._end.get_lock():
            start = int(self._end.value)
            self._end.value += len(data)
        done = 0
        while done < len(data):
            done += os.pwrite(self._descriptor, memoryview(data)[done:], start + done)
        return start


@dataclass(frozen=True)
class Copies:
    """All copies in the order of their tar: `rows` of COPIES, and which of `files` each one's bytes are in (`file`)."""

    rows: pd.DataFrame
    files: Sequence[Ranges]

    def read(self, number: int) -> tuple[str, bytes]:
        """Name and bytes of the copy in this row."""
        place = self.rows.iloc[number]
        part = self.files[place["file"]].read(int(place["offset"]), int(place["n_bytes"]))
        with tarfile.open(fileobj=io.BytesIO(part)) as tar:
            info = tar.getmembers()[0]
            return info.name, part[info.offset_data : info.offset_data + info.size]

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the tar, a piece at a time: what lies one behind the other is read as one."""
        places = (self.rows[name].to_numpy() for name in ("file", "offset", "n_bytes"))
        for file, start, n_bytes in _join_neighbours(*places):
            yield from self.files[file].pieces(start, n_bytes)
        yield bytes(2 * RECORD)


def _join_neighbours(files: np.ndarray, offsets: np.ndarray, n_bytes: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """File, offset and length of every run of ranges that lie one behind the other in the same file."""
    ends = offsets + n_bytes
    breaks = np.flatnonzero((files[1:] != files[:-1]) | (offsets[1:] != ends[:-1])) + 1
    for first, last in zip([0, *breaks], [*breaks - 1, len(files) - 1]):
        if first <= last:
            yield int(files[first]), int(offsets[first]), int(ends[last] - offsets[first])


class KeptCopies:
    """The copies in a tar that an earlier run wrote, and an index of them, a file of ours.

    Each copy is checked against its SHA-256, so that a tar that was changed, replaced or removed only costs the work again.
    """

    def __init__(self, index: Path, shard: Path) -> None:
        self._index = index
        self._shard = shard

    @property
    def folder(self) -> Path:
        """Where the tar is."""
        return self._shard.parent

    def find(self, n_copies: Mapping[str, int]) -> Copies:
        """What is kept, whole and sound, of parents of which so many copies are wanted: by key."""
        try:
            rows = load_table(self._index, COPIES)
            file = Ranges(os.open(self._shard, os.O_RDONLY | os.O_NONBLOCK))
        except (DatatoolsError, OSError):
            return no_copies()
        rows = rows[among(rows["key"], n_copies)]
        rows = rows[_are_sound(rows, file)]
        found = Counter(rows["key"].tolist())
        whole = {key for key, n in found.items() if n == n_copies[key]}
        return Copies(rows[among(rows["key"], whole)].assign(file=0), [file])

    def replace(self, copies: Copies) -> None:
        """Write the tar of `copies` and remember where each one is in it."""
        with replacing(self._shard) as file:
            file.writelines(copies.pieces())
        ends = copies.rows["n_bytes"].cumsum()
        save_table(self._index, copies.rows[list(COPIES.columns)].assign(offset=ends - copies.rows["n_bytes"]), COPIES)


def no_copies() -> Copies:
    """None at all."""
    return Copies(COPIES.empty().assign(file=0), [])


def _are_sound(rows: pd.DataFrame, file: Ranges) -> NDArray[np.bool_]:
    """Whether the bytes of each row are those that were written."""
    places = (rows[name].tolist() for name in ("offset", "n_bytes", "sha256"))
    return np.fromiter((_is_sound(file, *place) for place in zip(*places)), np.bool_, len(rows))


def _is_sound(file: Ranges, offset: int, n_bytes: int, sha256: str) -> bool:
    try:
        return hashlib.sha256(file.read(offset, n_bytes)).hexdigest() == sha256
    except (OSError, ValueError, OverflowError, MemoryError):
        return False  # there is no such place
