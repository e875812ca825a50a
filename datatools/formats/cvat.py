"""CVAT XML 1.1: "CVAT for images", and "CVAT for video" where the frames are there as images.

**Layout.** One or more XML files with the root `<annotations>`, usually `annotations.xml` beside a folder `images/`. The name
of an `<image>` is looked for in `images/<subset>/`, `<subset>/`, beside the XML file and in `images/`, then by its base name.
`subset` comes from the image, else from a file called `train.xml`, `val.xml`, `test.xml` or the like.

**Pixel convention.** Continuous pixels from the top left corner, half-open, as everywhere in datatools; CVAT shows an
image after its EXIF orientation is applied. Numbers are read as they stand, and written with all their digits.

| CVAT | here |
|---|---|
| box | box; with a rotation: shape `rotated_box` (`points` the corners before it turns clockwise by `rotation` degrees about its centre) |
| polygon | mask, one ring |
| mask | mask, run lengths in the size of the image, which must be declared; the crop's margins are not kept |
| polyline, points, ellipse, cuboid, skeleton | shape: `attributes.shape` and its numbers under CVAT's own names |
| tag | label of the image by the annotator `given`; several tags: label null, `attributes.choices` and `attributes.tags` |
| `occluded`, `z_order`, `group_id`, `source`, ... | attributes as bool, int or text; `occluded="0"` and `z_order="0"` are left out |
| `<attribute name="a">` | attribute `a`, typed by the meta's labels: see below |
| `id`, `task_id` of an image | attributes of its record |
| `<meta>` | `extras["cvat"]`, verbatim, by file; its labels are the classes |
| track | each shown frame is a row of the image `images/frame_<number>` with `track_id`, `frame`, `keyframe`, `outside` |

An attribute is a bool for a checkbox and a number for a number where its text says just that, else text. Where CVAT itself
uses the name (`points`, `occluded`), it is in `attributes.attributes`.

Frames that a track marks as outside are rows of `rejected` with the reason `outside`: there is no object in them. So are,
as `broken_row`, frames without image. Shapes between keyframes are not made up: CVAT writes each frame out. **No
annotator:** a task's owner and assignee need not be those who drew, so they stay in the meta, and boxes name nobody.

**Writing.** `annotations.xml` with a label specification that CVAT can import. Ids, annotators and what CVAT's attributes
cannot say are the attributes `datatools_id`, `datatools_annotator` and `datatools_json`, declared for each label. A mask of
several rings becomes polygons with a common `group_id`. Tracks are written as shapes of their images. What CVAT cannot
draw is in `<meta><datatools>` as JSON: our reader restores it, CVAT does not show it, and the loss report says so.
Characters that XML 1.0 does not allow: in a label, see there; in an image's name, U+FFFD stands for them.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from datatools.formats.base import Content, Format, Loss, Saved, dump_attributes, is_number, load_attributes, write_new
from datatools.formats.documents import BrokenFileError, parse_json, parse_xml
from datatools.formats.labelme import (
    GIVEN,
    OWN,
    choices_label,
    crop_mask,
    first_free_group,
    is_points,
    is_size,
    join_rings,
    lose_row,
    own_of,
    pack_record,
    pack_row,
    place_mask,
    rows_of,
    same_row,
    unpack_record,
    unpack_row,
)
from datatools.formats.locate import ImageIndex, clean_path
from datatools.formats.rows import BrokenRowError, broken_file, broken_row
from datatools.masks import MAX_PIXELS, MaskError, Rle, dump_mask, parse_mask
from datatools.schema import ANNOTATIONS, BOX, RECORDS
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]
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
SUBSETS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets


def find_cvat(tree: Tree) -> list[str]:
    """The XML files of `tree` with the root `<annotations>` and images, tracks or a meta in it."""
    return [path for path in tree.sizes if path.lower().endswith(".xml") and _is_cvat(tree, path)]


def load_cvat(tree: Tree, files: Sequence[str]) -> Content:
    """Read CVAT files; a file that is none is one row of `rejected`."""
    index = ImageIndex(tree.sizes)
    records: dict[str, Row] = {}
    rows: list[Row] = []
    rejected: list[Row] = []
    classes: list[str] = []
    extras: Row = {}
    seen: set[str] = set()
    for file in files:
        try:
            root = parse_xml(tree.read(file))
            if root.tag != "annotations":
                raise BrokenFileError(f"the root of a CVAT file is <annotations>, not <{root.tag}>")
        except (BrokenFileError, UnreadableFileError) as error:
            rejected.append(broken_file(file, str(error)))
            continue
        part = from_cvat(root, file, _Locator(index, file, OWN in _own_meta(root)))
        for row in part.annotations.to_dict("records"):
            if row["annotation_id"] in seen and row["annotation_id"].startswith("cvat/"):
                row["annotation_id"] = (
                    f"cvat/{PurePosixPath(file).with_suffix('')}/{row['annotation_id'].removeprefix('cvat/')}"
                )
            seen.add(row["annotation_id"])
            rows.append(row)
        for record in part.records.to_dict("records"):
            if record["path"] in records:
                message = f"{records[record['path']]['source']} describes this image too: its fields stay"
                rejected.append(broken_row(file, None, record["path"], message))
            records.setdefault(record["path"], record)
        rejected += part.rejected.to_dict("records")
        classes += part.classes
        kept = (extras.get("cvat"), part.extras.get("cvat"))
        extras |= part.extras
        if isinstance(kept[0], dict) and isinstance(kept[1], dict):
            extras["cvat"] = kept[0] | kept[1]
    return Content.from_rows(records.values(), rows, tuple(dict.fromkeys(classes)), rejected, files, extras)


def from_cvat(root: Element, source: str, image_of: Callable[[str, str | None], str | None]) -> Content:
    """Convert one document. `image_of(name, subset)` is the path of an image in the tree, or None.

    Shapes and tags are numbered from 1 through the document; the rows in `<meta><datatools>` go on from there.
    """
    meta = root.find("meta")
    reader = _Reader(source, image_of, _types_of(meta), _own_meta(root).get(OWN, {}))
    for element in root:
        if element.tag == "image":
            reader.read_image(element)
        elif element.tag == "track":
            reader.read_track(element, _original_size(root))
        elif element.tag not in ("meta", "version"):
            reader.rejected.append(broken_row(source, None, None, f"<{element.tag}> is neither image nor track"))
    reader.read_own()
    names = [name.text or "" for name in root.iterfind("meta//labels/label/name")]
    used = {row["label"] for row in reader.rows if row["label"] is not None}
    classes = tuple(dict.fromkeys([*names, *sorted(used)]))
    extras: Row = {} if meta is None else {"cvat": {source: tostring(meta, "unicode").strip()}}
    if reader.own:
        classes, extras = _own_classes(reader.own, classes), _own_extras(reader.own, extras)
    return Content.from_rows(reader.records.values(), reader.rows, classes, reader.rejected, [source], extras)


def save_cvat(content: Content, folder: Path) -> Saved:
    """Write `annotations.xml`; nothing moves."""
    root, losses = to_cvat(content)
    text = '<?xml version="1.0" encoding="utf-8"?>\n' + render_xml(root)
    write_new(folder / "annotations.xml", text.encode())
    return Saved(tuple(sorted(losses)))


def to_cvat(content: Content) -> tuple[Element, list[Loss]]:
    """The CVAT document, and what it cannot hold."""
    losses: list[Loss] = []
    records = {row["path"]: row for row in rows_of(content.records)}
    rows: dict[str, list[Row]] = {path: [] for path in records}
    for row in rows_of(content.annotations):
        if row["path"] is None:
            losses.append(Loss("path", "", row["annotation_id"], "names no image: left out"))
        else:
            rows.setdefault(row["path"], []).append(row)
    meta, types = _to_meta(content, [row for group in rows.values() for row in group])
    own: Row = {"classes": list(content.classes), "extras": dict(content.extras), "records": {}, "annotations": {}}
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    root.append(meta)
    ids = _frame_ids(records, rows)
    for path in sorted(rows, key=lambda path: (ids[path], path)):
        losses += _add_image(root, path, ids[path], records.get(path), rows[path], types, own)
    SubElement(meta, OWN).text = json.dumps(own, sort_keys=True)
    return root, losses


# Reading


class _Locator:
    """Finds the image that a file names: see the layout above; in a file that datatools wrote, names are paths."""

    def __init__(self, index: ImageIndex, file: str, is_own: bool) -> None:
        self.index, self.file, self.is_own = index, file, is_own

    def __call__(self, name: str, subset: str | None) -> str | None:
        cleaned, base = clean_path(name), posixpath.dirname(self.file)
        folders = ["", "images"] if subset is None else [f"images/{subset}", subset, "", "images"]
        for folder in ["", *folders] if self.is_own else folders:
            path = posixpath.normpath(posixpath.join(base, folder, cleaned))
            if self.index.find(path) == path:
                return path
        return self.index.find(cleaned, near=self.file)

    def frame(self, number: int) -> str | None:
        """The image of a frame of a video."""
        base = posixpath.dirname(self.file)
        stems = [posixpath.join(base, folder, f"frame_{number:06d}") for folder in ("images", "")]
        return next((path for stem in stems if (path := self.index.with_stem(stem))), None)


class _Reader:
    """Collects what one document says."""

    def __init__(self, source: str, image_of: Any, types: Types, own: Row) -> None:
        self.source, self.image_of, self.types, self.own = source, image_of, types, own
        self.rows: list[Row] = []
        self.rejected: list[Row] = []
        self.records: dict[str, Row] = {}
        self.number = 0
        self._n_of_path: dict[str, int] = {}
        self._seen: set[Any] = set()
        self._names: dict[str, str] = {}

    def read_image(self, element: Element) -> None:
        """One `<image>` with its shapes and tags."""
        name = element.get("name")
        if not name or clean_path(name) == ".":
            for _ in element:
                self._refuse(None, "its image has no name")
            if not len(element):
                self.rejected.append(broken_row(self.source, None, None, "an image has no name"))
            return
        record = _read_record(element, self.source)
        path = self.image_of(name, record["subset"]) or clean_path(name)
        self._names[name] = path
        kept = self.own.get("records", {}) if isinstance(self.own.get("records"), dict) else {}
        if name in kept:
            restored = unpack_record(kept[name])
            record = {**restored, "source": self.source} if restored else {}
        if path in self.records:
            self.rejected.append(
                broken_row(self.source, None, path, "the image is there twice: the fields of the first one stay")
            )
        elif record:
            self.records[path] = {**record, "path": path}
        size = (_to_size(element.get("height")), _to_size(element.get("width")))
        self._read_children(element, path, size, {})

    def read_track(self, track: Element, size_wh: tuple[int | None, int | None]) -> None:
        """One `<track>`: each frame it is shown in is a row."""
        shared = {key: value for key, value in track.attrib.items() if key not in ("id", "label")}
        shared = {"label": track.get("label", ""), "track_id": track.get("id", ""), **shared}
        for element in track:
            frame = element.get("frame", "")
            path = self.image_of.frame(int(frame)) if frame.isdecimal() and len(frame) < 10 else None
            if element.get("outside") == "1":
                self._refuse(
                    path, f"the track {track.get('id')} is outside of frame {frame}: nothing to see", "outside"
                )
            elif path is None:
                self._refuse(
                    None, f"frame {frame or '?'} of the video is no image here: put it at images/frame_{frame:0>6}.png"
                )
            else:
                record = {"path": path, "width_px": size_wh[0], "height_px": size_wh[1], "source": self.source}
                self.records.setdefault(path, {**record, "attributes": dump_attributes({"frame": int(frame)})})
                self._read_children([element], path, (size_wh[1], size_wh[0]), shared)

    def read_own(self) -> None:
        """The rows that CVAT has no element for."""
        kept = self.own.get("annotations")
        for name, items in kept.items() if isinstance(kept, dict) else ():
            path = self._names.get(name) or clean_path(name)
            for item in items if isinstance(items, list) else ():
                try:
                    row = unpack_row(item)
                except BrokenRowError as error:
                    self._refuse(path, str(error))
                    continue
                self.number += 1
                self.rows.append({**row, "path": path, "source": self.source})

    def _refuse(self, path: str | None, message: str, reason: str = "broken_row") -> None:
        self.number += 1
        self.rejected.append({**broken_row(self.source, self.number, path, message), "reason": reason})

    def _read_children(self, children: Iterable[Element], path: str, size_hw: Any, shared: Mapping[str, str]) -> None:
        found: list[tuple[Row, int | None]] = []
        tags: list[Row] = []
        for child in children:
            n = self._n_of_path[path] = self._n_of_path.get(path, 0) + 1
            try:
                row, ring = _read_element(child, size_hw, self.types, shared)
            except BrokenRowError as error:
                self._refuse(path, str(error))
                continue
            self.number += 1
            if child.tag == "tag":
                tags.append(row)
                continue
            if row["annotation_id"] is None or (row["annotation_id"], ring) in self._seen:  # a copy made in CVAT
                row["annotation_id"], ring = f"cvat/{path}#{n}", None
            self._seen.add((row["annotation_id"], ring))
            found.append((row, ring))
        rows = [*join_rings(found), *join_tags(tags, path)]
        self.rows += [{**row, "path": path, "source": self.source} for row in rows]


def join_tags(tags: Sequence[Row], path: str) -> list[Row]:
    """One label row an annotator: several tags by one of them are a null label with all of them in its attributes."""
    groups: dict[tuple[str, str | None], list[Row]] = {}
    for tag in tags:
        groups.setdefault((tag["annotator"] or GIVEN, tag["annotation_id"]), []).append(tag)
    rows = []
    for (annotator, name), given in groups.items():
        row = choices_label([tag["label"] or "" for tag in given], path, annotator)
        attributes = [load_attributes(tag["attributes"]) for tag in given]
        kept = attributes[0] if len(given) == 1 else load_attributes(row["attributes"])
        if len(given) > 1 and any(attributes):
            kept["tags"] = attributes
        name = name or row["annotation_id"]
        rows.append({**row, "annotation_id": name, "label": row["label"] or None, "attributes": dump_attributes(kept)})
    return rows


def _is_cvat(tree: Tree, path: str) -> bool:
    try:
        data = tree.read(path)
    except UnreadableFileError:
        return False
    return b"<annotations" in data[:4096] and any(mark in data for mark in (b"<image ", b"<track ", b"<meta"))


def _own_meta(root: Element) -> Row:
    """`{"datatools": {...}}` where datatools wrote the file, else empty."""
    text = root.findtext(f"meta/{OWN}")
    try:
        own = parse_json((text or "").encode())
    except BrokenFileError:
        return {}
    return {OWN: own} if isinstance(own, dict) else {}


def _own_classes(own: Row, classes: tuple[str, ...]) -> tuple[str, ...]:
    kept = own.get("classes")
    return tuple(kept) if isinstance(kept, list) and all(isinstance(name, str) for name in kept) else classes


def _own_extras(own: Row, extras: Row) -> Row:
    kept = own.get("extras")
    return kept if isinstance(kept, dict) else extras


def _types_of(meta: Element | None) -> dict[tuple[str, str], str]:
    """The input type of each attribute of each label."""
    types = {}
    for label in meta.iterfind(".//labels/label") if meta is not None else ():
        for attribute in label.iterfind("attributes/attribute"):
            key = (label.findtext("name") or "", attribute.findtext("name") or "")
            types[key] = attribute.findtext("input_type") or "text"
    return types


def _original_size(root: Element) -> tuple[int | None, int | None]:
    width, height = (root.findtext(f"meta/task/original_size/{side}") for side in ("width", "height"))
    return _to_size(width), _to_size(height)


def _to_size(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and text.isascii() and len(text) < 10 and is_size(int(text)) else None


def _read_record(image: Element, source: str) -> Row:
    attributes: Row = {}
    for name, text in image.attrib.items():
        if name in ("id", "task_id"):
            attributes[name] = int(text) if _is_int(text) else text
        elif name not in ("name", "subset", "width", "height") or (name in ("width", "height") and not _to_size(text)):
            attributes[name] = text
    stem = PurePosixPath(source).stem
    return {
        "width_px": _to_size(image.get("width")),
        "height_px": _to_size(image.get("height")),
        "subset": image.get("subset") or (stem if stem.lower() in SUBSETS else None),
        "metadata": None,
        "attributes": dump_attributes(attributes),
        "source": source,
    }


def _is_int(text: str) -> bool:
    return bool(re.fullmatch(r"0|-?[1-9]\d{0,17}", text, re.ASCII))


def _typed(name: str, text: str) -> Any:
    if TYPED.get(name) is bool and text in ("0", "1"):
        return text == "1"
    return int(text) if TYPED.get(name) is int and _is_int(text) else text


def _typed_attribute(kind: str | None, text: str) -> Any:
    """The text of an `<attribute>` as its label's specification has it; text that would not come back stays text."""
    if kind == "checkbox" and text in ("true", "false"):
        return text == "true"
    if kind == "number" and _is_int(text):
        return int(text)
    if kind == "number" and NUMBER.fullmatch(text) and is_number(float(text)) and repr(float(text)) == text:
        return float(text)
    return text


