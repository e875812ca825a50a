"""LabelMe JSON (wkentaro/labelme): one file per image, beside it.

**Layout.** `a/cat.json` describes `a/cat.jpg`; `imagePath` is relative to the JSON file. Where no file is there, the image
is looked for by its base name, then by the JSON file's own name. `labels.txt` beside the JSON files or in a folder above
gives the class list (its markers `__ignore__` and `_background_` only if a shape uses them); without it the classes are the
labels in use, sorted. `imageData` (the image inside the JSON) is not decoded: where the image file is missing, `rejected`
says so.

**Pixel convention.** Continuous pixels from the top left corner, as everywhere in datatools; nothing is clipped or rounded.
LabelMe shows an image after its EXIF orientation is applied, and so do coordinates and `imageWidth` / `imageHeight`.
A `mask` shape has an inclusive bounding box: its PNG starts at the rounded first corner. What hangs over the image is cut
off, as LabelMe itself does.

| LabelMe | here |
|---|---|
| rectangle | box, corners ordered; `attributes.corners` where they were given in another order or as four corners |
| polygon | mask, one ring, points as given |
| mask | mask, run lengths in the size of the image; needs imageHeight and imageWidth |
| circle, line, linestrip, point, points, others | shape: `attributes.shape` and `attributes.points` |
| `group_id`, `flags`, `description` and unknown keys of a shape | its attributes; null `group_id` and empty `flags` are left out |
| `version`, `flags` and unknown keys of the file | attributes of the image's record |

Polygons with the same label and `group_id` are one object to LabelMe's own exporters. Here they stay rows of their own with
`attributes.group_id`, because only the exporters join them. **Flags** are LabelMe's way of classification: where no
file of the whole set has a shape, the flag that is true becomes the image's label by the annotator `given` (several true
flags: label null, `attributes.choices` lists them). Where any file has shapes, flags are notes on the image, no labels.

**Writing.** Under the extra key `datatools` a shape keeps its id, its annotator and what LabelMe's keys cannot say; LabelMe
keeps such keys when it saves a file. A mask of several rings becomes polygons with a common `group_id`. Image labels
become flags where the set has no shapes. What LabelMe cannot draw (ellipses, image labels beside shapes, ...) is a row under
the file's key `datatools`: our reader restores it, LabelMe does not show it, and the loss report says so. There is no place
for what belongs to a whole data set in another format (`extras`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.dataset import label_id
from datatools.formats.base import (
    Content,
    Format,
    Loss,
    Saved,
    dump_attributes,
    is_number,
    load_attributes,
    write_new,
)
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.locate import ImageIndex, clean_path
from datatools.formats.rows import BrokenRowError, broken_file, broken_row
from datatools.images import UnreadableImageError
from datatools.index_images import decode_index_mask, encode_index_mask
from datatools.masks import MAX_PIXELS, MaskError, Rle, dump_mask, parse_mask
from datatools.schema import ANNOTATIONS, BOX, KINDS, RECORDS
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]
OWN = "datatools"  # the key of a document under which datatools keeps what the format has no place for
GIVEN = "given"  # the annotator of an image label that names none
LABELS = "labels.txt"
MARKERS = ("__ignore__", "_background_")
N_POINTS = {
    "circle": range(2, 3),
    "line": range(2, 3),
    "linestrip": range(1, MAX_PIXELS),
    "point": range(1, 2),
    "points": range(1, MAX_PIXELS),
    "oriented_rectangle": range(4, 5),
}
ALIASES = {"polyline": "linestrip"}
SHAPE_KEYS = frozenset({"label", "points", "shape_type", "mask", "group_id", "flags", "description", OWN})
FILE_KEYS = frozenset({"shapes", "imagePath", "imageData", "imageHeight", "imageWidth", "flags", OWN})
DERIVED = frozenset({"shape", "points", "corners", "label", "choices"})  # attributes that the reader makes itself


def find_labelme(tree: Tree) -> list[str]:
    """The LabelMe files of `tree`: JSON objects with the keys `shapes` and `imagePath`."""
    return [path for path in tree.sizes if path.lower().endswith(".json") and _is_labelme(tree, path)]


def load_labelme(tree: Tree, files: Sequence[str]) -> Content:
    """Read LabelMe files; a file that is none is one row of `rejected`."""
    index = ImageIndex(tree.sizes)
    documents: dict[str, Row] = {}
    rejected: list[Row] = []
    for file in files:
        try:
            documents[file] = _check_document(read_json(tree, file))
        except BrokenFileError as error:
            rejected.append(broken_file(file, str(error)))
    as_labels = not any(map(_has_shapes, documents.values()))
    paths = {file: _image_of(document, file, index) for file, document in documents.items()}
    n_files = Counter(paths.values())
    records: dict[str, Row] = {}
    rows: list[Row] = []
    for file, document in documents.items():
        path = paths[file]
        name = path if n_files[path] == 1 else f"{path}@{file}"
        record, found, bad = from_labelme(document, path, file, name=name, as_labels=as_labels)
        rows += found
        rejected += bad
        if document.get("imageData") is not None and path not in tree:
            rejected.append(
                broken_row(file, None, path, "the image is only inside the JSON (imageData): save it as a file")
            )
        if record is not None and path in records:
            rejected.append(
                broken_row(file, None, path, f"{records[path]['source']} describes this image too: its fields stay")
            )
        elif record is not None:
            records[path] = record
    classes, class_files, extras = _load_classes(tree, files, rows)
    return Content.from_rows(records.values(), rows, classes, rejected, [*files, *class_files], extras)


def from_labelme(
    document: Row, path: str, source: str, *, name: str | None = None, as_labels: bool = False
) -> tuple[Row | None, list[Row], list[Row]]:
    """Convert one document about the image `path` to its record, its annotations and its rejected rows.

    Shapes are numbered from 1; the rows that datatools keeps under its own key go on from there. `name` stands for the
    image in new ids. `as_labels`: whether a flag that is true is the label of the image.
    """
    own = document.get(OWN, {})
    size_hw = (document.get("imageHeight"), document.get("imageWidth"))
    found: list[tuple[Row, int | None]] = []
    rejected: list[Row] = []
    seen: set[Any] = set()
    items = [*document["shapes"], *own.get("annotations", [])]
    for number, item in enumerate(items, start=1):
        try:
            is_shape = number <= len(document["shapes"])
            row, ring = _read_shape(item, size_hw) if is_shape else (unpack_row(item), None)
            if row.get("annotation_id") is None or (row["annotation_id"], ring) in seen:  # a copy made in LabelMe
                row["annotation_id"], ring = f"labelme/{path if name is None else name}#{number}", None
            seen.add((row["annotation_id"], ring))
            found.append(({**row, "path": path, "source": source}, ring))
        except BrokenRowError as error:
            rejected.append(broken_row(source, number, path, str(error)))
    rows = join_rings(found)
    if as_labels and (label := flags_label(document.get("flags"), path)):
        rows.append({**label, "source": source})
    return _read_record(document, path, source), rows, rejected


def save_labelme(content: Content, folder: Path) -> Saved:
    """Write one JSON file beside each image, and labels.txt; nothing moves."""
    documents, losses = to_labelme(content)
    for file, document in documents.items():
        write_new(folder / file, json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False).encode())
    if content.classes:
        lines, kept = _class_lines(content)
        write_new(folder / LABELS, "".join(f"{line}\n" for line in lines).encode())
        losses += [] if kept else [Loss("extras.labelme", "", message="labels.txt is written from the classes instead")]
    return Saved(tuple(sorted(losses)))


def to_labelme(content: Content) -> tuple[dict[str, Row], list[Loss]]:
    """LabelMe documents by file name, and what they cannot hold."""
    losses = [Loss(f"extras.{name}", "", message="no place: left out") for name in content.extras if name != "labelme"]
    records = {row["path"]: row for row in rows_of(content.records)}
    rows: dict[str, list[Row]] = {path: [] for path in records}
    for row in rows_of(content.annotations):
        if row["path"] is None:
            losses.append(Loss("path", "", row["annotation_id"], "names no image: left out"))
        else:
            rows.setdefault(row["path"], []).append(row)
    as_labels = bool((content.annotations["kind"] == "label").all())
    documents: dict[str, Row] = {}
    for path, file in _name_files(rows).items():
        document, lost = _to_document(path, file, records.get(path), rows[path], as_labels)
        documents[file] = document
        losses += lost
    used = set(content.annotations["label"].dropna())
    if used - set(content.classes):
        losses.append(Loss("classes", "", message="labels that are no classes become classes"))
    return documents, losses


# What LabelMe, CVAT and Label Studio files share: rows kept whole, where a format cannot express them


def read_json(tree: Tree, file: str) -> Any:
    """The JSON document in `file`; raises BrokenFileError."""
    try:
        return parse_json(tree.read(file))
    except UnreadableFileError as error:
        raise BrokenFileError(str(error)) from error


def rows_of(table: pd.DataFrame) -> list[Row]:
    """Rows of a table in the order of their ids as people read them (#2 before #10); null is None."""
    frame = table.astype(object).where(table.notna(), None)
    rows: list[Row] = frame.to_dict("records")
    return sorted(rows, key=lambda row: _natural(row.get("annotation_id") or row["path"]))


def pack_row(row: Row) -> Row:
    """An annotation as an object that JSON holds, without its path."""
    packed = {
        name: row[name] for name in ("annotation_id", "kind", "label", "annotator", "mask") if row[name] is not None
    }
    box = {name: row[name] for name in BOX if row[name] is not None and math.isfinite(row[name])}
    return {**packed, **box, "attributes": load_attributes(row["attributes"])}


def unpack_row(value: Any) -> Row:
    """The annotation in `value`, as pack_row made it; raises BrokenRowError for anything else."""
    if not isinstance(value, dict) or not isinstance(value.get("annotation_id"), str) or not value["annotation_id"]:
        raise BrokenRowError("a row of datatools needs an annotation_id")
    if value.get("kind") not in KINDS:
        raise BrokenRowError(f"kind must be one of {', '.join(KINDS)}, got {value.get('kind')!r}")
    for name in ("label", "annotator", "mask"):
        if not isinstance(value.get(name), str | None):
            raise BrokenRowError(f"{name} must be text, got {value[name]!r}")
    if not all(value.get(name) is None or is_number(value[name]) for name in BOX):
        raise BrokenRowError("a box must be finite numbers")
    if not isinstance(value.get("attributes", {}), dict):
        raise BrokenRowError("attributes must be an object")
    try:
        parse_mask(value.get("mask") or "[]")
    except MaskError as error:
        raise BrokenRowError(str(error)) from error
    row = {name: value.get(name) for name in ("annotation_id", "kind", "label", "annotator", "mask", *BOX)}
    return {**row, "attributes": dump_attributes(value.get("attributes", {}))}


def pack_record(record: Row) -> Row:
    """An image's record as an object that JSON holds, without its path."""
    packed = {
        name: record[name] for name in ("width_px", "height_px", "subset", "metadata") if record[name] is not None
    }
    return {**packed, "attributes": load_attributes(record["attributes"])}


def unpack_record(value: Any) -> Row | None:
    """The record in `value`, as pack_record made it; None for anything else."""
    texts, numbers = ("subset", "metadata"), ("width_px", "height_px")
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("attributes"), dict)
        or not all(isinstance(value.get(name), str | None) for name in texts)
        or not all(value.get(name) is None or is_size(value[name]) for name in numbers)
    ):
        return None
    return {
        **{name: value.get(name) for name in (*texts, *numbers)},
        "attributes": dump_attributes(value["attributes"]),
    }


