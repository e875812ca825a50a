"""One Pascal VOC annotation file: its XML to rows and back (datatools/formats/voc.py is the user's page).

Writing makes what every VOC reader knows, reads that back, and puts only what came back different, or not at all,
into an element `<datatools>` as JSON. So nothing is lost, and a standard field edited by another tool stays edited.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Context, Decimal
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from datatools.formats.base import is_number
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.rows import (
    BrokenBoxError,
    BrokenRowError,
    apply_patch,
    apply_record_patch,
    make_patch,
    same_json,
)
from datatools.masks import MaskError, Rings, Rle, dump_mask, find_bounds, parse_mask
from datatools.schema import ANNOTATIONS, BOX

Row = dict[str, Any]
OURS = "datatools"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
FLAGS = ("truncated", "difficult", "occluded", "segmented", "depth")  # whole numbers, where they are written as such
OBJECT_FIELDS = ("pose", "truncated", "difficult", "occluded", "part", "actions", "point")
DEFAULTS = {"pose": "Unspecified", "truncated": "0", "difficult": "0"}  # the devkit's reader stops without them
OBJECT_COLUMNS = frozenset({"name", "bndbox", "polygon", OURS})  # what is read into columns
RECORD_COLUMNS = frozenset({"object", "size", OURS})
RECORD_FIELDS = ("folder", "filename", "path", "source", "owner", "segmented")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}", re.ASCII)
TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
NO_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
EXACT = Context(prec=1100)  # digits: any float plus one, without rounding


def read_patch(element: Element) -> dict[str, Any]:
    """The JSON of the child `<datatools>`; empty where there is none. Raises BrokenRowError."""
    text = element.findtext(OURS)
    if text is None:
        return {}
    try:
        patch = parse_json(text.encode())
    except BrokenFileError as error:
        raise BrokenRowError(f"its datatools note is {error}") from error
    if not isinstance(patch, dict):
        raise BrokenRowError("its datatools note is no JSON object")
    return patch


def write_patch(parent: Element, patch: Mapping[str, Any]) -> None:
    """Add `<datatools>` with `patch`, if there is anything in it."""
    if patch:
        SubElement(parent, OURS).text = json.dumps(patch, sort_keys=True, separators=(",", ":"))


def read_object(element: Element, path: str, number: int, base: int) -> Row:
    """The row of the `number`-th object of the image `path`, `attributes` as a dict and `instance` where it has one.

    `base` is the number that the file gives the first pixel. Raises BrokenRowError.
    """
    rings = [_read_ring(polygon) for polygon in element.findall("polygon")]
    corners = element.find("bndbox")
    if corners is None and not rings:
        raise BrokenBoxError("an object needs a bndbox")
    x0, y0, x1, y1 = (None, None, None, None) if corners is None else _read_box(corners, base)
    row: Row = {
        "annotation_id": f"voc/{path}#{number}",
        "path": path,
        "annotator": None,
        "mask": dump_mask(rings) if rings else None,
        "x0_px": x0,
        "y0_px": y0,
        "x1_px": x1,
        "y1_px": y1,
        "label": (element.findtext("name") or "").strip() or None,
        "kind": "mask" if rings else "box",
        "attributes": read_fields(element, OBJECT_COLUMNS),
    }
    patch = read_patch(element)
    return apply_patch(row, patch) if patch else row


def write_object(row: Row, number: int, base: int, extra: Mapping[str, Any]) -> Element:
    """The `<object>` of a row whose box and polygons VOC can hold; `extra` goes into its patch."""
    element = Element("object")
    SubElement(element, "name").text = xml_text(row["label"] or "")
    write_fields(element, row["attributes"], OBJECT_FIELDS)
    for tag, text in DEFAULTS.items():
        if element.find(tag) is None:
            SubElement(element, tag, {OURS: "default"}).text = text
    box = [row[name] for name in BOX]
    bounds = box if box[0] is not None else mask_bounds(row["mask"])
    assert bounds is not None, "is_object() keeps others out"
    _write_box(element, bounds, base)
    for ring in rings_of_row(row):
        _write_ring(element, ring)
    seen = read_object(element, row["path"], number, base)
    in_png = "instance" in extra and "mask" not in extra and seen["mask"] is None
    meant = {**row, "mask": None} if in_png else row
    write_patch(element, {**make_patch(seen, meant), **extra})
    return element


def read_record(root: Element, path: str, given: Row) -> Row | None:
    """The row of RECORDS, `attributes` as a dict: `given` (subset, attributes) and what the file says; None for no record.

    Raises BrokenRowError.
    """
    image = PurePosixPath(path)
    fields = read_fields(root, RECORD_COLUMNS)
    if fields.get("filename") in (image.name, ""):
        del fields["filename"]
    if fields.get("folder") == image.parent.name:
        del fields["folder"]
    sizes, fields = _read_size(root.find("size"), fields)
    row = {"path": path, "metadata": None, **given, **sizes, "attributes": {**given["attributes"], **fields}}
    patch = read_patch(root).get("record", {})
    if patch is None:
        return None
    return row if patch == {} else apply_record_patch(row, patch)


def write_record(row: Row, given: Row, has_record: bool) -> tuple[Element, dict[str, Any]]:
    """The `<annotation>` of an image without its objects, and what its patch must say so that `row` comes back."""
    root = Element("annotation")
    image = PurePosixPath(row["path"])
    fields = {"folder": image.parent.name, "filename": image.name, **row["attributes"]}
    fields = {key: value for key, value in fields.items() if key not in ("depth", *given["attributes"])}
    write_fields(root, fields, RECORD_FIELDS)
    _write_size(root, row)
    seen = read_record(root, row["path"], given)
    assert seen is not None
    patch = make_patch(seen, row) if has_record else None
    return root, {} if patch == {} else {"record": patch}


def is_object(row: Row) -> bool:
    """Whether a row has a box, or a mask with an extent: what an `<object>` can say. Others go to the patch whole."""
    box = [row[name] for name in BOX]
    if any(value is None for value in box) and any(value is not None for value in box):
        return False
    if row["kind"] == "box":
        return box[0] is not None and row["mask"] is None
    return row["kind"] == "mask" and row["mask"] is not None and mask_bounds(row["mask"]) is not None


def read_fields(element: Element, known: Collection[str]) -> dict[str, Any]:
    """The children that are not `known` and the `<attributes>` list, by name."""
    fields: dict[str, Any] = {}
    has_list = False
    for child in element:
        tag = child.tag
        if tag in known:
            continue
        if tag == "attributes":
            has_list = True
        elif child.get(OURS) != "default":
            if tag in fields:
                _add(fields, tag, _read_value(child))
            else:
                fields[tag] = _read_value(child)
    if not has_list:
        return fields
    named: dict[str, Any] = {}
    for attribute in element.findall("attributes/attribute"):
        _add(named, attribute.findtext("name") or "", _read_typed(attribute.find("value")))
    clash = {name: value for name, value in named.items() if name in fields or name == "attributes"}
    fields |= {name: value for name, value in named.items() if name not in clash}
    if set(clash) == {"attributes"} and isinstance(clash["attributes"], dict):
        clash = clash["attributes"]
    return fields | ({"attributes": clash} if clash else {})


def write_fields(element: Element, fields: Mapping[str, Any], children: Sequence[str]) -> None:
    """Add `fields`: those named in `children` as elements of their own where that reads back alike, else in `<attributes>`."""
    names = [name for name in children if name in fields and _is_element(name, fields[name])]
    for name in names:
        _write_value(element, name, fields[name])
    others = [name for name in sorted(fields) if name not in names and not NO_XML.search(name)]
    listed = SubElement(element, "attributes") if others else element
    for name in others:
        attribute = SubElement(listed, "attribute")
        SubElement(attribute, "name").text = name
        value = SubElement(attribute, "value")
        plain = isinstance(fields[name], str) and not NO_XML.search(fields[name])
        value.text = fields[name] if plain else json.dumps(fields[name], sort_keys=True)
        if not plain:
            value.set("type", "json")


def find_base(boxes: Iterable[Element]) -> int:
    """0 where some xmin or ymin is from 0 to below 1, which no 1-based file has; else 1."""
    return 0 if any(is_first(box.findtext("xmin")) or is_first(box.findtext("ymin")) for box in boxes) else 1


@functools.lru_cache(maxsize=8192)
def is_first(text: str | None) -> bool:
    """Whether a coordinate is from 0 to below 1."""
    try:
        return 0 <= read_number(text) < 1
    except BrokenRowError:
        return False


def blank_row(path: str, number: int) -> Row:
    """The row that a patch turns into one which is no object."""
    row = {**dict.fromkeys(ANNOTATIONS.columns), "annotation_id": f"voc/{path}#{number}", "path": path}
    return {**row, "kind": "label", "attributes": {}}


@functools.lru_cache(maxsize=8192)  # pixels repeat
def read_number(text: str | None) -> Decimal:
    """A coordinate as it is written; raises BrokenRowError."""
    text = (text or "").strip()
    if not NUMBER.fullmatch(text) or not is_number(float(text)):
        raise BrokenBoxError(f"a coordinate must be a finite number, got {text!r}")
    return Decimal(text)


def read_corners(texts: Sequence[str], base: int) -> list[float]:
    """`x0, y0, x1, y1` in pixels from xmin, ymin, xmax and ymax as a file writes them; raises BrokenBoxError."""
    x0, y0, x1, y1 = texts
    return [_read_corner(x0, base), _read_corner(y0, base), _read_corner(x1, 0), _read_corner(y1, 0)]


def number_text(value: float, shift: int = 0) -> str:
    """`value + shift` in decimal digits, exactly."""
    number = EXACT.add(Decimal(repr(float(value))), shift)
    return str(int(number)) if number == number.to_integral_value(context=EXACT) else format(number, "f")


def mask_bounds(mask: str) -> tuple[float, ...] | None:
    """`x0, y0, x1, y1` around a mask in pixels, half-open; None for one without extent, with an empty ring, or that is no mask."""
    try:
        shape = parse_mask(mask)
    except MaskError:
        return None
    return find_bounds(shape) if isinstance(shape, Rle) or all(shape) else None


def rings_of_row(row: Row) -> Rings:
    """The polygons of a mask row; none for run lengths."""
    mask = parse_mask(row["mask"]) if row["mask"] is not None else []
    return [] if isinstance(mask, Rle) else mask


def xml_text(text: str) -> str:
    """`text` with a replacement character for what XML 1.0 cannot hold."""
    return NO_XML.sub("\ufffd", text)


def _read_box(corners: Element, base: int) -> list[Any]:
    texts = {child.tag: child.text or "" for child in reversed(corners)}  # of two, the first
    try:
        return read_corners([texts[name] for name in CORNERS], base)
    except KeyError as error:
        raise BrokenBoxError(f"its bndbox has no {error.args[0]}") from error


@functools.lru_cache(maxsize=8192)
def _read_corner(text: str, shift: int) -> float:
    return float(EXACT.subtract(read_number(text), shift))


def _write_box(element: Element, box: Sequence[float], base: int) -> None:
    corners = SubElement(element, "bndbox")
    for index, name in enumerate(CORNERS):
        SubElement(corners, name).text = number_text(box[index], base if index < 2 else 0)


def _read_ring(polygon: Element) -> list[list[float]]:
    """`<x1/><y1/><x2/><y2/>...`, as Roboflow writes it, or `<pt><x/><y/></pt>...`."""
    values = {str(child.tag): child.text for child in polygon}
    pairs = [(point.findtext("x"), point.findtext("y")) for point in polygon.findall("pt")]
    count = 0 if pairs else len(polygon) // 2
    pairs += [(values.get(f"x{n}"), values.get(f"y{n}")) for n in range(1, count + 1)]
    if not pairs or (count and len(values) != 2 * count):
        raise BrokenRowError("a polygon needs x1, y1, x2, y2 and so on")
    return [[float(read_number(x)), float(read_number(y))] for x, y in pairs]


def _write_ring(element: Element, ring: Sequence[Sequence[float]]) -> None:
    polygon = SubElement(element, "polygon")
    for number, (x, y) in enumerate(ring, start=1):
        SubElement(polygon, f"x{number}").text = number_text(x)
        SubElement(polygon, f"y{number}").text = number_text(y)


def _add(fields: dict[str, Any], name: str, value: Any) -> None:
    if name not in fields:
        fields[name] = value
    elif isinstance(fields[name], list):
        fields[name].append(value)
    else:
        fields[name] = [fields[name], value]


def _read_value(element: Element) -> Any:
    """A leaf as its text, a whole number for a flag; an element with children or XML attributes as a dict."""
    text = (element.text or "").strip()
    if not len(element) and not element.keys():  # `attrib` would make a dict
        return int(text) if element.tag in FLAGS and WHOLE.fullmatch(text) else text
    value: dict[str, Any] = {f"@{name}": content for name, content in element.attrib.items()}
    for child in element:
        _add(value, str(child.tag), _read_value(child))
    return value | ({"#text": text} if text else {})


def _write_value(parent: Element, name: str, value: Any) -> None:
    for item in value if isinstance(value, list) else [value]:
        element = SubElement(parent, name)
        if not isinstance(item, dict):
            element.text = str(item)
            continue
        for key, inner in item.items():
            if key.startswith("@"):
                element.set(key[1:], inner)
            elif key == "#text":
                element.text = inner
            else:
                _write_value(element, key, inner)


def _is_element(name: str, value: Any) -> bool:
    """Whether `value` comes back from an element called `name`."""
    if not _is_writable(name, value):
        return False
    trial = Element("trial")
    _write_value(trial, name, value)
    return same_json(read_fields(trial, ()), {name: value})


def _is_writable(name: str, value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_writable(name, item) for item in value)
    if isinstance(value, dict):
        return all(
            (isinstance(inner, str) and not NO_XML.search(inner) and bool(TAG.fullmatch(key[1:])))
            if key.startswith(("@", "#"))
            else bool(TAG.fullmatch(key)) and key != "attributes" and _is_writable(key, inner)
            for key, inner in value.items()
        )
    return type(value) is int or (isinstance(value, str) and not NO_XML.search(value))


def _read_typed(value: Element | None) -> Any:
    text = "" if value is None else value.text or ""
    if value is None or value.get("type") != "json":
        return text
    try:
        return parse_json(text.encode())
    except BrokenFileError:
        return text


def _read_size(size: Element | None, fields: dict[str, Any]) -> tuple[Row, dict[str, Any]]:
    values = {} if size is None else _read_value(size)
    values = values if isinstance(values, dict) else {"#text": values}
    row: Row = {}
    for name in ("width", "height"):
        text = values.get(name)
        row[f"{name}_px"] = int(text) if isinstance(text, str) and WHOLE.fullmatch(text) else None
    understood = {name for name in ("width", "height") if row[f"{name}_px"] is not None}
    if type(values.get("depth")) is int and "depth" not in fields:
        fields["depth"] = values["depth"]
        understood.add("depth")
    if set(values) - understood - {"#text"} and "size" not in fields:
        fields["size"] = values
    return row, fields


def _write_size(root: Element, row: Row) -> None:
    depth = row["attributes"].get("depth")
    values = {"width": row["width_px"], "height": row["height_px"], "depth": depth if type(depth) is int else None}
    size = SubElement(root, "size")
    for name, value in values.items():
        if value is not None:
            SubElement(size, name).text = str(value)
    if not len(size):
        root.remove(size)