def _read_element(
    element: Element, size_hw: tuple[Any, Any], types: Types, shared: Mapping[str, str] | None = None
) -> tuple[Row, int | None]:
    """One shape or tag as a row, and which ring of its mask it is where it is one of several."""
    if element.tag not in GEOMETRY:
        raise BrokenRowError(f"<{element.tag}> is no shape of CVAT: {', '.join(GEOMETRY)}")
    given = {**(shared or {}), **element.attrib}
    label = given.pop("label", "") or None
    texts, own = _read_attributes(element)
    attributes = {key: _typed(key, text) for key, text in given.items() if key not in GEOMETRY[element.tag]}
    for name, default in DEFAULTS.items():
        if given.get(name) == default:
            del attributes[name]
    if own.get("grouped"):
        attributes.pop("group_id", None)
    nested: Row = {}
    for name, text in texts.items():
        taken = name in attributes or name in DERIVED or name in TYPED or name == "id"
        (nested if taken else attributes)[name] = _typed_attribute(types.get((label or "", name)), text)
    row: Row = {**dict.fromkeys(ANNOTATIONS.columns), "label": label}
    row |= {"annotation_id": own.get("id"), "annotator": own.get("annotator")}
    row |= _read_geometry(element, attributes, own, size_hw)
    attributes |= {"attributes": nested} if nested else {}
    row["attributes"] = dump_attributes(attributes | own.get("attributes", {}))
    return row, own.get("ring")


