"""Digests of files by what the file system says of them, so that a file that is looked at again is read only if it changed.

As Git's index does it: a file of the same device, inode, size, time of change and time of status change has the same bytes. No
program can set the last of these to a time of its choice, so that a file put in place with an old date is read all the same.
A file that changed less than `SETTLED_NS` before it was looked at may change once more within one tick of the clock; it is not
kept (Git: racy-git.txt).
"""

from __future__ import annotations

import os
import time
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np

from datatools.store import save_bytes

SETTLED_NS = 2_000_000_000  # FAT counts in steps of 2 s
_POSITIVE = 2**63 - 1

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
        stamps = np.array(list(self._now), np.int64).reshape(-1, 5)
        digests = np.frombuffer(b"".join(self._now.values()), np.uint8).reshape(len(stamps), -1)
        buffer = BytesIO()
        np.savez(buffer, allow_pickle=False, stamps=stamps, digests=digests)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        save_bytes(self._file, buffer.getvalue())


def stamp_of(status: os.stat_result) -> Stamp:
    """What `os.stat` says of a file, as five integers of 64 bits."""
    device, inode = status.st_dev & _POSITIVE, status.st_ino & _POSITIVE  # unsigned there
    return device, inode, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _load(file: Path) -> dict[Stamp, bytes]:
    try:
        with np.load(file, allow_pickle=False) as kept:
            stamps, digests = kept["stamps"], kept["digests"]
            if stamps.dtype != np.int64 or digests.dtype != np.uint8 or digests.ndim != 2:
                return {}
            size, data = digests.shape[1], digests.tobytes()
            keys = map(tuple, stamps.tolist())
            return {key: data[at : at + size] for key, at in zip(keys, range(0, len(data), size or 1), strict=True)}
    except (OSError, ValueError, EOFError, TypeError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return {}
