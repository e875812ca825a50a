"""YOLO: boxes and polygons as text, one file an image, in fractions of the image's width and height.

**What is read.** A line is `class cx cy w h` (box), `class x1 y1 x2 y2 x3 y3 ...` (polygon of three points or more),
either with one more number at its end, the confidence, which becomes `attributes.score`. Where data.yaml has
`kpt_shape: [n, d]`, a line may be a box and its keypoints (`attributes.keypoints`, in pixels). Oriented boxes (`class`
and four corners) are polygons of four points. The label file of `a/images/b.jpg` is `a/labels/b.txt` (the last
`images` folder counts), or `b.txt` in a folder `Annotations`, or beside the image, or in a folder `labels` beside the image
or its folder. Class names come from `names` in data.yaml (list, mapping or file), from the `names=` file of Darknet's
obj.data, or from obj.names, classes.txt or _darknet.labels;
without any, class 3 is called `class_3`. A class number that has no name gives a null label and
`attributes.class_id`. `train`, `val` and `test` are a folder, a list of folders or a .txt list of images; absolute
paths and `../` are looked for inside the tree only, by their last parts. Without data.yaml the subset is that of a
folder called train, val (valid, validation) or test. `nc` must be the number of names; other keys of data.yaml are
kept in `extras["yolo"]`.

An empty label file says that the image has no object: it has a record and no annotation. An image without label file,
among images that have one, says nothing: its record has the attribute `"labels": "missing"`. An image in several
subsets is a leak: the first counts, `attributes.subsets` has all. A line that is there twice is two objects. Two
images that share a label file (a.jpg and a.png) both get its objects.

**Pixel convention.** Fractions of the size after EXIF orientation, half-open, 0 at the left and upper edge. They are
multiplied with the size in the image's header and rounded to 9 decimals; that size is the record's `width_px` and
`height_px`. Nothing is clipped. Without a readable image its lines have no size: they are rejected.

**What is written.** images/<subset>/..., labels/<subset>/... and data.yaml (paths relative to it, so that the folder
can be moved). An image without annotation gets an empty label file, but none where its record has `"labels":
"missing"`, as `convert` says of every image of which the annotation files say nothing. Numbers have as many digits as
it takes to read the same pixels back, to 1e-9 px. A subset called like `valid` or `testing` is written as val or
test, one that is null or cannot be written as train; that is listed as a loss. An id `yolo/<image path>#<line>` comes
back; every other id, the annotator, attributes other than `score`, `keypoints` and `class_id`, whole-image labels,
shapes and run lengths are losses. A polygon of several rings becomes several objects.
Sizes are not written: reading takes the image's own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datatools.formats.base import Content, Format, Row, Rows, Saved, dump_attributes, write_new
from datatools.formats.locate import is_image
from datatools.formats.rows import BrokenRowError, NoImageError, broken_row
from datatools.formats.yolo_layout import (
    find_names,
    find_subsets,
    find_yolo,
    has_names,
    kpt_shape_of,
    match_labels,
    named_files,
    read_configs,
    read_text,
    subset_of_folder,
)
from datatools.formats.yolo_lines import YoloClasses, lines_of, own_id, to_row
from datatools.formats.yolo_writing import to_yolo
from datatools.image_sizes import read_size
from datatools.images import UnreadableImageError
from datatools.schema import ANNOTATIONS, REJECTED
from datatools.tree import Tree, UnreadableFileError

NO_SIZE = ", and without its size no pixels"


@dataclass(frozen=True)
class YoloImage:
    """An image and the text of its label file (None: it has none); `size_wh` in pixels, or the error that says why not."""

    path: str | None
    text: str | None
    size_wh: tuple[int, int] | BrokenRowError
    source: str = ""
    subsets: Sequence[str] = ()


def from_yolo(images: Iterable[YoloImage], classes: YoloClasses, extras: Mapping[str, Any] | None = None) -> Content:
    """Convert label files; every line that is not blank becomes one annotation or one rejected row that says why."""
    records: list[Row] = []
    rows = Rows(ANNOTATIONS)
    rejected: list[Row] = []
    found: set[str] = set()
    for image in images:
        if image.path is not None:
            records.append(_to_record(image))
        for line, text in enumerate(lines_of(image.text), start=1):
            try:
                row = to_row(text.split(), image.size_wh, classes) if text.strip() else None
            except BrokenRowError as error:
                rejected.append(broken_row(image.source, line, image.path, error))
                continue
            if row is not None:
                found.add(row["label"])
                rows.append(
                    {**row, "annotation_id": own_id(image.path, line), "path": image.path, "source": image.source}
                )
    names = found - {None} if classes.names is None else classes.names.values()
    ordered = sorted(names, key=lambda name: int(name[6:])) if classes.names is None else names
    return Content.from_rows(records, rows, tuple(dict.fromkeys(ordered)), rejected, extras=extras)


def _to_record(image: YoloImage) -> Row:
    attributes: Row = {} if image.text is not None else {"labels": "missing"}
    if len(image.subsets) > 1:
        attributes["subsets"] = list(image.subsets)
    width, height = image.size_wh if isinstance(image.size_wh, tuple) else (None, None)
    return {
        "path": image.path,
        "width_px": width,
        "height_px": height,
        "subset": image.subsets[0] if image.subsets else None,
        "attributes": dump_attributes(attributes),
        "source": image.source or "yolo",
    }


def load_yolo(tree: Tree, files: Sequence[str]) -> Content:
    """Read label files, class names and subsets; the images' headers give the sizes."""
    rejected: list[Row] = []
    configs = read_configs(tree, files, rejected)
    named = {file for path, config in configs.items() for file in named_files(tree, path, config)}
    extras = {key: value for config in reversed(configs.values()) for key, value in config.extras.items()}
    classes = YoloClasses(find_names(tree, files, configs, rejected), kpt_shape_of(extras))
    subsets = find_subsets(tree, configs, rejected)
    labels = [path for path in files if path.endswith(".txt") and path not in named and not has_names(path)]
    content = from_yolo(_images_of(tree, labels, subsets, rejected), classes, {"yolo": extras} if extras else {})
    rejected += content.rejected.to_dict("records")  # type: ignore[arg-type]
    return replace(content, rejected=REJECTED.conform(rejected), files=frozenset(files))