def _read_attributes(element: Element) -> tuple[dict[str, str], Row]:
    """The `<attribute>` texts by name, and what datatools keeps among them."""
    texts: dict[str, str] = {}
    for child in element.iterfind("attribute"):
        name = child.get("name")
        if name is None or name in texts:
            raise BrokenRowError(
                "an attribute needs a name" if name is None else f"the attribute {name!r} is there twice"
            )
        texts[name] = child.text or ""
    name, annotator, rest = (texts.pop(name, None) for name in OWN_NAMES)
    try:
        own = parse_json(rest.encode()) if rest else {}
    except BrokenFileError as error:
        raise BrokenRowError(f"datatools_json: {error}") from error
    own = own_of(own)
    own = {**own, "id": name} if name else own
    return texts, {**own, "annotator": annotator} if annotator is not None else own


def _read_geometry(element: Element, attributes: Row, own: Row, size_hw: tuple[Any, Any]) -> Row:
    kind = element.tag
    if kind == "tag":
        return {"kind": "label"}
    if kind == "box":
        numbers = [_number(element, name) for name in CORNERS]
        rotation = _number(element, "rotation", "0")
        if not rotation:
            return {"kind": "box", **dict(zip(BOX, map(float, numbers), strict=True))}
        attributes |= {"shape": "rotated_box", "points": [numbers[:2], numbers[2:]], "rotation": rotation}
    elif kind in ("polygon", "mask"):
        mask = dump_mask([_points(element, float)]) if kind == "polygon" else _read_mask(element, own, size_hw)
        box = dict(zip(BOX, map(float, own["box"]), strict=True)) if own.get("box") else {}
        return {"kind": "mask", "mask": mask, **box}
    elif kind in ("polyline", "points"):
        attributes |= {"shape": kind, "points": _points(element, _exact)}
    elif kind == "skeleton":
        attributes |= {"shape": kind, "elements": [_read_part(part) for part in element if part.tag != "attribute"]}
    else:
        attributes |= {"shape": kind, **{name: _number(element, name) for name in GEOMETRY[kind] if name != "rotation"}}
        if kind == "ellipse" and (rotation := _number(element, "rotation", "0")):
            attributes["rotation"] = rotation
    return {"kind": "shape"}


