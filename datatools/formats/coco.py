"""COCO JSON: boxes and polygons.

Pixel convention: COCO's `bbox` is `[x, y, width, height]` in pixels from the top left corner, half-open; it becomes
`x0, y0, x1, y1` without rounding. `segmentation` polygons are flat lists of x and y. A run-length mask is kept as it
is in `attributes`; its pixels are not checked yet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from datatools.errors import DatatoolsError

Row = dict[str, Any]
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
LARGE = 1e15  # pixels; JSON also writes NaN, Infinity and integers that no float holds


@dataclass(frozen=True)
class CocoContent:
    """What a COCO document holds: class names by category id, rows of ANNOTATIONS and REJECTED, declared sizes."""

    classes: tuple[str, ...]
    annotations: list[Row]
    rejected: list[Row]
    sizes_wh: dict[str, tuple[int | None, int | None]]  # path -> declared width and height in pixels
    n_annotations: int


class _BadRowError(Exception):
    """One annotation that cannot become a row; the text says why."""


def load_coco(path: Path) -> CocoContent:
    """Read a COCO file; raises DatatoolsError when it is no COCO document at all."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = json.loads(text)
        if SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()  # half a character is a ValueError here
    except (OSError, ValueError, RecursionError) as error:
        raise DatatoolsError(f"{path}: expected COCO JSON. Got: {error}. Export it as COCO again.") from error
    for part in ("images", "annotations", "categories"):
        if not isinstance(document, dict) or not isinstance(document.get(part), list):
            raise DatatoolsError(
                f"{path}: expected a COCO object with the list {part!r}. Got none: export it as COCO again."
            )
    return from_coco(document, source=path.name)


def from_coco(document: Mapping[str, Any], source: str) -> CocoContent:
    """Convert a COCO document; every annotation becomes one row or one rejected row that says why."""
    categories = _by_id(document["categories"], "name")
    files = {key: clean_path(name) for key, name in _by_id(document["images"], "file_name").items()}
    sizes = {
        clean_path(item["file_name"]): (_as_int(item.get("width")), _as_int(item.get("height")))
        for item in document["images"]
        if _has(item, "id", "file_name")
    }
    rows: list[Row] = []
    rejected: list[Row] = []
    seen: set[str] = set()
    for number, item in enumerate(document["annotations"], start=1):
        try:
            row = _to_row(item, categories, files, source)
            if row["annotation_id"] in seen:
                raise _BadRowError(f"annotation id {item['id']} is used twice")
            seen.add(row["annotation_id"])
            rows.append(row)
        except _BadRowError as error:
            path = files.get(item["image_id"]) if _has(item, "image_id") else None
            rejected.append(
                {"source": source, "row": number, "path": path, "reason": "broken_row", "message": str(error)}
            )
    classes = tuple(categories[key] for key in sorted(categories, key=lambda key: (str(type(key)), key)))
    return CocoContent(tuple(dict.fromkeys(classes)), rows, rejected, sizes, len(document["annotations"]))


def clean_path(name: str) -> str:
    """A file name as the data model writes it: POSIX, relative, without `./`."""
    return PurePosixPath(str(name).replace("\\", "/")).as_posix()


def _by_id(items: list[Any], name: str) -> dict[Any, str]:
    """The field `name` by id, without ids that stand for two different things."""
    found: dict[Any, set[str]] = {}
    for item in items:
        if _has(item, "id", name):
            found.setdefault(item["id"], set()).add(str(item[name]))
    return {key: names.pop() for key, names in found.items() if len(names) == 1}


def _to_row(item: Any, categories: Mapping[Any, str], files: Mapping[Any, str], source: str) -> Row:
    if not _has(item, "id", "image_id", "category_id"):
        raise _BadRowError("an annotation needs id, image_id and category_id")
    if item["image_id"] not in files:
        raise _BadRowError(f"image_id {item['image_id']} is not in images, or is there twice")
    known = {"id", "image_id", "category_id", "bbox", "segmentation"}
    attributes = {key: value for key, value in item.items() if key not in known}
    if item["category_id"] not in categories:
        attributes["category_id"] = item["category_id"]
    polygons = _to_polygons(item.get("segmentation"))
    if polygons is None and item.get("segmentation"):
        attributes["segmentation"] = item["segmentation"]
    x0, y0, x1, y1 = _to_box(item.get("bbox"))
    return {
        "annotation_id": f"coco/{item['id']}",
        "path": files[item["image_id"]],
        "label": categories.get(item["category_id"]),
        "kind": "mask" if polygons is not None else "box",
        "x0_px": x0,
        "y0_px": y0,
        "x1_px": x1,
        "y1_px": y1,
        "mask": None if polygons is None else json.dumps(polygons, separators=(",", ":")),
        "annotator": None,
        "source": source,
        "attributes": json.dumps(attributes, sort_keys=True, separators=(",", ":")),
    }


def _to_box(value: Any) -> tuple[float | None, float | None, float | None, float | None]:
    if value is None or value == []:
        return None, None, None, None
    if not isinstance(value, list) or len(value) != 4 or not all(map(_is_number, value)):
        raise _BadRowError(f"bbox must be four finite numbers, got {value!r}")
    x, y, width, height = map(float, value)
    return x, y, x + width, y + height


def _to_polygons(value: Any) -> list[list[list[float]]] | None:
    if not isinstance(value, list) or not value:
        return None
    polygons = []
    for flat in value:
        if not isinstance(flat, list) or len(flat) % 2 or not all(map(_is_number, flat)):
            raise _BadRowError("a segmentation polygon must be an even list of finite numbers")
        polygons.append([[float(x), float(y)] for x, y in zip(flat[::2], flat[1::2], strict=True)])
    return polygons


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGE


def _as_int(value: Any) -> int | None:
    return int(value) if _is_number(value) else None


def _has(item: Any, *names: str) -> bool:
    return (
        isinstance(item, dict)
        and all(item.get(name) is not None for name in names)
        and not any(isinstance(item.get(name), (list, dict)) for name in names)
    )
