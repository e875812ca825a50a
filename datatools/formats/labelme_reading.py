"""Reading LabelMe: a document, its shapes and flags (datatools/formats/labelme.py is the user's page)."""

from __future__ import annotations

import base64
import binascii
import posixpath
from pathlib import PurePosixPath
from typing import Any

from datatools.formats.base import dump_attributes
from datatools.formats.carried import (
    GIVEN,
    OWN,
    choices_label,
    floats,
    is_points,
    is_size,
    own_of,
    place_mask,
    unpack_record,
)
from datatools.formats.documents import BrokenFileError, has_nan
from datatools.formats.locate import ImageIndex, clean_path
from datatools.formats.rows import NOT_JSON, BrokenBoxError, BrokenRowError, dump_row_attributes
from datatools.images import UnreadableImageError
from datatools.index_images import decode_index_mask
from datatools.masks import MAX_PIXELS, dump_mask
from datatools.schema import ANNOTATIONS, BOX

Row = dict[str, Any]
SHAPE_KEYS = frozenset({"label", "points", "shape_type", "mask", "group_id", "flags", "description", OWN})
FILE_KEYS = frozenset({"shapes", "imagePath", "imageData", "imageHeight", "imageWidth", "flags", OWN})


def check_document(document: Any) -> Row:
    """`document`, where it is LabelMe's; raises BrokenFileError."""
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise BrokenFileError("a LabelMe file needs the list shapes")
    if not isinstance(document.get("imagePath"), str) or not clean_path(document["imagePath"]).strip("."):
        raise BrokenFileError("a LabelMe file needs imagePath, the name of its image")
    own = document.get(OWN, {})
    if not isinstance(own, dict) or not isinstance(own.get("annotations", []), list):
        raise BrokenFileError(f"{OWN} must be an object, and its annotations a list")
    rest = {key: value for key, value in document.items() if key not in ("shapes", OWN)}
    if has_nan(rest) or has_nan(own.get("record")):
        raise BrokenFileError(f"not JSON: {NOT_JSON}")
    return document


def has_shapes(document: Row) -> bool:
    """Whether a document has more than labels of the whole image."""
    carried = document.get(OWN, {}).get("annotations", [])
    return bool(document["shapes"]) or any(isinstance(row, dict) and row.get("kind") != "label" for row in carried)


def image_of(document: Row, file: str, index: ImageIndex) -> str:
    """The path of the image that a document in `file` is about."""
    name = document["imagePath"]
    near = posixpath.normpath(posixpath.join(posixpath.dirname(file), clean_path(name)))
    found = index.find(near) or index.find(name) or index.with_stem(str(PurePosixPath(file).with_suffix("")))
    return found or (clean_path(name) if near.startswith("../") else near)


def read_record(document: Row, path: str, source: str) -> Row | None:
    """The image's record; None where datatools wrote that there is none."""
    own = document.get(OWN, {})
    if "record" in own:
        record = unpack_record(own["record"])
        return None if record is None else {**record, "path": path, "source": source}
    attributes = {key: value for key, value in document.items() if key not in FILE_KEYS}
    if document.get("flags"):
        attributes["flags"] = document["flags"]
    sizes = {"width_px": document.get("imageWidth"), "height_px": document.get("imageHeight")}
    for name, key in (("width_px", "imageWidth"), ("height_px", "imageHeight")):
        if sizes[name] is not None and not is_size(sizes[name]):
            attributes[key], sizes[name] = sizes[name], None
    named = posixpath.normpath(posixpath.join(posixpath.dirname(source), document["imagePath"].replace("\\", "/")))
    if named != path:
        attributes["imagePath"] = document["imagePath"]
    record = {"path": path, **sizes, "subset": None, "metadata": None, "source": source}
    return {**record, "attributes": dump_attributes(attributes)}


def flags_label(flags: Any, path: str) -> Row | None:
    """The label that LabelMe's flags (name -> bool) give the image; None where none is true."""
    names = [name for name, value in flags.items() if value is True] if isinstance(flags, dict) else []
    return choices_label(names, path, GIVEN) if names else None


