"""The `<meta>` of CVAT XML, read and written (datatools/formats/cvat.py is the user's page)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from datatools.formats.base import Content, is_number, load_attributes
from datatools.formats.carried import OWN
from datatools.formats.cvat_names import OWN_NAMES, is_taken, to_size
from datatools.formats.documents import BrokenFileError, parse_json, parse_xml
from datatools.formats.xml_writing import ILLEGAL

Row = dict[str, Any]


def own_meta(root: Element) -> Row:
    """`{"datatools": {...}}` where datatools wrote the file, else empty."""
    text = root.findtext(f"meta/{OWN}")
    try:
        own = parse_json((text or "").encode())
    except BrokenFileError:
        return {}
    return {OWN: own} if isinstance(own, dict) else {}


def own_classes(own: Row, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes that datatools kept, else `classes`."""
    kept = own.get("classes")
    return tuple(kept) if isinstance(kept, list) and all(isinstance(name, str) for name in kept) else classes


def own_extras(own: Row, extras: Row) -> Row:
    """The extras that datatools kept, else `extras`."""
    kept = own.get("extras")
    return kept if isinstance(kept, dict) else extras


def types_of(meta: Element | None) -> dict[tuple[str, str], str]:
    """The input type of each attribute of each label."""
    types = {}
    for label in meta.iterfind(".//labels/label") if meta is not None else ():
        for attribute in label.iterfind("attributes/attribute"):
            key = (label.findtext("name") or "", attribute.findtext("name") or "")
            types[key] = attribute.findtext("input_type") or "text"
    return types


def original_size(root: Element) -> tuple[int | None, int | None]:
    """Width and height of a video."""
    width, height = (root.findtext(f"meta/task/original_size/{side}") for side in ("width", "height"))
    return to_size(width), to_size(height)


def to_meta(content: Content, rows: Sequence[Row]) -> tuple[Element, dict[tuple[str, str], str]]:
    """The meta of the file that was read, or a new one, with every label and attribute in use; and the input types."""
    meta = _kept_meta(content.extras.get("cvat"))
    labels = meta.find(".//labels")
    if labels is None:
        task = SubElement(meta, "task")
        SubElement(task, "name").text = "datatools"
        labels = SubElement(task, "labels")
    names = dict.fromkeys([*content.classes, *(row["label"] for row in rows if row["label"])])
    values = _values_by_label(rows)
    for name in names:
        label = next((item for item in labels.iterfind("label") if item.findtext("name") == name), None)
        if label is None:
            label = SubElement(labels, "label")
            SubElement(label, "name").text = ILLEGAL.sub("\ufffd", name)
        found = label.find("attributes")
        attributes = SubElement(label, "attributes") if found is None else found
        known = {item.findtext("name") for item in attributes}
        for key, given in {**values.get(name, {}), **{key: [""] for key in OWN_NAMES}}.items():
            if key not in known and not ILLEGAL.search(key):
                _add_specification(attributes, key, given)
    return meta, types_of(meta)


def _kept_meta(kept: Any) -> Element:
    for text in kept.values() if isinstance(kept, dict) else ():
        try:
            meta = parse_xml(text.encode()) if isinstance(text, str) else Element("none")
        except BrokenFileError:
            continue
        if meta.tag == "meta":
            for own in meta.findall(OWN):
                meta.remove(own)
            return meta
    return Element("meta")


def _values_by_label(rows: Sequence[Row]) -> dict[str, dict[str, list[Any]]]:
    values: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        for key, value in load_attributes(row["attributes"]).items():
            if row["label"] and not is_taken(key) and isinstance(value, str | bool | int | float):
                values.setdefault(row["label"], {}).setdefault(key, []).append(value)
    return values


def _add_specification(attributes: Element, name: str, values: Sequence[Any]) -> None:
    is_number_ = all(is_number(value) for value in values)
    kind = "checkbox" if all(isinstance(value, bool) for value in values) else "number" if is_number_ else "text"
    limits = f"{min(values)}\n{max(values)}\n1" if kind == "number" else ""
    item = SubElement(attributes, "attribute")
    default = {"checkbox": "false", "number": limits.split("\n")[0], "text": ""}[kind]
    parts = {"name": name, "mutable": "False", "input_type": kind, "default_value": default, "values": limits}
    for part, text in parts.items():
        SubElement(item, part).text = text
