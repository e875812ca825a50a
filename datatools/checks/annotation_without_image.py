"""What it finds: annotations of an image that is not there, and images that an annotation file lists but nobody brought.

Why it matters: the work of annotating them is lost, and counts are wrong. Mostly a file was renamed, moved or never copied.

What to do: bring the image, or correct its name in the annotation file. Until then these annotations are left out and
listed in `data/dataset/rejected.parquet`.

Options: none. One finding an image; where more images are missing than are there, one for each annotation file. Annotations of
an image that is there but cannot be read are not meant: see IMG001 and IMG004.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.left_out import name_place, rows_left_out
from datatools.schema import REJECTED

Row = dict[str, Any]
CODE = "LBL005"
ENOUGH = 10  # missing images that are worth a finding each, however few are there
SHOWN = 3  # names in a message


def find_annotations_without_image(rejected: pd.DataFrame, images: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image that is missing, and for each row that names no image that is known."""
    rows = sorted(
        rows_left_out(rejected, CODE), key=lambda row: (row["source"], row["row"] or 0, row["annotation_id"] or "")
    )
    of_image, of_file = _group(rows, "path"), _group(rows, "source")
    unnamed = of_image.pop(None, [])
    if len(of_image) > max(ENOUGH, len(images)):
        for source, group in of_file.items():
            yield from _find_in_file(source, group, len(images))
    else:
        yield from itertools.starmap(_of_image, of_image.items())
    for (source, message), group in _group(unnamed, "source", "message").items():
        yield _of_no_image(source, message, group)


def _of_image(path: str, rows: list[Row]) -> Finding:
    said = list(filter(_is_annotation, rows))
    sources = ", ".join(sorted({row["source"] for row in rows}))
    if not said:
        return Finding(f"there is no such image, but {sources} lists it", path)
    name = said[0]["annotation_id"] if len(said) == 1 else None
    noun = "annotation" if len(said) == 1 else "annotations"
    return Finding(f"there is no such image, but {len(said):,} {noun} of it in {sources}", path, name)


def _of_no_image(source: str, message: str, rows: list[Row]) -> Finding:
    alone = len(rows) == 1
    name, place = (rows[0]["annotation_id"], name_place(source, rows[0]["row"])) if alone else (None, source)
    count = "" if alone else f"{len(rows):,} rows of "
    return Finding(
        f"{message} (left out: {count}{place})", annotation_id=name, subject=None if name else f"{place}: {message}"
    )


def _find_in_file(source: str, rows: list[Row], n_images: int) -> Iterator[Finding]:
    paths = sorted({row["path"] for row in rows} - {None})
    if paths:
        n_said = sum(_is_annotation(row) for row in rows if row["path"] is not None)
        some = ", ".join(paths[:SHOWN]) + (", ..." if len(paths) > SHOWN else "")
        yield Finding(
            f"{source} speaks of {len(paths):,} images that are not there ({some}), with {n_said:,} annotations;"
            f" {n_images:,} images are there",
            subject=source,
        )


def _is_annotation(row: Row) -> bool:
    """Whether a row is of an annotation; else it is of an image that a file lists."""
    return row["annotation_id"] is not None or row["row"] is not None


def _group(rows: list[Row], *names: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        key = row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)
        groups.setdefault(key, []).append(row)
    return groups


def _spoil(inputs: Inputs) -> Inputs:
    row = {"source": "annotations.json", "path": "images/gone.png", "reason": CODE, "message": "there is no such image"}
    listed = {**row, "path": "images/lost.png"}
    lost = {**row, "path": None, "row": 12, "message": "image_id 9 is not in images"}
    return {**inputs, "rejected": REJECTED.conform([{**row, "row": 3}, listed, lost])}


CHECK = Check(CODE, "annotation without image", "error", find_annotations_without_image, _spoil)
