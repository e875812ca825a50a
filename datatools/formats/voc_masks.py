"""The segmentation PNGs and label maps of Pascal VOC: arrays to rows and back (datatools/formats/voc.py is the user's page)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.formats.rows import BrokenRowError, UnknownValueError
from datatools.index_images import fill_rings, label_colors
from datatools.masks import MaskError, Rle, from_array, parse_mask, parse_rle
from datatools.schema import BOX

Row = dict[str, Any]
Indices = NDArray[np.int64]
VOID = 255
MOST_SHOWN = 5  # values in a message
BACKGROUND = ("background", "_background_", "__background__")
IGNORED = "__ignore__"  # LabelMe's name for index 255
FOLDERS = ("SegmentationClass", "SegmentationObject")
CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
HEADER = "# label:color_rgb:parts:actions"
PLAIN_NAME = re.compile(r'[^\s:#"\\\ufeff](?:[^:\\\n\r\t\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\s:\\])?')

Entry = list[str]  # name, "r,g,b", parts, actions


@dataclass
class Drawn:
    """Two arrays `(height, width)`, and what they hold of each row: key `annotation_id`.

    `instances` are numbers in `objects` of rows that are objects of the XML file too; `alone` are the rows that are in
    the PNGs only, by the key that read_masks gives them; `exact` the ids whose mask needs nothing beside the PNGs;
    `taken` the numbers in `objects`.
    """

    classes: Indices
    objects: Indices
    instances: dict[str, int] = field(default_factory=dict)
    alone: dict[str, str] = field(default_factory=dict)
    exact: set[str] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)


def parse_label_map(text: str) -> list[Entry]:
    """Entries of CVAT's labelmap.txt (`name:r,g,b:parts:actions`) or of a plain list of names."""
    lines = [line.strip("\r\n") for line in text.split("\n")]
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    if not any(":" in line for line in lines):
        names = [name for name in map(read_name, lines) if name != IGNORED]
        entries = default_entries(names[1:] if names and names[0] in BACKGROUND else names)
        return [[names[0], *entries[0][1:]], *entries[1:]] if names and names[0] in BACKGROUND else entries
    parts = [[part.strip() for part in line.split(":")] for line in lines]
    entries = [[read_name(fields[0]), *fields[1:4], *[""] * (4 - len(fields))] for fields in parts]
    entries = [entry for entry in entries if entry[0] != IGNORED]
    colors = [",".join(map(str, color)) for color in label_colors(len(entries))]
    return [[entry[0], entry[1] or color, *entry[2:]] for entry, color in zip(entries, colors, strict=True)]


def dump_label_map(entries: Iterable[Sequence[str]]) -> str:
    """labelmap.txt; a name that the format cannot hold is a JSON string without colon."""
    lines = [":".join([write_name(entry[0]), *entry[1:]]) for entry in entries]
    return "\n".join([HEADER, *lines]) + "\n"


def default_entries(classes: Sequence[str]) -> list[Entry]:
    """Background and the classes in their order, in VOC's colours."""
    names = [BACKGROUND[0], *classes]
    return [
        [name, ",".join(map(str, color)), "", ""] for name, color in zip(names, label_colors(len(names)), strict=True)
    ]


def index_names(entries: Sequence[Sequence[str]]) -> list[str]:
    """Name by pixel value: background is 0, put in front or added where the label map has it elsewhere or not at all."""
    names = [entry[0] for entry in entries]
    at = next((n for n, entry in enumerate(entries) if entry[0] in BACKGROUND or entry[1] == "0,0,0"), None)
    return [BACKGROUND[0], *names] if at is None else [names[at], *names[:at], *names[at + 1 :]]


def index_colors(entries: Sequence[Sequence[str]]) -> dict[tuple[int, ...], int]:
    """Pixel value by colour, in the order of index_names; a colour given twice or that is no colour is left out."""
    by_name = {entry[0]: entry[1] for entry in entries}
    colors: dict[tuple[int, ...], int] = {(0, 0, 0): 0}
    for index, name in enumerate(index_names(entries)):
        parts = by_name.get(name, "").split(",")
        if len(parts) == 3 and all(part.strip().isdigit() for part in parts):
            colors.setdefault(tuple(int(part) for part in parts), index)
    return colors


