"""Digests of files by what the file system says of them, so that a file that is looked at again is read only if it changed.

As Git's index does it: a file of the same device, inode, size, time of change and time of status change has the same bytes. No
program can set the last of these to a time of its choice, so that a file put in place with an old date is read all the same.
A file that changed less than `SETTLED_NS` before it was looked at may change once more within one tick of the clock; it is not
kept (Git: racy-git.txt).
"""

from __future__ import annotations

import os
import struct
import sys
import time
import zlib
from array import array
from itertools import chain
from pathlib import Path

from datatools.replacing import replacing

SETTLED_NS = 2_000_000_000  # FAT counts in steps of 2 s
_POSITIVE = 2**63 - 1
_MAGIC = b"seen files 1 " + sys.byteorder.encode() + b"\n"
_SIZES = struct.Struct("=QQ")  # number of files, bytes of a digest

Stamp = tuple[int, int, int, int, int]  # device, inode, bytes, times of change and of status change (ns)


class SeenFiles:
    """Digests of one kind and length by `Stamp`, kept in one file. A damaged one counts as empty."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known = _load(file) if file else {}
        self._now = dict[Stamp, bytes]()
        self._clock = time.time_ns()

    def find(self, stamp: Stamp) -> bytes | None:
        """The digest kept for a file that looks like this, or None."""
        digest = self._known.get(stamp)
        if digest is not None:
            self._now[stamp] = digest
        return digest

    def add(self, stamp: Stamp, digest: bytes) -> None:
        """Remember the digest of the bytes that were read after the file had this stamp."""
        if max(stamp[-2:]) < self._clock - SETTLED_NS:
            self._now[stamp] = digest

    def save(self) -> None:
        """Keep what was found or added since this was made, whole or not at all; what was not asked for is forgotten."""
        if self._file is None or self._now.keys() == self._known.keys():
            return
        size = len(next(iter(self._now.values()), b""))
        numbers = array("q", chain.from_iterable(self._now))
        body = _SIZES.pack(len(self._now), size) + numbers.tobytes() + b"".join(self._now.values())
        with replacing(self._file) as file:
            file.write(_MAGIC + zlib.crc32(body).to_bytes(4, "little") + body)


def stamp_of(status: os.stat_result) -> Stamp:
    """What `os.stat` says of a file, as five integers of 64 bits."""
    device, inode = status.st_dev & _POSITIVE, status.st_ino & _POSITIVE  # unsigned there
    return device, inode, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _load(file: Path) -> dict[Stamp, bytes]:
    try:
        data = file.read_bytes()
    except OSError:
        return {}
    start = len(_MAGIC) + 4
    body = memoryview(data)[start:]
    if data[:start] != _MAGIC + zlib.crc32(body).to_bytes(4, "little"):
        return {}
    n, size = _SIZES.unpack_from(body)
    numbers = array("q", body[_SIZES.size : _SIZES.size + 40 * n].tobytes())
    digests = bytes(body[_SIZES.size + 40 * n :])
    stamps = zip(*[iter(numbers)] * 5, strict=True)
    return {stamp: digests[at * size : (at + 1) * size] for at, stamp in enumerate(stamps)}  # type: ignore[misc]
