"""Index masks, one PNG an object, as in the 2018 Data Science Bowl.

Layout: `<id>/images/<id>.png`, one image, and `<id>/masks/*.png`, one file an object, with any names.

Pixel convention: a mask has the size of its image after EXIF orientation; it has 0 and one other value (255, or 1),
and becomes run lengths, so holes and parts survive, pixel by pixel. Masks have no box, unless one of ours says so.

What is read. One mask row a file; its number is the position among the files in the order of their names, which are
the attribute `mask_file`. Such a layout says no class: all objects are of the one class that `classes.txt` in the root
names, or of the class `object` where there is no such list; with several classes in it the label is null, but for what
one of our files says. A mask with more values (the grey edges that JPEG leaves) is a rejected file with the values
(MSK009), never cut at a threshold; so is one of another size than its image, and, where more than half of the files are
PNGs with one channel, one of another kind, such as RGB, or an empty one. Objects may overlap.

What is written: the same layout, `classes.txt`, and in each PNG a text chunk with what pixels cannot hold (id, label,
annotator, attributes, box). Lost: everything that is no mask, polygons (drawn as pixels: those whose centre is inside), and
the record of an image without masks.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.formats.base import Content, Format, Loss, Saved, dump_attributes, write_new
from datatools.formats.documents import BrokenFileError
from datatools.formats.index_masks import MAX_NOTE, count_values, parse_names
from datatools.formats.locate import is_image
from datatools.formats.mask_files import (
    are_mostly_index_pngs,
    blank_row,
    check_size,
    declared_size,
    draw,
    dump_note,
    load_note,
    load_size,
    lose,
    lose_extras,
    note_record,
    place_images,
    read_record,
    seen_record,
    to_saved,
)
from datatools.formats.placing import is_safe_name, safe_path, without_suffix
from datatools.formats.rows import (
    BrokenRowError,
    UnknownValueError,
    apply_patch,
    broken_file,
    broken_row,
    make_patch,
)
from datatools.formats.voc_masks import MOST_SHOWN, write_name
from datatools.images import UnreadableImageError
from datatools.index_images import decode_index_mask, encode_index_mask
from datatools.masks import MaskError, from_array, parse_mask
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]
IMAGES, MASKS, CLASSES = "images", "masks", "classes.txt"
DEFAULT_LABEL = "object"  # of objects of which nothing says a class


def find_object_masks(tree: Tree) -> list[str]:
    """The files of `masks`, most of them PNGs with one channel, beside `images` with one image whose stem none has."""
    return sorted(path for _, paths in _groups(tree).values() for path in paths)


def load_object_masks(tree: Tree, files: Sequence[str]) -> Content:
    """Read one object a file."""
    chosen = set(files)
    rejected: list[Row] = []
    listed = _load_classes(tree, rejected) if files else None
    label = DEFAULT_LABEL if listed is None else listed[0] if len(listed) == 1 else None
    records: list[Row] = []
    rows: list[Row] = []
    for image, paths in _groups(tree).values():
        first, size_wh = True, load_size(tree, image)
        for number, source in enumerate(paths, start=1):
            if source not in chosen:
                continue
            try:
                data = tree.read(source)
                array = decode_index_mask(data)
                check_size(image, size_wh, array.shape)
                note = load_note(data)
                patch = note.get("annotation", {})
                row = apply_patch(from_object_mask(array, image, source, number), patch)
            except UnknownValueError as error:
                rejected.append(broken_row(source, None, image, error))
                continue
            except (UnreadableImageError, UnreadableFileError, BrokenFileError, BrokenRowError) as error:
                rejected.append(broken_file(source, str(error), image))
                continue
            if "label" not in patch:
                row["label"] = label
            rows.append({**row, "attributes": dump_attributes(row["attributes"])})
            if first:
                size_hw = (int(array.shape[0]), int(array.shape[1]))
                records += read_record(seen_record(image, size_hw, source), note, rejected)
            first = False
    classes = sorted({row["label"] for row in rows if row["label"] is not None}) if listed is None else listed
    lists = [CLASSES] if CLASSES in tree and files else []
    return Content.from_rows(records, rows, classes, rejected, [*files, *lists])


def _load_classes(tree: Tree, rejected: list[Row]) -> list[str] | None:
    """The classes that `classes.txt` names; None where there is no such list."""
    if CLASSES not in tree:
        return None
    try:
        return parse_names(tree.read(CLASSES).decode("utf-8-sig"), CLASSES)
    except (UnreadableFileError, UnicodeDecodeError) as error:
        rejected.append(broken_file(CLASSES, str(error)))
        return None


def from_object_mask(array: NDArray[np.uint16], path: str, source: str, number: int) -> Row:
    """The row of one mask `(height, width)`, without label; raises UnknownValueError for more than background and one value."""
    counts = {value: n for value, n in count_values(array).items() if value}
    if len(counts) > 1 or not set(counts) <= {1, 255}:
        shown = ", ".join(f"{value} ({n:,} px)" for value, n in [*counts.items()][:MOST_SHOWN])
        more = f" and {len(counts) - MOST_SHOWN} more" if len(counts) > MOST_SHOWN else ""
        raise UnknownValueError(f"the mask of one object has 0 and 255, or 0 and 1, but this one has {shown}{more}")
    row = blank_row(f"object_masks/{path}#{number}", path, source)
    name = without_suffix(PurePosixPath(source).name)
    return {**row, "mask": from_array(array).to_json(), "attributes": {"mask_file": name}}


def save_object_masks(content: Content, folder: Path) -> Saved:
    """Write `to_object_masks` below `folder`."""
    documents, saved = to_object_masks(content)
    for name, data in documents.items():
        write_new(folder / name, data)
    return saved


def to_object_masks(content: Content) -> tuple[dict[str, bytes], Saved]:
    """The files by path, the losses, and where images must be."""
    losses = lose_extras(content)
    images = place_images(content, _target, lambda path: posixpath.dirname(path).lower(), _numbered)
    documents: dict[str, bytes] = {}
    labels: set[str] = set()
    for image in images:
        files, kept = _write_image(image.target, image.rows, image.record, losses)
        documents |= files
        labels |= {row["label"] for row in kept if row["label"] is not None}
        if not files and image.record is not None:
            losses.append(Loss("record", image.path, "", "an image without masks has no file that could keep it"))
    if documents and list(content.classes) != sorted(labels):
        documents[CLASSES] = "".join(f"{write_name(name)}\n" for name in content.classes).encode()
    elif not documents and content.classes:
        losses.append(Loss("classes", "", "", "there is no mask to write"))
    return dict(sorted(documents.items())), to_saved(images, losses)


def _groups(tree: Tree) -> dict[str, tuple[str, list[str]]]:
    """Image and mask files by the folder above `images` and `masks`."""
    images: dict[str, list[str]] = {}
    masks: dict[str, list[str]] = {}
    for path in tree.sizes:
        folder, _, kind = posixpath.dirname(path).rpartition("/")
        if is_image(path) and kind in (IMAGES, MASKS):
            (images if kind == IMAGES else masks).setdefault(folder, []).append(path)
    groups = {}
    for folder, paths in masks.items():
        if len(images.get(folder, [])) == 1 and _are_objects(tree, images[folder][0], paths):
            groups[folder] = (images[folder][0], sorted(paths))
    return groups


def _are_objects(tree: Tree, image: str, paths: Sequence[str]) -> bool:
    stem = without_suffix(PurePosixPath(image).name)
    alone = all(without_suffix(PurePosixPath(path).name) != stem for path in paths)
    return alone and are_mostly_index_pngs(tree, paths)


def _target(path: str) -> str:
    """`<id>/images/<id>.png`, where it is so already, else below a folder of its own."""
    safe = safe_path(path)
    parts = safe.split("/")
    if safe == path and len(parts) > 2 and parts[-2] == IMAGES:
        return path
    return f"{without_suffix(safe)}/{IMAGES}/{parts[-1]}"


def _numbered(target: str, number: int) -> str:
    """`a/images/a.png` -> `a-2/images/a.png`: an image has a folder of its own."""
    folder, images, name = target.rsplit("/", 2)
    return f"{folder}-{number}/{images}/{name}"


def _write_image(
    target: str, rows: list[Row], record: Row | None, losses: list[Loss]
) -> tuple[dict[str, bytes], list[Row]]:
    """The mask files of one image, and the rows that are in them; adds to `losses`."""
    masks = []
    for row in rows:
        if row["kind"] != "mask":
            losses.append(lose(row, "kind", f"only masks can be drawn, not a {row['kind']}"))
        else:
            masks.append(row)
    size_hw = declared_size(record, [_parsed(row) for row in masks])
    regions = []
    for row in masks:
        region, lost = draw(row, size_hw) if size_hw else (None, [lose(row, "mask", "the image's size is not known")])
        losses += lost
        if region is not None:
            regions.append((row, region))
    named = _name_files(target, [row for row, _ in regions])
    files: dict[str, bytes] = {}
    order = sorted(zip(named, regions, strict=True), key=lambda item: item[0])
    for number, (name, (row, region)) in enumerate(order, start=1):
        assert size_hw is not None
        seen = from_object_mask(region.astype(np.uint16), target, name, number)
        patch = make_patch({**seen, "mask": row["mask"]}, row) | {"label": row["label"]}
        note = {"annotation": patch} if patch else {}
        if number == 1:
            note |= note_record(seen_record(target, size_hw, ""), record)
        text = dump_note(note)
        if len(text) > MAX_NOTE:
            losses.append(lose(row, "attributes", "more text than a PNG holds: id, label and annotator too"))
            text = ""
        files[name] = encode_index_mask(region.astype(np.uint8) * 255, None, text)
    return files, [row for row, _ in regions]


def _parsed(row: Row) -> Any:
    try:
        return parse_mask(row["mask"] or "")
    except MaskError:
        return None


def _name_files(target: str, rows: Sequence[Row]) -> list[str]:
    """A path for each mask: the name it came with, else the image's with a number."""
    folder = posixpath.join(posixpath.dirname(posixpath.dirname(target)), MASKS)
    stem = without_suffix(PurePosixPath(target).name)
    used = {stem.lower()}
    names = []
    for number, row in enumerate(rows, start=1):
        name = row["attributes"].get("mask_file")
        if not isinstance(name, str) or not is_safe_name(name) or name.lower() in used:
            name = f"{stem[:100]}-{number:04d}"
        while name.lower() in used:
            name += "x"
        used.add(name.lower())
        names.append(posixpath.join(folder, f"{name}.png"))
    return names


FORMAT = Format(
    "object_masks", "Index masks, one PNG per object", find_object_masks, load_object_masks, save_object_masks
)
