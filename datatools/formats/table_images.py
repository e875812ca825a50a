"""The image that a cell of a table means: a path from the root, a bare name, or a path on another machine."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterable

from datatools.formats.locate import ImageIndex, clean_path

FOLDERS = ("images", "imgs", "img")
ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")


class TableImages:
    """The images of a tree; `top` is the folder in which all of its files lie, or nothing."""

    def __init__(self, paths: Iterable[str], top: str = "") -> None:
        self._index = ImageIndex(paths)
        self._top = top
        self._paths = {path: path for path in self._index.paths}  # one text of each, not another one for every row

    def find_exact(self, path: str) -> str:
        """The image at `path`, from the root or from `top`; `path` itself where there is none."""
        return self._at(path) or path

    def find(self, name: str, source: str) -> str:
        """The path of the image that the table `source` calls `name`; the name itself where there is none.

        Tried in this order: from the folder of the table; from the root or from `top`; an absolute path without more and
        more of its first folders; an absolute path or bare name as ImageIndex.find has it; the name without suffix; all
        but that in other capitals.
        """
        path, is_absolute = clean_path(name), bool(ABSOLUTE.match(name))
        beside = posixpath.join(posixpath.dirname(source), path)
        found = self._at(beside) or self._look(path, source, is_absolute) or self._index.with_stem(beside)
        return found or self._with_stem(path) or self._in_other_capitals(path, source, is_absolute) or path

    def _at(self, path: str) -> str | None:
        return self._paths.get(path) or (self._paths.get(f"{self._top}/{path}") if self._top else None)

    def _look(self, path: str, source: str, is_absolute: bool) -> str | None:
        parts = path.split("/")
        tails = ["/".join(parts[start:]) for start in range(len(parts) if is_absolute else 1)]
        found = next((image for tail in tails if (image := self._at(tail))), None)
        if found is None and (is_absolute or len(parts) == 1):
            found = self._index.find(path, source, FOLDERS)
        return found

    def _with_stem(self, path: str) -> str | None:
        stems = [path, *(f"{folder}/{path}" for folder in FOLDERS)]
        stems += [f"{self._top}/{stem}" for stem in stems] if self._top else []
        return next((image for stem in stems if (image := self._index.with_stem(stem))), None)

    def _in_other_capitals(self, path: str, source: str, is_absolute: bool) -> str | None:
        small, images = self._small
        found = small._look(path.casefold(), source.casefold(), is_absolute)
        return images[found][0] if found and len(images[found]) == 1 else None

    @functools.cached_property
    def _small(self) -> tuple[TableImages, dict[str, list[str]]]:
        """The same without capitals, and the paths that each stands for."""
        images: dict[str, list[str]] = {}
        for path in self._paths:
            images.setdefault(path.casefold(), []).append(path)
        return TableImages(images, self._top.casefold()), images