def own_of(value: Any) -> Row:
    """What datatools keeps with one annotation: id, annotator, box, size and attributes; raises BrokenRowError."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BrokenRowError(f"{OWN} must be an object")
    if not all(isinstance(value.get(name), str | None) for name in ("id", "annotator")) or value.get("id") == "":
        raise BrokenRowError(f"{OWN}: id and annotator must be text")
    box, size = value.get("box"), value.get("size")
    if box is not None and not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
        raise BrokenRowError(f"{OWN}: box must be four finite numbers")
    if size is not None and not (isinstance(size, list) and len(size) == 2 and all(map(is_size, size))):
        raise BrokenRowError(f"{OWN}: size must be [height, width]")
    if not isinstance(value.get("attributes", {}), dict) or not isinstance(value.get("ring"), int | None):
        raise BrokenRowError(f"{OWN}: attributes must be an object and ring a number")
    return value


def same_row(one: Row, other: Row, table: Iterable[str] = ANNOTATIONS.columns) -> bool:
    """Whether two rows of a table say the same, `source` aside."""
    return all(_comparable(one, name) == _comparable(other, name) for name in table if name != "source")


def is_size(value: Any) -> bool:
    """Whether `value` is a side of an image: a whole number from 1."""
    return type(value) is int and 0 < value < 2**31


def is_points(value: Any, counts: range = range(1, MAX_PIXELS)) -> bool:
    """Whether `value` is a list of `[x, y]`, as many as `counts` allows."""
    return (
        isinstance(value, list)
        and len(value) in counts
        and all(isinstance(point, list) and len(point) == 2 and all(map(is_number, point)) for point in value)
    )


def choices_label(names: Sequence[str], path: str, annotator: str) -> Row:
    """The image's label by `annotator`; several names: label null, `attributes.choices` has them all."""
    one = len(names) == 1
    return {
        "annotation_id": label_id(path, annotator),
        "path": path,
        "label": names[0] if one else None,
        "kind": "label",
        "annotator": annotator,
        "attributes": "{}" if one else dump_attributes({"choices": list(names)}),
    }


