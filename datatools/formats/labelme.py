"""LabelMe JSON (wkentaro/labelme): one file per image, beside it.

**Layout.** `a/cat.json` describes `a/cat.jpg`; `imagePath` is relative to the JSON file. Where no file is there, the image
is looked for by its base name, then by the JSON file's own name. `labels.txt` beside the JSON files or in a folder above
gives the class list (its markers `__ignore__` and `_background_` only if a shape uses them); without it the classes are the
labels in use, sorted. `imageData` (the image inside the JSON) is not decoded: where the image file is missing, `rejected`
says so.

**Pixel convention.** Continuous pixels from the top left corner, as everywhere in datatools; nothing is clipped or rounded.
LabelMe shows an image after its EXIF orientation is applied, and so do coordinates and `imageWidth` / `imageHeight`.
A `mask` shape has an inclusive bounding box: its PNG starts at the rounded first corner. What hangs over the image is cut
off, as LabelMe itself does. A shape with a point that is no finite number (Python writes NaN into JSON) is a rejected row.

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

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datatools.formats.base import Content, Format, Loss, Saved, write_new
from datatools.formats.carried import OWN, join_rings, lose_extras, rows_by_image, unpack_row
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.labelme_labels import LABELS, class_lines, load_classes
from datatools.formats.labelme_reading import check_document, flags_label, has_shapes, image_of, read_record, read_shape
from datatools.formats.labelme_writing import name_files, to_document
from datatools.formats.locate import ImageIndex
from datatools.formats.rows import BrokenRowError, broken_file, broken_row
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]


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
            documents[file] = check_document(parse_json(tree.read(file), allow_nan=True))
        except (BrokenFileError, UnreadableFileError) as error:
            rejected.append(broken_file(file, str(error)))
    as_labels = not any(map(has_shapes, documents.values()))
    paths = {file: image_of(document, file, index) for file, document in documents.items()}
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
    classes, class_files, extras = load_classes(tree, files, rows)
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
            row, ring = read_shape(item, size_hw) if is_shape else (unpack_row(item), None)
            if row.get("annotation_id") is None or (row["annotation_id"], ring) in seen:  # a copy made in LabelMe
                row["annotation_id"], ring = f"labelme/{path if name is None else name}#{number}", None
            seen.add((row["annotation_id"], ring))
            found.append(({**row, "path": path, "source": source}, ring))
        except BrokenRowError as error:
            rejected.append(broken_row(source, number, path, error))
    rows = join_rings(found)
    if as_labels and (label := flags_label(document.get("flags"), path)):
        rows.append({**label, "source": source})
    return read_record(document, path, source), rows, rejected


def save_labelme(content: Content, folder: Path) -> Saved:
    """Write one JSON file beside each image, and labels.txt; nothing moves."""
    documents, losses = to_labelme(content)
    for file, document in documents.items():
        write_new(folder / file, json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False).encode())
    if content.classes:
        lines, kept = class_lines(content)
        write_new(folder / LABELS, "".join(f"{line}\n" for line in lines).encode())
        losses += [] if kept else [Loss("extras.labelme", "", message="labels.txt is written from the classes instead")]
    return Saved(tuple(sorted(losses)))


def to_labelme(content: Content) -> tuple[dict[str, Row], list[Loss]]:
    """LabelMe documents by file name, and what they cannot hold."""
    records, rows, lost = rows_by_image(content)
    losses = [*lose_extras(content, "labelme"), *lost]
    as_labels = bool((content.annotations["kind"] == "label").all())
    documents: dict[str, Row] = {}
    for path, file in name_files(rows).items():
        document, lost = to_document(path, file, records.get(path), rows[path], as_labels)
        documents[file] = document
        losses += lost
    used = set(content.annotations["label"].dropna())
    if used - set(content.classes):
        losses.append(Loss("classes", "", message="labels that are no classes become classes"))
    return documents, losses


def _is_labelme(tree: Tree, path: str) -> bool:
    try:
        data = tree.peek(path)
    except UnreadableFileError:
        return False
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start == b"{" and b'"shapes"' in data and b'"imagePath"' in data


FORMAT = Format("labelme", "LabelMe JSON", find_labelme, load_labelme, save_labelme)
