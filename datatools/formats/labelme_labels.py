"""LabelMe's `labels.txt`, read and written (datatools/formats/labelme.py is the user's page)."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from datatools.formats.base import Content
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]
LABELS = "labels.txt"
MARKERS = ("__ignore__", "_background_")


def load_classes(tree: Tree, files: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[str], Row]:
    """The classes of the labels.txt files and of `rows`, those files, and what extras keep of them."""
    folders = {""}
    for file in files:
        folders.update(parent.as_posix().removeprefix(".") for parent in PurePosixPath(file).parents)
    lists = [path for folder in sorted(folders) if (path := posixpath.join(folder, LABELS)) in tree]
    lines: list[str] = []
    for path in lists:
        try:
            lines += [line.removesuffix("\r") for line in tree.read(path).decode("utf-8-sig").split("\n")]
        except (UnreadableFileError, UnicodeDecodeError):
            continue
    lines = list(dict.fromkeys(line for line in lines if line.strip()))
    classes = _class_names(lines, {row["label"] for row in rows if row["label"] is not None})
    extras = {"labelme": {"labels": lines}} if lines != list(map(_class_line, classes)) and lists else {}
    return classes, lists, extras


def class_lines(content: Content) -> tuple[list[str], bool]:
    """The lines of labels.txt, and whether they are those that extras keep (or extras keep none)."""
    kept = content.extras.get("labelme")
    if kept is None:
        return list(map(_class_line, content.classes)), True
    lines = kept.get("labels") if isinstance(kept, dict) and set(kept) == {"labels"} else None
    used = set(content.annotations["label"].dropna())
    is_kept = isinstance(lines, list) and all(isinstance(line, str) and "\n" not in line for line in lines)
    if lines is not None and is_kept and tuple(_class_names(lines, used)) == content.classes:
        return lines, True
    return list(map(_class_line, content.classes)), False


def _class_names(lines: Sequence[str], used: set[str]) -> list[str]:
    listed = [_unquote(line) for line in lines if line not in MARKERS]
    named = [line for line in lines if line in MARKERS and line in used]
    return list(dict.fromkeys([*named, *listed, *sorted(used)]))


def _class_line(name: str) -> str:
    plain = name == name.strip() != "" and name.isprintable() and not name.startswith('"') and name not in MARKERS
    return name if plain else json.dumps(name)


def _unquote(line: str) -> str:
    try:
        value = json.loads(line) if line.startswith('"') else line
    except ValueError:
        return line.strip()
    return value if line.startswith('"') else line.strip()