def place_mask(pixels: NDArray[Any], corner_xy: tuple[int, int], size_hw: tuple[int, int]) -> Rle:
    """`pixels` `(height, width)` with their top left corner at `corner_xy`, in an image of `size_hw`; the rest is cut off.

    Takes time and memory for `pixels`, not for the image: a small file may declare a huge one, many times over.
    """
    (x, y), (height, width) = corner_xy, size_hw
    rows, columns = (slice(max(0, -at), max(0, side - at)) for at, side in ((y, height), (x, width)))
    column, row = np.nonzero(pixels[rows, columns].T)
    at = (column + max(x, 0)) * height + row + max(y, 0)  # down the columns, as run lengths count
    ends = np.flatnonzero(np.diff(at) != 1)
    starts = at[np.concatenate([[0], ends + 1])] if at.size else at
    stops = at[np.concatenate([ends, [-1]])] + 1 if at.size else at
    edges = np.concatenate([[0], np.stack([starts, stops], axis=1).ravel(), [height * width]])
    counts = np.diff(edges).tolist()
    return Rle(size_hw, tuple(counts if counts[-1] else counts[:-1]))


def crop_mask(rle: Rle) -> tuple[int, int, NDArray[np.bool_]]:
    """`x`, `y` of the foreground's top left corner and its pixels; one background pixel for an empty mask."""
    x0, y0, x1, y1 = map(int, rle.bounds() or (0, 0, 1, 1))
    return x0, y0, rle.to_array()[y0:y1, x0:x1]


