"""From rows to COCO documents."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from datatools.formats.base import Content, Loss, is_number, load_attributes
from datatools.formats.coco_names import (
    ANNOTATION_KEYS,
    DOCUMENT_KEYS,
    GIVEN,
    IMAGE_KEYS,
    NAME,
    OWN,
    CocoFile,
    Row,
    default_categories,
    default_file,
    id_prefixes,
    kind_of,
    short,
    subset_of,
)
from datatools.formats.coco_reading import read_mask
from datatools.formats.locate import clean_path
from datatools.masks import MaskError, Rings, Rle, find_bounds, parse_mask
from datatools.schema import BOX

OBJECTS = ("box", "mask")
NO_CATEGORY = 0  # some programs want a number for an object without a class
NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")


class CocoWriter:
    """Lays a content out as documents, each a list of images, categories and annotations."""

    def __init__(self, content: Content) -> None:
        self.losses: list[Loss] = []
        self._content = content
        self._kept = self._usable_extras(content.extras.get(NAME, {}))
        self._records: dict[str, Row] = {row["path"]: row for row in _rows_of(content.records)}
        self._annotations: list[Row] = [row for row in _rows_of(content.annotations) if self._has_image(row)]
        self._by_subset: dict[str | None, str] = {}
        for path in sorted(self._kept, reverse=True):
            self._by_subset[subset_of(path)] = path
        homes = {self._home(path) for path in (*self._records, *(row["path"] for row in self._annotations))}
        files = sorted({*self._kept, *homes}) or [default_file(None)]
        prefixes = id_prefixes(files)
        self._files = {path: CocoFile(path, prefixes[path], subset_of(path)) for path in files}

    def to_documents(self) -> dict[str, Row]:
        """The documents by path; fills `losses`."""
        rows: dict[str, list[Row]] = {path: [] for path in self._files}
        by_prefix = {file.prefix: path for path, file in self._files.items()}
        for row in self._annotations:
            prefix = row["annotation_id"][: row["annotation_id"].rfind("/") + 1]
            rows[by_prefix.get(prefix) or self._home(row["path"])].append(row)
        paths: dict[str, set[str]] = {path: {row["path"] for row in found} for path, found in rows.items()}
        for path in self._records:
            paths[self._home(path)].add(path)
        documents = {}
        for name, file in self._files.items():
            documents[name] = self._to_document(file, sorted(paths[name]), rows[name])
        self._add_shared(next(iter(documents.values())))
        return documents

    def _add_shared(self, first: Row) -> None:
        """What is of no single file goes into the first one."""
        natural = tuple(dict.fromkeys(name for file in self._files.values() for name in file.first_ids))
        if natural != self._content.classes:
            first.setdefault(OWN, {})["classes"] = list(self._content.classes)
        extras = self._content.extras.items()
        others = {key: value for key, value in extras if key != NAME and self._can_keep(key, value)}
        if others:
            first.setdefault(OWN, {})["extras"] = others

    def _to_document(self, file: CocoFile, paths: Sequence[str], rows: Sequence[Row]) -> Row:
        kept = self._kept.get(file.source, {})
        own: Row = {}
        categories, new_categories = self._to_categories(file, kept, rows)
        ids, new_images = self._image_ids(paths)
        if new_categories:
            own["new_category_ids"] = new_categories
        if new_images:
            own["new_image_ids"] = new_images
        document = {key: value for key, value in kept.items() if key not in DOCUMENT_KEYS}
        made = set(new_images)
        document["images"] = [self._to_image(file, path, ids[path], ids[path] in made) for path in paths]
        document["categories"] = categories
        document["annotations"] = self._to_items(file, rows, ids)
        return {**document, OWN: own} if own else document

    def _to_categories(self, file: CocoFile, kept: Row, rows: Sequence[Row]) -> tuple[list[Any], list[int]]:
        names = dict.fromkeys([*self._content.classes, *(row["label"] for row in rows if row["label"] is not None)])
        categories = list(kept["categories"]) if isinstance(kept.get("categories"), list) else None
        if categories is None:
            categories = default_categories(names)
            file.define(categories)
            return categories, []
        file.define(categories)
        taken = [item["id"] for item in categories if isinstance(item, dict) and isinstance(item.get("id"), int)]
        missing = [name for name in names if name not in file.first_ids]
        new = range(start := max([0, *taken]) + 1, start + len(missing))
        categories += [{"id": number, "name": name} for number, name in zip(new, missing, strict=True)]
        file.define(categories)
        return categories, list(new)

    def _image_ids(self, paths: Sequence[str]) -> tuple[dict[str, Any], list[int]]:
        """The id of each image by path, and those that were made because there was none or it was taken."""
        natives: dict[Any, str] = {}
        for path in paths:
            native = load_attributes(self._records.get(path, {}).get("attributes")).get("id")
            if isinstance(native, (str, int)) and not isinstance(native, bool):
                natives.setdefault(native, path)
        start = max([0, *(native for native in natives if isinstance(native, int))]) + 1
        new = dict(enumerate(sorted(set(paths) - set(natives.values())), start))
        return {path: key for key, path in [*natives.items(), *new.items()]}, list(new)

    def _to_image(self, file: CocoFile, path: str, image_id: Any, is_new: bool) -> Row:
        image: Row = {"id": image_id, "file_name": path}
        own: Row = {"path": path} if clean_path(path) != path else {}
        record = self._records.get(path)
        if record is None:
            return {**image, OWN: {**own, "record": False}}
        image.update({name: int(size) for name in ("width", "height") if (size := record[f"{name}_px"]) is not None})
        if record["subset"] != file.subset:
            own["subset"] = record["subset"]
        if record["metadata"] is not None:
            own["metadata"] = record["metadata"]
        attributes = load_attributes(record["attributes"])
        if not is_new:
            attributes.pop("id")
        return _with_attributes(image, own, attributes, IMAGE_KEYS, record["attributes"] is None)

    def _to_items(self, file: CocoFile, rows: Sequence[Row], ids: Mapping[str, Any]) -> list[Row]:
        numbers = _number(file, [row["annotation_id"] for row in rows])
        items = [self._to_item(file, row, number, ids[row["path"]]) for row, number in zip(rows, numbers, strict=True)]
        if any(row["kind"] in OBJECTS for row in rows):
            pairs = zip(items, rows, strict=True)
            items = [item if "bbox" in item else _as_ignored(item, row["kind"]) for item, row in pairs]
        return sorted(items, key=lambda item: item["id"])

    def _to_item(self, file: CocoFile, row: Row, number: int, image_id: Any) -> Row:
        own: Row = {}
        attributes = load_attributes(row["attributes"])
        item: Row = {"id": number, "image_id": image_id, "category_id": file.first_ids.get(row["label"])}
        category = attributes.get("category_id")
        if category is not None and file.label_of(category) == row["label"] and file.tells_more(category):
            item["category_id"] = attributes.pop("category_id")
        elif row["label"] is None and file.label_of(NO_CATEGORY) is None:
            item["category_id"] = NO_CATEGORY
            own["made"] = ["category_id"]
        corners = self._corners(row)
        mask = self._mask(row, item, own)
        _set_bbox(item, own, corners)
        item = _with_attributes(item, own, attributes, ANNOTATION_KEYS, row["attributes"] is None)
        if row["kind"] in OBJECTS:
            _add_what_others_need(item, own, mask)
        if kind_of(item) != row["kind"]:
            own["kind"] = row["kind"]
        if row["annotator"] != (GIVEN if row["kind"] == "label" else None):
            item["annotator"] = row["annotator"]
        if row["annotation_id"] != f"{file.prefix}{number}":
            item["annotation_id"] = row["annotation_id"]
        item.pop(OWN, None)
        return {**item, OWN: own} if own else item

    def _corners(self, row: Row) -> list[float | None]:
        corners = [row[name] for name in BOX]
        for index, name in enumerate(BOX):
            if corners[index] is not None and not is_number(corners[index]):
                self._lose(name, row, "COCO holds finite numbers only")
                corners[index] = None
        return corners

    def _mask(self, row: Row, item: Row, own: Row) -> Rings | Rle | None:
        text = row["mask"]
        if text is None:
            return None
        try:
            mask = parse_mask(text)
        except MaskError as error:
            self._lose("mask", row, str(error))
            return None
        if isinstance(mask, Rle):
            item["segmentation"] = json.loads(text)
        else:
            item["segmentation"] = [list(itertools.chain.from_iterable(ring)) for ring in mask]
        if read_mask(item["segmentation"]) != text:
            own["mask"] = text
        return mask

    def _home(self, path: str) -> str:
        record = self._records.get(path)
        subset = record["subset"] if record else None
        return self._by_subset.get(subset) or default_file(subset)

    def _has_image(self, row: Row) -> bool:
        if row["path"] is None:
            self._lose("path", row, "an annotation must be of an image")
        return row["path"] is not None

    def _lose(self, name: str, row: Row, message: str) -> None:
        self.losses.append(Loss(name, row["path"] or "", row["annotation_id"], message))

    def _usable_extras(self, kept: Any) -> dict[str, Row]:
        usable = {}
        for path, value in kept.items() if isinstance(kept, dict) else ():
            if isinstance(value, dict) and _is_safe_json_path(path) and self._can_keep(NAME, value):
                usable[path] = value
            else:
                self.losses.append(Loss(f"extras.{NAME}", "", "", f"{short(path)} is no file to write"))
        return usable

    def _can_keep(self, name: str, value: Any) -> bool:
        try:
            if json.loads(json.dumps(value, allow_nan=False)) == value:
                return True
        except (TypeError, ValueError, RecursionError):
            pass
        self.losses.append(Loss(f"extras.{name}", "", "", "it is not JSON"))
        return False


def _rows_of(table: pd.DataFrame) -> Iterator[Row]:
    """The rows as dicts, null as None."""
    columns = [table[name].astype(object).where(table[name].notna(), None).tolist() for name in table.columns]
    names = list(table.columns)
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _number(file: CocoFile, annotation_ids: Sequence[str]) -> list[int]:
    """An id for each: the number it carries where that is free, else one above all others."""
    numbers: dict[str, int] = {}
    taken: set[int] = set()
    for prefix in (file.prefix, f"{NAME}/"):
        for annotation_id in annotation_ids:
            text = annotation_id.removeprefix(prefix)
            if annotation_id in numbers or not annotation_id.startswith(prefix) or not NUMBER.fullmatch(text):
                continue
            if int(text) not in taken:
                numbers[annotation_id] = int(text)
                taken.add(int(text))
    following = max([0, *taken]) + 1
    for annotation_id in annotation_ids:
        if annotation_id not in numbers:
            numbers[annotation_id], following = following, following + 1
    return [numbers[annotation_id] for annotation_id in annotation_ids]


def _set_bbox(item: Row, own: Row, corners: list[float | None]) -> None:
    x0, y0, x1, y1 = corners
    if x0 is None or y0 is None or x1 is None or y1 is None:
        if corners != [None] * 4:
            own["box"] = corners
        return
    item["bbox"] = [x0, y0, _side(x0, x1), _side(y0, y1)]
    if (x0 + item["bbox"][2], y0 + item["bbox"][3]) != (x1, y1):
        own["box"] = corners


def _side(start: float, end: float) -> float:
    """The shortest decimal that, added to `start`, is `end`; `end - start` where there is none."""
    side = end - start
    for digits in (3, 6, 9, 12):
        if start + round(side, digits) == end:
            return round(side, digits)
    return side


def _with_attributes(item: Row, own: Row, attributes: Row, taken: frozenset[str], is_null: bool) -> Row:
    """`item` with the attributes as keys; those whose names have a meaning go into `own`."""
    nested = {key: value for key, value in attributes.items() if key in taken}
    if nested or is_null:
        own["attributes"] = None if is_null else nested
    result = {**item, **{key: value for key, value in attributes.items() if key not in taken}}
    return {**result, OWN: own} if own else result


def _add_what_others_need(item: Row, own: Row, mask: Rings | Rle | None) -> None:
    """`area`, `iscrowd`, `bbox` and `segmentation`, which other programs take for granted."""
    made = own.get("made", [])
    if "bbox" not in item and mask is not None and (bounds := find_bounds(mask)):
        item["bbox"] = [bounds[0], bounds[1], bounds[2] - bounds[0], bounds[3] - bounds[1]]
        made.append("bbox")
    if "bbox" not in item:
        return
    if "area" not in item:
        item["area"] = _area(mask) if mask is not None else abs(item["bbox"][2] * item["bbox"][3])
        made.append("area")
    if "iscrowd" not in item:
        item["iscrowd"] = 0
        made.append("iscrowd")
    item.setdefault("segmentation", [])
    if made:
        own["made"] = made


def _as_ignored(item: Row, kind: str) -> Row:
    """What has no box among objects, for programs that take every annotation for one: a crowd region without area."""
    placeholder = {"bbox": [0.0, 0.0, 0.0, 0.0], "area": 0.0, "iscrowd": 1}
    missing = {name: value for name, value in placeholder.items() if name not in item}
    own = item.get(OWN, {})
    made = [*own.get("made", []), *missing]
    plain = {key: value for key, value in item.items() if key != OWN}
    return {**plain, **missing, "segmentation": item.get("segmentation", []), OWN: {**own, "made": made, "kind": kind}}


def _area(mask: Rings | Rle) -> float:
    """Pixels: of polygons the sum by the shoelace formula."""
    if isinstance(mask, Rle):
        return float(mask.n_pixels)
    return sum(
        abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], *ring[:1]], strict=True))) / 2
        for ring in mask
    )


def _is_safe_json_path(path: Any) -> bool:
    if not isinstance(path, str) or not path.lower().endswith(".json") or "\x00" in path or clean_path(path) != path:
        return False
    return not any(part in ("", ".", "..") for part in path.split("/"))
