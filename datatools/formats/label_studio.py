"""Label Studio JSON: a list of tasks, each an image with the annotations of several people and the predictions of models.

**Layout.** `tasks.json` (any name), and `label_config.xml` beside it or at the root: its labels and choices are the classes.
`data.image` (else the one text in `data` that ends like an image) names the image: a path, `/data/local-files/?d=...`,
`/data/upload/...` (with eight hex digits before the name) or a URL. Nothing is ever fetched: the image is looked for by that
path, then by its base name. Exports as JSON_MIN leave out whose work it is and are refused.

**Pixel convention.** Label Studio keeps percent of `original_width` and `original_height`. They are multiplied out and rounded to
9 decimals, half-open, from the top left corner, after EXIF orientation; a file that is written and read again gives
the identical numbers (where percent cannot, the exact ones are in `meta.datatools`, and count while the percent ones agree).

| Label Studio | here |
|---|---|
| rectanglelabels, rectangle | box; rotated: shape `rotated_box_about_corner` (turned clockwise about its top left corner) |
| polygonlabels, polygon | mask, one ring |
| brushlabels, brush (`"format": "rle"`) | mask, run lengths of the pixels whose alpha is not 0 |
| ellipselabels, ellipse; keypointlabels, keypoint | shape `ellipse` (`cx`, `cy`, `rx`, `ry`, `rotation`), shape `point` |
| choices | the annotator's label of the image; several: label null, `attributes.choices` |
| several labels of a region | label null, `attributes.labels` |
| `completed_by` | annotator: its email, else `user<ID>`; `model:<model_version>` for a prediction; without any, null and for labels `given` |
| `from_name`, `to_name`, `origin`, `score`, `meta`, `parentID`, ... | attributes; what `value` has beside the geometry is `attributes.value` |
| other results (text, ratings, relations) | with their annotation, see below; those of a region: its `attributes.results` |
| `lead_time`, `created_at`, `ground_truth`, ... of an annotation | `attributes.annotations` or `.predictions` of the image's record |
| other fields of a task | attributes of the record |

Results of a skipped annotation (`was_cancelled`) are rows of `rejected` with the reason `cancelled`: its author withdrew them.
A result id that comes up again (an annotation made from a prediction keeps its ids) gets `@<annotator>` behind it.

**Writing.** `tasks.json` with an annotation for each annotator, and `label_config.xml` to set the project up with. Images are named
`/data/local-files/?d=<path>`: serve the folder with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT. Annotators that are no email or
`user<ID>` stay in `meta.datatools` of their results, since Label Studio refuses unknown ones; so do our ids and attributes.
A mask of several rings becomes several polygons. What cannot be drawn (geometry in an image of unknown size, lines, ...) is
in the task's `meta.datatools`: our reader restores it, Label Studio does not show it, and the loss report says so.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

from datatools.formats.base import Content, Format, Loss, Saved, dump_attributes, is_number, load_attributes, write_new
from datatools.formats.cvat import ILLEGAL, render_xml
from datatools.formats.documents import BrokenFileError, parse_json, parse_xml
from datatools.formats.labelme import (
    GIVEN,
    OWN,
    choices_label,
    is_points,
    is_size,
    join_rings,
    lose_row,
    own_of,
    pack_row,
    read_json,
    rows_of,
    same_row,
    unpack_record,
    unpack_row,
)
from datatools.formats.locate import ImageIndex, clean_path, is_image
from datatools.formats.rows import BrokenRowError, broken_file, broken_row
from datatools.masks import MAX_PIXELS, MaskError, Rle, dump_mask, from_array, parse_mask
from datatools.schema import ANNOTATIONS, BOX, RECORDS
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]
CONFIG = "label_config.xml"
WRITTEN = "written by datatools"
LOCAL = "/data/local-files/?d="
DECIMALS = 9
NEAR = 1e-6  # pixels: exact numbers kept beside percent count as long as nobody moved the region
LISTS = ("annotations", "completions", "predictions")
TYPES = {"box": "rectanglelabels", "ring": "polygonlabels", "rle": "brushlabels", "ellipse": "ellipselabels"}
TYPES |= {"rotated_box_about_corner": "rectanglelabels", "point": "keypointlabels", "label": "choices"}
TAGS = {"rectanglelabels": "RectangleLabels", "polygonlabels": "PolygonLabels", "brushlabels": "BrushLabels"}
TAGS |= {"ellipselabels": "EllipseLabels", "keypointlabels": "KeyPointLabels", "choices": "Choices", "labels": "Labels"}
SHAPES = {"rectangle", "polygon", "brush", "ellipse", "keypoint", "labels"} | set(TAGS) - {"choices"}
GEOMETRY = {"x", "y", "width", "height", "rotation", "points", "radiusX", "radiusY", "rle", "format"}
RESULT_KEYS = {"from_name", "to_name", "origin", "score", "parentID", "readonly", "hidden", "locked"}
TASK_KEYS = {"id", "created_at", "updated_at", "inner_id", "project", "file_upload", "drafts", "updated_by", "overlap"}
TASK_KEYS |= {"total_annotations", "cancelled_annotations", "total_predictions", "is_labeled", "comment_authors"}
TASK_KEYS |= {"comment_count", "unresolved_comment_count", "last_comment_updated_at"}
HEADER_BITS = 32 + 5 + 4 * 4
RUN_BITS = (3, 4, 8, 16)


def find_label_studio(tree: Tree) -> list[str]:
    """The Label Studio files of `tree`: JSON lists of tasks."""
    return [path for path in tree.sizes if path.lower().endswith(".json") and _is_label_studio(tree, path)]


def load_label_studio(tree: Tree, files: Sequence[str]) -> Content:
    """Read Label Studio files; a file that is none is one row of `rejected`."""
    index = ImageIndex(tree.sizes)
    records: dict[str, Row] = {}
    rows: list[Row] = []
    rejected: list[Row] = []
    seen: set[str] = set()
    for file in files:
        try:
            tasks = _check_tasks(read_json(tree, file))
        except BrokenFileError as error:
            rejected.append(broken_file(file, str(error)))
            continue
        found, annotations, bad = from_label_studio(tasks, file, functools.partial(_locate, index=index, file=file))
        for row in annotations:
            row["annotation_id"] = _fresh_id(row, seen)
            seen.add(row["annotation_id"])
        rows += annotations
        rejected += bad
        for record in found:
            if record["path"] in records:
                rejected.append(
                    broken_row(
                        file, None, record["path"], "another task has this image too: the fields of the first stay"
                    )
                )
            records.setdefault(record["path"], record)
    classes, configs, extras = _load_classes(tree, files, rows)
    return Content.from_rows(records.values(), rows, classes, rejected, [*files, *configs], extras)


def from_label_studio(
    tasks: Sequence[Any], source: str, image_of: Callable[[str], str | None]
) -> tuple[list[Row], list[Row], list[Row]]:
    """Convert tasks to records, annotations and rejected rows. `image_of(name)` is an image's path in the tree, or None.

    Results are numbered from 1 through the document; rows that datatools keeps in a task follow its results.
    """
    reader = _Reader(source, image_of)
    for task in tasks:
        reader.read_task(task)
    return reader.records, reader.rows, reader.rejected


def save_label_studio(content: Content, folder: Path) -> Saved:
    """Write `tasks.json` and `label_config.xml`; nothing moves."""
    tasks, losses = to_label_studio(content)
    config, kept = _to_config(content, tasks)
    losses += (
        []
        if kept
        else [Loss("extras.label_studio", "", message="label_config.xml is written from the classes instead")]
    )
    write_new(folder / "tasks.json", json.dumps(tasks, ensure_ascii=False, indent=1, allow_nan=False).encode())
    write_new(folder / CONFIG, config.encode())
    return Saved(tuple(sorted(losses)))


def to_label_studio(content: Content) -> tuple[list[Row], list[Loss]]:
    """The tasks, and what they cannot hold."""
    losses = [
        Loss(f"extras.{name}", "", message="no place: left out") for name in content.extras if name != "label_studio"
    ]
    records = {row["path"]: row for row in rows_of(content.records)}
    rows: dict[str, list[Row]] = {path: [] for path in records}
    for row in rows_of(content.annotations):
        if row["path"] is None:
            losses.append(Loss("path", "", row["annotation_id"], "names no image: left out"))
        else:
            rows.setdefault(row["path"], []).append(row)
    if set(content.annotations["label"].dropna()) - set(content.classes):
        losses.append(Loss("classes", "", message="labels that are no classes become classes"))
    tasks = []
    for path in sorted(rows):
        task, lost = _to_task(path, records.get(path), rows[path])
        tasks.append(task)
        losses += lost
    return tasks, losses


# Reading


class _Reader:
    """Collects what the tasks of one document say."""

    def __init__(self, source: str, image_of: Callable[[str], str | None]) -> None:
        self.source, self.image_of = source, image_of
        self.records: list[Row] = []
        self.rows: list[Row] = []
        self.rejected: list[Row] = []
        self.number = 0

    def read_task(self, task: Any) -> None:
        """One task: its record, and the rows of its annotations and predictions."""
        try:
            name, own = _image_name(task), _own_task(task)
        except BrokenRowError as error:
            for _ in _results(task):
                self._refuse(None, str(error))
            if not _results(task):
                self.rejected.append(broken_row(self.source, None, None, str(error)))
            return
        kept = own.get("path")
        path = (isinstance(kept, str) and self.image_of(kept)) or self.image_of(name) or _name_of(name)
        attributes = _task_attributes(task, path, own)
        size: Row = {}
        for key in LISTS:
            if entries := self._read_entries(task, key, path, size):
                attributes[key] = entries
        self._read_own(own, path)
        record = _to_record(path, attributes, size, own)
        if record is not None:
            self.records.append({**record, "source": self.source})

    def _read_entries(self, task: Row, key: str, path: str, size: Row) -> list[Row]:
        """The rows of a task's annotations; returns what is to be kept of each beside its rows."""
        kept = []
        whose = Counter(_annotator(key, entry) for entry in task.get(key) or [])
        for entry in task.get(key) or []:
            who = _annotator(key, entry)
            results = entry["result"]
            rest = {name: value for name, value in entry.items() if name != "result"}
            if entry.get("was_cancelled") is True:
                for _ in results:
                    self._refuse(path, f"{who or 'its author'} skipped the image (was_cancelled)", "cancelled")
                kept.append(rest)
                continue
            found, left = self._read_results(results, path, who, size)
            if whose[who] > 1 and entry.get("id") is not None:
                for row in found:
                    row["attributes"] = dump_attributes({**load_attributes(row["attributes"]), key[:-1]: entry["id"]})
            self.rows += found
            rest |= {"results": left} if left else {}
            if not found or rest != _new_entry(who)[1]:
                kept.append(rest)
        return kept

    def _read_results(
        self, results: Sequence[Any], path: str, who: str | None, size: Row
    ) -> tuple[list[Row], list[Any]]:
        """The rows of one annotation, and the results that are none."""
        regions = [item for item in results if isinstance(item, dict) and _is_region(item)]
        main: dict[Any, Any] = {}
        for item in sorted(regions, key=lambda item: not _labels_of(item)):
            if isinstance(item.get("id"), str):
                main.setdefault(item["id"], item)
        parts: dict[str, list[Row]] = {}
        left, choices, found = [], [], []
        for item in results:
            self.number += 1
            if not isinstance(item, dict):
                self.rejected.append(broken_row(self.source, self.number, path, "a result must be an object"))
                continue
            region = main.get(item["id"]) if isinstance(item.get("id"), str) else None
            if region is not None and region is not item:
                parts.setdefault(item["id"], []).append(item)
            elif _is_region(item):
                found.append((self.number, item))
            elif item.get("type") == "choices":
                choices.append((self.number, item))
            else:
                left.append(item)
        rows = join_rings([row for row in (self._read_one(*pair, path, who, size, parts) for pair in found) if row])
        return [*rows, *self._read_choices(choices, path, who)], left

    def _read_one(
        self, number: int, item: Row, path: str, who: str | None, size: Row, parts: Mapping[str, list[Row]]
    ) -> tuple[Row, int | None] | None:
        try:
            row, ring = read_region(item, who, size, parts.get(str(item.get("id")), []))
        except BrokenRowError as error:
            self.rejected.append(broken_row(self.source, number, path, str(error)))
            return None
        if row["annotation_id"] is None:
            row["annotation_id"] = f"label_studio/{path}#{number}"
        return {**row, "path": path, "source": self.source}, ring

    def _read_choices(self, found: Sequence[tuple[int, Row]], path: str, who: str | None) -> list[Row]:
        items = []
        for number, item in found:
            try:
                _check_choices(item)
                items.append(item)
            except BrokenRowError as error:
                self.rejected.append(broken_row(self.source, number, path, str(error)))
        return [{**row, "source": self.source} for row in read_choices(items, path, who)]

    def _read_own(self, own: Row, path: str) -> None:
        for item in own.get("annotations", []):
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
    labels = _labels_of(item)
    row["label"] = labels[0] if len(labels) == 1 else None
    attributes |= {"labels": labels} if len(labels) > 1 else {}
    attributes |= _item_attributes(item, TYPES[kind])
    if (size["height_px"], size["width_px"]) != size_hw:
        attributes |= {"original_height": size_hw[0], "original_width": size_hw[1]}
    used = {"rotation", *(GEOMETRY if kind != "point" else ("x", "y")), "labels", str(item.get("type"))}
    rest = {key: part for key, part in value.items() if key not in used and (key, part) != ("closed", True)}
    attributes |= {"value": rest} if rest else {}
    attributes |= {"results": list(parts)} if parts else {}
    row["attributes"] = dump_attributes(attributes | own.get("attributes", {}))
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
            attributes["choices"] = [[_from_name(item), item["value"]["choices"]] for item in given]
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