def _comparable(row: Row, name: str) -> Any:
    value = row.get(name)
    return dump_attributes(load_attributes(value)) if name in ("attributes", "metadata") else value


def _natural(text: str) -> list[tuple[str, int]]:
    return [(words, int(digits or 0)) for words, digits in re.findall(r"(\D*)(\d*)", text, re.ASCII)]


# Reading


def _is_labelme(tree: Tree, path: str) -> bool:
    try:
        data = tree.read(path)
    except UnreadableFileError:
        return False
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start == b"{" and b'"shapes"' in data and b'"imagePath"' in data


def _check_document(document: Any) -> Row:
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise BrokenFileError("a LabelMe file needs the list shapes")
    if not isinstance(document.get("imagePath"), str) or not clean_path(document["imagePath"]).strip("."):
        raise BrokenFileError("a LabelMe file needs imagePath, the name of its image")
    own = document.get(OWN, {})
    if not isinstance(own, dict) or not isinstance(own.get("annotations", []), list):
        raise BrokenFileError(f"{OWN} must be an object, and its annotations a list")
    return document


def _has_shapes(document: Row) -> bool:
    carried = document.get(OWN, {}).get("annotations", [])
    return bool(document["shapes"]) or any(isinstance(row, dict) and row.get("kind") != "label" for row in carried)


def _image_of(document: Row, file: str, index: ImageIndex) -> str:
    name = document["imagePath"]
    near = posixpath.normpath(posixpath.join(posixpath.dirname(file), clean_path(name)))
    found = index.find(near) or index.find(name) or index.with_stem(str(PurePosixPath(file).with_suffix("")))
    return found or (clean_path(name) if near.startswith("../") else near)


