"""Which files of a tree are tables: by their place in it and by their columns; and why another one is not read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from datatools.formats.locate import find_top
from datatools.formats.own_tables import IMAGE_COLUMNS, OBJECT_COLUMNS
from datatools.formats.table_columns import missing_columns, read_columns
from datatools.formats.table_files import parse_header
from datatools.schema import side_called
from datatools.tree import Tree, UnreadableFileError

TEXT = (".csv", ".tsv")
SUFFIXES = (*TEXT, ".parquet")
FOLDER = "labels"
METADATA, CLASSES, DOCUMENT = "metadata.csv", "classes.txt", "tables.json"


def find_wrapper(tree: Tree) -> str:
    """The folder in which every file lies, as in an archive of one folder: it counts as the root."""
    top = find_top(tree.sizes)
    return "" if top == FOLDER else top


def place_below(path: str, top: str) -> str:
    """`path` from the folder `top` in which every file lies."""
    return path[len(top) + 1 :] if top else path


def subset_of(place: str) -> str | None:
    """The subset that a table's name or folder says; in labels/ the name is that of an annotator."""
    folder, name = posixpath.split(place)
    stem = posixpath.splitext(name)[0]
    return None if folder == FOLDER else side_called(stem) or side_called(folder)


def is_table(tree: Tree, path: str, place: str) -> bool:
    """Whether a file is a table; `place` is its path below the folder in which every file lies."""
    folder, _, name = place.rpartition("/")
    if folder not in ("", FOLDER) and not side_called(folder):
        return False
    suffix = posixpath.splitext(name)[1].lower()
    if place in (METADATA, CLASSES) or (folder == FOLDER and suffix in TEXT):
        return True
    if suffix not in SUFFIXES and place != DOCUMENT:
        return False
    try:
        data = tree.read(path)
    except UnreadableFileError:
        return False
    if place == DOCUMENT:
        return b'"classes"' in data and b'"extras"' in data
    header = parse_header(data)
    return (is_own(header) and not side_called(folder)) or read_columns(header) is not None


def is_own(header: Iterable[str]) -> bool:
    """Whether these are the columns of our own tables; the ones that programs keep also have `source`."""
    return set(header) - {"source"} in (set(OBJECT_COLUMNS), set(IMAGE_COLUMNS))


def why_no_table(data: bytes) -> str | None:
    """What a CSV file needs to be read as a table; None where it has no header to speak of."""
    header = parse_header(data)
    if len(header) < 2:
        return None
    missing = missing_columns(header)
    if missing:
        return f"not read as a table: {missing}. Got {', '.join(header):.200}"
    return "a table that is in no place where tables are read: put it in the root, or in a folder called train, val or test"