def decode_brush(data: Any, size_hw: tuple[int, int]) -> Rle:
    """The pixels that Label Studio's own run lengths paint: those whose alpha is not 0.

    The bits are those of thi.ng/rle-pack over the image's RGBA bytes: their number (32 bits), word size - 1 (5), four
    run-length sizes - 1 (4 each); then a run is a flag (1: one word for all, 0: a word each), which size (2), its
    length - 1 and the words. Raises BrokenRowError.
    """
    height, width = size_hw
    if height * width > MAX_PIXELS:
        raise BrokenRowError(f"an image of {width} x {height} pixels is larger than {MAX_PIXELS} pixels")
    if not isinstance(data, list) or not all(type(byte) is int and 0 <= byte < 256 for byte in data):
        raise BrokenRowError("rle must be a list of bytes")
    bits = _Bits(bytes(data))
    total, word = bits.read(32), bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    if total != 4 * height * width:
        raise BrokenRowError(f"rle is of {total} bytes, but {width} x {height} pixels have {4 * height * width}")
    painted = np.zeros(height * width, bool)
    at = 0
    while at < total:
        is_run = bits.read(1)
        end = at + 1 + bits.read(sizes[bits.read(2)])
        if end > total:
            raise BrokenRowError("rle paints beyond its image")
        if is_run:
            if bits.read(word):
                painted[at // 4 : end // 4] = True  # byte 4 n + 3 is the alpha of pixel n
        else:
            for byte in range(at, end):
                if bits.read(word) and byte % 4 == 3:
                    painted[byte // 4] = True
        at = end
    return from_array(painted.reshape(size_hw))


def encode_brush(pixels: NDArray[np.bool_]) -> list[int]:
    """Label Studio's run lengths of a mask `(height, width)`; the inverse of decode_brush."""
    flat = pixels.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    parts = [f"{4 * flat.size:032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in RUN_BITS)]
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        left = 4 * (end - start)
        while left:
            length = min(left, 1 << RUN_BITS[-1])
            which = next(index for index, size in enumerate(RUN_BITS) if length <= 1 << size)
            parts.append(f"1{which:02b}{length - 1:0{RUN_BITS[which]}b}{255 if flat[start] else 0:08b}")
            left -= length
    text = "".join(parts)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


class _Bits:
    """Reads numbers of some bits from bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def read(self, n_bits: int) -> int:
        """The next number; raises BrokenRowError at the end."""
        first, end = self.at, self.at + n_bits
        if end > 8 * len(self.data):
            raise BrokenRowError("rle stops in the middle of a run")
        self.at = end
        chunk = int.from_bytes(self.data[first // 8 : (end + 7) // 8], "big")
        return (chunk >> (-end % 8)) & ((1 << n_bits) - 1)


def _is_label_studio(tree: Tree, path: str) -> bool:
    try:
        data = tree.read(path)
    except UnreadableFileError:
        return False
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"[":
        return False
    is_tasks = b'"data"' in data and any(f'"{name}"'.encode() in data for name in LISTS)
    return is_tasks or all(name in data for name in (b'"annotation_id"', b'"annotator"', b'"lead_time"'))


def _check_tasks(document: Any) -> list[Any]:
    if not isinstance(document, list):
        raise BrokenFileError("a Label Studio file is a list of tasks")
    if document and all(isinstance(task, dict) and "annotation_id" in task and "data" not in task for task in document):
        raise BrokenFileError("JSON_MIN leaves out fields that are needed: export as JSON")
    return document


def _results(task: Any) -> list[Any]:
    """The results of a task, however broken it is."""
    lists = [task.get(key) for key in LISTS] if isinstance(task, dict) else []
    entries = [entry for items in lists if isinstance(items, list) for entry in items if isinstance(entry, dict)]
    return [item for entry in entries if isinstance(entry.get("result"), list) for item in entry["result"]]


def _image_name(task: Any) -> str:
    """The image's name in `data`; raises BrokenRowError where the task is none or names no single image."""
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise BrokenRowError("a task needs the object data")
    for key in LISTS:
        entries = task.get(key) or []
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and isinstance(entry.get("result"), list) for entry in entries
        ):
            raise BrokenRowError(f"{key} must be a list of objects with the list result")
    data = task["data"]
    texts = [value for value in data.values() if isinstance(value, str) and is_image(_name_of(value))]
    name = data["image"] if isinstance(data.get("image"), str) else texts[0] if len(texts) == 1 else ""
    if not _name_of(name).strip("./"):
        raise BrokenRowError("data names no image, or several: data.image must be the one")
    return str(name)


def _own_task(task: Row) -> Row:
    """What datatools keeps in a task; raises BrokenRowError."""
    own = task["meta"].get(OWN) if isinstance(task.get("meta"), dict) else None
    if own is None:
        return {}
    if not isinstance(own, dict) or not isinstance(own.get("annotations", []), list):
        raise BrokenRowError(f"meta.{OWN} must be an object, and its annotations a list")
    return own


def _own_result(item: Row) -> Row:
    meta = item.get("meta")
    return own_of(meta.get(OWN)) if isinstance(meta, dict) else {}


def _name_of(name: str) -> str:
    """A path or URL as a relative path: of `/data/local-files/` what comes after `?d=`."""
    try:
        parts = urlsplit(name)
    except ValueError:
        return clean_path(name)
    if parts.path.startswith("/data/local-files") and (found := parse_qs(parts.query).get("d")):
        return clean_path(found[0])
    return clean_path(unquote(parts.path)) if parts.scheme and parts.netloc else clean_path(name)


def _locate(name: str, index: ImageIndex, file: str) -> str | None:
    plain = _name_of(name)
    base = re.sub(r"^[0-9a-f]{8}-", "", PurePosixPath(plain).name)
    for candidate in (clean_path(name), plain, unquote(plain), base, unquote(base)):
        if candidate != "." and (path := index.find(candidate, near=file)):
            return path
    return None


def _task_attributes(task: Row, path: str, own: Row) -> Row:
    attributes = {key: value for key, value in task.items() if key not in (*LISTS, "data", "meta")}
    attributes |= {key: task[key] for key in LISTS if key in task and task[key] is None}
    if task["data"] != {"image": LOCAL + quote(path)}:
        attributes["data"] = task["data"]
    if "meta" in task:
        rest = {key: value for key, value in task["meta"].items() if key != OWN} if own else task["meta"]
        attributes |= {"meta": rest} if rest or not own else {}
    kept = own.get("attributes")
    return attributes | (kept if isinstance(kept, dict) else {})


def _to_record(path: str, attributes: Row, size: Row, own: Row) -> Row | None:
    """The record of a task; None where datatools wrote that there is none."""
    if own.get("record", "") is None:
        return None
    kept = unpack_record({"attributes": {}, **own["record"]}) if isinstance(own.get("record"), dict) else None
    kept = kept or dict.fromkeys(("subset", "metadata", "width_px", "height_px"))
    return {**kept, **size, "path": path, "attributes": dump_attributes(attributes)}


def _annotator(key: str, entry: Row) -> str | None:
    if key == "predictions":
        version = entry.get("model_version")
        return f"model:{version}" if version not in (None, "") else "model"
    by = entry.get("completed_by")
    if isinstance(by, dict):
        email = by.get("email")
        by = email if isinstance(email, str) and email else by.get("id")
    return f"user{by}" if type(by) is int else by if isinstance(by, str) and by else None


def _is_region(item: Row) -> bool:
    return (
        isinstance(item.get("type"), str)
        and item["type"] in SHAPES
        and isinstance(item.get("value"), dict)
        and bool(GEOMETRY & set(item["value"]))
    )


def _labels_of(item: Row) -> list[str]:
    value = item.get("value")
    labels = value.get(item["type"], value.get("labels")) if isinstance(value, dict) else None
    return [str(name) for name in labels] if isinstance(labels, list) else []


def _read_geometry(row: Row, attributes: Row, value: Row, own: Row, size_hw: tuple[int, int]) -> str:
    """Fill in the geometry in pixels; returns what it is, as TYPES has it."""
    if "rle" in value:
        row |= {"kind": "mask", "mask": decode_brush(value["rle"], size_hw).to_json()}
        kind = "rle"
    elif "points" in value:
        if not is_points(value["points"]):
            raise BrokenRowError("points must be a list of [x, y] in finite numbers, at least one")
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
        raise BrokenRowError(f"{', '.join(names)} and rotation must be finite numbers")
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


def _from_name(item: Row) -> str:
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


def _bare(item: Row) -> Row:
    """A choices result as it is kept beside others: without what datatools keeps with it."""
    rest = {key: part for key, part in item["value"].items() if key != "choices"}
    kept = {"from_name": _from_name(item), **_item_attributes(item, "choices")}
    return {**kept, "value": rest} if rest else kept


def _check_choices(item: Row) -> None:
    _own_result(item)
    choices = item["value"].get("choices") if isinstance(item.get("value"), dict) else None
    if not isinstance(choices, list) or not choices or not all(isinstance(name, str) for name in choices):
        raise BrokenRowError("choices must be a list of names, at least one")


def _fresh_id(row: Row, seen: set[str]) -> str:
    """The row's id; behind a native one that is taken comes the annotator."""
    name = str(row["annotation_id"])
    if name not in seen or row["kind"] == "label":
        return name
    return f"{name}@{row['annotator'] or GIVEN}"


def _load_classes(tree: Tree, files: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[str], Row]:
    folders = sorted({"", *(str(PurePosixPath(file).parent).removeprefix(".") for file in files)})
    configs = [path for folder in folders if (path := f"{folder}/{CONFIG}".lstrip("/")) in tree]
    names: list[str] = []
    extras: Row = {}
    for path in configs:
        try:
            data = tree.read(path)
            names += _config_names(parse_xml(data))
        except (UnreadableFileError, BrokenFileError):
            continue
        if WRITTEN.encode() not in data:
            extras = {"label_studio": {"label_config": data.decode("utf-8", "replace")}}
    used = {row["label"] for row in rows if row["label"] is not None}
    return list(dict.fromkeys([*names, *sorted(used)])), configs, extras


def _config_names(root: Element) -> list[str]:
    names = []
    for element in root.iter():
        if element.tag in ("Label", "Choice") and element.get("value") is not None:
            names.append(_unquote(element.get(OWN), element.get("value", "")))
    return names


def _unquote(kept: str | None, name: str) -> str:
    """A class name that XML cannot hold is beside it as JSON."""
    try:
        value = parse_json(kept.encode()) if kept else name
    except BrokenFileError:
        return name
    return value if isinstance(value, str) else name


# Writing


def _to_task(path: str, record: Row | None, rows: Sequence[Row]) -> tuple[Row, list[Loss]]:
    """One task; where it would not be read as it was, all of it goes under `meta.datatools`."""
    losses: list[Loss] = []
    task = _build_task(path, record, rows)
    if not _task_reads_back(task, path, record, rows):
        own = _own_record(record, load_attributes(record["attributes"]) if record else {})
        own["annotations"] = [pack_row(row) for row in rows]
        task = {"data": {"image": LOCAL + quote(path)}, "annotations": [], "meta": {OWN: own}}
    carried = {row["annotation_id"]: row for row in task.get("meta", {}).get(OWN, {}).get("annotations", [])}
    for row in rows:
        if row["annotation_id"] in carried:
            losses += lose_row(row, path, unpack_row(carried[row["annotation_id"]]), "Label Studio")
    if clean_path(path) != path:
        losses.append(Loss("path", path, message="the name is read as another one"))
    return task, losses


def _own_record(record: Row | None, foreign: Row) -> Row:
    if record is None:
        return {"record": None}
    names = ("subset", "metadata", "width_px", "height_px")
    kept = {name: record[name] for name in names if record[name] is not None}
    return {**({"record": kept} if kept else {}), **({"attributes": foreign} if foreign else {})}


def _build_task(path: str, record: Row | None, rows: Sequence[Row]) -> Row:
    attributes = load_attributes(record["attributes"]) if record else {}
    task: Row = {key: value for key, value in attributes.items() if key in TASK_KEYS}
    task["data"] = {"image": LOCAL + quote(path)}
    foreign = {key: value for key, value in attributes.items() if key not in TASK_KEYS}
    own: Row = {}
    if _names_image(foreign.get("data")):
        task["data"] = foreign.pop("data")
        own["path"] = path
    meta = (
        foreign.pop("meta")
        if isinstance(foreign.get("meta"), dict) and foreign["meta"] and OWN not in foreign["meta"]
        else {}
    )
    entries = [
        (key, {**entry, "result": list(entry.get("results", []))})
        for key in LISTS
        if _are_entries(foreign.get(key))
        for entry in foreign.pop(key)
    ]
    for _, entry in entries:
        entry.pop("results", None)
    size_hw = (record and record["height_px"], record and record["width_px"])
    carried = [pack_row(row) for row in rows if not _add_row(entries, row, size_hw)]
    task |= {key: [entry for name, entry in entries if name == key] for key in ("annotations", "predictions")}
    if completions := [entry for name, entry in entries if name == "completions"]:
        task["completions"] = completions
    own |= _own_record(record, foreign) | ({"annotations": carried} if carried else {})
    if any("original_width" in item for _, entry in entries for item in entry["result"]) and own.get("record"):
        own["record"] = {key: value for key, value in own["record"].items() if key in ("subset", "metadata")}
        own = {key: value for key, value in own.items() if key != "record" or value}
    if own or meta:
        task["meta"] = {**meta, **({OWN: own} if own else {})}
    return task


def _task_reads_back(task: Row, path: str, record: Row | None, rows: Sequence[Row]) -> bool:
    reader = _Reader("", lambda name: path)
    reader.read_task(task)
    again = {row["annotation_id"]: row for row in reader.rows}
    return (
        not reader.rejected
        and len(reader.rows) == len(again) == len(rows)
        and all(row["annotation_id"] in again and same_row(row, again[row["annotation_id"]]) for row in rows)
        and len(reader.records) == (record is not None)
        and (record is None or same_row(record, reader.records[0], RECORDS.columns))
    )


def _names_image(data: Any) -> bool:
    try:
        return bool(_image_name({"data": data}))
    except BrokenRowError:
        return False


def _are_entries(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, dict) and "result" not in entry for entry in value)
        and all(isinstance(entry.get("results", []), list) for entry in value)
    )