def _read_record(document: Row, path: str, source: str) -> Row | None:
    own = document.get(OWN, {})
    if "record" in own:
        record = unpack_record(own["record"])
        return None if record is None else {**record, "path": path, "source": source}
    attributes = {key: value for key, value in document.items() if key not in FILE_KEYS}
    if document.get("flags"):
        attributes["flags"] = document["flags"]
    sizes = {"width_px": document.get("imageWidth"), "height_px": document.get("imageHeight")}
    for name, key in (("width_px", "imageWidth"), ("height_px", "imageHeight")):
        if sizes[name] is not None and not is_size(sizes[name]):
            attributes[key], sizes[name] = sizes[name], None
    named = posixpath.normpath(posixpath.join(posixpath.dirname(source), document["imagePath"].replace("\\", "/")))
    if named != path:
        attributes["imagePath"] = document["imagePath"]
    record = {"path": path, **sizes, "subset": None, "metadata": None, "source": source}
    return {**record, "attributes": dump_attributes(attributes)}


def flags_label(flags: Any, path: str) -> Row | None:
    """The label that LabelMe's flags (name -> bool) give the image; None where none is true."""
    names = [name for name, value in flags.items() if value is True] if isinstance(flags, dict) else []
    return choices_label(names, path, GIVEN) if names else None


def _read_shape(shape: Any, size_hw: tuple[Any, Any]) -> tuple[Row, int | None]:
    """One shape as a row, and which ring of its mask it is where it is one of several."""
    if not isinstance(shape, dict):
        raise BrokenRowError("a shape must be an object")
    own = own_of(shape.get(OWN))
    if not is_points(shape.get("points")):
        raise BrokenRowError("points must be a list of [x, y] in finite numbers, at least one")
    attributes = {key: value for key, value in shape.items() if key not in SHAPE_KEYS}
    for key in ("group_id", "flags", "description"):
        if shape.get(key) not in (None, {}) and not (key == "group_id" and own.get("grouped")):
            attributes[key] = shape[key]
    label = shape.get("label")
    if label is not None and not isinstance(label, str):
        attributes["label"], label = label, None
    row: Row = {**dict.fromkeys(ANNOTATIONS.columns), "label": label or None}
    row |= {"annotation_id": own.get("id"), "annotator": own.get("annotator")}
    _read_geometry(row, attributes, shape, own, size_hw)
    row["attributes"] = dump_attributes(attributes | own.get("attributes", {}))
    return row, own.get("ring")


def _read_geometry(row: Row, attributes: Row, shape: Row, own: Row, size_hw: tuple[Any, Any]) -> None:
    kind, points = shape.get("shape_type") or "polygon", shape["points"]
    if kind == "rectangle":
        row["kind"] = "box"
        row |= zip(BOX, _read_box(points, own), strict=True)
        if points != [[row["x0_px"], row["y0_px"]], [row["x1_px"], row["y1_px"]]]:
            attributes["corners"] = points
    elif kind in ("polygon", "mask"):
        row["kind"] = "mask"
        row["mask"] = dump_mask([floats(points)]) if kind == "polygon" else _read_mask(shape, own, size_hw, attributes)
        if own.get("box"):
            row |= zip(BOX, map(float, own["box"]), strict=True)
    else:
        row["kind"] = "shape"
        attributes |= {"shape": kind, "points": points}


def floats(points: list[list[float]]) -> list[list[float]]:
    """A ring as the `mask` column keeps it."""
    return [[float(x), float(y)] for x, y in points]


def _read_box(points: list[list[float]], own: Row) -> list[float]:
    xs, ys = sorted({x for x, _ in points}), sorted({y for _, y in points})
    whole = (
        len(points) == 4 and len({tuple(point) for point in points}) == len(xs) * len(ys) and max(len(xs), len(ys)) < 3
    )
    if len(points) != 2 and not whole:
        raise BrokenRowError(f"a rectangle needs two opposite corners, got {len(points)} points")
    box = [xs[0], ys[0], xs[-1], ys[-1]]
    kept = own.get("box")
    if kept and [*sorted(kept[::2]), *sorted(kept[1::2])] == [box[0], box[2], box[1], box[3]]:
        box = kept  # its corners are not in order; someone who moved it in LabelMe has put it in order
    return [float(value) for value in box]


