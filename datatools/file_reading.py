"""Reading one file that others named: no link followed, no pipe waited for, no more bytes than agreed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_BYTES = 1 << 30  # of a file
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # no link, no waiting for a pipe
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CHUNK = 1 << 20


class UnreadableFileError(Exception):
    """A file of the tree that cannot be read. Bad data: callers turn it into a row, not a crash."""


def read_regular(file: Path, limit: int = MOST_BYTES) -> bytes:
    """Read a regular file of at most `limit` bytes; a link at its place is not followed, a pipe not waited for.

    Links among the folders above it are followed: for a name that others chose there is read_below. Raises
    UnreadableFileError.
    """
    with _errors_told():
        return _read_handle(os.open(file, _FILE), limit)


def read_below(root: Path, path: str, limit: int = MOST_BYTES) -> bytes:
    """Read the regular file `path` (POSIX) of at most `limit` bytes below the folder `root`.

    It is opened folder by folder, so that no link below `root` is followed, even one put there a moment ago. Raises
    UnreadableFileError.
    """
    with _errors_told():
        return _read_handle(_open_below(root, path), limit)


def _open_below(root: Path, path: str) -> int:
    parts = path.split("/")
    if not set(parts).isdisjoint(("", ".", "..")):
        raise UnreadableFileError("not the name of a file below its folder")
    handle = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        return os.open(parts[-1], _FILE, dir_fd=handle)
    finally:
        os.close(handle)


def _read_handle(handle: int, limit: int) -> bytes:
    """All bytes of an open regular file, at most `limit`, however much it grows meanwhile; closes it."""
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFileError("not a regular file")
        parts = [os.read(handle, min(status.st_size, limit) + 1)]
        n_bytes = len(parts[0])
        at_end = n_bytes == status.st_size  # one byte more was asked for
        while not at_end and parts[-1] and n_bytes <= limit:
            parts.append(os.read(handle, min(_CHUNK, limit + 1 - n_bytes)))
            n_bytes += len(parts[-1])
    finally:
        os.close(handle)
    if n_bytes > limit:
        raise UnreadableFileError(f"it is larger than {limit} bytes")
    return b"".join(parts)


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableFileError(reason or type(error).__name__) from error
