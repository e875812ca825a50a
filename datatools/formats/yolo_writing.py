"""Writing YOLO: label files, data.yaml, where the images go, and what does not fit."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import yaml

from datatools.formats.base import Content, Loss, Row, Saved, dump_attributes, is_number, load_attributes
from datatools.formats.locate import clean_path
from datatools.formats.placing import place
from datatools.formats.rows import BrokenRowError
from datatools.formats.yolo_layout import NOT_SUBSETS, SUBSETS, kpt_shape_of, label_paths
from datatools.formats.yolo_lines import (
    NUMBER,
    YoloClasses,
    are_points,
    fractions_of_edges,
    own_id,
    to_fraction,
    to_row,
)
from datatools.masks import MaskError, Rle, parse_mask
from datatools.schema import BOX, side_called

CLOSE_PX = 1e-6  # a coordinate that comes back this close is no loss
PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")  # PyYAML itself quotes those of them that YAML 1.1 reserves
WRITABLE_SUBSET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


@dataclass
class _Writer:
    """The label files and what did not fit into them."""

    classes: YoloClasses
    numbers: dict[str, int]
    losses: list[Loss] = field(default_factory=list)

    def lose(self, row: Mapping[str, Any], column: str, message: str) -> None:
        """List `column` of an annotation or a record as lost."""
        self.losses.append(Loss(column, row["path"], row.get("annotation_id") or "", message))


def to_yolo(content: Content) -> tuple[dict[str, str], Saved]:
    """Return text by file name (data.yaml and label files), and the losses and the new places of the images."""
    extras = dict(content.extras.get("yolo") or {})
    names = list(dict.fromkeys([*content.classes, *sorted(set(content.annotations["label"].dropna()))]))
    classes = YoloClasses(dict(enumerate(names)), kpt_shape_of(extras))
    writer = _Writer(classes, {name: number for number, name in enumerate(names)})
    records = {row["path"]: row for row in content.records.to_dict("records")}
    by_path: dict[str, list[Row]] = {path: [] for path in records}
    for row in content.annotations.to_dict("records"):
        by_path.setdefault(row["path"], []).append(row)
    subsets = {path: _writable_subset(records.get(path) or {"path": path}, writer) for path in sorted(by_path)}
    places = _places(subsets)
    files: dict[str, str] = {}
    for path, rows in sorted(by_path.items()):
        lines = _to_lines(path, places[path], rows, records.get(path) or {"path": path}, writer)
        if lines is not None:
            files[_label_of(places[path])] = "".join(f"{line}\n" for line in lines)
    files["data.yaml"] = _to_data_yaml(names, sorted(set(subsets.values())), content.extras, writer)
    moved = {path: place for path, place in places.items() if path != place}
    return files, Saved(tuple(sorted(writer.losses)), moved)


def _writable_subset(record: Row, writer: _Writer) -> str:
    subset = record.get("subset")
    if _is_null(subset):
        writer.lose(record, "subset", "YOLO needs one: it is written as train")
        return "train"
    name = str(subset)
    known = side_called(name) or name  # a program that trains asks for train and val, whatever others call them
    if not WRITABLE_SUBSET.fullmatch(known) or known in NOT_SUBSETS or SUBSETS.get(known, known) != known:
        known = "train"
    if known != name:
        writer.lose(record, "subset", f"{name!r:.60} is no name for a subset of YOLO: it is written as {known}")
    return known


def _places(subsets: Mapping[str, str]) -> dict[str, str]:
    """Old path -> images/<subset>/..., no two with one label file; an image that lies there already stays."""

    def target(path: str) -> str:
        """Where the image goes if nothing else does."""
        inside, folder = _inside(path), f"images/{subsets[path]}/"
        return path if path.startswith(folder) and path == inside else folder + _own_part(inside)

    return place(list(subsets), target, lambda path: _label_of(path).casefold())


def _own_part(path: str) -> str:
    """`path` without folders at its start that only say what its new place says again: `images/`, `train/images/`."""
    folders, _, name = path.rpartition("/")
    parts = folders.split("/") if folders else []
    while parts and (parts[0].casefold() == "images" or side_called(parts[0])):
        parts.pop(0)
    return "/".join([*parts, name])


def _inside(path: str) -> str:
    """`path` without the parts that lead out of a folder."""
    parts = [part for part in clean_path(path).split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "image"


def _label_of(image: str) -> str:
    return next(label_paths(image))


def _to_lines(path: str, place: str, rows: list[Row], record: Row, writer: _Writer) -> list[str] | None:
    """The lines of an image's label file; None where it must have none."""
    lines: list[str] = []
    for row in sorted(rows, key=lambda row: _position(row, path)):
        added = _to_objects(row, record, writer)
        if added and row["annotation_id"] != own_id(place, len(lines) + 1):
            writer.lose(row, "annotation_id", "a line of YOLO has no id")
        lines += added
    _lose_record(record, bool(lines), writer)
    missing = load_attributes(record.get("attributes")).get("labels") == "missing"
    if rows and not lines and not missing:
        writer.lose(record, "attributes.labels", "nothing that is said of it can be written: it has no label file")
    return None if not lines and (rows or missing) else lines