def _read_mask(shape: Row, own: Row, size_hw: tuple[Any, Any], attributes: Row) -> str:
    height, width = own.get("size") or size_hw
    if not is_size(height) or not is_size(width) or height * width > MAX_PIXELS:
        raise BrokenRowError(
            f"a mask needs imageHeight and imageWidth up to {MAX_PIXELS} pixels, got {height!r}, {width!r}"
        )
    points = shape["points"]
    if len(points) != 2 or not isinstance(shape.get("mask"), str):
        raise BrokenRowError("a mask needs two corners and a PNG in base64")
    try:
        pixels = decode_index_mask(base64.b64decode(shape["mask"], validate=True))
    except (binascii.Error, ValueError, UnreadableImageError) as error:
        raise BrokenRowError(f"the PNG of a mask cannot be read: {error}") from error
    (x0, y0), (x1, y1) = points
    whole = all(float(value).is_integer() for value in (x0, y0, x1, y1))
    if whole and pixels.shape != (y1 - y0 + 1, x1 - x0 + 1):
        raise BrokenRowError(
            f"the PNG of a mask is {pixels.shape[1]} x {pixels.shape[0]} pixels, its corners say otherwise"
        )
    rle = place_mask(pixels, (round(x0), round(y0)), (height, width))
    if not whole:
        attributes["points"] = points
    return rle.to_json()


def join_rings(found: Sequence[tuple[Row, int | None]]) -> list[Row]:
    """Rows from (row, which ring of its mask it is): polygons of the same id become one mask."""
    rows: list[Row] = []
    parts: dict[str, list[tuple[int, Row]]] = {}
    for row, ring in found:
        if ring is None or not str(row["mask"]).startswith("["):
            rows.append(row)
        else:
            parts.setdefault(row["annotation_id"], []).append((ring, row))
    for rings in parts.values():
        ordered = [row for _, row in sorted(rings, key=lambda part: part[0])]
        joined = [ring for row in ordered for ring in json.loads(row["mask"])]
        rows.append({**ordered[0], "mask": dump_mask(joined)})
    return rows


def _load_classes(tree: Tree, files: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[str], Row]:
    folders = {""}
    for file in files:
        folders.update(parent.as_posix().removeprefix(".") for parent in PurePosixPath(file).parents)
    lists = [path for folder in sorted(folders) if (path := posixpath.join(folder, LABELS)) in tree]
    lines: list[str] = []
    for path in lists:
        try:
            lines += [line.removesuffix("\r") for line in tree.read(path).decode("utf-8-sig").split("\n")]
        except (UnreadableFileError, UnicodeDecodeError):
            continue
    lines = list(dict.fromkeys(line for line in lines if line.strip()))
    classes = _class_names(lines, {row["label"] for row in rows if row["label"] is not None})
    extras = {"labelme": {"labels": lines}} if lines != list(map(_class_line, classes)) and lists else {}
    return classes, lists, extras


def _class_names(lines: Sequence[str], used: set[str]) -> list[str]:
    listed = [_unquote(line) for line in lines if line not in MARKERS]
    named = [line for line in lines if line in MARKERS and line in used]
    return list(dict.fromkeys([*named, *listed, *sorted(used)]))


def _class_line(name: str) -> str:
    plain = name == name.strip() != "" and name.isprintable() and not name.startswith('"') and name not in MARKERS
    return name if plain else json.dumps(name)


def _unquote(line: str) -> str:
    try:
        value = json.loads(line) if line.startswith('"') else line
    except ValueError:
        return line.strip()
    return value if line.startswith('"') else line.strip()


# Writing


def _name_files(paths: Iterable[str]) -> dict[str, str]:
    """The JSON file of each image: beside it, with its stem; with its whole name where two images share the stem."""
    paths = sorted(paths)
    n_images = Counter(str(PurePosixPath(path).with_suffix("")).casefold() for path in paths if _is_place(path))
    files: dict[str, str] = {}
    for path in paths:
        if not _is_place(path):
            files[path] = f"{hashlib.sha256(path.encode('utf-8', 'replace')).hexdigest()[:16]}.json"
            continue
        stem = str(PurePosixPath(path).with_suffix(""))
        alone = n_images[stem.casefold()] == 1 and f"{stem}.json" not in paths
        files[path] = f"{stem if alone else path}.json"
    return files


