"""Index masks, one PNG an image: the pixel value is the number of a class.

Layout: `images/<id>.jpg` with `masks/<id>.png` (or `mask`, `labels`, `label`, `annotations`, `annot`, `gt`,
`segmentation`, in any place of the path; `train/` with `trainannot/` as in CamVid). Folders
are taken for masks where most files have an image of the same stem, and most are single-channel or palette PNGs. Class names come from
`classes.txt`, `class_names.txt`, `labelmap.txt`, `labelmap.csv` (name,r,g,b) or `label_colors.txt` (r g b name): line n, from 0,
names the value n. Without such a list 0 is background, the other values are their own names, and the value is the attribute
`class_index`.

Pixel convention: a mask has the size of its image after EXIF orientation; it becomes run lengths, so holes and parts
survive, pixel by pixel. Masks have no box, unless one of ours says so.

What is read. One mask row for each value in each file. 0 is background if the list says so (background,
_background_, black) or there is no list. 255 is void, kept as run lengths in the image's attribute `void`; in a data
set that has only 0 and 255 it is the one class. Values that are not in the list are one rejected row of
their file (MSK009) with the values and their pixels. So are, without a list, the grey edges that JPEG or scaling leaves
in masks of 0 and 255: values all over the range with fewer pixels than 255 has. A mask of another size than its image is
a rejected file; so is one of another kind, such as RGB, or an empty one. Subset is train, val or test
where a folder is called so.

What is written: `images/`, `masks/` and `classes.txt`, and in each PNG a text chunk with what pixels cannot hold (ids,
annotators, attributes, boxes). Lost: everything that is no mask, polygons (drawn as pixels: those whose centre is inside), pixels of
overlapping objects (the first keeps them), and which object of a class is which. object_masks holds these two.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.formats.base import Content, Format, Loss, Saved, dump_attributes, write_new
from datatools.formats.documents import BrokenFileError
from datatools.formats.locate import ImageIndex, is_image
from datatools.formats.mask_files import (
    IMAGE_FOLDERS,
    are_mostly_index_pngs,
    blank_row,
    check_size,
    declared_size,
    draw,
    dump_note,
    find_image,
    is_mask_folder,
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
from datatools.formats.placing import safe_path, without_suffix
from datatools.formats.rows import (
    BrokenRowError,
    NoImageError,
    UnknownValueError,
    apply_patch,
    broken_file,
    broken_row,
    make_patch,
)
from datatools.formats.voc_masks import BACKGROUND, VOID, parse_label_map, read_name, unknown_values, write_name
from datatools.images import UnreadableImageError
from datatools.index_images import (
    decode_index_mask,
    encode_index_mask,
    label_colors,
    values_of,
)
from datatools.masks import MaskError, from_array, parse_mask, parse_rle
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]
NAME_FILES = ("classes.txt", "class_names.txt", "labelmap.txt", "labelmap.csv", "label_colors.txt")
MAX_NOTE = 900_000  # characters; Pillow refuses text chunks above 1 MB


def find_index_masks(tree: Tree) -> list[str]:
    """The images in folders of masks where most are PNGs with one channel and have an image of the same stem."""
    index = ImageIndex(tree.sizes)
    folders: dict[str, list[str]] = {}
    for path in tree.sizes:
        if is_image(path) and any(map(is_mask_folder, path.split("/")[:-1])):
            folders.setdefault(posixpath.dirname(path), []).append(path)
    return sorted(path for paths in folders.values() if _are_masks(tree, index, paths) for path in paths)


def load_index_masks(tree: Tree, files: Sequence[str]) -> Content:
    """Read one mask a file, and the list of classes beside them."""
    index = ImageIndex(tree.sizes, files)
    names, sources, rejected = _load_names(tree, files)
    found: list[_Mask] = []
    for source in sorted(files):
        path = find_image(source, index)
        try:
            if path is None:
                raise NoImageError("there is no image of this name")
            data = tree.read(source)
            array = decode_index_mask(data)
            check_size(path, load_size(tree, path), array.shape)
            found.append(_Mask(path, source, array, load_note(data)))
        except NoImageError as error:
            rejected.append(broken_row(source, None, None, error))
        except (UnreadableImageError, UnreadableFileError, BrokenFileError) as error:
            rejected.append(broken_file(source, str(error), path))
    return from_index_masks(found, names, rejected, [*files, *sources])


def count_values(array: NDArray[np.uint16]) -> dict[int, int]:
    """Pixels by value, from the lowest value up."""
    counts = np.bincount(array.ravel())
    return {value: int(counts[value]) for value in values_of(array)}


class _Mask:
    """One file: path of the image, source, what its note says, and its values as run lengths to save memory."""

    def __init__(self, path: str, source: str, array: NDArray[Any], note: Row) -> None:
        self.path, self.source, self.note = path, source, note
        self.size_hw = (int(array.shape[0]), int(array.shape[1]))
        self.counts = count_values(array)
        self.masks = {value: from_array(array == value).to_json() for value in self.counts}


def from_index_masks(
    masks: Iterable[_Mask], names: Sequence[str] | None, rejected: Iterable[Row] = (), files: Iterable[str] = ()
) -> Content:
    """Rows of decoded masks; `names` by pixel value, None where nothing says them."""
    masks = list(masks)
    edges = find_grey_edges([mask.counts for mask in masks]) if names is None else frozenset()
    values = {value for mask in masks for value in mask.masks} - edges
    binary = values <= {0, VOID} and (names is None or len(names) == 2) and not any("void" in m.note for m in masks)
    records: list[Row] = []
    rows: list[Row] = []
    out = list(rejected)
    for mask in masks:
        seen, unknown, void = _read_values(mask, names, binary, edges)
        if unknown:
            why = unknown_values({value: mask.counts[value] for value in unknown}, len(names) - 1 if names else None)
            out.append(broken_row(mask.source, unknown[0], mask.path, UnknownValueError(why)))
        notes = mask.note.get("annotations", {})
        for value, row in seen.items():
            try:
                row = apply_patch(row, notes.get(str(value), {}) if isinstance(notes, dict) else notes)
                rows.append({**row, "attributes": dump_attributes(row["attributes"])})
            except BrokenRowError as error:
                out.append(broken_row(mask.source, value, mask.path, error))
        records += read_record(seen_record(mask.path, mask.size_hw, mask.source, void), mask.note, out)
    if names is None:
        classes = [str(value) for value in sorted(values - {0}) if value != VOID or binary]
    else:
        classes = list(names[1:] if names[:1] and names[0] in BACKGROUND else names)
    return Content.from_rows(records, rows, classes, out, files)


def save_index_masks(content: Content, folder: Path) -> Saved:
    """Write `to_index_masks` below `folder`."""
    documents, saved = to_index_masks(content)
    for name, data in documents.items():
        write_new(folder / name, data)
    return saved


def to_index_masks(content: Content) -> tuple[dict[str, bytes], Saved]:
    """The files by path, the losses, and where images must be."""
    losses = lose_extras(content)
    images = place_images(content, _target, lambda path: without_suffix(path).lower())
    documents = {}
    names = [BACKGROUND[0], *content.classes]
    for image in images:
        data, lost = _write_mask(image.target, image.rows, image.record, names)
        losses += lost
        if data is not None:
            documents[_mask_path(image.target)] = data
    if documents:
        documents["classes.txt"] = "".join(f"{write_name(name)}\n" for name in names).encode()
    elif content.classes:
        losses.append(Loss("classes", "", "", "there is no mask to write"))
    return dict(sorted(documents.items())), to_saved(images, losses)


def _are_masks(tree: Tree, index: ImageIndex, paths: list[str]) -> bool:
    paired = [path for path in paths if find_image(path, index) is not None]
    return 2 * len(paired) > len(paths) and are_mostly_index_pngs(tree, paths)


def _load_names(tree: Tree, files: Sequence[str]) -> tuple[list[str] | None, list[str], list[Row]]:
    """Names by pixel value, the file they came from, and that file rejected where it is broken."""
    folders = {"": None} | {folder: None for path in files for folder in _above(path)}
    rejected: list[Row] = []
    for source in [posixpath.join(folder, name) for folder in sorted(folders) for name in NAME_FILES]:
        if source in tree:
            try:
                names = parse_names(tree.read(source).decode("utf-8-sig"), PurePosixPath(source).name)
                return names, [source], rejected
            except (UnreadableFileError, UnicodeDecodeError, csv.Error) as error:
                rejected.append(broken_file(source, str(error)))
    return None, [], rejected


def _above(path: str) -> list[str]:
    folders = path.split("/")[:-1]
    return ["/".join(folders[:count]) for count in range(1, len(folders) + 1)]


def parse_names(text: str, file_name: str) -> list[str]:
    """Class names by pixel value from one of NAME_FILES."""
    lines = [line for line in text.splitlines() if line.strip()]
    if file_name == "labelmap.csv":
        table = list(csv.reader(io.StringIO(text)))
        return [row[0].strip() for row in table[1:] if row]
    if file_name == "label_colors.txt":
        return [line.split(None, 3)[-1].strip() for line in lines if not line.startswith("#")]
    if file_name == "labelmap.txt":
        return [entry[0] for entry in parse_label_map(text)]
    return [read_name(line) for line in text.split("\n") if line.strip()]


def find_grey_edges(counts: Sequence[Mapping[int, int]]) -> frozenset[int]:
    """The values that JPEG or scaling leaves in masks of 0 and 255; `counts` are the pixels by value, of each mask.

    They are all over the range, and their pixels are fewer than those of 255: classes and objects are numbered from 1.
    """
    total: Counter[int] = Counter()
    for one in counts:
        total.update(one)
    between = [value for value in total if 0 < value < VOID]
    quarters = Counter(value // 64 for value in between)
    everywhere = len(quarters) == 4 and min(quarters.values()) > 1 and max(total) == VOID
    return frozenset(between if everywhere and sum(total[value] for value in between) < total[VOID] else ())


def _read_values(
    mask: _Mask, names: Sequence[str] | None, binary: bool, edges: frozenset[int] = frozenset()
) -> tuple[dict[int, Row], list[int], dict[str, Any] | None]:
    rows: dict[int, Row] = {}
    unknown: list[int] = []
    void = None
    for value, run_lengths in mask.masks.items():
        index = 1 if binary and value == VOID and names is not None else value
        is_background = value == 0 and (names is None or not names or names[0] in BACKGROUND)
        row = blank_row(f"index_masks/{mask.path}#{value}", mask.path, mask.source) | {"mask": run_lengths}
        if is_background:
            continue
        if names is not None and index < len(names):
            rows[value] = {**row, "label": names[index]}
        elif value == VOID and not binary:
            void = json.loads(run_lengths)
        elif names is None and value not in edges:
            rows[value] = {**row, "label": str(value), "attributes": {"class_index": value}}
        else:
            unknown.append(value)
    return rows, unknown, void


def _target(path: str) -> str:
    safe = safe_path(path, avoid=[part for part in path.split("/") if is_mask_folder(part)])
    return safe if safe == path and IMAGE_FOLDERS[0] in path.split("/")[:-1] else f"{IMAGE_FOLDERS[0]}/{safe}"


def _mask_path(target: str) -> str:
    parts = without_suffix(target).split("/")
    at = parts.index(IMAGE_FOLDERS[0])
    return "/".join([*parts[:at], "masks", *parts[at + 1 :]]) + ".png"


def _write_mask(
    target: str, rows: list[Row], record: Row | None, names: Sequence[str]
) -> tuple[bytes | None, list[Loss]]:
    masks, losses = _drawable(rows, names)
    size_hw = declared_size(record, [parse_mask(row["mask"]) for row in masks])
    if size_hw is None:
        losses += [lose(row, "mask", "the size of the image is not known, so there is no mask") for row in masks]
        path = rows[0]["path"] if rows else (record or {})["path"]
        return None, losses + ([Loss("record", path, "", "it has no mask that could keep it")] if record else [])
    array = np.zeros(size_hw, dtype=np.int64)
    void = _void(record, size_hw)
    if void is not None and len(names) <= VOID:
        array[void] = VOID
    drawn: dict[int, Row] = {}
    for row in masks:
        losses += _draw_class(array, drawn, row, names.index(row["label"]))
    seen, _, kept_void = _read_values(_Mask(target, "", array, {}), names, binary=False)
    notes = {
        str(value): patch for value, row in seen.items() if (patch := make_patch({**row, "mask": None}, drawn[value]))
    }
    note = note_record(seen_record(target, size_hw, "", kept_void), record)
    note |= ({"annotations": notes} if notes else {}) | ({"void": VOID} if kept_void else {})
    text = dump_note(note)
    if len(text) > MAX_NOTE:
        text = ""
        losses += [lose(row, "attributes", "more text than a PNG holds: ids too") for row in drawn.values()]
    return encode_index_mask(array, label_colors(256) if len(names) <= 256 else None, text), losses


def _drawable(rows: Iterable[Row], names: Sequence[str]) -> tuple[list[Row], list[Loss]]:
    masks: list[Row] = []
    losses: list[Loss] = []
    for row in rows:
        try:
            known = row["label"] in names[1:] and names.index(row["label"]) <= 65535
            if row["kind"] != "mask":
                losses.append(lose(row, "kind", f"only masks can be drawn, not a {row['kind']}"))
            elif not known:
                losses.append(lose(row, "label", "no class of the list, so it has no pixel value"))
            else:
                parse_mask(row["mask"] or "")
                masks.append(row)
        except MaskError as error:
            losses.append(lose(row, "mask", f"not drawn: {error}"))
    return masks, losses


def _void(record: Row | None, size_hw: tuple[int, int]) -> NDArray[np.bool_] | None:
    try:
        rle = parse_rle((record or {"attributes": {}})["attributes"].get("void"))
    except MaskError:
        return None
    return rle.to_array() if rle.size_hw == size_hw else None


def _draw_class(array: NDArray[np.int64], drawn: dict[int, Row], row: Row, value: int) -> list[Loss]:
    region, losses = draw(row, (array.shape[0], array.shape[1]))
    if region is None:
        return losses
    first = drawn.get(value)
    free = region & np.isin(array, (0, value))
    covered = int(region.sum() - free.sum())
    if covered or not region.any():
        message = f"{covered} of its {int(region.sum())} pixels belong to an object drawn before"
        losses.append(lose(row, "mask", message))
    if not free.any():
        return [*losses, lose(row, "annotation_id", "it has no pixel of its own")]
    array[free] = value
    if first is None:
        drawn[value] = {**row, "mask": None}
        return losses
    losses.append(lose(first, "mask", f"one file an image has one region a class: joined with {row['annotation_id']}"))
    return [*losses, lose(row, "annotation_id", f"joined with {first['annotation_id']}, as it is of the same class")]


FORMAT = Format("index_masks", "Index masks, one PNG per image", find_index_masks, load_index_masks, save_index_masks)
