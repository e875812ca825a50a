"""Writing one annotation as results of Label Studio (datatools/formats/label_studio.py is the user's page)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datatools.formats.base import is_number
from datatools.formats.carried import GIVEN, OWN, is_points, is_size
from datatools.formats.label_studio_brush import encode_brush
from datatools.formats.label_studio_names import GEOMETRY, RESULT_KEYS, SHAPES, TYPES
from datatools.masks import MaskError, Rle, parse_mask
from datatools.schema import BOX

Row = dict[str, Any]


def to_items(row: Row, attributes: Row, size_hw: tuple[Any, Any], who: str | None, exact: bool) -> list[Row]:
    """The results that say what `row` says; none where Label Studio has no such thing."""
    own: Row = {"id": row["annotation_id"]}
    if row["annotator"] is not None and row["annotator"] != (who or (GIVEN if row["kind"] == "label" else None)):
        own["annotator"] = row["annotator"]
    name = row["annotation_id"].removeprefix("label_studio/") or "0"
    if row["kind"] == "label":
        return _to_choices(row, attributes, own, name)
    size_hw = (attributes.get("original_height", size_hw[0]), attributes.get("original_width", size_hw[1]))
    if not all(map(is_size, size_hw)):
        return []
    kind, values, drawn = _to_geometry(row, attributes, own, size_hw, exact)
    drawn |= {"original_height", "original_width"}
    items = []
    for number, value in enumerate(values, start=1):
        mine = {**own, "ring": number} if len(values) > 1 else own
        if exact and "points" in own:
            mine = {**mine, "points": own["points"][number - 1]}
        native = without_keys(attributes, drawn) if number == 1 else {}
        item = _to_item(native, mine, TYPES[kind], value, row)
        item |= {"id": name if number == 1 else f"{name}/{number}"}
        items.append({**item, "original_height": size_hw[0], "original_width": size_hw[1]})
    parts = attributes.get("results")
    return [*items, *(parts if isinstance(parts, list) and items else [])]


def without_keys(attributes: Row, names: set[str]) -> Row:
    """`attributes` without those called `names`."""
    return {name: value for name, value in attributes.items() if name not in names}


def _to_item(attributes: Row, own: Row, usual: str, value: Row, row: Row) -> Row:
    """A result without id and size; attributes that Label Studio has no key for go to `own`."""
    own = dict(own)
    kind = attributes.get("type", usual)
    kind = kind if isinstance(kind, str) and (kind in SHAPES if usual != "choices" else kind == usual) else usual
    item: Row = {"type": kind, "from_name": usual, "to_name": "image", "image_rotation": 0, "value": dict(value)}
    several = attributes.get("labels")
    is_several = row["label"] is None and isinstance(several, list) and len(several) > 1
    labels = several if is_several else [] if row["label"] is None else [row["label"]]
    if usual != "choices" and (labels or kind.endswith("labels")):
        item["value"][kind if kind.endswith("labels") else "labels"] = labels
    meta: Row = {}
    drawn = (
        GEOMETRY if usual != "keypointlabels" else {"x", "y", "rotation"}
    )  # a point's width is how large it is shown
    for key, given in attributes.items():
        if key == "value" and isinstance(given, dict) and given and not set(given) & (drawn | set(item["value"])):
            item["value"] |= given
        elif key == "meta" and isinstance(given, dict) and given and OWN not in given:
            meta = given
        elif key in RESULT_KEYS | {"image_rotation"}:
            item[key] = given
        elif (
            not (key == "type" and given == kind != usual) and not (key == "labels" and is_several) and key != "results"
        ):
            own["attributes"] = {**own.get("attributes", {}), key: given}
    return {**item, "meta": {**meta, OWN: own}}


def _to_choices(row: Row, attributes: Row, own: Row, name: str) -> list[Row]:
    choices, results = attributes.get("choices"), attributes.get("results")
    if row["label"] is not None:
        choices = [row["label"]]
    elif isinstance(choices, list) and isinstance(results, list) and len(choices) == len(results):
        return _to_several_choices(attributes, choices, results, own, name)
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, str) for choice in choices):
        return []
    native = attributes if row["label"] is not None else without_keys(attributes, {"choices"})
    return [{"id": name, **_to_item(native, own, "choices", {"choices": choices}, row)}]


def _to_several_choices(attributes: Row, choices: list[Any], results: list[Any], own: Row, name: str) -> list[Row]:
    if set(attributes) != {"choices", "results"} or not all(isinstance(item, dict) for item in results):
        return []
    if not all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], list) for pair in choices):
        return []
    items = []
    for number, (pair, kept) in enumerate(zip(choices, results, strict=True), start=1):
        item = _to_item(kept, own, "choices", {"choices": pair[1]}, {"label": None})
        items.append({"id": name if number == 1 else f"{name}/{number}", **item, "from_name": pair[0]})
    return items


def _to_geometry(
    row: Row, attributes: Row, own: Row, size_hw: tuple[int, int], exact: bool
) -> tuple[str, list[Row], set[str]]:
    """What it is (as TYPES has it), the `value` of each result, and the attributes that are in it."""
    box = [row[name] for name in BOX]
    has_box = all(value is not None and is_number(value) for value in box)
    if row["kind"] == "box" and has_box:
        own |= {"box": box} if exact else {}
        return "box", [_to_rectangle(box, size_hw)], set()
    if row["kind"] == "mask" and row["mask"] is not None:
        own |= {"box": box} if has_box else {}
        return _to_mask(row["mask"], own, size_hw, exact)
    return _to_shape(attributes, own, size_hw, exact) if row["kind"] == "shape" else ("box", [], set())


def _to_mask(text: str, own: Row, size_hw: tuple[int, int], exact: bool) -> tuple[str, list[Row], set[str]]:
    try:
        mask = parse_mask(text)
    except MaskError:
        return "ring", [], set()
    if isinstance(mask, Rle):
        fits = mask.size_hw == size_hw
        return "rle", [{"format": "rle", "rle": encode_brush(mask.to_array())}] if fits else [], set()
    if not all(map(is_points, mask)):
        return "ring", [], set()
    own |= {"points": mask} if exact else {}
    return "ring", [{"points": [_to_percent(point, size_hw) for point in ring], "closed": True} for ring in mask], set()


def _to_shape(attributes: Row, own: Row, size_hw: tuple[int, int], exact: bool) -> tuple[str, list[Row], set[str]]:
    kind, rotation = attributes.get("shape"), attributes.get("rotation", 0)
    points: Any = attributes.get("points")
    numbers: list[Any] = [attributes.get(name) for name in ("cx", "cy", "rx", "ry")]
    if not is_number(rotation):
        return "point", [], set()
    turn = {"rotation": rotation} if rotation else {}
    drawn = {"shape", "points", *turn}
    if kind == "point" and is_points(points, range(1, 2)):
        own |= {"points": [points]} if exact else {}
        x, y = _to_percent(points[0], size_hw)
        return "point", [{"x": x, "y": y, **turn}], drawn
    if kind == "rotated_box_about_corner" and is_points(points, range(2, 3)) and turn:
        box = [*points[0], *points[1]]
        own |= {"box": box} if exact else {}
        return kind, [{**_to_rectangle(box, size_hw), **turn}], drawn
    if kind == "ellipse" and all(map(is_number, numbers)):
        own |= {"box": numbers} if exact else {}
        (x, y), (rx, ry) = (_to_percent(numbers[:2], size_hw), _to_percent(numbers[2:], size_hw))
        value = {"x": x, "y": y, "radiusX": rx, "radiusY": ry, **turn}
        return "ellipse", [value], {"shape", "cx", "cy", "rx", "ry", *turn}
    return "point", [], set()


def _to_percent(point: Sequence[float], size_hw: tuple[int, int]) -> list[float]:
    return [point[0] / size_hw[1] * 100, point[1] / size_hw[0] * 100]


def _to_rectangle(box: Sequence[float], size_hw: tuple[int, int]) -> Row:
    (x, y), (right, bottom) = _to_percent(box[:2], size_hw), _to_percent(box[2:], size_hw)
    return {"x": x, "y": y, "width": right - x, "height": bottom - y, "rotation": 0}