def _is_place(path: str) -> bool:
    """Whether a file beside `path` is inside the folder that is written."""
    return (
        clean_path(path) == posixpath.normpath(path) == path
        and path.split("/")[0] not in ("..", ".")
        and "\0" not in path
    )


def _to_document(path: str, file: str, record: Row | None, rows: list[Row], as_labels: bool) -> tuple[Row, list[Loss]]:
    image = posixpath.relpath(path, posixpath.dirname(file) or ".") if _is_place(path) else path
    attributes = load_attributes(record["attributes"]) if record else {}
    document: Row = {"version": "5.0.0", "flags": {}, "shapes": []}
    document |= {key: value for key, value in attributes.items() if key not in FILE_KEYS}
    document |= {"imagePath": image, "imageData": None}
    document |= {"imageHeight": record and record["height_px"], "imageWidth": record and record["width_px"]}
    label, document["flags"] = _choose_flags(attributes.get("flags"), path, rows if as_labels else [])
    carried, losses = [], []
    group = first_free_group(rows)
    for row in rows:
        shapes = _to_shapes(row, (document["imageHeight"], document["imageWidth"]), group)
        if shapes:
            document["shapes"] += shapes
            group += len(shapes) > 1
        elif row is not label:
            carried.append(pack_row(row))
            losses += lose_row(row, path, unpack_row(carried[-1]), "LabelMe")
    own: Row = {"annotations": carried} if carried else {}
    if (
        (again := _read_record(document, path, file)) is None
        or record is None
        or not same_row(record, again, RECORDS.columns)
    ):
        own["record"] = record and pack_record(record)
    if own:
        document[OWN] = own
    if clean_path(image) == "." or _image_of(document, file, ImageIndex([])) != path:
        losses.append(Loss("path", path, message="a name that leads out of the folder is not restored"))
    return document, losses


def lose_row(row: Row, path: str, again: Row, title: str) -> list[Loss]:
    """The losses of a row that is kept whole under the key datatools and comes back as `again`."""
    name = row["annotation_id"]
    what = (
        load_attributes(row["attributes"]).get("shape", "shape like this")
        if row["kind"] == "shape"
        else f"{row['kind']} like this"
    )
    losses = [Loss("kind", path, name, f"{title} has no {what}: kept under {OWN!r}, which it does not show")]
    columns = [column for column in ANNOTATIONS.columns if column not in ("path", "source")]
    return losses + [
        Loss(column, path, name, "cannot be kept") for column in columns if not same_row(row, again, [column])
    ]


def _choose_flags(flags: Any, path: str, rows: list[Row]) -> tuple[Row | None, Row]:
    """The row that flags express, and those flags: the record's own, where they do, else made from a label."""
    own = flags if isinstance(flags, dict) and all(isinstance(value, bool) for value in flags.values()) else {}
    made: list[Row] = []
    for row in rows:
        names = load_attributes(row["attributes"]).get("choices") if row["label"] is None else [row["label"]]
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            made.append(dict.fromkeys(names, True))
    for candidate in (own, *made):
        label = flags_label(candidate, path)
        match = [row for row in rows if label and same_row(row, {**dict.fromkeys(row), **label})]
        if match:
            return match[0], candidate
    return None, own if not rows or flags_label(own, path) is None else {}


def first_free_group(rows: list[Row]) -> int:
    taken = [load_attributes(row["attributes"]).get("group_id") for row in rows]
    return 1 + max((value for value in taken if type(value) is int), default=0)


def _to_shapes(row: Row, size_hw: tuple[Any, Any], group: int) -> list[Row]:
    """The shapes that say what `row` says; none where LabelMe has no such thing."""
    attributes = load_attributes(row["attributes"])
    own: Row = {"id": row["annotation_id"]}
    if row["annotator"] is not None:
        own["annotator"] = row["annotator"]
    parts = _to_geometry(row, attributes, own, size_hw)
    keys = _to_keys(attributes, own)
    shapes = []
    for number, part in enumerate(parts, start=1):
        shape = {"label": row["label"] or "", "group_id": None, "description": None, "flags": {}, "mask": None, **part}
        if len(parts) > 1:
            own = {**own, "ring": number}
            own |= {} if "group_id" in keys else {"grouped": True}
            shape["group_id"] = keys.get("group_id", group)
        shapes.append({**shape, **(keys if number == 1 else {}), OWN: own})
    return shapes if shapes and _reads_back(shapes, row, size_hw) else []


