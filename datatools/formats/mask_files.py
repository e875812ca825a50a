"""What masks in files of their own have in common, one file an image or one an object: their image, size, note and record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.formats.base import Content, Loss, Saved, dump_attributes
from datatools.formats.carried import COMPRESSED
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.locate import ImageIndex
from datatools.formats.placing import number_name, place, without_suffix
from datatools.formats.rows import BrokenRowError, apply_record_patch, broken_row, make_patch, to_rows
from datatools.images import MAX_PIXELS, UnreadableImageError
from datatools.index_images import (
    NOTE,
    fill_rings,
    is_index_png,
    read_note,
    read_size_wh,
)
from datatools.masks import MaskError, Rle, from_array, parse_mask
from datatools.schema import ANNOTATIONS, RECORDS
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "JPEGImages")
MASK_FOLDERS = frozenset(
    {"masks", "mask", "labels", "label", "annotations", "annotation", "annot", "gt", "segmentation", "segmentations"}
)
SUBSETS = ("train", "val", "valid", "validation", "test")


def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name holds masks."""
    return name.lower() in MASK_FOLDERS or (name.endswith("annot") and len(name) > len("annot"))


def find_image(path: str, index: ImageIndex) -> str | None:
    """The image that the mask file `path` belongs to: the same path with a folder of images for that of masks."""
    parts = path.split("/")
    stem = without_suffix(parts[-1])
    for at in range(len(parts) - 2, -1, -1):
        if not is_mask_folder(parts[at]):
            continue
        twin = parts[at][: -len("annot")] if parts[at].lower() != "annot" and parts[at].endswith("annot") else None
        for folder in [[twin]] if twin else [*([name] for name in IMAGE_FOLDERS), []]:
            found = index.with_stem("/".join([*parts[:at], *folder, *parts[at + 1 : -1], stem]))
            if found is not None and found != path:
                return found
    return None


def are_mostly_index_pngs(tree: Tree, paths: Sequence[str]) -> bool:
    """Whether more than half of the files are PNGs with one channel; the others are for the reader to reject."""
    others = 0
    for path in paths:
        try:
            others += not is_index_png(tree.read(path))
        except UnreadableFileError:
            others += 1
        if 2 * others >= len(paths):  # a folder of images need not be read to its end
            return False
    return bool(paths)


def load_size(tree: Tree, path: str) -> tuple[int, int] | None:
    """Width and height of an image; None for an unreadable one: its own fault, told where images are read."""
    try:
        return read_size_wh(tree.read(path))
    except (UnreadableImageError, UnreadableFileError):
        return None


def check_size(path: str, size_wh: tuple[int, int] | None, size_hw: Sequence[int]) -> None:
    """Raise UnreadableImageError where a mask of `size_hw` is not as large as the image `path`."""
    if size_wh is not None and size_wh != (size_hw[1], size_hw[0]):
        raise UnreadableImageError(f"{size_hw[1]} x {size_hw[0]} pixels, but {path} has {size_wh[0]} x {size_wh[1]}")


def load_note(data: bytes) -> Row:
    """The JSON object in the text chunk of a PNG of ours, else an empty one; raises BrokenFileError."""
    text = read_note(data) if NOTE.encode() in data else None  # the bytes first: most masks are not ours
    note = parse_json(text.encode()) if text is not None else {}
    if not isinstance(note, dict):
        raise BrokenFileError("its datatools note is no JSON object")
    return note


def dump_note(note: Row) -> str:
    """ASCII text of a note; nothing for an empty one."""
    return json.dumps(note, sort_keys=True, separators=(",", ":")) if note else ""


def seen_record(path: str, size_hw: tuple[int, int], source: str, void: Any = None) -> Row:
    """The record that a mask file by itself makes."""
    subset = next((part for part in path.split("/")[:-1] if part in SUBSETS), None)
    row: Row = {**dict.fromkeys(RECORDS.columns), "path": path, "width_px": size_hw[1], "height_px": size_hw[0]}
    return {**row, "subset": subset, "attributes": {"void": void} if void else {}, "source": source}


