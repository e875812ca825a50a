"""Writing LabelMe: documents and the shapes in them (datatools/formats/labelme.py is the user's page)."""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from datatools.formats.base import Loss, is_number, load_attributes
from datatools.formats.carried import (
    OWN,
    crop_mask,
    first_free_group,
    is_points,
    join_rings,
    lose_row,
    pack_record,
    pack_row,
    same_row,
    unpack_row,
)
from datatools.formats.labelme_reading import FILE_KEYS, SHAPE_KEYS, flags_label, image_of, read_record, read_shape
from datatools.formats.locate import ImageIndex, clean_path
from datatools.formats.rows import BrokenRowError
from datatools.index_images import encode_index_mask
from datatools.masks import MAX_PIXELS, MaskError, Rle, parse_mask
from datatools.schema import BOX, RECORDS

Row = dict[str, Any]
N_POINTS = {
    "circle": range(2, 3),
    "line": range(2, 3),
    "linestrip": range(1, MAX_PIXELS),
    "point": range(1, 2),
    "points": range(1, MAX_PIXELS),
    "oriented_rectangle": range(4, 5),
}
ALIASES = {"polyline": "linestrip"}
DERIVED = frozenset({"shape", "points", "corners", "label", "choices"})  # attributes that the reader makes itself


def name_files(paths: Iterable[str]) -> dict[str, str]:
    """The JSON file of each image: beside it, with its stem; with its whole name where two images share the stem."""
    paths = sorted(paths)
    n_images = Counter(str(PurePosixPath(path).with_suffix("")).casefold() for path in paths if _is_place(path))
    files: dict[str, str] = {}
    for path in paths:
        if not _is_place(path):
            files[path] = f"{hashlib.sha256(path.encode('utf-8', 'replace')).hexdigest()[:16]}.json"
            continue
        stem = str(PurePosixPath(path).with_suffix(""))
        alone = n_images[stem.casefold()] == 1 and f"{stem}.json" not in paths
        files[path] = f"{stem if alone else path}.json"
    return files


def to_document(path: str, file: str, record: Row | None, rows: list[Row], as_labels: bool) -> tuple[Row, list[Loss]]:
    """The document about the image `path`, and what it cannot hold. `as_labels`: whether flags may be labels."""
    image = posixpath.relpath(path, posixpath.dirname(file) or ".") if _is_place(path) else path
    attributes = load_attributes(record["attributes"]) if record else {}
    document: Row = {"version": "5.0.0", "flags": {}, "shapes": []}
    document |= {key: value for key, value in attributes.items() if key not in FILE_KEYS}
    document |= {"imagePath": image, "imageData": None}
    document |= {"imageHeight": record and record["height_px"], "imageWidth": record and record["width_px"]}
    label, document["flags"] = _choose_flags(attributes.get("flags"), path, rows if as_labels else [])
    carried, losses = [], []
    group = first_free_group(rows)
    for row in rows:
        shapes = _to_shapes(row, (document["imageHeight"], document["imageWidth"]), group)
        if shapes:
            document["shapes"] += shapes
            group += len(shapes) > 1
        elif row is not label:
            carried.append(pack_row(row))
            losses += lose_row(row, path, unpack_row(carried[-1]), "LabelMe")
    own: Row = {"annotations": carried} if carried else {}
    if (
        (again := read_record(document, path, file)) is None
        or record is None
        or not same_row(record, again, RECORDS.columns)
    ):
        own["record"] = record and pack_record(record)
    if own:
        document[OWN] = own
    if clean_path(image) == "." or image_of(document, file, ImageIndex([])) != path:
        losses.append(Loss("path", path, message="a name that leads out of the folder is not restored"))
    return document, losses


def _is_place(path: str) -> bool:
    """Whether a file beside `path` is inside the folder that is written."""
    return (
        clean_path(path) == posixpath.normpath(path) == path
        and path.split("/")[0] not in ("..", ".")
        and "\0" not in path
    )


def _choose_flags(flags: Any, path: str, rows: list[Row]) -> tuple[Row | None, Row]:
    """The row that flags express, and those flags: the record's own, where they do, else made from a label."""
    own = flags if isinstance(flags, dict) and all(isinstance(value, bool) for value in flags.values()) else {}
    made: list[Row] = []
    for row in rows:
        names = load_attributes(row["attributes"]).get("choices") if row["label"] is None else [row["label"]]
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            made.append(dict.fromkeys(names, True))
    for candidate in (own, *made):
        label = flags_label(candidate, path)
        match = [row for row in rows if label and same_row(row, {**dict.fromkeys(row), **label})]
        if match:
            return match[0], candidate
    return None, own if not rows or flags_label(own, path) is None else {}