def _read_part(part: Element) -> Row:
    """A part of a skeleton: texts as they stand."""
    texts = {child.get("name", ""): child.text or "" for child in part.iterfind("attribute")}
    return {"type": part.tag, **part.attrib, **({"attributes": texts} if texts else {})}


def _number(element: Element, name: str, default: str | None = None) -> float:
    text = element.get(name, default)
    if text is None or not NUMBER.fullmatch(text.strip()) or not is_number(float(text)):
        raise BrokenRowError(f"{name} of a {element.tag} must be a finite number, got {text!r}")
    return _exact(text.strip())


def _exact(text: str) -> float:
    """The number as it was written: `3` is an int, `3.00` a float."""
    return int(text) if _is_int(text) else float(text)


def _points(element: Element, convert: Callable[[str], float]) -> list[list[float]]:
    points = []
    for pair in (element.get("points") or "").split(";"):
        numbers = [text.strip() for text in pair.split(",")]
        if len(numbers) != 2 or not all(NUMBER.fullmatch(text) and is_number(float(text)) for text in numbers):
            raise BrokenRowError(f"points of a {element.tag} must be x,y;x,y;... in finite numbers, got {pair[:40]!r}")
        points.append([convert(text) for text in numbers])
    return points


def _read_mask(element: Element, own: Row, size_hw: tuple[Any, Any]) -> str:
    height, width = own.get("size") or size_hw
    if not is_size(height) or not is_size(width) or height * width > MAX_PIXELS:
        raise BrokenRowError(f"a mask needs an image with width and height, at most {MAX_PIXELS} pixels")
    left, top, crop_width, crop_height = (int(_number(element, name)) for name in CROP)
    texts = [text.strip() for text in (element.get("rle") or "").split(",")]
    if not all(text.isdecimal() and text.isascii() and len(text) < 10 for text in texts):
        raise BrokenRowError("rle of a mask must be whole numbers from 0, separated by commas")
    counts = [int(text) for text in texts]
    if (
        min(crop_width, crop_height) < 1
        or crop_width * crop_height > MAX_PIXELS
        or sum(counts) != crop_width * crop_height
    ):
        raise BrokenRowError(
            f"rle of a mask adds up to {sum(counts)}, but width x height is {crop_width} x {crop_height}"
        )
    if left < 0 or top < 0 or left + crop_width > width or top + crop_height > height:
        raise BrokenRowError(f"the mask hangs over the image of {width} x {height} pixels")
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(crop_height, crop_width)
    return place_mask(pixels, (left, top), (height, width)).to_json()


