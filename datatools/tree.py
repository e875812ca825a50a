"""The files a team brings, as one tree: a folder, or a zip or tar archive; every file in it gets a verdict.

A tree never follows a link below its root, never reads outside it, opens regular files only, and keeps within `Limits`.
What it does not take in is a row of `refused` (the columns of REJECTED) with one of these reasons:

- `hidden`: the name starts with a dot, or a system leaves such files behind (Thumbs.db, __MACOSX). No fault of the
  data: it is listed so that every file has a verdict, and need not be shown.
- `link`, `not_a_file`: a symbolic link, in an archive also a hard link; a pipe, socket or device.
- `bad_name`: not UTF-8, with control characters or a backslash, too long for a file system; in an archive also an
  absolute name or one with `..`.
- `name_collision`: other systems, which do not tell cases or kinds of accents apart, take it for a file or folder that
  is there too. Of two files the first in byte order is kept.
- `too_large`, `too_deep`: beyond `Limits`.
- `unreadable`: a folder or file that cannot be looked at.
- in archives: `repeated_member`: its name is there twice; `encrypted`; `bomb`: it unpacks to far more than it is;
  `bad_member`: it contradicts the rest of the archive; `broken_archive`: about the archive itself.

A refused folder is one row; nothing below it is looked at.
"""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from datatools.errors import DatatoolsError
from datatools.file_names import find_collisions, judge_hidden, judge_name, printable
from datatools.file_reading import MOST_BYTES, BelowReader
from datatools.file_reading import UnreadableFileError as UnreadableFileError  # what Tree.read raises

Row = dict[str, Any]
PEEK_BYTES, PEEK_FILES = 1 << 14, 1 << 12  # at most 64 MiB are kept
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Limits:
    """What is taken in; all but the first two hold for archives only.

    `file_bytes`: a file, unpacked (the annotations of COCO's train2017 are 0.45 GB). `depth`: folders inside one
    another. `members`: names in an archive (ImageNet-1k has 1.28 million). `total_bytes`: all members together,
    unpacked (ImageNet-1k has 138 GiB). `ratio`: bytes out for a byte in. JSON and masks seldom reach 50; an empty
    bitmap reaches 1,032, the most that deflate can do (zlib.net/zlib_tech.html), so it counts from `ratio_bytes` on.
    """

    file_bytes: int = MOST_BYTES
    depth: int = 100
    members: int = 2_000_000
    total_bytes: int = 256 << 30
    ratio: int = 200
    ratio_bytes: int = 256 << 20