def _to_shapes(row: Row, size_hw: tuple[Any, Any], group: int) -> list[Row]:
    """The shapes that say what `row` says; none where LabelMe has no such thing."""
    attributes = load_attributes(row["attributes"])
    own: Row = {"id": row["annotation_id"]}
    if row["annotator"] is not None:
        own["annotator"] = row["annotator"]
    parts = _to_geometry(row, attributes, own, size_hw)
    keys = _to_keys(attributes, own)
    shapes = []
    for number, part in enumerate(parts, start=1):
        shape = {"label": row["label"] or "", "group_id": None, "description": None, "flags": {}, "mask": None, **part}
        if len(parts) > 1:
            own = {**own, "ring": number}
            own |= {} if "group_id" in keys else {"grouped": True}
            shape["group_id"] = keys.get("group_id", group)
        shapes.append({**shape, **(keys if number == 1 else {}), OWN: own})
    return shapes if shapes and _reads_back(shapes, row, size_hw) else []


def _reads_back(shapes: list[Row], row: Row, size_hw: tuple[Any, Any]) -> bool:
    try:
        again = join_rings([read_shape(shape, size_hw) for shape in shapes])
    except BrokenRowError:
        return False
    return len(again) == 1 and same_row({**again[0], "path": row["path"]}, row)


def _to_geometry(row: Row, attributes: Row, own: Row, size_hw: tuple[Any, Any]) -> list[Row]:
    box = [row[name] for name in BOX]
    has_box = all(value is not None and is_number(value) for value in box)
    if row["kind"] == "box" and has_box:
        points: Any = [box[:2], box[2:]]
        if box[0] > box[2] or box[1] > box[3]:
            own["box"] = box
        if is_points(corners := attributes.get("corners"), range(2, 5)):
            points = corners
        return [{"points": points, "shape_type": "rectangle"}]
    if row["kind"] == "mask" and row["mask"] is not None:
        if has_box:
            own["box"] = box
        return _to_mask(row["mask"], own, size_hw)
    if row["kind"] == "shape":
        kind = attributes.get("shape")
        name = ALIASES.get(kind, kind) if isinstance(kind, str) else ""
        if name in N_POINTS and is_points(attributes.get("points"), N_POINTS[name]):
            own |= {"attributes": {"shape": kind}} if kind != name else {}
            return [{"points": attributes["points"], "shape_type": name}]
    return []


def _to_mask(text: str, own: Row, size_hw: tuple[Any, Any]) -> list[Row]:
    try:
        mask = parse_mask(text)
    except MaskError:
        return []
    if not isinstance(mask, Rle):
        rings = [{"points": ring, "shape_type": "polygon"} for ring in mask if is_points(ring)]
        return rings if len(rings) == len(mask) else []
    if mask.size_hw != size_hw:
        own["size"] = list(mask.size_hw)
    x, y, pixels = crop_mask(mask)
    corners = [[float(x), float(y)], [float(x + pixels.shape[1] - 1), float(y + pixels.shape[0] - 1)]]
    png = encode_index_mask(np.where(pixels, 255, 0))
    return [{"points": corners, "shape_type": "mask", "mask": base64.b64encode(png).decode()}]


def _to_keys(attributes: Mapping[str, Any], own: Row) -> Row:
    """The attributes as keys of a shape; those that would mean something else to LabelMe go to `own`."""
    keys: Row = {}
    for key, value in attributes.items():
        flags = isinstance(value, dict) and value and all(isinstance(flag, bool) for flag in value.values())
        is_native = (
            (key == "group_id" and type(value) is int)
            or (key == "flags" and flags)
            or (key == "description" and isinstance(value, str))
        )
        if is_native or (key not in SHAPE_KEYS and key not in DERIVED):
            keys[key] = value
        elif not (key in ("shape", "points") and attributes.get("shape") in (*N_POINTS, *ALIASES)) and key != "corners":
            own["attributes"] = {**own.get("attributes", {}), key: value}
    return keys
