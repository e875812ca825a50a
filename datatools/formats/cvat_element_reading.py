"""Reading one shape or tag of CVAT (datatools/formats/cvat.py is the user's page)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from datatools.formats.base import is_number
from datatools.formats.carried import is_size, own_of, place_mask
from datatools.formats.cvat_names import (
    CORNERS,
    CROP,
    DEFAULTS,
    GEOMETRY,
    NUMBER,
    OWN_NAMES,
    Types,
    is_int,
    is_taken,
    typed_attribute,
    typed_value,
)
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.rows import BrokenBoxError, BrokenRleError, BrokenRowError, dump_row_attributes
from datatools.masks import MAX_PIXELS, dump_mask
from datatools.schema import ANNOTATIONS, BOX

Row = dict[str, Any]


def read_element(
    element: Element, size_hw: tuple[Any, Any], types: Types, shared: Mapping[str, str] | None = None
) -> tuple[Row, int | None]:
    """One shape or tag as a row, and which ring of its mask it is where it is one of several."""
    if element.tag not in GEOMETRY:
        raise BrokenRowError(f"<{element.tag}> is no shape of CVAT: {', '.join(GEOMETRY)}")
    given = {**(shared or {}), **element.attrib}
    label = given.pop("label", "") or None
    texts, own = _read_attributes(element)
    attributes = {key: typed_value(key, text) for key, text in given.items() if key not in GEOMETRY[element.tag]}
    for name, default in DEFAULTS.items():
        if given.get(name) == default:
            del attributes[name]
    if own.get("grouped"):
        attributes.pop("group_id", None)
    nested: Row = {}
    for name, text in texts.items():
        taken = name in attributes or is_taken(name)
        (nested if taken else attributes)[name] = typed_attribute(types.get((label or "", name)), text)
    row: Row = {**dict.fromkeys(ANNOTATIONS.columns), "label": label}
    row |= {"annotation_id": own.get("id"), "annotator": own.get("annotator")}
    row |= _read_geometry(element, attributes, own, size_hw)
    attributes |= {"attributes": nested} if nested else {}
    row["attributes"] = dump_row_attributes(attributes | own.get("attributes", {}))
    return row, own.get("ring")


def _read_attributes(element: Element) -> tuple[dict[str, str], Row]:
    """The `<attribute>` texts by name, and what datatools keeps among them."""
    texts: dict[str, str] = {}
    for child in element.iterfind("attribute"):
        name = child.get("name")
        if name is None or name in texts:
            raise BrokenRowError(
                "an attribute needs a name" if name is None else f"the attribute {name!r} is there twice"
            )
        texts[name] = child.text or ""
    name, annotator, rest = (texts.pop(name, None) for name in OWN_NAMES)
    try:
        own = parse_json(rest.encode()) if rest else {}
    except BrokenFileError as error:
        raise BrokenRowError(f"datatools_json: {error}") from error
    own = own_of(own)
    own = {**own, "id": name} if name else own
    return texts, {**own, "annotator": annotator} if annotator is not None else own


def _read_geometry(element: Element, attributes: Row, own: Row, size_hw: tuple[Any, Any]) -> Row:
    kind = element.tag
    if kind == "tag":
        return {"kind": "label"}
    if kind == "box":
        numbers = [_number(element, name) for name in CORNERS]
        rotation = _number(element, "rotation", "0")
        if not rotation:
            return {"kind": "box", **dict(zip(BOX, map(float, numbers), strict=True))}
        attributes |= {"shape": "rotated_box", "points": [numbers[:2], numbers[2:]], "rotation": rotation}
    elif kind in ("polygon", "mask"):
        mask = dump_mask([_points(element, float)]) if kind == "polygon" else _read_mask(element, own, size_hw)
        box = dict(zip(BOX, map(float, own["box"]), strict=True)) if own.get("box") else {}
        return {"kind": "mask", "mask": mask, **box}
    elif kind in ("polyline", "points"):
        attributes |= {"shape": kind, "points": _points(element, _exact)}
    elif kind == "skeleton":
        attributes |= {"shape": kind, "elements": [_read_part(part) for part in element if part.tag != "attribute"]}
    else:
        attributes |= {"shape": kind, **{name: _number(element, name) for name in GEOMETRY[kind] if name != "rotation"}}
        if kind == "ellipse" and (rotation := _number(element, "rotation", "0")):
            attributes["rotation"] = rotation
    return {"kind": "shape"}


def _read_part(part: Element) -> Row:
    """A part of a skeleton: texts as they stand."""
    texts = {child.get("name", ""): child.text or "" for child in part.iterfind("attribute")}
    return {"type": part.tag, **part.attrib, **({"attributes": texts} if texts else {})}


def _number(element: Element, name: str, default: str | None = None) -> float:
    text = element.get(name, default)
    if text is None or not NUMBER.fullmatch(text.strip()) or not is_number(float(text)):
        raise BrokenBoxError(f"{name} of a {element.tag} must be a finite number, got {text!r}")
    return _exact(text.strip())


def _exact(text: str) -> float:
    """The number as it was written: `3` is an int, `3.00` a float."""
    return int(text) if is_int(text) else float(text)


def _points(element: Element, convert: Callable[[str], float]) -> list[list[float]]:
    points = []
    for pair in (element.get("points") or "").split(";"):
        numbers = [text.strip() for text in pair.split(",")]
        if len(numbers) != 2 or not all(NUMBER.fullmatch(text) and is_number(float(text)) for text in numbers):
            raise BrokenBoxError(f"points of a {element.tag} must be x,y;x,y;... in finite numbers, got {pair[:40]!r}")
        points.append([convert(text) for text in numbers])
    return points


def _read_mask(element: Element, own: Row, size_hw: tuple[Any, Any]) -> str:
    height, width = own.get("size") or size_hw
    if not is_size(height) or not is_size(width) or height * width > MAX_PIXELS:
        raise BrokenRowError(f"a mask needs an image with width and height, at most {MAX_PIXELS} pixels")
    left, top, crop_width, crop_height = (int(_number(element, name)) for name in CROP)
    texts = [text.strip() for text in (element.get("rle") or "").split(",")]
    if not all(text.isdecimal() and text.isascii() and len(text) < 10 for text in texts):
        raise BrokenRleError("rle of a mask must be whole numbers from 0, separated by commas")
    counts = [int(text) for text in texts]
    if (
        min(crop_width, crop_height) < 1
        or crop_width * crop_height > MAX_PIXELS
        or sum(counts) != crop_width * crop_height
    ):
        raise BrokenRleError(
            f"rle of a mask adds up to {sum(counts)}, but width x height is {crop_width} x {crop_height}"
        )
    if left < 0 or top < 0 or left + crop_width > width or top + crop_height > height:
        raise BrokenRleError(f"the mask hangs over the image of {width} x {height} pixels")
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(crop_height, crop_width)
    return place_mask(pixels, (left, top), (height, width)).to_json()
