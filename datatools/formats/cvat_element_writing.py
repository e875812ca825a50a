"""Writing one annotation as shapes or tags of CVAT (datatools/formats/cvat.py is the user's page)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from datatools.formats.base import is_number, load_attributes
from datatools.formats.carried import crop_mask, is_points, join_rings, same_row
from datatools.formats.cvat_element_reading import read_element
from datatools.formats.cvat_names import (
    ALIASES,
    CORNERS,
    DEFAULTS,
    GEOMETRY,
    OWN_NAMES,
    TYPED,
    Types,
    is_taken,
    typed_attribute,
)
from datatools.formats.cvat_reading import join_tags
from datatools.formats.rows import BrokenRowError
from datatools.formats.xml_writing import ILLEGAL
from datatools.masks import MaskError, Rle, parse_mask
from datatools.schema import BOX

Row = dict[str, Any]


def to_elements(row: Row, size_hw: tuple[Any, Any], group: int, types: Types) -> list[Element]:
    """The elements that say what `row` says; none where CVAT has no such thing."""
    attributes = load_attributes(row["attributes"])
    own: Row = {}
    is_label = row["kind"] == "label"
    elements = _to_tags(row, attributes) if is_label else _to_geometry(row, attributes, own, size_hw)
    for number, element in enumerate(elements, start=1):
        label = element.get("label", row["label"] or "")
        element.set("label", label)
        mine = dict(own)
        if len(elements) > 1 and row["kind"] == "mask":
            mine |= {"ring": number} | ({} if type(attributes.get("group_id")) is int else {"grouped": True})
            element.set("group_id", str(attributes["group_id"] if "grouped" not in mine else group))
        kept = attributes
        if row["kind"] == "label" and len(elements) > 1:
            kept = (attributes.get("tags") or [{}] * len(elements))[number - 1]
        elif number > 1:
            kept = {}
        _set_attributes(element, kept, mine, types)
        _set_own(element, row, mine)
    return elements if elements and _reads_back(elements, row, size_hw, types) else []


def _reads_back(elements: Sequence[Element], row: Row, size_hw: tuple[Any, Any], types: Types) -> bool:
    if any(ILLEGAL.search(text) for element in elements for part in element.iter() for text in _texts(part)):
        return False
    try:
        found = [read_element(element, size_hw, types) for element in elements]
    except BrokenRowError:
        return False
    again = join_tags([item for item, _ in found], row["path"]) if row["kind"] == "label" else join_rings(found)
    return len(again) == 1 and same_row({**again[0], "path": row["path"]}, row)


def _texts(element: Element) -> list[str]:
    return [element.tag, element.text or "", *element.attrib, *element.attrib.values()]


def _to_tags(row: Row, attributes: Row) -> list[Element]:
    choices, tags = attributes.get("choices"), attributes.get("tags")
    if row["label"] is not None or not isinstance(choices, list) or len(choices) < 2:
        return [Element("tag")]
    fits = tags is None or (isinstance(tags, list) and len(tags) == len(choices))
    if not fits or not all(isinstance(name, str) for name in choices) or set(attributes) - {"choices", "tags"}:
        return []
    if tags is not None and not all(isinstance(tag, dict) for tag in tags):
        return []
    return [Element("tag", {"label": name}) for name in choices]


def _to_geometry(row: Row, attributes: Row, own: Row, size_hw: tuple[Any, Any]) -> list[Element]:
    box = [row[name] for name in BOX]
    has_box = all(value is not None and is_number(value) for value in box)
    if row["kind"] == "box" and has_box:
        return [Element("box", dict(zip(CORNERS, map(repr, box), strict=True)))]
    if row["kind"] == "mask" and row["mask"] is not None:
        own |= {"box": box} if has_box else {}
        return _to_mask(row["mask"], own, size_hw)
    return _to_shape(attributes, own) if row["kind"] == "shape" else []


def _to_mask(text: str, own: Row, size_hw: tuple[Any, Any]) -> list[Element]:
    try:
        mask = parse_mask(text)
    except MaskError:
        return []
    if not isinstance(mask, Rle):
        return (
            [Element("polygon", {"points": _join_points(ring)}) for ring in mask] if all(map(is_points, mask)) else []
        )
    if mask.size_hw != size_hw:
        own["size"] = list(mask.size_hw)
    x, y, pixels = crop_mask(mask)
    flat = pixels.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    counts = [*([0] if flat[0] else []), *np.diff(edges).tolist()]
    crop = {"left": x, "top": y, "width": pixels.shape[1], "height": pixels.shape[0]}
    return [Element("mask", {"rle": ", ".join(map(str, counts)), **{name: str(value) for name, value in crop.items()}})]


def _join_points(points: Any) -> str:
    return ";".join(f"{x!r},{y!r}" for x, y in points)


def _to_shape(attributes: Row, own: Row) -> list[Element]:
    kind = attributes.get("shape")
    name = ALIASES.get(kind, kind) if isinstance(kind, str) else None
    points: Any = attributes.get("points")
    rotation = attributes.get("rotation")
    turn = {"rotation": repr(rotation)} if is_number(rotation) else {}
    if name == "rotated_box" and is_points(points, range(2, 3)) and turn:
        return [Element("box", {**dict(zip(CORNERS, map(repr, [*points[0], *points[1]]), strict=True)), **turn})]
    if name in ("polyline", "points") and is_points(points):
        own |= {"attributes": {"shape": kind}} if kind != name else {}
        return [Element(name, {"points": _join_points(points)})]
    if name in ("ellipse", "cuboid") and all(
        is_number(attributes.get(key)) for key in GEOMETRY[name] if key != "rotation"
    ):
        numbers = {key: repr(attributes[key]) for key in GEOMETRY[name] if key != "rotation"}
        return [Element(name, {**numbers, **(turn if name == "ellipse" else {})})]
    parts = attributes.get("elements")
    if name == "skeleton" and isinstance(parts, list) and all(map(_is_part, parts)):
        skeleton = Element("skeleton")
        skeleton.extend(_to_part(part) for part in parts)
        return [skeleton]
    return []


def _is_part(part: Any) -> bool:
    texts = part.get("attributes", {}) if isinstance(part, dict) else None
    return (
        isinstance(texts, dict)
        and part.get("type") in set(GEOMETRY) - {"tag", "skeleton"}
        and all(isinstance(value, str) for value in texts.values())
        and all(
            isinstance(value, str) and re.fullmatch(r"\w+", key) for key, value in part.items() if key != "attributes"
        )
    )


def _to_part(part: Row) -> Element:
    element = Element(part["type"], {key: value for key, value in part.items() if key not in ("type", "attributes")})
    for name, text in part.get("attributes", {}).items():
        SubElement(element, "attribute", {"name": name}).text = text
    return element


def _set_attributes(element: Element, attributes: Row, own: Row, types: Types) -> None:
    """Attributes as CVAT has them; those that would not come back as they are go to `own`."""
    label, drawn = element.get("label", ""), _drawn(element)
    if element.tag not in ("tag", "skeleton"):
        element.set("occluded", "0")
    for key, value in attributes.items():
        plain = _typed_text(key, value)
        if key in drawn:
            continue
        if plain is not None and DEFAULTS.get(key) != plain:
            element.set(key, plain)
        elif key == "attributes" and isinstance(value, dict) and value and all(map(is_taken, value)):
            _add_texts(element, value, label, types, own, nested=True)
        elif not is_taken(key):
            _add_texts(element, {key: value}, label, types, own)
        else:
            _keep(own, key, value)


def _add_texts(element: Element, values: Row, label: str, types: Types, own: Row, nested: bool = False) -> None:
    texts = {key: _attribute_text(value, types.get((label, key))) for key, value in values.items()}
    if any(text is None or ILLEGAL.search(f"{key}{text}") for key, text in texts.items()):
        for key, value in {"attributes": values}.items() if nested else values.items():
            _keep(own, key, value)
        return
    for key, text in texts.items():
        SubElement(element, "attribute", {"name": key}).text = text


def _keep(own: Row, key: str, value: Any) -> None:
    own["attributes"] = {**own.get("attributes", {}), key: value}


def _set_own(element: Element, row: Row, own: Row) -> None:
    texts = (row["annotation_id"], row["annotator"], json.dumps(own, sort_keys=True) if own else None)
    for name, text in zip(OWN_NAMES, texts, strict=True):
        if text is not None:
            SubElement(element, "attribute", {"name": name}).text = text


def _drawn(element: Element) -> set[str]:
    """The attributes that the reader makes of an element's geometry."""
    if element.tag in ("polyline", "points"):
        return {"shape", "points"}
    if element.tag == "box":
        return {"shape", "points", "rotation"} if "rotation" in element.attrib else set()
    if element.tag in ("ellipse", "cuboid"):
        return {"shape", *(name for name in GEOMETRY[element.tag] if name in element.attrib)}
    return {"shape", "elements"} if element.tag == "skeleton" else set()


def _typed_text(key: str, value: Any) -> str | None:
    if type(value) is not TYPED.get(key) or (type(value) is int and abs(value) >= 10**15):
        return None
    return str(int(value)) if isinstance(value, bool) else str(value)


def _attribute_text(value: Any, kind: str | None) -> str | None:
    """The text of an `<attribute>`; None where it would not be read as `value` again."""
    if not isinstance(value, str | bool | int | float):
        return None
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)
    again = typed_attribute(kind, text)
    return text if type(again) is type(value) and again == value else None
