"""The MD5 that DVC gives files and folders on the disk, in which a file that did not change is not read again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pathspec

from datatools.seen_files import SeenFiles, stamp_of

NOT_DATA = (".git/", ".hg/", ".dvc/", ".dvcignore")  # never part of a folder that DVC hashes


class File(NamedTuple):
    """MD5 (None: it cannot be read) and bytes of a file."""

    md5: str | None
    n_bytes: int


class Hashes:
    """The MD5 that DVC gives files and folders of a project, in which files that did not change are not read again."""

    def __init__(self, root: Path, seen: SeenFiles) -> None:
        self._root, self._seen = root, seen
        lines = read_text(root / ".dvcignore").splitlines()
        self._ignored = pathspec.GitIgnoreSpec.from_lines([*NOT_DATA, *lines])
        self._found: dict[str, str | None] = {}
        self._listed: dict[str, dict[str, File]] = {}

    def find(self, path: str) -> str | None:
        """The hash of the file or folder (`.dir` at its end) at the POSIX path below the root; None where there is none."""
        if path not in self._found:
            place = self._root / path
            self._found[path] = self._of_folder(path) if place.is_dir() else self._look_at(place).md5
        return self._found[path]

    def list_files(self, path: str) -> Mapping[str, File]:
        """The files of a folder by their POSIX paths below it; it is listed once."""
        if path not in self._listed:
            self._listed[path] = {name: self._look_at(place) for name, place in self._walk(self._root / path)}
        return self._listed[path]

    def save(self) -> None:
        """Keep what was hashed for the next time."""
        self._seen.save()

    def _look_at(self, place: str | Path) -> File:
        try:
            stamp = stamp_of(os.stat(place))
            known = self._seen.find(stamp)
            if known is None:
                with open(place, "rb") as file:
                    known = hashlib.file_digest(file, _md5).digest()
                self._seen.add(stamp, known)
        except OSError:
            return File(None, 0)
        return File(known.hex(), stamp[2])

    def _of_folder(self, path: str) -> str:
        """Of the JSON list of its files and their hashes, in the order of their names."""
        rows = [{"md5": file.md5, "relpath": name} for name, file in sorted(self.list_files(path).items())]
        return _md5(json.dumps(rows, sort_keys=True).encode()).hexdigest() + ".dir"

    def _walk(self, folder: Path) -> Iterator[tuple[str, str]]:
        """(POSIX path below `folder`, place) of each file that .dvcignore does not leave out."""
        above = folder.relative_to(self._root).as_posix()
        for here, folders, files in os.walk(folder):
            inner = "" if here == str(folder) else os.path.relpath(here, folder).replace(os.sep, "/") + "/"
            folders[:] = [name for name in folders if not self._is_ignored(f"{above}/{inner}{name}/")]
            for name in files:
                if not self._is_ignored(f"{above}/{inner}{name}"):
                    yield inner + name, os.path.join(here, name)

    def _is_ignored(self, path: str) -> bool:
        return self._ignored.match_file(path)


def read_text(file: Path) -> str:
    """The text of a file; empty where there is none that can be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _md5(data: bytes = b"") -> Any:
    return hashlib.md5(data, usedforsecurity=False)