@dataclass(frozen=True)
class Tree:
    """Regular files below `root`: path (relative, POSIX, as it is on disk) -> size in bytes, sorted by path.

    Pickling costs little: a copy in a forked process is the tree itself, elsewhere `root` is opened again.
    """

    root: Path
    sizes: Mapping[str, int]
    refused: tuple[Row, ...] = ()
    limits: Limits = field(default_factory=Limits)
    _token: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False, repr=False, kw_only=True)
    _seen: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        """Be found by copies of this tree."""
        _OPENED[self._token] = self

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle that does not grow with the number of files: one goes with each task of a pool."""
        return _reopen, (self._token, self.root, self.limits)

    def __contains__(self, path: object) -> bool:
        """Whether the tree has the file `path`."""
        return path in self.sizes

    def read(self, path: str) -> bytes:
        """Return the bytes of `path`. Raises UnreadableFileError, also for a path that is not in `sizes`."""
        seen = self._seen.pop(path, None)
        return self._read_file(path) if seen is None else seen

    def peek(self, path: str) -> bytes:
        """What `read` returns, kept for it where that is little: to tell what a file is before it is read."""
        data = self._seen.get(path)
        if data is None:
            data = self._read_file(path)
            if len(data) <= PEEK_BYTES and len(self._seen) < PEEK_FILES:
                self._seen[path] = data
        return data

    def status(self, path: str) -> os.stat_result | None:
        """What the file system says of `path`; None for a member of an archive. Raises UnreadableFileError."""
        return None

    def _read_file(self, path: str) -> bytes:
        raise NotImplementedError


@dataclass(frozen=True)
class FolderTree(Tree):
    """A folder."""

    def status(self, path: str) -> os.stat_result | None:
        """What the file system says of `path`. Raises UnreadableFileError."""
        return self._reader.status(path)

    def _read_file(self, path: str) -> bytes:
        if path not in self.sizes:
            raise UnreadableFileError("not a file of this tree")
        return self._reader.read(path, self.limits.file_bytes)

    @functools.cached_property
    def _reader(self) -> BelowReader:
        return BelowReader(self.root)


_OPENED: WeakValueDictionary[str, Tree] = WeakValueDictionary()


def open_tree(root: Path, limits: Limits | None = None) -> Tree:
    """List the files of the folder or archive (.zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz) at `root`.

    Nothing is unpacked beside it. Raises DatatoolsError when there is no such thing.
    """
    limits = limits or Limits()
    if root.is_dir():
        return _open_folder(root, limits)
    from datatools.archives.trees import SUFFIXES, is_archive, open_archive  # it builds on this module

    if not is_archive(root) or not root.is_file():
        got = (
            "a file of another kind: name the folder with the images and with it, or give an archive its ending"
            if root.is_file()
            else "no such thing: check the path"
        )
        raise DatatoolsError(f"{root}: expected a folder or an archive ({', '.join(SUFFIXES)}). Got {got}.")
    return open_archive(root, limits)


def refuse(path: str, reason: str, message: str) -> Row:
    """A row of REJECTED for a whole file; what cannot be printed of its name is escaped."""
    name = printable(path)
    return {"source": name, "path": name, "reason": reason, "message": message}


def _reopen(token: str, root: Path, limits: Limits) -> Tree:
    tree = _OPENED.get(token)
    return _open_again(token, root, limits) if tree is None else tree


@functools.lru_cache(maxsize=4)
def _open_again(token: str, root: Path, limits: Limits) -> Tree:
    """Once for all tasks that a process gets with this tree."""
    return open_tree(root, limits)


def _open_folder(root: Path, limits: Limits) -> FolderTree:
    try:
        handle = os.open(root, _FOLDER)
    except OSError as error:
        raise DatatoolsError(
            f"{root}: expected a folder that can be read. Got: {error.strerror}. Change its permissions."
        ) from error
    walk = _Walk(limits)
    walk.run(handle)
    collisions = find_collisions(walk.sizes)
    sizes = {path: walk.sizes[path] for path in sorted(walk.sizes) if path not in collisions}
    rows = [refuse(path, "name_collision", message) for path, message in collisions.items()]
    return FolderTree(root, sizes, (*walk.refused, *rows), limits)


class _Walk:
    """One pass over a folder by handles: a folder that becomes a link while it is listed is not followed."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.sizes: dict[str, int] = {}
        self.refused: list[dict[str, Any]] = []

    def run(self, root: int) -> None:
        """List the folder with the handle `root` and close it. As many handles are open as the tree is deep."""
        way = [(root, "", self._look(root, ""))]  # handle, path with a slash, names of the folders to look into
        try:
            while way:
                handle, prefix, names = way[-1]
                if not names:
                    os.close(way.pop()[0])
                    continue
                path = prefix + (name := names.pop())
                inner = self._enter(handle, name, path)
                if inner is not None:
                    way.append((inner, f"{path}/", self._look(inner, f"{path}/")))
        finally:
            for handle, _, _ in way:
                os.close(handle)

    def _enter(self, handle: int, name: str, path: str) -> int | None:
        try:
            return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
        except OSError as error:
            self._refuse(path, "unreadable", f"{error.strerror}: nothing in it is read")
            return None

    def _look(self, handle: int, prefix: str) -> list[str]:
        """Take in the files of one folder; return the names of the folders in it."""
        folders: list[str] = []
        try:
            with os.scandir(handle) as entries:
                folders = [entry.name for entry in entries if self._judge(entry, prefix + entry.name)]
        except OSError as error:
            self._refuse(prefix.rstrip("/") or ".", "unreadable", f"{error.strerror}: it is not listed to its end")
        return sorted(folders, reverse=True)

    def _judge(self, entry: os.DirEntry[str], path: str) -> bool:
        """Whether the entry is a folder to look into; anything else is taken in or refused here."""
        is_folder = entry.is_dir(follow_symlinks=False)
        if passed_over := judge_hidden(entry.name):
            self._refuse(path, "hidden", passed_over)
        elif entry.is_symlink():
            self._refuse(path, "link", "a symbolic link: put the file itself here")
        elif not is_folder and not entry.is_file(follow_symlinks=False):
            self._refuse(path, "not_a_file", "a pipe, socket or device")
        elif bad := judge_name(f"{path}/" if is_folder else path, self.limits.depth):
            self._refuse(path, *bad)
        elif not is_folder:
            self._measure(entry, path)
        else:
            return True
        return False

    def _measure(self, entry: os.DirEntry[str], path: str) -> None:
        try:
            size = entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            pass  # gone since the folder was listed: no file of this tree
        except OSError as error:
            self._refuse(path, "unreadable", str(error.strerror))
        else:
            if size > self.limits.file_bytes:
                self._refuse(path, "too_large", f"{size} bytes are more than {self.limits.file_bytes}")
            else:
                self.sizes[path] = size

    def _refuse(self, path: str, reason: str, message: str) -> None:
        self.refused.append(refuse(path, reason, message))