def read_shape(shape: Any, size_hw: tuple[Any, Any]) -> tuple[Row, int | None]:
    """One shape as a row, and which ring of its mask it is where it is one of several."""
    if not isinstance(shape, dict):
        raise BrokenRowError("a shape must be an object")
    own = own_of(shape.get(OWN))
    if not is_points(shape.get("points")):
        raise BrokenBoxError("points must be a list of [x, y] in finite numbers, at least one")
    attributes = {key: value for key, value in shape.items() if key not in SHAPE_KEYS}
    for key in ("group_id", "flags", "description"):
        if shape.get(key) not in (None, {}) and not (key == "group_id" and own.get("grouped")):
            attributes[key] = shape[key]
    label = shape.get("label")
    if label is not None and not isinstance(label, str):
        attributes["label"], label = label, None
    row: Row = {**dict.fromkeys(ANNOTATIONS.columns), "label": label or None}
    row |= {"annotation_id": own.get("id"), "annotator": own.get("annotator")}
    _read_geometry(row, attributes, shape, own, size_hw)
    row["attributes"] = dump_row_attributes(attributes | own.get("attributes", {}))
    return row, own.get("ring")


def _read_geometry(row: Row, attributes: Row, shape: Row, own: Row, size_hw: tuple[Any, Any]) -> None:
    kind, points = shape.get("shape_type") or "polygon", shape["points"]
    if kind == "rectangle":
        row["kind"] = "box"
        row |= zip(BOX, _read_box(points, own), strict=True)
        if points != [[row["x0_px"], row["y0_px"]], [row["x1_px"], row["y1_px"]]]:
            attributes["corners"] = points
    elif kind in ("polygon", "mask"):
        row["kind"] = "mask"
        row["mask"] = dump_mask([floats(points)]) if kind == "polygon" else _read_mask(shape, own, size_hw, attributes)
        if own.get("box"):
            row |= zip(BOX, map(float, own["box"]), strict=True)
    else:
        row["kind"] = "shape"
        attributes |= {"shape": kind, "points": points}


def _read_box(points: list[list[float]], own: Row) -> list[float]:
    xs, ys = sorted({x for x, _ in points}), sorted({y for _, y in points})
    whole = (
        len(points) == 4 and len({tuple(point) for point in points}) == len(xs) * len(ys) and max(len(xs), len(ys)) < 3
    )
    if len(points) != 2 and not whole:
        raise BrokenBoxError(f"a rectangle needs two opposite corners, got {len(points)} points")
    box = [xs[0], ys[0], xs[-1], ys[-1]]
    kept = own.get("box")
    if kept and [*sorted(kept[::2]), *sorted(kept[1::2])] == [box[0], box[2], box[1], box[3]]:
        box = kept  # its corners are not in order; someone who moved it in LabelMe has put it in order
    return [float(value) for value in box]


def _read_mask(shape: Row, own: Row, size_hw: tuple[Any, Any], attributes: Row) -> str:
    height, width = own.get("size") or size_hw
    if not is_size(height) or not is_size(width) or height * width > MAX_PIXELS:
        raise BrokenRowError(
            f"a mask needs imageHeight and imageWidth up to {MAX_PIXELS} pixels, got {height!r}, {width!r}"
        )
    points = shape["points"]
    if len(points) != 2 or not isinstance(shape.get("mask"), str):
        raise BrokenRowError("a mask needs two corners and a PNG in base64")
    try:
        pixels = decode_index_mask(base64.b64decode(shape["mask"], validate=True))
    except (binascii.Error, ValueError, UnreadableImageError) as error:
        raise BrokenRowError(f"the PNG of a mask cannot be read: {error}") from error
    (x0, y0), (x1, y1) = points
    whole = all(float(value).is_integer() for value in (x0, y0, x1, y1))
    if whole and pixels.shape != (y1 - y0 + 1, x1 - x0 + 1):
        raise BrokenRowError(
            f"the PNG of a mask is {pixels.shape[1]} x {pixels.shape[0]} pixels, its corners say otherwise"
        )
    rle = place_mask(pixels, (round(x0), round(y0)), (height, width))
    if not whole:
        attributes["points"] = points
    return rle.to_json()
