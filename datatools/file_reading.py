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
_NO_NAMES = frozenset(("", ".", ".."))


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
    return BelowReader(root).read(path, limit)


class BelowReader:
    """Reads files below the folder `root` as read_below does; the folder of the last one stays open for the next."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._last: tuple[str, _Folder] | None = None

    def read(self, path: str, limit: int = MOST_BYTES) -> bytes:
        """The bytes of the regular file `path` (POSIX), at most `limit`. Raises UnreadableFileError."""
        with _errors_told():
            folder, name = self._find(path)
            return _read_handle(os.open(name, _FILE, dir_fd=folder.handle), limit)

    def status(self, path: str) -> os.stat_result:
        """What the file system says of `path`; of a link, not of what it leads to. Raises UnreadableFileError."""
        with _errors_told():
            folder, name = self._find(path)
            return os.stat(name, dir_fd=folder.handle, follow_symlinks=False)

    def _find(self, path: str) -> tuple[_Folder, str]:
        above, _, name = path.rpartition("/")
        if name in _NO_NAMES or path.startswith("/"):
            raise UnreadableFileError("not the name of a file below its folder")
        last = self._last  # looked at once: another thread may open another folder
        if last is None or last[0] != above:
            self._last = last = above, _open_folder(self.root, above)
        return last[1], name


class _Folder:
    """A handle of a folder, closed when nobody uses it any more."""

    __slots__ = ("handle",)

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __del__(self) -> None:
        """Close it."""
        os.close(self.handle)


def _open_folder(root: Path, path: str) -> _Folder:
    parts = path.split("/") if path else []
    if not _NO_NAMES.isdisjoint(parts):
        raise UnreadableFileError("not the name of a file below its folder")
    folder = _Folder(os.open(root, _FOLDER))
    for part in parts:
        folder = _Folder(os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder.handle))
    return folder


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
