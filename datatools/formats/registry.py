"""The annotation formats by name, recognising them, and reading all that a tree holds into one Content."""

from __future__ import annotations

import functools
import importlib
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.errors import DatatoolsError
from datatools.formats import AUTO, NAMES
from datatools.formats.base import Content, Format, dump_attributes, load_attributes
from datatools.schema import ANNOTATIONS, RECORDS, REJECTED, has_repeats
from datatools.tree import Tree

MODULES = {"image_folder": "folders"}  # where the module is not named like the format
SUFFIXES = {  # where no file ends like this, the format is not there: it need not look at every file
    "tables": (".csv", ".parquet", ".txt", ".json"),
    "coco": (".json",),
    "cvat": (".xml",),
    "labelme": (".json",),
    "label_studio": (".json",),
    "voc": (".xml", ".png"),
    "yolo": (".txt", ".yaml", ".yml", ".data"),
    "index_masks": (".png",),
    "object_masks": (".png",),
}
LAST = "image_folder"


@functools.cache
def load_format(name: str) -> Format:
    """The format called `name`; raises DatatoolsError that lists the known ones."""
    if name not in NAMES:
        raise DatatoolsError(f"expected a format: {', '.join(NAMES)}. Got {name!r}: choose one of these.")
    module = importlib.import_module(f"datatools.formats.{MODULES.get(name, name)}")
    formats: Iterable[Format] = vars(module).get("FORMATS") or (module.FORMAT,)
    return next(item for item in formats if item.name == name)


def describe_format(name: str) -> str:
    """The page of a format: its module's docstring. Raises DatatoolsError for an unknown name."""
    load_format(name)
    return (importlib.import_module(f"datatools.formats.{MODULES.get(name, name)}").__doc__ or "").strip()


def detect_formats(tree: Tree) -> dict[str, list[str]]:
    """The annotation files in `tree` by format name; each file belongs to one format. Class folders are not among them."""
    found: dict[str, list[str]] = {}
    claimed: set[str] = set()
    endings = {posixpath.splitext(path)[1].lower() for path in tree.sizes}
    for name in NAMES:
        if name == LAST or endings.isdisjoint(SUFFIXES.get(name, endings)):
            continue
        files = [path for path in load_format(name).find(tree) if path not in claimed]
        if files:
            found[name] = files
            claimed.update(files)
    return found


def load_content(tree: Tree, format: str = AUTO) -> tuple[Content, dict[str, list[str]]]:
    """Read every annotation file of `tree`; returns the content and which files were read as what.

    With a named `format`, only that one and the tables beside it are read. Raises DatatoolsError for an unknown name,
    and where a format is named and no file of it is there.
    """
    if format == AUTO:
        found = detect_formats(tree)
    else:
        found = {name: files for name in dict.fromkeys(("tables", format)) if (files := load_format(name).find(tree))}
        if format not in found:
            raise DatatoolsError(
                f"{tree.root}: expected files of the format {format!r}. Got none: name another format, or auto."
            )
    contents = [load_format(name).load(tree, files) for name, files in found.items()]
    if format == AUTO and not set(found) - {"tables"} and not any(len(content.annotations) for content in contents):
        images = load_format(LAST).find(tree)  # folders are classes only where nothing else says what is in an image
        if images:
            found[LAST] = images
            contents.append(load_format(LAST).load(tree, images))
    merged = merge_contents(contents)
    listed = contents[0].classes if "tables" in found else ()  # classes.txt has the word
    return (replace(merged, classes=listed) if listed else merged), found


def merge_contents(contents: Sequence[Content]) -> Content:
    """One content of several: what two say of one image is put together, the first to speak has the word.

    A second annotation of the same id goes to `rejected`.
    """
    if len(contents) < 2:
        return contents[0] if contents else Content()
    tables = [content.annotations for content in contents if len(content.annotations)] or [ANNOTATIONS.empty()]
    rows = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    again = _find_repeated(tables, rows["annotation_id"])
    repeated = rows.loc[again, ["source", "path", "annotation_id"]].assign(
        reason="repeated_id", message="this annotation id is used by another file already; the first one stays"
    )
    return Content(
        _merge_records([content.records for content in contents if len(content.records)]),
        ANNOTATIONS.conform(rows[~again] if again.any() else rows),
        tuple(dict.fromkeys(name for content in contents for name in content.classes)),
        REJECTED.conform(pd.concat([*(content.rejected for content in contents), repeated], ignore_index=True)),
        frozenset(path for content in contents for path in content.files),
        {key: value for content in reversed(contents) for key, value in content.extras.items()},
    )


def _find_repeated(tables: Sequence[pd.DataFrame], ids: pd.Series) -> NDArray[np.bool_]:
    """Which of the ids of all tables came before; one table is sorted by them."""
    if len(tables) == 1:
        return np.append(np.zeros(min(len(ids), 1), bool), has_repeats(ids))
    return ids.duplicated().to_numpy()


def _merge_records(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if not tables:
        return RECORDS.empty()
    if len(tables) == 1:
        return tables[0]
    joined = pd.concat(tables, ignore_index=True)
    if not joined["path"].duplicated().any():
        return RECORDS.conform(joined)
    first = joined.groupby("path", sort=True).first()  # the first value that is not null
    for name in ("metadata", "attributes"):
        first[name] = joined.groupby("path", sort=True)[name].agg(_join_objects)
    return RECORDS.conform(first.reset_index())


def _join_objects(texts: Iterable[Any]) -> str | None:
    objects: list[Mapping[str, Any]] = [load_attributes(text) for text in texts if not pd.isna(text)]
    if not objects:
        return None
    return dump_attributes({key: value for item in reversed(objects) for key, value in item.items()})
