"""The names in CVAT XML, and its texts as values (datatools/formats/cvat.py is the user's page)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from datatools.formats.base import is_number
from datatools.formats.carried import is_size

Types = Mapping[tuple[str, str], str]  # (label, attribute) -> input type
CORNERS = ("xtl", "ytl", "xbr", "ybr")
ELLIPSE = ("cx", "cy", "rx", "ry")
CROP = ("left", "top", "width", "height")
CUBOID = tuple(f"{axis}{corner}{face}" for face in "12" for corner in ("tl", "bl", "tr", "br") for axis in "xy")
GEOMETRY = {
    "box": (*CORNERS, "rotation"),
    "polygon": ("points",),
    "polyline": ("points",),
    "points": ("points",),
    "ellipse": (*ELLIPSE, "rotation"),
    "mask": (*CROP, "rle"),
    "cuboid": CUBOID,
    "skeleton": (),
    "tag": (),
}
ALIASES = {"line": "polyline", "linestrip": "polyline", "point": "points"}
TYPED = {
    "occluded": bool,
    "outside": bool,
    "keyframe": bool,
    "z_order": int,
    "group_id": int,
    "frame": int,
    "track_id": int,
}
TYPED |= {"source": str}
DEFAULTS = {"occluded": "0", "z_order": "0"}  # CVAT always writes them, and asks for the first
OWN_NAMES = ("datatools_id", "datatools_annotator", "datatools_json")
DERIVED = {
    "label",
    "shape",
    "points",
    "rotation",
    "elements",
    "attributes",
    "choices",
    "tags",
    *CORNERS,
    *ELLIPSE,
    *CROP,
}
DERIVED |= {"rle", *CUBOID}
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def is_taken(name: str) -> bool:
    """Whether an `<attribute>` of that name is read into the nested attributes, or not as an attribute at all."""
    return name in DERIVED or name in TYPED or name == "id" or name in OWN_NAMES


def is_int(text: str) -> bool:
    """Whether `text` is a whole number that is written as the same text again."""
    return bool(re.fullmatch(r"0|-?[1-9]\d{0,17}", text, re.ASCII))


def to_size(text: str | None) -> int | None:
    """A side of an image; None for any other text."""
    return int(text) if text and text.isdecimal() and text.isascii() and len(text) < 10 and is_size(int(text)) else None


def typed_value(name: str, text: str) -> Any:
    """The text of an XML attribute of CVAT's own as bool, int or text."""
    if TYPED.get(name) is bool and text in ("0", "1"):
        return text == "1"
    return int(text) if TYPED.get(name) is int and is_int(text) else text


def typed_attribute(kind: str | None, text: str) -> Any:
    """The text of an `<attribute>` as its label's specification has it; text that would not come back stays text."""
    if kind == "checkbox" and text in ("true", "false"):
        return text == "true"
    if kind == "number" and is_int(text):
        return int(text)
    if kind == "number" and NUMBER.fullmatch(text) and is_number(float(text)) and repr(float(text)) == text:
        return float(text)
    return text