def _images_of(
    tree: Tree, labels: Sequence[str], subsets: Mapping[str, list[str]], rejected: list[Row]
) -> Iterator[YoloImage]:
    """Images with a label file, those beside them and those of a subset; then label files without an image."""
    paths = sorted({*filter(is_image, tree.sizes), *subsets})
    label_of = match_labels(paths, labels)
    folders = {posixpath.dirname(path) for path in label_of}
    for path in paths:
        label = label_of.get(path)
        if label is None and path not in subsets and posixpath.dirname(path) not in folders:
            continue
        text = None if label is None else read_text(tree, label, rejected)
        if label is None or text is not None:
            among = subsets.get(path) or subset_of_folder(path)
            yield YoloImage(path, text, _size_of(tree, path), label or "", among)
    for label in sorted(set(labels) - set(label_of.values())):
        text = read_text(tree, label, rejected)
        yield YoloImage(None, text, NoImageError(f"there is no image of this name{NO_SIZE}"), label)


def _size_of(tree: Tree, path: str) -> tuple[int, int] | BrokenRowError:
    if path not in tree:
        return NoImageError(f"its image is not there{NO_SIZE}")
    try:
        return read_size(tree.read(path))
    except (UnreadableImageError, UnreadableFileError) as error:
        return BrokenRowError(f"its image cannot be read{NO_SIZE}: {error}")


def save_yolo(content: Content, folder: Path) -> Saved:
    """Write data.yaml and labels/ below `folder`; FileExistsError where they are already there."""
    files, saved = to_yolo(content)
    for name, text in files.items():
        write_new(folder / name, text.encode())
    return saved


FORMAT = Format("yolo", "YOLO", find_yolo, load_yolo, save_yolo)