def _reads_back(shapes: list[Row], row: Row, size_hw: tuple[Any, Any]) -> bool:
    try:
        again = join_rings([_read_shape(shape, size_hw) for shape in shapes])
    except BrokenRowError:
        return False
    return len(again) == 1 and same_row({**again[0], "path": row["path"]}, row)


def _to_geometry(row: Row, attributes: Row, own: Row, size_hw: tuple[Any, Any]) -> list[Row]:
    box = [row[name] for name in BOX]
    has_box = all(value is not None and is_number(value) for value in box)
    if row["kind"] == "box" and has_box:
        points: Any = [box[:2], box[2:]]
        if box[0] > box[2] or box[1] > box[3]:
            own["box"] = box
        if is_points(corners := attributes.get("corners"), range(2, 5)):
            points = corners
        return [{"points": points, "shape_type": "rectangle"}]
    if row["kind"] == "mask" and row["mask"] is not None:
        if has_box:
            own["box"] = box
        return _to_mask(row["mask"], own, size_hw)
    if row["kind"] == "shape":
        kind = attributes.get("shape")
        name = ALIASES.get(kind, kind) if isinstance(kind, str) else ""
        if name in N_POINTS and is_points(attributes.get("points"), N_POINTS[name]):
            own |= {"attributes": {"shape": kind}} if kind != name else {}
            return [{"points": attributes["points"], "shape_type": name}]
    return []


def _to_mask(text: str, own: Row, size_hw: tuple[Any, Any]) -> list[Row]:
    try:
        mask = parse_mask(text)
    except MaskError:
        return []
    if not isinstance(mask, Rle):
        rings = [{"points": ring, "shape_type": "polygon"} for ring in mask if is_points(ring)]
        return rings if len(rings) == len(mask) else []
    if mask.size_hw != size_hw:
        own["size"] = list(mask.size_hw)
    x, y, pixels = crop_mask(mask)
    corners = [[float(x), float(y)], [float(x + pixels.shape[1] - 1), float(y + pixels.shape[0] - 1)]]
    png = encode_index_mask(np.where(pixels, 255, 0))
    return [{"points": corners, "shape_type": "mask", "mask": base64.b64encode(png).decode()}]


def _to_keys(attributes: Mapping[str, Any], own: Row) -> Row:
    """The attributes as keys of a shape; those that would mean something else to LabelMe go to `own`."""
    keys: Row = {}
    for key, value in attributes.items():
        flags = isinstance(value, dict) and value and all(isinstance(flag, bool) for flag in value.values())
        is_native = (
            (key == "group_id" and type(value) is int)
            or (key == "flags" and flags)
            or (key == "description" and isinstance(value, str))
        )
        if is_native or (key not in SHAPE_KEYS and key not in DERIVED):
            keys[key] = value
        elif not (key in ("shape", "points") and attributes.get("shape") in (*N_POINTS, *ALIASES)) and key != "corners":
            own["attributes"] = {**own.get("attributes", {}), key: value}
    return keys


def _class_lines(content: Content) -> tuple[list[str], bool]:
    """The lines of labels.txt, and whether they are those that extras keep (or extras keep none)."""
    kept = content.extras.get("labelme")
    if kept is None:
        return list(map(_class_line, content.classes)), True
    lines = kept.get("labels") if isinstance(kept, dict) and set(kept) == {"labels"} else None
    used = set(content.annotations["label"].dropna())
    is_kept = isinstance(lines, list) and all(isinstance(line, str) and "\n" not in line for line in lines)
    if lines is not None and is_kept and tuple(_class_names(lines, used)) == content.classes:
        return lines, True
    return list(map(_class_line, content.classes)), False


FORMAT = Format("labelme", "LabelMe JSON", find_labelme, load_labelme, save_labelme)
