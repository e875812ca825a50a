"""Reading one result of Label Studio: a region or choices (datatools/formats/label_studio.py is the user's page)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datatools.formats.base import dump_attributes, is_number, load_attributes
from datatools.formats.carried import GIVEN, OWN, choices_label, is_points, is_size, own_of
from datatools.formats.label_studio_brush import decode_brush
from datatools.formats.label_studio_names import GEOMETRY, SHAPES, TYPES
from datatools.formats.rows import BrokenBoxError, BrokenRowError, dump_row_attributes
from datatools.masks import dump_mask
from datatools.schema import ANNOTATIONS, BOX

Row = dict[str, Any]
DECIMALS = 9
NEAR = 1e-6  # pixels: exact numbers kept beside percent count as long as nobody moved the region


def read_region(item: Row, who: str | None, size: Row, parts: Sequence[Row] = ()) -> tuple[Row, int | None]:
    """One region as a row without path, and which ring of its mask it is where it is one of several.

    `size` takes the first region's image size (height_px, width_px). Raises BrokenRowError.
    """
    own, value = _own_result(item), item.get("value")
    size_hw: Any = (item.get("original_height"), item.get("original_width"))
    if not all(map(is_size, size_hw)) or not isinstance(value, dict):
        raise BrokenRowError("a region needs a value, and original_width and original_height in pixels")
    size.setdefault("height_px", size_hw[0])
    size.setdefault("width_px", size_hw[1])
    row: Row = {**dict.fromkeys(ANNOTATIONS.columns), "annotator": own.get("annotator", who)}
    name = item.get("id")
    row["annotation_id"] = own.get("id") or (f"label_studio/{name}" if isinstance(name, str) and name else None)
    attributes: Row = {}
    kind = _read_geometry(row, attributes, value, own, size_hw)
    labels = labels_of(item)
    row["label"] = labels[0] if len(labels) == 1 else None
    attributes |= {"labels": labels} if len(labels) > 1 else {}
    attributes |= _item_attributes(item, TYPES[kind])
    if (size["height_px"], size["width_px"]) != size_hw:
        attributes |= {"original_height": size_hw[0], "original_width": size_hw[1]}
    used = {"rotation", *(GEOMETRY if kind != "point" else ("x", "y")), "labels", str(item.get("type"))}
    rest = {key: part for key, part in value.items() if key not in used and (key, part) != ("closed", True)}
    attributes |= {"value": rest} if rest else {}
    attributes |= {"results": list(parts)} if parts else {}
    row["attributes"] = dump_row_attributes(attributes | own.get("attributes", {}))
    return row, own.get("ring")


def read_choices(items: Sequence[Row], path: str, who: str | None) -> list[Row]:
    """The label rows of one annotation: one an annotator; several choices are a null label with all of them."""
    groups: dict[tuple[str, str | None], list[Row]] = {}
    for item in items:
        own = _own_result(item)
        groups.setdefault((own.get("annotator", who) or GIVEN, own.get("id")), []).append(item)
    rows = []
    for (annotator, name), given in groups.items():
        chosen = [item["value"]["choices"] for item in given]
        row = choices_label([choice for choices in chosen for choice in choices], path, annotator)
        attributes = load_attributes(row["attributes"])
        if len(given) > 1:
            attributes["choices"] = [[control_of(item), item["value"]["choices"]] for item in given]
            row["label"] = None
        first = given[0]
        attributes |= (
            _item_attributes(first, "choices") if len(given) == 1 else {"results": [_bare(item) for item in given]}
        )
        rest = {key: part for key, part in first["value"].items() if key != "choices"}
        attributes |= {"value": rest} if rest and len(given) == 1 else {}
        attributes |= _own_result(first).get("attributes", {})
        rows.append({**row, "annotation_id": name or row["annotation_id"], "attributes": dump_attributes(attributes)})
    return rows


def check_choices(item: Row) -> None:
    """Raises BrokenRowError for a choices result that cannot be read."""
    _own_result(item)
    choices = item["value"].get("choices") if isinstance(item.get("value"), dict) else None
    if not isinstance(choices, list) or not choices or not all(isinstance(name, str) for name in choices):
        raise BrokenRowError("choices must be a list of names, at least one")


def _own_result(item: Row) -> Row:
    """What datatools keeps with a result; raises BrokenRowError."""
    meta = item.get("meta")
    return own_of(meta.get(OWN)) if isinstance(meta, dict) else {}


def is_region(item: Row) -> bool:
    """Whether a result draws something."""
    return (
        isinstance(item.get("type"), str)
        and item["type"] in SHAPES
        and isinstance(item.get("value"), dict)
        and bool(GEOMETRY & set(item["value"]))
    )


def labels_of(item: Row) -> list[str]:
    """The labels of a region."""
    value = item.get("value")
    labels = value.get(item["type"], value.get("labels")) if isinstance(value, dict) else None
    return [str(name) for name in labels] if isinstance(labels, list) else []


def control_of(item: Row) -> str:
    """The control that made a result."""
    return str(item.get("from_name", ""))


def _item_attributes(item: Row, usual: str) -> Row:
    """What a result says beside its geometry and labels; what a writer would put there anyway is left out."""
    consumed = ("id", "value", "original_width", "original_height", "meta", "type")
    attributes = {key: value for key, value in item.items() if key not in consumed}
    for key, value in (("from_name", usual), ("to_name", "image"), ("image_rotation", 0)):
        if attributes.get(key, "") == value and not isinstance(attributes[key], bool):
            del attributes[key]
    if item.get("type") != usual:
        attributes["type"] = item.get("type")
    if "meta" in item:
        meta = item["meta"]
        rest = {key: value for key, value in meta.items() if key != OWN} if isinstance(meta, dict) else meta
        attributes |= {"meta": rest} if rest or not (isinstance(meta, dict) and OWN in meta) else {}
    return attributes


def _read_geometry(row: Row, attributes: Row, value: Row, own: Row, size_hw: tuple[int, int]) -> str:
    """Fill in the geometry in pixels; returns what it is, as TYPES has it."""
    if "rle" in value:
        row |= {"kind": "mask", "mask": decode_brush(value["rle"], size_hw).to_json()}
        kind = "rle"
    elif "points" in value:
        if not is_points(value["points"]):
            raise BrokenBoxError("points must be a list of [x, y] in finite numbers, at least one")
        ring = [_to_px([x, y], size_hw) for x, y in value["points"]]
        row |= {"kind": "mask", "mask": dump_mask([_exact_ring(own.get("points"), ring)])}
        kind = "ring"
    else:
        return _read_box(row, attributes, value, own, size_hw)
    if own.get("box"):
        row |= zip(BOX, map(float, own["box"]), strict=True)
    return kind


def _read_box(row: Row, attributes: Row, value: Row, own: Row, size_hw: tuple[int, int]) -> str:
    last = ["radiusX", "radiusY"] if "radiusX" in value else ["width", "height"] if "height" in value else []
    names = ["x", "y", *last]
    rotation = value.get("rotation", 0)
    if not all(is_number(value.get(name)) for name in names) or not is_number(rotation):
        raise BrokenBoxError(f"{', '.join(names)} and rotation must be finite numbers")
    numbers = [float(value[name]) for name in names]
    row["kind"] = "shape"
    if len(names) == 2:
        attributes |= {"shape": "point", "points": _exact_ring(own.get("points"), [_to_px(numbers, size_hw)])}
        attributes |= {"rotation": rotation} if rotation else {}
        return "point"
    if "radiusX" in value:
        numbers = _exact(own.get("box"), [*_to_px(numbers[:2], size_hw), *_to_px(numbers[2:], size_hw)])
        attributes |= {"shape": "ellipse", **dict(zip(("cx", "cy", "rx", "ry"), numbers, strict=True))}
        attributes |= {"rotation": rotation} if rotation else {}
        return "ellipse"
    x, y, width, height = numbers
    box = _exact(own.get("box"), [*_to_px([x, y], size_hw), *_to_px([x + width, y + height], size_hw)])
    if not rotation:
        row |= {"kind": "box", **dict(zip(BOX, box, strict=True))}
        return "box"
    attributes |= {"shape": "rotated_box_about_corner", "points": [box[:2], box[2:]], "rotation": rotation}
    return "rotated_box_about_corner"


def _to_px(percent: Sequence[float], size_hw: tuple[int, int]) -> list[float]:
    return [round(percent[0] * size_hw[1] / 100, DECIMALS), round(percent[1] * size_hw[0] / 100, DECIMALS)]


def _exact(kept: Any, numbers: list[float]) -> list[float]:
    """The numbers that datatools kept, where they are those that percent says but for rounding."""
    is_near = isinstance(kept, list) and len(kept) == len(numbers) and all(map(is_number, kept))
    return kept if is_near and all(abs(a - b) <= NEAR for a, b in zip(kept, numbers, strict=True)) else numbers


def _exact_ring(kept: Any, ring: list[list[float]]) -> list[list[float]]:
    if not is_points(kept) or len(kept) != len(ring):
        return ring
    exact = [_exact(point, given) for point, given in zip(kept, ring, strict=True)]
    return exact if exact == kept else ring


def _bare(item: Row) -> Row:
    """A choices result as it is kept beside others: without what datatools keeps with it."""
    rest = {key: part for key, part in item["value"].items() if key != "choices"}
    kept = {"from_name": control_of(item), **_item_attributes(item, "choices")}
    return {**kept, "value": rest} if rest else kept