def to_indices(rgb: NDArray[np.uint8], colors: Mapping[tuple[int, ...], int]) -> Indices:
    """Pixel values `(height, width)` of a mask painted in `colors`; an unknown colour is minus its 24 bits."""
    packed = rgb.astype(np.int64) @ np.array([65536, 256, 1])
    found, inverse = np.unique(packed, return_inverse=True)
    known = {(red << 16) + (green << 8) + blue: index for (red, green, blue), index in colors.items()}
    return np.array([known.get(int(value), -int(value)) for value in found])[inverse].reshape(packed.shape)


def read_masks(
    path: str, classes: Indices | None, objects: Indices | None, names: Sequence[str], claimed: Iterable[int] = ()
) -> tuple[dict[str, Row], dict[int, BrokenRowError], dict[str, Any]]:
    """Rows of the image `path` by key (`instance3`, `class5`), why others are rejected by pixel value, and the void.

    An instance is a number in `objects`, its class the one value of `classes` there; pixels of a class that belong to
    no instance are one row a class. Instances in `claimed` are told by the XML file. The void is the run lengths of
    255 by folder.
    """
    rows: dict[str, Row] = {}
    rejected: dict[int, BrokenRowError] = {}
    unknown: dict[int, int] = {}
    skipped = set(claimed)
    rest = classes if classes is None or objects is None else np.where(np.isin(objects, (0, VOID)), classes, 0)
    for number, region in _regions(objects):
        if number not in skipped:
            try:
                rows[f"instance{number}"] = _instance(path, number, region, classes, names)
            except BrokenRowError as error:
                rejected[number] = error
    for index, region in _regions(rest):
        if 0 < index < len(names):
            rows[f"class{index}"] = _row(path, f"class{index}", names[index], region, {"class_index": index})
        else:
            unknown[index] = int(region.sum())
    if unknown:
        rejected[min(unknown)] = UnknownValueError(unknown_values(unknown, len(names) - 1))
    arrays = dict(zip(FOLDERS, (rest, objects), strict=True))
    void = {name: _run_lengths(array == VOID) for name, array in arrays.items() if array is not None}
    return rows, rejected, {name: rle for name, rle in void.items() if rle is not None}


def instance_mask(objects: Indices | None, number: int) -> str | None:
    """The mask of one instance; None where it is not there."""
    region = objects == number if objects is not None else np.zeros((1, 1), dtype=bool)
    return from_array(region).to_json() if region.any() else None


def draw_masks(rows: Sequence[Row], size_hw: tuple[int, int], names: Sequence[str], void: Any) -> Drawn:
    """Draw the masks of one image; where two overlap, the first keeps the pixels.

    Rows that say their own `instance` or `class_index` come first and stay what they are. The others get the numbers
    that are left; one whose class has no pixel value is not drawn.
    """
    drawn = Drawn(np.zeros(size_hw, dtype=np.int64), np.zeros(size_hw, dtype=np.int64))
    for name, array in zip(FOLDERS, (drawn.classes, drawn.objects), strict=True):
        region = _region(void.get(name), size_hw) if isinstance(void, dict) else None
        if region is not None:
            array[region] = VOID
    indices = {name: index for index, name in reversed(list(enumerate(names[:VOID]))) if index}
    later = [row for row in rows if not _draw_alone(drawn, row, indices)]
    for row in later:
        _draw_object(drawn, row, indices)
    return drawn


def unknown_values(counts: Mapping[int, int], last: int | None) -> str:
    """That the values with these pixels are no class; a colour is minus its 24 bits. The list ends with `last`."""
    noun = "colour" if min(counts) < 0 else "pixel value"
    why = "" if last is None else f": the list ends with {last}" if min(counts) >= 0 else ": the label map has others"
    if len(counts) > MOST_SHOWN:
        ends = f" from {min(counts)} to {max(counts)}" if min(counts) >= 0 else ""
        story = "grey edges, as JPEG or scaling leaves them"
        return f"{len(counts)} {noun}s{ends} ({sum(counts.values()):,} px) are no classes{why}. Mostly they are {story}"
    said = ", ".join(f"{_show_value(value)} ({n:,} px)" for value, n in counts.items())
    return f"the {noun}{'s' if len(counts) > 1 else ''} {said} {'are no classes' if len(counts) > 1 else 'is no class'}{why}"


def _show_value(value: int) -> str:
    return str(value) if value >= 0 else f"{-value >> 16},{-value >> 8 & 255},{-value & 255}"