def _position(row: Row, path: str) -> float:
    """The line that a YOLO id names; other ids come later, in their order."""
    head, _, line = str(row["annotation_id"]).rpartition("#")
    return int(line) if head == f"yolo/{path}" and line.isdecimal() and len(line) < 16 else math.inf


def _lose_record(record: Row, has_lines: bool, writer: _Writer) -> None:
    if load_attributes(record.get("metadata")):
        writer.lose(record, "metadata", "YOLO has no place for it")
    for key, value in load_attributes(record.get("attributes")).items():
        if key != "labels" or value != "missing" or has_lines:
            writer.lose(record, f"attributes.{key}", "YOLO has no place for it")


def _to_objects(row: Row, record: Row, writer: _Writer) -> list[str]:
    """One line for a box, one a ring for a mask; none where YOLO cannot hold it, with the loss listed."""
    size_wh = (record.get("width_px"), record.get("height_px"))
    attributes = load_attributes(row["attributes"])
    number = attributes.get("class_id") if _is_null(row["label"]) else writer.numbers[row["label"]]
    if row["kind"] not in ("box", "mask"):
        writer.lose(row, "kind", f"YOLO has no place for a {row['kind']}: it is left out")
    elif any(_is_null(side) for side in size_wh) or 0 in size_wh:
        writer.lose(row, "kind", "the size of its image is not known, and without it no fractions: it is left out")
    elif type(number) is not int or (_is_null(row["label"]) and writer.classes.label_of(number) is not None):
        writer.lose(row, "label", "YOLO needs a class: it is left out")
    elif row["kind"] == "box" and any(_is_null(row[name]) for name in BOX):
        writer.lose(row, "kind", "a box without coordinates: it is left out")
    else:
        size = (int(size_wh[0]), int(size_wh[1]))  # type: ignore[arg-type]
        bodies = [_box_body(row, attributes, size, writer)] if row["kind"] == "box" else _rings_of(row, size, writer)
        score = attributes.get("score")
        tail = [repr(score)] if is_number(score) and NUMBER.fullmatch(repr(score)) else []
        lines = [" ".join([str(number), *body, *tail]) for body in bodies]
        return _checked(lines, row, size, writer)
    return []


def _box_body(row: Row, attributes: Row, size_wh: tuple[int, int], writer: _Writer) -> list[str]:
    (cx, w), (cy, h) = (
        fractions_of_edges(row[f"{axis}0_px"], row[f"{axis}1_px"], side) for axis, side in zip("xy", size_wh)
    )
    shape, points = writer.classes.kpt_shape, attributes.get("keypoints")
    if shape is None or not are_points(points, shape):
        return [cx, cy, w, h]
    tokens = [
        [to_fraction(x, size_wh[0]), to_fraction(y, size_wh[1]), *map(repr, rest)] for x, y, *rest in points or ()
    ]
    return [cx, cy, w, h, *(token for point in tokens for token in point)]