def read_record(row: Row, note: Row, rejected: list[Row]) -> list[Row]:
    """The record as the note says, as a list; empty where the image had none."""
    patch = note.get("record", {})
    try:
        row = row if patch is None else apply_record_patch(row, patch)
    except BrokenRowError as error:
        rejected.append(broken_row(row["source"], None, row["path"], error))
    return [] if patch is None else [{**row, "attributes": dump_attributes(row["attributes"])}]


def note_record(seen: Row, record: Row | None) -> Row:
    """The part of a note that makes `record` of `seen`."""
    patch = None if record is None else make_patch(seen, record)
    return {} if patch == {} else {"record": patch}


@dataclass(frozen=True)
class PlacedImage:
    """What is to be written of one image: where the image goes, its annotations, and its record if it has one."""

    path: str
    target: str
    rows: list[Row]
    record: Row | None


def place_images(
    content: Content,
    target_of: Callable[[str], str],
    key_of: Callable[[str], str],
    numbered: Callable[[str, int], str] = number_name,
) -> list[PlacedImage]:
    """The images of `content` by path; `target_of`, `key_of` and `numbered` as in `place`."""
    rows: dict[str, list[Row]] = {}
    for row in to_rows(content.annotations):
        rows.setdefault(row["path"], []).append(row)
    records = {row["path"]: row for row in to_rows(content.records)}
    targets = place(sorted({*records, *rows}), target_of, key_of, numbered)
    return [PlacedImage(path, target, rows.get(path, []), records.get(path)) for path, target in targets.items()]


def to_saved(images: Iterable[PlacedImage], losses: Iterable[Loss]) -> Saved:
    """The losses in order, and the images that must be at another place."""
    return Saved(tuple(sorted(losses)), {image.path: image.target for image in images if image.path != image.target})


def lose_extras(content: Content) -> list[Loss]:
    """What belongs to the whole document has no place in PNGs."""
    return [Loss(f"extras.{name}", "", "", "PNG masks have no place for it") for name in sorted(content.extras)]


def blank_row(identity: str, path: str, source: str) -> Row:
    """A mask row without label, box, annotator and attributes."""
    row = {**dict.fromkeys(ANNOTATIONS.columns), "annotation_id": identity, "path": path, "kind": "mask"}
    return {**row, "source": source, "attributes": {}}


def declared_size(record: Row | None, masks: Iterable[Any]) -> tuple[int, int] | None:
    """Height and width of the PNGs of an image: as its record declares, else as its run lengths have it."""
    width, height = (record or {}).get("width_px"), (record or {}).get("height_px")
    if width is not None and height is not None:
        return (height, width) if width > 0 and 0 < width * height <= MAX_PIXELS else None
    sizes = {mask.size_hw for mask in masks if isinstance(mask, Rle)}
    return sizes.pop() if len(sizes) == 1 else None


def draw(row: Row, size_hw: tuple[int, int]) -> tuple[NDArray[np.bool_] | None, list[Loss]]:
    """The pixels of a mask row `(height, width)`, and what drawing loses; None where it cannot be drawn."""
    try:
        mask = parse_mask(row["mask"] or "")
        if isinstance(mask, Rle) and mask.size_hw != size_hw:
            raise MaskError(f"its {mask.size_hw[1]} x {mask.size_hw[0]} pixels are not those of the image")
        region = mask.to_array() if isinstance(mask, Rle) else fill_rings(mask, size_hw)
    except (MaskError, TypeError, ValueError) as error:
        return None, [lose(row, "mask", f"not drawn: {error}")]
    if from_array(region).to_json() == row["mask"]:
        return region, []
    if isinstance(mask, Rle):
        return region, [lose(row, "mask", COMPRESSED)]
    return region, [lose(row, "mask", "drawn as pixels: outlines and points between pixels are gone")]


def lose(row: Row, field: str, message: str) -> Loss:
    """A loss of one annotation."""
    return Loss(field, row["path"], row["annotation_id"], message)