def read_name(text: str) -> str:
    """A class name in a list: as it is, or a JSON string."""
    text = text.strip()
    try:
        name = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return name if isinstance(name, str) else text


def write_name(name: str) -> str:
    """A class name for a list: as it is, or a JSON string where lines, colons, `#` or blanks would break it."""
    if PLAIN_NAME.fullmatch(name) and name != IGNORED:
        return name
    return json.dumps(name).replace(":", "\\u003a").replace("#", "\\u0023")


def _instance(path: str, number: int, region: NDArray[Any], classes: Indices | None, names: Sequence[str]) -> Row:
    extra: dict[str, Any] = {"instance": number}
    if number < 0:
        raise UnknownValueError(f"the colour {_show_value(number)} ({int(region.sum()):,} px) stands for no instance")
    if classes is None:
        return _row(path, f"instance{number}", None, region, extra)
    values = np.unique(classes[region]).tolist()
    if len(values) > 1:
        raise BrokenRowError(f"instance {number} covers pixels of the classes {', '.join(map(str, values))}")
    if values[0] in (0, VOID):
        return _row(path, f"instance{number}", None, region, {**extra, "class_index": values[0]})
    if not 0 < values[0] < len(names):
        counts = {values[0]: int(region.sum())}
        raise UnknownValueError(f"instance {number}: {unknown_values(counts, len(names) - 1)}")
    return _row(path, f"instance{number}", names[values[0]], region, extra)


def _row(path: str, key: str, label: str | None, region: NDArray[Any], attributes: Row) -> Row:
    return {
        "annotation_id": f"voc/{path}#{key}",
        "path": path,
        "label": label,
        "kind": "mask",
        **dict.fromkeys(BOX),
        "mask": from_array(region).to_json(),
        "annotator": None,
        "attributes": attributes,
    }


def _regions(array: Indices | None) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The pixels of each value but background and void."""
    for value in [] if array is None else np.unique(array).tolist():
        if value not in (0, VOID):
            yield value, array == value


def _run_lengths(region: NDArray[Any]) -> Any:
    return json.loads(from_array(region).to_json()) if region.any() else None


def _region(value: Any, size_hw: tuple[int, int]) -> NDArray[np.bool_] | None:
    try:
        rle = parse_rle(value)
    except MaskError:
        return None
    return rle.to_array() if rle.size_hw == size_hw else None


def _draw_alone(drawn: Drawn, row: Row, indices: Mapping[str, int]) -> bool:
    """Draw a row that the PNGs can hold whole, but for id, annotator and attributes; False where they cannot."""
    region = _region(json.loads(row["mask"]), drawn.objects.shape)
    if region is None or not region.any() or any(row[name] is not None for name in BOX):
        return False
    if from_array(region).to_json() != row["mask"] or drawn.classes[region].any():
        return False
    fields, number = row["attributes"], row["attributes"].get("instance")
    index = indices.get(row["label"] or "")
    if type(number) is int and 0 < number < VOID:
        if row["label"] is None:
            index = VOID if fields.get("class_index") == VOID else 0
        if index is None or number in drawn.taken or drawn.objects[region].any():
            return False
        drawn.objects[region] = number
        drawn.taken.add(number)
        key = f"instance{number}"
    else:
        key = f"class{index}"
        if index is None or type(fields.get("class_index")) is not int or key in drawn.alone.values():
            return False
        if not np.isin(drawn.objects[region], (0, VOID)).all():
            return False
    drawn.classes[region] = index
    drawn.alone[row["annotation_id"]] = key
    return True


def _draw_object(drawn: Drawn, row: Row, indices: Mapping[str, int]) -> None:
    """Draw what is free of the mask of a row that is an object of the XML file too."""
    index, mask, size_hw = indices.get(row["label"] or ""), parse_mask(row["mask"]), drawn.objects.shape
    number = next((n for n in range(1, VOID) if n not in drawn.taken), None)
    if index is None or number is None or (isinstance(mask, Rle) and mask.size_hw != size_hw):
        return
    region = mask.to_array() if isinstance(mask, Rle) else fill_rings(mask, size_hw)
    free = region & (drawn.objects == 0) & (drawn.classes == 0)
    if not free.any():
        return
    drawn.classes[free], drawn.objects[free] = index, number
    drawn.instances[row["annotation_id"]] = number
    drawn.taken.add(number)
    if from_array(free).to_json() == row["mask"]:
        drawn.exact.add(row["annotation_id"])
