"""Finding the image that an annotation file names: names in the wild are absolute, moved, or without their folder."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from datatools.images import SUFFIXES

ENDINGS = frozenset(suffix[1:] for suffix in SUFFIXES)
_NOT_CLEAN = re.compile(r"//|/\.(?:/|$)")


class ImageIndex:
    """The image files of a tree, by path, by name and by path without suffix. Only paths of the tree are ever returned."""

    def __init__(self, paths: Iterable[str], exclude: Iterable[str] = ()) -> None:
        """`paths` of the tree; `exclude` those that are annotations, such as index masks."""
        left_out = set(exclude)
        self.paths = sorted(path for path in paths if is_image(path) and path not in left_out)
        self._all = set(self.paths)

    @functools.cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _group(self.paths, lambda path: path.rpartition("/")[2])

    @functools.cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _group(self.paths, lambda path: posixpath.splitext(path)[0])

    def find(self, name: str, near: str = "", folders: Iterable[str] = ()) -> str | None:
        """The path of the image that `name` means, or None where no file or more than one fits.

        Tried in this order: `name` from the root of the tree; beside the annotation file `near`; below each of
        `folders`, from the root, beside `near` and from the folders above it; the one file of the tree with that name.
        """
        name = clean_path(name)
        if name in self._all:
            return name
        base = posixpath.dirname(near)
        places = ["", base]
        above = base
        while above:
            places += [posixpath.join(above, folder) for folder in folders]
            above = posixpath.dirname(above)
            places += [posixpath.join(above, folder) for folder in folders] if not above else []
        places += [] if base else list(folders)
        for place in places:
            path = posixpath.normpath(posixpath.join(place, name))
            if path in self._all:
                return path
        found = self._by_name.get(posixpath.basename(name), [])
        return found[0] if len(found) == 1 else None

    def with_stem(self, stem: str) -> str | None:
        """The one image whose path without suffix is `stem`, or None where there is none or more than one."""
        found = self._by_stem.get(stem, [])
        return found[0] if len(found) == 1 else None


def find_top(paths: Iterable[str]) -> str:
    """The one folder in which all of `paths` lie; nothing where there is none."""
    tops = {path.partition("/")[0] if "/" in path else "" for path in paths}
    return tops.pop() if len(tops) == 1 else ""


def _group(paths: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def is_image(path: str) -> bool:
    """Whether the suffix is one of an image format that is read."""
    stem, _, ending = path.rpartition(".")
    if ending.lower() not in ENDINGS:
        return False
    # Most names end here. Dots at the start of a name are no suffix.
    return stem[-1:] not in ("", "/", ".") or bool(posixpath.splitext(path)[1])


def clean_path(name: str) -> str:
    """A file name as the data model writes it: POSIX, relative, without `./`, drive and leading slash."""
    text = str(name).replace("\\", "/")
    if text and text[0] not in "/." and text[-1] != "/" and ":" not in text[:2] and not _NOT_CLEAN.search(text):
        return text
    if len(text) > 1 and text[1] == ":":
        text = text[2:]
    return PurePosixPath(text.lstrip("/")).as_posix()
