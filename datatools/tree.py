"""The files a team brings, as one tree: a folder, or a zip or tar archive; every file in it gets a verdict.

A tree never follows a link, never reads outside its root, opens regular files only, and keeps within `Limits`. What
it does not take in is a row of `refused` (the columns of REJECTED), with the reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datatools.errors import DatatoolsError

Row = dict[str, Any]
HOUSEKEEPING = frozenset({".gitignore", ".gitkeep", ".gitattributes"})


class UnreadableFileError(Exception):
    """A file of the tree that cannot be read. Bad data: callers turn it into a row, not a crash."""


@dataclass(frozen=True)
class Limits:
    """What is taken in: bytes a file."""

    file_bytes: int = 1 << 30


@dataclass(frozen=True)
class Tree:
    """Regular files below `root`: path (relative, POSIX, NFC or as it is on disk) -> size in bytes, sorted by path."""

    root: Path
    sizes: Mapping[str, int]
    refused: tuple[Row, ...] = field(default=())

    def __contains__(self, path: object) -> bool:
        """Whether the tree has the file `path`."""
        return path in self.sizes

    def read(self, path: str) -> bytes:
        """Return the bytes of `path`. Raises UnreadableFileError."""
        raise NotImplementedError


@dataclass(frozen=True)
class FolderTree(Tree):
    """A folder."""

    def read(self, path: str) -> bytes:
        """Return the bytes of `path`. Raises UnreadableFileError."""
        return read_regular(self.root / path)


def open_tree(root: Path, limits: Limits | None = None) -> Tree:
    """List the files below the folder `root`; raises DatatoolsError when there is no such folder."""
    if not root.is_dir():
        raise DatatoolsError(f"{root}: expected a folder or a zip or tar archive. Got no such thing: check the path.")
    sizes: dict[str, int] = {}
    refused: list[Row] = []
    _list_folder(str(root), "", limits or Limits(), sizes, refused)
    return FolderTree(root, dict(sorted(sizes.items())), tuple(refused))


def refuse(path: str, reason: str, message: str) -> Row:
    """A row of REJECTED for a whole file."""
    name = path.encode("utf-8", "replace").decode("utf-8")
    return {"source": name, "path": name, "reason": reason, "message": message}


def read_regular(file: Path) -> bytes:
    """Read a regular file without following a link or waiting for a pipe. Raises UnreadableFileError."""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb", closefd=True) as opened:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise UnreadableFileError("not a regular file")
            return opened.read()
    except OSError as error:
        raise UnreadableFileError(error.strerror or type(error).__name__) from error


def _list_folder(folder: str, prefix: str, limits: Limits, sizes: dict[str, int], refused: list[Row]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if entry.name in HOUSEKEEPING:
                continue
            if entry.name.startswith("."):
                refused.append(refuse(path, "hidden", "a hidden file or folder"))
            elif entry.is_symlink():
                refused.append(refuse(path, "link", "a symbolic link: put the file itself here"))
            elif entry.is_dir(follow_symlinks=False):
                _list_folder(entry.path, f"{path}/", limits, sizes, refused)
            elif not entry.is_file(follow_symlinks=False):
                refused.append(refuse(path, "not_a_file", "a pipe, socket or device"))
            elif (size := entry.stat(follow_symlinks=False).st_size) > limits.file_bytes:
                refused.append(refuse(path, "too_large", f"{size} bytes are more than {limits.file_bytes}"))
            elif not _is_utf8(path):
                refused.append(refuse(path, "bad_name", "its name is not UTF-8: rename it"))
            else:
                sizes[path] = size


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