# Writing


def _frame_ids(records: Mapping[str, Row], paths: Iterable[str]) -> dict[str, int]:
    """The `id` of each image: the one its record has, where no other image has it too, else the next free number."""
    wanted = {
        path: load_attributes(records[path]["attributes"]).get("id") if path in records else None for path in paths
    }
    used: set[int] = set()
    ids: dict[str, int] = {}
    for path, value in sorted(wanted.items()):
        if type(value) is int and 0 <= value < 2**31 and value not in used:
            ids[path] = value
            used.add(value)
    free = iter(number for number in range(len(wanted) + len(used)) if number not in used)
    return {path: ids[path] if path in ids else next(free) for path in sorted(wanted)}


def _add_image(
    root: Element, path: str, number: int, record: Row | None, rows: Sequence[Row], types: Types, own: Row
) -> list[Loss]:
    name = ILLEGAL.sub("\ufffd", path)
    losses = [Loss("path", path, message="characters that XML does not allow become U+FFFD")] if name != path else []
    losses += [Loss("path", path, message="the name is read as another one")] if clean_path(path) != path else []
    image = SubElement(root, "image", {"id": str(number), "name": name})
    attributes = load_attributes(record["attributes"]) if record else {}
    if record and record["subset"] and not ILLEGAL.search(record["subset"]):
        image.set("subset", record["subset"])
    if type(attributes.get("task_id")) is int:
        image.set("task_id", str(attributes["task_id"]))
    for side in ("width", "height"):
        if record and record[f"{side}_px"] is not None:
            image.set(side, str(record[f"{side}_px"]))
    if record is None or not same_row(
        {**record, "path": path}, {**_read_record(image, ""), "path": path}, RECORDS.columns
    ):
        own["records"][name] = record and pack_record(record)
    size_hw = (record and record["height_px"], record and record["width_px"])
    group = first_free_group(list(rows))
    for row in rows:
        elements = _to_elements(row, size_hw, group, types)
        image.extend(elements)
        group += len(elements) > 1
        if not elements:
            own["annotations"].setdefault(name, []).append(packed := pack_row(row))
            losses += lose_row(row, path, unpack_row(packed), "CVAT")
    return losses