def _rings_of(row: Row, size_wh: tuple[int, int], writer: _Writer) -> list[list[str]]:
    try:
        mask = parse_mask(row["mask"])
        rings = mask.to_rings() if isinstance(mask, Rle) else mask
        good = [ring for ring in rings if len(ring) > 2 and are_points(ring, (len(ring), 2))]
    except (MaskError, TypeError) as error:
        writer.lose(row, "mask", f"not a mask, it is left out: {error}")
        return []
    if isinstance(mask, Rle):
        writer.lose(row, "mask", "run lengths become outlines, and holes are filled")
    if not rings:
        writer.lose(row, "mask", "an empty mask is left out")
    if len(good) < len(rings):
        writer.lose(row, "mask", "a ring that is not three points or more is left out")
    if len(good) > 1:
        writer.lose(row, "mask", f"its {len(good)} parts become objects of their own")
    return [[to_fraction(v, size_wh[axis]) for point in ring for axis, v in enumerate(point)] for ring in good]


def _checked(lines: list[str], row: Row, size_wh: tuple[int, int], writer: _Writer) -> list[str]:
    """The lines that are read back as what they are; what differs otherwise is a loss."""
    good: list[str] = []
    for line in lines:
        try:
            back = to_row(line.split(), size_wh, writer.classes)
        except BrokenRowError as error:
            writer.lose(row, "kind", f"it is left out: {error}")
            continue
        if back["kind"] != row["kind"]:
            writer.lose(row, "kind", "with this kpt_shape its line would be read as something else: it is left out")
            continue
        if not good:
            _lose_differences(row, back, len(lines) == 1, writer)
        good.append(line)
    return good


def _lose_differences(row: Row, back: Row, is_whole: bool, writer: _Writer) -> None:
    if not _is_null(row["annotator"]):
        writer.lose(row, "annotator", "a line of YOLO has no annotator")
    if row["kind"] == "mask" and not all(_is_null(row[name]) for name in BOX):
        writer.lose(row, "x0_px", "a polygon of YOLO has no box beside it")
    if row["kind"] == "box" and any(not abs(row[name] - back[name]) <= CLOSE_PX for name in BOX):
        writer.lose(row, "x0_px", "the box comes back a little different: it is far outside of its image")
    if row["kind"] == "box" and not _is_null(row["mask"]):
        writer.lose(row, "mask", "a box of YOLO has no mask")
    if row["kind"] == "mask" and is_whole and not _is_close(row["mask"], back["mask"]):
        writer.lose(row, "mask", "the polygon comes back a little different")
    kept = load_attributes(back["attributes"])
    for key, value in load_attributes(row["attributes"]).items():
        if key == "keypoints" and key in kept and _is_close(json.dumps(value), json.dumps(kept[key])):
            continue
        if dump_attributes({key: value}) != dump_attributes({key: kept.get(key)}) or key not in kept:
            writer.lose(row, f"attributes.{key}", "a line of YOLO has no place for it")


def _is_close(text: str, back: str) -> bool:
    """Whether two JSON lists of points are the same to CLOSE_PX; run lengths have had their say."""
    before, after = json.loads(text), json.loads(back)
    if isinstance(before, dict):
        return True
    flat = list(_numbers_in(before)), list(_numbers_in(after))
    return len(flat[0]) == len(flat[1]) and all(abs(a - b) <= CLOSE_PX for a, b in zip(*flat))


def _numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        for item in value:
            yield from _numbers_in(item)
    else:
        yield value


class _Dumper(yaml.SafeDumper):
    """YAML without aliases, and with every text in quotes that any version of YAML could take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """No value is written as a reference to another."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if PLAIN_WORD.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _to_data_yaml(names: list[str], subsets: list[str], extras: Mapping[str, Any], writer: _Writer) -> str:
    document: Row = {subset: f"images/{subset}" if subset in subsets else None for subset in ("train", "val")}
    document.update({subset: f"images/{subset}" for subset in subsets})
    document.update(nc=len(names), names=names)
    for name, value in extras.items():
        if name != "yolo" or not isinstance(value, dict):
            writer.lose({"path": ""}, f"extras.{name}", "data.yaml has no place for it")
            continue
        for key, item in value.items():
            if key in NOT_SUBSETS or key in SUBSETS or key in document or item in (f"images/{key}", [f"images/{key}"]):
                writer.lose({"path": ""}, f"extras.yolo.{key}", "data.yaml has another use for this key")
            else:
                document[key] = item
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf))


def _is_null(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