def _new_entry(annotator: str | None) -> tuple[str, Row]:
    """The list and the fields of an annotation by `annotator` of which nothing else is known."""
    if annotator is not None and re.fullmatch("model(:.+)?", annotator, re.DOTALL):
        return "predictions", {"model_version": annotator[6:]} if annotator != "model" else {}
    if annotator is not None and re.fullmatch(r"user[1-9]\d{0,15}", annotator, re.ASCII):
        return "annotations", {"completed_by": int(annotator[4:])}
    if annotator is not None and re.fullmatch(r"[^@\s]+@[^@\s]+", annotator):
        return "annotations", {"completed_by": {"email": annotator}}
    return "annotations", {}


def _add_row(entries: list[tuple[str, Row]], row: Row, size_hw: tuple[Any, Any]) -> bool:
    """Put `row` into the annotation it belongs to, or into a new one; False where Label Studio has no such thing."""
    attributes = load_attributes(row["attributes"])
    whose = row["annotator"] if row["kind"] != "label" or row["annotator"] != GIVEN else None
    for key, entry in entries:
        named = attributes.get(key[:-1])
        if _annotator(key, entry) == whose and named in (None, entry.get("id")) and OWN not in entry:
            return _extend(
                entry, row, attributes if named is None else _without(attributes, key[:-1]), size_hw, whose, named, key
            )
    key, fields = _new_entry(whose)
    entry = {**fields, "result": []}
    if not _extend(entry, row, attributes, size_hw, _annotator(key, fields)):
        return False
    entries.append((key, entry))
    return True