def _to_elements(row: Row, size_hw: tuple[Any, Any], group: int, types: Types) -> list[Element]:
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
        found = [_read_element(element, size_hw, types) for element in elements]
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
        elif key == "attributes" and isinstance(value, dict) and value and all(map(_is_taken, value)):
            _add_texts(element, value, label, types, own, nested=True)
        elif not _is_taken(key):
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


def _is_taken(name: str) -> bool:
    """Whether an `<attribute>` of that name is read into the nested attributes, or not as an attribute at all."""
    return name in DERIVED or name in TYPED or name == "id" or name in OWN_NAMES


def _typed_text(key: str, value: Any) -> str | None:
    if type(value) is not TYPED.get(key) or (type(value) is int and abs(value) >= 10**15):
        return None
    return str(int(value)) if isinstance(value, bool) else str(value)


def _attribute_text(value: Any, kind: str | None) -> str | None:
    """The text of an `<attribute>`; None where it would not be read as `value` again."""
    if not isinstance(value, str | bool | int | float):
        return None
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)
    again = _typed_attribute(kind, text)
    return text if type(again) is type(value) and again == value else None


def _to_meta(content: Content, rows: Sequence[Row]) -> tuple[Element, dict[tuple[str, str], str]]:
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
    return meta, _types_of(meta)


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
            if row["label"] and not _is_taken(key) and isinstance(value, str | bool | int | float):
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


def render_xml(element: Element, indent: str = "") -> str:
    """XML text that is read as the same text: line ends and tabs are written as references."""
    attributes = "".join(f' {name}="{_escape(text)}"' for name, text in element.attrib.items())
    inner = "".join(render_xml(child, indent + "  ") for child in element)
    inner = f"\n{inner}{indent}" if inner else _escape(element.text or "")
    return f"{indent}<{element.tag}{attributes}>{inner}</{element.tag}>\n"


def _escape(text: str) -> str:
    marks = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
    return "".join(marks.get(character, character) for character in text)


FORMAT = Format("cvat", "CVAT XML 1.1", find_cvat, load_cvat, save_cvat)
