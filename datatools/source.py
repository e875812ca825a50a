"""A tree of files sorted into images, annotation files, and all the rest with a reason."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from datatools.errors import DatatoolsError
from datatools.formats import AUTO
from datatools.formats.base import Content
from datatools.formats.documents import BrokenFileError, parse_json, parse_xml
from datatools.formats.locate import is_image
from datatools.formats.registry import load_content
from datatools.formats.table_places import SUFFIXES as TABLES
from datatools.formats.table_places import why_no_table
from datatools.images import SUFFIXES
from datatools.tree import Tree, UnreadableFileError, refuse

Row = dict[str, Any]
PARSERS: Mapping[str, Callable[[bytes], Any]] = {".json": parse_json, ".xml": parse_xml}
OTHER_IMAGES = {  # suffix -> what else to do
    **dict.fromkeys((".avif", ".gif", ".heic", ".heif", ".jp2", ".jxl", ".ppm", ".pgm", ".tga", ".dng"), ""),
    **dict.fromkeys((".jfif", ".jpe"), ", or rename it to .jpg"),
}
NEITHER = "neither an image nor an annotation file"
NO_REFUSAL = ("hidden", "not_an_image", "broken_file")  # files that are no images anyway
MOST_PARSED = 64 << 20  # bytes of a file that nobody claims


@dataclass(frozen=True)
class Source:
    """What a team brings: image paths, what is said of them, and every other file with the reason why it is left out."""

    tree: Tree
    images: tuple[str, ...]
    content: Content
    refused: tuple[Row, ...]  # rows of REJECTED
    formats: Mapping[str, int]  # name -> number of annotation files


def read_source(tree: Tree, format: str = AUTO) -> Source:
    """Read the annotation files of `tree` and sort the other files. Images are not opened.

    Raises DatatoolsError for a named format that is not there.
    """
    content, found = load_content(tree, format)
    others = [path for path in tree.sizes if path not in content.files]
    images = tuple(filter(is_image, others))
    left = sorted(set(others).difference(images))
    refused = [_refuse_other(tree, path) for path in left]
    return Source(tree, images, content, (*tree.refused, *refused), {name: len(files) for name, files in found.items()})


def _refuse_other(tree: Tree, path: str) -> Row:
    """A row for a file that no format claims: a broken document says where it is broken."""
    parse = PARSERS.get(PurePosixPath(path).suffix.lower())
    if parse is not None and tree.sizes[path] <= MOST_PARSED:
        try:
            parse(tree.read(path))
        except (BrokenFileError, UnreadableFileError) as error:
            return refuse(path, "broken_file", str(error))
    return refuse(path, "not_an_image", _say_why_not(tree, path))


def _is_other_image(path: str) -> bool:
    """Whether the name is that of an image of a kind that is not read."""
    return PurePosixPath(path).suffix.lower() in OTHER_IMAGES


def _say_why_not(tree: Tree, path: str) -> str:
    """Why a file is not read, as far as its name and its first line say."""
    suffix = PurePosixPath(path).suffix.lower()
    if _is_other_image(path):
        return f"an image of a kind that is not read: save it as JPEG or PNG{OTHER_IMAGES[suffix]}"
    if suffix in TABLES and tree.sizes[path] <= MOST_PARSED:
        with contextlib.suppress(UnreadableFileError):
            return why_no_table(tree.read(path)) or NEITHER
    return NEITHER


def check_source(root: object, images: object, content: Content, refused: Sequence[Row]) -> None:
    """Raise DatatoolsError when there is no image, or when annotation files are there but none could be read."""
    if not images:
        refusals = [row for row in refused if row["reason"] not in NO_REFUSAL or _is_other_image(row["path"])]
        refusals += [row for row in content.rejected.to_dict("records") if row["reason"] == "broken_row"]
        raise DatatoolsError(
            f"{root}: expected image files ({', '.join(sorted(SUFFIXES))}). Got none{_tell_refusals(refusals)}."
        )
    rows = [*content.rejected.to_dict("records"), *refused]
    broken = next((row for row in rows if row["reason"] == "broken_file"), None)
    if broken and not len(content.annotations):
        raise DatatoolsError(
            f"{root}/{broken['source']}: expected a file with annotations. Got: {broken['message']}. Export it again."
        )


def _tell_refusals(rows: Sequence[Row]) -> str:
    if not rows:
        return ": put the images there"
    more = f" (and {len(rows) - 1:,} more)" if len(rows) > 1 else ""
    return f" that can be taken in: {rows[0]['source']}: {rows[0]['message']}{more}"