def _without(attributes: Row, key: str) -> Row:
    return {name: value for name, value in attributes.items() if name != key}


def _extend(
    entry: Row,
    row: Row,
    attributes: Row,
    size_hw: tuple[Any, Any],
    who: str | None,
    named: Any = None,
    key: str = "",
) -> bool:
    plain = {**row, "attributes": dump_attributes(attributes)}
    for exact in (False, True):
        items = _to_items(plain, attributes, size_hw, who, exact)
        if items and _items_read_back(items, plain, who, size_hw):
            entry["result"] += items
            return True
    return False


def _items_read_back(items: Sequence[Row], row: Row, who: str | None, size_hw: tuple[Any, Any]) -> bool:
    size = {"height_px": size_hw[0], "width_px": size_hw[1]} if all(map(is_size, size_hw)) else {}
    try:
        if row["kind"] == "label":
            for item in items:
                _check_choices(item)
            again = read_choices(items, row["path"], who)
        else:
            regions = [item for item in items if item.get("type") in SHAPES and OWN in (item.get("meta") or {})]
            others = [item for item in items if not any(item is region for region in regions)]
            again = join_rings([read_region(item, who, size, others) for item in regions])
    except BrokenRowError:
        return False
    return len(again) == 1 and same_row({**again[0], "path": row["path"]}, row)


def _to_items(row: Row, attributes: Row, size_hw: tuple[Any, Any], who: str | None, exact: bool) -> list[Row]:
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
        native = _without_keys(attributes, drawn) if number == 1 else {}
        item = _to_item(native, mine, TYPES[kind], value, row)
        item |= {"id": name if number == 1 else f"{name}/{number}"}
        items.append({**item, "original_height": size_hw[0], "original_width": size_hw[1]})
    parts = attributes.get("results")
    return [*items, *(parts if isinstance(parts, list) and items else [])]


def _without_keys(attributes: Row, names: set[str]) -> Row:
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
    native = attributes if row["label"] is not None else _without(attributes, "choices")
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


def _to_config(content: Content, tasks: Sequence[Row]) -> tuple[str, bool]:
    """The labeling configuration, and whether it is the one that extras keep (or extras keep none)."""
    kept = content.extras.get("label_studio")
    text = kept.get("label_config") if isinstance(kept, dict) and set(kept) == {"label_config"} else None
    if isinstance(text, str) and WRITTEN not in text:
        try:
            used = sorted(set(content.annotations["label"].dropna()))
            names = _config_names(parse_xml(text.encode()))
            if tuple(dict.fromkeys([*names, *used])) == content.classes:
                return text, True
        except BrokenFileError:
            pass
    return f"<!-- {WRITTEN} -->\n{render_xml(_make_config(content.classes, tasks))}", kept is None


def _make_config(classes: Sequence[str], tasks: Sequence[Row]) -> Element:
    items = [item for task in tasks for item in _results(task) if isinstance(item, dict) and item.get("type") in TAGS]
    controls = {(item["type"], _from_name(item), str(item.get("to_name", "image"))) for item in items}
    view = Element("View")
    for name in sorted({to_name for _, _, to_name in controls} | {"image"}):
        SubElement(view, "Image", {"name": ILLEGAL.sub("\ufffd", name), "value": "$image"})
    for kind, from_name, to_name in sorted(controls or {("choices", "choices", "image")}):
        names = {"name": ILLEGAL.sub("\ufffd", from_name), "toName": ILLEGAL.sub("\ufffd", to_name)}
        control = SubElement(view, TAGS[kind], names)
        for name in classes:
            item = SubElement(
                control, "Choice" if kind == "choices" else "Label", {"value": ILLEGAL.sub("\ufffd", name)}
            )
            if ILLEGAL.search(name):
                item.set(OWN, json.dumps(name))
    return view


FORMAT = Format("label_studio", "Label Studio JSON", find_label_studio, load_label_studio, save_label_studio)
